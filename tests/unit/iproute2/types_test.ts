// What cannot be does not compile: the compiler complains of each line after `@ts-expect-error`, and of
// such a comment where there is nothing to complain about.
import type { AddrSpec } from "../../../lib/iproute2/addr.ts";
import type { Ip } from "../../../lib/iproute2/ip.ts";
import type { Link, LinkChanges } from "../../../lib/iproute2/link_types.ts";
import type { Neigh, NeighSpec } from "../../../lib/iproute2/neigh.ts";
import type { Route, RouteSpec } from "../../../lib/iproute2/route_types.ts";
import type { Rule, RuleSpec } from "../../../lib/iproute2/rule.ts";

const dst = "10.0.0.0/8";

/** What can be, and beside it what cannot. */
export const routes: RouteSpec[] = [
  { dst, type: "blackhole", table: 100, metric: 5, protocol: "static" },
  // @ts-expect-error A route that leads nowhere has no next hop.
  { dst, type: "blackhole", via: "10.0.0.1" },
  // @ts-expect-error It has no link.
  { dst, type: "unreachable", dev: "eth0" },
  // @ts-expect-error It has no next hops.
  { dst, type: "throw", nexthops: [{ via: "10.0.0.1" }] },
  { dst, nexthops: [{ via: "10.0.0.1", weight: 2 }, { dev: "eth0" }] },
  // @ts-expect-error Each next hop has its own.
  { dst, via: "10.0.0.1", nexthops: [{ via: "10.0.0.2" }] },
  // @ts-expect-error The same.
  { dst, dev: "eth0", nexthops: [{ via: "10.0.0.2" }] },
  // @ts-expect-error There is no such type.
  { dst, type: "blakchole" },
  // @ts-expect-error There is no such scope.
  { dst, dev: "eth0", scope: "globl" },
];

/** The same of rules. */
export const rules: RuleSpec[] = [
  { src: dst, table: 100, suppressPrefixLength: 0 },
  { action: "goto", goto: 100 },
  // @ts-expect-error It does not say where to.
  { action: "goto" },
  // @ts-expect-error It looks up nothing.
  { action: "blackhole", table: 100 },
  // @ts-expect-error It does one thing.
  { table: 100, goto: 100 },
  // @ts-expect-error There is no such action.
  { action: "masquerade" },
];

/** The same of changes of links. */
export const changes: LinkChanges[] = [
  { up: true, type: "bridge", vlanFiltering: true, vlanProtocol: "802.1ad" },
  { type: "vlan", gvrp: true },
  { type: "ipvlan", mode: "l3" },
  // @ts-expect-error The kernel does not change it.
  { type: "vlan", id: 7 },
  // @ts-expect-error Nor this.
  { type: "vlan", protocol: "802.1ad" },
  // @ts-expect-error It changes nothing of this kind.
  { type: "vrf", table: 7 },
  // @ts-expect-error Nor of this.
  { type: "veth" },
  // @ts-expect-error Nor of this.
  { type: "dummy" },
  // @ts-expect-error It belongs to another kind.
  { type: "ipvlan", vlanFiltering: true },
  // @ts-expect-error It belongs to a kind.
  { vlanFiltering: true },
  // @ts-expect-error A link stays on its parent.
  { type: "ipvlan", link: "eth0" },
];

/** The same of addresses and neighbours. */
export const others: (AddrSpec | NeighSpec)[] = [
  { dev: "eth0", address: "10.0.0.1/24", scope: "200", noprefixroute: true },
  // @ts-expect-error There is no such scope.
  { dev: "eth0", address: "10.0.0.1/24", scope: "linkk" },
  { dev: "eth0", dst: "10.0.0.9", state: "STALE" },
  // @ts-expect-error There is no such state.
  { dev: "eth0", dst: "10.0.0.9", state: "stale" },
];

/** What is compared with a word that cannot be. */
export function isTypo(link: Link, neigh: Neigh, route: Route, rule: Rule): boolean[] {
  return [
    // @ts-expect-error There is no such state.
    link.state === "UPP",
    // @ts-expect-error The same.
    neigh.state === "REACHEABLE",
    // @ts-expect-error There is no such type.
    route.type === "blakchole",
    // @ts-expect-error There is no such action.
    rule.action === "look up",
  ];
}

/** What is shown can be given. */
export async function giveBack(from: Ip, to: Ip): Promise<void> {
  for (const each of await from.addr.show()) await to.addr.add(each);
  for (const each of await from.route.show(4)) await to.route.replace(each);
  for (const each of await from.neigh.show()) await to.neigh.replace(each);
  for (const each of await from.rule.show()) await to.rule.add(each);
  for (const { name, group, addrgenmode } of await from.link.show()) {
    await to.link.set(name, { group, addrgenmode });
  }
}
