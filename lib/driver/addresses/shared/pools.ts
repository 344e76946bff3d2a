/**
 * The driver's use of the pools that several hosts share: it joins and leaves them, takes and releases
 * the addresses of endpoints, and reports changes to etcd.
 *
 * @module
 */
import { prefixOf } from "../../../claims/access.ts";
import { hexOf } from "../../../claims/keys.ts";
import { whyRefused } from "../../../claims/local.ts";
import { poolId } from "../../../claims/pool_key.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import type { EtcdAccess, Held, Holder } from "../../../claims/types.ts";
import { isOwn, type Lost } from "../../../claims/types.ts";
import { accept, invalidOption, IpvlanError, isIpvlanError } from "../../../base/errors.ts";
import { endpointAddresses, formatAddress } from "../../../ipam/address.ts";
import { parseAddress, parseSubnets } from "../../../ipam/mod.ts";
import { homeOf } from "../../../ipam/prefix.ts";
import type { Addr } from "../../../iproute2/addr.ts";
import { linkedAddresses } from "../held_addresses.ts";
import { engineOf } from "../../model/names.ts";
import type { Parts } from "../parts.ts";
import type { EndpointRecord } from "../../store/records.ts";
import { settingsFor } from "./network.ts";
import { type Store, withoutState } from "../../store/store.ts";
import { Coalescer } from "../../../base/waiting.ts";
import type { Network, NetworkIpam, NetworkSubnet } from "../../model/types.ts";

/** A network whose addresses several hosts share. */
export type SharedNetwork = Network & { ipam: NetworkIpam };

/** Whether several hosts share the addresses of a network or an address pool. */
export function isShared<T extends { ipam?: NetworkIpam }>(
  each: T,
): each is T & { ipam: NetworkIpam } {
  return each.ipam !== undefined;
}

/** The addresses of a subnet that no endpoint gets, with their purpose. */
export function reservedOf(subnet: NetworkSubnet): Record<string, string> {
  const { subnets: [own] } = accept(parseSubnets([subnet]));
  const { gateway, reserved } = own!;
  const purposes = reserved.entries()
    .map(([name, address]) => [formatAddress(address), `auxiliary address ${name}`]);
  return {
    ...Object.fromEntries(purposes),
    ...gateway && { [formatAddress(gateway)]: "gateway" },
  };
}

/**
 * Joins the pools of a network, and claims this host's own addresses in them.
 *
 * @param isNew Whether to join every pool; otherwise only those that a crash has prevented so far.
 */
export async function joinPools(
  pools: SharedPools,
  { ipam, subnets }: Pick<SharedNetwork, "ipam" | "subnets">,
  addrs: readonly Addr[],
  isNew = false,
): Promise<void> {
  const known = new Set(isNew ? [] : pools.pools().map(({ id }) => id));
  for (const subnet of subnets) {
    const id = poolId(ipam.access, subnet.subnet);
    if (!known.has(id)) await pools.join(ipam.access, subnet.subnet, reservedOf(subnet));
    await pools.claimOwn(id, addrs);
  }
}

/** A network or an address pool on record whose addresses several hosts share. */
interface PoolUser {
  access: EtcdAccess;
  /** The ids of its shared pools. */
  pools: string[];
}

/** The networks and address pools on record whose addresses several hosts share, by id. */
function poolUsers(store: Store): Map<string, PoolUser> {
  const networks = store.networks({ shared: true }).filter(isShared);
  const pools = store.pools().filter(isShared);
  const users = [
    ...networks.map(({ id, ipam, subnets }) => ({ id, ipam, subnets })),
    ...pools.map(({ id, ipam, subnet }) => ({ id, ipam, subnets: [{ subnet }] })),
  ];
  return new Map(users.map(({ id, ipam: { access }, subnets }) => [id, {
    access,
    pools: subnets.map(({ subnet }) => poolId(access, subnet)),
  }]));
}

/** Whether a network or an address pool on record is shared by several hosts. */
export function hasShared(store: Store): boolean {
  return poolUsers(store).size > 0;
}

/** This host's access to each prefix that a network or an address pool on record has, by prefix. */
export function accesses(store: Store): Map<string, EtcdAccess> {
  return new Map(poolUsers(store).values().map(({ access }) => [prefixOf(access), access]));
}

/** Leaves shared pools that nothing on record uses but one network or address pool (by id). */
export async function leavePools(
  { store }: Parts<"store">,
  pools: SharedPools,
  ids: readonly string[],
  user?: string,
): Promise<void> {
  const users = poolUsers(store);
  if (user !== undefined) users.delete(user);
  const used = new Set(users.values().flatMap((each) => each.pools));
  for (const { id } of pools.pools()) {
    if (ids.includes(id) && !used.has(id)) await pools.leave(id);
  }
}

