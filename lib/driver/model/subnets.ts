import { parseSubnets, type Subnet } from "../../ipam/mod.ts";
import { homeOf } from "../../ipam/prefix.ts";
import type { NetworkSubnet, SettledNetwork } from "./types.ts";

/** The subnets of a network, which also reserve the next hops of its routes. */
export function reservingSubnets(
  { subnets, routes = [] }: Pick<SettledNetwork, "subnets" | "routes">,
): NetworkSubnet[] {
  return subnets.map((subnet) => {
    const { gateway, auxAddresses } = subnet;
    const kept = new Set([gateway, ...Object.values(auxAddresses)]);
    const hops = routes.flatMap(({ dst, via }) => {
      if (via === undefined || kept.has(via) || !homeOf([subnet], via)) return [];
      kept.add(via);
      return [[`route to ${dst}`, via]];
    });
    return { ...subnet, auxAddresses: { ...Object.fromEntries(hops), ...auxAddresses } };
  });
}

export function subnetsOf(network: SettledNetwork): readonly Subnet[] {
  const result = parseSubnets(reservingSubnets(network));
  if (!result.ok) throw new AggregateError(result.problems, `Network "${network.name}" on record`);
  return result.subnets;
}
