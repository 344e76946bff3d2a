import { type Address, type Family, formatAddress, parseAddress } from "./address.ts";
import type { AddressRole, UnusableReason } from "../base/error_codes.ts";
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";

/** An IPv4 or IPv6 prefix as a value, in canonical form: without host bits. */
export interface Prefix {
  /** The address family. */
  readonly family: Family;
  /** The number of leading bits that all its addresses share: 0 to 32, or 0 to 128. */
  readonly length: number;
  /** Its lowest address, as an unsigned integer. */
  readonly first: bigint;
  /** Its highest address, as an unsigned integer. */
  readonly last: bigint;
}

/** A parsed prefix, and whether its text had host bits. */
export interface ParsedPrefix {
  /** The prefix, in canonical form. */
  readonly prefix: Prefix;
  /** Whether the text had host bits, which were cleared: `172.16.50.0/22` gives `172.16.48.0/22`. */
  readonly masked: boolean;
}

/**
 * Parses a prefix in CIDR notation strictly: an address as in {@linkcode parseAddress}, a slash, and
 * the length in decimal. Clears host bits and reports that.
 *
 * @throws {"invalid-prefix"} if the text is not a prefix
 */
export function parsePrefix(text: string): ParsedPrefix {
  const refuse = (reason: string): never => {
    throw new IpvlanError("invalid-prefix", { value: text, reason });
  };
  const slash = text.indexOf("/");
  if (slash === -1) refuse("the length is missing; write it like 192.168.1.0/24");
  let address: Address;
  try {
    address = parseAddress(text.slice(0, slash));
  } catch (error) {
    if (!isIpvlanError(error, "invalid-address")) throw error;
    return refuse(`${JSON.stringify(error.value)} is not an address: ${error.reason}`);
  }
  const bits = width(address.family);
  const digits = text.slice(slash + 1);
  const length = /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : Infinity;
  if (length > bits) refuse(`the length must be a number from 0 to ${bits}`);
  const prefix = prefixAround(address, length);
  return { prefix, masked: prefix.first !== address.bits };
}

export function prefixAround({ family, bits }: Address, length: number): Prefix {
  const hostMask = (1n << BigInt(width(family) - length)) - 1n;
  const first = bits & ~hostMask;
  return { family, length, first, last: first | hostMask };
}

/** Prints a prefix in its canonical form: `192.168.1.0/24`, `2001:db8::/64`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress({ family: prefix.family, bits: prefix.first })}/${prefix.length}`;
}

/** Whether two prefixes have an address in common. Prefixes of different families never have. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** The prefixes of subnets that are on record, or settled. */
export function prefixesOf(subnets: readonly { subnet: string }[]): Prefix[] {
  return subnets.map(({ subnet }) => parsePrefix(subnet).prefix);
}

/** The subnet that an address is in. */
export function homeOf<T extends { subnet: string }>(
  subnets: readonly T[],
  address: string,
): T | undefined {
  const parsed = parseAddress(address);
  return subnets.find(({ subnet }) => contains(parsePrefix(subnet).prefix, parsed));
}

/** Orders prefixes by where they start; one comes before those within it. */
export function byStart(a: Prefix, b: Prefix): number {
  const start = a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
  return a.family - b.family || start || a.length - b.length;
}

/** Whether an address, or every address of another prefix, is in the prefix. */
export function contains(prefix: Prefix, inner: Address | Prefix): boolean {
  if (prefix.family !== inner.family) return false;
  const [first, last] = "bits" in inner ? [inner.bits, inner.bits] : [inner.first, inner.last];
  return prefix.first <= first && last <= prefix.last;
}

/** Makes the error for an address or a range that is in none of some subnets. */
export function outsideSubnet(
  role: AddressRole,
  inner: Address | Prefix,
  subnets: readonly Prefix[],
): IpvlanErrorOf<"outside-subnet"> {
  const value = "bits" in inner ? formatAddress(inner) : formatPrefix(inner);
  return new IpvlanError("outside-subnet", { role, value, subnets: subnets.map(formatPrefix) });
}

/**
 * Tells why no endpoint can have an address of the prefix; `undefined` if one can. The caller checks
 * with {@linkcode contains} that the address is in the prefix.
 *
 * In IPv4 the lowest address is the network address and the highest is the broadcast address, except
 * in a /31 (RFC 3021) or a /32. In IPv6 the lowest address is the subnet-router anycast address
 * (RFC 4291, section 2.6.1), except in a /127 (RFC 6164) or a /128. IPv6 has no broadcast.
 */
export function whyUnusable(prefix: Prefix, address: Address): UnusableReason | undefined {
  if (isPointToPoint(prefix) || prefix.family !== address.family) return undefined;
  if (address.bits === prefix.first) return prefix.family === 4 ? "network" : "anycast";
  if (address.bits === prefix.last && prefix.family === 4) return "broadcast";
}

/** The lowest address of the prefix that an endpoint can have. Every prefix has one. */
export function firstUsable(prefix: Prefix): Address {
  return { family: prefix.family, bits: prefix.first + (isPointToPoint(prefix) ? 0n : 1n) };
}

/** The gateway of a subnet without a given one: the first usable address, if one can be spared. */
export function defaultGateway(prefix: Prefix): Address | undefined {
  return isPointToPoint(prefix) ? undefined : firstUsable(prefix);
}

/** Whether hosts can have all addresses of a prefix: /31, /32 (RFC 3021), /127 (RFC 6164), /128. */
function isPointToPoint(prefix: Prefix): boolean {
  return width(prefix.family) - prefix.length <= 1;
}

function width(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}
