import { attempt, type Decision, type IpvlanError } from "../errors.ts";
import {
  defaultPool,
  formatPrefix,
  overlaps,
  parsePrefix,
  parseSubnets,
  type Subnet,
} from "../ipam/mod.ts";
import type { Addr } from "../iproute2/addr.ts";
import { explainLinkAdd, requireKernel } from "../iproute2/kernel.ts";
import type { IpvlanMode } from "../iproute2/kinds/ipvlan.ts";
import { type Link, linkAdd, linkDel, linkSet, type LinkSpec } from "../iproute2/link.ts";
import type { Route } from "../iproute2/route.ts";
import { InvalidOptionError, ParentSubnetError } from "./errors.ts";
import { parentProblems } from "./names.ts";
import {
  aliasOf,
  chooseParent,
  conflictProblem,
  explainIpvlanAdd,
  globalAddrs,
  LINK_GROUP,
  type ParentChoice,
  standsOn,
} from "./parent.ts";
import type { Step } from "./plan.ts";
import { type Settlement, settlementOf, settleSubnets } from "./settle.ts";
import type { Network, NetworkSpec, NetworkSubnet, SettledNetwork } from "./types.ts";

/** What is known of the host when a network is decided on. */
export interface HostFacts {
  /** The kernel's release, as `uname -r` prints it. */
  release: string;
  /** All links. */
  links: readonly Link[];
  /** All addresses. */
  addrs: readonly Addr[];
  /** The IPv4 routes of the main table: the default pools are IPv4's. */
  routes: readonly Route[];
}

/** A network that can be created. */
export interface DecidedNetwork {
  /** The network, with every default settled. */
  network: Network;
  /** The links to make, the lowest first. */
  links: LinkSpec[];
  /** What the user should know. */
  notices: string[];
}

/**
 * Decides on a network on this machine: what {@linkcode settle} says of it, and what the machine's
 * links, addresses and routes add.
 */
export function decideNetwork(
  spec: NetworkSpec,
  identity: { id: string; created: string },
  networks: readonly Network[],
  facts: HostFacts,
): Decision<DecidedNetwork> {
  const settlement = settlementOf(spec, networks);
  const { parent: named, mode, flag, mtu } = settlement.network;
  const parent = named ?? `di-${identity.id.slice(0, 12)}`;
  const choice = chooseLinks(parent, settlement, facts.links);
  const pool = choosePool(settlement, networks, facts.routes);
  const subnets = [...settlement.network.subnets, ...pool.ok ? pool.subnets : []];
  const conflict = conflictProblem(parent, { mode, flag }, [], facts.links);
  const problems = [
    ...kernelProblems(facts.release),
    ...settlement.problems,
    ...choice.problems.map((problem) => problem.at("parent")),
    ...mtuProblems(mtu, choice.carrier),
    ...conflict ? [conflict.at("parent")] : [],
    ...pool.ok ? [] : pool.problems,
    ...mode === "l2" ? [] : parentSubnetProblems(subnets, parent, mode, facts.addrs),
  ];
  if (problems.length > 0) return { ok: false, problems };
  const network: Network = {
    ...settlement.network,
    ...identity,
    parent,
    isolated: named === undefined,
    subnets,
  };
  const notices = [...choice.notices, ...settlement.notices];
  return { ok: true, network, links: choice.make, notices };
}

/** The links to make for a network: none for a parent that exists, a dummy for an isolated one. */
function chooseLinks(
  parent: string,
  { network }: Settlement,
  links: readonly Link[],
): ParentChoice {
  if (network.parent === undefined) {
    const dummy: LinkSpec = {
      type: "dummy",
      name: parent,
      mtu: network.mtu,
      group: LINK_GROUP,
      up: true,
    };
    return { make: [dummy], notices: [], problems: [] };
  }
  // A name that cannot be a link's has been refused: there is nothing to look for.
  if (parentProblems(parent).length > 0) return { make: [], notices: [], problems: [] };
  return chooseParent(parent, links);
}

function kernelProblems(release: string): readonly IpvlanError[] {
  const kernel = attempt(() => requireKernel(release));
  return kernel.ok ? [] : kernel.problems;
}

