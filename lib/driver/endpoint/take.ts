import type { SharedPools } from "../../claims/shared_pools.ts";
import { attempt } from "../../base/errors.ts";
import { familyOf } from "../../ipam/address.ts";
import { type AttachRequest, decide } from "./attach_request.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import type { HeldAddresses } from "../addresses/held_addresses.ts";
import type { HostFacts } from "../model/facts.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import type { Parts } from "../addresses/parts.ts";
import type { ClaimPlace } from "../addresses/shared/claim_users.ts";
import {
  giveBack,
  holderOf,
  isShared,
  joinPools,
  takeGiven,
  takeNext,
} from "../addresses/shared/pools.ts";
import type { Connection, Network } from "../model/types.ts";

/**
 * Takes the addresses of a request from the pools that hosts share, and runs a function with them. If
 * that fails, they are given back. Checks the whole request first, so that a wrong one asks nothing of
 * etcd.
 *
 * @returns What the function returns, and the pools if a network is shared.
 */
export async function takeShared<T>(
  parts: Parts<"store" | "pools" | "openShared">,
  request: AttachRequest,
  facts: HostFacts | undefined,
  held: HeldAddresses,
  run: (connections: readonly Connection[]) => T,
): Promise<{ value: T; pools?: SharedPools }> {
  const { store } = parts;
  const { name: sandbox } = request;
  const networkOf = ({ network }: Connection) => {
    const found = store.network(network);
    return found && isShared(found) ? found : undefined;
  };
  const pools = request.connections.some(networkOf) ? await parts.openShared() : undefined;
  if (!pools) return { value: run(request.connections) };
  store.transaction(() => decide(parts, request, facts, held));
  const taken: ClaimPlace[] = [];
  const connections: Connection[] = [];
  try {
    for (const connection of request.connections) {
      const network = networkOf(connection);
      const given: Connection = { ...connection };
      if (network) {
        await joinPools(pools, network, facts!.addrs);
        const holder = holderOf(network, { sandbox, aliases: connection.aliases ?? [] });
        for (const [key, family] of [["ip", 4], ["ip6", 6]] as const) {
          if (!network.subnets.some(({ subnet }) => familyOf(subnet) === family)) continue;
          const asked = connection[key];
          const isUsable = (address: string) =>
            !connections.some((each) => each[key] === address) &&
            canUse(parts, network, address, connection.except ?? [], facts, held);
          const address = asked === undefined
            ? await takeNext(parts, pools, network, family, holder, isUsable)
            : await takeGiven(pools, network, asked, holder);
          if (!address) continue;
          taken.push(address);
          given[key] = address.address;
        }
      }
      connections.push(given);
    }
    return { value: run(connections), pools };
  } catch (error) {
    giveBack(parts, pools, taken);
    throw error;
  }
}

/** Whether an address that is free in etcd is also free on this host: on links and in other pools. */
function canUse(
  { store, pools }: Parts<"store" | "pools">,
  network: Network,
  address: string,
  except: readonly string[],
  facts: HostFacts | undefined,
  held: HeldAddresses,
): boolean {
  return !except.includes(address) && attempt(() => pools.of(network).take(address)).ok &&
    !globalAddrs(network.parent, facts!.addrs).some((each) => each.address === address) &&
    !held.on(network.parent).some((each) => each.address === address) &&
    holderElsewhere(store, network, address) === undefined;
}
