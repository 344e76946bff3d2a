import {
  attempt,
  type Decision,
  invalidOption,
  IpvlanError,
  type IpvlanErrorOf,
} from "../../base/errors.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import {
  type Family,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  type Pools,
  type Taken,
} from "../../ipam/mod.ts";
import { homeOf, overlapPairs, prefixesOf } from "../../ipam/prefix.ts";
import { addrAdd, type AddrSpec } from "../../iproute2/addr.ts";
import { explainRights } from "../../iproute2/kernel.ts";
import { linkAdd, linkDel, linkSet } from "../../iproute2/link.ts";
import { netnsAdd, netnsAttach, netnsDel } from "../../iproute2/netns.ts";
import { type LinkSwitch, linkSwitch } from "../../iproute2/sysctl.ts";
import { routeLine } from "../../iproute2/route.ts";
import { linkName } from "../../iproute2/words.ts";
import { hostSteps, makeHostSteps } from "../network/host_steps.ts";
import { type EndpointAddress, priorityProblem, routePrefix, wayOut } from "../model/routes.ts";
import { innerRoutes, linkRoutes, type Siblings } from "./default_routes.ts";
import type { HeldAddress } from "../addresses/holders.ts";
import { linkLocalProblems, usual, withLinkLocalLength } from "../model/link_local.ts";
import { isOwned, nameProblem, namesOn, ownNames } from "../model/names.ts";
import { settingsIn } from "../model/option_steps.ts";
import { stepsOf } from "../model/options.ts";
import { aliasOf, explainIpvlanAdd, LINK_GROUP } from "../network/parent.ts";
import { CALLER, type Line, type Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import {
  type ConnectOptions,
  type Endpoint,
  type EndpointRoute,
  extrasOf,
  type Network,
  type Sandbox,
} from "../model/types.ts";

/** An endpoint to make, and the pools without its addresses. */
export interface DecidedEndpoint {
  /** The endpoint, with its addresses. */
  endpoint: EndpointRecord;
  /** The network's pools, in which the endpoint's addresses are taken. */
  pools: Pools;
  /** Notices for the user. */
  notices: string[];
}

/** A route of an endpoint to a subnet. The kernel makes the one to the subnet of its address. */
export interface SubnetRoute {
  /** The name of the network. */
  network: string;
  /** The endpoint's link. */
  ifname: string;
  /** The subnet: `192.168.1.0/24`. */
  subnet: string;
}

/** The input of {@linkcode decideEndpoint}. */
export interface EndpointFacts {
  /** The network. */
  network: Network;
  /** Its pools, in which the addresses of its endpoints are taken. */
  pools: Pools;
  /** The sandbox's name. */
  sandbox: string;
  /** The endpoints that the sandbox has. */
  endpoints: readonly EndpointRecord[];
  /** The routes to the subnets of those endpoints. */
  routes: readonly SubnetRoute[];
  /** The endpoints of other sandboxes on the network that may have one of its names. */
  neighbours: readonly EndpointRecord[];
  /** The addresses of the parent, which no endpoint on it can have. */
  parentAddresses: readonly string[];
  /** The addresses that other links on the parent are known to hold. */
  held: readonly HeldAddress[];
  /** Finds another holder of an address that the endpoint asks for; `undefined` if it is free. */
  holderElsewhere(address: string): string | undefined;
  /** Its parent, if that is a link of the sandbox; left out, the network's parent. */
  parent?: string;
  /** Whether another program has given the sandbox a route to a destination of the endpoint. */
  isSecond?(endpoint: EndpointRecord): boolean;
}

/** Chooses the addresses and the link name of an endpoint, or finds everything that is wrong. */
export function decideEndpoint(
  options: ConnectOptions,
  id: string,
  facts: EndpointFacts,
): Decision<DecidedEndpoint> {
  const { network, sandbox, endpoints } = facts;
  const problems: IpvlanError[] = [];
  // An engine may connect a sandbox to one network twice, by links with two names.
  const isConnected = endpoints.some((endpoint) => endpoint.network === network.id);
  if (isConnected && !isOwned(sandbox)) {
    problems.push(new IpvlanError("already-connected", { sandbox, network: network.name }));
  }
  if (options.macAddress !== undefined) {
    problems.push(new IpvlanError("mac-address", { macAddress: options.macAddress }));
  }
  const aliases = options.aliases ?? [];
  for (const alias of aliases) {
    const problem = nameProblem("alias", alias);
    if (problem) problems.push(problem);
  }
  problems.push(...nameConflicts(sandbox, aliases, facts));
  const { linkLocalAddresses = [], gatewayPriority = 0 } = options;
  problems.push(...linkLocalProblems(network, linkLocalAddresses));
  const priority = priorityProblem(gatewayPriority);
  if (priority) problems.push(priority);
  if (options.parent !== undefined && facts.parent === undefined) {
    const rule = "the network has its own parent, and no link of the sandbox";
    problems.push(invalidOption("parent", options.parent, rule));
  }
  const ordinals = new Set(endpoints.map((endpoint) => endpoint.ordinal));
  const ordinal = lowestFree(ordinals);
  const names = new Set(["lo", ...endpoints.map(({ ifname }) => ifname)]);
  const ifname = options.handOver
    ? temporaryName({ id })
    : options.ifname ?? freeName(names, ordinal);
  if (names.has(ifname)) problems.push(new IpvlanError("link-exists", { sandbox, link: ifname }));
  const named = attempt(() => linkName(ifname));
  if (!named.ok) problems.push(...named.problems);

  let { pools } = facts;
  const notices: string[] = [];
  const prefixLengths: { ip?: number; ip6?: number } = {};
  const foreign = (family: Family, given: string): string | undefined => {
    const parsed = attempt(() => parseForeign(family, given));
    if (!parsed.ok) {
      problems.push(...parsed.problems);
      return undefined;
    }
    const { address, length } = parsed.value;
    const holder = facts.holderElsewhere(address);
    if (holder !== undefined) problems.push(new IpvlanError("address-held", { address, holder }));
    prefixLengths[family === 6 ? "ip6" : "ip"] = length;
    return address;
  };
  const address = (family: Family, given: string | undefined): string | undefined => {
    if (network.foreignAddresses) return given === undefined ? undefined : foreign(family, given);
    const hasFamily = network.subnets.some(({ subnet }) => familyOf(subnet) === family);
    if (given === undefined && !hasFamily) return undefined;
    const taken = attempt(() =>
      given === undefined
        ? takeNext(pools, family, options.except ?? [], facts)
        : takeGiven(pools, family, given, facts)
    );
    if (!taken.ok) {
      problems.push(...taken.problems);
      return undefined;
    }
    pools = taken.value.pools;
    notices.push(...taken.value.notices);
    return taken.value.address;
  };
  const ip = address(4, options.ip);
  const ip6 = address(6, options.ip6);
  if (problems.length > 0) return { ok: false, problems };
  const endpoint: EndpointRecord = {
    id,
    network: network.id,
    sandbox,
    ifname,
    ordinal,
    aliases,
  };
  if (ip !== undefined) endpoint.ip = ip;
  if (ip6 !== undefined) endpoint.ip6 = ip6;
  if (options.routes) endpoint.routes = options.routes;
  else if (options.moreRoutes?.length) {
    endpoint.routes = [...routesAlone(network, endpoint), ...options.moreRoutes];
  }
  if (options.handOver) endpoint.handOver = true;
  if (linkLocalAddresses.length > 0) endpoint.linkLocalAddresses = usual(linkLocalAddresses);
  if (gatewayPriority !== 0) endpoint.gatewayPriority = gatewayPriority;
  if (network.foreignAddresses) endpoint.prefixLengths = prefixLengths;
  if (facts.parent !== undefined) endpoint.parent = facts.parent;
  if (ordinal === 0 && facts.isSecond?.(endpoint)) {
    endpoint.ordinal = lowestFree(new Set([0, ...ordinals]));
  }
  const overlapping = overlapProblems(sandbox, subnetRoutes(network, endpoint), facts.routes);
  // An engine may overlap routes: it connects a sandbox to one network twice if it is asked to.
  if (overlapping.length > 0 && !isOwned(sandbox)) return { ok: false, problems: overlapping };
  return { ok: true, endpoint, pools, notices };
}

/** The routes of an endpoint to subnets: to those of its addresses, and to others of its network. */
export function subnetRoutes(network: Network, endpoint: EndpointRecord): SubnetRoute[] {
  const { ifname } = endpoint;
  const addresses = linkAddresses(network, endpoint);
  const own = addresses.map(({ address }) => formatPrefix(parsePrefix(address).prefix));
  const inner = innerRoutes(network, endpoint, addresses).map(({ dst }) => dst);
  return [...own, ...inner].map((subnet) => ({ network: network.name, ifname, subnet }));
}

/** The routes of an endpoint if its sandbox has no other endpoints, each to a prefix. */
function routesAlone(network: Network, endpoint: EndpointRecord): EndpointRoute[] {
  return linkRoutes(network, endpoint, linkAddresses(network, endpoint), "none")
    .map(({ dst, via }) => ({ dst: routePrefix(dst), ...via !== undefined && { via } }));
}

/**
 * Finds routes that overlap those of a sandbox. The kernel takes the longest prefix, or the older of
 * two routes to the same prefix. So packets to some addresses of one network, even to its gateway,
 * would go to the other network.
 */
function overlapProblems(
  sandbox: string,
  routes: readonly SubnetRoute[],
  present: readonly SubnetRoute[],
): IpvlanErrorOf<"route-overlap">[] {
  const toText = ({ subnet, ifname }: SubnetRoute) => `${subnet} dev ${ifname}`;
  return overlapPairs(prefixesOf(routes), prefixesOf(present)).map(([one, two]) => {
    const [route, other] = [routes[one]!, present[two]!];
    return new IpvlanError("route-overlap", {
      sandbox,
      network: route.network,
      route: toText(route),
      other: other.network,
      otherRoute: toText(other),
    });
  });
}

/** Finds aliases that are names of other sandboxes on the network. Letter case does not matter. */
function nameConflicts(
  sandbox: string,
  aliases: readonly string[],
  { network: { name: network }, neighbours }: EndpointFacts,
): IpvlanErrorOf<"name-in-use">[] {
  const shared = (names: readonly string[], others: readonly string[]) => {
    const known = new Set(others.map((name) => name.toLowerCase()));
    return names.filter((name) => known.has(name.toLowerCase()));
  };
  return neighbours.filter((other) => other.sandbox !== sandbox).flatMap((other) => [
    ...shared(aliases, ownNames(other.sandbox, network))
      .map((name) =>
        new IpvlanError("name-in-use", {
          what: "alias",
          value: name,
          other: "the name",
          sandbox: other.sandbox,
          network,
        })
      ),
    ...shared(ownNames(sandbox, network), other.aliases)
      .map((name) =>
        new IpvlanError("name-in-use", {
          what: "sandbox name",
          value: name,
          other: "an alias",
          sandbox: other.sandbox,
          network,
        })
      ),
  ]);
}

function lowestFree(taken: ReadonlySet<number>): number {
  let number = 0;
  while (taken.has(number)) number++;
  return number;
}

function freeName(taken: ReadonlySet<string>, from: number): string {
  let number = from;
  while (taken.has(`eth${number}`)) number++;
  return `eth${number}`;
}

/** Parses an address that an engine gives: `192.168.1.2/24`. */
function parseForeign(family: Family, given: string): { address: string; length: number } {
  if (familyOf(given) !== family || !given.includes("/")) {
    const rule = `an IPv${family} address with its prefix length is needed`;
    throw invalidOption(`IPv${family} address`, given, rule);
  }
  const { length } = parsePrefix(given).prefix;
  return { address: formatAddress(parseAddress(given.slice(0, given.indexOf("/")))), length };
}

/** An address that was taken, and notices for the user. */
interface TakenAddress extends Pick<Taken, "address" | "pools"> {
  notices: string[];
}

/** Takes the next free address that no link holds and that is not reserved for another sandbox. */
function takeNext(
  pools: Pools,
  family: Family,
  except: readonly string[],
  { network, parentAddresses, held }: EndpointFacts,
): TakenAddress {
  const avoided = new Set([
    ...except,
    ...parentAddresses,
    ...held.map(({ address }) => address),
  ]);
  const passed: string[] = [];
  let taken = pools.takeNext(family);
  while (avoided.has(taken.address)) {
    passed.push(taken.address);
    taken = taken.pools.takeNext(family);
  }
  const { address } = taken;
  const subnet = formatPrefix(taken.subnet.prefix);
  const [first] = network.subnets.filter(({ subnet }) => familyOf(subnet) === family);
  return {
    address,
    // These addresses were taken only to get to the next one.
    pools: passed.reduce((pools, address) => pools.release(address), taken.pools),
    notices: [
      ...held.filter(({ address }) => passed.includes(address))
        .map(({ address, holder }) => `The address ${address} was passed over: ${holder} has it`),
      ...(subnet === first?.subnet
        ? []
        : [`The address ${address} is of the subnet ${subnet}, as those before it are full`]),
    ],
  };
}

/** Takes the address that is asked for, if no link holds it. */
function takeGiven(
  pools: Pools,
  family: Family,
  given: string,
  { network, parentAddresses, held, holderElsewhere }: EndpointFacts,
): TakenAddress {
  if (familyOf(given) !== family) {
    throw invalidOption(`IPv${family} address`, given, `it is an IPv${familyOf(given)} address`);
  }
  const { address, pools: rest } = pools.take(given);
  const holder = parentAddresses.includes(address)
    ? `the parent "${network.parent}" of the host`
    : held.find((each) => each.address === address)?.holder ?? holderElsewhere(address);
  if (holder !== undefined) throw new IpvlanError("address-held", { address, holder });
  return { address, pools: rest, notices: [] };
}

/** Lists the addresses of an endpoint's link with their gateways, IPv4 first. */
export function linkAddresses(
  network: Network,
  endpoint: Pick<EndpointRecord, "ip" | "ip6" | "prefixLengths">,
): EndpointAddress[] {
  const hasGateway = wayOut(network) === "gateway";
  return endpointAddresses(endpoint).map((address) => {
    const foreign = endpoint.prefixLengths?.[familyOf(address) === 6 ? "ip6" : "ip"];
    if (foreign !== undefined) return { address: `${address}/${foreign}` };
    const home = homeOf(network.subnets, address);
    if (!home) {
      const rule = `its record is damaged, as it is in no subnet of network "${network.name}"`;
      throw invalidOption("address", address, rule);
    }
    const { subnet, gateway } = home;
    const withLength = `${address}/${subnet.split("/")[1]}`;
    return hasGateway && gateway ? { address: withLength, gateway } : { address: withLength };
  });
}

/** Makes from a record the endpoint that users and engines see. */
export function toEndpoint(network: Network, endpoint: EndpointRecord): Endpoint {
  const { sandbox, ifname, aliases } = endpoint;
  const addresses = linkAddresses(network, endpoint).map(({ address, gateway }) =>
    familyOf(address) === 6
      ? { ip6: address, ...gateway && { gateway6: gateway } }
      : { ip: address, ...gateway && { gateway } }
  );
  return Object.assign({ network: network.name, sandbox, ifname }, ...addresses, {
    routes: routesAlone(network, endpoint),
    names: namesOn(network.name, endpoint),
    aliases,
    parent: endpoint.parent ?? network.parent,
    ...extrasOf(endpoint),
  });
}

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
 */
export function endpointSteps(
  network: Network,
  endpoint: EndpointRecord,
  siblings: Siblings,
  path?: string,
): Step[] {
  const addresses = linkAddresses(network, endpoint);
  const { sandbox, ifname } = endpoint;
  const temporary = temporaryName(endpoint);
  const isInside = endpoint.parent !== undefined;
  const parent = endpoint.parent ?? network.parent;
  const index = linkIndex(endpoint);
  const add = (netns: string | undefined): Step => ({
    line: linkAdd({
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
  const alias = linkSet(ifname, { alias: aliasOf([network.name]) });
  const beside = makeHostSteps(hostSteps(network, endpoint));
  if (endpoint.handOver) {
    return [{ ...add(undefined), undo: { line: linkDel(temporary) } }, { line: alias }, ...beside];
  }
  // A link goes with its parent, and root in the sandbox may delete the parent at any time.
  const explain = (error: IpvlanErrorOf<"ip-command">) =>
    isInside && error.errno === "ENODEV"
      ? new IpvlanError("sandbox-parent", { sandbox, parent })
      : explainRights(error);
  const there = (line: string): Line => ({ netns: sandbox, line });
  const inside = (line: string): Step => ({ ...there(line), explain });
  return [
    isInside
      ? {
        ...there(add(undefined).line),
        undo: there(linkDel({ index })),
        explain: (error) =>
          error.errno === "ENODEV" ? explain(error) : explainIpvlanAdd(error, parent),
      }
      : { ...add(path ?? sandbox), undo: there(linkDel(temporary)) },
    ...beside,
    {
      ...inside(linkSet(temporary, { name: ifname })),
      ...isInside && { begins: true },
      switches: switchesFor(network, endpoint).map((each) => linkSwitch(temporary, each)),
      // If the sandbox has a link of this name, this line fails, and the lines after it do not run.
      undo: there(linkDel(isInside ? { index } : ifname)),
      explain: (error) =>
        error.errno === "EEXIST"
          ? new IpvlanError("link-exists", { sandbox, link: ifname })
          : explain(error),
    },
    ...linkAddrs(network, endpoint).map((addr) => ({
      ...inside(addrAdd(addr)),
      gives: addr.address.split("/")[0]!,
      explain: (error: IpvlanErrorOf<"ip-command">) =>
        error.errno === "EADDRINUSE"
          ? new IpvlanError("address-held", {
            address: addr.address.split("/")[0]!,
            holder: unknownHolder(parent),
          })
          : explain(error),
    })),
    // The kernel announces the addresses that the link has when it comes up, and no later ones.
    inside(linkSet(ifname, { up: true })),
    ...linkRoutes(network, endpoint, addresses, siblings)
      .map((route) => ({
        ...inside(routeLine("add", route)),
        explain: (error: IpvlanErrorOf<"ip-command">) =>
          error.errno === "EEXIST"
            ? new IpvlanError("route-exists", { sandbox, destination: route.dst })
            : explain(error),
      })),
    inside(alias),
  ];
}

/**
 * The settings that a link has before it comes up. A link without an IPv6 subnet gets no IPv6 address at
 * all: no link-local one, and none from a router's advertisement. In L2 mode, the kernel announces the
 * addresses: an address may have been another host's until now, and the neighbour caches of the LAN
 * still lead to that host. In the L3 modes, the link announces nothing.
 */
function switchesFor({ mode }: Network, { ip, ip6 }: EndpointRecord): LinkSwitch[] {
  return [
    ...ip6 === undefined ? ["ipv6/disable_ipv6" as const] : [],
    ...mode === "l2" && ip !== undefined ? ["ipv4/arp_notify" as const] : [],
    ...mode === "l2" && ip6 !== undefined ? ["ipv6/ndisc_notify" as const] : [],
  ];
}

/** The addresses of an endpoint's link: those of the network, and the link-local ones. */
export function linkAddrs(network: Network, endpoint: EndpointRecord): AddrSpec[] {
  const { ifname: dev, linkLocalAddresses = [] } = endpoint;
  // The driver gives each address once, so the kernel need not look for duplicates (nodad).
  const spec = (address: string) => ({ dev, address, nodad: familyOf(address) === 6 });
  return [
    ...linkAddresses(network, endpoint).map(({ address }) => spec(address)),
    ...linkLocalAddresses.map((address): AddrSpec => ({
      ...spec(withLinkLocalLength(address)),
      scope: "link",
    })),
  ];
}

/** Describes a link that holds an address by the kernel's word, and that cannot be found. */
function unknownHolder(parent: string): string {
  return `an ipvlan link on "${parent}" that cannot be found`;
}

/**
 * The steps that make a sandbox: make its namespace and set the loopback up, or give a name to the
 * namespace of a process. The loopback of a namespace that the driver did not make stays as it is.
 *
 * @param pid The process, if the namespace is that of a process.
 */
export function sandboxSteps(
  { name, namespace }: Pick<Sandbox, "name" | "namespace">,
  pid?: number,
): Step[] {
  if (namespace === "found" || namespace === "borrowed") return [];
  const undo: Line = { netns: CALLER, line: netnsDel(name) };
  if (pid !== undefined) {
    return [{
      netns: CALLER,
      line: netnsAttach(name, pid),
      undo,
      explain: (error) =>
        error.errno === "EPERM"
          ? explainRights(error)
          : new IpvlanError("process-not-found", { pid, reason: error.reason }),
    }];
  }
  const add: Step = { netns: CALLER, line: netnsAdd(name), undo };
  return namespace === "made" ? [add, { netns: name, line: linkSet("lo", { up: true }) }] : [add];
}
