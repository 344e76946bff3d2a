import type { IpvlanError } from "../errors.ts";
import {
  defaultPool,
  formatAddress,
  formatPrefix,
  overlaps,
  parsePrefix,
  parseSubnets,
  type Subnet,
  type SubnetSpec,
} from "../ipam/mod.ts";
import type { Addr } from "../iproute2/addr.ts";
import { explainLinkAdd, requireKernel } from "../iproute2/kernel.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES } from "../iproute2/kinds/ipvlan.ts";
import { type Link, linkAdd, linkDel, linkSet, type LinkSpec } from "../iproute2/link.ts";
import type { Route } from "../iproute2/route.ts";
import {
  InvalidOptionError,
  MissingSubnetError,
  NetworkExistsError,
  ParentSubnetError,
  SubnetInUseError,
} from "./errors.ts";
import { nameProblem } from "./names.ts";
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
import type { Network, NetworkSpec, NetworkSubnet } from "./types.ts";

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

/** What creating a network comes to. */
export type NetworkDecision =
  | {
    /** It can be done. */
    ok: true;
    /** The network, with every default settled. */
    network: Network;
    /** The links to make, the lowest first. */
    links: LinkSpec[];
    /** What the user should know. */
    notices: string[];
  }
  | {
    /** It cannot be done. */
    ok: false;
    /** Everything that is wrong. */
    problems: IpvlanError[];
  };

/** Decides on a network: settles every default, or finds everything that is wrong. */
export function decideNetwork(
  spec: NetworkSpec,
  identity: { id: string; created: string },
  networks: readonly Network[],
  facts: HostFacts,
): NetworkDecision {
  const { name, mode = "l2", flag = "bridge", internal = false } = spec;
  const problems: IpvlanError[] = [
    ...kernelProblems(facts.release),
    ...[nameProblem("network", name)].filter((problem) => problem !== undefined),
    ...optionProblems(spec),
  ];
  if (networks.some((network) => network.name === name)) {
    problems.push(new NetworkExistsError(name));
  }

  const isolated = internal || spec.parent === undefined;
  const parent = isolated ? `di-${identity.id.slice(0, 12)}` : spec.parent!;
  const choice: ParentChoice = isolated
    ? { make: [dummy(parent, spec.mtu)], notices: [], problems: [] }
    : chooseParent(parent, facts.links);
  problems.push(...choice.problems);
  if (internal && spec.parent !== undefined) {
    choice.notices.push(
      `The parent "${spec.parent}" is not used, as an internal network has a dummy of its own`,
    );
  }
  if (choice.carrier && spec.mtu !== undefined && spec.mtu > choice.carrier.mtu) {
    const { name, mtu } = choice.carrier;
    const rule = `the link "${name}" has ${mtu}, and what is larger is dropped there`;
    problems.push(new InvalidOptionError("MTU", String(spec.mtu), rule));
  }
  const conflict = conflictProblem(parent, { mode, flag }, networks, facts.links);
  if (conflict && choice.problems.length === 0) problems.push(conflict);

  const subnets = settleSubnets(spec, networks, facts.routes);
  problems.push(...subnets.problems);
  problems.push(...overlapProblems(subnets.subnets, parent, networks));
  if (mode !== "l2") {
    for (const { prefix } of subnets.subnets) {
      for (const { address, prefixLength } of globalAddrs(parent, facts.addrs)) {
        const own = `${address}/${prefixLength}`;
        if (overlaps(prefix, parsePrefix(own).prefix)) {
          problems.push(new ParentSubnetError(formatPrefix(prefix), parent, own, mode));
        }
      }
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  const network: Network = {
    ...identity,
    name,
    parent,
    isolated,
    internal,
    mode,
    flag,
    ...(spec.mtu !== undefined && { mtu: spec.mtu }),
    subnets: subnets.subnets.map(recordOf),
    labels: spec.labels ?? {},
  };
  const notices = [...choice.notices, ...subnets.notices];
  return { ok: true, network, links: choice.make, notices };
}

function dummy(name: string, mtu?: number): LinkSpec {
  return { type: "dummy", name, mtu, group: LINK_GROUP, up: true };
}

function kernelProblems(release: string): IpvlanError[] {
  try {
    requireKernel(release);
    return [];
  } catch (error) {
    return [error as IpvlanError];
  }
}

function optionProblems(spec: NetworkSpec): IpvlanError[] {
  const problems: IpvlanError[] = [];
  const choice = (option: string, value: string | undefined, choices: readonly string[]) => {
    if (value !== undefined && !choices.includes(value)) {
      problems.push(new InvalidOptionError(option, value, `choose one of ${choices.join(", ")}`));
    }
  };
  choice("ipvlan mode", spec.mode, IPVLAN_MODES);
  choice("ipvlan flag", spec.flag, IPVLAN_FLAGS);
  // The least MTU of IPv4 is 68 (RFC 791), that of IPv6 1280 (RFC 8200).
  const isV6 = (subnet: string | SubnetSpec) =>
    (typeof subnet === "string" ? subnet : subnet.subnet).includes(":");
  const least = spec.subnets?.some(isV6) ? 1280 : 68;
  const { mtu } = spec;
  if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= least && mtu <= 65535)) {
    const rule = `give a whole number from ${least} to 65535`;
    problems.push(new InvalidOptionError("MTU", String(mtu), rule));
  }
  if (spec.ipv6 && least === 68) problems.push(new MissingSubnetError(spec.name));
  return problems;
}

