import { prefixOf } from "../../claims/access.ts";
import { HostNotFoundError } from "../../claims/errors.ts";
import type { EtcdAccess, RemovedHost, SharedHost } from "../../claims/types.ts";
import type { DriverParts } from "../parts.ts";
import { accesses } from "./pools.ts";

/** A host, and what the keys begin with under which etcd has it. */
export interface ListedHost extends SharedHost {
  /** The prefix: `/ipvlan`. */
  prefix: string;
}

/** The ways to etcd: the given one, or those of the networks and address pools on record. */
function waysTo({ store }: Pick<DriverParts, "store">, access?: EtcdAccess): EtcdAccess[] {
  return access ? [access] : [...accesses(store).values()];
}

/** All hosts that share pools with this one, by prefix and name. */
export async function listHosts(
  parts: Pick<DriverParts, "store" | "openShared">,
  access?: EtcdAccess,
): Promise<ListedHost[]> {
  const ways = waysTo(parts, access);
  const pools = ways.length > 0 ? await parts.openShared() : undefined;
  const lists = ways.map(async (way) => {
    const hosts = await pools?.hosts(way) ?? [];
    return hosts.map((host): ListedHost => ({ ...host, prefix: prefixOf(way) }));
  });
  return (await Promise.all(lists)).flat();
}

/** What each host that shares pools with this one is called: its name, or its id. */
export async function hostNames(
  parts: Pick<DriverParts, "store" | "openShared">,
  access?: EtcdAccess,
): Promise<string[]> {
  const ways = waysTo(parts, access);
  const pools = ways.length > 0 ? await parts.openShared() : undefined;
  const lists = await Promise.all(ways.map((way) => pools?.hostNames(way) ?? []));
  return [...new Set(lists.flat())];
}

/**
 * Removes a host that is gone for good, under each prefix that it is known by.
 *
 * @throws {HostNotFoundError} There is none of this id or name, or several have the name.
 */
export async function removeHost(
  parts: Pick<DriverParts, "store" | "openShared">,
  idOrName: string,
  access?: EtcdAccess,
): Promise<RemovedHost[]> {
  const ways = waysTo(parts, access);
  const pools = ways.length > 0 ? await parts.openShared() : undefined;
  const removed: RemovedHost[] = [];
  let missing: unknown = new HostNotFoundError(idOrName, []);
  for (const way of pools ? ways : []) {
    try {
      removed.push(await pools!.removeHost(way, idOrName));
    } catch (error) {
      if (!(error instanceof HostNotFoundError)) throw error;
      missing = error;
    }
  }
  if (removed.length === 0) throw missing;
  return removed;
}
