// Decides on one endpoint: its addresses, the name of its link, and its routes.
import {
  attempt,
  type Decision,
  invalidOption,
  IpvlanError,
  type IpvlanErrorOf,
  problemOf,
} from "../../base/errors.ts";
import { addressFields, addressIn, familyOf } from "../../ipam/address.ts";
import {
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  type Pools,
} from "../../ipam/mod.ts";
import { overlapping } from "../../ipam/prefix_index.ts";
import { linkName } from "../../iproute2/words.ts";
import type { HeldAddress } from "../addresses/held_addresses.ts";
import { linkLocalProblems, usual } from "../model/link_local.ts";
import { isOwned, nameProblem, ownNames } from "../model/names.ts";
import { priorityProblem, routeProblems, usualRoute } from "../model/routes.ts";
import type { ConnectOptions, Network } from "../model/types.ts";
import type { EndpointRecord } from "../store/records.ts";
import { type NetworkEndpoint, ownSubnets, routedSubnets, staticRoutes } from "./routes.ts";
import { temporaryName } from "./steps.ts";

/** An endpoint to make, and the pools of its network without its addresses. */
interface DecidedEndpoint {
  endpoint: EndpointRecord;
  pools: Pools;
  notices: string[];
}

export interface EndpointFacts {
  network: Network;
  /** The network's pools, in which the addresses of its endpoints are taken. */
  pools: Pools;
  sandbox: string;
  /** The endpoints that the sandbox has; left out, none. */
  present?: readonly NetworkEndpoint[];
  /** The endpoints of other sandboxes on the network that may have one of its names, if any. */
  neighbours?: readonly EndpointRecord[];
  /** The addresses of the parent, which no endpoint on it can have. */
  parentAddresses: readonly string[];
  /** The addresses that other links on the parent are known to hold, if any. */
  held?: readonly HeldAddress[];
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
  const { network, sandbox, present = [] } = facts;
  const { aliases = [], linkLocalAddresses = [], gatewayPriority = 0, handOver } = options;
  const { moreRoutes = [] } = options;
  const problems: IpvlanError[] = [];
  // An engine may connect a sandbox to one network twice, by links with two names.
  if (present.some((each) => each.network.id === network.id) && !isOwned(sandbox)) {
    problems.push(new IpvlanError("already-connected", { sandbox, network: network.name }));
  }
  if (network.dhcp && isOwned(sandbox)) {
    const rule =
      "a DHCP server gives its addresses, for sandboxes of ipvlan's own: CNI has an IPAM " +
      "plugin dhcp, and Docker and Podman choose addresses before there is a namespace";
    problems.push(invalidOption("network", network.name, rule));
  }
  if (options.macAddress !== undefined) {
    problems.push(new IpvlanError("mac-address", { macAddress: options.macAddress }));
  }
  problems.push(
    ...aliases.flatMap((alias) => nameProblem("alias", alias) ?? []),
    ...nameConflicts(sandbox, aliases, facts),
    ...linkLocalProblems(network, linkLocalAddresses),
    ...[priorityProblem(gatewayPriority) ?? []].flat(),
  );
  if (options.parent !== undefined && facts.parent === undefined) {
    const rule = "the network has its own parent, and no link of the sandbox";
    problems.push(invalidOption("parent", options.parent, rule));
  }
  const ordinals = new Set(present.map(({ endpoint }) => endpoint.ordinal));
  const ordinal = lowestFree((number) => ordinals.has(number));
  const names = new Set(["lo", ...present.map(({ endpoint }) => endpoint.ifname)]);
  const ifname = handOver
    ? temporaryName({ id })
    : options.ifname ?? `eth${lowestFree((number) => names.has(`eth${number}`), ordinal)}`;
  if (names.has(ifname)) problems.push(new IpvlanError("link-exists", { sandbox, link: ifname }));
  problems.push(...problemOf(() => linkName(ifname))?.problems ?? []);

