import { formatPrefix, overlaps, parsePrefix, type Prefix } from "./prefix.ts";

/**
 * The prefixes whose addresses no link has, or every host has for itself (RFC 6890, RFC 4291). The
 * kernel gives a link some of them, and then packets to them do not leave the host.
 */
const SPECIAL_PREFIXES: readonly [prefix: Prefix, purpose: string][] = ([
  ["0.0.0.0/8", "which means this network"],
  ["127.0.0.0/8", "which is the host itself"],
  ["224.0.0.0/4", "which is for multicast"],
  ["255.255.255.255/32", "which is for broadcast"],
  ["::/127", "which is no address, or the host itself"],
  ["fe80::/10", "which every link has for itself"],
  ["ff00::/8", "which is for multicast"],
] as const).map(([text, purpose]) => [parsePrefix(text).prefix, purpose]);

/** Tells why a prefix cannot be a subnet; `undefined` if it can: `it overlaps 224.0.0.0/4, …`. */
export function whyNoSubnet(prefix: Prefix): string | undefined {
  const found = SPECIAL_PREFIXES.find(([special]) => overlaps(prefix, special));
  return found && `it overlaps ${formatPrefix(found[0])}, ${found[1]}`;
}
