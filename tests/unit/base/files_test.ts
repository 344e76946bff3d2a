import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  findProgram,
  lstatOf,
  replaceFile,
  statOf,
  tryToWriteIn,
} from "../../../lib/base/files.ts";
import { inEnv } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

/** Runs a function with an umask. */
function withUmask(umask: number, run: () => void): void {
  const before = Deno.umask(umask);
  try {
    run();
  } finally {
    Deno.umask(before);
  }
}

Deno.test("a file is written whole, with its mode whatever the umask is, and nothing else stays", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/file`;
  for (const [umask, mode] of [[0o077, 0o644], [0, 0o600], [0o777, 0o755]] as const) {
    withUmask(umask, () => replaceFile(path, `${mode}\n`, mode));
    assertEquals(Deno.readTextFileSync(path), `${mode}\n`);
    assertEquals(Deno.lstatSync(path).mode! & 0o7777, mode);
  }
  // Who has it open reads the old one to its end.
  using old = Deno.openSync(path);
  replaceFile(path, "new", 0o644);
  const bytes = new Uint8Array(10);
  assertEquals(bytes.slice(0, old.readSync(bytes)!), new TextEncoder().encode("493\n"));
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["file"]);
});

Deno.test("a link in the place of a file is replaced, and what it leads to stays as it is", async () => {
  await using folder = await temporaryFolder();
  const [path, victim] = [`${folder.path}/file`, `${folder.path}/victim`];
  Deno.writeTextFileSync(victim, "victim", { mode: 0o600 });
  Deno.symlinkSync(victim, path);
  replaceFile(path, "new", 0o644);
  assertEquals([Deno.readTextFileSync(path), Deno.lstatSync(path).isSymlink], ["new", false]);
  assertEquals(Deno.readTextFileSync(victim), "victim");
  assertEquals(Deno.statSync(victim).mode! & 0o777, 0o600);
});

Deno.test("what cannot be written fails with the system's code, and leaves nothing", async () => {
  await using folder = await temporaryFolder();
  Deno.mkdirSync(`${folder.path}/folder/in`, { recursive: true });
  for (const [path, code] of [["none/file", "ENOENT"], ["folder", "EISDIR"]] as const) {
    const error = assertThrows(() => replaceFile(`${folder.path}/${path}`, "", 0o644), Error);
    assertEquals((error as Error & { code: string }).code, code);
  }
  assertThrows(() => tryToWriteIn(`${folder.path}/none`), Deno.errors.NotFound);
  tryToWriteIn(folder.path);
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["folder"]);
});

Deno.test("no file stays open", async () => {
  await using folder = await temporaryFolder();
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  for (let i = 0; i < 20; i++) replaceFile(`${folder.path}/file`, "", 0o644);
  assert(open() < before + 20);
});

Deno.test("a program is the first executable file of its name on PATH", async () => {
  await using folder = await temporaryFolder();
  const at = (path: string) => `${folder.path}/${path}`;
  for (const name of ["folder", "plain", "all", "own", "later"]) Deno.mkdirSync(at(name));
  Deno.mkdirSync(at("folder/tool"), { mode: 0o755 });
  Deno.writeTextFileSync(at("plain/tool"), "", { mode: 0o644 });
  for (const [name, mode] of [["all", 0o755], ["own", 0o100], ["later", 0o755]] as const) {
    Deno.writeTextFileSync(at(`${name}/tool`), "");
    Deno.chmodSync(at(`${name}/tool`), mode);
  }
  const found = (...folders: string[]) => {
    using _path = inEnv("PATH", folders.map(at).join(":"));
    return findProgram("tool");
  };
  assertEquals(found("folder", "plain", "none"), undefined);
  assertEquals(found("folder", "plain", "all", "later"), at("all/tool"));
  assertEquals(found("own", "later"), at("own/tool"));
  using _path = inEnv("PATH", "");
  Deno.env.delete("PATH");
  assertEquals(findProgram("no such tool"), undefined);
});

Deno.test("a file that does not exist, or cannot, has no status", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/link`;
  Deno.symlinkSync("nowhere", path);
  const missing = [`${folder.path}/none`, "/dev/null/x", "a\0b", "x".repeat(300)];
  for (const name of missing) assertEquals([statOf(name), lstatOf(name)], [undefined, undefined]);
  assertEquals([statOf(path), lstatOf(path)?.isSymlink], [undefined, true]);
  assertEquals(statOf(folder.path)?.isDirectory, true);
  // A link that leads to itself is no crash.
  const loop = `${folder.path}/loop`;
  Deno.symlinkSync("loop", loop);
  assertEquals([statOf(loop), lstatOf(loop)?.isSymlink], [undefined, true]);
});
