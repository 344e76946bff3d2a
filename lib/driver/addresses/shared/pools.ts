// Takes, releases and reports addresses of pools that hosts share, leaves them, and lists the hosts
// and what is reserved.
import { prefixOf } from "../../../claims/access.ts";
import { REPORT_TIMEOUT } from "../../../claims/calls.ts";
import { hostNames as namesUnder, listHosts as hostsUnder } from "../../../claims/hosts.ts";
import { hexOf } from "../../../claims/keys.ts";
import { whyRefused } from "../../../claims/local.ts";
import { poolId } from "../../../claims/pool_key.ts";
import {
  type EtcdAccess,
  type Held,
  type Holder,
  isOwn,
  type Lost,
  type RemovedHost,
  type SharedHost,
} from "../../../claims/types.ts";
import { listReservations } from "../../../claims/reservations.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import { invalidOption, IpvlanError, isIpvlanError } from "../../../base/errors.ts";
import { endpointAddresses, parseAddress } from "../../../ipam/address.ts";
import { homeOf } from "../../../ipam/prefix.ts";
import { linkedAddresses } from "../held_addresses.ts";
import { engineOf } from "../../model/names.ts";
import type { Parts } from "../parts.ts";
import type { EndpointRecord } from "../../store/records.ts";
import { isReady, type Store, withoutState } from "../../store/store.ts";
import { Coalescer } from "../../../base/waiting.ts";
import type { Network, NetworkIpam } from "../../model/types.ts";

/** A network whose addresses several hosts share. */
export type SharedNetwork = Network & { ipam: NetworkIpam };

/** Whether several hosts share the addresses of a network or an address pool. */
export function isShared<T extends { ipam?: NetworkIpam }>(
  each: T,
): each is T & { ipam: NetworkIpam } {
  return each.ipam !== undefined;
}

/** The networks and address pools on record whose addresses several hosts share, by id. */
function poolUsers(store: Store): Map<string, { access: EtcdAccess; pools: string[] }> {
  const users = [
    ...store.networks({ shared: true }).filter(isShared),
    ...store.pools().filter(isShared).map((pool) => ({ ...pool, subnets: [pool] })),
  ];
  return new Map(users.map(({ id, ipam: { access }, subnets }) => [id, {
    access,
    pools: subnets.map(({ subnet }) => poolId(access, subnet)),
  }]));
}

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

export interface PooledAddress {
  pool: string;
  address: string;
}

/** Takes the next free address of a shared pool. One of this host's links may have it already. */
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

/** The addresses of an endpoint in the shared pools of its network. */
export function pooledAddresses(store: Store, endpoint: EndpointRecord): PooledAddress[] {
  const network = store.networkById(endpoint.network)!;
  return isShared(network) ? inPools(network, endpointAddresses(endpoint)) : [];
}

/** Those of some addresses that are in the pools of a network. */
export function inPools(
  { ipam: { access }, subnets }: SharedNetwork,
  addresses: readonly string[],
): PooledAddress[] {
  return addresses.flatMap((address) => {
    const found = homeOf(subnets, address);
    return found ? [{ pool: poolId(access, found.subnet), address }] : [];
  });
}

/** The addresses of an endpoint in the shared pools of its network's engine. */
function claimedAddresses(store: Store, endpoint: EndpointRecord): PooledAddress[] {
  const engine = engineOf(store.networkById(endpoint.network)!.name);
  return endpointAddresses(endpoint).flatMap((address) =>
    store.claims({ address }).map(({ pool }) => store.pool(pool)!).filter(isShared)
      .filter(({ owner }) => owner.engine === engine)
      .map(({ ipam, subnet }) => ({ pool: poolId(ipam.access, subnet), address }))
  );
}

/** Finds why an address may not be this host's, by the answers of etcd so far. */
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
    const addresses = [...pooledAddresses(store, endpoint), ...claimedAddresses(store, endpoint)];
    const [doubt] = addresses.flatMap((each) => doubtAbout(store, each) ?? []);
    return doubt ? [[endpoint, doubt]] : [];
  }));
}

/** The running reports to etcd, by pools. Calls of this process share them. */
const tellings = new WeakMap<SharedPools, Coalescer<string[]>>();

/** Reports pending changes to etcd. Resolves to sentences about failures: the changes are done. */
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

