import { parsePrefix, type Prefix } from "../../ipam/mod.ts";
import type { Route } from "../../iproute2/route.ts";
import type { AddressPool, Network } from "../model/types.ts";

/** The IPv4 prefixes that a default pool must not overlap. */
export function usedPrefixes(
  networks: readonly Network[],
  pools: readonly AddressPool[],
  routes: readonly Route[],
): Prefix[] {
  return [
    ...networks.flatMap(({ subnets }) => subnets.map(({ subnet }) => subnet)),
    ...pools.map(({ subnet }) => subnet),
    // All default pools are IPv4. `ip` prints a route to a single address without a length.
    ...routes.flatMap(({ family, dst }) => family === 6 || dst === "default" ? [] : [dst]),
  ].map((text) => parsePrefix(text.includes("/") ? text : `${text}/32`).prefix);
}
