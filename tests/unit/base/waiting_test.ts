import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  atOnce,
  Coalescer,
  describeProcess,
  holdersOf,
  orAbort,
  pause,
  sayIfLong,
  untilClosed,
} from "../../../lib/base/waiting.ts";

/** A file that is removed after the test. */
function madeFile(): Disposable & { path: string } {
  const path = Deno.makeTempFileSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

/** Calls a function at the end of a test. */
function disposable(end: () => unknown): Disposable {
  return {
    [Symbol.dispose]: () => {
      end();
    },
  };
}

/** A signal whose listeners are counted. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener: add, removeEventListener: remove } = signal;
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove.apply(signal, args);
  };
  return { controller, signal, listeners: () => listeners };
}

Deno.test("orAbort() is over with the promise or with the signal, and leaves no listener", async () => {
  assertEquals(await orAbort(Promise.resolve(1), undefined), 1);
  const { controller, signal, listeners } = countedSignal();
  assertEquals(await orAbort(Promise.resolve(2), signal), 2);
  await assertRejects(() => orAbort(Promise.reject(new Error("no")), signal), Error, "no");
  assertEquals(listeners(), 0);
  const { promise, reject } = Promise.withResolvers<never>();
  const waiting = orAbort(promise, signal);
  controller.abort(new RangeError("over"));
  await assertRejects(() => waiting, RangeError, "over");
  const later = Promise.withResolvers<never>();
  await assertRejects(() => orAbort(later.promise, signal), RangeError, "over");
  // Nothing waits for them any more, and their failures do not end the program.
  for (const fail of [reject, later.reject]) fail(new Error("late"));
});

Deno.test("a coalescer runs once for all calls during a run, and rests between runs", async () => {
  const [events, began] = [[] as string[], performance.now()];
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let runs = 0;
  const coalescer = new Coalescer(async () => {
    const run = runs++;
    events.push(`run ${run}`);
    await gates[run]!.promise;
    if (run === 1) throw new Error("run 1");
    return run;
  }, (took) => {
    assert(took >= 0 && took <= performance.now() - began, `it took ${took} ms`);
    events.push("rest");
    return Promise.resolve();
  });
  const first = [coalescer.request(), coalescer.request()];
  await Promise.resolve();
  const second = [coalescer.request(), coalescer.request()];
  for (const { resolve } of gates) resolve();
  assertEquals(await Promise.all(first), [0, 0]);
  for (const each of second) await assertRejects(() => each, Error, "run 1");
  assertEquals(await coalescer.request(), 2);
  assertEquals(events.slice(0, 5), ["run 0", "rest", "run 1", "rest", "run 2"]);
});

Deno.test("a coalescer aborts a run that no call needs, and later calls do not share it", async () => {
  const gate = Promise.withResolvers<void>();
  const runs: AbortSignal[] = [];
  const coalescer = new Coalescer(async ({ signal }) => {
    runs.push(signal!);
    await orAbort(gate.promise, signal);
  });
  const [one, other, third] = [new AbortController(), new AbortController(), new AbortController()];
  const first = [one, other].map(({ signal }) => coalescer.request({ signal }));
  await Promise.resolve();
  const second = coalescer.request({ signal: third.signal });
  third.abort(new Error("third"));
  await assertRejects(() => second, Error, "third");
  const last = coalescer.request();
  one.abort(new Error("one"));
  await assertRejects(() => first[0]!, Error, "one");
  assertEquals(runs.map(({ aborted }) => aborted), [false]);
  other.abort(new Error("other"));
  await assertRejects(() => first[1]!, Error, "other");
  assertEquals(runs[0]!.aborted, true);
  gate.resolve();
  await last;
  assertEquals(runs.length, 2);
});

Deno.test("atOnce() runs no more at once than it may, and keeps the order", async () => {
  let [running, most] = [0, 0];
  const double = async (item: number) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return 2 * item;
  };
  assertEquals(await atOnce(2, [1, 2, 3, 4, 5], double), [2, 4, 6, 8, 10]);
  assertEquals(most, 2);
  assertEquals(await atOnce(9, [1], double), [2]);
  assertEquals(await atOnce(9, [], double), []);
});

Deno.test("atOnce() begins nothing after a failure, and waits for what has begun", async () => {
  const gate = Promise.withResolvers<void>();
  const ended: number[] = [];
  const calls = atOnce(2, [1, 2, 3, 4], async (item) => {
    if (item === 1) throw new RangeError("one");
    await gate.promise;
    ended.push(item);
  });
  // A call that does not wait has failed by then.
  setTimeout(gate.resolve);
  await assertRejects(() => calls, RangeError);
  assertEquals(ended, [2]);
});

Deno.test("a wait is announced once it is long, and not after its end", async () => {
  const said: string[] = [];
  const told = Promise.withResolvers<void>();
  const say = (sentence: string) => {
    said.push(sentence);
    told.resolve();
  };
  {
    using _short = sayIfLong(say, () => "short", -1000);
  }
  {
    using _silent = sayIfLong(undefined, () => "silent", -1000);
  }
  using _patient = sayIfLong(say, () => "patient", 60_000);
  using _long = sayIfLong(say, () => "long", -1000);
  await told.promise;
  assertEquals(said, ["long"]);
});

Deno.test("a pause ends with its time or with the signal, and leaves nothing", async () => {
  const { controller, signal, listeners } = countedSignal();
  const clear = globalThis.clearTimeout;
  const cleared: unknown[] = [];
  using _clear = disposable(() => globalThis.clearTimeout = clear);
  globalThis.clearTimeout = (timer) => {
    cleared.push(timer);
    clear(timer);
  };
  await pause(0);
  await pause(0, signal);
  assertEquals(listeners(), 0);
  const waiting = pause(1_000_000, signal);
  controller.abort();
  await waiting;
  assertEquals(cleared.length, 3);
  await pause(1_000_000, signal);
  assertEquals(cleared.length, 3);
});

Deno.test("untilClosed() checks at once, after each notice, and not after the signal", async () => {
  using file = madeFile();
  let checks = 0;
  await untilClosed(file.path, () => ++checks > 0, {});
  assertEquals(checks, 1);
  let isFree = false;
  const free = untilClosed(file.path, () => Promise.resolve(isFree), {});
  queueMicrotask(() => {
    isFree = true;
    Deno.writeTextFileSync(file.path, "");
  });
  await free;
  const controller = new AbortController();
  const never = untilClosed(file.path, () => {
    checks++;
    return false;
  }, { signal: controller.signal });
  // Were it not to wait between two checks, this would never be reached.
  await new Promise((resolve) => setTimeout(resolve, 0));
  controller.abort(new RangeError("over"));
  await assertRejects(() => never, RangeError, "over");
  const before = checks;
  const again = () => untilClosed(file.path, () => ++checks > 0, { signal: controller.signal });
  await assertRejects(again, RangeError, "over");
  assertEquals(checks, before);
});

Deno.test("untilClosed() polls where the user has no watch left", async () => {
  using file = madeFile();
  const watch = Deno.watchFs;
  using _watch = disposable(() => Deno.watchFs = watch);
  Deno.watchFs = () => {
    throw new Error("Too many open files");
  };
  let isFree = false;
  // Were it not to wait between two checks, this would never be called.
  setTimeout(() => isFree = true, 0);
  await untilClosed(file.path, () => isFree, {});
});

Deno.test("the holders of a lock and the processes are named by their command lines", async () => {
  using path = madeFile();
  using file = Deno.openSync(path.path, { write: true });
  file.lockSync(true);
  assertEquals(holdersOf(path.path), "another call");
  assertEquals(holdersOf("/nonexistent"), "another call");
  for (const word of ["x", "x".repeat(100)]) {
    const args = ["-c", "echo; read _", word];
    await using child = new Deno.Command("sh", { args, stdin: "piped", stdout: "piped" }).spawn();
    // It has its command line once it prints.
    await child.stdout.getReader().read();
    const end = word.length === 1 ? "sh -c echo; read _ x" : `(…${"x".repeat(80)}`;
    const [start, described] = [`process ${child.pid} (`, describeProcess(child.pid)];
    assert(described.startsWith(start) && described.endsWith(`${end})`), described);
  }
  assertEquals(describeProcess(0x7fff_fffe), `process ${0x7fff_fffe}`);
});
