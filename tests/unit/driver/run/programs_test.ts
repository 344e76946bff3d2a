import { assert, assertEquals, assertRejects } from "@std/assert";
import { Programs } from "../../../../lib/driver/run/programs.ts";
import { Shell } from "../../../../lib/iproute2/shell.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

/** Programs with a real shell, and a signal for them. */
function makePrograms() {
  const programs = new Programs(() => new Shell());
  const abort = new AbortController();
  const run = (command: string, unstoppable = false, waiting?: (sentence: string) => void) =>
    programs.run(command, [], { shown: command, signal: abort.signal, unstoppable, waiting });
  return { programs, abort, run };
}

/** A named pipe, which keeps a program that reads it until somebody writes. */
async function pipe(): Promise<AsyncDisposable & { path: string }> {
  const folder = await Deno.makeTempDir();
  await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
  return {
    path: `${folder}/pipe`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("programs run in the order asked for, also after one that failed", async () => {
  const { programs, run } = makePrograms();
  await using _programs = programs;
  const asked = [run("echo 1; false"), run("kill -9 $$"), run("echo 3")];
  assertEquals((await asked[0]!).out, ["1"]);
  await assertRejectsError(() => asked[1]!, "session-closed", "SIGKILL");
  // In another shell.
  assertEquals((await asked[2]!).out, ["3"]);
});

Deno.test("after the signal, the program that runs may end, and only what is unstoppable follows", async () => {
  const { programs, abort, run } = makePrograms();
  await using _programs = programs;
  await using gate = await pipe();
  const running = run(`read line < ${gate.path}; echo $line`);
  const waiting = run("echo never");
  const undo = run("echo undone", true);
  using writer = await Deno.open(gate.path, { write: true });
  abort.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await writer.write(new TextEncoder().encode("done\n"));
  assertEquals((await running).out, ["done"]);
  assertEquals((await undo).out, ["undone"]);
  await assertRejects(() => run("echo never"), Error, "enough");
});

Deno.test("a program is said when it has taken a second, and longer with many lines", async () => {
  const { programs } = makePrograms();
  await using _programs = programs;
  const { setTimeout } = globalThis;
  const times: (number | undefined)[] = [];
  Object.assign(globalThis, {
    setTimeout: (call: () => void, ms?: number) => {
      times.push(ms);
      return setTimeout(call, ms);
    },
  });
  try {
    for (const input of [[], ["a", "b"]]) {
      await programs.run("cat", input, { shown: "cat", unstoppable: false, waiting: () => {} });
    }
  } finally {
    Object.assign(globalThis, { setTimeout });
  }
  assertEquals(times, [1000, 1100]);
});

Deno.test("a program that does not end is said, and killed after the signal with all that it started", async () => {
  const { programs, abort, run } = makePrograms();
  await using _programs = programs;
  await using gate = await pipe();
  const said = Promise.withResolvers<string>();
  const hanging = `trap '' TERM INT; cat ${gate.path} | cat`;
  const running = run(hanging, true, said.resolve);
  const undo = run("echo undone", true);
  assertEquals(await said.promise, `Waiting for "${hanging}"`);
  const writer = await Deno.open(gate.path, { write: true });
  abort.abort();
  await assertRejectsError(() => running, "session-closed", "did not end, and was killed");
  assertEquals((await undo).out, ["undone"]);
  // Nobody reads the pipe any more, when the kernel has closed the files of what was killed.
  const write = async () => {
    for (;;) await writer.write(new Uint8Array(1));
  };
  await assertRejects(write, Deno.errors.BrokenPipe);
  writer.close();
  assert(abort.signal.aborted);
});
