// The addresses and routes of an endpoint: for its link, and for users.
import { invalidOption } from "../../base/errors.ts";
import {
  type Addresses,
  addressFields,
  endpointAddresses,
  type Family,
  familyOf,
} from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import { homeOf } from "../../ipam/prefix.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import type { RouteSpec } from "../../iproute2/route_types.ts";
import { printedDestination } from "../../iproute2/words.ts";
import { routesToHost } from "../model/host_access.ts";
import { namesOn } from "../model/names.ts";
import { type EndpointAddress, isOnLink, routePrefix, wayOut } from "../model/routes.ts";
import {
  type Endpoint,
  type EndpointRoute,
  extrasOf,
  type Network,
  type StaticRoute,
} from "../model/types.ts";
import type { EndpointRecord } from "../store/records.ts";

export interface NetworkEndpoint {
  network: Network;
  endpoint: EndpointRecord;
}

/** The metric that the kernel gives a route by default (`IP6_RT_PRIO_USER` for IPv6). */
export const DEFAULT_METRIC = { 4: 0, 6: 1024 };

/** The base of the metrics of default routes that are not a sandbox's first. */
const LATER = DEFAULT_METRIC[6];

/** The base of the metrics in a sandbox with priorities, and the change of metric per priority. */
const [RANKED, PER_PRIORITY] = [200_000, 100];

/** The worst base: for default routes that lead nowhere, in a sandbox with other networks. */
const NOWHERE = 1_000_000;

/** The other endpoints of a sandbox: `none`, `equal`, or `ranked` if any endpoint has a priority. */
export type Siblings = "none" | "equal" | "ranked";

export function siblingsOf(endpoints: readonly EndpointRecord[]): Siblings {
  if (endpoints.length < 2) return "none";
  return endpoints.some(({ gatewayPriority = 0 }) => gatewayPriority !== 0) ? "ranked" : "equal";
}

/** Lists the addresses of an endpoint's link with their gateways, IPv4 first. */
export function linkAddresses(
  network: Network,
  endpoint: Addresses & Pick<EndpointRecord, "prefixLengths" | "gateway">,
): EndpointAddress[] {
  const hasGateway = wayOut(network) === "gateway";
  const { prefixLengths: lengths, gateway: router } = endpoint;
  return endpointAddresses(endpoint).map((address) => {
    const foreign = lengths?.[address] ?? lengths?.[familyOf(address) === 6 ? "ip6" : "ip"];
    if (foreign !== undefined) {
      return { address: `${address}/${foreign}`, ...hasGateway && router && { gateway: router } };
    }
    const home = homeOf(network.subnets, address);
    if (!home) {
      const rule = `its record is damaged, as it is in no subnet of network "${network.name}"`;
      throw invalidOption("address", address, rule);
    }
    const { subnet, gateway } = home;
    const withLength = `${address}/${subnet.split("/")[1]}`;
    if (gateway === NO_GATEWAY) return { address: withLength, isLocal: true };
    return hasGateway && gateway ? { address: withLength, gateway } : { address: withLength };
  });
}

/**
 * The default routes of an endpoint. Those of a sandbox's second network have a worse metric, and
 * are used when the first network is disconnected. Those that lead nowhere have the worst: an
 * isolated network in an L3 mode has some, but they must not hide those of another network.
 */
function defaultRoutes(
  network: Network,
  endpoint: EndpointRecord,
  siblings: Siblings,
): RouteSpec[] {
  const { ifname } = endpoint;
  const exit = wayOut(network);
  if (exit === "none") return [];
  const metric = metricOf(network, endpoint, siblings);
  return linkAddresses(network, endpoint).flatMap(({ address, gateway, isLocal }) => {
    if (isLocal) return [];
    const dst = DEFAULT_PREFIX[familyOf(address)];
    if (exit === "link") return [{ dst, dev: ifname, metric }];
    return gateway === undefined ? [] : [{ dst, via: gateway, dev: ifname, metric }];
  }).filter(isFirstTo);
}

/** Whether a route is the first one to its destination: the kernel takes no other one. */
function isFirstTo({ dst }: RouteSpec, index: number, all: readonly RouteSpec[]): boolean {
  return all.findIndex((route) => route.dst === dst) === index;
}

/** The metric of an endpoint's default routes; `undefined` for the kernel's, which is the best. */
function metricOf(
  { isolated }: Network,
  { ordinal, gatewayPriority = 0 }: EndpointRecord,
  siblings: Siblings,
): number | undefined {
  if (isolated) return siblings === "none" ? undefined : NOWHERE + ordinal;
  // The kernel's metric for IPv4 is 0, and none is better. So a ranked sandbox does not use it.
  if (siblings === "ranked") return RANKED - gatewayPriority * PER_PRIORITY + ordinal;
  return ordinal === 0 ? undefined : LATER + ordinal;
}

/**
 * The routes of an endpoint to the other subnets of a network in an L3 mode, if it has no default
 * route, by which it would reach them. Their metric is not the best one: the kernel gives that to the
 * route to the subnet of another endpoint's address.
 */
