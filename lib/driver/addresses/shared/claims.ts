// The claims of engines in address pools, which are also taken in a pool that several hosts share.
// The engine may tell later who uses an address, and then the user is found by name.
import { prefixOf } from "../../../claims/access.ts";
import { hexOf } from "../../../claims/keys.ts";
import { OUT_OF_REACH } from "../../../claims/local.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import { poolId } from "../../../claims/pool_key.ts";
import type { Holder } from "../../../claims/types.ts";
import { attempt, unlessError } from "../../../base/errors.ts";
import { parseAddress } from "../../../ipam/mod.ts";
import {
  addClaim,
  addGateway,
  findHolder,
  findPool,
  GATEWAY,
  gatewayOf,
  ownClaims,
  removeClaim,
  removeRequest,
  withLength,
} from "../claims.ts";
import { isHostName } from "../../model/names.ts";
import type { Parts } from "../parts.ts";
import { MOST_NAMES, networkIds } from "./names.ts";
import {
  doubtAbout,
  giveBack,
  isShared,
  leavePools,
  type PooledAddress,
  takeUsable,
  tell,
} from "./pools.ts";
import type { PoolClaim } from "../../store/store.ts";
import type {
  AddressPool,
  ClaimRequest,
  ClaimUser,
  EngineName,
  NetworkIpam,
  SubnetPoolRequest,
} from "../../model/types.ts";

type UserParts = Parts<"store" | "hosts" | "wait" | "openShared">;
type ClaimParts = UserParts & Parts<"pools" | "namespaces">;
type SharedAddressPool = AddressPool & { ipam: NetworkIpam };

export interface ClaimPlace {
  /** The pool's id. */
  pool: string;
  /** The address, without a prefix length. */
  address: string;
}

/** Joins a pool. Its gateway is the same on all hosts, and no host holds it. */
async function join(
  { store, namespaces }: ClaimParts,
  pools: SharedPools,
  pool: SharedAddressPool,
): Promise<void> {
  const reserved = { [gatewayOf(store, pool)]: GATEWAY };
  const { id } = await pools.join(pool.ipam.access, pool.subnet, reserved);
  await pools.claimOwn(id, await namespaces.host().addr.show());
}

export async function claimAddress(
  parts: ClaimParts,
  place: string | SubnetPoolRequest,
  claim: ClaimRequest,
): Promise<{ address: string }> {
  const { store } = parts;
  const { ipam } = typeof place === "string" ? store.pool(place) ?? {} : place;
  const pools = ipam && await parts.openShared();
  if (!pools) return store.transaction(() => addClaim(parts, findPool(parts, place), claim));
  const pool = store.transaction(() => findPool(parts, place)) as SharedAddressPool;
  const [same] = ownClaims(store, pool.id, claim);
  if (same !== undefined) return withLength(pool, same);
  const taken = await takeFree(parts, pools, pool, claim);
  try {
    store.transaction(() => addClaim(parts, pool, { ...claim, address: taken.address }));
  } catch (error) {
    giveBack(parts, pools, [taken]);
    throw error;
  }
  await tell(pools);
  const doubt = doubtAbout(store, taken);
  if (!doubt) return withLength(pool, taken.address);
  await releaseAddress(parts, pool.id, taken.address);
  throw doubt;
}

/** Takes an address that is free on all hosts and in this host's own records. */
async function takeFree(
  parts: ClaimParts,
  pools: SharedPools,
  pool: SharedAddressPool,
  { holder = "", address }: ClaimRequest,
): Promise<PooledAddress> {
  const id = poolId(pool.ipam.access, pool.subnet);
  if (!pools.pools().some((each) => each.id === id)) await join(parts, pools, pool);
  else await pools.claimOwn(id, await parts.namespaces.host().addr.show());
  const user = { sandbox: `${pool.owner.engine}:${holder}` };
  if (address !== undefined) return { pool: id, address: await pools.take(id, user, { address }) };
  const isFree = (address: string) =>
    !pool.kept?.includes(address) &&
    findHolder(parts.store, address, holder) === undefined &&
    attempt(() => parts.pools.ofPool(pool).take(address)).ok;
  return await takeUsable(parts, pools, id, user, pool.ipRange, isFree);
}

export async function claimGateway(
  parts: ClaimParts,
  id: string,
  address?: string,
): Promise<{ address: string }> {
  const { store } = parts;
  const claimed = store.transaction(() => addGateway(parts, findPool(parts, id), address));
  const pool = store.pool(id);
  const pools = pool?.ipam && await parts.openShared();
  if (pools) await join(parts, pools, pool as SharedAddressPool);
  return claimed;
}

