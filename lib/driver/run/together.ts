/**
 * Calls of one process that share what they do.
 *
 * @module
 */

/** Runs a function for several callers at once. */
export class Together<T> {
  readonly #run: () => Promise<T>;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  /** Makes it; nothing runs yet. */
  constructor(run: () => Promise<T>) {
    this.#run = run;
  }

  /**
   * Runs the function after the call, and resolves to what it gives. Calls while it runs share the next
   * run.
   */
  request(): Promise<T> {
    return this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const run = this.#run();
      this.#running = run.catch(() => {});
      return run;
    });
  }
}