/**
 * Writes the settings of a shared network to etcd, and joins its pools. Write the record first: then a
 * crash leaves nothing in etcd without a record. Resolves to sentences for the user.
 *
 * @throws {"shared-network-differs"} Another host has just made it with other settings.
 */
export async function shareNetwork(
  parts: Parts<"namespaces" | "openShared">,
  network: Network,
): Promise<string[]> {
  if (!isShared(network)) return [];
  const pools = await parts.openShared();
  if (!pools) return [];
  await pools.defineNetwork(network.ipam.access, network.name, settingsFor(network));
  await joinPools(pools, network, await parts.namespaces.hostLook().addr.show(), true);
  return await tell(pools);
}

/**
 * Removes this host from the network's list of hosts in etcd, if several hosts share the network, and
 * leaves the pools that nothing else uses.
 */
export async function unshareNetwork(
  parts: Parts<"store" | "openShared">,
  network: Network,
): Promise<void> {
  if (!isShared(network)) return;
  const pools = await parts.openShared();
  if (!pools) return;
  const { id, name, ipam: { access }, subnets } = network;
  // If etcd is unreachable, this fails, and the network keeps its pools.
  await pools.forgetNetwork(access, name);
  await leavePools(parts, pools, subnets.map(({ subnet }) => poolId(access, subnet)), id);
}

/** An address in a pool that hosts share. */
export interface PooledAddress {
  /** The pool's id. */
  pool: string;
  address: string;
}

/**
 * Takes the next free address of a shared pool.
 *
 * @param isUsable Whether this host can use an address: one of its links may already have it.
 */
export async function takeUsable(
  parts: Parts<"store">,
  pools: SharedPools,
  pool: string,
  holder: Holder,
  range: string | undefined,
  isUsable: (address: string) => boolean,
): Promise<PooledAddress> {
  const passed: PooledAddress[] = [];
  try {
    for (;;) {
      const taken = { pool, address: await pools.take(pool, holder, { range }) };
      if (isUsable(taken.address)) return taken;
      passed.push(taken);
    }
  } finally {
    // They were kept until now, so that none of them was taken again.
    giveBack(parts, pools, passed);
  }
}

/** Releases addresses that were taken but are not used. */
export function giveBack(
  { store }: Parts<"store">,
  pools: SharedPools,
  taken: readonly PooledAddress[],
): void {
  if (taken.length === 0) return;
  store.transaction(() => {
    for (const { pool, address } of taken) pools.release(pool, address);
  });
}

/** The shared networks among the given ones, by id, and the pools; `undefined` if none is shared. */
export async function sharedOf(
  { store, openShared }: Parts<"store" | "openShared">,
  networks: readonly string[],
): Promise<{ networks: Map<string, SharedNetwork>; pools: SharedPools } | undefined> {
  const found = [...new Set(networks)].flatMap((id) => store.networkById(id) ?? [])
    .map(withoutState).filter(isShared);
  const pools = found.length > 0 ? await openShared() : undefined;
  return pools && { networks: new Map(found.map((network) => [network.id, network])), pools };
}

/** Releases the addresses of an endpoint. Call it inside the transaction that deletes its record. */
export function releaseAddresses(
  { networks, pools }: { networks: ReadonlyMap<string, SharedNetwork>; pools: SharedPools },
  endpoint: EndpointRecord,
): void {
  const network = networks.get(endpoint.network);
  const addresses = network ? addressesOn(network, endpoint) : [];
  for (const { pool, address } of addresses) pools.release(pool, address);
}

/** The addresses of an endpoint in the pools of its network. */
function addressesOn({ ipam, subnets }: SharedNetwork, endpoint: EndpointRecord): PooledAddress[] {
  return endpointAddresses(endpoint).flatMap((address) => {
    const found = homeOf(subnets, address);
    return found ? [{ pool: poolId(ipam.access, found.subnet), address }] : [];
  });
}

/** The addresses of an endpoint in shared pools: its network's pools, or those of its engine. */
function sharedAddresses(store: Store, endpoint: EndpointRecord): PooledAddress[] {
  const network = store.networkById(endpoint.network)!;
  if (isShared(network)) return addressesOn(network, endpoint);
  return endpointAddresses(endpoint).flatMap((address) =>
    store.claimsOf(address).flatMap(({ pool }) => store.pool(pool) ?? []).filter(isShared)
      .filter(({ owner }) => owner.engine === engineOf(network.name))
      .map(({ ipam, subnet }) => ({ pool: poolId(ipam.access, subnet), address }))
  );
}

