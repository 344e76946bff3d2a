// Which route a packet takes in its namespace, and from which address: pure functions on what was seen.
import { familyOf } from "../ipam/address.ts";
import { DEAD_ENDS, type Route } from "../iproute2/route_types.ts";
import type { Rule } from "../iproute2/rule.ts";
import { addressesOf, isIn, type Node, sharedBits } from "./world.ts";

/** The part of a packet that routes look at. */
export interface Flow {
  dst: string;
  src?: string;
  /** The link that it came in by; left out, the namespace itself sends it. */
  iif?: string;
  /** The link that it has to leave by. */
  oif?: string;
  /** The link to leave by if the best routes lead by several. */
  preferred?: string;
}

/** The outcome of a lookup: a route, or why none can be named; neither if there is none. */
export interface Lookup {
  route?: Route;
  unknown?: string;
}

/** Finds the route of a packet by the rules of its namespace (ip-rule(8)). */
export function findRoute(node: Node, flow: Flow): Lookup {
  const family = familyOf(flow.dst);
  for (const rule of node.rules) {
    if (rule.family !== family) continue;
    const { action, table = "main", suppressPrefixLength: least = -1, priority, others } = rule;
    if (Object.keys(others).length > 0) return { unknown: `rule ${priority} looks at more` };
    if (action === "nop" || !matches(rule, flow)) continue;
    if (action === "goto") return { unknown: `rule ${priority} goes to another` };
    if (action !== "lookup") {
      const end = { dst: "default", family, table, type: action, nexthops: [], flags: [] };
      return { route: end };
    }
    const route = bestRoute(node, table, flow);
    if (!route || route.type === "throw" || lengthOf(route) <= least) continue;
    return route.nexthops.length > 0
      ? { unknown: `the route to ${route.dst} has several next hops` }
      : { route };
  }
  return {};
}

function matches({ src, dst, iif, oif, fwmark, not }: Rule, flow: Flow): boolean {
  // No packet here has a mark.
  const does = (src === undefined || flow.src !== undefined && isIn(src, flow.src)) &&
    (dst === undefined || isIn(dst, flow.dst)) &&
    (iif === undefined || iif === (flow.iif ?? "lo")) &&
    (oif === undefined || oif === flow.oif) &&
    (fwmark === undefined || Number(fwmark) === 0);
  return does !== not;
}

/** The best route of a table: the one with the longest prefix, and of these with the lowest metric. */
function bestRoute(node: Node, table: string, { dst, oif, preferred }: Flow): Route | undefined {
  const family = familyOf(dst);
  const isUp = (name: string) => node.links.some((link) => link.name === name && link.up);
  return node.routes
    .filter((route) =>
      route.family === family && route.table === table && isIn(route.dst, dst) &&
      (route.dev === undefined ||
        (oif ?? route.dev) === route.dev && (route.type === "local" || isUp(route.dev))) &&
      // IPv6 passes over the routes of a link without carrier, IPv4 does not.
      !route.flags.includes("dead") && !(family === 6 && route.flags.includes("linkdown"))
    )
    .sort((a, b) =>
      lengthOf(b) - lengthOf(a) || (a.metric ?? 0) - (b.metric ?? 0) ||
      Number(b.dev === preferred) - Number(a.dev === preferred)
    )[0];
}

function lengthOf({ dst, family }: Route): number {
  if (dst === "default") return 0;
  return Number(dst.split("/")[1] ?? (family === 4 ? 32 : 128));
}

/** A route in words: `default via 10.0.0.1 dev eth0`. */
export function routeText({ type, dst, via, dev }: Route): string {
  const words = [...DEAD_ENDS.includes(type) ? [type] : [], dst];
  if (via !== undefined) words.push("via", via);
  if (dev !== undefined) words.push("dev", dev);
  return words.join(" ");
}

/** The address that a packet without one leaves from (`inet_select_addr`; for IPv6, RFC 6724). */
export function sourceFor(node: Node, route: Route, dst: string): string | undefined {
  if (route.src !== undefined) return route.src;
  if (route.type === "local") return dst;
  const family = familyOf(dst);
  const usable = node.addrs.filter((each) =>
    each.family === family && each.scope !== "host" &&
    !["tentative", "dadfailed"].some((flag) => each.flags.includes(flag))
  );
  const here = usable.filter(({ dev }) => dev === route.dev);
  const elsewhere = usable.filter(({ dev }) => dev !== route.dev);
  if (family === 4) {
    const first = here.filter(({ flags }) => !flags.includes("secondary"));
    return (nearest(first, route.via ?? dst) ?? elsewhere[0])?.address;
  }
  const fitting = (list: Node["addrs"]) =>
    list.filter(({ address }) => isLinkLocal(address) === isLinkLocal(dst))
      .sort((a, b) => sharedBits(b.address, dst) - sharedBits(a.address, dst))[0];
  return (fitting(here) ?? fitting(elsewhere) ?? here[0])?.address;
}

/** The address in whose subnet another one is; else the first. */
export function nearest(addrs: Node["addrs"], other: string): Node["addrs"][number] | undefined {
  return addrs.find(({ family, address, peer, prefixLength }) =>
    family === familyOf(other) && isIn(`${peer ?? address}/${prefixLength}`, other)
  ) ?? addrs[0];
}

export function isLinkLocal(address: string): boolean {
  return address.startsWith("fe80:");
}

/**
 * The address that a question for a neighbour comes from; `undefined` for none (`arp_solicit` and
 * `ndisc_solicit` in the kernel).
 */
export function askerOf(
  node: Node,
  link: Node["links"][number],
  hop: string,
  src: string,
): string | undefined {
  const family = familyOf(hop);
  const here = addressesOf(node, link).filter((each) => each.family === family);
  const own = family === 4 ? node.addrs : here;
  if (own.some(({ address }) => address === src)) return src;
  if (family === 4) return nearest(here, hop)?.address;
  return (here.find(({ address }) => isLinkLocal(address)) ?? here[0])?.address;
}

/** The address of a namespace that another one would use: one on a wire of both, else the first. */
export function addressOf({ addrs }: Pick<Node, "addrs">, from: Node): string | undefined {
  const own = addrs.filter(({ scope }) => scope === "global").map(({ address }) => address);
  const routes = own.map((dst) => findRoute(from, { dst }).route);
  const isNear = (route?: Route) =>
    route?.type === "unicast" && route.dst !== "default" && !route.via;
  return own.find((_, index) => isNear(routes[index])) ?? own.find((_, index) => routes[index]) ??
    own[0];
}
