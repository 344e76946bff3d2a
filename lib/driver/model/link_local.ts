// Link-local addresses of endpoints, as in Docker: a link has them besides its addresses on the
// network, and they come from no pool.
import { attempt, invalidOption, type IpvlanError } from "../../base/errors.ts";
import { familyOf } from "../../ipam/address.ts";
import { contains, formatAddress, parseAddress, parsePrefix } from "../../ipam/mod.ts";
import type { Network } from "./types.ts";

/** The prefixes of link-local addresses (RFC 3927, RFC 4291). */
const RANGE = { 4: parsePrefix("169.254.0.0/16").prefix, 6: parsePrefix("fe80::/10").prefix };

/** The prefix length that Docker gives them. */
const LENGTH = { 4: 16, 6: 64 };

export function linkLocalProblem(text: string): IpvlanError | undefined {
  const read = attempt(() => parseAddress(text));
  if (!read.ok) return read.problems[0];
  if (contains(RANGE[read.value.family], read.value)) return undefined;
  return invalidOption(WHAT, text, "give one of 169.254.0.0/16 or of fe80::/10");
}

const WHAT = "link-local address";

export function linkLocalProblems(network: Network, given: readonly string[]): IpvlanError[] {
  return given.flatMap((text, index) => {
    const problem = linkLocalProblem(text);
    if (problem) return [problem];
    const refused = (rule: string) => [invalidOption(WHAT, text, rule)];
    if (usual(given.slice(0, index)).includes(usual([text])[0]!)) {
      return refused("it is given twice");
    }
    const hasIPv6 = network.subnets.some(({ subnet }) => familyOf(subnet) === 6);
    if (familyOf(text) === 4 || hasIPv6) return [];
    return refused(`the network "${network.name}" has no IPv6 subnet, so its links have no IPv6`);
  });
}

export function usual(addresses: readonly string[]): string[] {
  return addresses.map((text) => formatAddress(parseAddress(text)));
}

/** A link-local address with its prefix length: `169.254.7.1/16`. */
export function withLinkLocalLength(address: string): string {
  return `${address}/${LENGTH[familyOf(address)]}`;
}
