import { randomHex } from "../driver/random.ts";
import { prefixOf } from "./access.ts";
import { HostRemovedError, HostReplacedError } from "./errors.ts";
import type { CallOptions, Etcd, Outcome } from "./etcd.ts";
import type { Compare, KeyValue, Range, Step } from "./etcd_wire.ts";
import { Keys } from "./keys.ts";
import type { ClaimRecords, HostRecord } from "./records.ts";
import type { ClaimStore, EtcdAccess } from "./types.ts";
import { type HostValue, readHost } from "./values.ts";

/** What a session needs of its host. */
export interface SessionParts {
  /** The driver's store. */
  store: ClaimStore;
  /** The name of the host. */
  hostname: string;
  /** Where the records are used: see `placeOf`. */
  place: string;
}

/**
 * Whether a session asks etcd for the host's key in any case; `register`: and registers the host anew if
 * it was removed.
 */
export type Check = "none" | "key" | "register";

/** A transaction of this host. */
export interface HostTransaction {
  /** The conditions, besides that the host has its epoch. */
  compare: readonly Compare[];
  /** What to do if they hold. */
  success: readonly Step[];
  /** What to read if they do not. */
  failure?: readonly Range[];
}

/**
 * One prefix of etcd, while this process alone of its host changes something there: it holds the host's
 * lock. Each transaction has the condition that the host's key is as it was. So a request that nobody
 * waits for any more has no effect once the epoch has been counted up.
 */
export class Session {
  readonly etcd: Etcd;
  readonly keys: Keys;
  readonly prefix: string;
  readonly store: ClaimStore;
  readonly #parts: SessionParts;
  /** How long a call to etcd may take. */
  readonly options: () => CallOptions;
  #host: HostRecord;
  /** How many requests have no answer yet. */
  #pending = 0;
  /** Whether the record says that a request may still be carried out. */
  #isMarked: boolean;
  /** Whether it said so at the beginning, and what came of those requests is not on record yet. */
  #isUnsure: boolean;
  #isNew = false;
  /** Whether one of this session's requests may still be carried out after its answer. */
  #mayRepeat = false;

  private constructor(
    parts: SessionParts,
    etcd: Etcd,
    host: HostRecord,
    options: () => CallOptions,
  ) {
    this.#parts = parts;
    this.store = parts.store;
    this.etcd = etcd;
    this.prefix = host.prefix;
    this.keys = new Keys(host.prefix);
    this.options = options;
    this.#host = host;
    this.#isMarked = this.#isUnsure = host.unsure;
  }

