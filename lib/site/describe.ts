import { ipamText } from "../driver/model/ipam_options.ts";
import { usual } from "../driver/model/link_local.ts";
import { OPTION_NAMES, optionText } from "../driver/model/options.ts";
import { routeText, usualRoute } from "../driver/model/routes.ts";
import type {
  Connection,
  ConnectOptions,
  Endpoint,
  NetworkSubnet,
  SandboxSettings,
  SettledNetwork,
  StaticRoute,
} from "../driver/model/types.ts";
import {
  addressIn,
  bareAddresses,
  endpointAddresses,
  type Family,
  familyOf,
} from "../ipam/address.ts";
import { isDefaultPool } from "../ipam/well_known.ts";
import { formatAddress, parseAddress, parsePrefix } from "../ipam/mod.ts";
import { defaultGateway } from "../ipam/prefix.ts";
import { quoted } from "../base/printable.ts";
import { describeFile, userLabels } from "./labels.ts";
import type { Change, DesiredSandbox, Plan } from "./types.ts";

/**
 * Writes a plan as lines: a sign, the kind, the name, and what changes.
 *
 * @param which Which changes to write; all by default.
 */
export function planLines(
  { changes }: Plan,
  which: (change: Change) => boolean = () => true,
): string[] {
  return changes.filter(which).map(({ sign, kind, name, details, file }) => {
    const told = [...details, ...(file === undefined ? [] : [`belongs to ${describeFile(file)}`])];
    return `${sign} ${kind} ${name}${told.length > 0 ? `: ${told.join("; ")}` : ""}`;
  });
}

export function describeNetwork({ parent, mode, subnets }: SettledNetwork): string[] {
  const carrier = parent === undefined ? "isolated" : `parent ${parent}`;
  return [[carrier, `mode ${mode}`, ...subnets.map(({ subnet }) => subnet)].join(" ")];
}

export function describeSandbox({ connections, command, ...more }: DesiredSandbox): string[] {
  const settings = Object.entries(settingTexts(more)).filter(([, text]) => text !== "");
  return [
    ...connections.map(describeConnection),
    ...settings.map(([name, text]) => `${name} ${text}`),
    ...(command.length > 0 ? [`command ${showCommand(command)}`] : []),
  ];
}

/** Describes a new connection: the network, and the addresses that are asked for. */
export function describeConnection(connection: Connection): string {
  return [connection.network, ...endpointAddresses(connection)].join(" ");
}

/** Formats each setting of a sandbox: empty if it is not set, and equal for equal settings. */
function settingTexts(
  { hostname = "", hosts = [], dns = {}, sysctls = {} }: SandboxSettings,
): Record<keyof SandboxSettings, string> {
  const usual = (address: string) => formatAddress(parseAddress(address));
  const list = (name: string, values?: readonly string[]) =>
    values?.length === 0 ? `no ${name}` : values && [name, ...values].join(" ");
  const resolver = [
    list("servers", dns.servers?.map(usual)),
    list("search", dns.search),
    list("options", dns.options),
  ];
  return {
    hostname,
    hosts: hosts.map(({ name, address }) => `${name} ${usual(address)}`).join(", "),
    dns: resolver.filter((part) => part !== undefined).join(", "),
    sysctls: Object.entries(sysctls).map(([name, value]) => quoted(`${name}=${value}`)).join(", "),
  };
}

export function showCommand(command: readonly string[]): string {
  return command.map(quoted).join(" ");
}

/** Something to compare; only a wanted value that is given can differ. */
type Row = [what: string, now: string, wanted: string | undefined];

/** Lists the differences as phrases: `mode l2 -> l3`. */
function differences(rows: readonly Row[]): string[] {
  return rows.filter(([, now, wanted]) => wanted !== undefined && wanted !== now)
    .map(([what, now, wanted]) => `${what} ${now} -> ${wanted}`);
}

export function networkDifferences(now: SettledNetwork, wanted: SettledNetwork): string[] {
  return differences([
    ...OPTION_NAMES.map((name): Row => [name, optionText(name, now), optionText(name, wanted)]),
    ["subnets", subnetsText(presentSubnets(now, wanted)), subnetsText(wanted.subnets)],
    ["ipam", ipamText(now.ipam), ipamText(wanted.ipam)],
  ]);
}

export function endpointDifferences(wanted: ConnectOptions, endpoint: Endpoint): string[] {
  const addresses = (what: string, family: Family): Row => {
    const [now = "", given] = [bareAddresses(endpoint), endpointAddresses(wanted).map(addressIn)]
      .map((all) => all.filter((each) => familyOf(each) === family).join(" "));
    // An automatic address may be any one, but only one.
    return [what, now || "none", given || (now.includes(" ") ? "automatic" : undefined)];
  };
  const names = (aliases: readonly string[] = []) => [...aliases].sort().join(" ") || "none";
  const { linkLocalAddresses, gatewayPriority = 0, moreRoutes = [] } = wanted;
  const routes = (given: readonly StaticRoute[] = []) =>
    names(given.map(usualRoute).map(routeText));
  return differences([
    addresses("ip", 4),
    addresses("ip6", 6),
    ["aliases", names(endpoint.aliases), names(wanted.aliases)],
    ["ifname", endpoint.ifname, wanted.ifname],
    ["link_local_ips", names(endpoint.linkLocalAddresses), names(usual(linkLocalAddresses ?? []))],
    ["gw_priority", `${endpoint.gatewayPriority ?? 0}`, `${gatewayPriority}`],
    ["routes", routes(endpoint.moreRoutes), routes(moreRoutes)],
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

/** The subnets to compare, without the default pool if the wanted network has no IPv4 subnet. */
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
