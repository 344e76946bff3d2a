/**
 * What a host's agent does: it keeps the host alive in etcd, answers the wishes of others, and says which
 * claims come and go.
 *
 * @module
 */
import { pause } from "../base/waiting.ts";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import type { CallOptions, Etcd, WatchEvent } from "./etcd.ts";
import { endOf, type KeyValue } from "./etcd_wire.ts";
import { claimOf } from "./hosts.ts";
import { type Keys, partsOf, textOf } from "./keys.ts";
import type { SharedChange, SharedClaim } from "./types.ts";
import { readWish, type WishValue } from "./values.ts";

/** How long a host is alive in etcd without a word of it, in seconds. */
const ALIVE_FOR = 15;

/** How often it says that it is alive, in milliseconds. */
const RENEWAL = ALIVE_FOR * 1000 / 3;

/** How long to wait before something that failed is tried again, in milliseconds. */
const PAUSE = 500;

/** How many changes are told before others have their turn, such as the lease. */
const AT_ONCE = 500;

/** What a watch needs. */
export interface Watching {
  etcd: Etcd;
  keys: Keys;
  /** Makes sure that etcd has this host. Resolves to its id. */
  begin: () => Promise<string>;
  /** The name of this host. */
  hostname: string;
  /** How long a call may take. */
  options: () => CallOptions;
  /** Answers a wish about a pool. */
  answer: (subnet: string, wish: WishValue) => Promise<void>;
  /** Ends the watch. */
  signal: AbortSignal;
}

/** Watches until the signal is aborted; see `SharedPools.watch`. */
export async function* watchClaims(watching: Watching): AsyncGenerator<SharedChange> {
  const { signal } = watching;
  const pulse = new Pulse(watching);
  try {
    while (!signal.aborted) {
      try {
        // If its connection ends, the next one says what is wrong, or that nothing is.
        yield* watchOnce(watching, pulse);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof IpvlanError)) throw error;
        yield { kind: "broken", reason: error.message };
      }
      await pause(PAUSE, signal);
    }
  } finally {
    await pulse.end();
  }
}

/** Watches until the connection breaks. */
async function* watchOnce(watching: Watching, pulse: Pulse): AsyncGenerator<SharedChange> {
  const { etcd, keys, options, signal } = watching;
  const hostId = await watching.begin();
  await pulse.begin(hostId);
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  try {
    const claims: SharedClaim[] = [];
    let revision = 0;
    const range = { key: keys.claim(), end: endOf(keys.claim()) };
    for await (const page of etcd.pages(range.key, range.end, options)) {
      claims.push(...page.pairs.flatMap((pair) => etcd.damage.read(claimOf, pair) ?? []));
      revision = page.revision;
    }
    yield { kind: "listed", claims };
    const queue = new Queue<WatchEvent>();
    const after = () => ({ ...options(), signal: ended });
    const followClaims = async () => {
      for await (const events of etcd.watch(range, revision + 1, after())) queue.push(events);
    };
    // Wishes are answered also while nobody asks for the next change.
    const followWishes = async () => {
      const wishes = { key: keys.wish(), end: endOf(keys.wish()) };
      const { ranges, revision } = await etcd.read([wishes], options());
      for (const pair of ranges[0]!) await answerWish(watching, hostId, pair);
      for await (const events of etcd.watch(wishes, revision + 1, after())) {
        for (const { key, value } of events) {
          if (value !== undefined) {
            await answerWish(watching, hostId, { key, value, modRevision: 0 });
          }
        }
      }
    };
    // A member that has no leader leaves a watch open: only the lease shows that etcd is out of reach.
    for (const each of [followClaims(), followWishes(), pulse.ended, pulse.failed]) {
      each.then(() => queue.end(), (error) => queue.end(error));
    }
    let told = 0;
    for await (const { key, value } of queue) {
      if (++told % AT_ONCE === 0) await pause(0);
      const pair = { key, value: value ?? "", modRevision: 0 };
      const [address] = etcd.damage.addresses([pair]);
      if (address === undefined) continue;
      // What was claimed before a value was damaged does not hold any more.
      const claim = value === undefined ? undefined : etcd.damage.read(claimOf, pair);
      yield claim ? { kind: "claimed", claim } : { kind: "freed", address: textOf(address) };
    }
  } finally {
    stop.abort();
  }
}