/** The subnets that were written, and the default pool where no IPv4 is among them. */
function settleSubnets(
  spec: NetworkSpec,
  networks: readonly Network[],
  routes: readonly Route[],
): { subnets: readonly Subnet[]; notices: string[]; problems: readonly IpvlanError[] } {
  const written = spec.subnets ?? [];
  const parsed = parseSubnets(written);
  const needsPool = parsed.ok && !parsed.subnets.some(({ prefix }) => prefix.family === 4);
  try {
    const used = [
      ...networks.flatMap((network) => network.subnets.map(({ subnet }) => subnet)),
      // The route to a single address is printed without a length.
      ...routes.flatMap(({ dst }) => dst === "default" ? [] : [dst]),
    ].map((text) => parsePrefix(text.includes("/") ? text : `${text}/32`).prefix);
    const result = needsPool ? parseSubnets([...written, formatPrefix(defaultPool(used))]) : parsed;
    return result.ok
      ? { ...result, notices: result.notices.map(({ message }) => message), problems: [] }
      : { subnets: [], notices: [], problems: result.problems };
  } catch (error) {
    return { subnets: [], notices: [], problems: [error as IpvlanError] };
  }
}

function overlapProblems(
  subnets: readonly Subnet[],
  parent: string,
  networks: readonly Network[],
): IpvlanError[] {
  return subnets.flatMap(({ prefix }) =>
    networks.filter((network) => network.parent === parent).flatMap((network) =>
      network.subnets
        .filter(({ subnet }) => overlaps(prefix, parsePrefix(subnet).prefix))
        .map(({ subnet }) =>
          new SubnetInUseError(formatPrefix(prefix), subnet, network.name, parent)
        )
    )
  );
}

function recordOf({ prefix, gateway, range, reserved }: Subnet): NetworkSubnet {
  return {
    subnet: formatPrefix(prefix),
    ...(gateway && { gateway: formatAddress(gateway) }),
    ...(range && { ipRange: formatPrefix(range) }),
    auxAddresses: Object.fromEntries(
      [...reserved].map(([name, address]) => [name, formatAddress(address)]),
    ),
  };
}

/** The subnets of a network as values to allocate from. */
export function subnetsOf(network: Network): readonly Subnet[] {
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
