import { parseAddress } from "../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../ipam/prefix.ts";
import { IpvlanError, isIpvlanError, throwProblems, unlessError } from "../base/errors.ts";
import { accessProblems, prefixOf } from "./access.ts";
import { Calls } from "./calls.ts";
import { removeHost } from "./hosts.ts";
import { hexOf, reservedDifferences, textOf } from "./keys.ts";
import {
  checkWanted,
  describe,
  free,
  isOutOfReach,
  joinedPool,
  newUse,
  ownAddresses,
  poolOf,
  type Request,
} from "./local.ts";
import { defineNetwork, forgetNetwork } from "./networks.ts";
import { takeAddress } from "./obtain.ts";
import { joinPool, leavePool, poolId } from "./pool_key.ts";
import type { ClaimRecords, PoolRecord } from "./records.ts";
import { type FindLinked, recoverPool } from "./recover.ts";
import { reserve } from "./reservations.ts";
import type { Session } from "./session.ts";
import { countUntold, giveWish, settlePool } from "./settle.ts";
import type { WaitOptions } from "../base/waiting.ts";
import {
  type EtcdAccess,
  type Held,
  type Holder,
  isOwn,
  type Lost,
  ownHolder,
  type RemovedHost,
  type SharedChange,
  type SharedPool,
  type SharedSettings,
  type Unsettled,
  type Wanted,
} from "./types.ts";
import { readNetwork, type WishValue } from "./values.ts";
import { watchClaims } from "./watch.ts";

/** The address pools that this host shares with others. Its processes may use one store at once. */
export class SharedPools extends Calls {
  /**
   * The same pools with a signal, which ends calls that wait for etcd; the next one takes back what
   * they did there. Dispose only of the original pools.
   * @param reports Aborts background reports to etcd. They do not fail by that.
   * @param waiting Called with a sentence if a call waits for etcd for longer than a second.
   */
  withSignal(
    signal?: AbortSignal,
    reports: AbortSignal | undefined = signal,
    waiting?: WaitOptions["waiting"],
  ): SharedPools {
    return new SharedPools(this.options, { signal, reports, waiting }, this);
  }

  pools(): SharedPool[] {
    return this.#records.pools().filter(({ leaving }) => !leaving)
      .map(({ id, access, subnet, reserved }) => ({ id, access, subnet, reserved }));
  }

  /** The addresses in use on record, in one pool or in all. */
  held(pool?: string): Held[] {
    const ids = pool === undefined ? this.#records.pools().map(({ id }) => id) : [pool];
    return ids.flatMap((id) => this.#records.addresses(id))
      .filter(({ state }) => state === "used" || state === "lost")
      .map(({ pool, address, holder }) => ({ ...holder, pool, address: textOf(address) }));
  }

  /** The addresses in use on record that are another host's in etcd. */
  lost(): Lost[] {
    return this.#records.lost().flatMap(({ pool, address, holder, host }) =>
      host === undefined ? [] : [{ ...holder, pool, address: textOf(address), host }]
    );
  }

  /**
   * Joins a pool. Asks etcd only if the record does not say the same already.
   * @throws {"shared-pool-differs" | "shared-pools-overlap"}
   */
  async join(
    access: EtcdAccess,
    subnet: string,
    reserved: Record<string, string>,
  ): Promise<SharedPool> {
    throwProblems(accessProblems(access));
    const canonical = formatPrefix(parsePrefix(subnet).prefix);
    const id = poolId(access, canonical);
    const known = this.#records.pool(id);
    const isSame = known && reservedDifferences(reserved, known.reserved).length === 0 &&
      JSON.stringify(access) === JSON.stringify(known.access);
    if (isSame && !known.leaving) return known;
    const shared = { id, access, subnet: canonical, reserved };
    const pool = { ...shared, prefix: prefixOf(access), next: known?.next, leaving: false };
    await this.run(access, (session) => joinPool(session, pool));
    return shared;
  }

