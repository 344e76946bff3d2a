import { attempt, type Decision, invalidOption, IpvlanError } from "../../base/errors.ts";
import { defaultPool } from "../../ipam/well_known.ts";
import { familyOf } from "../../ipam/address.ts";
import { formatPrefix } from "../../ipam/mod.ts";
import { overlapping } from "../../ipam/prefix_index.ts";
import { type Addr, globalAddrs } from "../../iproute2/addr.ts";
import { explainLinkAdd, kernelProblem } from "../../iproute2/kernel.ts";
import type { IpvlanMode } from "../../iproute2/kinds/ipvlan.ts";
import { linkAdd, linkDel, linkSet } from "../../iproute2/link.ts";
import type { Link, LinkSpec } from "../../iproute2/link_types.ts";
import { hostSteps, makeHostSteps, unshared } from "./host_steps.ts";
import { networkParent, parentProblems } from "../model/names.ts";
import { settingsIn } from "../model/option_steps.ts";
import { stepsOf } from "../model/options.ts";
import { changedSettings, routerProblems } from "../model/proxy.ts";
import {
  aliasOf,
  chooseParent,
  conflictProblem,
  explainIpvlanAdd,
  LINK_GROUP,
  type ParentChoice,
} from "./parent.ts";
import type { Step } from "../run/plan.ts";
import type { HostFacts, SeenNamespace } from "../model/facts.ts";
import { type Settlement, settleSubnets } from "./settle.ts";
import type { Network, NetworkSubnet, SettledNetwork } from "../model/types.ts";
import { usedPrefixes } from "../addresses/pools.ts";

export interface DecidedNetwork {
  network: Network;
  /** The links to make; a link comes after the one below it. */
  links: LinkSpec[];
  notices: string[];
}

/**
 * Decides on a settled network on this machine: chooses the links to make and, if it has no IPv4
 * subnet, a default pool. Or finds all problems, including those of the settlement.
 */
export function decideNetwork(
  settlement: Settlement,
  identity: { id: string; created: string },
  networks: readonly Network[],
  facts: HostFacts,
): Decision<DecidedNetwork> {
  const { parent: named, mtu, dad } = settlement.network;
  const parent = named ?? `di-${identity.id.slice(0, 12)}`;
  const pool = choosePool(settlement, networks, facts);
  const subnets = [...settlement.network.subnets, ...pool.ok ? pool.subnets : []];
  const isolated = named === undefined;
  const network: Network = { ...settlement.network, ...identity, parent, isolated, subnets };
  const changed = changedSettings(network, networks, facts);
  if (changed.length > 0) network.changed = changed;
  const choice = chooseLinks(network, facts.links);
  const tooOld = kernelProblem(facts.release);
  const isNoMtu = settlement.problems.some(({ field }) => field[0] === "mtu");
  const problems = [
    ...tooOld ? [tooOld] : [],
    ...settlement.problems,
    ...carrierProblems({ ...network, mtu: isNoMtu ? undefined : mtu }, parent, choice, facts),
    ...dad === "optimistic" && facts.hasOptimisticDad === false
      ? [
        invalidOption("duplicate address detection", dad, "this kernel cannot do it; choose on")
          .at("dad"),
      ]
      : [],
    ...pool.ok ? [] : pool.problems,
    ...routerProblems(network, facts),
  ];
  if (problems.length > 0) return { ok: false, problems };
  const notices = [...choice.notices, ...settlement.notices];
  return { ok: true, network, links: choice.make, notices };
}

/** Chooses the links to make: a dummy for an isolated network, else the missing parent's links. */
function chooseLinks(network: Network, links: readonly Link[]): ParentChoice {
  const { parent, isolated } = network;
  if (isolated) {
    const dummy: LinkSpec = {
      ...settingsIn(stepsOf(network)),
      type: "dummy",
      name: parent,
      group: LINK_GROUP,
      up: true,
    };
    return { make: [dummy], notices: [], problems: [] };
  }
  // No link can have such a name. `settle` reports that.
  if (parentProblems(parent).length > 0) return { make: [], notices: [], problems: [] };
  return chooseParent(parent, links);
}

