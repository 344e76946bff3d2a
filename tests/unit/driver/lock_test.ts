import { assertEquals, assertRejects } from "@std/assert";
import { StateLock } from "../../../lib/driver/lock.ts";

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
    assertRejects(() => lock.shared(run), Deno.errors.NotFound),
    assertRejects(() => lock.shared(run), Deno.errors.NotFound),
    assertRejects(() => lock.exclusive(run), Deno.errors.NotFound),
  ]);
  Deno.mkdirSync(dir.path);
  assertEquals(await lock.shared(run), "ran");
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
  const module = new URL("../../../lib/driver/lock.ts", import.meta.url).href;
  const script = `import { StateLock } from ${JSON.stringify(module)};
    await new StateLock(${JSON.stringify(dir.path)}).exclusive(async () => {
      console.log("have it");
      await new Promise((resolve) => setTimeout(resolve, 1e6));
    });`;
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  assertEquals(await isTaken(dir.path, false), true);
  const waiting = new StateLock(dir.path).shared(() => Promise.resolve("let in"));
  child.kill("SIGKILL");
  assertEquals(await waiting, "let in");
  await reader.cancel();
});