/**
 * Finds why an address may not be this host's, by the answers of etcd so far: another host has it
 * (error `address-held`), or etcd has not confirmed it yet, or etcd refuses this host.
 */
export function doubtAbout(
  { shared }: Store,
  { pool, address }: PooledAddress,
): IpvlanError | undefined {
  const { state, host, block, revision } = shared.address(pool, hexOf(parseAddress(address))) ?? {};
  if (state === "lost") {
    return new IpvlanError("address-held", { address, holder: `the host "${host}"` });
  }
  if (state === "used" && block === undefined && revision === 0) {
    return invalidOption("address", address, "etcd has to say first whose it is");
  }
  const own = shared.host(shared.pool(pool)?.prefix ?? "");
  return own && whyRefused(own);
}

/** Finds why endpoints get no link: the first doubt about an address of each. */
export function doubtsAbout<T extends EndpointRecord>(
  store: Store,
  endpoints: readonly T[],
): Map<T, IpvlanError> {
  if (!hasShared(store)) return new Map();
  return new Map(endpoints.flatMap((endpoint): [T, IpvlanError][] => {
    const addresses = sharedAddresses(store, endpoint);
    const [doubt] = addresses.flatMap((each) => doubtAbout(store, each) ?? []);
    return doubt ? [[endpoint, doubt]] : [];
  }));
}

/** The running reports to etcd, by pools. Calls of this process share them. */
const tellings = new WeakMap<SharedPools, Coalescer<string[]>>();

/**
 * Reports pending changes to etcd. Resolves to sentences about failures and does not reject for them,
 * as the changes themselves are done. Concurrent calls share one report.
 */
export async function tell(pools: SharedPools): Promise<string[]> {
  const telling = tellings.get(pools) ?? new Coalescer(() => tellAll(pools));
  tellings.set(pools, telling);
  return await telling.request();
}

async function tellAll(pools: SharedPools): Promise<string[]> {
  try {
    const { untold, reason, lost } = await pools.settle();
    const why = reason ?? "a key is damaged";
    const left = untold > 0 ? [`etcd has not been told ${untold} change(s) yet: ${why}`] : [];
    return [...left, ...pools.damaged(), ...lost.map(lostText)];
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return [`etcd could not be told of changes: ${error.message}`];
  }
}

/** Runs a function. An unreachable etcd is no error: `restore` does the rest later. */
export async function unlessOutOfReach(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const isOutOfReach = isIpvlanError(error, "etcd-unreachable", "host-busy");
    if (!isOutOfReach) throw error;
  }
}

/**
 * Reconciles the record with etcd, if etcd answers, and leaves the pools that nothing on record uses.
 * Resolves to sentences for the user.
 */
export async function reconcile(
  { store, namespaces, wait }: Parts<"store" | "namespaces" | "wait">,
  pools: SharedPools,
): Promise<string[]> {
  try {
    const mended = await pools.recover(() => linkedAddresses(namespaces));
    const held = new Set(pools.held().filter((each) => !isOwn(each)).map(({ pool }) => pool));
    const ids = pools.pools().map(({ id }) => id);
    await leavePools({ store }, pools, ids.filter((id) => !held.has(id)));
    const addrs = await namespaces.hostLook().addr.show();
    for (const { id } of pools.pools()) await pools.claimOwn(id, addrs);
    return [...mended, ...await tell(pools)];
  } catch (error) {
    if (!(error instanceof IpvlanError) || wait.signal?.aborted) throw error;
    return [error.message];
  }
}

function lostText({ address, sandbox, host }: Lost): string {
  if (isOwn({ sandbox })) {
    return `The address ${address} of this host is for sandboxes of the host "${host}": remove the ` +
      "sandbox there, or run ipvlan agent there, and then ipvlan restore here";
  }
  return `The address ${address} of "${sandbox}" is held by the host "${host}": remove one of them`;
}

/**
 * Releases addresses that a crash left taken without an endpoint or a claim. The caller must hold the
 * exclusive lock: then no other call is about to use them.
 *
 * @returns The released addresses.
 */
export function releaseUnused({ store }: Parts<"store">, pools: SharedPools): Held[] {
  return store.transaction(() => {
    const users = poolUsers(store);
    const unused = pools.held().filter((held) => {
      const { pool, address } = held;
      const ids = [
        ...store.endpoints({ address }).map(({ network }) => network),
        ...store.claimsOf(address).map((claim) => claim.pool),
      ];
      return !isOwn(held) && !ids.some((id) => users.get(id)?.pools.includes(pool));
    });
    for (const { pool, address } of unused) pools.release(pool, address);
    return unused;
  });
}
