// The names of other hosts' sandboxes: copied from etcd to the record, and written into hosts files.
import { prefixOf } from "../../../claims/access.ts";
import { listClaims } from "../../../claims/hosts.ts";
import { hexOf } from "../../../claims/keys.ts";
import type { SharedClaim } from "../../../claims/types.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import { poolId } from "../../../claims/pool_key.ts";
import { attempt, IpvlanError } from "../../../base/errors.ts";
import { formatAddress, parseAddress } from "../../../ipam/address.ts";
import { contains, parsePrefix, type Prefix, prefixesOf } from "../../../ipam/prefix.ts";
import { isHostName } from "../../model/names.ts";
import type { Parts } from "../parts.ts";
import type { RemoteName } from "../../sandbox/hosts_plan.ts";
import { isShared, type SharedNetwork } from "./pools.ts";
import type { SharedName, Store } from "../../store/store.ts";

/** The limit of names per claim. They come from outside, and etcd limits the size of a request. */
export const MOST_NAMES = 32;

/** Whether a name is one label, alone or before its network's name. Others may be public domains. */
function isNameOn(name: string, network: string): boolean {
  const label = name.endsWith(`.${network}`) ? name.slice(0, -network.length - 1) : name;
  return !label.includes(".") && isHostName(name);
}

/** Reads the names of a claim; `undefined` if none is valid. Another host may write anything. */
export function nameOf(
  prefix: string,
  claim: Pick<SharedClaim, "address" | "network" | "names">,
): SharedName | undefined {
  const { network, names = [] } = claim;
  const address = attempt(() => formatAddress(parseAddress(claim.address)));
  if (!address.ok || typeof network !== "string") return undefined;
  const good = names.filter((name) => typeof name === "string" && isNameOn(name, network))
    .slice(0, MOST_NAMES);
  if (good.length === 0) return undefined;
  return { prefix, network, address: address.value, names: good };
}

/** The subnets of shared networks by name, also of engines'. A name elsewhere does not count. */
export function sharedSubnets(store: Store, prefix: string): Map<string, Prefix[]> {
  const subnets = new Map<string, Prefix[]>();
  for (const { id, subnet } of store.shared.pools().filter((pool) => pool.prefix === prefix)) {
    const users = store.shared.addresses(id).flatMap(({ holder }) => holder.network ?? []);
    for (const name of new Set(users)) {
      subnets.set(name, [...subnets.get(name) ?? [], parsePrefix(subnet).prefix]);
    }
  }
  for (const { name, ipam, subnets: own } of store.networks({ shared: true })) {
    if (prefixOf(ipam!.access) !== prefix) continue;
    subnets.set(name, prefixesOf(own));
  }
  return subnets;
}

/** The ids of this host's networks with these names under a prefix. A user may have no network. */
export function networkIds(
  store: Store,
  prefix: string,
  names: Iterable<string | undefined>,
): string[] {
  const wanted = new Set(names);
  return store.networks({ shared: true })
    .filter(({ name, ipam }) => wanted.has(name) && prefixOf(ipam!.access) === prefix)
    .map(({ id }) => id);
}

/** Asks etcd for names, for hosts without an agent. If it fails, those on record stay. */
export async function lookUpNames(
  { store, wait }: Parts<"store" | "wait">,
  pools: SharedPools,
  networks: readonly SharedNetwork[],
): Promise<void> {
  try {
    for (const { name, ipam: { access }, subnets } of networks) {
      const all = await listClaims(pools.reader(access), subnets.map(({ subnet }) => subnet));
      const prefix = prefixOf(access);
      store.transaction(() => {
        store.deleteSharedNames(prefix, { network: name });
        // This host's own names come from its own records.
        const own = store.shared.host(prefix)?.id;
        for (const claim of all) {
          const found = claim.host === own ? undefined : nameOf(prefix, claim);
          if (found?.network === name) store.putSharedName(found);
        }
      });
    }
  } catch (error) {
    if (!(error instanceof IpvlanError) && !wait.signal?.aborted) throw error;
  }
}

/** The names on a shared network besides its endpoints': of other hosts, and of claims. */
export function remoteNames(store: Store, id: string): readonly RemoteName[] {
  const { ipam, name = "", subnets = [] } = store.networkById(id) ?? {};
  if (!ipam) return [];
  const prefix = prefixOf(ipam.access);
  const own = prefixesOf(subnets);
  return [...store.sharedNames(prefix, name), ...ownClaimNames(store, prefix, name)]
    .filter(({ address }) => own.some((each) => contains(each, parseAddress(address))));
}

function ownClaimNames(store: Store, prefix: string, network: string): SharedName[] {
  return store.pools().filter(isShared)
    .filter(({ ipam }) => prefixOf(ipam.access) === prefix)
    .flatMap(({ id, ipam, subnet }) =>
      store.claims({ pool: id }).flatMap(({ address }) => {
        const hex = hexOf(parseAddress(address));
        const record = store.shared.address(poolId(ipam.access, subnet), hex);
        if (record?.state !== "used" || record.holder.network !== network) return [];
        return nameOf(prefix, { ...record.holder, address }) ?? [];
      })
    );
}
