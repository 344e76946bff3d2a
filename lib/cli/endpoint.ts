import type { ConnectOptions } from "../driver/types.ts";
import type { Option, Words } from "./command.ts";

/** The options that say how a sandbox is connected to a network. */
export const ENDPOINT_OPTIONS: Option[] = [
  { name: "ip", value: "ADDRESS", help: "the IPv4 address" },
  { name: "ip6", value: "ADDRESS", help: "the IPv6 address" },
  { name: "alias", value: "NAME", many: true, help: "another name on the network" },
  { name: "ifname", value: "NAME", help: "the link's name in the sandbox" },
  { name: "mac-address", value: "MAC", help: "refused: an ipvlan link has its parent's" },
];

/** What those options say. */
export function readEndpoint(words: Words): ConnectOptions {
  return {
    ip: words.value("ip"),
    ip6: words.value("ip6"),
    aliases: words.values("alias"),
    ifname: words.value("ifname"),
    macAddress: words.value("mac-address"),
  };
}
