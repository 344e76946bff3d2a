/**
 * What the values of options stand for: names with values, and how a sandbox is connected.
 *
 * @module
 */
import { InvalidOptionError } from "../driver/errors.ts";
import type { ConnectOptions } from "../driver/types.ts";
import type { IpvlanError } from "../errors.ts";
import type { Arguments, Option } from "./command.ts";

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
  { name: "mac-address", value: "MAC", help: "refused: an ipvlan link has its parent's" },
];

/** Reads {@linkcode ENDPOINT_OPTIONS}. */
export function readEndpoint(args: Arguments): ConnectOptions {
  return {
    ip: args.value("ip"),
    ip6: args.value("ip6"),
    aliases: args.values("alias"),
    ifname: args.value("ifname"),
    macAddress: args.value("mac-address"),
  };
}
