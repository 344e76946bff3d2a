import { randomHex } from "../base/random.ts";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import { prefixOf } from "./access.ts";
import { type Etcd, exists, type Outcome, type Range, type Transaction } from "./etcd.ts";
import { type HostValue, type KeyValue, readHost } from "./values.ts";
import type { CallOptions } from "./gateway.ts";
import { Keys } from "./keys.ts";
import { isCurrent, refusalOf } from "./local.ts";
import type { ClaimRecords, HostRecord } from "./records.ts";
import type { LastToken } from "./last_token.ts";
import type { EtcdAccess } from "./types.ts";

/** The part of the driver's store that shared pools need. */
export interface ClaimStore {
  /** Runs a function as one transaction: if it throws, nothing is written. */
  transaction<T>(run: () => T): T;
  readonly shared: ClaimRecords;
}

export interface SharedPoolsOptions {
  store: ClaimStore;
  hostname: string;
  /** The token of this host's last transaction, outside of the store. */
  lastToken: LastToken;
  /** Locks a file: only one process of this host asks etcd for something new at a time. */
  lock: (signal: AbortSignal) => Promise<Disposable>;
  /** The time, for the `since` of claims; left out, the present. */
  now?: () => Date;
}

/**
 * The check of the host's key when a session begins. `none`: only if there is a doubt. `agent`: always,
 * and records that the host has an agent. `register`: always, and registers the host anew if it was
 * removed, or if etcd or the record is older than the other.
 */
export type Check = "none" | "agent" | "register";

/** How long etcd remembers that a host was heard from, in seconds. */
const HEARD_FOR = 600;

/** The time between two renewals of that lease, in milliseconds. */
const HEARD_INTERVAL = 60_000;

/**
 * Changes the keys under one prefix of etcd. Its process holds the host's lock, so no other one of the
 * host does the same. A host's transactions are numbered, and run one at a time. Each requires the
 * host's key as the last one left it, and writes its own number and a random token there. Both are on
 * record before etcd is asked. So an abandoned request can take no effect after the next one. The next
 * transaction fails if history has forked (a copy of the host) or gone back (an older state of etcd or
 * of the record).
 */
export class Session {
  readonly keys: Keys;
  readonly store: ClaimStore;
  /** The host's key, as it was read last. */
  #seen: KeyValue | undefined;
  /** A sentence that says why this session has registered the host anew, if it has. */
  renewal: string | undefined;

  private constructor(
    private readonly parts: SharedPoolsOptions,
    readonly etcd: Etcd,
    private host: HostRecord,
    readonly options: () => CallOptions,
  ) {
    this.store = parts.store;
    this.keys = new Keys(host.prefix);
  }

