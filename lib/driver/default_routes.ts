import { endpointAddresses, familyOf } from "../ipam/address.ts";
import { routeFlush, routeLine, type RouteSpec } from "../iproute2/route.ts";
import type { Step } from "./plan.ts";
import type { EndpointRecord } from "./records.ts";
import type { Network } from "./types.ts";

/** An address of an endpoint, and the gateway that it has. */
export interface EndpointAddress {
  /** The address with its prefix length: `192.168.1.2/24`. */
  address: string;
  /** The subnet's gateway, where a default route leads to it. */
  gateway?: string;
}

/** What a network's default routes depend on. */
export type Exit = Pick<Network, "mode" | "internal" | "isolated">;

/**
 * What the default routes of a network's sandboxes name: the gateways of the subnets, in L2 mode;
 * the link alone, in the L3 modes, as there is no broadcast to find a next hop with. An internal
 * network has no default route, and an isolated one in L2 mode has none either.
 */
export function wayOut({ mode, internal, isolated }: Exit): "gateway" | "link" | "none" {
  if (internal) return "none";
  if (mode !== "l2") return "link";
  return isolated ? "none" : "gateway";
}

/** The metric that the kernel gives a route by default (`IP6_RT_PRIO_USER` for IPv6). */
const DEFAULT_METRIC = { 4: 0, 6: 1024 };

/** The base of the metrics of default routes that are not a sandbox's first. */
const LATER = DEFAULT_METRIC[6];

/** The base of the metrics of default routes that lead nowhere, beside other networks: the worst. */
const NOWHERE = 1_000_000;

/**
 * The default routes of an endpoint. Those of a sandbox's second network have a worse metric, and
 * are used when the first network is disconnected. Those that lead nowhere have the worst: an
 * isolated network in an L3 mode has some, but they must not hide those of another network.
 *
 * @param isOnly Whether it is the only endpoint of its sandbox.
 */
export function defaultRoutes(
  network: Network,
  { ifname, ordinal }: Pick<EndpointRecord, "ifname" | "ordinal">,
  addresses: readonly EndpointAddress[],
  isOnly: boolean,
): RouteSpec[] {
  const exit = wayOut(network);
  if (exit === "none") return [];
  const isFirst = network.isolated ? isOnly : ordinal === 0;
  const metric = isFirst ? undefined : (network.isolated ? NOWHERE : LATER) + ordinal;
  return addresses.flatMap(({ address, gateway }) => {
    const dst = DEFAULT_PREFIX[familyOf(address)];
    if (exit === "link") return [{ dst, dev: ifname, metric }];
    return gateway === undefined ? [] : [{ dst, via: gateway, dev: ifname, metric }];
  });
}

/** The routes of an endpoint: those that it was given, or the default routes of its network. */
export function linkRoutes(
  network: Network,
  endpoint: Pick<EndpointRecord, "ifname" | "ordinal" | "routes">,
  addresses: readonly EndpointAddress[],
  isOnly: boolean,
): RouteSpec[] {
  const { routes, ifname } = endpoint;
  return routes?.map(({ dst, via }) => ({ dst, via, dev: ifname })) ??
    defaultRoutes(network, endpoint, addresses, isOnly);
}

/** The destination of a default route. */
const DEFAULT_PREFIX = { 4: "default", 6: "::/0" };

/**
 * The steps that make the default routes of a sandbox's only endpoint worse than those of the
 * networks that it is connected to now. Only default routes that lead nowhere have to give way.
 */
export function giveWaySteps(network: Network, endpoint: EndpointRecord): Step[] {
  if (!network.isolated || endpoint.routes || wayOut(network) === "none") return [];
  const { sandbox, ifname: dev } = endpoint;
  const inside = (line: string) => ({ netns: sandbox, line });
  const addresses = endpointAddresses(endpoint).map((address) => ({ address }));
  const routes = (isOnly: boolean) => defaultRoutes(network, endpoint, addresses, isOnly);
  // `route flush` and `route replace`, as somebody may have deleted the routes in the sandbox, and
  // as they have given way already if another network was connected before.
  const remove = ({ dst, metric = DEFAULT_METRIC[familyOf(dst)] }: RouteSpec) =>
    inside(routeFlush({ dst, dev, metric }));
  const make = (route: RouteSpec) => inside(routeLine("replace", route));
  return [
    ...routes(true).map((route) => ({ ...remove(route), undo: make(route) })),
    ...routes(false).map((route) => ({ ...make(route), undo: remove(route) })),
  ];
}
