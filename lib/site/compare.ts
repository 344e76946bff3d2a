import { ipamText } from "../driver/model/ipam_options.ts";
import { usual } from "../driver/model/link_local.ts";
import { OPTION_NAMES, optionText } from "../driver/model/options.ts";
import type {
  ConnectOptions,
  Endpoint,
  NetworkSubnet,
  SandboxSettings,
  SettledNetwork,
} from "../driver/model/types.ts";
import { isDefaultPool } from "../ipam/well_known.ts";
import { formatAddress, parseAddress, parsePrefix } from "../ipam/mod.ts";
import { defaultGateway } from "../ipam/prefix.ts";
import { quoted } from "../base/printable.ts";
import { withoutLength } from "./current.ts";
import { userLabels } from "./labels.ts";
import { settingTexts } from "./describe.ts";

/** Something to compare; only a wanted value that is given can differ. */
type Row = [what: string, now: string, wanted: string | undefined];

/** Lists the differences as phrases: `mode l2 -> l3`. */
function differences(rows: readonly Row[]): string[] {
  return rows.filter(([, now, wanted]) => wanted !== undefined && wanted !== now)
    .map(([what, now, wanted]) => `${what} ${now} -> ${wanted}`);
}

/** Lists the differences between two settled networks. */
export function networkDifferences(now: SettledNetwork, wanted: SettledNetwork): string[] {
  return differences([
    ...OPTION_NAMES.map((name): Row => [name, optionText(name, now), optionText(name, wanted)]),
    ["subnets", subnetsText(presentSubnets(now, wanted)), subnetsText(wanted.subnets)],
    ["ipam", ipamText(now.ipam), ipamText(wanted.ipam)],
  ]);
}

/** Lists the differences between a requested and an existing endpoint. */
export function endpointDifferences(wanted: ConnectOptions, endpoint: Endpoint): string[] {
  const address = (key: "ip" | "ip6"): Row => [
    key,
    withoutLength(endpoint[key] ?? "none"),
    wanted[key] && formatAddress(parseAddress(wanted[key])),
  ];
  const names = (aliases: readonly string[] = []) => [...aliases].sort().join(" ") || "none";
  const { linkLocalAddresses, gatewayPriority = 0 } = wanted;
  return differences([
    address("ip"),
    address("ip6"),
    ["aliases", names(endpoint.aliases), names(wanted.aliases)],
    ["ifname", endpoint.ifname, wanted.ifname],
    ["link_local_ips", names(endpoint.linkLocalAddresses), names(usual(linkLocalAddresses ?? []))],
    ["gw_priority", `${endpoint.gatewayPriority ?? 0}`, `${gatewayPriority}`],
  ]);
}

/** Lists the differences between the settings of two sandboxes: `hostname not set -> web`. */
export function settingsDifferences(now: SandboxSettings, wanted: SandboxSettings): string[] {
  const [before, after] = [settingTexts(now), settingTexts(wanted)];
  // Not "none", which can be a host name: a host name has no spaces.
  const shown = (text: string) => text || "not set";
  const names = Object.keys(after) as (keyof SandboxSettings)[];
  return differences(names.map((name) => [name, shown(before[name]), shown(after[name])]));
}

type Labels = Readonly<Record<string, string>>;

/** Describes the difference between the user's labels in one phrase, or none. */
export function labelDifferences(now: Labels, wanted: Labels): string[] {
  const shown = (labels: Labels) =>
    Object.entries(userLabels(labels)).map(([name, value]) => quoted(`${name}=${value}`)).sort()
      .join(", ") || "none";
  return differences([["labels", shown(now), shown(wanted)]]);
}

/**
 * The subnets to compare. If the wanted network has no IPv4 subnet, the default pool is left out,
 * as any default pool will do.
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
  // Without a route to it, a default gateway may or may not be on record.
  const usual = defaultGateway(parsePrefix(subnet).prefix);
  const reserved = gateway ?? (usual && formatAddress(usual));
  return [
    subnet,
    ...(reserved === undefined ? [] : [`gateway ${reserved}`]),
    ...(ipRange === undefined ? [] : [`range ${ipRange}`]),
    ...Object.entries(auxAddresses).map(([name, address]) => `${quoted(name)} ${address}`).sort(),
  ].join(" ");
}
