import { familyOf } from "../../ipam/address.ts";
import { type Addr, addrAdd, addrDel, type AddrSpec } from "../../iproute2/addr.ts";
import { type Link, linkDel, linkSet } from "../../iproute2/link.ts";
import { printed, type Route, routeLine, type RouteSpec } from "../../iproute2/route.ts";
import { DEFAULT_METRIC, linkRoutes, type Siblings } from "../endpoint/default_routes.ts";
import { endpointSteps, linkAddresses, linkAddrs, linkIndex } from "../endpoint/decide.ts";
import { aliasOf, isOurs, LINK_GROUP } from "../network/parent.ts";
import type { Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { EndpointState, Network } from "../model/types.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { isHostStep, type OwnStep, settingsIn, stepKey } from "../model/option_steps.ts";
import { stepsOf } from "../model/options.ts";

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
  /** What the host has of options, by key; left out, it is not compared. */
  beside?: ReadonlySet<string>;
}

/** What the kernel has of an endpoint, and how to repair it. */
export interface EndpointRepair {
  /** Whether all of it is there. */
  state: EndpointState;
  /** What is not as it should be: a sentence for each, which says what it is and what it should be. */
  changes: string[];
  /** Its link, if there is one. */
  link?: Link;
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
 * Everything else is repaired in place. A link that was handed over is the engine's to repair, but for
 * its mode and flag, which are those of all links on the parent.
 */
export function endpointRepair(
  network: Network,
  endpoint: EndpointRecord,
  { seen, parent: hostParent, siblings, path, beside }: EndpointView,
): EndpointRepair {
  const { sandbox: netns, ifname } = endpoint;
  const parent = endpoint.parent === undefined
    ? hostParent
    : seen?.links.find(({ name }) => name === endpoint.parent);
  const link = seen && linkOf(network, endpoint, seen.links, parent);
  const missing = [`The link ${ifname} is missing`];
  const own = stepsOf(network, endpoint);
  const outside = beside ? hostChanges([...stepsOf(network), ...own], beside) : [];
  if (link && endpoint.handOver) {
    const shared = own.filter(({ kind }) => kind === "ipvlan.set");
    return repairOf(netns, link, [...settingChanges(shared, link), ...outside]);
  }
  const marks = link ? markChanges(link, network, endpoint, parent) : missing;
  if (!seen || !link || marks.length > 0) {
    return {
      state: "missing",
      changes: marks,
      link,
      remove: link ? [{ netns, line: linkDel({ index: link.index }) }] : [],
      make: endpoint.handOver ? [] : endpointSteps(network, endpoint, siblings, path),
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
  const set = { group: LINK_GROUP };
  const mark: OwnStep = { kind: "link.set", link: ifname, set, label: "group" };
  const changes = [
    ...parentChanges(link, endpoint, parent),
    ...settingChanges([...own, mark], link),
    ...link.up
      ? []
      : [{ sentence: `The link ${ifname} is down`, lines: [linkSet(ifname, { up: true })] }],
    ...linkAddrs(network, endpoint).flatMap((addr) =>
      addressChanges(addr, link.up ? addrs : addrs.filter(({ family }) => family === 4))
    ),
    // When a link goes down, the kernel deletes its routes.
    ...wanted.filter((_route, index) => !isThere(index))
      .map((route) => routeChange(route, link.up ? routes : [])),
    ...outside,
  ];
  return repairOf(netns, link, changes);
}

/** A repair in place. */
function repairOf(netns: string, link: Link, changes: readonly Change[]): EndpointRepair {
  return {
    link,
    state: changes.length === 0 ? "up" : "changed",
    changes: changes.map(({ sentence }) => sentence),
    remove: [],
    make: changes.flatMap(({ lines }) => lines).map((line) => ({ netns, line })),
  };
}

/** Something that is not as it should be, and the lines that mend it. */
interface Change {
  sentence: string;
  lines: string[];
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

/** Finds why a link cannot be repaired: its name, its mark or its parent is another. */
function markChanges(
  { name, alias = "", linkIndex }: Link,
  network: Network,
  { ifname }: EndpointRecord,
  parent: Link | undefined,
): string[] {
  const mark = aliasOf([network.name]);
  const isOnParent = parent === undefined || linkIndex === undefined || linkIndex === parent.index;
  return [
    ...name === ifname ? [] : [`The link ${ifname} is missing, as it has the name ${name}`],
    ...alias === mark ? [] : [`The alias of the link ${ifname} is "${alias}" instead of "${mark}"`],
    ...isOnParent ? [] : [`The link ${ifname} is missing, as there is one on another parent`],
  ];
}

/** Finds out whether the parent has another name in the sandbox. Nobody but the sandbox can mend it. */
function parentChanges(
  { name, link }: Link,
  { parent: wanted }: EndpointRecord,
  parent: Link | undefined,
): Change[] {
  if (wanted === undefined || parent) return [];
  const found = link ?? "another link";
  return [{
    sentence: `The parent of the link ${name} is ${found} instead of ${wanted}`,
    lines: [],
  }];
}

/** What a link has of some settings, and the lines that change it. */
function settingChanges(steps: readonly OwnStep[], link: Link): Change[] {
  const { name, index } = link;
  const has: Record<string, unknown> = { ...link, ...link.info };
  // One line sets all that the links on a parent have in common.
  const { mode, flag } = settingsIn(steps);
  const shared = [linkSet({ index }, { type: "ipvlan", mode, flag })];
  return steps.filter((step) => !isHostStep(step)).flatMap(({ kind, label, set }) =>
    Object.entries(set).filter(([key, wanted]) =>
      wanted !== undefined && String(has[key]) !== String(wanted)
    ).map(([key, wanted]) => ({
      sentence: `The ${label} of the link ${name} is ${has[key]} instead of ${wanted}`,
      lines: kind === "link.set" ? [linkSet(name, { [key]: wanted })] : shared.splice(0),
    }))
  );
}

/** What the host lacks of the options of a network. It is mended apart from the sandboxes. */
function hostChanges(steps: readonly OwnStep[], beside: ReadonlySet<string>): Change[] {
  return steps.filter(isHostStep).filter((step) => !beside.has(stepKey(step))).map(({ route }) => ({
    sentence: `The host does not have the route to ${route.dst}`,
    lines: [],
  }));
}

/** The lines that give a link an address. The kernel refuses it while it has another length. */
function addressChanges(wanted: AddrSpec, addrs: readonly Addr[]): Change[] {
  const { dev, address } = wanted;
  const found = addrs.map((each) => `${each.address}/${each.prefixLength}`);
  if (found.includes(address)) return [];
  const [bare] = address.split("/");
  const others = found.filter((each) => each.split("/")[0] === bare);
  return [{
    sentence: others.length > 0
      ? `The link ${dev} has the address ${others.join(", ")} instead of ${address}`
      : `The link ${dev} does not have the address ${address}`,
    lines: [...others.map((other) => addrDel({ dev, address: other })), addrAdd(wanted)],
  }];
}

/** The line that gives a link a route, and which other one to the same destination it has. */
function routeChange(wanted: RouteSpec, routes: readonly Route[]): Change {
  const { dst, dev } = wanted;
  const family = familyOf(dst);
  const others = routes.filter((found) =>
    found.family === family && found.type === "unicast" && printed(found.dst) === printed(dst)
  );
  const to = printed(dst) === "default" ? `the IPv${family} default route` : `the route to ${dst}`;
  const text = ({ via, metric }: Pick<Route, "via" | "metric">) =>
    [
      via === undefined ? "on the link" : `via ${via}`,
      ...metric === undefined || metric === DEFAULT_METRIC[family] ? [] : [`metric ${metric}`],
    ].join(" ");
  return {
    sentence: others.length > 0
      ? `The link ${dev} has ${to} ${others.map(text).join(", ")} instead of ${text(wanted)}`
      : `The link ${dev} does not have ${to} ${text(wanted)}`,
    lines: [routeLine("replace", wanted)],
  };
}

/** Whether the kernel has a route. */
function isSameRoute(found: Route, wanted: RouteSpec): boolean {
  const family = familyOf(wanted.dst);
  const metric = DEFAULT_METRIC[family];
  return found.family === family && printed(found.dst) === printed(wanted.dst) &&
    found.type === "unicast" && found.via === wanted.via &&
    (found.metric ?? metric) === (wanted.metric ?? metric);
}
