// The routes of L3 networks in the host's main table, which a routing daemon announces: FRR by
// `redistribute kernel`, BIRD by `learn`. Pure functions.
//
// The kernel gives a frame for a sandbox to its ipvlan link before the host looks for a route
// (`ipvlan_handle_mode_l3` in `drivers/net/ipvlan/ipvlan_core.c`). So these routes carry no packet to
// a sandbox. They make the host answer a packet that no sandbox takes with an ICMP error. Without such
// a route, the host would send the packet back to the router.
import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import { type Addresses, endpointAddresses, familyOf } from "../../ipam/address.ts";
import { networkParent } from "./names.ts";
import type { NetworkIndex } from "./network_index.ts";
import type { RouteStep } from "./option_steps.ts";
import { ADVERTISED } from "./routing_config.ts";
import type { AdvertisedRoute, Network, SettledNetwork } from "./types.ts";
import { routePrefix } from "./routes.ts";

/**
 * The marks of the routes in the kernel. FRR does not read routes of the protocol `kernel` (2), and
 * BIRD reads them only with `learn all`. So a route that must not be announced has this protocol, and
 * its metric marks it as ours.
 */
const MARKS: Readonly<Record<AdvertisedRoute["kind"], { protocol: number; metric: number }>> = {
  subnet: { protocol: ADVERTISED, metric: ADVERTISED },
  address: { protocol: ADVERTISED, metric: ADVERTISED },
  cover: { protocol: 2, metric: ADVERTISED + 1 },
};

export const ADVERT_PROTOCOLS = [MARKS.subnet.protocol, MARKS.cover.protocol];

export function advert(kind: AdvertisedRoute["kind"], dst: string): RouteStep {
  return { kind: "route.add", route: { type: "unreachable", dst, ...MARKS[kind] } };
}

/** Finds the kind of a route by its marks; `undefined` if it is not the driver's. */
export function advertKind({ route }: RouteStep): AdvertisedRoute["kind"] | undefined {
  const { type, dst, protocol, metric } = route;
  if (type !== "unreachable") return undefined;
  const kind = (["cover", "subnet"] as const)
    .find((kind) => MARKS[kind].protocol === protocol && MARKS[kind].metric === metric);
  return kind === "subnet" && dst.endsWith(familyOf(dst) === 6 ? "/128" : "/32") ? "address" : kind;
}

/** The routes of a network itself, without those of its endpoints. */
export function networkAdverts(
  { advertise, subnets }: Pick<Network, "advertise" | "subnets">,
): RouteStep[] {
  if (advertise === undefined) return [];
  const kind = advertise === "subnet" ? "subnet" : "cover";
  return subnets.map(({ subnet }) => advert(kind, subnet));
}

export function endpointAdverts(
  { advertise }: Pick<Network, "advertise">,
  endpoint: Addresses,
): RouteStep[] {
  if (advertise !== "address") return [];
  return endpointAddresses(endpoint).map((address) => advert("address", routePrefix(address)));
}

export function whyNoAdverts(
  { advertise, mode, parent, foreignAddresses }: SettledNetwork,
  isolated: boolean,
): string | undefined {
  if (isolated) {
    return "the network is isolated, so nothing reaches its sandboxes; give it a parent";
  }
  if (networkParent({ parent }).kind === "sandbox") {
    return "its parents are links of the sandboxes, so no route of the host leads to it";
  }
  if (mode === "l2") {
    return "the mode is l2, where the sandboxes are on the parent's own segment and need no route; " +
      "choose l3 or l3s";
  }
  if (foreignAddresses && advertise === "subnet") {
    return "the network has foreign addresses, and no subnets; choose address";
  }
}

/**
 * Finds subnets that a network on another parent advertises as well. A router sends packets for a
 * destination to one link, so the same destination cannot be behind two parents.
 */
export function elsewhereProblems(
  { name, advertise, parent, subnets }: SettledNetwork,
  others: NetworkIndex,
): IpvlanError[] {
  if (advertise === undefined || networkParent({ parent }).kind !== "host") return [];
  return subnets.flatMap(({ subnet }, index) =>
    others.advertised(subnet)
      .filter(({ network }) => network.name !== name && network.parent !== parent)
      .map(({ network, subnet: same }) => {
        const rule = `the network "${network.name}" advertises ${same} on the parent ` +
          `"${network.parent}", and the router sends packets for an address to one link`;
        return invalidOption("subnet", subnet, rule).at("subnets", index);
      })
  );
}
