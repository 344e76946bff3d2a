/**
 * Waiting for other processes: until they close a file, and what is said meanwhile.
 *
 * @module
 */
import { type AbortOptions, orAbort } from "./abort.ts";

/** How a call waits. */
export interface WaitOptions extends AbortOptions {
  /**
   * Called with a sentence if the call waits for longer than a second.
   *
   * @default {undefined}
   */
  waiting?: (sentence: string) => void;
}

/** How long a call waits before it says so, in milliseconds. */
const PATIENCE = 1000;

/**
 * Says what a call waits for, if that takes long. Dispose of it when the wait is over.
 *
 * @param more How much longer it may well take, in milliseconds.
 */
export function sayIfLong(
  waiting: WaitOptions["waiting"],
  sentence: () => string,
  more = 0,
): Disposable {
  const timer = waiting && setTimeout(() => waiting(sentence()), PATIENCE + more);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Waits for some time, or until the signal is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const abort = () => resolve();
  signal?.addEventListener("abort", abort, { once: true });
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", abort);
}

/**
 * Waits until a check holds. It is made at once, and each time that a process closes a file which
 * it had open for writing: when it ends, at the latest. The file must exist.
 */
export async function untilClosed(
  path: string,
  check: () => boolean | Promise<boolean>,
  { signal }: AbortOptions,
): Promise<void> {
  signal?.throwIfAborted();
  if (await check()) return;
  using watch = new CloseWatch(path);
  // The first check is repeated: the file may have been closed before the watch began.
  while (!await check()) await orAbort(watch.next(), signal);
}

/** How long a check is not repeated without a notice, in milliseconds. */
const INTERVAL = 100;

/**
 * Tells when a file is closed that was open for writing (`IN_CLOSE_WRITE`, inotify(7)). For a process
 * that is killed, the kernel gives this notice a moment before it frees the locks of the file
 * (`__fput` in `fs/file_table.c`). So there is a time limit on the wait for a notice.
 */
class CloseWatch implements Disposable {
  #watcher: Deno.FsWatcher | undefined;
  #notice: Promise<unknown> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string) {
    try {
      this.#watcher = Deno.watchFs(path);
    } catch {
      // A user has only so many watches (`fs.inotify.max_user_instances`). Without one, we poll.
    }
  }

  /** Resolves when the file may have been closed since the last call. */
  async next(): Promise<void> {
    this.#notice ??= this.#watcher?.[Symbol.asyncIterator]().next()
      .then(() => this.#notice = undefined);
    const time = new Promise((resolve) => this.#timer = setTimeout(resolve, INTERVAL));
    await Promise.race([time, ...(this.#notice ? [this.#notice] : [])]);
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    clearTimeout(this.#timer);
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

/** How many characters of a command line are shown. */
const SHOWN = 80;

/** Describes a process by its command line: `process 12 (sleep 1000)`. */
export function describeProcess(pid: number): string {
  try {
    const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).replace(/[\s\0]+/g, " ").trim();
    const shown = words.length > SHOWN ? `…${words.slice(-SHOWN)}` : words;
    return shown === "" ? `process ${pid}` : `process ${pid} (${shown})`;
  } catch {
    return `process ${pid}`;
  }
}