/** Answers a wish. That etcd does not hear it is no error: the host asks again. */
async function answerWish(
  { answer, etcd }: Watching,
  hostId: string,
  pair: KeyValue,
): Promise<void> {
  const { subnet, last } = partsOf(pair.key);
  if (last === hostId) return;
  try {
    const wish = etcd.damage.read(readWish, pair);
    if (wish) await answer(subnet, wish);
  } catch (error) {
    if (!isIpvlanError(error, "etcd-unreachable")) throw error;
  }
}

/**
 * Keeps the host alive in etcd, apart from all that its agent does besides: a watch that breaks, or a wrong
 * password for a while, does not end the lease.
 */
class Pulse {
  readonly #watching: Watching;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #lease: string | undefined;
  #failed = Promise.withResolvers<never>();
  /** Resolves when it is ended. It rejects if something is wrong with the program. */
  ended = Promise.resolve();

  constructor(watching: Watching) {
    this.#watching = watching;
    this.#signal = AbortSignal.any([watching.signal, this.#stop.signal]);
  }

  /** Rejects when etcd does not hear next that the host is alive. It goes on even so. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Says that a host is alive, and goes on with that if it does not yet. */
  async begin(hostId: string): Promise<void> {
    if (this.#lease !== undefined) return;
    this.#lease = await this.#announce(hostId);
    this.ended = this.#goOn(hostId);
    // Whoever watches handles its error.
    this.ended.catch(() => {});
  }

  /** Ends it, and the lease. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.ended;
    if (this.#lease === undefined) return;
    // If etcd does not answer, the lease ends by itself.
    const deadline = performance.now() + PAUSE;
    await this.#watching.etcd.revoke(this.#lease, { deadline }).catch(() => {});
  }

  async #goOn(hostId: string): Promise<void> {
    const { etcd } = this.#watching;
    const signal = this.#signal;
    for (let rest = RENEWAL;;) {
      await pause(rest, signal);
      if (signal.aborted) return;
      try {
        const isThere = await etcd.keepAlive(this.#lease!, this.#options());
        if (!isThere) this.#lease = await this.#announce(hostId);
        rest = RENEWAL;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof IpvlanError)) throw error;
        const { promise, reject } = this.#failed;
        this.#failed = Promise.withResolvers();
        promise.catch(() => {});
        reject(error);
        // Who has removed the host will not put it back.
        rest = isIpvlanError(error, "host-removed") ? RENEWAL : PAUSE;
      }
    }
  }

  #options(): CallOptions {
    return { ...this.#watching.options(), signal: this.#signal };
  }

  /** Makes the host's key with a new lease. @throws {"host-removed"} The host is not in etcd. */
  async #announce(hostId: string): Promise<string> {
    const { etcd, keys, hostname } = this.#watching;
    const lease = await etcd.grant(ALIVE_FOR, this.#options());
    const key = keys.host(hostId);
    const { succeeded } = await etcd.transact({
      compare: [{ key, target: "CREATE", result: "GREATER", revision: 0 }],
      success: [
        { put: { key: keys.alive(hostId), value: JSON.stringify({ name: hostname }), lease } },
      ],
    }, this.#options());
    if (!succeeded) throw new IpvlanError("host-removed", { prefix: keys.prefix });
    return lease;
  }
}

/** A queue from several sources to one reader. */
class Queue<T> {
  #parts: (readonly T[])[] = [];
  #wake = Promise.withResolvers<void>();
  #end: { error?: unknown } | undefined;

  push(items: readonly T[]): void {
    this.#parts.push(items);
    this.#wake.resolve();
  }

  /** Ends the queue, with an error if something went wrong. Only the first call counts. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      // Taken all at once: to shift a long list again and again takes long.
      const parts = this.#parts;
      this.#parts = [];
      for (const part of parts) yield* part;
      if (parts.length > 0) continue;
      if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      }
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}
