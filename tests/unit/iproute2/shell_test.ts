import { assert, assertEquals } from "@std/assert";
import { Shell } from "../../../lib/iproute2/shell.ts";
import { assertRejectsError, assertThrowsError } from "../../kit/errors.ts";

Deno.test("programs run one after the other, each with its own streams and status", async () => {
  await using shell = new Shell();
  const [copied, failed, mixed] = await Promise.all([
    shell.run("cat", ["a 'b' $HOME", "c"]),
    shell.run("sh -c 'cat >&2; exit 3'", ["gone wrong"]),
    shell.run("sh -c 'printf x; printf y >&2; kill -9 $$'", []),
  ]);
  assertEquals(copied, { code: 0, out: ["a 'b' $HOME", "c"], err: [] });
  assertEquals(failed, { code: 3, out: [], err: ["gone wrong"] });
  // A line that was not ended is a line.
  assertEquals([mixed.code, mixed.out], [137, ["x"]]);
  assert(mixed.err[0]?.startsWith("y"), mixed.err.join());
});

Deno.test("a program that does not read its input still gives its result", async () => {
  await using shell = new Shell();
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
  assertEquals((await shell.run("true", lines)).code, 0);
  assertEquals((await shell.run("wc -l", lines)).out, ["20000"]);
});

Deno.test("when the shell ends, all waiting and later calls fail with the reason", async () => {
  await using shell = new Shell();
  const waiting = [shell.run("kill -9 $$", []), shell.run("true", [])];
  for (const one of waiting) await assertRejectsError(() => one, "session-closed", "SIGKILL");
  assert(shell.ended);
  await assertRejectsError(() => shell.run("true", []), "session-closed", "SIGKILL");
});

Deno.test("the shell ends after its last program", async () => {
  const shell = new Shell();
  const asked = shell.run("cat", ["a"]);
  await shell[Symbol.asyncDispose]();
  assertEquals((await asked).out, ["a"]);
  await assertRejectsError(() => shell.run("true", []), "session-closed", "it was closed");
});

Deno.test("a missing shell is named in the error", () => {
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", "/nowhere");
  try {
    assertThrowsError(() => new Shell(), "program-not-found", 'The program "sh" was not found');
  } finally {
    Deno.env.set("PATH", path);
  }
});
