import { HostBusyError } from "./errors.ts";

/**
 * Lets one call at a time run, of all processes of this host: the calls of this process take turns, and
 * the one whose turn it is locks a file.
 */
export class Turns {
  readonly #lock: (signal: AbortSignal) => Promise<Disposable>;
  #last: Promise<void> = Promise.resolve();

  /** Takes turns with a lock among processes. */
  constructor(lock: (signal: AbortSignal) => Promise<Disposable>) {
    this.#lock = lock;
  }

  /**
   * Runs a function when it is its turn.
   *
   * @param deadline When to give up waiting, by `performance.now()`.
   * @throws {HostBusyError} The time was up before.
   */
  async run<T>(deadline: number, run: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#last = before.then(() => ended);
    const signal = AbortSignal.timeout(Math.max(0, deadline - performance.now()));
    try {
      await untilAborted(before, signal);
      using _lock = await this.#acquire(signal);
      return await run();
    } finally {
      end();
    }
  }

  async #acquire(signal: AbortSignal): Promise<Disposable> {
    try {
      return await this.#lock(signal);
    } catch (error) {
      if (signal.aborted) throw new HostBusyError();
      throw error;
    }
  }
}

async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(new HostBusyError());
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
