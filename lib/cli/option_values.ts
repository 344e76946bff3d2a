// Reads the values of options: names with values, how to connect a sandbox, and its settings.
import { parseRoutes, priorityProblem } from "../driver/model/routes.ts";
import type { ConnectOptions, SandboxSettings, StaticRoute } from "../driver/model/types.ts";
import { accept, invalidOption, type IpvlanError } from "../base/errors.ts";
import { withoutEmpty } from "../base/objects.ts";
import type { OptionValues } from "../base/command_line.ts";
import type { Arguments, Options } from "./command.ts";
import type { EtcdAccess } from "../claims/types.ts";
import { IPAM_NAMES, readIpamOptions, variableOf } from "../driver/model/ipam_options.ts";

/** Docker's name for the name of an endpoint's link. */
const IFNAME = "com.docker.network.endpoint.ifname";

/** Reads values of the form `NAME=VALUE`, where `=VALUE` may be optional. */
export function readPairs(
  what: string,
  words: readonly string[],
  needsValue: boolean,
  problems: IpvlanError[],
): Record<string, string> {
  const record: Record<string, string> = {};
  for (const word of words) {
    const [, name, value] = /^([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined || (needsValue && !value)) {
      problems.push(invalidOption(what, word, "write NAME=VALUE"));
    } else if (Object.hasOwn(record, name)) {
      problems.push(invalidOption(what, word, `"${name}" is given twice`));
    } else {
      record[name] = value ?? "";
    }
  }
  return record;
}

/** Reads a count. Words such as -1 stand for no limit. */
export function readCount(what: string, text: string, rule: string, ...noLimit: string[]): number {
  if (noLimit.includes(text)) return Infinity;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw invalidOption(what, text, rule);
}

export const ROUTE_OPTION: Options = {
  "--route DESTINATION=NEXTHOP...": "a route besides the default one; in the L3 modes DESTINATION",
};

export function readRoutes(args: OptionValues): StaticRoute[] {
  return args.values("route").flatMap(parseRoutes);
}

export const ENDPOINT_OPTIONS: Options = {
  "--ip ADDRESS...": "an IPv4 address",
  "--ip6 ADDRESS...": "an IPv6 address",
  "--alias NAME...": "another name on the network",
  "--ifname NAME": "the link's name in the sandbox",
  "--driver-opt NAME=VALUE...": `${IFNAME}=NAME is --ifname NAME`,
  "--link-local-ip ADDRESS...": "one more address of the link, of 169.254.0.0/16 or fe80::/10",
  "--mac-address MAC": "refused: an ipvlan link has its parent's",
  ...ROUTE_OPTION,
};

/** The names of `--alias` in `run`. */
export const ALIAS_OPTIONS: Options = {
  "--network-alias NAME...": "the same as --alias",
  "--net-alias NAME...": "the same as --alias",
};

/** Reads those of {@linkcode ENDPOINT_OPTIONS} and {@linkcode ALIAS_OPTIONS} that are given. */
export function readEndpoint(args: OptionValues, problems: IpvlanError[]): ConnectOptions {
  const ifnames = args.values("driver-opt").map((word) => {
    const [, name, value] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (name === IFNAME) return value;
    problems.push(
      invalidOption("driver option", word, `an endpoint has only ${IFNAME}=NAME`),
    );
  });
  const [[ip, ...moreIPv4], [ip6, ...moreIPv6]] = [args.values("ip"), args.values("ip6")];
  return withoutEmpty({
    ip,
    ip6,
    moreAddresses: [...moreIPv4, ...moreIPv6],
    aliases: ["alias", "network-alias", "net-alias"].flatMap((name) => args.values(name)),
    ifname: args.value("ifname") ?? ifnames.at(-1),
    macAddress: args.value("mac-address"),
    linkLocalAddresses: args.values("link-local-ip"),
    gatewayPriority: readPriority(args.value("gw-priority"), problems),
    moreRoutes: readRoutes(args),
  });
}

function readPriority(text: string | undefined, problems: IpvlanError[]): number | undefined {
  if (text === undefined) return undefined;
  const priority = /^[-+]?\d+$/.test(text) ? Number(text) : NaN;
  const problem = priorityProblem(priority, text);
  if (!problem) return priority;
  problems.push(problem);
  return undefined;
}

/** The options of a new sandbox that are not about its networks. */
export const SETTINGS_OPTIONS: Options = {
  "-h, --hostname NAME": "the host name of its commands",
  "--add-host NAME:ADDRESS...": "a name that only its commands find",
  "--dns ADDRESS...": "a name server, instead of this machine's",
  "--dns-search DOMAIN...": "a domain to search, instead of this machine's; . for none",
  "--dns-option OPTION...": "an option of resolv.conf(5)",
  "--dns-opt OPTION...": "the same as --dns-option",
  "--sysctl NAME=VALUE...": "a kernel setting of its network: net.…",
};

export function readSettings(args: Arguments, problems: IpvlanError[]): SandboxSettings {
  const sysctls = readPairs("sysctl", args.values("sysctl"), true, problems);
  const hosts = args.values("add-host").map((text) => {
    // Docker takes a colon or an equals sign, and an IPv6 address with or without brackets.
    const [, name, address] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
    if (name !== undefined) return { name, address: address!.replace(/^\[(.*)\]$/, "$1") };
    problems.push(invalidOption("add-host", text, "write NAME:ADDRESS"));
    return { name: text, address: "" };
  });
  const dns = withoutEmpty({
    servers: args.values("dns"),
    search: args.values("dns-search"),
    options: [...args.values("dns-option"), ...args.values("dns-opt")],
  });
  return withoutEmpty({ hosts, hostname: args.value("hostname"), dns, sysctls });
}

export const ETCD_OPTION = {
  "--ipam-opt NAME=VALUE...": `how to reach etcd, if no network here does: ${
    IPAM_NAMES.join(", ")
  }`,
};

/** The same option of the plugin for Docker. */
export const POOLS = {
  "--ipam-opt NAME=VALUE...": `have all pools of --ipam-driver in etcd: ${IPAM_NAMES.join(", ")}`,
};

/**
 * Reads how to reach etcd from {@linkcode ETCD_OPTION} or the environment; `undefined` if neither
 * says it. With `pools`, the option is {@linkcode POOLS}: it is required, and its files are read.
 */
export function readAccess(args: Pick<Arguments, "values">, pools = false): EtcdAccess | undefined {
  const words = args.values("ipam-opt");
  const environment = Deno.env.toObject();
  if (words.length === 0 && (pools || !environment[variableOf("endpoints")])) return undefined;
  const surroundings = { folder: Deno.cwd(), environment, readsFiles: pools };
  return accept(readIpamOptions(words, surroundings)).access;
}
