// The steps that make endpoints and sandboxes in the kernel.
import { IpvlanError } from "../../base/errors.ts";
import type { IpErrno } from "../../base/error_codes.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import { addrAdd, type AddrSpec, tokenSet } from "../../iproute2/addr.ts";
import { explainRights } from "../../iproute2/kernel.ts";
import { linkAdd, linkDel, linkSet } from "../../iproute2/link.ts";
import type { Change } from "../../iproute2/runner.ts";
import { neighChange } from "../../iproute2/neigh.ts";
import { netnsAdd, netnsAttach, netnsDel } from "../../iproute2/netns.ts";
import { type LinkSetting, linkSetting } from "../../iproute2/sysctl.ts";
import { routeChange, routeFlush } from "../../iproute2/route.ts";
import { hostNeighbours } from "../model/host_access.ts";
import { interfaceToken, ipv6Settings } from "../model/lan_options.ts";
import type { RouteSpec } from "../../iproute2/route_types.ts";
import { ruleChange, type RuleSpec } from "../../iproute2/rule.ts";
import { withLinkLocalLength } from "../model/link_local.ts";
import { settingsIn } from "../model/option_steps.ts";
import { stepsOf } from "../model/options.ts";
import type { Network, Sandbox } from "../model/types.ts";
import { hostSteps, makeHostSteps } from "../network/host_steps.ts";
import { aliasOf, explainIpvlanAdd, LINK_GROUP } from "../network/parent.ts";
import { CALLER, type Line, type Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import { gatewaySteps, untilDetected } from "./ask.ts";
import {
  DEFAULT_METRIC,
  linkAddresses,
  linkRoutes,
  type NetworkEndpoint,
  ownSubnets,
  type Siblings,
} from "./routes.ts";

/** The name of an endpoint's link until it is renamed in its sandbox. */
export function temporaryName({ id }: Pick<EndpointRecord, "id">): string {
  return `e-${id}`;
}

/** The first index that the kernel does not give by itself: it counts from 1. */
const FIRST_INDEX = 2 ** 30;

/**
 * The index of an endpoint's link. The driver finds the link by its index, as root in the sandbox can
 * change the link's name, group and alias. The index comes from the record, so it is known before the
 * link is made. A link that an earlier version made has another index.
 *
 * Its high digits are the endpoint's ordinal, as `ip link` lists links in the order of their indexes.
 */
export function linkIndex({ id, ordinal }: Pick<EndpointRecord, "id" | "ordinal">): number {
  return FIRST_INDEX + (ordinal % 64) * 2 ** 24 + parseInt(id.slice(0, 6), 16);
}

/** The priority of the rules for answers: before that of the main table, 32766. */
const POLICY_PRIORITY = 20_000;

interface Routing {
  routes: readonly RouteSpec[];
  rules: readonly RuleSpec[];
}

/**
 * The routing of an endpoint. With the option `policyRoutes`, it answers requests to its addresses by its
 * own link, whatever default route its sandbox has: by rules, and a table that has the number of its link,
 * so no other one has it. If the table has no route, the main table counts.
 */
export function routingOf(
  network: Network,
  endpoint: EndpointRecord,
  siblings: Siblings,
): Routing {
  const { policyRoutes } = network;
  const routes = linkRoutes(network, endpoint, siblings);
  const isOff = !policyRoutes || policyRoutes === "auto" && siblings === "none";
  if (isOff || endpoint.handOver) return { routes, rules: [] };
  const { ifname: dev } = endpoint;
  const table = linkIndex(endpoint);
  return {
    routes: [
      ...routes,
      ...ownSubnets(network, endpoint).map((dst) => ({ dst, dev, table })),
      ...linkRoutes(network, endpoint, "none").filter((route) => route.table === undefined)
        .map((route) => ({ ...route, table })),
    ],
    rules: endpointAddresses(endpoint)
      .map((src) => ({ family: familyOf(src), src, priority: POLICY_PRIORITY, table })),
  };
}

/** Picks what does not stay. One route to a destination takes the place of another one. */
export function withdrawn(old: Routing, next: Routing): Routing {
  const place = ({ dst, table, metric }: RouteSpec) => [dst, table, metric].join();
  const places = new Set(next.routes.map(place));
  return {
    routes: old.routes.filter((route) => !places.has(place(route))),
    rules: next.rules.length > 0 ? [] : old.rules,
  };
}

export function rerouteSteps(
  { network, endpoint }: NetworkEndpoint,
  before: Siblings,
  after: Siblings,
): Step[] {
  if (endpoint.handOver) return [];
  const [old, next] = [before, after].map((each) => routingOf(network, endpoint, each));
  const [gone, added] = [withdrawn(old!, next!), withdrawn(next!, old!)];
  const step = (change: Change, undo: Change): Step => {
    const { sandbox: netns } = endpoint;
    return { netns, ...change, undo: { netns, ...undo } };
  };
  const put = (route: RouteSpec) => routeChange("replace", route);
  // `route flush` and `route replace` also work if root in the sandbox has deleted the routes, or if
  // they were changed already when another network was connected.
  const take = (route: RouteSpec) => {
    const { dst, table, metric = DEFAULT_METRIC[familyOf(dst)] } = route;
    return table === undefined
      ? routeFlush(dst, endpoint.ifname, metric)
      : routeChange("del", route);
  };
  return [
    ...gone.rules.map((rule) => step(ruleChange("del", rule), ruleChange("add", rule))),
    ...gone.routes.toReversed().map((route) => step(take(route), put(route))),
    ...added.routes.map((route) => step(put(route), take(route))),
    ...added.rules.map((rule) => step(ruleChange("add", rule), ruleChange("del", rule))),
  ];
}

/** The errors that refusals of a line stand for. */
type Meanings = Partial<Record<IpErrno, () => IpvlanError>>;

/**
 * The steps that make an endpoint's link. The link is made in the sandbox's namespace under a
 * unique temporary name, as the kernel refuses a name that also exists in the host's namespace
 * (`eth0`). Then it is renamed, and gets its addresses and routes.
 *
 * If the parent is a link of the sandbox, the link is made there as well.
 *
 * A link that is handed over to an engine stays in the host's namespace, without address and route.
 *
 * The steps that the network's options need in the host's namespace are among them.
 *
 * @param siblings The other endpoints of its sandbox. The default routes depend on them.
 * @param path The file of the sandbox's namespace, if that has no name.
 * @param mac The MAC address of the parent, if it is known.
 */
export function endpointSteps(
  network: Network,
  endpoint: EndpointRecord,
  siblings: Siblings,
  path?: string,
  mac?: string,
): Step[] {
  const { sandbox, ifname } = endpoint;
  const temporary = temporaryName(endpoint);
  const isInside = endpoint.parent !== undefined;
  const parent = endpoint.parent ?? network.parent;
  const index = linkIndex(endpoint);
  const add = (netns: string | undefined): Step => ({
    ...linkAdd({
      ...settingsIn(stepsOf(network, endpoint)),
      type: "ipvlan",
      name: temporary,
      link: parent,
      netns,
      index,
      group: LINK_GROUP,
    }),
    explain: (error) => explainIpvlanAdd(error, parent),
  });
  // The alias comes last: it says that the link is complete. `restore` replaces a link without it.
  const alias = linkSet(ifname, { alias: aliasOf(network.name) });
  const beside = makeHostSteps(hostSteps(network, endpoint), { mac });
  const { routes, rules } = routingOf(network, endpoint, siblings);
  if (endpoint.handOver) {
    return [{ ...add(undefined), undo: linkDel(temporary) }, alias, ...beside];
  }
  const there = (change: Change): Line => ({ netns: sandbox, ...change });
  // A link goes with its parent, and root in the sandbox may delete the parent at any time.
  const parentGone = () => new IpvlanError("sandbox-parent", { sandbox, parent });
  const inside = (change: Change, meanings: Meanings = {}): Step => {
    const all: Meanings = { ...isInside && { ENODEV: parentGone }, ...meanings };
    return { ...there(change), explain: (error) => all[error.errno]?.() ?? explainRights(error) };
  };
  const addrs = linkAddrs(network, endpoint);
  const detected = addrs.filter(({ nodad, address }) => familyOf(address) === 6 && !nodad)
    .map(({ address }) => address.split("/")[0]!);
  const awaits = network.dad === "on" && detected.length > 0
    ? untilDetected({ network, endpoint }, detected)
    : undefined;
  return [
    isInside
      ? {
        ...there(add(undefined)),
        undo: there(linkDel({ index })),
        explain: (error) =>
          error.errno === "ENODEV" ? parentGone() : explainIpvlanAdd(error, parent),
      }
      : { ...add(path ?? sandbox), undo: there(linkDel(temporary)) },
    ...beside,
    {
      ...inside(linkSet(temporary, { name: ifname }), {
        EEXIST: () => new IpvlanError("link-exists", { sandbox, link: ifname }),
      }),
      ...isInside && { begins: true },
      settings: settingsFor(network, endpoint).map((each) => linkSetting(temporary, each)),
      // If the sandbox has a link of this name, this line fails, and the lines after it do not run.
      undo: there(linkDel(isInside ? { index } : ifname)),
    },
    ...addrs.map((addr) => {
      const address = addr.address.split("/")[0]!;
      const holder = `an ipvlan link on "${parent}" that cannot be found`;
      const held = () => new IpvlanError("address-held", { address, holder });
      return { ...inside(addrAdd(addr), { EADDRINUSE: held }), gives: address };
    }),
    ...network.ipv6Mode === "slaac" ? [inside(tokenSet(ifname, interfaceToken(endpoint)))] : [],
    // The kernel announces the addresses that the link has when it comes up, and no later ones.
    inside(linkSet(ifname, { up: true })),
    ...routes.map((route) =>
      inside(routeChange("add", route), {
        EEXIST: () => new IpvlanError("route-exists", { sandbox, destination: route.dst }),
      })
    ),
    ...hostNeighbours(network, endpoint, mac).map((each) => inside(neighChange("replace", each))),
    ...rules.map((rule) => ({
      ...inside(ruleChange("add", rule)),
      // The kernel keeps a rule whose link is gone.
      undo: there(ruleChange("del", rule)),
    })),
    { ...inside(alias), ...awaits && { awaits } },
    ...gatewaySteps({ network, endpoint }),
  ];
}

/**
 * The settings that a link has before it comes up. A link without an IPv6 subnet gets no IPv6 address at
 * all: no link-local one, and none from a router's advertisement. In L2 mode, the kernel announces the
 * addresses: an address may have been another host's until now, and the neighbour caches of the LAN
 * still lead to that host. In the L3 modes, the link announces nothing.
 */
function settingsFor(network: Network, { ip, ip6 }: EndpointRecord): LinkSetting[] {
  const { mode, dad } = network;
  return [
    ...ipv6Settings(network, ip6),
    // A namespace that the driver did not make may have it off.
    ...dad === "on" && ip6 !== undefined
      ? ["ipv6/accept_dad=1", "ipv6/dad_transmits=1"] as const
      : [],
    ...dad === "optimistic" ? ["ipv6/optimistic_dad=1"] as const : [],
    ...mode === "l2" && ip !== undefined ? ["ipv4/arp_notify=1" as const] : [],
    ...mode === "l2" && ip6 !== undefined ? ["ipv6/ndisc_notify=1" as const] : [],
  ];
}

export function linkAddrs(network: Network, endpoint: EndpointRecord): AddrSpec[] {
  const { ifname: dev, linkLocalAddresses = [] } = endpoint;
  const { dad } = network;
  const spec = (address: string): AddrSpec => {
    const isIPv6 = familyOf(address) === 6;
    // The driver gives each address once, so the kernel need not look for duplicates (nodad).
    return {
      dev,
      address,
      nodad: isIPv6 && (dad === undefined || dad === "off"),
      optimistic: isIPv6 && dad === "optimistic",
    };
  };
  return [
    ...linkAddresses(network, endpoint).map(({ address }) => spec(address)),
    ...linkLocalAddresses.map((address): AddrSpec => ({
      ...spec(withLinkLocalLength(address)),
      scope: "link",
    })),
  ];
}

/**
 * The steps that make a sandbox: make its namespace and set the loopback up, or give a name to the
 * namespace of a process. The loopback of a namespace that the driver did not make stays as it is.
 */
export function sandboxSteps(
  { name, namespace }: Pick<Sandbox, "name" | "namespace">,
  pid?: number,
): Step[] {
  // The line is made only where there is a name: the namespace of an engine has none.
  const undo = (): Line => ({ netns: CALLER, ...netnsDel(name) });
  if (namespace === "made") {
    return [
      { netns: CALLER, ...netnsAdd(name), undo: undo() },
      { netns: name, ...linkSet("lo", { up: true }) },
    ];
  }
  if (pid === undefined) return [];
  return [{
    netns: CALLER,
    ...netnsAttach(name, pid),
    undo: undo(),
    explain: (error) =>
      error.errno === "EPERM"
        ? explainRights(error)
        : new IpvlanError("process-not-found", { pid, reason: error.reason }),
  }];
}
