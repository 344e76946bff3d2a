import { attempt, invalidOption, type IpvlanError } from "../../base/errors.ts";
import { familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";
import { contains, formatPrefix, homeOf, parsePrefix, whyUnusable } from "../../ipam/prefix.ts";
import { linkLocalProblem } from "./link_local.ts";
import type { Endpoint, Network, SettledNetwork, StaticRoute } from "./types.ts";

/** The settings of a network that decide on its default routes. */
export type Exit = Pick<Network, "mode" | "internal" | "isolated">;

/**
 * Decides where the default routes of a network's sandboxes lead. In L2 mode, they lead to the
 * gateways of the subnets. In the L3 modes, they lead to the link without a gateway, as no broadcast
 * could find one there. An internal network has none, and neither has an isolated one in L2 mode.
 */
export function wayOut({ mode, internal, isolated }: Exit): "gateway" | "link" | "none" {
  if (internal) return "none";
  if (mode !== "l2") return "link";
  return isolated ? "none" : "gateway";
}

/** The highest priority. The lowest one is as far below 0. */
export const MAX_PRIORITY = 1000;

/** Checks a priority for the default route. @param text The priority as the user typed it. */
export function priorityProblem(
  priority: number,
  text: string = String(priority),
): IpvlanError | undefined {
  if (Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY) return undefined;
  const rule = `give a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`;
  return invalidOption("gw-priority", text, rule);
}

/** The destination of a route with its prefix length, which `ip` may leave out. */
export function routePrefix(dst: string, family = familyOf(dst)): string {
  if (dst === "default") return family === 6 ? "::/0" : "0.0.0.0/0";
  const whole = dst.includes("/") ? dst : `${dst}/${family === 6 ? 128 : 32}`;
  return formatPrefix(parsePrefix(whole).prefix);
}

/** Writes a route as options have it: `10.0.0.0/8=192.168.1.254`, or its destination alone. */
export function routeText({ dst, via }: StaticRoute): string {
  return via === undefined ? dst : `${dst}=${via}`;
}

export function routesText(routes: readonly StaticRoute[]): string {
  return routes.map(routeText).join(",");
}

/** Reads routes that {@linkcode routesText} has written. Their parts are checked later. */
export function parseRoutes(text: string): StaticRoute[] {
  return text.split(",").map((word) => {
    const [dst = "", ...via] = word.split("=");
    return via.length > 0 ? { dst, via: via.join("=") } : { dst };
  });
}

/** The canonical form of a route. @throws {"invalid-option"} It cannot be one, or has host bits. */
export function usualRoute(route: StaticRoute): StaticRoute {
  const { dst, via } = route;
  const usual = routePrefix(dst, familyOf(via ?? dst));
  if (dst.includes("/") && parsePrefix(dst).masked) {
    throw invalidOption("route", routeText(route), `it has host bits set: write ${usual}`);
  }
  if (via === undefined) return { ...route, dst: usual };
  if (familyOf(via) !== familyOf(usual)) {
    throw invalidOption("route", routeText(route), "its next hop is of the other family");
  }
  return { ...route, dst: usual, via: formatAddress(parseAddress(via)) };
}

/**
 * Finds why routes cannot be those of sandboxes on a network, besides its default routes.
 *
 * @param subnets The subnets that a next hop can be in.
 */
export function routeProblems(
  routes: readonly StaticRoute[] = [],
  network: SettledNetwork,
  isolated: boolean,
  subnets: readonly { subnet: string }[] = network.subnets,
): IpvlanError[] {
  const seen = new Set<string>();
  return routes.flatMap((given) => {
    const read = attempt(() => usualRoute(given));
    if (!read.ok) return read.problems;
    const { dst } = read.value;
    const rule = seen.has(dst)
      ? "its destination is given twice"
      : whyNoRoute(read.value, network, isolated, subnets);
    seen.add(dst);
    return rule === undefined ? [] : [invalidOption("route", routeText(read.value), rule)];
  });
}

function whyNoRoute(
  { dst, via }: StaticRoute,
  { mode, foreignAddresses }: SettledNetwork,
  isolated: boolean,
  subnets: readonly { subnet: string }[],
): string | undefined {
  const { prefix } = parsePrefix(dst);
  if (prefix.length === 0) {
    return "the gateway of a subnet decides on the default route: give that, or none";
  }
  if (isolated) return "nothing is behind an isolated network: give it a parent";
  const home = subnets.find(({ subnet }) => contains(parsePrefix(subnet).prefix, prefix));
  if (home) return `it is in the subnet ${home.subnet}, which the link reaches itself`;
  if (mode !== "l2") {
    if (via !== undefined) return `in ${mode} mode a link asks for no next hop: write ${dst}`;
    const has = foreignAddresses ||
      subnets.some(({ subnet }) => familyOf(subnet) === familyOf(dst));
    return has ? undefined : `the network has no IPv${prefix.family}`;
  }
  if (via === undefined) return `name its next hop: ${dst}=ADDRESS`;
  if (foreignAddresses || isOnLink(via, subnets)) return undefined;
  const texts = subnets.map(({ subnet }) => subnet).join(", ");
  return `its next hop is in no subnet of the link: ${texts || "there is none"}`;
}

/** Whether a router can have an address on a link: in one of the subnets, or a link-local one. */
export function isOnLink(address: string, subnets: readonly { subnet: string }[]): boolean {
  if (familyOf(address) === 6 && linkLocalProblem(address) === undefined) {
    return subnets.some(({ subnet }) => familyOf(subnet) === 6);
  }
  const home = homeOf(subnets, address);
  return home !== undefined &&
    whyUnusable(parsePrefix(home.subnet).prefix, parseAddress(address)) === undefined;
}

/** The gateway of an endpoint that is in the subnet of one of its addresses. */
export function gatewayBeside(
  address: string,
  { gateway, gateway6 }: Pick<Endpoint, "gateway" | "gateway6">,
): string | undefined {
  return [gateway, gateway6].find((each) => each && homeOf([{ subnet: address }], each));
}

export interface EndpointAddress {
  /** The address with its prefix length: `192.168.1.2/24`. */
  address: string;
  /** The subnet's gateway, if a default route leads to it. */
  gateway?: string;
  /** Whether its family has no default route, as its subnet has the gateway `none`. */
  isLocal?: true;
}
