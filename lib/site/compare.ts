import type { ConnectOptions, Endpoint, Network, NetworkSpec } from "../driver/types.ts";
import {
  formatAddress,
  formatPrefix,
  isDefaultPool,
  parseAddress,
  parsePrefix,
  parseSubnets,
  type Subnet,
} from "../ipam/mod.ts";
import { quoted } from "../printable.ts";
import { userLabels } from "./labels.ts";
import { withoutLength } from "./current.ts";

/** What a network is that should be otherwise: a phrase for each setting, none where it is right. */
export function networkDifferences(spec: NetworkSpec, network: Network): string[] {
  const isolated = spec.internal === true || spec.parent === undefined;
  const wantedParent = isolated ? "none" : spec.parent!;
  return [
    becomes("parent", network.isolated ? "none" : network.parent, wantedParent),
    becomes("mode", network.mode, spec.mode ?? "l2"),
    becomes("flag", network.flag, spec.flag ?? "bridge"),
    becomes("mtu", String(network.mtu ?? "the parent's"), String(spec.mtu ?? "the parent's")),
    becomes("internal", String(network.internal), String(spec.internal ?? false)),
    becomes("subnets", ...subnetTexts(spec, network)),
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

/** The subnets there are and those that there should be, each as a text to compare and to show. */
function subnetTexts(spec: NetworkSpec, network: Network): [now: string, wanted: string] {
  const result = parseSubnets(spec.subnets ?? []);
  const wanted = result.ok ? result.subnets : [];
  const present = network.subnets.filter(({ subnet }, index) => {
    // The pool that a network was given for want of an IPv4 subnet is as good as any other.
    const added = !wanted.some(({ prefix }) => prefix.family === 4) &&
      index === network.subnets.length - 1;
    return !(added && isDefaultPool(parsePrefix(subnet).prefix));
  });
  return [
    present.map(({ subnet, gateway, ipRange, auxAddresses }) =>
      subnetText(subnet, gateway, ipRange, Object.entries(auxAddresses))
    ).join(", ") || "a default pool",
    wanted.map(({ prefix, gateway, range, reserved }: Subnet) =>
      subnetText(
        formatPrefix(prefix),
        gateway && formatAddress(gateway),
        range && formatPrefix(range),
        [...reserved].map(([name, address]) => [name, formatAddress(address)]),
      )
    ).join(", ") || "a default pool",
  ];
}

function subnetText(
  subnet: string,
  gateway: string | undefined,
  ipRange: string | undefined,
  auxAddresses: readonly [name: string, address: string][],
): string {
  return [
    subnet,
    ...(gateway === undefined ? [] : [`gateway ${gateway}`]),
    ...(ipRange === undefined ? [] : [`range ${ipRange}`]),
    ...auxAddresses.map(([name, address]) => `${quoted(name)} ${address}`).sort(),
  ].join(" ");
}