  /** Leaves a pool: gives everything back. @throws {"shared-pool-in-use"} It has sandboxes. */
  async leave(id: string): Promise<void> {
    const { store } = this.options;
    const pool = store.transaction(() => {
      const pool = poolOf(this.#records, id);
      const used = this.held(id).filter((each) => !isOwn(each)).map(({ address }) => address);
      if (used.length > 0) {
        throw new IpvlanError("shared-pool-in-use", { subnet: pool.subnet, addresses: used });
      }
      for (const { address } of this.held(id)) free(this.#records, id, address);
      const leaving = { ...pool, leaving: true };
      this.#records.putPool(leaving);
      return leaving;
    });
    try {
      await this.#settlePool(pool);
    } catch (error) {
      if (isIpvlanError(error, "host-replaced")) return await this.#abandon(pool);
      // The record says that the host is leaving, so the next call of settle goes on.
      if (!isOutOfReach(error) && !this.signals.reports?.aborted) throw error;
    }
  }

  /**
   * Takes an address, and records it as in use. Asks etcd only if this host keeps no free address.
   * @throws {"shared-address-held" | "shared-address-kept"} It is in use, or kept by another host.
   * @throws {"shared-pool-exhausted" | "etcd-unreachable"}
   */
  async take(id: string, holder: Holder, wanted: Wanted = {}): Promise<string> {
    const pool = joinedPool(this.#records, id);
    const request = { holder, since: this.#since, ...checkWanted(pool, wanted) };
    return textOf(await takeAddress(this, this.options, pool, request));
  }

  /**
   * Claims the addresses of a pool that this host itself and etcd's members have, and releases those that
   * the host has lost. {@linkcode SharedPools.settle} claims the rest later. If a sandbox of another host
   * has an address, it keeps it, and `settle` reports it.
   */
  async claimOwn(id: string, addrs: readonly { address: string }[]): Promise<void> {
    const { store, hostname } = this.options;
    const records = this.#records;
    const request: Request = { holder: ownHolder(hostname), since: this.#since };
    const missing = store.transaction(() => {
      const pool = joinedPool(this.#records, id);
      const { wanted, isComplete } = ownAddresses(pool, addrs.map(({ address }) => address));
      for (const { address } of records.own(id)) {
        if (isComplete && !wanted.includes(address)) free(records, id, textOf(address));
      }
      const missing = wanted.filter((address) => !records.address(id, address));
      // A block without an address of a sandbox is given back as a whole.
      for (const address of missing) giveWish(records, pool, { address });
      return missing;
    });
    for (const address of missing) {
      try {
        await this.take(id, request.holder, { address: textOf(address) });
      } catch (error) {
        if (!(error instanceof IpvlanError)) throw error;
        if (isOutOfReach(error)) break;
      }
    }
    store.transaction(() => {
      if (!records.pool(id)) return;
      for (const address of missing) {
        if (!records.address(id, address)) records.putAddress(newUse(id, address, request));
      }
    });
  }

  /** The holder of an address on record; `undefined` if this host does not have it. */
  holder(pool: string, address: string): Holder | undefined {
    const record = this.#records.address(pool, hexOf(parseAddress(address)));
    return record?.state === "used" || record?.state === "lost" ? record.holder : undefined;
  }

  /** Changes the holder of an address on record. Call it inside a transaction of the store. */
  describe(pool: string, address: string, holder: Holder): void {
    describe(this.#records, pool, address, holder);
  }

  /** Releases an address in the caller's transaction. Call {@linkcode SharedPools.settle} then. */
  release(pool: string, address: string): void {
    free(this.#records, pool, address);
  }

  /** Brings etcd in sync with the record. Does not fail if etcd is out of reach. */
  async settle(): Promise<Unsettled> {
    // By prefix: if etcd does not answer for one pool, it is not asked for the next one.
    const reasons = new Map<string, string>();
    for (const pool of this.#records.pools()) {
      if (this.#untold(pool) === 0 || reasons.has(pool.prefix)) continue;
      try {
        await this.#settlePool(pool);
      } catch (error) {
        if (!(error instanceof IpvlanError) && !this.signals.reports?.aborted) throw error;
        reasons.set(pool.prefix, (error as Error).message);
      }
    }
    const [reason] = reasons.values();
    const untold = this.#records.pools().reduce((sum, pool) => sum + this.#untold(pool), 0);
    return { untold, ...(reason !== undefined && { reason }), lost: this.lost() };
  }

  /** Reserves addresses that a sandbox of this host has, for some seconds or until they are released. */
  async reserve(
    access: EtcdAccess,
    user: Holder,
    places: readonly { pool: string; address: string }[],
    seconds?: number,
  ): Promise<void> {
    const since = this.#since;
    await this.run(access, (session) => reserve(session, user, places, since, seconds));
  }

  /** Makes a network in etcd, or joins it. @throws {"shared-network-differs"} */
  async defineNetwork(
    access: EtcdAccess,
    name: string,
    settings: SharedSettings,
  ): Promise<SharedSettings> {
    return await this.run(access, (session) => defineNetwork(session, name, settings));
  }

  async network(access: EtcdAccess, name: string): Promise<SharedSettings | undefined> {
    const { etcd, keys, options } = this.reader(access);
    const { ranges: [pairs] } = await etcd.read([{ key: keys.network(name) }], options());
    const pair = pairs![0];
    return pair && readNetwork(pair).settings;
  }

  /** Removes this host from a network. A network without a host is deleted from etcd. */
  async forgetNetwork(access: EtcdAccess, name: string): Promise<void> {
    const forget = () => this.run(access, (session) => forgetNetwork(session, name));
    // The network in etcd belongs to the other host.
    await unlessError(["host-replaced"], forget);
  }

  /** Removes a host that is gone for good, and frees its addresses. @throws {"host-alive"} */
  async removeHost(access: EtcdAccess, idOrName: string, force = false): Promise<RemovedHost> {
    const reader = this.reader(access);
    const own = this.#records.host(reader.keys.prefix);
    // A copy that is gone may have used the id of this host.
    const ownId = own?.refused?.startsWith("replaced") ? undefined : own?.id;
    return await removeHost(reader, idOrName, ownId, force);
  }

  /** Brings record and etcd in sync, and says what was mended. Linked addresses keep claims. */
  async recover(linked: FindLinked = () => Promise.resolve(new Set())): Promise<string[]> {
    const mended: string[] = [];
    const pools = this.#records.pools();
    for (const [index, { id, access, prefix }] of pools.entries()) {
      const isLast = !pools.slice(index + 1).some((pool) => pool.prefix === prefix);
      const recover = async (session: Session) => {
        if (session.renewal !== undefined) mended.push(session.renewal);
        mended.push(...await recoverPool(session, poolOf(this.#records, id), linked));
        await this.#finish(session, id);
        if (isLast) session.store.transaction(() => session.records.setRefused(prefix));
      };
      await this.run(access, recover, { check: "register" });
    }
    return mended;
  }

  /** Keeps this host alive in etcd, answers wishes, and yields changes until the signal. */
  async *watch(access: EtcdAccess, signal: AbortSignal): AsyncGenerator<SharedChange> {
    const pools = this.withSignal(signal);
    const reader = pools.reader(access);
    const { store, hostname } = this.options;
    const idOf = (session: Session) => Promise.resolve(session.hostId);
    const begin = () => pools.run(access, idOf, { check: "agent" });
    const answer = async (subnet: string, wish: WishValue) => {
      const pool = this.#records.pool(poolId(access, subnet));
      if (!pool) return;
      store.transaction(() => giveWish(this.#records, pool, wish));
      await pools.#settlePool(pool);
    };
    yield* watchClaims({ ...reader, begin, hostname, answer, signal });
  }

  get #since(): string {
    return (this.options.now?.() ?? new Date()).toISOString();
  }

  get #records(): ClaimRecords {
    return this.options.store.shared;
  }

  #untold(pool: PoolRecord): number {
    return countUntold(this.#records, pool) + Number(pool.leaving);
  }

  /** Deletes the record of a pool on a copied host. After its last pool, the host gets a new id. */
  async #abandon({ id, access, prefix }: PoolRecord): Promise<void> {
    const { etcd, keys, options } = this.reader(access);
    const host = this.#records.host(prefix)!;
    if (this.#records.pools(prefix).length === 1) {
      const key = keys.copy(host.id, host.token);
      await etcd.transact({ success: [{ delete: { key } }] }, options());
    }
    this.options.store.transaction(() => {
      this.#records.deletePool(id);
      this.#records.deleteUnusedHosts();
    });
  }

  async #settlePool({ id, access }: PoolRecord): Promise<void> {
    const finish = (session: Session) => this.#finish(session, id);
    await this.run(access, finish, { isReport: true });
  }

  /** Brings etcd in sync with a pool, and deletes one that this host leaves. */
  async #finish(session: Session, id: string): Promise<void> {
    const pool = this.#records.pool(id);
    if (!pool) return;
    await settlePool(session, pool);
    if (pool.leaving) await leavePool(session, pool);
  }
}
