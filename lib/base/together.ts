/**
 * Calls of one process that share what they do.
 *
 * @module
 */

/** Runs a function for several callers at once. */
export class Together<T> {
  readonly #run: () => Promise<T>;
  readonly #rest: (took: number) => Promise<void>;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  /** Makes it. @param rest Waits before the next run, after one that took so many milliseconds. */
  constructor(run: () => Promise<T>, rest = (_took: number): Promise<void> => Promise.resolve()) {
    this.#run = run;
    this.#rest = rest;
  }

  /** Runs the function after the call. Calls while it runs share the next run. */
  request(): Promise<T> {
    return this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const start = performance.now();
      const run = this.#run();
      this.#running = run.catch(() => {}).then(() => this.#rest(performance.now() - start));
      return run;
    });
  }
}
