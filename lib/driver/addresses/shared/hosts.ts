import { prefixOf } from "../../../claims/access.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import type { EtcdAccess, RemovedHost, SharedHost } from "../../../claims/types.ts";
import type { Parts } from "../parts.ts";
import { accesses } from "./pools.ts";
import { IpvlanError, isIpvlanError } from "../../../base/errors.ts";

/** A host, and the prefix of its keys in etcd. */
export interface ListedHost extends SharedHost {
  /** The prefix: `/ipvlan`. */
  prefix: string;
}

type HostParts = Parts<"store" | "openShared">;

/** Asks all etcds that this host knows at once; or only the given one. */
async function askEach<T>(
  { store, openShared }: HostParts,
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

/** All hosts that share pools with this one, by prefix and name. */
export function listHosts(parts: HostParts, access?: EtcdAccess): Promise<ListedHost[]> {
  return askEach(parts, access, async (pools, way) => {
    const hosts = await pools.hosts(way);
    return hosts.map((host) => ({ ...host, prefix: prefixOf(way) }));
  });
}

/** The name, or the id, of each host that shares pools with this one. */
export async function hostNames(parts: HostParts, access?: EtcdAccess): Promise<string[]> {
  return [...new Set(await askEach(parts, access, (pools, way) => pools.hostNames(way)))];
}

/** Removes a host that is gone for good, under each prefix that has it. */
export async function removeHost(
  parts: HostParts,
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