  /**
   * Begins a session: registers the host if it is new, and counts up its epoch if a request of before
   * may still be carried out, or the records are in another place.
   *
   * @throws {HostRemovedError} etcd does not have the host any more.
   * @throws {HostReplacedError} Another host uses its id.
   */
  static async begin(
    parts: SessionParts,
    etcd: Etcd,
    access: EtcdAccess,
    options: () => CallOptions,
    check: Check = "none",
  ): Promise<Session> {
    const prefix = prefixOf(access);
    const { store } = parts;
    const host = store.transaction(() => store.shared.host(prefix) ?? addHost(parts, prefix));
    const session = new Session(parts, etcd, host, options);
    try {
      if (host.revision === 0) await session.#register();
      else if (host.unsure || host.place !== parts.place || host.asked !== undefined) {
        await session.#countUp();
      } else if (check !== "none") await session.#check();
    } catch (error) {
      if (check !== "register" || !(error instanceof HostRemovedError)) throw error;
      // It gives nothing away until it is known what other hosts have taken.
      session.#record({
        epoch: host.epoch + 1,
        nonce: randomHex(8),
        asked: undefined,
        revision: 0,
        refused: "removed",
      });
      await session.#register();
      session.#isNew = true;
    }
    return session;
  }

  /** Whether etcd did not have the host any more, and this session has registered it anew. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** The records of the host. */
  get records(): ClaimRecords {
    return this.store.shared;
  }

  /** The id of the host. */
  get hostId(): string {
    return this.#host.id;
  }

  /**
   * Whether a request of an earlier session may have been carried out. The epoch has been counted up, so
   * what etcd has now is final.
   */
  get isUnsure(): boolean {
    return this.#isUnsure;
  }

  /** Says that what came of earlier requests is on record. Only before the first change. */
  settled(): void {
    this.#isMarked = this.#isUnsure = false;
    this.records.setUnsure(this.prefix, false);
  }

  /**
   * Carries out a transaction.
   *
   * @param plan Makes the transaction, and records what has to be on record before etcd is asked.
   * Without a transaction, nothing is asked.
   * @param after Records the answer.
   * @returns What `after` returns; `undefined` if nothing was asked.
   */
  async change<T>(
    plan: () => HostTransaction | undefined,
    after: (outcome: Outcome) => T,
  ): Promise<T | undefined> {
    const planned = this.store.transaction(() => {
      const transaction = plan();
      if (transaction && !this.#isMarked) this.records.setUnsure(this.prefix, true);
      return transaction;
    });
    if (!planned) return undefined;
    const { compare, success, failure = [] } = planned;
    this.#isMarked = true;
    this.#pending++;
    const key = this.keys.host(this.hostId);
    let outcome: Outcome;
    try {
      outcome = await this.etcd.transact({
        compare: [
          { key, target: "MOD", result: "EQUAL", revision: this.#host.revision },
          ...compare,
        ],
        success,
        failure: [{ key }, ...failure],
      }, this.options());
    } catch (error) {
      this.#mayRepeat = true;
      this.#pending--;
      throw error;
    }
    this.#pending--;
    if (outcome.mayRepeat) this.#mayRepeat = true;
    if (!outcome.succeeded) {
      const [host, ...ranges] = outcome.ranges;
      this.#requireOwn(host![0]);
      outcome = { ...outcome, ranges };
    }
    return this.store.transaction(() => {
      const result = after(outcome);
      if (this.#pending === 0 && !this.#mayRepeat && !this.#isUnsure) {
        this.#isMarked = false;
        this.records.setUnsure(this.prefix, false);
      }
      return result;
    });
  }

  /** Reads ranges, all at one revision. */
  async read(...ranges: Range[]): Promise<KeyValue[][]> {
    return (await this.etcd.read(ranges, this.options())).ranges;
  }

  /** Requires that the key of the host has the epoch on record. */
  #requireOwn(pair: KeyValue | undefined): void {
    if (!pair) throw new HostRemovedError(this.prefix);
    const { name, nonce } = readHost(pair);
    if (nonce !== this.#host.nonce) throw new HostReplacedError(this.prefix, this.hostId, name);
    if (pair.modRevision === this.#host.revision) return;
    // Somebody has put back a backup of etcd, or touched the key by hand.
    this.#record({ revision: pair.modRevision });
  }

  /** Checks that etcd has the host. */
  async #check(): Promise<void> {
    const [pairs] = await this.read({ key: this.keys.host(this.hostId) });
    this.#requireOwn(pairs![0]);
  }

  async #register(): Promise<void> {
    const { etcd, keys } = this;
    const key = keys.host(this.hostId);
    const { epoch, nonce } = this.#host;
    const value: HostValue = { name: this.#parts.hostname, epoch, nonce };
    const { succeeded, revision, ranges } = await etcd.transact({
      compare: [{ key, target: "CREATE", result: "EQUAL", revision: 0 }],
      success: [{ put: { key, value: JSON.stringify(value) } }],
      failure: [{ key }],
    }, this.options());
    if (succeeded) this.#record({ revision, place: this.#parts.place });
    else this.#requireOwn(ranges[0]![0]);
  }

  /** Counts up the epoch. Its number is on record before etcd is asked. */
  async #countUp(): Promise<void> {
    const { etcd, keys } = this;
    const key = keys.host(this.hostId);
    for (;;) {
      const { epoch, revision: old, asked = randomHex(8) } = this.#host;
      this.#record({ asked, unsure: true });
      this.#isMarked = this.#isUnsure = true;
      const value: HostValue = { name: this.#parts.hostname, epoch: epoch + 1, nonce: asked };
      const { succeeded, revision, ranges: [pairs] } = await etcd.transact({
        compare: [{ key, target: "MOD", result: "EQUAL", revision: old }],
        success: [{ put: { key, value: JSON.stringify(value) } }],
        failure: [{ key }],
      }, this.options());
      const pair = pairs?.[0];
      const isHere = succeeded || pair && readHost(pair).nonce === asked;
      if (isHere) {
        this.#record({
          epoch: epoch + 1,
          nonce: asked,
          asked: undefined,
          revision: succeeded ? revision : pair!.modRevision,
          place: this.#parts.place,
        });
        return;
      }
      this.#requireOwn(pair);
    }
  }

  /** Changes the record of the host. What the record says besides may be newer than this session. */
  #record(changes: Partial<HostRecord>): void {
    this.store.transaction(() => {
      this.#host = { ...this.records.host(this.prefix)!, ...changes };
      this.records.putHost(this.#host);
    });
  }
}

function addHost({ store, place }: SessionParts, prefix: string): HostRecord {
  const host: HostRecord = {
    prefix,
    id: randomHex(8),
    epoch: 1,
    nonce: randomHex(8),
    asked: undefined,
    revision: 0,
    unsure: false,
    refused: undefined,
    place,
  };
  store.shared.putHost(host);
  return host;
}
