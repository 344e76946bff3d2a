/**
 * Address pools that several hosts share. etcd keeps which host holds which address. Each host has on
 * record what it holds itself, so it needs etcd only for what is new.
 *
 * @module
 */

/** How a host reaches the etcd that keeps its shared pools. */
export interface EtcdAccess {
  /** The members of the cluster: `https://10.0.0.1:2379`. */
  endpoints: readonly string[];
  /**
   * What all keys begin with. Pools under different prefixes have nothing to do with each other.
   *
   * @default {"/ipvlan"}
   */
  prefix?: string;
  /** The file with the certificates of authorities that sign those of the members. */
  ca?: string;
  /** The file with this host's certificate. */
  cert?: string;
  /** The file with the key of that certificate. */
  key?: string;
  /** The user's name. */
  user?: string;
  /** The file with the user's password, which only its owner may read. */
  passwordFile?: string;
}

/** A shared pool. Its id is the same on each host: it follows from the prefix and the subnet. */
export interface SharedPool {
  /** The id: `/ipvlan 192.168.1.0/24`. */
  id: string;
  /** How to reach it. */
  access: EtcdAccess;
  /** The subnet, in its canonical form. */
  subnet: string;
  /** The addresses that nobody gets, with what they are for: `{ "192.168.1.1": "gateway" }`. */
  reserved: Record<string, string>;
}

/** Who uses an address. */
export interface Holder {
  /** The sandbox; of an engine's pool, what the engine calls its user. */
  sandbox: string;
  /** The network. */
  network?: string;
  /** The names by which the sandboxes of that network find it, its own first. */
  names?: readonly string[];
}

/** An address in use, as etcd has it. */
export interface SharedClaim extends Holder {
  /** The address. */
  address: string;
  /** The id of the host. */
  host: string;
  /** Since when, in ISO 8601, by that host's clock. It is only shown: nothing depends on it. */
  since: string;
}

/** Which address is wanted. */
export interface Wanted {
  /**
   * This one.
   *
   * @default {undefined} The next free one.
   */
  address?: string;
  /**
   * One from this range: `192.168.1.128/25`.
   *
   * @default {undefined} The whole subnet.
   */
  range?: string;
}

/** A host, as etcd has it. */
export interface SharedHost {
  /** The id, made once for each state folder. */
  id: string;
  /** Its name, for people. */
  name: string;
  /** Whether its agent runs: the lease of its key is alive. */
  isAlive: boolean;
  /** How many addresses are in use on it, by subnet. */
  claims: Record<string, number>;
  /** How many addresses it keeps for itself, by subnet. */
  kept: Record<string, number>;
}

/** What a network is on all of its hosts: JSON values, compared one by one. */
export type SharedSettings = Record<string, unknown>;
