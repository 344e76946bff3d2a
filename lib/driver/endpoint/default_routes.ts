import { familyOf } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import { routeFlush, routeLine, type RouteSpec } from "../../iproute2/route.ts";
import type { Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { Network } from "../model/types.ts";
import { type EndpointAddress, wayOut } from "../model/routes.ts";

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

/** Classifies the endpoints of a sandbox. */
export function siblingsOf(
  endpoints: readonly Pick<EndpointRecord, "gatewayPriority">[],
): Siblings {
  if (endpoints.length < 2) return "none";
  return endpoints.some(({ gatewayPriority = 0 }) => gatewayPriority !== 0) ? "ranked" : "equal";
}

/** The fields of an endpoint that decide its default routes. */
type RoutedEndpoint = Pick<EndpointRecord, "ifname" | "ordinal" | "routes" | "gatewayPriority">;

/**
 * The default routes of an endpoint. Those of a sandbox's second network have a worse metric, and
 * are used when the first network is disconnected. Those that lead nowhere have the worst: an
 * isolated network in an L3 mode has some, but they must not hide those of another network.
 */
export function defaultRoutes(
  network: Network,
  endpoint: RoutedEndpoint,
  addresses: readonly EndpointAddress[],
  siblings: Siblings,
): RouteSpec[] {
  const { ifname } = endpoint;
  const exit = wayOut(network);
  if (exit === "none") return [];
  const metric = metricOf(network, endpoint, siblings);
  return addresses.flatMap(({ address, gateway }) => {
    const dst = DEFAULT_PREFIX[familyOf(address)];
    if (exit === "link") return [{ dst, dev: ifname, metric }];
    return gateway === undefined ? [] : [{ dst, via: gateway, dev: ifname, metric }];
  });
}

/** The metric of an endpoint's default routes; `undefined` for the kernel's, which is the best. */
function metricOf(
  { isolated }: Network,
  { ordinal, gatewayPriority = 0 }: RoutedEndpoint,
  siblings: Siblings,
): number | undefined {
  if (isolated) return siblings === "none" ? undefined : NOWHERE + ordinal;
  // The kernel's metric for IPv4 is 0, and none is better. So a ranked sandbox does not use it.
  if (siblings === "ranked") return RANKED - gatewayPriority * PER_PRIORITY + ordinal;
  return ordinal === 0 ? undefined : LATER + ordinal;
}

/**
 * The routes of an endpoint to the other subnets of an internal network in an L3 mode. Other networks
 * reach them by the default route, which an internal network lacks. Their metric is not the best one:
 * the kernel gives that to the route to the subnet of another endpoint's address.
 */
export function innerRoutes(
  { internal, mode, subnets }: Network,
  { ifname, ordinal, routes }: RoutedEndpoint,
  addresses: readonly EndpointAddress[],
): RouteSpec[] {
  if (routes || !internal || mode === "l2") return [];
  const own = addresses.map(({ address }) => formatPrefix(parsePrefix(address).prefix));
  const families = new Set(own.map(familyOf));
  return subnets.filter(({ subnet }) => families.has(familyOf(subnet)) && !own.includes(subnet))
    .map(({ subnet }) => ({ dst: subnet, dev: ifname, metric: LATER + ordinal }));
}

/**
 * The routes of an endpoint: those that it was given, or those of its network. Two endpoints of a
 * sandbox may have routes to one destination, and the kernel takes only one route per metric. So the
 * routes of the second endpoint get a worse metric.
 */
export function linkRoutes(
  network: Network,
  endpoint: RoutedEndpoint,
  addresses: readonly EndpointAddress[],
  siblings: Siblings,
): RouteSpec[] {
  const { routes, ifname, ordinal } = endpoint;
  const metric = ordinal === 0 ? undefined : LATER + ordinal;
  return routes?.map(({ dst, via }) => ({ dst, via, dev: ifname, metric })) ?? [
    ...defaultRoutes(network, endpoint, addresses, siblings),
    ...innerRoutes(network, endpoint, addresses),
  ];
}

/** The destination of a default route. */
const DEFAULT_PREFIX = { 4: "default", 6: "::/0" };

/**
 * The steps that change the metrics of an endpoint's default routes, when other endpoints of its
 * sandbox come or go.
 */
export function rerouteSteps(
  network: Network,
  endpoint: EndpointRecord,
  addresses: readonly EndpointAddress[],
  before: Siblings,
  after: Siblings,
): Step[] {
  const { sandbox, ifname: dev, routes: own, handOver } = endpoint;
  if (own || handOver) return [];
  const routes = (siblings: Siblings) => defaultRoutes(network, endpoint, addresses, siblings);
  const [old, wanted] = [routes(before), routes(after)];
  if (old[0]?.metric === wanted[0]?.metric) return [];
  const inside = (line: string) => ({ netns: sandbox, line });
  // `route flush` and `route replace` also work if root in the sandbox has deleted the routes, or if
  // they were changed already when another network was connected.
  const remove = ({ dst, metric = DEFAULT_METRIC[familyOf(dst)] }: RouteSpec) =>
    inside(routeFlush({ dst, dev, metric }));
  const make = (route: RouteSpec) => inside(routeLine("replace", route));
  return [
    ...old.map((route) => ({ ...remove(route), undo: make(route) })),
    ...wanted.map((route) => ({ ...make(route), undo: remove(route) })),
  ];
}
