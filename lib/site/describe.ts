import type { Connection, SandboxSettings, SettledNetwork } from "../driver/model/types.ts";
import { formatAddress, parseAddress } from "../ipam/mod.ts";
import { quoted } from "../base/printable.ts";
import type { Change, DesiredSandbox, Plan } from "./types.ts";

/**
 * Writes a plan as lines: a sign, the kind, the name, and what changes.
 *
 * @param which Which changes to write; all by default.
 *
 * @example
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 * import { diff, parseSite, planLines } from "@ipvlan/kit/site";
 *
 * await using driver = await Driver.open();
 * const site = parseSite("web.yaml", "networks: { web: { parent: eth0.20 } }");
 * planLines(await diff(driver, site)); // ["+ network web: parent eth0.20 mode l2"]
 * ```
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

/** Names the file of a site: see `SiteSource`. */
export function describeFile(path: string): string {
  return path === "-" ? "standard input" : quoted(path);
}

/** Describes a new network. */
export function describeNetwork({ parent, mode, subnets }: SettledNetwork): string[] {
  const carrier = parent === undefined ? "isolated" : `parent ${parent}`;
  return [[carrier, `mode ${mode}`, ...subnets.map(({ subnet }) => subnet)].join(" ")];
}

/** Describes a new sandbox. */
export function describeSandbox({ connections, command, ...more }: DesiredSandbox): string[] {
  const settings = Object.entries(settingTexts(more)).filter(([, text]) => text !== "");
  return [
    ...connections.map(describeConnection),
    ...settings.map(([name, text]) => `${name} ${text}`),
    ...(command.length > 0 ? [`command ${showCommand(command)}`] : []),
  ];
}

/** Describes a new connection: the network, and the addresses that are asked for. */
export function describeConnection(
  { network, ip, ip6 }: Connection,
): string {
  return [network, ip, ip6].filter((part) => part !== undefined).join(" ");
}

/** Formats each setting of a sandbox: empty if it is not set, and equal for equal settings. */
export function settingTexts(
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

/** Shows a command in one line: see {@linkcode quoted}. */
export function showCommand(command: readonly string[]): string {
  return command.map(quoted).join(" ");
}