  /**
   * Begins a session: registers a new host, and asks etcd for its key if an earlier request may
   * still take effect, or if the record may be a copy or a backup.
   * @throws {"host-removed"} @throws {"host-replaced"} @throws {"etcd-older"}
   */
  static async begin(
    parts: SharedPoolsOptions,
    etcd: Etcd,
    access: EtcdAccess,
    options: () => CallOptions,
    check: Check = "none",
  ): Promise<Session> {
    const prefix = prefixOf(access);
    const { store, lastToken } = parts;
    const host = store.transaction(() => store.shared.host(prefix) ?? addHost(store, prefix));
    const session = new Session(parts, etcd, host, options);
    const isAgentNew = check === "agent" && !host.agent;
    if (isAgentNew) session.#record({ agent: true });
    try {
      const isSure = host.value !== "" && host.asked === undefined && isCurrent(host, lastToken);
      if (!isSure || isAgentNew) await session.#advance();
      else if (check !== "none") {
        const [[pair]] = await session.read({ key: session.keys.host(host.id) });
        session.#recognize(pair);
      }
    } catch (error) {
      if (check !== "register" || !session.#adopt(error)) throw error;
      await session.#advance(session.#seen === undefined);
      session.renewal = renewalText(error, prefix);
    }
    await session.#tellHeard();
    return session;
  }

  get records(): ClaimRecords {
    return this.store.shared;
  }

  get hostId(): string {
    return this.host.id;
  }

  /**
   * Carries out a transaction, after `plan` has recorded what must be on record before that: what it asks
   * for, as given up. So if the answer is lost, the next report gives it back, if etcd has it.
   */
  async change<T>(
    plan: () => Transaction | undefined,
    after: (outcome: Outcome) => T,
  ): Promise<T | undefined> {
    if (this.host.asked !== undefined) throw new TypeError("Two transactions of a host at a time");
    const planned = this.store.transaction(() => {
      const transaction = plan();
      if (transaction) this.#put({ asked: randomHex(8) });
      return transaction;
    });
    if (!planned) return undefined;
    const { compare = [], success, failure = [] } = planned;
    const [key, value] = [this.keys.host(this.hostId), this.#nextValue()];
    const { value: before } = this.host;
    this.parts.lastToken.write(this.host);
    let outcome = await this.etcd.transact({
      compare: [{ key, value: before }, ...compare],
      success: [{ put: { key, value } }, ...success],
      failure: [{ key }, ...failure],
    }, this.options());
    if (!outcome.succeeded) {
      const [[pair], ...ranges] = outcome.ranges as [KeyValue[], ...KeyValue[][]];
      // If no attempt took effect, one without an answer must not take effect later.
      if (!this.#recognize(pair) && outcome.mayRepeat) await this.#advance();
      outcome = { ...outcome, ranges };
    }
    return this.store.transaction(() => {
      this.#put({ ...(outcome.succeeded && this.#next(value)), asked: undefined });
      this.parts.lastToken.write(this.host);
      return after(outcome);
    });
  }

  /** Carries out a transaction that needs nothing on record. */
  async transact(transaction: Transaction): Promise<Outcome> {
    return (await this.change(() => transaction, (outcome) => outcome))!;
  }

  /** Reads ranges, all at one revision. Resolves to the keys of each. */
  async read<const R extends Range[]>(...ranges: R): Promise<{ [Each in keyof R]: KeyValue[] }> {
    const answer = await this.etcd.read(ranges, this.options());
    return answer.ranges as { [Each in keyof R]: KeyValue[] };
  }

  /** Writes only the host's key. After that, a request without an answer can take no effect any more. */
  async #advance(isMissing = this.host.number === 0): Promise<void> {
    const key = this.keys.host(this.hostId);
    const { lastToken } = this.parts;
    if (this.host.asked === undefined) this.#record({ asked: randomHex(8) });
    if (isCurrent(this.host, lastToken)) lastToken.write(this.host);
    // etcd may list this host as a copy.
    const copy = { delete: { key: this.keys.copy(this.hostId, this.host.token) } };
    for (;;) {
      const { value: before } = this.host;
      const value = this.#nextValue();
      const { succeeded, ranges } = await this.etcd.transact({
        compare: [isMissing ? { key, revision: 0 } : { key, value: before }],
        success: [{ put: { key, value } }, copy],
        failure: [{ key }],
      }, this.options());
      if (succeeded) this.#record({ ...this.#next(value), asked: undefined });
      if (succeeded || this.#recognize(ranges[0]![0])) break;
      isMissing = false;
    }
    lastToken.write(this.host);
  }

  /** Whether the pending transaction wrote the key. @throws {IpvlanError} It is gone or foreign. */
  #recognize(pair: KeyValue | undefined): boolean {
    this.#seen = pair;
    const { host, keys: { prefix } } = this;
    if (!pair) throw new IpvlanError("host-removed", { prefix });
    const { name, number, token } = readHost(pair);
    if (token === host.asked) {
      this.#record({ ...this.#next(pair.value), asked: undefined });
      return true;
    }
    if (token === host.token) {
      if (pair.value !== host.value) this.#record({ value: pair.value });
      return false;
    }
    if (number < host.number) throw new IpvlanError("etcd-older", { prefix });
    throw new IpvlanError("host-replaced", { prefix, id: host.id, host: name });
  }

  /** Takes over the key in etcd, if this host wrote it, and refuses addresses. Returns whether. */
  #adopt(error: unknown): boolean {
    const seen = this.#seen && readHost(this.#seen);
    // If the last token is the one in etcd, the record is a backup that was put back on this host.
    const isOwn = seen && this.parts.lastToken.read(this.hostId).includes(seen.token);
    const isKnown = isIpvlanError(error, "host-removed", "etcd-older") ||
      isIpvlanError(error, "host-replaced") && isOwn;
    if (!isKnown) return false;
    this.#record({
      number: Math.max(this.host.number, seen?.number ?? 0),
      value: this.#seen?.value ?? "",
      asked: undefined,
      refused: refusalOf(error),
    });
    return true;
  }

  /** Tells etcd, at most once a minute, that this host was heard from. */
  async #tellHeard(): Promise<void> {
    const { lease, heard } = this.host;
    const now = Date.now();
    if (lease !== "" && heard <= now && now < heard + HEARD_INTERVAL) return;
    try {
      if (lease !== "" && await this.etcd.keepAlive(lease, this.options())) {
        return this.#record({ heard: now });
      }
      const granted = await this.etcd.grant(HEARD_FOR, this.options());
      const put = { key: this.keys.heard(this.hostId), value: "{}", lease: granted };
      await this.etcd.transact({
        compare: [exists(this.keys.host(this.hostId))],
        success: [{ put }],
      }, this.options());
      this.#record({ lease: granted, heard: now });
    } catch (error) {
      // etcd refuses leases to a user without the right to them.
      if (!(error instanceof IpvlanError) || isIpvlanError(error, "etcd-unreachable")) throw error;
    }
  }

  /** The value of the host's key after the pending transaction. */
  #nextValue(): string {
    const { number, asked, agent } = this.host;
    const { hostname: name } = this.parts;
    const value: HostValue = { name, number: number + 1, token: asked!, agent };
    return JSON.stringify(value);
  }

  /** The changes to the record when etcd has carried out the pending transaction. */
  #next(value: string): Partial<HostRecord> {
    const { number, asked } = this.host;
    return { number: number + 1, token: asked!, value };
  }

  #record(changes: Partial<HostRecord>): void {
    this.store.transaction(() => this.#put(changes));
  }

  /** Changes the record inside a transaction of the store. Other fields keep their newer values on record. */
  #put(changes: Partial<HostRecord>): void {
    this.host = { ...this.records.host(this.keys.prefix)!, ...changes };
    this.records.putHost(this.host);
  }
}

function renewalText(error: unknown, prefix: string): string {
  if (isIpvlanError(error, "host-removed")) {
    return `This host was not in etcd under ${prefix}, and has registered anew`;
  }
  return isIpvlanError(error, "etcd-older")
    ? `etcd was older than the record of this host under ${prefix}`
    : `The record of this host was older than etcd under ${prefix}`;
}

/** Records this host under a prefix, with a new id. */
function addHost({ shared }: ClaimStore, prefix: string): HostRecord {
  const host: HostRecord = {
    prefix,
    id: randomHex(8),
    number: 0,
    token: "",
    value: "",
    asked: undefined,
    refused: undefined,
    agent: false,
    lease: "",
    heard: 0,
  };
  shared.putHost(host);
  return host;
}
