/**
 * Addresses, prefixes, the subnets of a network, and the choice of the next free address: pure
 * functions on values.
 *
 * @module
 */
export { type Address, type Family, formatAddress, parseAddress } from "./address.ts";
export { defaultPool, isDefaultPool } from "./default_pools.ts";
export * from "./errors.ts";
export { Pool } from "./pool.ts";
export { Pools, type Taken } from "./pools.ts";
export {
  contains,
  firstUsable,
  formatPrefix,
  overlaps,
  type ParsedPrefix,
  parsePrefix,
  type Prefix,
  whyUnusable,
} from "./prefix.ts";
export {
  type Notice,
  type ParsedSubnets,
  parseSubnets,
  type Subnet,
  type SubnetSpec,
} from "./subnet.ts";
export { whyNoSubnet } from "./special.ts";
