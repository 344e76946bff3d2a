/**
 * What a host's agent does: it keeps the host alive in etcd, answers the wishes of others, and says which
 * claims come and go.
 *
 * @module
 */
import { pause } from "../driver/run/wait.ts";
import { IpvlanError } from "../errors.ts";
import { EtcdUnreachableError } from "./errors.ts";
import type { CallOptions, Etcd, WatchEvent } from "./etcd.ts";
import { endOf, type KeyValue } from "./etcd_wire.ts";
import { claimOf } from "./hosts.ts";
import { type Keys, partsOf, textOf } from "./keys.ts";
import type { SharedChange } from "./types.ts";
import { addressIn, readWish, type WishValue } from "./values.ts";

/** How long a host is alive in etcd without a word of it, in seconds. */
const ALIVE_FOR = 15;

/** How long to wait before a watch that broke begins again, in milliseconds. */
const PAUSE = 500;

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
  while (!signal.aborted) {
    try {
      // If its connection ends, the next one says what is wrong, or that nothing is.
      yield* watchOnce(watching);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof IpvlanError)) throw error;
      yield { kind: "broken", reason: error.message };
    }
    await pause(PAUSE, signal);
  }
}

/** Watches until the connection breaks. */
async function* watchOnce(watching: Watching): AsyncGenerator<SharedChange> {
  const { etcd, keys, hostname, options, signal } = watching;
  const hostId = await watching.begin();
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const lease = await etcd.grant(ALIVE_FOR, options());
  const alive = { key: keys.alive(hostId), value: JSON.stringify({ name: hostname }), lease };
  await etcd.transact({ compare: [], success: [{ put: alive }] }, options());
  const kept = keepAlive(watching, lease, ended);
  // Its error is handled when the rest has begun.
  kept.catch(() => {});
  try {
    const claims: KeyValue[] = [];
    let revision = 0;
    const range = { key: keys.claim(), end: endOf(keys.claim()) };
    for await (const page of etcd.pages(range.key, range.end, options)) {
      claims.push(...page.pairs);
      revision = page.revision;
    }
    yield { kind: "listed", claims: claims.map(claimOf) };
    const queue = new Queue<WatchEvent>();
    const deadline = options().deadline;
    const after = { deadline, signal: ended };
    const followClaims = async () => {
      for await (const events of etcd.watch(range, revision + 1, after)) queue.push(...events);
    };
    // Wishes are answered also while nobody asks for the next change.
    const followWishes = async () => {
      const wishes = { key: keys.wish(), end: endOf(keys.wish()) };
      const { ranges, revision } = await etcd.read([wishes], options());
      for (const pair of ranges[0]!) await answerWish(watching, hostId, pair);
      for await (const events of etcd.watch(wishes, revision + 1, after)) {
        for (const { key, value } of events) {
          if (value !== undefined) {
            await answerWish(watching, hostId, { key, value, modRevision: 0 });
          }
        }
      }
    };
    for (const each of [followClaims(), followWishes(), kept]) {
      each.then(() => queue.end(), (error) => queue.end(error));
    }
    for await (const { key, value } of queue) {
      if (value === undefined) yield { kind: "freed", address: textOf(addressIn(key)) };
      else yield { kind: "claimed", claim: claimOf({ key, value, modRevision: 0 }) };
    }
  } finally {
    stop.abort();
    await kept.catch(() => {});
    // After a break, the lease ends by itself.
    await etcd.revoke(lease, { deadline: performance.now() + PAUSE }).catch(() => {});
  }
}

/** Answers a wish. That etcd does not hear it is no error: the host asks again. */
async function answerWish(
  { answer }: Watching,
  hostId: string,
  pair: KeyValue,
): Promise<void> {
  const { subnet, last } = partsOf(pair.key);
  if (last === hostId) return;
  try {
    await answer(subnet, readWish(pair));
  } catch (error) {
    if (!(error instanceof EtcdUnreachableError)) throw error;
  }
}

/** Renews a lease until the signal is aborted. It rejects, or ends before, if the lease is lost. */
async function keepAlive(
  { etcd, options }: Watching,
  lease: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    while (!signal.aborted) {
      await pause(ALIVE_FOR * 1000 / 3, signal);
      if (signal.aborted || !await etcd.keepAlive(lease, { ...options(), signal })) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A queue from several sources to one reader. */
class Queue<T> {
  #items: T[] = [];
  #wake = Promise.withResolvers<void>();
  #end: { error?: unknown } | undefined;

  push(...items: T[]): void {
    this.#items.push(...items);
    this.#wake.resolve();
  }

  /** Ends the queue, with an error if something went wrong. Only the first call counts. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
        yield item;
      }
      if (this.#end) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      }
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}
