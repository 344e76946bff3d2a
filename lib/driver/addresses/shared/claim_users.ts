/**
 * The users of addresses that an engine has claimed. A claim does not say who uses it, but the engine
 * may tell that later. Then other hosts and the sandboxes of this one find the user by name.
 *
 * @module
 */
import { prefixOf } from "../../../claims/access.ts";
import type { Holder } from "../../../claims/types.ts";
import { hexOf } from "../../../claims/keys.ts";
import { attempt } from "../../../base/errors.ts";
import { parseAddress } from "../../../ipam/mod.ts";
import { GATEWAY } from "../claims.ts";
import { isHostName } from "../../model/names.ts";
import type { Parts } from "../parts.ts";
import { isShared, sharedPoolId, tell } from "./pools.ts";
import { MOST_NAMES, networkIds } from "./names.ts";
import type { Store } from "../../store/store.ts";
import type { AddressPool, ClaimUser, EngineName, NetworkIpam } from "../../model/types.ts";

type SharedAddressPool = AddressPool & { ipam: NetworkIpam };
type UserParts = Parts<"store" | "hosts" | "wait" | "openShared">;

/** The pools of an engine on this host that several hosts share. */
function sharedPools(store: Store, engine: EngineName): SharedAddressPool[] {
  return store.pools().filter(isShared).filter(({ owner }) => owner.engine === engine);
}

/**
 * Records the users of an engine's claims: see {@linkcode Driver.nameClaims}. A claim without a user
 * keeps its address and has no names.
 */
export async function nameClaims(
  parts: UserParts,
  engine: EngineName,
  users: readonly ClaimUser[],
): Promise<string[]> {
  const { store } = parts;
  const pools = sharedPools(store, engine).length > 0 ? await parts.openShared() : undefined;
  if (!pools) return [];
  const userAt = new Map(users.flatMap((user) => {
    const key = attempt(() => keyOf(user));
    return key.ok ? [[key.value, user] as const] : [];
  }));
  const changed: NamedNetwork[] = [];
  store.transaction(() => {
    for (const { id, ipam, subnet } of sharedPools(store, engine)) {
      const [prefix, shared] = [prefixOf(ipam.access), sharedPoolId(ipam, subnet)];
      for (const { address, holder } of store.claims(id)) {
        if (holder === GATEWAY) continue;
        const user = userAt.get(keyOf({ prefix, address }));
        const [before, now] = [pools.holder(shared, address), holderFor(engine, holder, user)];
        if (!before || JSON.stringify(before) === JSON.stringify(now)) continue;
        pools.describe(shared, address, now);
        changed.push({ prefix, network: before.network }, { prefix, network: now.network });
      }
    }
  });
  return [...await tell(pools), ...await refreshNamed(parts, changed)];
}

function keyOf({ prefix, address }: Pick<ClaimUser, "prefix" | "address">): string {
  return `${prefix} ${hexOf(parseAddress(address))}`;
}

function holderFor(engine: EngineName, holder: string, user: ClaimUser | undefined): Holder {
  if (!user) return { sandbox: `${engine}:${holder}` };
  const names = user.names.filter(isHostName).slice(0, MOST_NAMES);
  return { sandbox: `${engine}:${user.name}`, network: user.network, names };
}

/** A network on which users of claims are found by name. */
export interface NamedNetwork {
  /** The prefix of its keys in etcd. */
  prefix: string;
  /** Its name; `undefined` if the user is not found by name. */
  network: string | undefined;
}

/**
 * Writes the hosts files of this host's sandboxes on networks whose claims have new users. Resolves to
 * a sentence for each file that could not be written.
 */
export async function refreshNamed(
  { store, hosts, wait }: Pick<UserParts, "store" | "hosts" | "wait">,
  changed: readonly NamedNetwork[],
): Promise<string[]> {
  const named = Map.groupBy(changed, ({ prefix }) => prefix);
  const stale = [...named].flatMap(([prefix, networks]) =>
    networkIds(store, prefix, networks.flatMap(({ network }) => network ?? []))
  );
  if (stale.length === 0) return [];
  const failures = await hosts.refresh(stale, [], wait);
  return [...failures.values()].map(({ message }) => message);
}

/** A claim, by its pool and its address. */
export interface ClaimPlace {
  /** The pool's id. */
  pool: string;
  /** The address, without a prefix length. */
  address: string;
}

/**
 * Releases the unused claims of an engine: see {@linkcode Driver.releaseClaims}. `isUnused` is called
 * in the transaction that deletes the claims, so that no other call changes them in between.
 */
export async function releaseClaims(
  parts: UserParts,
  engine: EngineName,
  isUnused: (claim: ClaimPlace) => boolean,
): Promise<ClaimPlace[]> {
  const { store } = parts;
  const pools = sharedPools(store, engine).length > 0 ? await parts.openShared() : undefined;
  const changed: NamedNetwork[] = [];
  const released = store.transaction(() =>
    store.pools().filter(({ owner }) => owner.engine === engine).flatMap((pool) =>
      store.claims(pool.id).filter(({ holder }) => holder !== GATEWAY).filter(isUnused)
        .map(({ address }): ClaimPlace => {
          store.deleteClaim({ pool: pool.id, address });
          if (pools && isShared(pool)) {
            const shared = sharedPoolId(pool.ipam, pool.subnet);
            const network = pools.holder(shared, address)?.network;
            changed.push({ prefix: prefixOf(pool.ipam.access), network });
            pools.release(shared, address);
          }
          return { pool: pool.id, address };
        })
    )
  );
  if (pools && released.length > 0) await tell(pools);
  await refreshNamed(parts, changed);
  return released;
}
