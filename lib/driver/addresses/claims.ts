// The address pools that engines request without a network, and their claims. They are only on
// record, so they need no lock but a transaction of the store, which the caller begins.
import { prefixOf } from "../../claims/access.ts";
import { defaultPool, whyNoSubnet } from "../../ipam/well_known.ts";
import { formatAddress, parseAddress } from "../../ipam/address.ts";
import { firstUsable, formatPrefix, homeOf, parsePrefix } from "../../ipam/prefix.ts";
import { parseSubnets } from "../../ipam/subnet.ts";
import type { Route } from "../../iproute2/route_types.ts";
import { accept, invalidOption, IpvlanError, throwProblems } from "../../base/errors.ts";
import { accessProblems, settleAccess } from "../model/ipam_options.ts";
import { engineOf, networkParent } from "../model/names.ts";
import { usedPrefixes } from "./pools.ts";
import type { Parts } from "./parts.ts";
import type { PoolClaim, Store } from "../store/store.ts";
import type {
  AddressPool,
  AddressPoolDetails,
  ClaimRequest,
  EngineName,
  Network,
  PoolRequest,
  SubnetPoolRequest,
} from "../model/types.ts";

type ClaimParts = Parts<"store" | "pools">;

/** The holder of a gateway. Several pools may have one gateway. */
export const GATEWAY = "gateway";

/** Requests an address pool. @param routes The host's routes, for a request without a subnet. */
export function requestPool(
  parts: ClaimParts,
  request: PoolRequest,
  routes: readonly Route[] = [],
): AddressPool {
  const { store } = parts;
  return store.transaction(() => {
    const { subnet = chooseSubnet(store, request, routes) } = request;
    const pool = findOrMake(parts, { ...request, subnet });
    const requested = { ...pool, requests: pool.requests + 1 };
    store.putPool(requested);
    return requested;
  });
}

/** Takes back a request for a pool. The last one removes the pool, and returns its claims. */
export function removeRequest(store: Store, id: string): PoolClaim[] {
  const pool = store.pool(id);
  if (!pool) return [];
  const requests = pool.requests - 1;
  if (requests > 0) {
    store.putPool({ ...pool, requests });
    return [];
  }
  const claims = store.claims({ pool: id }).filter(({ holder }) => holder !== GATEWAY);
  store.deletePool(id);
  return claims;
}

/** Deletes the claim of an address, unless it is a gateway's. @returns The deleted claim, if any. */
export function removeClaim(store: Store, id: string, address: string): PoolClaim[] {
  const text = formatAddress(parseAddress(address));
  const pool = store.pool(id);
  const claim = store.claims({ address: text }).find((each) => each.pool === id);
  if (!pool || !claim || claim.holder === GATEWAY) return [];
  store.deleteClaim(claim);
  if (pool.requests === 0 && !store.hasClaims(id, GATEWAY)) store.deletePool(id);
  return [claim];
}

/** Records which addresses of an engine's pools its containers ask for, also stopped ones. */
export function keepAddresses(store: Store, engine: EngineName, all: readonly string[]): void {
  store.transaction(() => {
    for (const pool of store.pools().filter(({ owner }) => owner.engine === engine)) {
      const own = new Set(all.filter((address) => homeOf([pool], address)));
      const kept = [...own].sort();
      if (kept.join() !== (pool.kept ?? []).join()) store.putPool({ ...pool, kept });
    }
  });
}

export function listPools(store: Store): AddressPoolDetails[] {
  return store.transaction(() =>
    store.pools().map((pool) => {
      const claims = store.claims({ pool: pool.id });
      return { ...pool, claims: claims.map(({ address, holder }) => ({ address, holder })) };
    })
  );
}

/**
 * Finds who holds an address that an endpoint asks for: a sandbox on another network of the same
 * parent, an address pool, or a reservation on the parent for another sandbox. Claims of the
 * network's own engine do not count: an engine first claims an address, and then asks for an endpoint
 * with it.
 *
 * @param sandbox The sandbox that asks.
 */
export function holderElsewhere(
  store: Store,
  { id, name, parent, foreignAddresses }: Network,
  address: string,
  sandbox?: string,
): string | undefined {
  // Parents in two sandboxes may be on two segments. Only the engine's IPAM knows that.
  if (networkParent({ parent }).kind === "sandbox" && foreignAddresses) return undefined;
  const user = store.endpoints({ address }).filter(({ network }) => network !== id)
    .find(({ network }) => store.networkById(network)?.parent === parent);
  if (user) return sandboxText(user.sandbox);
  const reserved = store.networks({ parent }).flatMap(({ reservations = [] }) => reservations)
    .find((each) => each.address === address && each.name !== sandbox);
  if (reserved) return `the reservation for "${reserved.name}"`;
  const claim = store.claims({ address })
    .find((each) => store.pool(each.pool)!.owner.engine !== engineOf(name));
  return claim && claimText(claim);
}

