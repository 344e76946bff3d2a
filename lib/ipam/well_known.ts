// Prefixes that a network gets if it names no subnet, and those that it cannot have.
import { IpvlanError } from "../base/errors.ts";
import { formatPrefix, overlaps, parsePrefix, type Prefix } from "./prefix.ts";

/** Docker's local default address pools, without 172.17.0.0/16 of Docker's default bridge. */
const DEFAULT_POOLS: readonly Prefix[] = [
  ...Array.from({ length: 14 }, (_, index) => `172.${18 + index}.0.0/16`),
  ...Array.from({ length: 16 }, (_, index) => `192.168.${16 * index}.0/20`),
].map((text) => parsePrefix(text).prefix);

/**
 * Chooses a subnet for a network without one: the first free prefix of 172.18.0.0/16 to
 * 172.31.0.0/16, and then of the /20s of 192.168.0.0/16 in ascending order. It overlaps no prefix that
 * other networks or routes (but the default route) use. IPv6 has no default pools.
 * @throws {"pools-exhausted"} Every pool overlaps a used prefix.
 */
export function defaultPool(used: readonly Prefix[]): Prefix {
  const free = DEFAULT_POOLS.find((pool) => !used.some((other) => overlaps(pool, other)));
  if (free === undefined) {
    throw new IpvlanError("pools-exhausted", { pools: DEFAULT_POOLS.map(formatPrefix) });
  }
  return free;
}

/** Whether a prefix is one of the pools of {@linkcode defaultPool}. */
export function isDefaultPool(prefix: Prefix): boolean {
  return DEFAULT_POOLS.map(formatPrefix).includes(formatPrefix(prefix));
}

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
