import { Address4, Address6 } from "npm:ip-address@^10";
import { IpvlanError } from "../base/errors.ts";

/** An address family: IPv4 or IPv6. */
export type Family = 4 | 6;

/** An IPv4 or IPv6 address as a value: equal addresses have equal fields. */
export interface Address {
  /** The address family. */
  readonly family: Family;
  /** The address as an unsigned integer of 32 or 128 bits, in network byte order. */
  readonly bits: bigint;
}

/**
 * The family of an address or a prefix in text, by the colons that only IPv6 has. It does not check
 * the text: see {@linkcode parseAddress}.
 */
export function familyOf(text: string): Family {
  return text.includes(":") ? 6 : 4;
}

/** The addresses of an endpoint, with or without their prefix lengths. */
export interface Addresses {
  /** The first IPv4 address. */
  ip?: string;
  /** The first IPv6 address. */
  ip6?: string;
  /** All others, of either family. */
  moreAddresses?: readonly string[];
}

/** The addresses of an endpoint as one list: those of IPv4 first. */
export function endpointAddresses({ ip, ip6, moreAddresses = [] }: Addresses): string[] {
  return [ip, ip6, ...moreAddresses].filter((address) => address !== undefined)
    .sort((one, other) => familyOf(one) - familyOf(other));
}

/** The same without their prefix lengths. */
export function bareAddresses(endpoint: Addresses): string[] {
  return endpointAddresses(endpoint).map((address) => address.replace(/\/.*$/, ""));
}

/** The fields for a list of addresses, each family in the order of the list. */
export function addressFields(all: readonly string[]): Addresses {
  const first = (family: Family) => all.findIndex((address) => familyOf(address) === family);
  const [v4, v6] = [first(4), first(6)];
  const moreAddresses = all.filter((_, index) => index !== v4 && index !== v6);
  return {
    ...v4 !== -1 && { ip: all[v4] },
    ...v6 !== -1 && { ip6: all[v6] },
    ...moreAddresses.length > 0 && { moreAddresses },
  };
}

/** ::ffff:0:0/96 without its last 32 bits (RFC 4291, section 2.5.5.2). */
const MAPPED = 0xffffn;

/**
 * Parses an address strictly. It has to be dotted decimal with four parts and no leading zeros (which
 * `inet_aton(3)` reads as octal), or hexadecimal groups (RFC 4291, section 2.2). Blanks, a prefix
 * length, a zone and dotted parts in an IPv6 address are refused. So is an IPv4-mapped address
 * (section 2.5.5.2): it stands for an IPv4 address, and no link ever has it.
 *
 * @throws {"invalid-address"} if the text is not an address
 */
export function parseAddress(text: string): Address {
  const refuse = (reason: string): never => {
    throw new IpvlanError("invalid-address", { value: text, reason });
  };
  const problem = findProblem(text);
  if (problem !== undefined) refuse(problem);
  const family = familyOf(text);
  let bits: bigint;
  try {
    bits = (family === 6 ? new Address6(text) : new Address4(text)).bigInt();
  } catch {
    return refuse("write it like 192.168.1.10 or 2001:db8::10");
  }
  if (family === 6 && bits >> 32n === MAPPED) {
    const plain = formatAddress({ family: 4, bits: bits & 0xffffffffn });
    refuse(`it is an IPv4-mapped address; write ${plain}`);
  }
  return { family, bits };
}

/** Prints an address in its canonical form: dotted decimal, or RFC 5952. */
export function formatAddress(address: Address): string {
  return address.family === 4
    ? Address4.fromBigInt(address.bits).correctForm()
    : Address6.fromBigInt(address.bits).correctForm();
}

/**
 * The address in a text, in its canonical form and without the prefix length that it may have.
 *
 * @throws {"invalid-address"} The text has no address.
 */
export function addressIn(text: string): string {
  return formatAddress(parseAddress(text.split("/")[0]!));
}

/** Finds the problems that `ip-address` would accept, or would refuse without a reason. */
function findProblem(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (/\s/.test(text)) return "it contains a blank";
  if (text.includes("/")) return "it has a prefix length; write the address alone";
  if (text.includes("%")) return "it has a zone; write the address alone";
  if (text.includes(":") && text.includes(".")) {
    return "it is an IPv4 address inside an IPv6 one; write hexadecimal groups only";
  }
  if (/^0\d+\.|\.0\d/.test(text)) return "a part has a leading zero; leave the zero out";
}
