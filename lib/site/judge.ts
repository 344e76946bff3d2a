import { type Connection, settleAll, type SettledNetwork } from "../driver/mod.ts";
import { subnetsOf } from "../driver/model/subnets.ts";
import { attempt, invalidOption, type IpvlanErrorOf } from "../base/errors.ts";
import { addressIn, endpointAddresses, familyOf } from "../ipam/address.ts";
import { parseAddress, Pools } from "../ipam/mod.ts";
import { didYouMean } from "../base/suggest.ts";
import type { SiteNetwork } from "./network.ts";
import type { Report } from "./shape.ts";
import type { Check, Desired, DesiredSandbox } from "./types.ts";

interface SiteConnection extends Connection {
  sandbox: string;
}

/** Whether the value at a path has no problems so far. */
export type IsSound = (...path: string[]) => boolean;

/** Finds contradictions in a site, between values that are right by themselves. */
export function judge(
  desired: Desired,
  networks: readonly SiteNetwork[],
  isSound: IsSound,
  report: Report,
): void {
  const settled = judgeNetworks(
    networks.filter(({ spec }) => isSound("networks", spec.name)),
    report,
  );
  const names = new Set(desired.networks.map(({ name }) => name));
  const sandboxes = desired.sandboxes.filter(({ name }) => isSound("sandboxes", name, "networks"));
  const joined: SiteConnection[] = [];
  for (const { name, connections } of sandboxes) {
    for (const [index, connection] of connections.entries()) {
      const { network } = connection;
      const path = ["sandboxes", name, "networks", network];
      if (!names.has(network)) {
        const hint = didYouMean(network, [...names]);
        report(path, `There is no network "${network}" in this file${hint}`);
      }
      if (connections.findIndex((other) => other.network === network) < index) {
        report(path, "It is given twice");
      } else {
        joined.push({ ...connection, sandbox: name });
      }
    }
    const ifnames = connections.flatMap(({ ifname }) => ifname ?? []);
    for (const [index, ifname] of ifnames.entries()) {
      if (ifname === "lo" || ifnames.indexOf(ifname) < index) {
        report(["sandboxes", name, "networks"], `The link's name "${ifname}" is taken`);
      }
    }
  }
  const byNetwork = Map.groupBy(joined, ({ network }) => network);
  for (const network of settled) {
    judgeAddresses(network, byNetwork.get(network.name) ?? [], report);
  }
  const asked = new Map(desired.sandboxes.map((sandbox) => [sandbox.name, sandbox]));
  const aliases = desired.sandboxes.flatMap(({ connections }) =>
    connections.flatMap(({ aliases = [] }) => aliases)
  );
  const targets = new Set([...asked.keys(), ...aliases]);
  for (const check of desired.checks) {
    // The list of checks has each at its sentence, as a list of names has each at its name.
    for (const reason of checkProblems(check, asked, targets)) {
      report(["checks", check.sentence], reason);
    }
  }
}

/** Settles networks, and reports their problems. Returns those whose subnets could be read. */
function judgeNetworks(networks: readonly SiteNetwork[], report: Report): SettledNetwork[] {
  const settlements = settleAll(networks.map(({ spec }) => spec), []);
  for (const [index, { spec, misplaced, pathOf }] of networks.entries()) {
    const { problems } = settlements[index]!;
    for (const { field, message } of misplaced) report(["networks", spec.name, ...field], message);
    for (const { field, message } of problems) {
      report(["networks", spec.name, ...pathOf(field)], message);
    }
  }
  return settlements.filter(({ problems }) => problems.every(({ field }) => field[0] !== "subnets"))
    .map(({ network }) => network);
}

/** Checks the addresses that sandboxes request on a network, and reserves them in its pools. */
function judgeAddresses(
  network: SettledNetwork,
  connections: readonly SiteConnection[],
  report: Report,
): void {
  let pools = Pools.of(subnetsOf(network));
  const hasIPv4 = network.subnets.some(({ subnet }) => familyOf(subnet) === 4);
  const owners = new Map<string, string>();
  for (const connection of connections) {
    const { sandbox: name } = connection;
    for (const text of endpointAddresses(connection)) {
      const key = familyOf(text) === 6 ? "ip6" : "ip";
      // A network without an IPv4 subnet gets a default pool, and which one is not known yet.
      if (key === "ip" && !hasIPv4) continue;
      const path = ["sandboxes", name, "networks", network.name, key];
      const address = addressIn(text);
      const owner = owners.get(address);
      owners.set(address, name);
      if (owner !== undefined) {
        report(path, `The address ${text} is that of "${owner}" already: choose another`);
        continue;
      }
      const taken = attempt(() => pools.take(text));
      if (taken.ok) pools = taken.value.pools;
      else taken.problems.forEach(({ message }) => report(path, message));
    }
  }
}

const PARTS = /^(?:(\S+) )?(\S+) (reaches|does not reach) (\S+)(?: by (ip6?))?$/;

/** A regular expression that every check matches, for editors. */
export const SENTENCE_PATTERN: string = PARTS.source;

/** Reads a check, `[NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]`, if it is one. */
export function parseCheck(sentence: string): Check | undefined {
  const parts = PARTS.exec(sentence);
  if (!parts) return undefined;
  const [, network, from = "", verb, target = "", by] = parts;
  return {
    sentence,
    from,
    reaches: verb === "reaches",
    target,
    ...(network !== undefined && { network }),
    ...(by !== undefined && { family: by === "ip" ? 4 : 6 }),
  };
}

export function sentenceProblem(sentence: string): IpvlanErrorOf<"invalid-option"> | undefined {
  const rule = "write [NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]";
  return parseCheck(sentence) ? undefined : invalidOption("check", sentence, rule);
}

/** Finds names in a check that the site does not have. @param targets Sandboxes and aliases. */
function checkProblems(
  { network, from, target, family }: Check,
  sandboxes: ReadonlyMap<string, DesiredSandbox>,
  targets: ReadonlySet<string>,
): string[] {
  const problems: string[] = [];
  const asker = sandboxes.get(from);
  if (!asker) {
    const hint = didYouMean(from, [...sandboxes.keys()]);
    problems.push(`There is no sandbox "${from}" in this file${hint}`);
  } else if (network !== undefined && !asker.connections.some((each) => each.network === network)) {
    problems.push(`The sandbox "${from}" is not on a network "${network}"`);
  }
  if (targets.has(target)) return problems;
  const address = attempt(() => parseAddress(target));
  if (!address.ok) {
    const hint = didYouMean(target, [...targets]);
    problems.push(`"${target}" is no sandbox, alias or address${hint}`);
  } else if (family !== undefined && family !== address.value.family) {
    problems.push(`The address ${target} is not an IPv${family} address`);
  }
  return problems;
}
