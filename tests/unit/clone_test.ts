// What a clone offers, without an installation.
import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import metadata from "../../deno.json" with { type: "json" };
import { temporaryFolder } from "../kit/worlds.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a program in a folder. Resolves to its exit status and to what it printed. */
async function run(program: string, args: string[], cwd: string, PATH?: string) {
  const env = PATH === undefined ? undefined : { PATH };
  const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd, env }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("./ipvlan runs in any folder, also by a link: with Deno, else with npx", async () => {
  await using folder = await temporaryFolder();
  const link = `${folder.path}/ipvlan`;
  await Deno.symlink(`${ROOT}ipvlan`, link);
  const programs = `${folder.path}/bin`;
  await Deno.mkdir(programs);
  for (const name of ["sh", "dirname", "readlink"]) {
    const { out } = await run("sh", ["-c", `command -v ${name}`], folder.path);
    await Deno.symlink(out.trim(), `${programs}/${name}`);
  }
  await Deno.writeTextFile(`${programs}/npx`, '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
  const words = `run -A ${ROOT}cli.ts --version`;
  const byNpx = await run(link, ["--version"], folder.path, programs);
  assertEquals(byNpx, { code: 0, out: `-y deno@2 ${words}\n`, err: "" });
  await Deno.symlink(Deno.execPath(), `${programs}/deno`);
  const { code, out } = await run(link, ["--version"], folder.path, programs);
  assertEquals([code, out], [0, `ipvlan ${metadata.version}\n`]);
});

Deno.test("a Deno that is too old is told so in one line", async () => {
  await using folder = await temporaryFolder();
  const start = async (version: string) => {
    const text = `const version = { ...Deno.version, deno: "${version}" };
Object.defineProperty(globalThis, "Deno", { value: Object.create(Deno, { version: { value: version } }) });`;
    await Deno.writeTextFile(`${folder.path}/old.ts`, text);
    const args = ["run", "-A", "--preload", `${folder.path}/old.ts`, `${ROOT}cli.ts`, "--version"];
    return await run(Deno.execPath(), args, folder.path);
  };
  for (const version of ["1.46.3", "2.0.0", "2.8.3", "2.9.4"]) {
    const { code, out, err } = await start(version);
    assertEquals([code, out], [1, ""]);
    assertMatch(
      err,
      new RegExp(`^ipvlan: It needs Deno 2\\.9\\.5 or newer, and this is Deno ${version}: .*\n$`),
    );
  }
  for (const version of ["2.9.5", "2.10.1", "3.0.0"]) {
    assertEquals((await start(version)).out, `ipvlan ${metadata.version}\n`);
  }
});
