import { invalidOption, type IpvlanError } from "../base/errors.ts";
import type { SandboxSettings } from "../driver/model/types.ts";
import { type Arguments, type Option, readOptions } from "./command.ts";
import { readPairs } from "./option_values.ts";

/** The options of a new sandbox that are not about its networks. */
export const SETTINGS_OPTIONS: Option[] = readOptions({
  "-h, --hostname NAME": "the host name of its commands",
  "--add-host NAME:ADDRESS...": "a name that only its commands find",
  "--dns ADDRESS...": "a name server, instead of this machine's",
  "--dns-search DOMAIN...": "a domain to search, instead of this machine's; . for none",
  "--dns-option OPTION...": "an option of resolv.conf(5)",
  "--dns-opt OPTION...": "the same as --dns-option",
  "--sysctl NAME=VALUE...": "a kernel setting of its network: net.…",
});

/** Reads {@linkcode SETTINGS_OPTIONS}. */
export function readSettings(
  args: Arguments,
): { settings: SandboxSettings; problems: IpvlanError[] } {
  const some = (...names: string[]) => {
    const values = names.flatMap((name) => args.values(name));
    return values.length > 0 ? values : undefined;
  };
  const dns = {
    servers: some("dns"),
    search: some("dns-search"),
    options: some("dns-option", "dns-opt"),
  };
  const { record, problems } = readPairs("sysctl", args.values("sysctl"), true);
  const hosts = args.values("add-host").map((text) => {
    // Docker takes a colon or an equals sign, and an IPv6 address with or without brackets.
    const [, name, address] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
    if (name !== undefined) return { name, address: address!.replace(/^\[(.*)\]$/, "$1") };
    problems.push(invalidOption("add-host", text, "write NAME:ADDRESS"));
    return { name: text, address: "" };
  });
  const settings = {
    hosts: hosts.length > 0 ? hosts : undefined,
    hostname: args.value("hostname"),
    dns: Object.values(dns).some((values) => values) ? dns : undefined,
    sysctls: Object.keys(record).length > 0 ? record : undefined,
  };
  return { settings, problems };
}
