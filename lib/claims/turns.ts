import { orAbort } from "../base/waiting.ts";
import { IpvlanError } from "../base/errors.ts";

/**
 * Runs one call at a time, of all processes of this host: the calls of this process wait in a queue,
 * and the first one locks a file.
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
   * @param patience How long to wait for another process of this host, in milliseconds.
   * @param signal Ends the wait, with its reason.
   * @throws {"host-busy"} It took longer.
   */
  async run<T>(
    patience: number,
    signal: AbortSignal | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    const before = this.#last;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#last = before.then(() => ended);
    try {
      await orAbort(before, signal);
      using _lock = await this.#acquire(patience, signal);
      return await run();
    } finally {
      end();
    }
  }

  async #acquire(patience: number, signal: AbortSignal | undefined): Promise<Disposable> {
    const limit = AbortSignal.timeout(patience);
    try {
      return await this.#lock(signal ? AbortSignal.any([limit, signal]) : limit);
    } catch (error) {
      signal?.throwIfAborted();
      if (limit.aborted) throw new IpvlanError("host-busy");
      throw error;
    }
  }
}
