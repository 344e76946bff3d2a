/**
 * Addresses, prefixes, the subnets of a network, and the choice of the next free address: pure
 * functions on values.
 *
 * @example
 * ```ts
 * import { contains, formatAddress, formatPrefix, overlaps } from "@ipvlan/kit/ipam";
 * import { parseAddress, parsePrefix, parseSubnets, Pools } from "@ipvlan/kit/ipam";
 *
 * formatAddress(parseAddress("2001:DB8:0:0::0010")); // "2001:db8::10"
 * const { prefix, masked } = parsePrefix("172.16.50.0/22");
 * formatPrefix(prefix); // "172.16.48.0/22", as `masked` says
 * contains(prefix, parseAddress("172.16.51.1")); // true
 * overlaps(prefix, parsePrefix("172.16.0.0/16").prefix); // true
 *
 * const result = parseSubnets(["192.168.1.0/24", { subnet: "2001:db8::/64", gateway: "2001:db8::22" }]);
 * if (!result.ok) throw new AggregateError(result.problems);
 * result.subnets[0]?.gateway; // 192.168.1.1, the first usable address
 * const pools = Pools.of(result.subnets, ["192.168.1.2"]);
 * pools.takeNext(4).address; // "192.168.1.3"
 * pools.release("192.168.1.2").takeNext(4).address; // "192.168.1.2"
 * ```
 *
 * @module
 */
export { type Address, type Family, formatAddress, parseAddress } from "./address.ts";
export { type AddressUse, Pools, type PoolUsage, type Taken } from "./pools.ts";
export {
  contains,
  formatPrefix,
  overlaps,
  type ParsedPrefix,
  parsePrefix,
  type Prefix,
} from "./prefix.ts";
export {
  type Notice,
  type ParsedSubnets,
  parseSubnets,
  type Subnet,
  type SubnetSpec,
} from "./subnet.ts";