/** Chooses a default pool that no network, address pool or route uses. */
function chooseSubnet(
  store: Store,
  { ipRange, gateway, ipv6, ipam }: PoolRequest,
  routes: readonly Route[],
): string {
  if (ipam) {
    const rule = "hosts share a subnet that is given: give it";
    throw invalidOption("IPAM driver", ipam.driver, rule);
  }
  if (ipv6) throw new IpvlanError("missing-pool-subnet");
  for (const [role, value] of [["ip-range", ipRange], ["gateway", gateway]] as const) {
    if (value === undefined) continue;
    throw new IpvlanError("outside-subnet", { role, value, subnets: [] });
  }
  return formatPrefix(defaultPool(usedPrefixes(store.networks(), store.pools(), routes)));
}

/** Finds a pool by its id, or finds or makes the one of a request. */
export function findPool(parts: ClaimParts, pool: string | SubnetPoolRequest): AddressPool {
  if (typeof pool !== "string") return findOrMake(parts, pool);
  const found = parts.store.pool(pool);
  if (!found) throw new IpvlanError("pool-not-found", { pool });
  return found;
}

function findOrMake(parts: ClaimParts, request: SubnetPoolRequest): AddressPool {
  const { store } = parts;
  const decided = decidePool(request);
  const { ipam } = decided;
  // The access to etcd may have changed since an earlier request.
  const pool = { ...store.pool(decided.id) ?? decided, ...ipam && { ipam } };
  if (JSON.stringify(pool) !== JSON.stringify(store.pool(decided.id))) store.putPool(pool);
  if (request.gateway !== undefined) addGateway(parts, pool, request.gateway);
  return pool;
}

/** Decides on the pool of a request, or throws all its problems. */
function decidePool({ owner, subnet, ipRange, gateway, ipam }: SubnetPoolRequest): AddressPool {
  throwProblems(ipam ? accessProblems(ipam.access, true) : []);
  const { subnets: [parsed] } = accept(parseSubnets([{ subnet, ipRange, gateway }]));
  const { prefix, range } = parsed!;
  const reason = whyNoSubnet(prefix);
  if (reason !== undefined) {
    throw new IpvlanError("invalid-prefix", { value: formatPrefix(prefix), reason });
  }
  const texts = [prefix, ...range ? [range] : []].map(formatPrefix);
  return {
    id: [`${owner.engine}:${owner.id}`, ...texts].join("/") +
      (ipam ? `@${prefixOf(ipam.access)}` : ""),
    subnet: texts[0]!,
    ...(range && { ipRange: texts[1]! }),
    owner,
    ...ipam && { ipam: { driver: ipam.driver, access: settleAccess(ipam.access) } },
    requests: 0,
  };
}

/** Records a claim of an address: the given one, the holder's own, or the next free one. */
export function addClaim(
  { store, pools }: ClaimParts,
  pool: AddressPool,
  claim: ClaimRequest,
): { address: string } {
  const { id, subnet } = pool;
  const { holder = "", address } = claim;
  const given = address === undefined ? undefined : formatAddress(parseAddress(address));
  const [same] = ownClaims(store, id, claim);
  if (same !== undefined) return withLength(pool, same);
  const other = given === undefined ? undefined : findHolder(store, given, holder);
  if (given !== undefined && other !== undefined) {
    throw new IpvlanError("address-held", { address: given, holder: other });
  }
  const free = pools.ofPool(pool);
  const taken = given === undefined
    ? free.takeNext(parsePrefix(subnet).prefix.family)
    : free.take(given);
  store.putClaim({ pool: id, address: taken.address, holder });
  return withLength(pool, taken.address);
}

/** Records the claim of a pool's gateway, for as long as the pool: given, claimed or usual. */
export function addGateway(
  parts: ClaimParts,
  pool: AddressPool,
  given?: string,
): { address: string } {
  return addClaim(parts, pool, {
    holder: GATEWAY,
    address: given ?? gatewayOf(parts.store, pool),
  });
}

/** The claimed gateway of a pool, or else its first usable address. */
export function gatewayOf(store: Store, { id, subnet }: AddressPool): string {
  const [known] = store.claims({ pool: id, holder: GATEWAY });
  return known?.address ?? formatAddress(firstUsable(parsePrefix(subnet).prefix));
}

/** The addresses that a holder has claimed in a pool; only the one it asks for, if it names one. */
export function ownClaims(
  store: Store,
  id: string,
  { holder = "", address }: ClaimRequest,
): string[] {
  const own = holder === "" ? [] : store.claims({ pool: id, holder }).map((each) => each.address);
  return own.filter((each) =>
    address === undefined || each === formatAddress(parseAddress(address))
  );
}

/** Finds the endpoint or claim that holds an address. Gateways may share one. */
export function findHolder(store: Store, address: string, holder: string): string | undefined {
  const [user] = store.endpoints({ address });
  if (user) return sandboxText(user.sandbox);
  const claim = store.claims({ address })
    .find((each) => holder !== GATEWAY || each.holder !== GATEWAY);
  return claim && claimText(claim);
}

function sandboxText(name: string): string {
  return `the sandbox ${JSON.stringify(name)}`;
}

function claimText({ pool, holder }: PoolClaim): string {
  const place = `the address pool ${JSON.stringify(pool)}`;
  if (holder === "") return place;
  return holder === GATEWAY ? `the gateway of ${place}` : `${JSON.stringify(holder)} in ${place}`;
}

export function withLength({ subnet }: AddressPool, address: string): { address: string } {
  return { address: `${address}/${parsePrefix(subnet).prefix.length}` };
}
