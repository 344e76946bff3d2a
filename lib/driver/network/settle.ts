import { type Decision, invalidOption, IpvlanError } from "../../base/errors.ts";
import { familyOf } from "../../ipam/address.ts";
import {
  formatAddress,
  formatPrefix,
  parsePrefix,
  parseSubnets,
  type SubnetSpec,
} from "../../ipam/mod.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import { whyNoSubnet } from "../../ipam/well_known.ts";
import { type Exit, wayOut } from "../model/routes.ts";
import { accessProblems, settleAccess } from "../model/ipam_options.ts";
import { isOwned, nameProblem, networkParent } from "../model/names.ts";
import { NetworkIndex } from "../model/network_index.ts";
import { NETWORK_OPTIONS, OPTION_NAMES, problemsBeside, settleOptions } from "../model/options.ts";
import { conflictProblem } from "./parent.ts";
import type { EngineNetworkSpec, Network, NetworkSubnet, SettledNetwork } from "../model/types.ts";

export interface Settlement {
  spec: EngineNetworkSpec;
  /** The network; if there are problems, without the parts that could not be settled. */
  network: SettledNetwork;
  notices: string[];
  /** All problems, each with the `field` of the specification that it is about. */
  problems: IpvlanError[];
}

/**
 * Fills in all defaults of a network and finds all its problems that do not depend on the machine.
 * The result has a network even with problems, so that `decideNetwork` can find the others, too.
 *
 * @param parentIsKnown Whether a network without a parent is isolated. If not, it gets one later.
 */
export function settle(spec: EngineNetworkSpec, parentIsKnown = true): Settlement {
  const { name, owner, labels = {} } = spec;
  const { options, problems: allProblems } = settleOptions(spec);
  // Only sandboxes of engines have links that the driver did not make.
  const isInside = isOwned(name) && networkParent(options).kind === "sandbox";
  const optionProblems = allProblems.filter(({ field }) => !(isInside && field[0] === "parent"));
  const { parent, internal } = options;
  const isolated = internal || parentIsKnown && parent === undefined;
  const subnets = settleSubnets(spec.subnets ?? [], { ...options, isolated });
  const network: SettledNetwork = {
    ...options,
    name,
    subnets: subnets.ok ? subnets.subnets : [],
    labels,
    ...(spec.owner && { owner: spec.owner }),
    ...(spec.transient && { transient: true }),
    ...((spec.foreignAddresses || options.dhcp) && { foreignAddresses: true }),
    ...(spec.ipam && { ipam: { ...spec.ipam, access: settleAccess(spec.ipam.access) } }),
  };
  const notices = subnets.ok ? subnets.notices : [];
  if (network.internal && parent !== undefined) {
    delete network.parent;
    notices.unshift(
      `The parent "${parent}" is not used, as an internal network has a dummy of its own`,
    );
  }
  const problem = nameProblem("network", name, owner);
  const problems = [
    ...problem ? [problem.at("name")] : [],
    ...optionProblems,
    // An option with a wrong value is already refused.
    ...OPTION_NAMES.filter((option) => !optionProblems.some(({ field }) => field[0] === option))
      .flatMap((option) => problemsBeside(option, network, isolated)),
    ...familyProblems(spec),
    ...ipamProblems(spec),
    ...subnets.ok ? [] : subnets.problems.map((problem) => problem.at("subnets")),
  ];
  return { spec, network, notices, problems };
}

/**
 * Adds the problems that settled networks have because of other networks. They will exist together:
 * each is compared with the existing networks and with those before it, also with those that have
 * problems.
 */
export function besideOthers(
  settlements: readonly Settlement[],
  existing: readonly SettledNetwork[],
): Settlement[] {
  const others = new NetworkIndex(existing);
  return settlements.map((settlement) => {
    const { network, problems } = settlement;
    const { name } = network;
    const all = [
      ...others.has(name) ? [new IpvlanError("network-exists", { network: name }).at("name")] : [],
      ...problems,
      ...neighbourProblems(network, problems, others),
    ];
    others.add(network);
    return { ...settlement, problems: all };
  });
}

/** Settles networks that will exist together: see {@linkcode besideOthers}. */
export function settleAll(
  specs: readonly EngineNetworkSpec[],
  existing: readonly SettledNetwork[],
): Settlement[] {
  return besideOthers(specs.map((spec) => settle(spec)), existing);
}

/**
 * Fills in all defaults of a network's subnets, or finds their problems. The first usable address of
 * each is reserved as its gateway. If no route leads to the gateway, the subnet does not name it.
 */
