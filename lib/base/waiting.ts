// Waits for signals, for calls that share a run, and for other processes, and says so if it takes
// long.
import { textOf } from "./files.ts";

/** Options to end a call early. */
export interface AbortOptions {
  /** Ends the call: the processes it waits for are killed, and it fails with the signal's reason. */
  signal?: AbortSignal;
}

/** Waits for a promise. If the signal is aborted first, this fails with the signal's reason. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  // After the signal, nothing awaits the promise, and its failure must not end the program.
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Runs a function once for all calls that are made at the same time. */
export class Coalescer<T> {
  #running: Promise<unknown> = Promise.resolve();
  #next: { calls: number; done: Promise<T>; giveUp: AbortController } | undefined;

  /**
   * The signal that `run` gets is aborted when no call needs the run any more. `rest` waits before
   * the next run, after one of so many milliseconds.
   */
  constructor(
    private readonly run: (options: WaitOptions) => Promise<T>,
    private readonly rest = (_took: number): Promise<void> => Promise.resolve(),
  ) {}

  /** Runs the function after the call. Calls while it runs share the next run. */
  async request({ signal, waiting }: WaitOptions = {}): Promise<T> {
    const next = this.#next ??= this.#makeNext(waiting);
    next.calls++;
    try {
      return await orAbort(next.done, signal);
    } finally {
      if (--next.calls === 0) {
        if (this.#next === next) this.#next = undefined;
        next.giveUp.abort();
      }
    }
  }

  #makeNext(waiting: WaitOptions["waiting"]) {
    const giveUp = new AbortController();
    const done = this.#running.then(() => {
      giveUp.signal.throwIfAborted();
      this.#next = undefined;
      const start = performance.now();
      const run = this.run({ signal: giveUp.signal, waiting });
      this.#running = run.catch(() => {}).then(() => this.rest(performance.now() - start));
      return run;
    });
    return { calls: 0, done, giveUp };
  }
}

/**
 * Calls a function for each item, at most `most` at once. Resolves to the outcomes, in order. If a call
 * fails, no other one begins, and this fails when those that have begun have ended.
 */
export async function atOnce<T, R>(
  most: number,
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  // The workers share one iterator, so each item goes to one worker. A call that fails ends it.
  const calls = items.entries().map(async ([index, item]) => {
    results[index] = await run(item);
  });
  const work = async () => {
    for (const call of calls) await call;
  };
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(most, items.length) }, work),
  );
  const failed = ended.find((each) => each.status === "rejected");
  if (failed) throw failed.reason;
  return results;
}

export interface WaitOptions extends AbortOptions {
  /** Called with a sentence if the call waits for longer than a second. */
  waiting?: (sentence: string) => void;
}

/** The time that a call waits before it says so, in milliseconds. */
const PATIENCE = 1000;

/** Says what a call waits for, if that takes long and `more` milliseconds, until disposed of. */
export function sayIfLong(
  waiting: WaitOptions["waiting"],
  sentence: () => string,
  more = 0,
): Disposable {
  const timer = waiting && setTimeout(() => waiting(sentence()), PATIENCE + more);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", resolve);
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", resolve);
}

/** The longest time between two checks without a notice, in milliseconds. */
const INTERVAL = 100;

/**
 * Waits until a check holds. It checks at once, and each time that a process closes a file that it had
 * open for writing (at the latest when the process ends). The file must exist.
 *
 * The notice is `IN_CLOSE_WRITE` of inotify(7). For a process that is killed, the kernel gives it a
 * moment before it frees the locks of the file (`__fput` in `fs/file_table.c`). So there is a time
 * limit on the wait for a notice.
 */
export async function untilClosed(
  path: string,
  check: () => boolean | Promise<boolean>,
  { signal }: AbortOptions,
): Promise<void> {
  signal?.throwIfAborted();
  if (await check()) return;
  using watch = new Watch(path);
  // The first check is repeated: the file may have been closed before the watch began.
  while (!await check()) await watch.next(signal);
}

/** Waits for changes of a file or in a folder. */
export class Watch implements Disposable {
  readonly #watcher: Deno.FsWatcher | undefined;
  #notice: Promise<unknown> | undefined;

  constructor(path: string) {
    try {
      this.#watcher = Deno.watchFs(path);
    } catch {
      // There is no such path, or the user has no watch left (`fs.inotify.max_user_instances`).
    }
  }

  /** Resolves at the next notice, at the latest after {@linkcode INTERVAL}. */
  async next(signal?: AbortSignal): Promise<void> {
    this.#notice ??= this.#watcher?.[Symbol.asyncIterator]().next().catch(() => {})
      .finally(() => this.#notice = undefined);
    const over = new AbortController();
    this.#notice?.then(() => over.abort());
    await orAbort(pause(INTERVAL, over.signal), signal).finally(() => over.abort());
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}

/**
 * Names the processes that hold a lock on a file, by `/proc/locks` (proc_locks(5)): `process 12
 * (ipvlan restore)`. It leaves out this process.
 */
export function holdersOf(path: string): string {
  try {
    const { ino } = Deno.statSync(path);
    const pids = Deno.readTextFileSync("/proc/locks").split("\n").flatMap((line) => {
      const [, pid, inode] = /^\d+: FLOCK \s*\S+ \s*\S+ \s*(\d+) \S+:(\d+) /.exec(line) ?? [];
      return Number(inode) === ino ? [Number(pid)] : [];
    });
    const others = [...new Set(pids)].filter((pid) => pid !== Deno.pid);
    if (others.length > 0) return others.map(describeProcess).join(", ");
  } catch {
    // This process may not read /proc.
  }
  return "another call";
}

/** Describes a process by its command line: `process 12 (sleep 1000)`. */
export function describeProcess(pid: number): string {
  const words = textOf(`/proc/${pid}/cmdline`).replace(/[\s\0]+/g, " ").trim();
  const shown = words.length > 80 ? `…${words.slice(-80)}` : words;
  return shown === "" ? `process ${pid}` : `process ${pid} (${shown})`;
}
