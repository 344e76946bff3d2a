/**
 * A lock that any number of calls share, or one has alone: among all processes that use the same
 * state folder, and within each.
 *
 * It is the kernel's (`flock(2)`), so it ends with the process that holds it, however that ends.
 * Whoever has it alone knows that no other call is under way, and so that what is half done on
 * record was left by a crash.
 */
export class StateLock {
  #path: string | undefined;
  /** The calls of this process that share the lock, and the promise of the file that they hold. */
  #shared: { calls: number; file: Promise<Disposable> } | undefined;

  /** Makes the lock over a file, whose folder has to exist; without one, nobody is ever kept out. */
  constructor(path?: string) {
    this.#path = path;
  }

  /** Runs a function while nobody has the lock alone. */
  async shared<T>(run: () => Promise<T>): Promise<T> {
    const holder = this.#shared ??= { calls: 0, file: this.#lock(false) };
    holder.calls++;
    try {
      await holder.file;
      return await run();
    } finally {
      holder.calls--;
      if (holder.calls === 0) {
        // The next call opens the file anew, so that one that waits to have it alone gets a turn.
        if (this.#shared === holder) this.#shared = undefined;
        (await holder.file)[Symbol.dispose]();
      }
    }
  }

  /** Runs a function while nobody else has the lock. */
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