function innerRoutes(network: Network, endpoint: EndpointRecord): RouteSpec[] {
  const { internal, mode, subnets } = network;
  const { ifname, ordinal, routes } = endpoint;
  if (routes || mode === "l2") return [];
  const own = ownSubnets(network, endpoint);
  const families = new Set(
    linkAddresses(network, endpoint).filter(({ isLocal }) => internal || isLocal)
      .map(({ address }) => familyOf(address)),
  );
  return subnets.filter(({ subnet }) => families.has(familyOf(subnet)) && !own.includes(subnet))
    .map(({ subnet }) => ({ dst: subnet, dev: ifname, metric: LATER + ordinal }));
}

export function ownSubnets(network: Network, endpoint: EndpointRecord): string[] {
  const all = linkAddresses(network, endpoint);
  return [...new Set(all.map(({ address }) => formatPrefix(parsePrefix(address).prefix)))];
}

/**
 * The routes of an endpoint besides those that follow from the subnets: its own, and those of its
 * network whose next hop it reaches.
 */
export function staticRoutes(network: Network, endpoint: EndpointRecord): StaticRoute[] {
  const { routes, moreRoutes = [] } = endpoint;
  if (routes) return [];
  const own = ownSubnets(network, endpoint).map((subnet) => ({ subnet }));
  const isNear = ({ via }: StaticRoute) => via === undefined || isOnLink(via, own);
  const isReplaced = ({ dst }: StaticRoute) => moreRoutes.some((route) => route.dst === dst);
  const given = network.routes?.filter((route) => isNear(route) && !isReplaced(route)) ?? [];
  return [...given, ...moreRoutes];
}

export function routedSubnets(network: Network, endpoint: EndpointRecord): string[] {
  return [
    ...ownSubnets(network, endpoint),
    ...innerRoutes(network, endpoint).map(({ dst }) => dst),
  ];
}

/**
 * The routes of an endpoint: those that it was given, or those of its network. Two endpoints of a
 * sandbox may have routes to one destination, and the kernel takes only one route per metric. So the
 * routes of the second endpoint get a worse metric.
 */
export function linkRoutes(
  network: Network,
  endpoint: EndpointRecord,
  siblings: Siblings,
): RouteSpec[] {
  const { ifname, ordinal } = endpoint;
  const metric = ordinal === 0 ? undefined : LATER + ordinal;
  return [
    ...usualRoutes(network, endpoint, siblings),
    ...givenRoutes(network, endpoint).map((route) => ({ metric, ...route, dev: ifname })),
  ];
}

/** The routes that follow from the subnets and the mode, unless an endpoint was given all of its. */
function usualRoutes(network: Network, endpoint: EndpointRecord, siblings: Siblings): RouteSpec[] {
  if (endpoint.routes) return [];
  return [...defaultRoutes(network, endpoint, siblings), ...innerRoutes(network, endpoint)];
}

/** The other routes. Engines make them, too, so they have those to the host. */
function givenRoutes(network: Network, endpoint: EndpointRecord): readonly EndpointRoute[] {
  const routes = endpoint.routes ?? staticRoutes(network, endpoint);
  return [...routes, ...routesToHost(network, endpoint)];
}

const DEFAULT_PREFIX = { 4: "default", 6: "::/0" };

/** The routes of an endpoint if its sandbox has no other endpoints, each to a prefix. */
export function routesAlone(network: Network, endpoint: EndpointRecord): EndpointRoute[] {
  return [
    ...usualRoutes(network, endpoint, "none")
      .map(({ dst, via }) => ({ dst: routePrefix(dst), ...via !== undefined && { via } })),
    ...givenRoutes(network, endpoint).map((route) => ({ ...route, dst: routePrefix(route.dst) })),
  ];
}

/**
 * Finds the endpoint that has the default route of a sandbox for a family: the route with the best
 * metric. Engines make the routes of links that were handed over.
 */
function defaultEndpoint(
  all: readonly NetworkEndpoint[],
  family: Family,
): EndpointRecord | undefined {
  const siblings = siblingsOf(all.map(({ endpoint }) => endpoint));
  const [best] = all.filter(({ endpoint }) => !endpoint.handOver)
    .flatMap(({ network, endpoint }) =>
      linkRoutes(network, endpoint, siblings)
        .filter(({ dst, table }) =>
          table === undefined && familyOf(dst) === family && printedDestination(dst) === "default"
        )
        .map(({ metric = DEFAULT_METRIC[family] }) => ({ endpoint, metric }))
    ).sort((one, other) => one.metric - other.metric);
  return best?.endpoint;
}

/** Makes from a record the endpoint that users and engines see. @param all All of its sandbox. */
export function toEndpoint(
  { network, endpoint }: NetworkEndpoint,
  all: readonly NetworkEndpoint[],
): Endpoint {
  const { id, sandbox, ifname, aliases } = endpoint;
  const addresses = linkAddresses(network, endpoint);
  const [gateway, gateway6] = ([4, 6] as const).map((family) =>
    addresses.find((each) => each.gateway && familyOf(each.gateway) === family)?.gateway
  );
  return {
    network: network.name,
    sandbox,
    ifname,
    ...addressFields(addresses.map(({ address }) => address)),
    ...network.dhcp && { leased: true },
    ...gateway && { gateway },
    ...gateway6 && { gateway6 },
    ...defaultEndpoint(all, 4)?.id === id && { defaultRoute: true },
    ...defaultEndpoint(all, 6)?.id === id && { defaultRoute6: true },
    routes: routesAlone(network, endpoint),
    names: namesOn(network.name, endpoint),
    aliases,
    parent: endpoint.parent ?? network.parent,
    ...extrasOf(endpoint),
  };
}
