import { dirname } from "node:path";
import {
  holdersOf,
  orAbort,
  sayIfLong,
  untilClosed,
  type WaitOptions,
} from "../../base/waiting.ts";
import { IpvlanError } from "../../base/errors.ts";

/** A lock on a file (flock(2)), among processes and within one. It ends with its process. */
export class FileLock {
  /** Resolves when no call of this process holds or waits for the exclusive lock. */
  #last: Promise<void> = Promise.resolve();

  constructor(readonly path: string) {}

  async shared(options: WaitOptions = {}): Promise<Disposable> {
    return await this.#lock(false, options);
  }

  /** Takes the exclusive lock. Dispose of the result to unlock it. */
  async exclusive(options: WaitOptions = {}): Promise<Disposable> {
    // The calls of this process take turns, so that only one of them watches the file.
    const before = this.#last;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#last = before.then(() => ended);
    using stack = new DisposableStack();
    stack.defer(end);
    await orAbort(before, options.signal);
    stack.use(await this.#lock(true, options));
    return stack.move();
  }

  tryExclusive(): Disposable | undefined {
    return this.#tryLock(true);
  }

  isTaken(): boolean {
    using lock = this.#tryLock(false);
    return lock === undefined;
  }

  #tryLock(exclusive: boolean): Disposable | undefined {
    using stack = new DisposableStack();
    const file = stack.use(this.#open());
    if (!file.tryLockSync(exclusive)) return undefined;
    // Unlock first: waiting calls check again when the file is closed.
    stack.defer(() => file.unlockSync());
    return stack.move();
  }

  async #lock(exclusive: boolean, options: WaitOptions): Promise<Disposable> {
    using stack = new DisposableStack();
    const file = stack.use(this.#open());
    await untilClosed(this.path, () => file.tryLockSync(exclusive), options);
    stack.defer(() => file.unlockSync());
    return stack.move();
  }

  /** Opens the file, or makes it. @throws {"store-unusable"} It cannot be used: it is a folder, … */
  #open(): Deno.FsFile {
    try {
      return Deno.openSync(this.path, { read: true, write: true, create: true, mode: 0o600 });
    } catch (cause) {
      const fields = { folder: dirname(this.path), reason: (cause as Error).message };
      throw new IpvlanError("store-unusable", fields, { cause });
    }
  }
}

/** The calls of this process that hold the shared lock together. */
interface Holders {
  calls: number;
  lock: Promise<Disposable>;
  giveUp: AbortController;
}

/**
 * The lock on a state folder, shared or exclusive, among processes and within one. While a call
 * holds the exclusive lock, no other call runs. So every record that is half made or half removed was
 * left by a crash.
 *
 * A call that waits for the exclusive lock holds a second lock, the gate. Later calls wait at the
 * gate, so the first call waits only for calls that already run.
 */
export class StateLock {
  readonly #files: { lock: FileLock; gate: FileLock } | undefined;
  #holders: Holders | undefined;

  /** @param path A file in an existing folder; without one, the lock never blocks. */
  constructor(path?: string) {
    if (path === undefined) return;
    this.#files = { lock: new FileLock(path), gate: new FileLock(`${path}.gate`) };
  }

  async shared<T>(run: () => Promise<T>, options: WaitOptions = {}): Promise<T> {
    // Calls that come while one waits for the exclusive lock do not join those that run.
    const holders = this.#holders && !this.#files?.gate.isTaken()
      ? this.#holders
      : this.#holders = this.#newHolders(options);
    holders.calls++;
    try {
      await orAbort(holders.lock, options.signal);
      return await run();
    } finally {
      if (--holders.calls === 0) {
        if (this.#holders === holders) this.#holders = undefined;
        holders.giveUp.abort();
        await holders.lock.then((lock) => lock[Symbol.dispose](), () => {});
      }
    }
  }

  async exclusive<T>(run: () => Promise<T>, options: WaitOptions = {}): Promise<T> {
    using _lock = await this.#acquire("exclusive", options);
    return await run();
  }

  #newHolders({ waiting }: WaitOptions): Holders {
    const giveUp = new AbortController();
    const lock = this.#acquire("shared", { signal: giveUp.signal, waiting });
    return { calls: 0, lock, giveUp };
  }

  async #acquire(kind: "shared" | "exclusive", options: WaitOptions): Promise<Disposable> {
    if (!this.#files) return new DisposableStack();
    const { lock, gate } = this.#files;
    using _notice = sayIfLong(options.waiting, () => `Waiting for ${holdersOf(lock.path)}`);
    using _gate = await gate[kind](options);
    return await lock[kind](options);
  }
}