function mtuProblems(mtu: number | undefined, carrier: Link | undefined): IpvlanError[] {
  if (carrier === undefined || mtu === undefined || mtu <= carrier.mtu) return [];
  const rule = `the link "${carrier.name}" has ${carrier.mtu}, and what is larger is dropped there`;
  return [new InvalidOptionError("MTU", String(mtu), rule).at("mtu")];
}

/** The default pool, for a network without an IPv4 subnet; otherwise nothing. */
function choosePool(
  { network, problems }: Settlement,
  networks: readonly Network[],
  routes: readonly Route[],
): Decision<{ subnets: readonly NetworkSubnet[] }> {
  const isUnread = problems.some(({ field }) => field[0] === "subnets");
  if (isUnread || network.subnets.some(({ subnet }) => parsePrefix(subnet).prefix.family === 4)) {
    return { ok: true, subnets: [] };
  }
  const used = [
    ...networks.flatMap(({ subnets }) => subnets.map(({ subnet }) => subnet)),
    // The route to a single address is printed without a length.
    ...routes.flatMap(({ dst }) => dst === "default" ? [] : [dst]),
  ].map((text) => parsePrefix(text.includes("/") ? text : `${text}/32`).prefix);
  const pool = attempt(() => formatPrefix(defaultPool(used)));
  return pool.ok ? settleSubnets([pool.value]) : pool;
}

/** In the L3 modes, what is wrong because the parent has an address in a subnet. */
function parentSubnetProblems(
  subnets: readonly NetworkSubnet[],
  parent: string,
  mode: IpvlanMode,
  addrs: readonly Addr[],
): IpvlanError[] {
  return subnets.flatMap(({ subnet }, index) =>
    globalAddrs(parent, addrs).map(({ address, prefixLength }) => `${address}/${prefixLength}`)
      .filter((own) => overlaps(parsePrefix(subnet).prefix, parsePrefix(own).prefix))
      .map((own) => new ParentSubnetError(subnet, parent, own, mode).at("subnets", index))
  );
}

/** The subnets of a network as values to allocate from. */
export function subnetsOf(network: SettledNetwork): readonly Subnet[] {
  const result = parseSubnets(network.subnets);
  if (!result.ok) throw new AggregateError(result.problems, `Network "${network.name}" on record`);
  return result.subnets;
}

/** The lines that make links of the driver's own, all or nothing. */
export function linkSteps(links: readonly LinkSpec[]): Step[] {
  return links.map((link) => ({
    line: linkAdd(link),
    undo: { line: linkDel(link.name) },
    explain: (error) => explainLinkAdd(error, link.type),
  }));
}

/** The name of the link by which a network that is being created tries its parent. */
export function probeName({ id }: Network): string {
  return `p-${id.slice(0, 12)}`;
}

/**
 * The lines that create a network: its links, then one ipvlan link on the parent, made and deleted
 * again. The kernel alone knows whether the parent takes one (a macvlan on it may be in a namespace
 * that cannot be seen from here), and now is the time to be told.
 */
export function networkSteps(network: Network, links: readonly LinkSpec[]): Step[] {
  const { parent, mode, flag } = network;
  const name = probeName(network);
  return [
    ...linkSteps(links),
    {
      line: linkAdd({ type: "ipvlan", name, link: parent, mode, flag, group: LINK_GROUP }),
      undo: { line: linkDel(name) },
      explain: (error) => explainIpvlanAdd(error, parent),
    },
    { line: linkDel(name) },
  ];
}

/**
 * The lines that write on links of the driver's own which networks they serve.
 *
 * @param before The networks there were until now, to go back to.
 */
export function aliasSteps(
  links: readonly LinkSpec[],
  networks: readonly Network[],
  made: readonly LinkSpec[],
  before: readonly Network[] = networks,
): Step[] {
  return links.map(({ name }) => {
    const line = (served: readonly Network[]) => {
      const names = served.filter(({ parent }) => standsOn(parent, name, made))
        .map((network) => network.name);
      return linkSet(name, { alias: aliasOf(names) });
    };
    return { line: line(networks), undo: { line: line(before) } };
  });
}
