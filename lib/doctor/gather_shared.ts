import { prefixOf } from "../claims/access.ts";
import { whyRefused } from "../claims/local.ts";
import { LastToken } from "../claims/last_token.ts";
import { SharedPools } from "../claims/shared_pools.ts";
import { accesses } from "../driver/addresses/shared/pools.ts";
import { SqliteStore } from "../driver/store/sqlite_store.ts";
import { IpvlanError } from "../base/errors.ts";
import type { SharedFacts } from "./facts.ts";

/**
 * Reads the state of shared pools: whether etcd answers, which changes it lacks, and which hosts
 * there are. It changes neither records nor etcd.
 */
export async function gatherShared(folder: string): Promise<SharedFacts[]> {
  using store = SqliteStore.copy(folder);
  const ways = [...accesses(store).values()];
  if (ways.length === 0) return [];
  const lock = () => Promise.reject(new TypeError("Doctor changes nothing"));
  const lastToken = new LastToken("", folder);
  using pools = new SharedPools({ store, hostname: "", lastToken, lock });
  return await Promise.all(ways.map(async (access): Promise<SharedFacts> => {
    const prefix = prefixOf(access);
    const untold = store.shared.pools().filter((pool) => pool.prefix === prefix)
      .reduce((sum, { id }) => sum + store.shared.untold(id).length, 0);
    const own = store.shared.host(prefix);
    const lost = pools.lost().filter(({ pool }) => pool.startsWith(`${prefix} `));
    const refused = own && whyRefused(own)?.message;
    const facts = { prefix, untold, lost, ownId: own?.id, refused };
    try {
      const hosts = (await pools.hosts(access)).map(({ id, name, isAlive, copies, claims }) => {
        const addresses = Object.values(claims).reduce((sum, count) => sum + count, 0);
        return { id, name, isAlive, copies, addresses };
      });
      if (own && own.number > 0 && !hosts.some(({ id }) => id === own.id)) {
        // This host may not have noticed yet that it was removed.
        facts.refused ??= new IpvlanError("host-removed", { prefix }).message;
      }
      return { ...facts, hosts };
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      return { ...facts, hosts: [], problem: error.message };
    }
  }));
}
