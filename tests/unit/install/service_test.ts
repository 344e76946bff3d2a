import { assertEquals, assertRejects } from "@std/assert";
import { executableText } from "../../../lib/install/service.ts";
import { install, type Service, uninstall, unitsToEnable } from "../../../lib/install/service.ts";
import { serverUnits } from "../../../lib/install/unit.ts";
import { assertThrowsError } from "../../kit/errors.ts";
import { run } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

/** A service without units, whose executable prints a word. */
function service(folder: string, word: string): Service {
  const text = executableText(["/usr/bin/printf", "%s", word], "x", {});
  return { command: "x", units: {}, executable: { path: `${folder}/opt/bin/x`, text } };
}

Deno.test("an executable takes the place of the one before, and is removed without a trace", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const file = `${path}/opt/bin/x`;
  const old = Deno.umask(0o077);
  try {
    assertEquals(install(service(path, "a")), [file]);
    assertEquals(install(service(path, "b")), [file]);
  } finally {
    Deno.umask(old);
  }
  assertEquals((await run(file)).stdout, "bx");
  assertEquals(Deno.statSync(file).mode! & 0o777, 0o755);
  assertEquals(namesIn(`${path}/opt/bin`), ["x"]);
  // Another version of this program has written another text.
  assertEquals(await uninstall(service(path, "c")), { removed: [file], used: [] });
  assertEquals(namesIn(`${path}/opt/bin`), []);
  assertEquals(await uninstall(service(path, "c")), { removed: [], used: [] });
});

Deno.test("a file of somebody else stays as it is", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const file = `${path}/opt/bin/x`;
  Deno.mkdirSync(`${path}/opt/bin`, { recursive: true });
  const ours = service(path, "a");
  const why = '"ipvlan x install" has not written it, so it stays as it is';
  const makers: (() => void)[] = [
    () => Deno.writeTextFileSync(file, "#!/bin/sh\n"),
    // Another command of this program has written it.
    () => Deno.writeTextFileSync(file, executableText(["/bin/true"], "y", {})),
    () => Deno.symlinkSync("/dev/null", file),
    () => Deno.symlinkSync(`${path}/none`, file),
    () => Deno.mkdirSync(file),
  ];
  for (const make of makers) {
    make();
    const { ino } = Deno.lstatSync(file);
    assertThrowsError(() => install(ours), "unwritable-file", why);
    await assertRejects(() => uninstall(ours), Error, why);
    assertEquals(Deno.lstatSync(file).ino, ino);
    assertEquals(namesIn(`${path}/opt/bin`), ["x"]);
    Deno.removeSync(file);
  }
  assertEquals(namesIn(path), ["opt"]);
});

Deno.test("a folder that cannot be is said before anything is written", async () => {
  await using folder = await temporaryFolder();
  Deno.writeTextFileSync(`${folder.path}/opt`, "");
  assertThrowsError(
    () => install(service(folder.path, "a")),
    "unwritable-file",
    "cannot be changed",
  );
  assertEquals(namesIn(folder.path), ["opt"]);
});

Deno.test("the socket is enabled before the server, which CNI's socket starts alone", () => {
  const names = (engine: [string, string], before?: string) =>
    unitsToEnable({ command: "", units: serverUnits(["/x"], {}, engine, "/run/x", [], before) });
  assertEquals(names(["cni", "CNI"]), ["ipvlan-cni.socket"]);
  assertEquals(names(["docker", "Docker"], "docker.service"), [
    "ipvlan-docker.socket",
    "ipvlan-docker.service",
  ]);
});

function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name);
}