export async function releaseAddress(parts: UserParts, id: string, address: string): Promise<void> {
  const pool = parts.store.pool(id);
  if (pool) await release(parts, [pool], () => removeClaim(parts.store, id, address));
}

export async function releasePool(parts: UserParts, id: string): Promise<void> {
  const pool = parts.store.pool(id);
  if (pool) await release(parts, [pool], () => removeRequest(parts.store, id));
}

/** Releases the claims of an engine that are unused in the transaction that deletes them. */
export async function releaseClaims(
  parts: UserParts,
  engine: EngineName,
  isUnused: (claim: ClaimPlace) => boolean,
): Promise<ClaimPlace[]> {
  const { store } = parts;
  const pools = store.pools().filter(({ owner }) => owner.engine === engine);
  return await release(parts, pools, ({ id }) => {
    const unused = store.claims({ pool: id })
      .filter((each) => each.holder !== GATEWAY && isUnused(each));
    unused.forEach((claim) => store.deleteClaim(claim));
    return unused;
  });
}

/** Deletes claims of pools, tells etcd and the hosts files, and leaves the pools that are gone. */
async function release(
  parts: UserParts,
  pools: readonly AddressPool[],
  remove: (pool: AddressPool) => readonly PoolClaim[],
): Promise<ClaimPlace[]> {
  const { store } = parts;
  const shared = pools.some(isShared) ? await parts.openShared() : undefined;
  const stale = new Set<string>();
  const released = store.transaction(() =>
    pools.flatMap((pool) =>
      remove(pool).map(({ address }): ClaimPlace => {
        if (shared && isShared(pool)) {
          const { access } = pool.ipam;
          const id = poolId(access, pool.subnet);
          const holder = shared.holder(id, address);
          networkIds(store, prefixOf(access), [holder?.network]).forEach((id) => stale.add(id));
          shared.release(id, address);
        }
        return { pool: pool.id, address };
      })
    )
  );
  if (!shared) return released;
  if (released.length > 0) await tell(shared);
  await refresh(parts, stale);
  for (const { id, ipam, subnet } of pools.filter(isShared)) {
    if (store.pool(id)) continue;
    // If etcd is unreachable, `restore` does it later.
    const leave = () => leavePools(parts, shared, [poolId(ipam.access, subnet)], id);
    await unlessError(OUT_OF_REACH, leave);
  }
  return released;
}

/** Records the users of an engine's claims. A claim without a user has no names. */
export async function nameClaims(
  parts: UserParts,
  engine: EngineName,
  users: readonly ClaimUser[],
): Promise<string[]> {
  const { store } = parts;
  const own = () => store.pools().filter(isShared).filter(({ owner }) => owner.engine === engine);
  const pools = own().length > 0 ? await parts.openShared() : undefined;
  if (!pools) return [];
  const userAt = new Map(users.flatMap((user) => {
    const key = attempt(() => keyOf(user));
    return key.ok ? [[key.value, user] as const] : [];
  }));
  const stale = new Set<string>();
  store.transaction(() => {
    for (const { id, ipam: { access }, subnet } of own()) {
      const [prefix, shared] = [prefixOf(access), poolId(access, subnet)];
      for (const { address, holder } of store.claims({ pool: id })) {
        if (holder === GATEWAY) continue;
        const user = userAt.get(keyOf({ prefix, address }));
        const [before, now] = [pools.holder(shared, address), claimHolder(engine, holder, user)];
        if (!before || JSON.stringify(before) === JSON.stringify(now)) continue;
        pools.describe(shared, address, now);
        const names = [before.network, now.network];
        networkIds(store, prefix, names).forEach((id) => stale.add(id));
      }
    }
  });
  return [...await tell(pools), ...await refresh(parts, stale)];
}

function keyOf({ prefix, address }: Pick<ClaimUser, "prefix" | "address">): string {
  return `${prefix} ${hexOf(parseAddress(address))}`;
}

function claimHolder(engine: EngineName, holder: string, user: ClaimUser | undefined): Holder {
  if (!user) return { sandbox: `${engine}:${holder}` };
  const names = user.names.filter(isHostName).slice(0, MOST_NAMES);
  return { sandbox: `${engine}:${user.name}`, network: user.network, names };
}

/** Writes the hosts files on networks, by id. Resolves to failures. */
async function refresh({ hosts, wait }: UserParts, stale: ReadonlySet<string>): Promise<string[]> {
  if (stale.size === 0) return [];
  const failures = await hosts.refresh([...stale], [], wait);
  return [...failures.values()].map(({ message }) => message);
}
