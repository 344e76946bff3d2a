import { InvalidOptionError } from "../driver/errors.ts";
import type { IpvlanError } from "../errors.ts";
import type { SandboxSettings } from "../driver/types.ts";
import type { Arguments, Option } from "./command.ts";
import { readPairs } from "./option_values.ts";

/** The options of a new sandbox that are not about its networks. */
export const SETTINGS_OPTIONS: Option[] = [
  { name: "hostname", short: "h", value: "NAME", help: "the host name of its commands" },
  {
    name: "add-host",
    value: "NAME:ADDRESS",
    many: true,
    help: "a name that only its commands find",
  },
  { name: "dns", value: "ADDRESS", many: true, help: "a name server, instead of this machine's" },
  {
    name: "dns-search",
    value: "DOMAIN",
    many: true,
    help: "a domain to search, instead of this machine's; . for none",
  },
  { name: "dns-option", value: "OPTION", many: true, help: "an option of resolv.conf(5)" },
  { name: "dns-opt", value: "OPTION", many: true, help: "the same as --dns-option" },
  {
    name: "sysctl",
    value: "NAME=VALUE",
    many: true,
    help: "a kernel setting of its network: net.…",
  },
];

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
    problems.push(new InvalidOptionError("add-host", text, "write NAME:ADDRESS"));
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