  let { pools } = facts;
  const notices: string[] = [];
  const addresses: TakenAddress[] = [];
  const wanted: [Family, string | undefined][] = [[4, options.ip], [6, options.ip6]];
  for (const given of options.moreAddresses ?? []) {
    const rule = whyNotMore(given, wanted.flatMap(([, other]) => other ?? []), options);
    if (rule === undefined) wanted.push([familyOf(given), given]);
    else problems.push(invalidOption("address", given, rule));
  }
  for (const [family, given] of wanted) {
    const taken = attempt(() => takeAddress(pools, family, given, options, facts));
    if (!taken.ok) problems.push(...taken.problems);
    else if (taken.value) {
      addresses.push(taken.value);
      pools = taken.value.pools;
      notices.push(...taken.value.notices);
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  const endpoint: EndpointRecord = {
    id,
    network: network.id,
    sandbox,
    ifname,
    ordinal,
    ...addressFields(addresses.map(({ address }) => address)),
    aliases,
    ...handOver && { handOver },
    ...linkLocalAddresses.length > 0 && { linkLocalAddresses: usual(linkLocalAddresses) },
    ...gatewayPriority !== 0 && { gatewayPriority },
    ...network.foreignAddresses && {
      prefixLengths: Object.fromEntries(addresses.map(({ address, length }) => [address, length!])),
    },
    ...facts.parent !== undefined && { parent: facts.parent },
  };
  if (options.routes) endpoint.routes = options.routes;
  if (moreRoutes.length > 0) {
    const own = ownSubnets(network, endpoint).map((subnet) => ({ subnet }));
    const wrong = routeProblems(moreRoutes, network, network.isolated, own);
    if (wrong.length > 0) return { ok: false, problems: wrong };
    endpoint.moreRoutes = moreRoutes.map(usualRoute);
  }
  if (ordinal === 0 && facts.isSecond?.(endpoint)) {
    endpoint.ordinal = lowestFree((number) => number === 0 || ordinals.has(number));
  }
  // An engine may overlap routes: it connects a sandbox to one network twice if it is asked to.
  const overlaps = isOwned(sandbox) ? [] : overlapProblems({ network, endpoint }, present);
  if (overlaps.length > 0) return { ok: false, problems: overlaps };
  return { ok: true, endpoint, pools, notices };
}

/** Finds why an address cannot be one more of an endpoint that has others. */
function whyNotMore(
  given: string,
  others: readonly string[],
  { ip, ip6 }: ConnectOptions,
): string | undefined {
  const usual = (text: string) => {
    const read = attempt(() => addressIn(text));
    return read.ok ? read.value : text;
  };
  if (others.map(usual).includes(usual(given))) return "it is given twice";
  const family = familyOf(given);
  const [first, key] = family === 6 ? [ip6, "ip6"] : [ip, "ip"];
  if (first === undefined) return `the first IPv${family} address is missing: give it as ${key}`;
}

function lowestFree(isTaken: (number: number) => boolean, from = 0): number {
  let number = from;
  while (isTaken(number)) number++;
  return number;
}

/**
 * Finds routes to subnets that overlap those of a sandbox. The kernel takes the longest prefix, or the
 * older of two routes to the same prefix. So packets to some addresses of one network, even to its
 * gateway, would go to the other network.
 */
export function overlapProblems(
  added: NetworkEndpoint,
  present: readonly NetworkEndpoint[],
): IpvlanErrorOf<"route-overlap">[] {
  const described = (subnet: string, { network, endpoint }: NetworkEndpoint) => ({
    subnet,
    network: network.name,
    text: `${subnet} dev ${endpoint.ifname}`,
  });
  const routesOf = (each: NetworkEndpoint) =>
    routedSubnets(each.network, each.endpoint).map((subnet) => described(subnet, each));
  const staticOf = (each: NetworkEndpoint) =>
    staticRoutes(each.network, each.endpoint).map(({ dst }) => described(dst, each));
  const [own, others] = [routesOf(added), present.flatMap(routesOf)];
  // A route that is wider than a subnet takes nothing from it.
  const taken = [
    ...overlapping(staticOf(added), others).filter(([route, other]) => isWithin(route, other)),
    ...overlapping(own, present.flatMap(staticOf)).filter(([other, route]) =>
      isWithin(route, other)
    ),
  ];
  return [...overlapping(own, others), ...taken].map(([route, other]) =>
    new IpvlanError("route-overlap", {
      sandbox: added.endpoint.sandbox,
      network: route.network,
      route: route.text,
      other: other.network,
      otherRoute: other.text,
    })
  );
}

function isWithin({ subnet: inner }: { subnet: string }, { subnet }: { subnet: string }): boolean {
  return contains(parsePrefix(subnet).prefix, parsePrefix(inner).prefix);
}

/** Finds aliases that are names of other sandboxes on the network. Letter case does not matter. */
function nameConflicts(
  sandbox: string,
  aliases: readonly string[],
  { network: { name: network }, neighbours = [] }: EndpointFacts,
): IpvlanErrorOf<"name-in-use">[] {
  const shared = (names: readonly string[], others: readonly string[]) => {
    const known = new Set(others.map((name) => name.toLowerCase()));
    return names.filter((name) => known.has(name.toLowerCase()));
  };
  return neighbours.filter((other) => other.sandbox !== sandbox).flatMap((neighbour) => {
    const conflict = { sandbox: neighbour.sandbox, network };
    return [
      ...shared(aliases, ownNames(neighbour.sandbox, network))
        .map((value) => ({ ...conflict, what: "alias", value, other: "the name" } as const)),
      ...shared(ownNames(sandbox, network), neighbour.aliases)
        .map((value) => ({ ...conflict, what: "sandbox name", value, other: "an alias" } as const)),
    ].map((fields) => new IpvlanError("name-in-use", fields));
  });
}

interface TakenAddress {
  address: string;
  /** Its prefix length, if an engine gave the address. */
  length?: number;
  /** The pools without it. */
  pools: Pools;
  notices: string[];
}

/** Takes the given address of a family, or the next one; none if the network has none to give. */
function takeAddress(
  pools: Pools,
  family: Family,
  given: string | undefined,
  { except = [] }: ConnectOptions,
  facts: EndpointFacts,
): TakenAddress | undefined {
  const { subnets, foreignAddresses } = facts.network;
  if (given !== undefined && facts.network.dhcp) {
    const rule = `a DHCP server gives the addresses of "${facts.network.name}": leave it out`;
    throw invalidOption(`IPv${family} address`, given, rule);
  }
  if (given !== undefined) {
    const take = foreignAddresses ? takeForeign : takeGiven;
    return { ...take(pools, family, given, facts), notices: [] };
  }
  const hasFamily = subnets.some(({ subnet }) => familyOf(subnet) === family);
  return hasFamily ? takeNext(pools, family, except, facts) : undefined;
}

/** Takes an address that an engine gives: `192.168.1.2/24`. */
function takeForeign(
  pools: Pools,
  family: Family,
  given: string,
  { network, holderElsewhere }: EndpointFacts,
): Omit<TakenAddress, "notices"> {
  if (familyOf(given) !== family || !given.includes("/")) {
    const rule = `an IPv${family} address with its prefix length is needed`;
    throw invalidOption(`IPv${family} address`, given, rule);
  }
  if (family === 6 && network.ipv6Mode === "off") {
    throw invalidOption("IPv6 address", given, `the network "${network.name}" has ipv6=off`);
  }
  const { length } = parsePrefix(given).prefix;
  const address = formatAddress(parseAddress(given.slice(0, given.indexOf("/"))));
  const holder = holderElsewhere(address);
  if (holder !== undefined) throw new IpvlanError("address-held", { address, holder });
  return { address, length, pools };
}

/** Takes the next free address that no link holds and that is not reserved for another sandbox. */
function takeNext(
  pools: Pools,
  family: Family,
  except: readonly string[],
  { network, parentAddresses, held = [] }: EndpointFacts,
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
  const first = network.subnets.find(({ subnet }) => familyOf(subnet) === family);
  return {
    address,
    // These addresses were taken only to get to the next one.
    pools: passed.reduce((pools, address) => pools.release(address), taken.pools),
    notices: [
      ...held.filter(({ address }) => passed.includes(address))
        .map(({ address, holder }) => `The address ${address} was passed over: ${holder} has it`),
      ...subnet === first?.subnet
        ? []
        : [`The address ${address} is of the subnet ${subnet}, as those before it are full`],
    ],
  };
}

function takeGiven(
  pools: Pools,
  family: Family,
  given: string,
  { network, parentAddresses, held = [], holderElsewhere }: EndpointFacts,
): Omit<TakenAddress, "notices"> {
  if (familyOf(given) !== family) {
    throw invalidOption(`IPv${family} address`, given, `it is an IPv${familyOf(given)} address`);
  }
  const { address, pools: rest } = pools.take(given);
  const holder = parentAddresses.includes(address)
    ? `the parent "${network.parent}" of the host`
    : held.find((each) => each.address === address)?.holder ?? holderElsewhere(address);
  if (holder !== undefined) throw new IpvlanError("address-held", { address, holder });
  return { address, pools: rest };
}
