/**
 * A lock on a file, shared or exclusive. It works among processes and within one.
 *
 * The kernel keeps it (`flock(2)`), so it ends with the process that holds it, also if the process
 * is killed. While a call holds the exclusive lock, no other call runs. So it knows that a crash
 * left whatever is half made or half removed on record.
 */
export class StateLock {
  #path: string | undefined;
  /** How many calls of this process hold the shared lock, and the file that they hold it on. */
  #shared: { calls: number; file: Promise<Disposable> } | undefined;

  /** Makes a lock on a file in an existing folder. Without a file, the lock never blocks. */
  constructor(path?: string) {
    this.#path = path;
  }

  /** Runs a function with the shared lock. */
  async shared<T>(run: () => Promise<T>): Promise<T> {
    const holder = this.#shared ??= { calls: 0, file: this.#lock(false) };
    holder.calls++;
    try {
      await holder.file;
      return await run();
    } finally {
      holder.calls--;
      if (holder.calls === 0) {
        // The next call locks the file again, so that a call that waits for the exclusive lock gets
        // it.
        if (this.#shared === holder) this.#shared = undefined;
        (await holder.file)[Symbol.dispose]();
      }
    }
  }

  /** Runs a function with the exclusive lock. */
  async exclusive<T>(run: () => Promise<T>): Promise<T> {
    using _file = await this.#lock(true);
    return await run();
  }

  async #lock(exclusive: boolean): Promise<Disposable> {
    if (this.#path === undefined) return { [Symbol.dispose]: () => {} };
    const file = await Deno.open(this.#path, { read: true, write: true, create: true });
    try {
      await file.lock(exclusive);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}
