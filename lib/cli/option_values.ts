/**
 * What the values of options stand for: names with values, and how a sandbox is connected.
 *
 * @module
 */
import { InvalidOptionError } from "../driver/errors.ts";
import type { ConnectOptions } from "../driver/types.ts";
import type { IpvlanError } from "../errors.ts";
import type { OptionValues } from "../command_line.ts";
import type { Option } from "./command.ts";

/** Docker's name for the name of an endpoint's link. */
const IFNAME = "com.docker.network.endpoint.ifname";

/**
 * Reads values of the form `NAME=VALUE`.
 *
 * @param what What such a value is, for messages: `label`.
 * @param needsValue Whether `NAME` alone is wrong; else its value is empty.
 * @returns The values by their names, and a problem for each value that is wrong.
 */
export function readPairs(
  what: string,
  words: readonly string[],
  needsValue: boolean,
): { record: Record<string, string>; problems: IpvlanError[] } {
  const record: Record<string, string> = {};
  const problems: IpvlanError[] = [];
  for (const word of words) {
    const [, name, value] = /^([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined || (needsValue && !value)) {
      problems.push(new InvalidOptionError(what, word, "write NAME=VALUE"));
    } else if (Object.hasOwn(record, name)) {
      problems.push(new InvalidOptionError(what, word, `"${name}" is given twice`));
    } else {
      record[name] = value ?? "";
    }
  }
  return { record, problems };
}

/** The options that say how a sandbox is connected to a network. */
export const ENDPOINT_OPTIONS: Option[] = [
  { name: "ip", value: "ADDRESS", help: "the IPv4 address" },
  { name: "ip6", value: "ADDRESS", help: "the IPv6 address" },
  { name: "alias", value: "NAME", many: true, help: "another name on the network" },
  { name: "ifname", value: "NAME", help: "the link's name in the sandbox" },
  { name: "driver-opt", value: "NAME=VALUE", many: true, help: `${IFNAME}=NAME is --ifname NAME` },
  { name: "mac-address", value: "MAC", help: "refused: an ipvlan link has its parent's" },
];

/** The names that `run` has for `--alias`. */
export const ALIAS_OPTIONS: Option[] = [
  { name: "network-alias", value: "NAME", many: true, help: "the same as --alias" },
  { name: "net-alias", value: "NAME", many: true, help: "the same as --alias" },
];

/**
 * Reads {@linkcode ENDPOINT_OPTIONS} and {@linkcode ALIAS_OPTIONS}.
 *
 * @returns The options that are given, and what is wrong with them.
 */
export function readEndpoint(
  args: OptionValues,
): { options: ConnectOptions; problems: IpvlanError[] } {
  const problems: IpvlanError[] = [];
  const ifnames = args.values("driver-opt").map((word) => {
    const [, name, value] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (name === IFNAME) return value;
    problems.push(
      new InvalidOptionError("driver option", word, `an endpoint has only ${IFNAME}=NAME`),
    );
  });
  const aliases = ["alias", "network-alias", "net-alias"].flatMap((name) => args.values(name));
  const given: ConnectOptions = {
    ip: args.value("ip"),
    ip6: args.value("ip6"),
    aliases: aliases.length > 0 ? aliases : undefined,
    ifname: args.value("ifname") ?? ifnames.at(-1),
    macAddress: args.value("mac-address"),
  };
  const options = Object.entries(given).filter(([, value]) => value !== undefined);
  return { options: Object.fromEntries(options), problems };
}
