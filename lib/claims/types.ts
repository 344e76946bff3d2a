// Address pools that several hosts share. etcd knows which host holds which address. Each host
// records what it holds itself, so it needs etcd only for new addresses.
/** The access of a host to the etcd of its shared pools. */
export interface EtcdAccess {
  /** The members of the cluster: `https://10.0.0.1:2379`. */
  endpoints: readonly string[];
  /** The prefix of all keys; left out, `/ipvlan`. Pools under different ones are independent. */
  prefix?: string;
  /** The file with the CA certificates for those of the members. */
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
  access: EtcdAccess;
  /** The subnet, in its canonical form. */
  subnet: string;
  /** The reserved addresses, with their purposes: `{ "192.168.1.1": "gateway" }`. */
  reserved: Record<string, string>;
}

export interface Holder {
  /** The sandbox; in an engine's pool, the engine's name for the user. */
  sandbox: string;
  network?: string;
  /** The names by which the sandboxes of that network find it, its own first. */
  names?: readonly string[];
  /** How the address is reserved for it, on all hosts. */
  reserved?: Reserved;
}

/** How long an address is reserved. Without a lease, until it is released. */
export interface Reserved {
  /** The lease in etcd that ends it. */
  lease?: string;
  /** When that is, in ISO 8601, by the clock of the host that made it: it is only shown. */
  until?: string;
}

/** Makes the holder for addresses of the host itself. No name of a sandbox has a space. */
export function ownHolder(hostname: string): Holder {
  return { sandbox: `host ${hostname}` };
}

/** Whether the holder is a host itself, and no sandbox. */
export function isOwn({ sandbox }: Pick<Holder, "sandbox">): boolean {
  return sandbox.startsWith("host ");
}

/** An address in use, as etcd has it. */
export interface SharedClaim extends Holder {
  address: string;
  /** The id of the host. */
  host: string;
  /** Since when, in ISO 8601, by that host's clock. It is only shown: nothing depends on it. */
  since: string;
}

/** The wanted address or range. */
export interface Wanted {
  /** This address; left out, the next free one. */
  address?: string;
  /** An address from this range: `192.168.1.128/25`; left out, the whole subnet. */
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
  /** The names of hosts that were refused, as they are copies of this one. */
  copies: string[];
  /** The numbers of addresses in use on it, by subnet. */
  claims: Record<string, number>;
  /** The numbers of addresses that it keeps for itself, by subnet. */
  kept: Record<string, number>;
}

/** The settings that a network has on all of its hosts: JSON values, compared one by one. */
export type SharedSettings = Record<string, unknown>;

/** An address in use on record. */
export interface Held extends Holder {
  /** The pool's id. */
  pool: string;
  address: string;
}

/** An address in use on record that is another host's in etcd. */
export interface Lost extends Held {
  /** The name of the other host. */
  host: string;
}

/** The changes that etcd does not know yet. */
export interface Unsettled {
  /** Their number. */
  untold: number;
  /** The reason: the message of the first error. */
  reason?: string;
  /** Addresses in use here that are another host's: this host was removed and came back. */
  lost: Lost[];
}

/** A host that was removed from etcd. */
export interface RemovedHost {
  /** Its id. */
  id: string;
  /** Its name. */
  name: string;
  /** The addresses that were in use on it, and are free now. */
  freed: string[];
}

/** Something that changed in etcd. */
export type SharedChange =
  /** All claims, at the start or after a reconnect. Any other one is gone. */
  | { kind: "listed"; claims: SharedClaim[] }
  /** An address is in use, or its names have changed. */
  | { kind: "claimed"; claim: SharedClaim }
  /** An address is free. */
  | { kind: "freed"; address: string }
  /** etcd is out of reach; watching goes on when it is back. */
  | { kind: "broken"; reason: string };
