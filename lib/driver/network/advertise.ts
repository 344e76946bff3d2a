/**
 * The routes of L3 networks in the host's main table, which a routing daemon announces: FRR by
 * `redistribute kernel`, BIRD by `learn`. Pure functions.
 *
 * The kernel gives a frame for a sandbox to its ipvlan link before the host looks for a route
 * (`ipvlan_handle_mode_l3` in `drivers/net/ipvlan/ipvlan_core.c`). So these routes are no way to a
 * sandbox. They say what is here, and what the host does with a packet that no sandbox takes: it
 * answers with an ICMP error. Without a route, it would send the packet back to the router.
 *
 * @module
 */
import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import { overlapPairs, prefixesOf } from "../../ipam/prefix.ts";
import { type Route, routeLine, type RouteSpec } from "../../iproute2/route.ts";
import { networkParent } from "../model/names.ts";
import { routePrefix } from "../model/routes.ts";
import type { Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { Network, SettledNetwork } from "../model/types.ts";
import { ADVERTISED } from "../model/routing_config.ts";

/** What a route of the driver is for. */
export type AdvertKind =
  /** It announces a subnet. */
  | "subnet"
  /** It announces an address of an endpoint. */
  | "address"
  /** It is not announced: it keeps a packet for an unused address from going back to the router. */
  | "cover";

/** A route that the driver makes in the host's namespace. */
export interface Advert {
  /** What it is for. */
  kind: AdvertKind;
  /** The destination, with its length: `10.1.0.0/24`, `10.1.0.5/32`. */
  dst: string;
  /** The network. */
  network: string;
  /** The sandbox, if it is a route to an address. */
  sandbox?: string;
}

/**
 * How the routes are marked in the kernel. FRR does not read routes of the protocol `kernel` (2), and
 * neither does BIRD, unless it is told `learn all`. So a route that must not be announced has this
 * number, and its metric says that it is ours.
 */
export const MARKS: Readonly<Record<AdvertKind, { protocol: number; metric: number }>> = {
  subnet: { protocol: ADVERTISED, metric: ADVERTISED },
  address: { protocol: ADVERTISED, metric: ADVERTISED },
  cover: { protocol: 2, metric: ADVERTISED + 1 },
};

/** The routes that a network has, whatever its endpoints are. */
export function networkAdverts(
  { name, advertise, subnets }: Pick<Network, "name" | "advertise" | "subnets">,
): Advert[] {
  if (advertise === undefined) return [];
  const kind = advertise === "subnet" ? "subnet" : "cover";
  return subnets.map(({ subnet }) => ({ kind, dst: subnet, network: name }));
}

/** The routes that an endpoint has. */
export function endpointAdverts(
  { name, advertise }: Pick<Network, "name" | "advertise">,
  endpoint: Pick<EndpointRecord, "sandbox" | "ip" | "ip6">,
): Advert[] {
  if (advertise !== "address") return [];
  return endpointAddresses(endpoint).map((address) => ({
    kind: "address",
    dst: routePrefix(address),
    network: name,
    sandbox: endpoint.sandbox,
  }));
}

/** What is the same for two adverts that are one route in the kernel. */
export function advertKey({ kind, dst }: Pick<Advert, "kind" | "dst">): string {
  return `${kind === "cover" ? "cover" : "announced"} ${dst}`;
}

/** Adverts that no other network has. Two networks of engines may share a subnet and its route. */
export function unshared(
  adverts: readonly Advert[],
  others: readonly Pick<Network, "name" | "advertise" | "subnets">[],
): Advert[] {
  const shared = new Set(others.flatMap(networkAdverts).map(advertKey));
  return adverts.filter((advert) => !shared.has(advertKey(advert)));
}

function routeOf({ kind, dst }: Advert): RouteSpec {
  return { type: "unreachable", dst, ...MARKS[kind] };
}

/** The line that deletes the route of an advert. It fails with `ESRCH` if there is none. */
export function withdrawLine(advert: Advert): string {
  return routeLine("del", routeOf(advert));
}

/** The steps that make routes. @param owned Those that undoing deletes; by default all. */
export function advertSteps(
  adverts: readonly Advert[],
  owned: readonly Advert[] = adverts,
): Step[] {
  const undone = new Set(owned);
  return adverts.map((advert) => ({
    // A route of this metric is ours: `replace` does not fail over one that is there already.
    line: routeLine("replace", routeOf(advert)),
    ...undone.has(advert) && { undo: { line: withdrawLine(advert) } },
  }));
}

/** A route of the driver in the kernel, without what only a record knows of it. */
export type SeenAdvert = Pick<Advert, "kind" | "dst">;

/** Finds the driver's routes among those of the kernel that have the protocol of a mark. */
export function seenAdverts(protocol: number, routes: readonly Route[]): SeenAdvert[] {
  const metric = protocol === ADVERTISED ? MARKS.subnet.metric : MARKS.cover.metric;
  return routes.filter((route) => route.type === "unreachable" && route.metric === metric)
    .map(({ dst: printed, family }) => {
      const dst = routePrefix(printed);
      const isAddress = dst.endsWith(family === 6 ? "/128" : "/32");
      return { kind: protocol !== ADVERTISED ? "cover" : isAddress ? "address" : "subnet", dst };
    });
}

/** What is wrong with the option `advertise` of a network, as far as the network alone shows it. */
export function advertiseProblems(
  { advertise, mode, parent, foreignAddresses }: SettledNetwork,
  isolated: boolean,
): IpvlanError[] {
  if (advertise === undefined) return [];
  const wrong = (rule: string) => [
    invalidOption("advertise", advertise, rule).at("advertise"),
  ];
  if (isolated) {
    return wrong("the network is isolated, so nothing reaches its sandboxes; give it a parent");
  }
  if (networkParent({ parent }).kind === "sandbox") {
    return wrong("its parents are links of the sandboxes, so no route of the host leads to it");
  }
  if (mode === "l2") {
    return wrong(
      "the mode is l2, where the sandboxes are on the parent's own segment and need no route; " +
        "choose l3 or l3s",
    );
  }
  if (foreignAddresses && advertise === "subnet") {
    return wrong("the network has foreign addresses, and no subnets; choose address");
  }
  return [];
}

/**
 * What is wrong with a network because of those on other parents. A router sends packets for a
 * destination to one link, so the same destination cannot be behind two parents.
 */
export function elsewhereProblems(
  { advertise, parent, subnets }: SettledNetwork,
  networks: readonly SettledNetwork[],
): IpvlanError[] {
  if (advertise === undefined || parent === undefined) return [];
  const others = networks.filter((other) =>
    other.advertise !== undefined && other.parent !== undefined && other.parent !== parent
  ).flatMap(({ name, parent, subnets }) => subnets.map(({ subnet }) => ({ name, parent, subnet })));
  return overlapPairs(prefixesOf(subnets), prefixesOf(others)).map(([index, place]) => {
    const { name, parent, subnet } = others[place]!;
    const rule = `the network "${name}" advertises ${subnet} on the parent "${parent}", and the ` +
      "router sends packets for an address to one link";
    return invalidOption("subnet", subnets[index]!.subnet, rule).at("subnets", index);
  });
}
