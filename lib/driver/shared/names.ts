/**
 * The names of sandboxes of other hosts: what etcd says of them is kept on record, and written into the
 * hosts files of the networks that this host shares.
 *
 * @module
 */
import { prefixOf } from "../../claims/access.ts";
import type { SharedChange, SharedClaim, SharedPools } from "../../claims/mod.ts";
import { attempt, IpvlanError } from "../../errors.ts";
import { formatAddress } from "../../ipam/address.ts";
import { parseAddress } from "../../ipam/mod.ts";
import { isHostName } from "../names.ts";
import type { DriverParts } from "../parts.ts";
import type { SharedNetwork } from "./pools.ts";
import type { SharedName, Store } from "../store/store.ts";

/**
 * The names of a claim, as they are kept; `undefined` if it has none. They come from another host, which
 * may write anything.
 */
export function nameOf(
  prefix: string,
  claim: Pick<SharedClaim, "address" | "network" | "names">,
): SharedName | undefined {
  const { network, names = [] } = claim;
  const address = attempt(() => formatAddress(parseAddress(claim.address)));
  const good = names.filter((name) => typeof name === "string" && isHostName(name));
  if (!address.ok || typeof network !== "string" || good.length === 0) return undefined;
  return { prefix, network, address: address.value, names: good };
}

/**
 * Puts a change on record.
 *
 * @returns The names of the networks whose hosts files are stale.
 */
export function recordChange(store: Store, prefix: string, change: SharedChange): string[] {
  switch (change.kind) {
    case "listed":
      return store.transaction(() => recordAll(store, prefix, change.claims));
    case "claimed": {
      const { claim } = change;
      if (isOwn(store, prefix, claim)) return [];
      const name = nameOf(prefix, claim);
      return store.transaction(() => {
        const before = store.deleteSharedNames(prefix, { address: claim.address });
        if (name) store.putSharedName(name);
        return [...before, ...name ? [name.network] : []];
      });
    }
    case "freed":
      return store.transaction(() => store.deleteSharedNames(prefix, { address: change.address }));
    case "broken":
      return [];
  }
}

/** Whether a claim is this host's, which has its own names on record. */
function isOwn(store: Store, prefix: string, { host }: SharedClaim): boolean {
  return host === store.shared.host(prefix)?.id;
}

/** Replaces all names under a prefix, or those on one network. */
function recordAll(
  store: Store,
  prefix: string,
  claims: readonly SharedClaim[],
  network?: string,
): string[] {
  const before = store.deleteSharedNames(prefix, { ...(network !== undefined && { network }) });
  const names = claims.filter((claim) => !isOwn(store, prefix, claim))
    .flatMap((claim) => nameOf(prefix, claim) ?? []);
  for (const name of names) store.putSharedName(name);
  return [...new Set([...before, ...names.map(({ network }) => network)])];
}

/** The ids of the networks of this host that have these names and share a prefix. */
export function networkIds(store: Store, prefix: string, names: Iterable<string>): string[] {
  const wanted = new Set(names);
  return store.networks({ shared: true })
    .filter(({ name, ipam }) => wanted.has(name) && prefixOf(ipam!.access) === prefix)
    .map(({ id }) => id);
}

/**
 * Asks etcd for the names on networks, where no agent does that. That it does not answer, or not before
 * the signal, is no error: the names on record stay.
 */
export async function lookUpNames(
  { store, wait }: Pick<DriverParts, "store" | "wait">,
  pools: SharedPools,
  networks: readonly SharedNetwork[],
): Promise<void> {
  try {
    for (const { name, ipam: { access }, subnets } of networks) {
      const all = await pools.claims(access, subnets.map(({ subnet }) => subnet));
      const claims = all.filter(({ network }) => network === name);
      store.transaction(() => recordAll(store, prefixOf(access), claims, name));
    }
  } catch (error) {
    if (!(error instanceof IpvlanError) && !wait.signal?.aborted) throw error;
  }
}
