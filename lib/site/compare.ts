import { OPTION_NAMES, optionText } from "../driver/options.ts";
import type { ConnectOptions, Endpoint, NetworkSubnet, SettledNetwork } from "../driver/types.ts";
import { formatAddress, isDefaultPool, parseAddress, parsePrefix } from "../ipam/mod.ts";
import { quoted } from "../printable.ts";
import { withoutLength } from "./current.ts";
import { userLabels } from "./labels.ts";

/**
 * What a network is that should be otherwise: a phrase for each setting, none where it is right.
 * Both are as `settle` gives them.
 */
export function networkDifferences(now: SettledNetwork, wanted: SettledNetwork): string[] {
  return [
    ...OPTION_NAMES.map((name) => becomes(name, optionText(name, now), optionText(name, wanted))),
    becomes("subnets", subnetsText(presentSubnets(now, wanted)), subnetsText(wanted.subnets)),
  ].filter((phrase) => phrase !== undefined);
}

/** What an endpoint is that should be otherwise. What is left out may be as it is. */
export function endpointDifferences(wanted: ConnectOptions, endpoint: Endpoint): string[] {
  const address = (key: "ip" | "ip6") =>
    wanted[key] === undefined ? undefined : becomes(
      key,
      withoutLength(endpoint[key] ?? "none"),
      formatAddress(parseAddress(wanted[key])),
    );
  const names = (aliases: readonly string[]) => [...aliases].sort().join(" ") || "none";
  return [
    address("ip"),
    address("ip6"),
    becomes("aliases", names(endpoint.aliases), names(wanted.aliases ?? [])),
    wanted.ifname === undefined ? undefined : becomes("ifname", endpoint.ifname, wanted.ifname),
  ].filter((phrase) => phrase !== undefined);
}

/** A change in a phrase, if it is one. */
function becomes(what: string, now: string, wanted: string): string | undefined {
  return now === wanted ? undefined : `${what} ${now} -> ${wanted}`;
}

/** What the user's labels are that should be otherwise: a phrase, or none. */
export function labelDifferences(
  now: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): string[] {
  const [before, after] = [now, wanted].map((labels) => labelText(userLabels(labels)) || "none");
  return before === after ? [] : [`labels ${before} -> ${after}`];
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels).map(([name, value]) => quoted(`${name}=${value}`)).sort()
    .join(", ");
}

/**
 * The subnets there are. A default pool that the network was given for want of an IPv4 subnet is
 * left out where there is still none wanted, as any pool will do.
 */
function presentSubnets(now: SettledNetwork, wanted: SettledNetwork): readonly NetworkSubnet[] {
  const isIPv4 = ({ subnet }: NetworkSubnet) => parsePrefix(subnet).prefix.family === 4;
  const last = now.subnets.at(-1);
  if (last === undefined || wanted.subnets.some(isIPv4)) return now.subnets;
  return isDefaultPool(parsePrefix(last.subnet).prefix) ? now.subnets.slice(0, -1) : now.subnets;
}

function subnetsText(subnets: readonly NetworkSubnet[]): string {
  return subnets.map(subnetText).join(", ") || "a default pool";
}

function subnetText({ subnet, gateway, ipRange, auxAddresses }: NetworkSubnet): string {
  return [
    subnet,
    ...(gateway === undefined ? [] : [`gateway ${gateway}`]),
    ...(ipRange === undefined ? [] : [`range ${ipRange}`]),
    ...Object.entries(auxAddresses).map(([name, address]) => `${quoted(name)} ${address}`).sort(),
  ].join(" ");
}