export function settleSubnets(
  specs: readonly (string | SubnetSpec)[],
  network: Exit,
): Decision<{ subnets: NetworkSubnet[]; notices: string[] }> {
  const parsed = parseSubnets(specs);
  if (!parsed.ok) return parsed;
  const problems = parsed.subnets.flatMap(({ prefix }, index) => {
    const reason = whyNoSubnet(prefix);
    if (reason === undefined) return [];
    const problem = new IpvlanError("invalid-prefix", { value: formatPrefix(prefix), reason });
    return [problem.at(index, "subnet")];
  });
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    subnets: parsed.subnets.map(({ prefix, gateway, range, reserved }, index) => {
      const spec = specs[index]!;
      const given = typeof spec === "string" ? undefined : spec.gateway;
      const isNamed = wayOut(network) === "gateway" || given !== undefined;
      const auxAddresses = reserved.entries().map((
        [name, address],
      ) => [name, formatAddress(address)]);
      return {
        subnet: formatPrefix(prefix),
        auxAddresses: Object.fromEntries(auxAddresses),
        ...gateway && isNamed && { gateway: formatAddress(gateway) },
        ...given === NO_GATEWAY && { gateway: given },
        ...range && { ipRange: formatPrefix(range) },
      };
    }),
    notices: parsed.notices.map(({ message }) => message),
  };
}

export function toSettled(network: Network): SettledNetwork {
  const {
    id: _id,
    created: _created,
    changed: _changed,
    reservations: _,
    isolated,
    parent,
    ...settled
  } = network;
  if (settled.dhcp) delete settled.foreignAddresses;
  return isolated ? settled : { ...settled, parent };
}

function familyProblems(
  { name, subnets = [], ipv4, ipv6, mtu, foreignAddresses, dhcp }: EngineNetworkSpec,
): IpvlanError[] {
  const texts = subnets.map((subnet) => typeof subnet === "string" ? subnet : subnet.subnet);
  const hasFamily = (family: number) => texts.some((text) => familyOf(text) === family);
  if (foreignAddresses || dhcp) {
    const who = dhcp ? "a DHCP server" : "an engine";
    const rule = `${who} gives the addresses, so the network has no subnets of its own`;
    return texts.map((text, index) => invalidOption("subnet", text, rule).at("subnets", index));
  }
  const rule = "a subnet of that family is given: leave one of the two out";
  if (ipv4 === false && hasFamily(4)) return [invalidOption("IPv4", "false", rule).at("ipv4")];
  if (!hasFamily(6)) {
    const isMissing = ipv6 || ipv4 === false;
    return isMissing ? [new IpvlanError("missing-subnet", { network: name }).at("ipv6")] : [];
  }
  if (ipv6 === false) return [invalidOption("IPv6", "false", rule).at("ipv6")];
  // IPv6 needs at least 1280 (RFC 8200, section 5). The option itself refuses values below 68.
  if (mtu === undefined || !Number.isInteger(mtu) || mtu < 68 || mtu >= 1280) return [];
  const least = "give a whole number from 1280 to 65535";
  return [invalidOption("MTU", String(mtu), least).at("mtu")];
}

function ipamProblems({ ipam, foreignAddresses }: EngineNetworkSpec): IpvlanError[] {
  if (!ipam) return [];
  const rule = "an engine gives the addresses: leave one of the two out";
  const both = foreignAddresses ? [invalidOption("IPAM driver", ipam.driver, rule)] : [];
  return [...both, ...accessProblems(ipam.access)].map((problem) => problem.at("ipam"));
}

/**
 * Finds conflicts with other networks, most of all those on the same parent. A wrong mode or flag and
 * a network of the same name are already refused. An engine's network may have the same subnet as
 * another one on the parent, and so may networks whose ranges do not overlap: they are one segment,
 * and no address is given away twice.
 */
function neighbourProblems(
  network: SettledNetwork,
  problems: readonly IpvlanError[],
  others: NetworkIndex,
): IpvlanError[] {
  const { name, mode, flag, subnets } = network;
  const { link: parent } = networkParent(network);
  // Each sandbox has a segment of its own, or they share one that the driver does not know.
  if (parent === undefined) return [];
  const isWrong = problems.some(({ field: [name] }) => name === "mode" || name === "flag");
  const unlike = isWrong ? [] : others.unlike(parent, { mode, flag });
  const conflict = conflictProblem(
    parent,
    { mode, flag },
    unlike.filter((other) => other.name !== name),
    [],
  );
  const overlapping = subnets.flatMap(({ subnet }, index) =>
    others.overlapping(parent, subnet).filter((other) => {
      const isShared = isOwned(name) || isOwned(other.network.name) ||
        haveRangesApart(subnet, network, other.network);
      return other.network.name !== name && !(isShared && other.subnet === subnet);
    }).map(({ network, subnet: other }) =>
      new IpvlanError("subnet-in-use", { subnet, other, network: network.name, parent })
        .at("subnets", index)
    )
  );
  return [
    ...conflict ? [conflict.at("parent")] : [],
    ...overlapping,
    ...OPTION_NAMES.flatMap((name) => NETWORK_OPTIONS[name].conflicts?.(network, others) ?? []),
  ];
}

/** Whether networks give away no address of a subnet that another one may give away, too. */
function haveRangesApart(subnet: string, ...networks: SettledNetwork[]): boolean {
  // Other hosts have the addresses of an etcd, and do not know those of this host.
  if (networks.some(({ ipam }) => ipam)) return false;
  const ranges = networks.flatMap(({ subnets }) => subnets.filter((each) => each.subnet === subnet))
    .flatMap(({ ipRange }) => ipRange === undefined ? [] : parsePrefix(ipRange).prefix);
  const [one, other] = ranges;
  return one !== undefined && other !== undefined &&
    (one.last < other.first || other.last < one.first);
}
