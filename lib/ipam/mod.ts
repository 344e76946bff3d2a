/**
 * Addresses, prefixes, the subnets of a network, and the choice of the next free address: pure
 * functions on values.
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
