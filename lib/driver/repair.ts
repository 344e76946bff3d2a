import { familyOf } from "../ipam/address.ts";
import { type Addr, addrAdd, addrDel, type AddrSpec } from "../iproute2/addr.ts";
import { ipvlanSet } from "../iproute2/kinds/ipvlan.ts";
import { type Link, linkDel, linkSet } from "../iproute2/link.ts";
import { type Route, routeLine, type RouteSpec } from "../iproute2/route.ts";
import { linkRoutes, type Siblings } from "./default_routes.ts";
import { endpointSteps, linkAddresses, linkAddrs, linkIndex } from "./endpoint.ts";
import { aliasOf, isOurs, LINK_GROUP } from "./parent.ts";
import type { Step } from "./plan.ts";
import type { EndpointRecord } from "./records.ts";
import type { EndpointState, Network } from "./types.ts";

/** What a sandbox's namespace shows. */
export interface SeenNamespace {
  /** Its links. */
  links: readonly Link[];
  /** Its addresses. */
  addrs: readonly Addr[];
  /** The routes of its main tables. */
  routes: readonly Route[];
}

/** The input of {@linkcode endpointRepair}. */
export interface EndpointView {
  /** What the sandbox's namespace shows; `undefined` if it does not exist. */
  seen: SeenNamespace | undefined;
  /**
   * The network's parent, to tell a link on another one.
   *
   * @default {undefined} It is not known, or did not exist until just now.
   */
  parent?: Link;
  /** The other endpoints of its sandbox. */
  siblings: Siblings;
  /** The file of the sandbox's namespace, if that has no name. */
  path?: string;
}

/** What the kernel has of an endpoint, and how to repair it. */
export interface EndpointRepair {
  /** Whether all of it is there. */
  state: EndpointState;
  /** The steps that delete links which cannot be repaired. They run first, and are not undone. */
  remove: Step[];
  /** The steps that make what is missing. */
  make: Step[];
}

/**
 * Compares an endpoint on record with what the kernel has: the link and its options, address by
 * address, and route by route. What somebody has added, such as another address, stays.
 *
 * A link that has another name or parent, or that a crash left without an alias, is made anew.
 * Everything else is repaired in place. A link that was handed over is the engine's to repair.
 */
export function endpointRepair(
  network: Network,
  endpoint: EndpointRecord,
  { seen, parent, siblings, path }: EndpointView,
): EndpointRepair {
  const { sandbox: netns, ifname } = endpoint;
  const link = seen && linkOf(network, endpoint, seen.links, parent);
  if (endpoint.handOver) return { state: link ? "up" : "missing", remove: [], make: [] };
  if (!seen || !link || !isWhole(link, network, endpoint, parent)) {
    return {
      state: "missing",
      remove: link ? [{ netns, line: linkDel({ index: link.index }) }] : [],
      make: endpointSteps(network, endpoint, siblings, path),
    };
  }
  const addrs = seen.addrs.filter(({ dev }) => dev === ifname);
  const routes = seen.routes.filter(({ dev }) => dev === ifname);
  const addresses = linkAddresses(network, endpoint);
  const wanted = linkRoutes(network, endpoint, addresses, siblings);
  // The routes of an endpoint that was not the only one before have stayed as they were.
  const accepted = siblings === "none"
    ? [wanted, linkRoutes(network, endpoint, addresses, "equal")]
    : [wanted];
  const isThere = (index: number) =>
    link.up &&
    accepted.some((all) => routes.some((found) => isSameRoute(found, all[index]!)));
  const lines = [
    ...linkLines(network, link),
    ...linkAddrs(network, endpoint).flatMap((addr) =>
      addressLines(addr, link.up ? addrs : addrs.filter(({ family }) => family === 4))
    ),
    // When a link goes down, the kernel deletes its routes.
    ...wanted.filter((_route, index) => !isThere(index))
      .map((route) => routeLine("replace", route)),
  ];
  return {
    state: lines.length === 0 ? "up" : "changed",
    remove: [],
    make: lines.map((line) => ({ netns, line })),
  };
}

/**
 * Finds an endpoint's link by its index. A link of an earlier version has another index: then the
 * alias says which network it is on. Without an alias, the name and the parent say it.
 */
function linkOf(
  { name: network }: Network,
  endpoint: EndpointRecord,
  links: readonly Link[],
  parent: Link | undefined,
): Link | undefined {
  const { ifname } = endpoint;
  const ipvlan = links.filter((link) =>
    // `namespacePlan` deletes those that a crash has left without an alias.
    link.info.type === "ipvlan" && !(isOurs(link) && link.alias === undefined)
  );
  return ipvlan.find(({ index }) => index === linkIndex(endpoint)) ??
    ipvlan.find(({ alias }) => alias === aliasOf([network])) ??
    ipvlan.find((link) =>
      link.name === ifname && link.alias === undefined &&
      parent !== undefined && link.linkIndex === parent.index
    );
}

/** Whether a link can be repaired. */
function isWhole(
  { name, alias, linkIndex }: Link,
  network: Network,
  { ifname }: EndpointRecord,
  parent: Link | undefined,
): boolean {
  const isOnParent = parent === undefined || linkIndex === undefined || linkIndex === parent.index;
  return name === ifname && alias === aliasOf([network.name]) && isOnParent;
}

/** The lines that give a link the options of its network. */
function linkLines({ mode, flag, mtu }: Network, link: Link): string[] {
  const { name, info } = link;
  const lines: string[] = [];
  if (info.type === "ipvlan" && (info.mode !== mode || info.flag !== flag)) {
    lines.push(ipvlanSet(name, { mode, flag }));
  }
  if (!isOurs(link)) lines.push(linkSet(name, { group: LINK_GROUP }));
  if (mtu !== undefined && link.mtu !== mtu) lines.push(linkSet(name, { mtu }));
  if (!link.up) lines.push(linkSet(name, { up: true }));
  return lines;
}

/** The lines that give a link an address. The kernel refuses it while it has another length. */
function addressLines(wanted: AddrSpec, addrs: readonly Addr[]): string[] {
  const { dev, address } = wanted;
  const found = addrs.map((each) => `${each.address}/${each.prefixLength}`);
  if (found.includes(address)) return [];
  const [bare] = address.split("/");
  return [
    ...found.filter((each) => each.split("/")[0] === bare)
      .map((other) => addrDel({ dev, address: other })),
    addrAdd(wanted),
  ];
}

/** The metric that the kernel gives a route by default (`IP6_RT_PRIO_USER` for IPv6). */
const DEFAULT_METRIC = { 4: 0, 6: 1024 };

/** Whether the kernel has a route. */
function isSameRoute(found: Route, wanted: RouteSpec): boolean {
  const family = familyOf(wanted.dst);
  const metric = DEFAULT_METRIC[family];
  return found.family === family && printed(found.dst) === printed(wanted.dst) &&
    found.type === "unicast" && found.via === wanted.via &&
    (found.metric ?? metric) === (wanted.metric ?? metric);
}

/** A destination as `ip` prints it: without the length of a single address, and `default` for all. */
function printed(dst: string): string {
  const [, address = dst, length] = /^(.*)\/(\d+)$/.exec(dst) ?? [];
  if (length === "0") return "default";
  return length === (familyOf(dst) === 6 ? "128" : "32") ? address : dst;
}
