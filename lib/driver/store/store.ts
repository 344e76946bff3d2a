import type { ClaimRecords } from "../../claims/records.ts";
import type { LinkSpec } from "../../iproute2/link.ts";
import type { AddressLog } from "./address_log.ts";
import type { EndpointRecord, State } from "./records.ts";
import type { AddressPool, Claim, Network, Sandbox } from "../model/types.ts";

/** The fields of an endpoint that go into hosts files. */
export type HostEntry =
  & Stated<Pick<EndpointRecord, "network" | "sandbox" | "ordinal" | "ip" | "ip6" | "aliases">>
  & {
    /** The network's name. */
    networkName: string;
  };

/** A record with its state. */
export type Stated<T> = T & {
  /** The state. */
  state: State;
};

/** Selects records. */
export interface StateFilter {
  /** Only those that are half made or half removed: the state is not `ready`. */
  unready?: true;
}

/** Whether the kernel has what the record says. */
export function isReady(record: { state: State }): boolean {
  return record.state === "ready";
}

/** The record without its state. */
export function withoutState<T>({ state: _state, ...record }: Stated<T>): Omit<T, "state"> {
  return record as Omit<T, "state">;
}

/** Selects networks. */
export interface NetworkFilter extends StateFilter {
  /** Only those on this parent. */
  parent?: string;
  /** Only those of engines. */
  owned?: true;
  /** Only those whose addresses several hosts share. */
  shared?: true;
}

/** Selects sandboxes. */
export interface SandboxFilter extends StateFilter {
  /** Only those with names of their own in their hosts file. */
  withHosts?: true;
}

/** Selects endpoints. */
export interface EndpointFilter extends StateFilter {
  /** Only those on this network, by id. */
  network?: string;
  /** Only those of this sandbox. */
  sandbox?: string;
  /** Only the one with this address, as the record has it. */
  address?: string;
}

/** A claim, and the pool that it is in. */
export interface PoolClaim extends Claim {
  /** The pool's id. */
  pool: string;
}

/** The names of a sandbox of another host on a shared network. */
export interface SharedName {
  /** The prefix of the network's keys in etcd. */
  prefix: string;
  /** The network's name. */
  network: string;
  /** Its address. */
  address: string;
  /** The names, its own first. */
  names: readonly string[];
}

/**
 * The driver's records. All calls are synchronous, so that no other call of this process can run
 * between a read and a write inside {@linkcode Store.transaction}.
 */
export interface Store extends Disposable {
  /** Runs a function as one transaction: if it throws, nothing is written. */
  transaction<T>(run: () => T): T;
  /** All networks, or those on a parent, by name. */
  networks(filter?: NetworkFilter): Stated<Network>[];
  /** One network. */
  network(name: string): Stated<Network> | undefined;
  /** The network with an id. */
  networkById(id: string): Stated<Network> | undefined;
  /** Adds a network, or replaces it. */
  putNetwork(network: Network, state: State): void;
  /** Deletes the record of a network. */
  deleteNetwork(id: string): void;
  /** The links that the driver made in the host's namespace, in order: all, or those on a link. */
  links(filter?: { on?: string }): LinkSpec[];
  /** One of these links. */
  link(name: string): LinkSpec | undefined;
  /** Records a link that the driver makes. */
  putLink(link: LinkSpec): void;
  /** Deletes the record of a link. */
  deleteLink(name: string): void;
  /** All sandboxes, by name. */
  sandboxes(filter?: SandboxFilter): Stated<Sandbox>[];
  /** One sandbox. */
  sandbox(name: string): Stated<Sandbox> | undefined;
  /** The sandbox with an id. */
  sandboxById(id: string): Stated<Sandbox> | undefined;
  /** Adds a sandbox, or replaces it. */
  putSandbox(sandbox: Sandbox, state: State): void;
  /** Deletes the record of a sandbox. */
  deleteSandbox(name: string): void;
  /** All endpoints, or those of a network (by id), of a sandbox, or both. */
  endpoints(filter?: EndpointFilter): Stated<EndpointRecord>[];
  /**
   * The endpoints on a network (by id) that have aliases, or whose sandbox has one of the names.
   * Letter case does not matter.
   */
  namedEndpoints(network: string, names: readonly string[]): Stated<EndpointRecord>[];
  /** All endpoints, in the order made. */
  hostEntries(): HostEntry[];
  /** Adds an endpoint, or replaces it. */
  putEndpoint(endpoint: EndpointRecord, state: State): void;
  /** Deletes the record of an endpoint. */
  deleteEndpoint(id: string): void;
  /** All address pools, by id. */
  pools(): AddressPool[];
  /** One address pool. */
  pool(id: string): AddressPool | undefined;
  /** Adds an address pool, or replaces it. */
  putPool(pool: AddressPool): void;
  /** Deletes the record of an address pool, with its claims. */
  deletePool(id: string): void;
  /** The claims in an address pool, or those of one holder in it. */
  claims(pool: string, holder?: string): PoolClaim[];
  /** Whether an address pool has claims of other holders. */
  hasClaims(pool: string, except: string): boolean;
  /** Adds a claim. */
  putClaim(claim: PoolClaim): void;
  /** Deletes a claim, if there is one. */
  deleteClaim(claim: Pick<PoolClaim, "pool" | "address">): void;
  /** The claims of an address, in any pool. */
  claimsOf(address: string): PoolClaim[];
  /** The names of other hosts' sandboxes on a network, or on all networks under a prefix. */
  sharedNames(prefix: string, network?: string): SharedName[];
  /** Adds the names of a sandbox of another host, or replaces them. */
  putSharedName(name: SharedName): void;
  /** Deletes the names under a prefix, or of one network or address there. Returns their networks. */
  deleteSharedNames(prefix: string, which?: { address?: string; network?: string }): string[];
  /** The records of pools that several hosts share. */
  readonly shared: ClaimRecords;
  /** The addresses that this process has given to endpoints and claims, or taken from them. */
  readonly addressLog: AddressLog;
  /**
   * A text that changes when another process writes, or this one adds or deletes a network or an address
   * pool: then addresses that are not in the log may have been taken or freed.
   */
  version(): string;
}