/** Reconciles the record with etcd, and leaves unused pools. Resolves to sentences for the user. */
export async function reconcile(
  { store, namespaces, wait }: Parts<"store" | "namespaces" | "wait">,
  pools: SharedPools,
): Promise<string[]> {
  try {
    const mended = await pools.recover(() => linkedAddresses(namespaces));
    const held = new Set(pools.held().filter((each) => !isOwn(each)).map(({ pool }) => pool));
    const ids = pools.pools().map(({ id }) => id);
    await leavePools({ store }, pools, ids.filter((id) => !held.has(id)));
    const addrs = await namespaces.host().addr.show();
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

/** Releases addresses that a crash left taken. The caller must hold the exclusive lock. */
export function releaseUnused({ store }: Parts<"store">, pools: SharedPools): Held[] {
  return store.transaction(() => {
    const users = poolUsers(store);
    const unused = pools.held().filter((held) => {
      const { pool, address } = held;
      const ids = [
        ...store.endpoints({ address }).map(({ network }) => network),
        ...store.claims({ address }).map((claim) => claim.pool),
      ];
      return !isOwn(held) && !ids.some((id) => users.get(id)?.pools.includes(pool));
    });
    for (const { pool, address } of unused) pools.release(pool, address);
    return unused;
  });
}

/** A host, and the prefix of its keys in etcd. */
export interface ListedHost extends SharedHost {
  /** The prefix: `/ipvlan`. */
  prefix: string;
}

/** Asks all etcds that this host knows at once; or only the given one. */
async function askEach<T>(
  { store, openShared }: Parts<"store" | "openShared">,
  access: EtcdAccess | undefined,
  ask: (pools: SharedPools, way: EtcdAccess) => Promise<T[]>,
): Promise<T[]> {
  const ways = access ? [access] : [...accesses(store).values()];
  const pools = ways.length > 0 ? await openShared() : undefined;
  const asked = pools ? ways.map((way) => ask(pools, way)) : [];
  // If one fails, the others still run to their end.
  await Promise.allSettled(asked);
  return (await Promise.all(asked)).flat();
}

export function listHosts(
  parts: Parts<"store" | "openShared">,
  access?: EtcdAccess,
): Promise<ListedHost[]> {
  return askEach(parts, access, async (pools, way) => {
    const hosts = await hostsUnder(pools.reader(way));
    return hosts.map((host) => ({ ...host, prefix: prefixOf(way) }));
  });
}

/** The name, or the id, of each host that shares pools with this one. */
export async function hostNames(
  parts: Parts<"store" | "openShared">,
  access?: EtcdAccess,
): Promise<string[]> {
  return [...new Set(await askEach(parts, access, (pools, way) => namesUnder(pools.reader(way))))];
}

/** Removes a host that is gone for good, under each prefix that has it. */
export async function removeHost(
  parts: Parts<"store" | "openShared">,
  idOrName: string,
  access: EtcdAccess | undefined,
  force: boolean,
): Promise<RemovedHost[]> {
  let missing = new IpvlanError("host-not-found", { host: idOrName, known: [] });
  const removed = await askEach(parts, access, async (pools, way) => {
    try {
      return [await pools.removeHost(way, idOrName, force)];
    } catch (error) {
      if (!isIpvlanError(error, "host-not-found")) throw error;
      missing = error;
      return [];
    }
  });
  if (removed.length === 0) throw missing;
  return removed;
}

/** The running looks, by pools. A burst of calls shares them. */
const looks = new WeakMap<SharedPools, Coalescer<unknown>>();

/** Copies the reservations of shared networks from etcd to their records. */
export async function lookUpReservations(
  parts: Parts<"store" | "openShared">,
  pools: SharedPools,
): Promise<void> {
  const look = looks.get(pools) ??
    new Coalescer(() =>
      askEach(parts, undefined, (pools, access) => copyTo(parts.store, pools, access))
    );
  looks.set(pools, look);
  await look.request();
}

async function copyTo(store: Store, pools: SharedPools, access: EtcdAccess): Promise<[]> {
  // Who makes a sandbox does not wait long for it.
  const found = await listReservations(pools.reader(access, REPORT_TIMEOUT));
  const all = Map.groupBy(found, ({ network }) => network);
  store.transaction(() => {
    for (const { reservations = [], ...network } of store.networks({ shared: true })) {
      const { name, subnets, ipam } = network;
      if (!isReady(network) || prefixOf(ipam!.access) !== prefixOf(access)) continue;
      const own = (all.get(name) ?? []).filter(({ address }) => homeOf(subnets, address))
        .map(({ sandbox: name, address, reserved: { until } }) => ({ name, address, until }));
      if (JSON.stringify(own) === JSON.stringify(reservations)) continue;
      store.putNetwork(
        { ...withoutState(network), ...own.length > 0 && { reservations: own } },
        "ready",
      );
    }
  });
  return [];
}
