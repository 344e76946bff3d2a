import { invalidOption, type IpvlanError, problemOf } from "../../base/errors.ts";
import { parseAddress } from "../../ipam/address.ts";
import type { SandboxSettings } from "./types.ts";

/** Names of hosts and domains (RFC 1123), with a dot at the end of a fully qualified one. */
export const DOMAIN = /^(?=.{1,254}$)(\w([\w-]{0,61}\w)?\.)*\w([\w-]{0,61}\w)?\.?$/;

/** The longest host name that the kernel takes (`__NEW_UTS_LEN`). */
const HOSTNAME_MAX = 64;

/** Picks the settings of a sandbox from its properties. An empty one is left out. */
export function settingsOf({ hostname, hosts, dns, sysctls }: SandboxSettings): SandboxSettings {
  const all: { [Name in keyof SandboxSettings]-?: unknown } = { hostname, hosts, dns, sysctls };
  const given = Object.entries(all).filter(([, value]) => Object.keys(value ?? {}).length > 0);
  return Object.fromEntries(given);
}

export function settingsProblems(
  { hostname, hosts = [], dns = {}, sysctls = {} }: SandboxSettings,
): IpvlanError[] {
  const problems: IpvlanError[] = [];
  const refuse = (what: string, value: string, rule: string) =>
    problems.push(invalidOption(what, value, rule));
  if (hostname !== undefined && (!DOMAIN.test(hostname) || hostname.length > HOSTNAME_MAX)) {
    refuse("host name", hostname, `give at most ${HOSTNAME_MAX} letters, digits, - and .`);
  }
  for (const { name, address } of hosts) {
    if (!DOMAIN.test(name)) refuse("host name", name, "give letters, digits, - and .");
    if (address === "host-gateway") {
      refuse("address", address, "a sandbox does not reach this machine over its parent");
    } else problems.push(...addressProblems(address));
  }
  for (const server of dns.servers ?? []) problems.push(...addressProblems(server));
  for (const domain of dns.search ?? []) {
    if (domain !== "." && !DOMAIN.test(domain)) {
      refuse("search domain", domain, "give letters, digits, - and ., or . alone for none");
    }
  }
  for (const option of dns.options ?? []) {
    if (!/^[\w:.-]+$/.test(option)) refuse("DNS option", option, "write it as in resolv.conf(5)");
  }
  for (const [name, value] of Object.entries(sysctls)) {
    if (sysctlPath(name) === undefined) {
      refuse("sysctl", name, "only net.… belongs to a sandbox: set others for the whole machine");
    } else if (!/^[\w .,:\/+-]+$/.test(value)) {
      refuse("sysctl value", value, "give letters, digits, spaces, and _ . , : / + -");
    }
  }
  return problems;
}

function addressProblems(text: string): readonly IpvlanError[] {
  return problemOf(() => parseAddress(text))?.problems ?? [];
}

/**
 * The path under `/proc/sys` of a network sysctl. As in sysctl(8), its name has dots, and a slash for
 * a dot in a link's name; or it has slashes.
 */
export function sysctlPath(name: string): string | undefined {
  if (!/^net[.\/][\w.\/-]+$/.test(name)) return undefined;
  const path = name[3] === "/"
    ? name
    : name.replace(/[.\/]/g, (separator) => separator === "." ? "/" : ".");
  return path.split("/").some((part) => ["", ".", ".."].includes(part)) ? undefined : path;
}
