import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  answerCalls,
  Caller,
  CallError,
  DownError,
} from "../../../scenarios/kit/machines/calls.ts";

/** Connects a caller with an object. */
function connect(target: object): Caller {
  const calls = new TransformStream<Uint8Array, Uint8Array>();
  const answers = new TransformStream<Uint8Array, Uint8Array>();
  answerCalls(target, calls.readable, answers.writable);
  return new Caller("host1", answers.readable, calls.writable);
}

Deno.test("a call takes values of every kind, and returns what the method returns", async () => {
  const caller = connect({
    find: (pattern: RegExp, lines: string[]) =>
      new Map(lines.map((line) => [line, pattern.test(line)])),
  });
  const found = await caller.call<Map<string, boolean>>("find", /^a$/, ["a", "b\nc"]);
  assertEquals(found, new Map([["a", true], ["b\nc", false]]));
});

Deno.test("calls run at once, and their answers come as they end", async () => {
  const gate = Promise.withResolvers<string>();
  const caller = connect({ wait: () => gate.promise, open: () => gate.resolve("open") });
  const waiting = caller.call("wait");
  await caller.call("open");
  assertEquals(await waiting, "open");
});

Deno.test("a method that fails fails the call, and so does a result that cannot be cloned", async () => {
  const caller = connect({
    fail: () => Promise.reject(new Error("no such network")),
    give: () => () => {},
  });
  const error = await assertRejects(() => caller.call("fail"), CallError, "no such network");
  assert(error.milliseconds >= 0);
  await assertRejects(() => caller.call("give"), CallError, "clone");
  await assertRejects(() => caller.call("nothing"), CallError);
});

Deno.test("when the other process has gone, the calls that wait fail, and all later ones", async () => {
  const calls = new TransformStream<Uint8Array, Uint8Array>();
  const answers = new TransformStream<Uint8Array, Uint8Array>();
  const caller = new Caller("host1", answers.readable, calls.writable);
  const waiting = assertRejects(
    () => caller.call("wait"),
    DownError,
    "host1 is down: it has ended",
  );
  await answers.writable.close();
  await waiting;
  await assertRejects(() => caller.call("wait"), DownError, "host1 is down: it has ended");
});