/** Finds why a link cannot be the parent of a network: in itself, and by the network's options. */
export function carrierProblems(
  { mode, flag, mtu, proxy, subnets }: Network,
  parent: string,
  { problems, carrier }: ParentChoice,
  { links, addrs }: Pick<SeenNamespace, "links" | "addrs">,
): IpvlanError[] {
  const conflict = conflictProblem(parent, { mode, flag }, [], links);
  return [
    ...problems.map((problem) => problem.at("parent")),
    ...mtuProblems(mtu, carrier),
    ...conflict ? [conflict.at("parent")] : [],
    ...mode === "l2" || proxy ? [] : parentSubnetProblems(subnets, parent, mode, addrs),
  ];
}

function mtuProblems(mtu: number | undefined, carrier: Link | undefined): IpvlanError[] {
  if (!carrier || mtu === undefined || mtu <= carrier.mtu) return [];
  const rule = `the link "${carrier.name}" has ${carrier.mtu}, and drops larger packets`;
  return [invalidOption("MTU", String(mtu), rule).at("mtu")];
}

/** Whether the driver must choose the IPv4 subnet of a network. */
export function wantsPool({ ipv4, subnets, foreignAddresses }: SettledNetwork): boolean {
  return ipv4 && !foreignAddresses && !subnets.some(({ subnet }) => familyOf(subnet) === 4);
}

/** Chooses the default pool of a network without an IPv4 subnet. Other networks get none. */
function choosePool(
  { network, problems }: Settlement,
  networks: readonly Network[],
  { routes, pools = [] }: HostFacts,
): Decision<{ subnets: readonly NetworkSubnet[] }> {
  const isInvalid = problems.some(({ field }) => field[0] === "subnets");
  if (isInvalid || !wantsPool(network)) return { ok: true, subnets: [] };
  const pool = attempt(() => formatPrefix(defaultPool(usedPrefixes(networks, pools, routes))));
  const isolated = network.parent === undefined;
  return pool.ok ? settleSubnets([pool.value], { ...network, isolated }) : pool;
}

/** Finds subnets that overlap one of the parent's addresses: in the L3 modes, only with `proxy`. */
function parentSubnetProblems(
  subnets: readonly NetworkSubnet[],
  parent: string,
  mode: IpvlanMode,
  addrs: readonly Addr[],
): IpvlanError[] {
  const own = globalAddrs(parent, addrs)
    .map(({ address, prefixLength }) => ({ subnet: `${address}/${prefixLength}` }));
  return overlapping(subnets, own).map(([network, { subnet: address }]) => {
    const { subnet } = network;
    return new IpvlanError("parent-subnet", { subnet, parent, address, mode })
      .at("subnets", subnets.indexOf(network));
  });
}

/** The steps that make links for a network. Their alias has its name, also when others use them. */
export function linkSteps(links: readonly LinkSpec[], network: string): Step[] {
  return links.flatMap((link): Step[] => [
    {
      ...linkAdd(link),
      undo: linkDel(link.name),
      explain: (error) => explainLinkAdd(error, link.type),
    },
    linkSet(link.name, { alias: aliasOf(network) }),
  ]);
}

/** The name of the ipvlan link that tests the parent of a new network. */
export function probeName({ id }: Network): string {
  return `p-${id.slice(0, 12)}`;
}

/**
 * The steps that create a network: make its links; then make and delete an ipvlan link on the parent;
 * then do the options' steps in the host. Only the kernel knows whether the parent can carry ipvlan
 * links, as a macvlan link on it may be in a namespace that we cannot see. So we ask the kernel now.
 *
 * @param others The other networks on the parent. Undoing keeps the routes of theirs.
 */
export function networkSteps(
  network: Network,
  links: readonly LinkSpec[],
  others: readonly Network[] = [],
): Step[] {
  const { parent, mode, flag, transient } = network;
  const name = probeName(network);
  const own = hostSteps(network);
  // The first endpoint of a transient network follows at once, and tests the parent as well.
  const probe: Step[] = transient || networkParent(network).kind === "sandbox" ? [] : [
    {
      ...linkAdd({ type: "ipvlan", name, link: parent, mode, flag, group: LINK_GROUP }),
      undo: linkDel(name),
      explain: (error) => explainIpvlanAdd(error, parent),
    },
    linkDel(name),
  ];
  return [
    ...linkSteps(links, network.name),
    ...probe,
    ...makeHostSteps(own, { owned: unshared(own, others) }),
  ];
}
