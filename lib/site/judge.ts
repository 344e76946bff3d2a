import { ParentConflictError, SubnetInUseError } from "../driver/errors.ts";
import type { NetworkSpec } from "../driver/types.ts";
import { IpvlanError } from "../errors.ts";
import {
  formatPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  parseSubnets,
  Pools,
} from "../ipam/mod.ts";
import { didYouMean } from "../suggest.ts";
import type { Check } from "./sentence.ts";
import type { Report } from "./reader.ts";
import type { Desired, DesiredSandbox } from "./types.ts";

/** Tells whether nothing has been found wrong with what is at a place. */
export type IsSound = (...path: string[]) => boolean;

/**
 * Finds what is wrong with a site whose values are each as they have to be: what does not fit
 * together. What depends on the machine (its links, what else is on record) is left to the driver.
 */
export function judge(desired: Desired, isSound: IsSound, report: Report): void {
  judgeNetworks(desired.networks.filter(({ name }) => isSound("networks", name)), report);
  const networks = new Map(desired.networks.map((network) => [network.name, network]));
  const sandboxes = desired.sandboxes.filter(({ name }) => isSound("sandboxes", name, "networks"));
  for (const { name, connections } of sandboxes) {
    for (const [index, { network }] of connections.entries()) {
      const path = ["sandboxes", name, "networks", network];
      if (!networks.has(network)) {
        const hint = didYouMean(network, [...networks.keys()]);
        report(path, `There is no network "${network}" in this file${hint}`);
      }
      if (connections.findIndex((other) => other.network === network) < index) {
        report(path, "It is given twice");
      }
    }
    const ifnames = connections.flatMap(({ ifname }) => ifname ?? []);
    for (const [index, ifname] of ifnames.entries()) {
      if (ifname === "lo" || ifnames.indexOf(ifname) < index) {
        report(["sandboxes", name, "networks"], `The link's name "${ifname}" is taken`);
      }
    }
  }
  for (const network of desired.networks.filter(({ name }) => isSound("networks", name))) {
    judgeAddresses(network, sandboxes, report);
  }
}

function judgeNetworks(networks: readonly NetworkSpec[], report: Report): void {
  const isOn = (parent: string | undefined) => (other: NetworkSpec) =>
    parent !== undefined && other.parent === parent && !other.internal;
  for (const [index, network] of networks.entries()) {
    const { name, parent, mode = "l2", flag = "bridge" } = network;
    const subnets = prefixTexts(network);
    const result = parseSubnets(network.subnets ?? []);
    for (const { message } of result.ok ? [] : result.problems) report(["networks", name], message);
    if (network.ipv6 && !subnets.some((subnet) => subnet.includes(":"))) {
      report(["networks", name, "ipv6"], "There is no IPv6 subnet: give one, or leave this out");
    }
    if (network.internal) continue;
    for (const other of networks.slice(0, index).filter(isOn(parent))) {
      const words = (one: NetworkSpec) => `mode ${one.mode ?? "l2"}, flag ${one.flag ?? "bridge"}`;
      if ((other.mode ?? "l2") !== mode || (other.flag ?? "bridge") !== flag) {
        const { message } = new ParentConflictError(
          ...[parent!, words(other), [other.name], words(network)] as const,
        );
        report(["networks", name], message);
      }
      for (const [one, two] of overlapping(subnets, prefixTexts(other))) {
        const { message } = new SubnetInUseError(one, two, other.name, parent!);
        report(["networks", name, "subnets"], message);
      }
    }
  }
}

function prefixTexts({ subnets = [] }: NetworkSpec): string[] {
  return subnets.map((each) => typeof each === "string" ? each : each.subnet);
}

function overlapping(subnets: readonly string[], others: readonly string[]): [string, string][] {
  const prefixes = (texts: readonly string[]) => texts.map((text) => parsePrefix(text).prefix);
  return prefixes(subnets).flatMap((one) =>
    prefixes(others).filter((two) => overlaps(one, two)).map((two): [string, string] => [
      formatPrefix(one),
      formatPrefix(two),
    ])
  );
}

/** Judges the addresses that are asked for on a network, each with those before it taken. */
function judgeAddresses(
  network: NetworkSpec,
  sandboxes: readonly DesiredSandbox[],
  report: Report,
): void {
  const words = prefixTexts(network);
  const result = parseSubnets(network.subnets ?? []);
  if (!result.ok) return;
  let pools = Pools.of(result.subnets);
  const owners = new Map<string, string>();
  for (const { name, connections } of sandboxes) {
    const connection = connections.find((each) => each.network === network.name);
    for (const key of ["ip", "ip6"] as const) {
      const text = connection?.[key];
      // Where no IPv4 subnet is given, which one there will be is not known yet.
      if (text === undefined || (key === "ip" && words.every((word) => word.includes(":")))) {
        continue;
      }
      const path = ["sandboxes", name, "networks", network.name, key];
      const { bits } = parseAddress(text);
      const owner = owners.get(`${key} ${bits}`);
      owners.set(`${key} ${bits}`, name);
      if (owner !== undefined) {
        report(path, `The address ${text} is that of "${owner}" already: choose another`);
        continue;
      }
      try {
        pools = pools.take(text).pools;
      } catch (error) {
        if (!(error instanceof IpvlanError)) throw error;
        report(path, error.message);
      }
    }
  }
}

/** What is wrong with a check: who or what it is about is not in the site. */
export function checkProblems(
  { network, from, target, family }: Check,
  desired: Desired,
): string[] {
  const problems: string[] = [];
  const names = desired.sandboxes.map(({ name }) => name);
  const asker = desired.sandboxes.find(({ name }) => name === from);
  if (!asker) {
    problems.push(`There is no sandbox "${from}" in this file${didYouMean(from, names)}`);
  } else if (network !== undefined && !asker.connections.some((each) => each.network === network)) {
    problems.push(`The sandbox "${from}" is not on a network "${network}"`);
  }
  const aliases = desired.sandboxes.flatMap(({ connections }) =>
    connections.flatMap(({ aliases = [] }) => aliases)
  );
  if ([...names, ...aliases].includes(target)) return problems;
  try {
    const address = parseAddress(target);
    if (family !== undefined && family !== address.family) {
      problems.push(`The address ${target} is none of ${family === 4 ? "ip" : "ip6"}`);
    }
  } catch {
    const hint = didYouMean(target, [...names, ...aliases]);
    problems.push(`"${target}" is no sandbox, alias or address${hint}`);
  }
  return problems;
}
