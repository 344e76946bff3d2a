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
} from "../driver/model/types.ts";
import { addressIn, endpointAddresses, familyOf } from "../ipam/address.ts";
import { isDefaultPool } from "../ipam/well_known.ts";
import { formatAddress, parsePrefix } from "../ipam/mod.ts";
import { defaultGateway } from "../ipam/prefix.ts";
import { quoted } from "../base/printable.ts";
import { describeFile, userLabels } from "./labels.ts";
import type { Change, DesiredSandbox } from "./types.ts";

/** Writes each change of a plan as a line: a sign, the kind, the name, and what changes. */
export function planLines(changes: readonly Change[]): string[] {
  return changes.map(({ sign, kind, name, details, file }) => {
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
  const list = (name: string, values?: readonly string[]) =>
    values?.length === 0 ? `no ${name}` : values && [name, ...values].join(" ");
  const resolver = [
    list("servers", dns.servers?.map(addressIn)),
    list("search", dns.search),
    list("options", dns.options),
  ];
  return {
    hostname,
    hosts: hosts.map(({ name, address }) => `${name} ${addressIn(address)}`).join(", "),
    dns: resolver.filter((part) => part !== undefined).join(", "),
    sysctls: Object.entries(sysctls).map(([name, value]) => quoted(`${name}=${value}`)).join(", "),
  };
}

export function showCommand(command: readonly string[]): string {
  return command.map(quoted).join(" ");
}

/** Things to compare, as texts. What is left out of those wanted may be anything. */
type Texts = Record<string, string | undefined>;

function differences(now: Texts, wanted: Texts): string[] {
  return Object.keys(now).filter((each) => wanted[each] !== undefined && wanted[each] !== now[each])
    .map((each) => `${each} ${now[each]} -> ${wanted[each]}`);
}

export function networkDifferences(now: SettledNetwork, wanted: SettledNetwork): string[] {
  const texts = (network: SettledNetwork): Texts => ({
    ...Object.fromEntries(OPTION_NAMES.map((name) => [name, optionText(name, network)])),
    subnets: network.subnets.map(subnetText).join(", ") || "a default pool",
    ipam: ipamText(network.ipam),
  });
  return differences(texts({ ...now, subnets: presentSubnets(now, wanted) }), texts(wanted));
}

export function endpointDifferences(wanted: ConnectOptions, endpoint: Endpoint): string[] {
  const [now, after] = [endpoint, wanted].map(connectionTexts) as [Texts, Texts];
  for (const key of ["ip", "ip6"]) {
    // An automatic address may be any one, but only one.
    if (now[key]?.includes(" ")) after[key] ??= "automatic";
    now[key] ??= "none";
  }
  return differences(now, after);
}

function connectionTexts(connection: ConnectOptions): Texts {
  const { aliases = [], linkLocalAddresses = [], gatewayPriority = 0 } = connection;
  const list = (values: readonly string[]) => values.toSorted().join(" ") || "none";
  const addresses = endpointAddresses(connection).map(addressIn);
  const { 4: ip, 6: ip6 } = Object.groupBy(addresses, familyOf);
  return {
    ip: ip?.join(" "),
    ip6: ip6?.join(" "),
    aliases: list(aliases),
    ifname: connection.ifname,
    link_local_ips: list(usual(linkLocalAddresses)),
    gw_priority: `${gatewayPriority}`,
    routes: list((connection.moreRoutes ?? []).map(usualRoute).map(routeText)),
  };
}

/** Lists the differences between the settings of two sandboxes: `hostname not set -> web`. */
export function settingsDifferences(now: SandboxSettings, wanted: SandboxSettings): string[] {
  // Not "none", which can be a host name: a host name has no spaces.
  const shown = (settings: SandboxSettings) =>
    Object.fromEntries(
      Object.entries(settingTexts(settings)).map(([name, text]) => [name, text || "not set"]),
    );
  return differences(shown(now), shown(wanted));
}

type Labels = Readonly<Record<string, string>>;

/** Describes the difference between the user's labels in one phrase, or none. */
export function labelDifferences(now: Labels, wanted: Labels): string[] {
  const shown = (labels: Labels) =>
    Object.entries(userLabels(labels)).map(([name, value]) => quoted(`${name}=${value}`)).sort()
      .join(", ") || "none";
  return differences({ labels: shown(now) }, { labels: shown(wanted) });
}

/** The subnets to compare, without the default pool if the wanted network has no IPv4 subnet. */
function presentSubnets(now: SettledNetwork, wanted: SettledNetwork): NetworkSubnet[] {
  const isIPv4 = ({ subnet }: NetworkSubnet) => parsePrefix(subnet).prefix.family === 4;
  const last = now.subnets.at(-1);
  if (last === undefined || wanted.subnets.some(isIPv4)) return now.subnets;
  return isDefaultPool(parsePrefix(last.subnet).prefix) ? now.subnets.slice(0, -1) : now.subnets;
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
