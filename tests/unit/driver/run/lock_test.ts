import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { StateLock } from "../../../../lib/driver/run/lock.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

/** A path for a lock, in a folder that is removed after the test. */
function lockPath(): Disposable & { path: string } {
  const folder = Deno.makeTempDirSync();
  return {
    path: `${folder}/lock`,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** Whether a process that asks for the lock would have to wait now. */
async function isTaken(path: string, exclusive: boolean): Promise<boolean> {
  using file = await Deno.open(path, { read: true, write: true, create: true });
  return !await file.tryLock(exclusive);
}

Deno.test("calls that share the lock run at the same time", async () => {
  using dir = lockPath();
  const lock = new StateLock(dir.path);
  const both = Promise.withResolvers<void>();
  let running = 0;
  // Each waits for the other, so neither would end if only one ran at a time.
  const call = () =>
    lock.shared(async () => {
      if (++running === 2) both.resolve();
      await both.promise;
      return running;
    });
  assertEquals(await Promise.all([call(), call()]), [2, 2]);
  assertEquals(await isTaken(dir.path, true), false);
});

Deno.test("an exclusive lock excludes everybody else, and a shared lock excludes an exclusive one", async () => {
  using dir = lockPath();
  const [one, two] = [new StateLock(dir.path), new StateLock(dir.path)];
  await one.shared(async () => {
    assertEquals([await isTaken(dir.path, false), await isTaken(dir.path, true)], [false, true]);
    await two.shared(() => Promise.resolve());
  });
  const log: string[] = [];
  const turn = (lock: StateLock, name: string) =>
    lock.exclusive(async () => {
      log.push(`${name} begins`);
      assertEquals(await isTaken(dir.path, false), true);
      log.push(`${name} ends`);
    });
  const names = ["a", "b", "c", "d"];
  await Promise.all(names.map((name, i) => turn(i % 2 === 0 ? one : two, name)));
  // In whichever order, but never one within another.
  assertEquals(
    log,
    names.map((_, i) => log[2 * i]!.split(" ")[0]!)
      .flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
  assertEquals(await isTaken(dir.path, true), false);
});

Deno.test("far more calls may wait for the lock than there are threads", async () => {
  using dir = lockPath();
  const lock = new StateLock(dir.path);
  let done = 0;
  const call = async () => {
    await Deno.readTextFile("/proc/self/comm");
    done++;
  };
  await Promise.all(
    Array.from({ length: 200 }, (_, i) => i % 2 === 0 ? lock.exclusive(call) : lock.shared(call)),
  );
  assertEquals(done, 200);
});

Deno.test("a call that throws releases the lock", async () => {
  using dir = lockPath();
  const lock = new StateLock(dir.path);
  const fail = () => Promise.reject(new Error("on purpose"));
  await assertRejects(() => lock.shared(fail), Error, "on purpose");
  await assertRejects(() => lock.exclusive(fail), Error, "on purpose");
  assertEquals(await isTaken(dir.path, true), false);
  assertEquals(await lock.shared(() => Promise.resolve(1)), 1);
});

Deno.test("every call fails while the lock file cannot be opened, and later calls try again", async () => {
  using dir = lockPath();
  const lock = new StateLock(`${dir.path}/lock`);
  const run = () => Promise.resolve("ran");
  await Promise.all([
    assertRejectsError(() => lock.shared(run), "store-unusable"),
    assertRejectsError(() => lock.shared(run), "store-unusable"),
    assertRejectsError(() => lock.exclusive(run), "store-unusable"),
  ]);
  Deno.mkdirSync(dir.path);
  assertEquals(await lock.shared(run), "ran");
});

Deno.test("a call that wants the lock alone waits only for the calls that run already", async () => {
  using dir = lockPath();
  // Two locks on one file are as those of two processes.
  const [busy, other] = [new StateLock(dir.path), new StateLock(dir.path)];
  const log: string[] = [];
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const early = busy.shared(() => first.promise);
  await busy.shared(() => Promise.resolve());
  const alone = other.exclusive(() => Promise.resolve(void log.push("alone")));
  while (!await isTaken(`${dir.path}.gate`, false));
  // A call that comes now must not join the first one.
  const late = busy.shared(() => (log.push("late"), second.promise));
  first.resolve();
  await early;
  await alone;
  second.resolve();
  await late;
  assertEquals(log, ["alone", "late"]);
});

Deno.test("an aborted call does not wait, and leaves the lock to others", async () => {
  using dir = lockPath();
  const [holder, lock] = [new StateLock(dir.path), new StateLock(dir.path)];
  const never = () => Promise.reject(new Error("it ran"));
  for (const kind of ["shared", "exclusive"] as const) {
    const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const aborts = Array.from({ length: 3 }, () => new AbortController());
    const holding = holder.exclusive(() => (begun.resolve(), held.promise));
    await begun.promise;
    const waiting = aborts.map(({ signal }) => lock[kind](never, { signal }));
    for (const [index, abort] of aborts.entries()) {
      abort.abort(new Error(`enough ${index}`));
      await assertRejects(() => waiting[index]!, Error, `enough ${index}`);
    }
    await assertRejects(() => lock[kind](never, { signal: AbortSignal.abort("no") }));
    const later = lock[kind](() => Promise.resolve("let in"));
    held.resolve();
    await holding;
    assertEquals(await later, "let in");
  }
  assertEquals(await isTaken(dir.path, true), false);
  assertEquals(await isTaken(`${dir.path}.gate`, true), false);
});

Deno.test("a call that waits for a second says for which process", async () => {
  using dir = lockPath();
  await using child = await holderProcess(dir.path);
  const said = Promise.withResolvers<string>();
  const abort = new AbortController();
  const waiting = new StateLock(dir.path)
    .exclusive(() => Promise.resolve(), { signal: abort.signal, waiting: said.resolve });
  assertMatch(
    await said.promise,
    new RegExp(`^Waiting for process ${child.pid} \\(….*setTimeout.*\\)$`),
  );
  abort.abort();
  await assertRejects(() => waiting, DOMException);
});

Deno.test("without a file the lock never blocks", async () => {
  const lock = new StateLock();
  assertEquals(
    await lock.exclusive(() => lock.exclusive(() => lock.shared(() => Promise.resolve(1)))),
    1,
  );
});

Deno.test("a process that ends, in any way, releases its lock", async () => {
  using dir = lockPath();
  await using child = await holderProcess(dir.path);
  assertEquals(await isTaken(dir.path, false), true);
  const waiting = new StateLock(dir.path).shared(() => Promise.resolve("let in"));
  child.kill("SIGKILL");
  assertEquals(await waiting, "let in");
});

/** A process that holds the exclusive lock on a file until it is killed. */
async function holderProcess(path: string): Promise<Deno.ChildProcess> {
  const module = new URL("../../../../lib/driver/run/lock.ts", import.meta.url).href;
  const script = `import { StateLock } from ${JSON.stringify(module)};
    await new StateLock(${JSON.stringify(path)}).exclusive(async () => {
      console.log("have it");
      await new Promise((resolve) => setTimeout(resolve, 1e6));
    });`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return child;
}
