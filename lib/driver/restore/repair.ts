import { familyOf } from "../../ipam/address.ts";
import { type Addr, addrAdd, addrDel, type AddrSpec, tokenSet } from "../../iproute2/addr.ts";
import { linkDel, linkSet } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { neighChange } from "../../iproute2/neigh.ts";
import { routeChange, tableName } from "../../iproute2/route.ts";
import type { Change } from "../../iproute2/runner.ts";
import type { Route, RouteSpec } from "../../iproute2/route_types.ts";
import { linkSetting } from "../../iproute2/sysctl.ts";
import { type Rule, ruleChange, type RuleSpec } from "../../iproute2/rule.ts";
import { printedDestination } from "../../iproute2/words.ts";
import type { Parts } from "../addresses/parts.ts";
import {
  DEFAULT_METRIC,
  type NetworkEndpoint,
  type Siblings,
  siblingsOf,
} from "../endpoint/routes.ts";
import { endpointSteps, linkAddrs, linkIndex, routingOf, withdrawn } from "../endpoint/steps.ts";
import { aliasOf, byLinkName, cutOffProblem, isOurs, LINK_GROUP } from "../network/parent.ts";
import type { Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { EndpointState, Network, SandboxDetails, SeenSandbox } from "../model/types.ts";
import { hostNeighbours } from "../model/host_access.ts";
import { endAlike, interfaceToken, ipv6Settings } from "../model/lan_options.ts";
import { isOwned } from "../model/names.ts";
import { findHostSteps, hostSteps } from "../network/host_steps.ts";
import { lookInside } from "../run/namespaces.ts";
import { withNetworks } from "../store/find.ts";
import { isReady } from "../store/store.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { isHostStep, type OwnStep, settingsIn, stepKey, stepText } from "../model/option_steps.ts";
import { stepsOf } from "../model/options.ts";

interface EndpointView {
  seen: SeenNamespace | undefined;
  /** The network's parent; left out if it is not known, or has only just been made. */
  parent?: Link;
  siblings: Siblings;
  /** The file of the sandbox's namespace, if that has no name. */
  path?: string;
  /** The steps of options that the host has, by key; left out, they are not compared. */
  beside?: ReadonlySet<string>;
}

export interface EndpointRepair {
  state: EndpointState;
  /** The differences: a sentence for each, with the actual and the expected value. */
  changes: string[];
  link?: Link;
  /** The steps that delete links beyond repair. They run first, and are not undone. */
  remove: Step[];
  make: Step[];
}

/**
 * Compares an endpoint on record with the kernel: the link and its options, each address, and each
 * route. What others have added, such as another address, stays.
 *
 * A link that has another name or parent, or that a crash left without an alias, is made anew.
 * Everything else is repaired in place. The engine repairs a link that was handed over, except its
 * mode and flag, which all links on the parent share.
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
  // They are repaired apart from the sandboxes.
  const outside = [...stepsOf(network), ...own].filter(isHostStep)
    .filter((step) => beside && !beside.has(stepKey(step)))
    .map((step) => ({ sentence: `The host does not have ${stepText(step)}`, repair: [] }));
  if (link && endpoint.handOver) {
    const shared = own.filter(({ kind }) => kind === "ipvlan.set");
    return repairOf(netns, link, [...settingDifferences(shared, link), ...outside]);
  }
  const marks = link ? markDifferences(link, network, endpoint, parent) : missing;
  const wanted = routingOf(network, endpoint, siblings);
  const isKept = (rule: RuleSpec) => seen?.rules?.some((found) => isSameRule(found, rule));
  if (!seen || !link || marks.length > 0) {
    return {
      state: "missing",
      changes: marks,
      link,
      remove: [
        ...link ? [linkDel({ index: link.index })] : [],
        // Those of a link that is gone. They are made again with it.
        ...wanted.rules.filter(isKept).map((rule) => ruleChange("del", rule)),
      ].map((change) => ({ netns, ...change })),
      make: endpoint.handOver
        ? []
        : endpointSteps(network, endpoint, siblings, path, parent?.address),
    };
  }
  const addrs = seen.addrs.filter(({ dev }) => dev === ifname);
  const routes = seen.routes.filter(({ dev }) => dev === ifname);
  // An endpoint that has become the only one may keep the routes that it had beside others.
  const former = routingOf(network, endpoint, siblings === "none" ? "equal" : siblings);
  const isThere = (index: number) =>
    link.up &&
    [wanted, former].some((routing) =>
      routes.some((found) => isSameRoute(found, routing.routes[index]!))
    );
  const set = { group: LINK_GROUP };
  const mark: OwnStep = { kind: "link.set", link: ifname, set, label: "group" };
  const changes = [
    // Only the sandbox can rename its own link back.
    ...endpoint.parent === undefined || parent ? [] : [{
      sentence: `The parent of the link ${ifname} is ${link.link ?? "another link"} instead of ` +
        endpoint.parent,
      repair: [],
    }],
    ...settingDifferences([...own, mark], link),
    ...link.up
      ? []
      : [{ sentence: `The link ${ifname} is down`, repair: [linkSet(ifname, { up: true })] }],
    ...linkAddrs(network, endpoint).flatMap((addr) =>
      addressDifferences(addr, link.up ? addrs : addrs.filter(({ family }) => family === 4))
    ),
    ...advertisedDifferences(network, endpoint, addrs),
    // The kernel deletes the routes of a link that goes down.
    ...wanted.routes.filter((_route, index) => !isThere(index))
      .map((route) => routeDifference(route, link.up ? routes : [])),
    ...wanted.rules.filter((rule) => !isKept(rule)).map((rule) => ({
      sentence: `The sandbox does not have the rule for answers from ${rule.src}`,
      repair: [ruleChange("add", rule)],
    })),
    // A sandbox that has lost its other networks needs none.
    ...withdrawn(former, wanted).rules.filter(isKept).map((rule) => ({
      sentence: `The sandbox has a rule for answers from ${rule.src}, its only network`,
      repair: [ruleChange("del", rule)],
    })),
    ...outside,
  ];
  return repairOf(netns, link, changes);
}

/** The queue length of an ipvlan link if nothing sets it, and the least MTU of IPv6 (RFC 8200). */
const [USUAL_QUEUE, LEAST_MTU] = [1000, 1280];

/** The steps that take from an endpoint what it had by earlier options only. */
export function withdrawals(
  from: Network,
  to: Network,
  endpoint: EndpointRecord,
  { seen, parent, siblings }: EndpointView,
): Step[] {
  const { sandbox: netns, ifname: dev, ip6 } = endpoint;
  const [old, wanted] = [from, to].map((network) => routingOf(network, endpoint, siblings));
  const { routes, rules } = withdrawn(old!, wanted!);
  const isSeen = (route: RouteSpec) =>
    seen?.routes.some((found) => found.dev === dev && isSameRoute(found, route));
  const isReset = (name: "mtu" | "txqlen") => from[name] !== undefined && to[name] === undefined;
  const neighbours = (network: Network) =>
    from.hostAccess === to.hostAccess ? [] : hostNeighbours(network, endpoint, parent?.address);
  const { mtu = LEAST_MTU } = from;
  return [
    ...isReset("mtu") && parent ? [linkSet(dev, { mtu: parent.mtu })] : [],
    ...isReset("txqlen") ? [linkSet(dev, { txqlen: USUAL_QUEUE })] : [],
    ...rules.filter((rule) => seen?.rules?.some((found) => isSameRule(found, rule)))
      .map((rule) => ruleChange("del", rule)),
    ...routes.filter(isSeen).map((route) => routeChange("del", route)),
    ...neighbours(to).map((each) => neighChange("replace", each)),
    // Deleting one that is not there would fail.
    ...neighbours(from).flatMap((each) => [neighChange("replace", each), neighChange("del", each)]),
    // With a lower MTU, the kernel forgets what IPv6 of the link is.
    ...mtu < LEAST_MTU
      ? [{
        ...linkSet(dev, { up: true }),
        begins: true as const,
        settings: ipv6Settings(to, ip6).map((each) => linkSetting(dev, each)),
      }]
      : [],
  ].map((change) => ({ netns, ...change }));
}

function repairOf(netns: string, link: Link, changes: readonly Difference[]): EndpointRepair {
  const wrong = changes.flatMap(({ wrong = [] }) => wrong).toReversed();
  return {
    link,
    state: changes.length === 0 ? "up" : "changed",
    changes: changes.map(({ sentence }) => sentence),
    remove: [],
    make: [
      ...wrong.map((change) => ({ netns, ...change })),
      ...changes.flatMap(({ repair, settings }) =>
        repair.map((change) => ({ netns, ...change, settings }))
      ),
    ],
  };
}

interface Difference {
  sentence: string;
  repair: Change[];
  /** What goes before all repairs, the last first: a subnet's first IPv4 address takes others along. */
  wrong?: Change[];
  /** Settings of the link that are made before. */
  settings?: string[];
}

/**
 * Finds an endpoint's link by its index. A link of an earlier version has another index, and is found
 * by its alias, which names the network, or without an alias by its name and parent.
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
    ipvlan.find(({ alias }) => alias === aliasOf(network)) ??
    ipvlan.find((link) =>
      link.name === ifname && link.alias === undefined &&
      parent !== undefined && link.linkIndex === parent.index
    );
}

/** Finds why a link cannot be repaired: it has another name, alias or parent. */
function markDifferences(
  { name, alias = "", linkIndex }: Link,
  network: Network,
  { ifname }: EndpointRecord,
  parent: Link | undefined,
): string[] {
  const mark = aliasOf(network.name);
  const isOnParent = parent === undefined || linkIndex === undefined || linkIndex === parent.index;
  return [
    ...name === ifname ? [] : [`The link ${ifname} is missing, as it has the name ${name}`],
    ...alias === mark ? [] : [`The alias of the link ${ifname} is "${alias}" instead of "${mark}"`],
    ...isOnParent ? [] : [`The link ${ifname} is missing, as there is one on another parent`],
  ];
}

function settingDifferences(steps: readonly OwnStep[], link: Link): Difference[] {
  const { name, index } = link;
  const has: Record<string, unknown> = { ...link, ...link.info };
  // One line sets the mode and flag, which all links on a parent share.
  const { mode, flag } = settingsIn(steps);
  const shared = [linkSet({ index }, { type: "ipvlan", mode, flag })];
  return steps.filter((step) => !isHostStep(step)).flatMap(({ kind, label, set }) =>
    Object.entries(set).filter(([key, wanted]) =>
      wanted !== undefined && String(has[key]) !== String(wanted)
    ).map(([key, wanted]) => ({
      sentence: `The ${label} of the link ${name} is ${has[key]} instead of ${wanted}`,
      repair: kind === "link.set" ? [linkSet(name, { [key]: wanted })] : shared.splice(0),
    }))
  );
}

/** The lines that give a link an address, without the same address with another length. */
function addressDifferences(wanted: AddrSpec, addrs: readonly Addr[]): Difference[] {
  const { dev, address } = wanted;
  const found = addrs.map((each) => `${each.address}/${each.prefixLength}`);
  const same = addrs.find((_, index) => found[index] === address);
  if (same?.flags.includes("dadfailed")) {
    return [{
      sentence: `The link ${dev} cannot use the address ${address}, as another machine has it`,
      repair: [addrDel({ dev, address }), addrAdd(wanted)],
    }];
  }
  if (same) return [];
  const [bare] = address.split("/");
  const others = found.filter((each) => each.split("/")[0] === bare);
  return [{
    sentence: others.length > 0
      ? `The link ${dev} has the address ${others.join(", ")} instead of ${address}`
      : `The link ${dev} does not have the address ${address}`,
    wrong: others.map((other) => addrDel({ dev, address: other })),
    repair: [addrAdd(wanted)],
  }];
}

/** Whether the kernel has made an address from a router's advertisement. */
function isAdvertised({ flags }: Addr): boolean {
  return flags.includes("mngtmpaddr");
}

/** Finds addresses from a router's advertisement that the option `ipv6` of the network excludes. */
function advertisedDifferences(
  network: Network,
  endpoint: EndpointRecord,
  addrs: readonly Addr[],
): Difference[] {
  const { ipv6Mode } = network;
  const { ifname: dev, ip6 } = endpoint;
  if (ipv6Mode === undefined && ip6 !== undefined) return [];
  const token = interfaceToken(endpoint);
  const isSlaac = ipv6Mode === "slaac";
  return addrs.filter(isAdvertised).filter(({ address }) => !isSlaac || !endAlike(address, token))
    .map(({ address, prefixLength }) => ({
      sentence: `The link ${dev} has the address ${address} of a router's prefix` +
        (isSlaac ? `, which does not end in ${token}` : ""),
      settings: ipv6Settings(network, ip6).map((each) => linkSetting(dev, each)),
      repair: [
        // Without IPv6, a link has lost its addresses when the first line runs.
        ip6 === undefined && !isSlaac
          ? linkSet(dev, { up: true })
          : addrDel({ dev, address: `${address}/${prefixLength}` }),
        ...isSlaac ? [tokenSet(dev, token)] : [],
      ],
    }));
}

/** The line that gives a link a route, and a sentence about its other routes to the destination. */
function routeDifference(wanted: RouteSpec, routes: readonly Route[]): Difference {
  const { dst, dev, table } = wanted;
  const family = familyOf(dst);
  const others = routes.filter((found) =>
    found.family === family && found.type === "unicast" && isInTable(found, wanted) &&
    printedDestination(found.dst) === printedDestination(dst)
  );
  const to =
    (printedDestination(dst) === "default"
      ? `the IPv${family} default route`
      : `the route to ${dst}`) + (table === undefined ? "" : ` in table ${table}`);
  const text = ({ via, metric, ...more }: RouteSpec | Route) =>
    [
      via === undefined ? "on the link" : `via ${via}`,
      ...metric === undefined || metric === DEFAULT_METRIC[family] ? [] : [`metric ${metric}`],
      ...SHOWN.flatMap((name) =>
        wanted[name] === undefined || more[name] === undefined ? [] : [`${name} ${more[name]}`]
      ),
    ].join(" ");
  return {
    sentence: others.length > 0
      ? `The link ${dev} has ${to} ${others.map(text).join(", ")} instead of ${text(wanted)}`
      : `The link ${dev} does not have ${to} ${text(wanted)}`,
    repair: [routeChange("replace", wanted)],
  };
}

/** The parts of a route that are compared if they are wanted. */
const SHOWN = ["scope", "mtu", "advmss"] as const;

function isInTable(found: Route, { table = "main" }: RouteSpec): boolean {
  return found.table === tableName(table);
}

/** Whether a rule looks up a table for all packets from an address, and for no others. */
function isSameRule({ not, others, ...found }: Rule, { src, priority, table }: RuleSpec): boolean {
  const { dst, iif, oif, fwmark, suppressPrefixLength } = found;
  return found.src === src && found.priority === priority && found.table === tableName(table!) &&
    !not && Object.keys(others).length === 0 &&
    [dst, iif, oif, fwmark, suppressPrefixLength].every((each) => each === undefined);
}

function isSameRoute(found: Route, wanted: RouteSpec): boolean {
  const family = familyOf(wanted.dst);
  const metric = DEFAULT_METRIC[family];
  return found.family === family &&
    printedDestination(found.dst) === printedDestination(wanted.dst) &&
    found.type === "unicast" && found.via === wanted.via && isInTable(found, wanted) &&
    SHOWN.every((name) => wanted[name] === undefined || wanted[name] === found[name]) &&
    (found.metric ?? metric) === (wanted.metric ?? metric);
}

/** Whether endpoints have rules, or routes in tables that are not the main one. */
export function hasTables(endpoints: readonly NetworkEndpoint[]): boolean {
  return endpoints.some(({ network, endpoint: { routes = [] } }) =>
    network.policyRoutes || routes.some(({ table }) => table !== undefined)
  );
}

export async function seeSandboxes(
  parts: Parts<"store" | "namespaces" | "borrowed" | "dhcp">,
  sandboxes: readonly SandboxDetails[],
): Promise<SeenSandbox[]> {
  const { store, namespaces } = parts;
  const all = store.transaction(() => withNetworks(store, store.endpoints().filter(isReady)));
  const endpoints = Map.groupBy(all, ({ endpoint }) => endpoint.sandbox);
  const [names, borrowed] = await Promise.all([
    namespaces.caller().netns.list(),
    parts.borrowed.present(sandboxes),
  ]);
  const present = new Set([...names, ...borrowed]);
  const steps = sandboxes.flatMap(({ name }) => endpoints.get(name) ?? [])
    .flatMap(({ network, endpoint }) => [...hostSteps(network), ...hostSteps(network, endpoint)]);
  const [{ seen: beside }, links] = await Promise.all([
    findHostSteps(parts, steps),
    namespaces.host().link.show().then(byLinkName),
  ]);
  return await Promise.all(sandboxes.map(async (sandbox): Promise<SeenSandbox> => {
    const { name } = sandbox;
    // Links that an engine has not taken yet are in the host's namespace.
    const isThere = present.has(name) || isOwned(name) && sandbox.path === undefined;
    const own = endpoints.get(name) ?? [];
    const seen = isThere ? await lookInside(namespaces, name, hasTables(own)) : undefined;
    const siblings = siblingsOf(own.map(({ endpoint }) => endpoint));
    const repairs = new Map(
      await Promise.all(own.map(async ({ network, endpoint }) => {
        const view = { seen, siblings, path: sandbox.path, beside };
        const repair = endpointRepair(network, endpoint, view);
        const cut = cutOffProblem(network, links);
        const more = network.dhcp && seen ? await parts.dhcp.problemsOf(endpoint) : [];
        if (cut) more.push(cut.message);
        repair.changes.push(...more);
        if (more.length > 0 && repair.state === "up") repair.state = "changed";
        return [endpoint.ifname, repair] as const;
      })),
    );
    const isWhole = repairs.values().every(({ state }) => state === "up");
    return {
      ...sandbox,
      state: seen ? isWhole ? "up" : "incomplete" : "down",
      endpoints: sandbox.endpoints.map((endpoint) => {
        // An endpoint that was removed meanwhile is no longer on record.
        const { state = "missing", changes = [`The link ${endpoint.ifname} is missing`], link } =
          repairs.get(endpoint.ifname) ?? {};
        // By SLAAC, only the kernel knows the address.
        const own = seen?.addrs.find((addr) => addr.dev === link?.name && isAdvertised(addr));
        return {
          ...endpoint,
          ...own && endpoint.ip6 === undefined && { ip6: `${own.address}/${own.prefixLength}` },
          ...link && { mac: link.address, mtu: link.mtu },
          state,
          changes,
        };
      }),
      ...seen && {
        seen: { ...seen, routes: seen.routes.filter(({ table }) => table === "main") },
      },
    };
  }));
}
