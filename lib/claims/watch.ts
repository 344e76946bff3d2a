// The work of an agent in etcd: a lease, the wishes of others, and claims that come and go.
import { pause } from "../base/waiting.ts";
import { IpvlanError, isIpvlanError, unlessError } from "../base/errors.ts";
import { exists, type Reader, under, type WatchEvent } from "./etcd.ts";
import { type KeyValue, readWish, type WishValue } from "./values.ts";
import type { CallOptions } from "./gateway.ts";
import { claimOf } from "./hosts.ts";
import { partsOf, textOf } from "./keys.ts";
import type { SharedChange, SharedClaim } from "./types.ts";

/** The time to live of a host's lease in etcd, in seconds. */
const ALIVE_TTL = 15;

/** The time between two renewals of the lease, in milliseconds. */
const RENEWAL = ALIVE_TTL * 1000 / 3;

/** How long to wait before a retry, in milliseconds. */
const RETRY_DELAY = 500;

/** The most changes to report before other work goes on, such as renewing the lease. */
const AT_ONCE = 500;

interface WatchParts extends Reader {
  /** Makes sure that this host is registered in etcd. Resolves to its id. */
  begin: () => Promise<string>;
  hostname: string;
  answer: (subnet: string, wish: WishValue) => Promise<void>;
  signal: AbortSignal;
}

/** Watches until the signal is aborted; see `SharedPools.watch`. */
export async function* watchClaims(parts: WatchParts): AsyncGenerator<SharedChange> {
  const { signal } = parts;
  const heartbeat = new Heartbeat(parts);
  try {
    while (!signal.aborted) {
      try {
        // If its connection ends, the next one shows whether something is wrong.
        yield* watchOnce(parts, heartbeat);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof IpvlanError)) throw error;
        yield { kind: "broken", reason: error.message };
      }
      await pause(RETRY_DELAY, signal);
    }
  } finally {
    await heartbeat.end();
  }
}

async function* watchOnce(parts: WatchParts, heartbeat: Heartbeat): AsyncGenerator<SharedChange> {
  const { etcd, keys, options, signal } = parts;
  const hostId = await parts.begin();
  await heartbeat.begin(hostId);
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  try {
    const claims: SharedClaim[] = [];
    let revision = 0;
    const range = under(keys.claim());
    for await (const page of etcd.pages(range, options)) {
      claims.push(...page.pairs.flatMap((pair) => etcd.damage.read(claimOf, pair) ?? []));
      revision = page.revision;
    }
    yield { kind: "listed", claims };
    const after = () => ({ ...options(), signal: ended });
    let queue!: ReadableStreamDefaultController<WatchEvent[]>;
    const changes = new ReadableStream<WatchEvent[]>({ start: (controller) => queue = controller });
    const followClaims = async () => {
      for await (const events of etcd.watch(range, revision + 1, after())) queue.enqueue(events);
    };
    // Wishes are answered even while the caller does not ask for the next change.
    const followWishes = async () => {
      const wishes = under(keys.wish());
      const { ranges, revision } = await etcd.read([wishes], options());
      for (const pair of ranges[0]!) await answerWish(parts, hostId, pair);
      for await (const events of etcd.watch(wishes, revision + 1, after())) {
        for (const { pair, isDeleted } of events) {
          if (!isDeleted) await answerWish(parts, hostId, pair);
        }
      }
    };
    // A member that has no leader leaves a watch open: only the lease shows that etcd is out of reach.
    heartbeat.onFailure = (error) => queue.error(error);
    Promise.race([followClaims(), followWishes(), heartbeat.ended])
      .then(() => queue.close()).catch((error) => queue.error(error));
    let told = 0;
    for await (const events of changes) {
      for (const { pair, isDeleted } of events) {
        if (++told % AT_ONCE === 0) await pause(0);
        const [address] = etcd.damage.addresses([pair]);
        if (address === undefined) continue;
        // A damaged value ends the claim that was there before.
        const claim = isDeleted ? undefined : etcd.damage.read(claimOf, pair);
        yield claim ? { kind: "claimed", claim } : { kind: "freed", address: textOf(address) };
      }
    }
  } finally {
    stop.abort();
  }
}

/** Answers a wish. Does not fail if etcd is out of reach: the host asks again. */
async function answerWish(
  { answer, etcd }: WatchParts,
  hostId: string,
  pair: KeyValue,
): Promise<void> {
  const { subnet, last } = partsOf(pair.key);
  if (last === hostId) return;
  const wish = etcd.damage.read(readWish, pair);
  if (wish) await unlessError(["etcd-unreachable"], () => answer(subnet, wish));
}

/** Keeps the host alive in etcd, whatever becomes of the agent's watch and of its password. */
class Heartbeat {
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #lease: string | undefined;
  /** Called with the error of a renewal that failed. The heartbeat goes on all the same. */
  onFailure: (error: Error) => void = () => {};
  /** Resolves when it has ended. Rejects only on a bug. */
  ended = Promise.resolve();

  constructor(private readonly parts: WatchParts) {
    this.#signal = AbortSignal.any([parts.signal, this.#stop.signal]);
  }

  /** Starts to renew the lease of a host, unless it does already. */
  async begin(hostId: string): Promise<void> {
    if (this.#lease !== undefined) return;
    this.#lease = await this.#announce(hostId);
    this.ended = this.#goOn(hostId);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.ended;
    if (this.#lease === undefined) return;
    // If etcd does not answer, the lease expires.
    const deadline = performance.now() + RETRY_DELAY;
    await this.parts.etcd.revoke(this.#lease, { deadline }).catch(() => {});
  }

  async #goOn(hostId: string): Promise<void> {
    const { etcd } = this.parts;
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
        this.onFailure(error);
        // Only this host registers itself anew, so a quick retry does not help.
        rest = isIpvlanError(error, "host-removed") ? RENEWAL : RETRY_DELAY;
      }
    }
  }

  #options(): CallOptions {
    return { ...this.parts.options(), signal: this.#signal };
  }

  /** Makes the host's key with a new lease. @throws {"host-removed"} The host is not in etcd. */
  async #announce(hostId: string): Promise<string> {
    const { etcd, keys, hostname } = this.parts;
    const lease = await etcd.grant(ALIVE_TTL, this.#options());
    const put = { key: keys.alive(hostId), value: JSON.stringify({ name: hostname }), lease };
    const { succeeded } = await etcd.transact({
      compare: [exists(keys.host(hostId))],
      success: [{ put }],
    }, this.#options());
    if (!succeeded) throw new IpvlanError("host-removed", { prefix: keys.prefix });
    return lease;
  }
}
