import { OUT_OF_REACH } from "../../claims/local.ts";
import { poolId } from "../../claims/pool_key.ts";
import type { Holder } from "../../claims/types.ts";
import type { SharedPools } from "../../claims/shared_pools.ts";
import { attempt, isIpvlanError, unlessError } from "../../base/errors.ts";
import { endpointAddresses, type Family, familyOf } from "../../ipam/address.ts";
import { formatAddress, parseAddress } from "../../ipam/mod.ts";
import { homeOf } from "../../ipam/prefix.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import type { HeldAddresses } from "../addresses/held_addresses.ts";
import type { Parts } from "../addresses/parts.ts";
import { joinPools } from "../addresses/shared/network.ts";
import {
  giveBack,
  isShared,
  lookUpReservations,
  type PooledAddress,
  type SharedNetwork,
  takeUsable,
} from "../addresses/shared/pools.ts";
import type { HostFacts } from "../model/facts.ts";
import { namesOn } from "../model/names.ts";
import type { Connection, Network, NetworkSubnet } from "../model/types.ts";
import { findNetwork } from "../store/find.ts";
import { type AttachRequest, withReserved } from "./attach_request.ts";

/**
 * Takes the addresses of a request from the pools that hosts share, and runs a function with them. If
 * that fails, they are given back. What is reserved for the sandbox is known before the check.
 *
 * @param check Checks the request, so that a wrong one takes nothing. Returns the families to take;
 * left out, both.
 * @returns What the function returns, and if a network is shared, the pools and what is taken of them.
 */
export async function takeShared<T>(
  parts: Parts<"store" | "pools" | "openShared">,
  request: Pick<AttachRequest, "name" | "connections">,
  facts: Pick<HostFacts, "addrs"> | undefined,
  held: HeldAddresses,
  check: () => readonly Family[] | undefined,
  run: (connections: readonly Connection[]) => T,
): Promise<{ value: T; pools?: SharedPools; taken: PooledAddress[] }> {
  const { store } = parts;
  const { name: sandbox } = request;
  const networkOf = ({ network }: Connection) => {
    // If there is none, the check says so.
    const found = attempt(() => findNetwork(store, network));
    return found.ok && isShared(found.value) ? found.value : undefined;
  };
  const pools = request.connections.some(networkOf) ? await parts.openShared() : undefined;
  if (!pools) return { value: run(request.connections), taken: [] };
  // While etcd does not answer, what is on record counts.
  await unlessError([...OUT_OF_REACH, "etcd-refused"], () => lookUpReservations(parts, pools));
  const families = store.transaction(check) ?? [4, 6];
  const taken: PooledAddress[] = [];
  const connections: Connection[] = [];
  try {
    for (const connection of request.connections) {
      const network = networkOf(connection);
      const given: Connection = network
        ? withReserved(network, sandbox, connection)
        : { ...connection };
      connections.push(given);
      if (!network) continue;
      const { aliases = [], except = [], moreAddresses = [] } = given;
      await joinPools(pools, network, facts!.addrs);
      const names = namesOn(network.name, { sandbox, aliases });
      const holder = { sandbox, network: network.name, names };
      for (const [key, family] of [["ip", 4], ["ip6", 6]] as const) {
        const subnets = network.subnets.filter(({ subnet }) => familyOf(subnet) === family);
        if (subnets.length === 0 || !families.includes(family)) continue;
        const isUsable = (address: string) =>
          !connections.flatMap(endpointAddresses).includes(address) &&
          canUse(parts, network, address, except, facts, held);
        const address = given[key] === undefined
          ? await takeNext(parts, pools, network, subnets, holder, isUsable)
          : await takeGiven(pools, network, given[key], holder);
        if (!address) continue;
        taken.push(address);
        given[key] = address.address;
      }
      for (const more of moreAddresses) {
        // As on this host, a name leads to the first address of each family.
        const address = await takeGiven(pools, network, more, { ...holder, names: undefined });
        if (address) taken.push(address);
      }
    }
    return { value: run(connections), pools, taken };
  } catch (error) {
    giveBack(parts, pools, taken);
    throw error;
  }
}

async function takeNext(
  parts: Parts<"store">,
  pools: SharedPools,
  { ipam: { access } }: SharedNetwork,
  subnets: readonly NetworkSubnet[],
  holder: Holder,
  isUsable: (address: string) => boolean,
): Promise<PooledAddress> {
  for (const [index, { subnet, ipRange }] of subnets.entries()) {
    try {
      return await takeUsable(parts, pools, poolId(access, subnet), holder, ipRange, isUsable);
    } catch (error) {
      const isLast = index === subnets.length - 1;
      if (!isIpvlanError(error, "shared-pool-exhausted") || isLast) throw error;
    }
  }
  throw new TypeError("A family without a subnet");
}

/** Takes the given address; `undefined` if it is in no subnet of the network. */
async function takeGiven(
  pools: SharedPools,
  { ipam: { access }, subnets }: SharedNetwork,
  given: string,
  holder: Holder,
): Promise<PooledAddress | undefined> {
  const parsed = attempt(() => formatAddress(parseAddress(given)));
  const subnet = parsed.ok ? homeOf(subnets, given) : undefined;
  if (!parsed.ok || !subnet) return undefined;
  const id = poolId(access, subnet.subnet);
  return { pool: id, address: await pools.take(id, holder, { address: parsed.value }) };
}

/** Whether an address that is free in etcd is also free on this host: on links and in other pools. */
function canUse(
  { store, pools }: Parts<"store" | "pools">,
  network: Network,
  address: string,
  except: readonly string[],
  facts: Pick<HostFacts, "addrs"> | undefined,
  held: HeldAddresses,
): boolean {
  return !except.includes(address) && attempt(() => pools.of(network).take(address)).ok &&
    !globalAddrs(network.parent, facts!.addrs).some((each) => each.address === address) &&
    !held.on(network.parent).some((each) => each.address === address) &&
    holderElsewhere(store, network, address) === undefined;
}
