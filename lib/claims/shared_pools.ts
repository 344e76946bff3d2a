import type {
  EtcdAccess,
  Held,
  Holder,
  RemovedHost,
  SharedChange,
  SharedClaim,
  SharedHost,
  SharedPool,
  SharedPoolsOptions,
  SharedSettings,
  Unsettled,
  Wanted,
} from "./types.ts";

const soon = (): never => {
  throw new Error("Not written yet");
};

/**
 * The address pools that this host shares with others. Any number of processes of a host may use one
 * store at once.
 */
export class SharedPools implements Disposable {
  /** Uses a store. It connects to etcd when something needs it. */
  constructor(_options: SharedPoolsOptions) {}

  /** All pools on record, by id. */
  pools(): SharedPool[] {
    return soon();
  }

  /** The addresses that this host has on record as in use, in one pool or in all. */
  held(_pool?: string): Held[] {
    return soon();
  }

  /**
   * Joins a pool: etcd and the record have it afterwards. Repeated, it does nothing; other endpoints or
   * files of the access replace those on record.
   *
   * @param subnet The subnet: `192.168.1.0/24`.
   * @param reserved The addresses that nobody gets, with what they are for.
   * @throws {SharedPoolDiffersError} etcd has other reserved addresses.
   * @throws {SharedPoolsOverlapError} etcd has a pool that overlaps.
   */
  join(
    _access: EtcdAccess,
    _subnet: string,
    _reserved: Record<string, string>,
  ): Promise<SharedPool> {
    return soon();
  }

  /**
   * Leaves a pool: gives everything back, and deletes the record. The pool goes from etcd with the last
   * claim and block.
   *
   * @param pool The pool's id.
   * @throws {SharedPoolInUseError} Addresses are in use on this host.
   */
  leave(_pool: string): Promise<void> {
    return soon();
  }

  /**
   * Takes an address. It is on record as in use when the promise resolves. It asks etcd only if this
   * host keeps no free address. If the caller cannot use the address, it releases it.
   *
   * @param pool The pool's id.
   * @returns The address, without a prefix length.
   * @throws {SharedAddressHeldError} The wanted address is in use.
   * @throws {SharedAddressKeptError} Another host keeps the wanted address and does not answer.
   * @throws {SharedPoolExhaustedError} No address is left.
   * @throws {EtcdUnreachableError} A new address is needed, and etcd does not answer within 5 s.
   */
  take(_pool: string, _holder: Holder, _wanted?: Wanted): Promise<string> {
    return soon();
  }

  /** Changes who uses an address, on record. Call it inside a transaction of the store. */
  describe(_pool: string, _address: string, _holder: Holder): void {
    soon();
  }

  /**
   * Releases an address, on record, if it is in use. Call it inside a transaction of the store, and
   * {@linkcode SharedPools.settle} afterwards.
   *
   * @param pool The pool's id.
   */
  release(_pool: string, _address: string): void {
    soon();
  }

  /** Tells etcd what it does not know yet. That etcd is out of reach is no error. */
  settle(): Promise<Unsettled> {
    return soon();
  }

  /**
   * Defines a network: makes it in etcd, or takes over what is there. This host is listed as one of its
   * hosts afterwards.
   *
   * @param settings The settings that were given. What is left out is taken over.
   * @returns All settings of the network.
   * @throws {SharedNetworkDiffersError} A given setting differs.
   */
  defineNetwork(
    _access: EtcdAccess,
    _name: string,
    _settings: SharedSettings,
  ): Promise<SharedSettings> {
    return soon();
  }

  /** The settings of a network in etcd; `undefined` if there is none. */
  network(_access: EtcdAccess, _name: string): Promise<SharedSettings | undefined> {
    return soon();
  }

  /**
   * Changes some settings of a network, by a compare-and-swap.
   *
   * @param changes The settings to change. One that is `undefined` is removed.
   * @returns All settings of the network.
   * @throws {SharedNetworkNotFoundError} There is no such network in etcd.
   */
  changeNetwork(
    _access: EtcdAccess,
    _name: string,
    _changes: SharedSettings,
  ): Promise<SharedSettings> {
    return soon();
  }

  /** Says that this host does not have a network any more. With its last host, it goes from etcd. */
  forgetNetwork(_access: EtcdAccess, _name: string): Promise<void> {
    return soon();
  }

  /** All hosts under a prefix, by name. It reads all claims and blocks. */
  hosts(_access: EtcdAccess): Promise<SharedHost[]> {
    return soon();
  }

  /** All addresses in use under a prefix, or those of one network. It reads all claims. */
  claims(_access: EtcdAccess, _network?: string): Promise<SharedClaim[]> {
    return soon();
  }

  /**
   * Removes a host that is gone for good, and frees its addresses.
   *
   * @throws {HostAliveError} Its agent runs.
   * @throws {HostNotFoundError} There is no such host, or several have the name.
   */
  removeHost(_access: EtcdAccess, _idOrName: string): Promise<RemovedHost> {
    return soon();
  }

  /**
   * Brings the record and etcd together, as after a crash, or after this host was removed: a claim of
   * this host without a record goes, and a record without its claim is claimed again.
   *
   * @returns A sentence for each thing that was mended or is lost.
   */
  recover(): Promise<string[]> {
    return soon();
  }

  /**
   * Keeps this host alive in etcd, answers the wishes of others, and yields the claims under a prefix as
   * they come and go. It goes on through breaks until the signal is aborted.
   */
  watch(_access: EtcdAccess, _signal: AbortSignal): AsyncGenerator<SharedChange> {
    return soon();
  }

  /** Closes the connections to etcd. */
  [Symbol.dispose](): void {}
}
