/**
 * The address pools of engines that several hosts share: the address of each claim on record is also
 * taken in a shared pool.
 *
 * @module
 */
import { prefixOf } from "../../../claims/access.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import { attempt } from "../../../base/errors.ts";
import { formatAddress } from "../../../ipam/address.ts";
import { firstUsable, parsePrefix } from "../../../ipam/prefix.ts";
import { type ClaimPlace, type NamedNetwork, refreshNamed } from "./claim_users.ts";
import {
  claimAddress as claimLocally,
  claimGateway as claimGatewayLocally,
  type ClaimParts,
  findPool,
  GATEWAY,
  holderOf,
  ownClaims,
  releaseAddress as releaseLocally,
  releasePool as releasePoolLocally,
  withLength,
} from "../claims.ts";
import type { Parts } from "../parts.ts";
import {
  doubtAbout,
  giveBack,
  isShared,
  leavePools,
  sharedPoolId,
  tell,
  unlessOutOfReach,
} from "./pools.ts";
import type {
  AddressPool,
  ClaimRequest,
  NetworkIpam,
  SubnetPoolRequest,
} from "../../model/types.ts";

type SharedParts = ClaimParts & Parts<"openShared" | "namespaces" | "hosts" | "wait">;
type SharedAddressPool = AddressPool & { ipam: NetworkIpam };

/** A pool that hosts share, with the open shared pools; `undefined` if only this host has the pool. */
async function sharedIn(
  parts: SharedParts,
  pool: AddressPool | undefined,
): Promise<{ pool: SharedAddressPool; pools: SharedPools } | undefined> {
  if (!pool || !isShared(pool)) return undefined;
  const pools = await parts.openShared();
  return pools && { pool, pools };
}

/** Joins a pool. Its gateway is the same on all hosts, and no host holds it. */
async function join(
  parts: SharedParts,
  pools: SharedPools,
  pool: SharedAddressPool,
): Promise<void> {
  const [known] = parts.store.claims(pool.id, GATEWAY);
  const gateway = known?.address ?? formatAddress(firstUsable(parsePrefix(pool.subnet).prefix));
  const { id } = await pools.join(pool.ipam.access, pool.subnet, { [gateway]: GATEWAY });
  await pools.claimOwn(id, await parts.namespaces.hostLook().addr.show());
}

/** Claims an address: see {@linkcode Driver.claimAddress}. */
export async function claimAddress(
  parts: SharedParts,
  pool: string | SubnetPoolRequest,
  claim: ClaimRequest,
): Promise<{ address: string }> {
  const { store } = parts;
  const found = store.transaction(() => findPool(parts, pool));
  const shared = await sharedIn(parts, found);
  if (!shared) return claimLocally(parts, pool, claim);
  const [same] = ownClaims(store, found.id, claim);
  if (same !== undefined) return withLength(found, same);
  const taken = await takeFree(parts, shared, claim);
  try {
    store.transaction(() => {
      const { address } = parts.pools.ofPool(found).take(taken.address);
      store.putClaim({ pool: found.id, address, holder: claim.holder ?? "" });
    });
  } catch (error) {
    giveBack(parts, shared.pools, [taken]);
    throw error;
  }
  await tell(shared.pools);
  const doubt = doubtAbout(store, taken);
  if (!doubt) return withLength(found, taken.address);
  await releaseAddress(parts, found.id, taken.address);
  throw doubt;
}

/** Takes an address that is free on all hosts and in this host's own records. */
async function takeFree(
  parts: SharedParts,
  { pool, pools }: { pool: SharedAddressPool; pools: SharedPools },
  { holder = "", address }: ClaimRequest,
): Promise<ClaimPlace> {
  const id = sharedPoolId(pool.ipam, pool.subnet);
  if (!pools.pools().some((each) => each.id === id)) await join(parts, pools, pool);
  else await pools.claimOwn(id, await parts.namespaces.hostLook().addr.show());
  const user = { sandbox: `${pool.owner.engine}:${holder}` };
  const isFree = (address: string) =>
    holderOf(parts.store, address, holder) === undefined &&
    attempt(() => parts.pools.ofPool(pool).take(address)).ok;
  if (address !== undefined) return { pool: id, address: await pools.take(id, user, { address }) };
  const passed: ClaimPlace[] = [];
  try {
    for (;;) {
      const next = { pool: id, address: await pools.take(id, user, { range: pool.ipRange }) };
      if (isFree(next.address)) return next;
      passed.push(next);
    }
  } finally {
    giveBack(parts, pools, passed);
  }
}

/** Claims the gateway of a pool: see {@linkcode Driver.claimGateway}. */
export async function claimGateway(
  parts: SharedParts,
  id: string,
  address?: string,
): Promise<{ address: string }> {
  const claimed = claimGatewayLocally(parts, id, address);
  const shared = await sharedIn(parts, parts.store.pool(id));
  if (shared) await join(parts, shared.pools, shared.pool);
  return claimed;
}

/** Releases a claim: see {@linkcode Driver.releaseAddress}. */
export async function releaseAddress(
  parts: SharedParts,
  id: string,
  address: string,
): Promise<void> {
  const { store } = parts;
  const found = store.pool(id);
  const shared = await sharedIn(parts, found);
  if (!shared) return releaseLocally(store, id, address);
  const { pool, pools } = shared;
  let network: string | undefined;
  releaseLocally(store, id, address, (released) => {
    const shared = sharedPoolId(pool.ipam, pool.subnet);
    network = pools.holder(shared, released)?.network;
    pools.release(shared, released);
  });
  await tell(pools);
  await refreshNamed(parts, [{ prefix: prefixOf(pool.ipam.access), network }]);
  if (!store.pool(id)) await leave(parts, shared);
}

/** Releases one request for a pool: see {@linkcode Driver.releasePool}. */
export async function releasePool(parts: SharedParts, id: string): Promise<void> {
  const { store } = parts;
  const shared = await sharedIn(parts, store.pool(id));
  if (!shared) return releasePoolLocally(store, id);
  const { pool, pools } = shared;
  const changed: NamedNetwork[] = [];
  releasePoolLocally(store, id, (claims) => {
    const shared = sharedPoolId(pool.ipam, pool.subnet);
    for (const { address, holder } of claims) {
      if (holder === GATEWAY) continue;
      const network = pools.holder(shared, address)?.network;
      changed.push({ prefix: prefixOf(pool.ipam.access), network });
      pools.release(shared, address);
    }
  });
  if (store.pool(id)) return;
  await tell(pools);
  await refreshNamed(parts, changed);
  await leave(parts, shared);
}

/** Leaves a pool that is no longer on record. If etcd is unreachable, `restore` does it later. */
async function leave(
  parts: SharedParts,
  { pool, pools }: { pool: SharedAddressPool; pools: SharedPools },
): Promise<void> {
  await unlessOutOfReach(() => leavePools(parts, pools, pool.ipam, [pool.subnet], pool.id));
}
