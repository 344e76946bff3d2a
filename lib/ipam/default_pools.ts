import { formatPrefix, overlaps, parsePrefix, type Prefix } from "./prefix.ts";
import { IpvlanError } from "../base/errors.ts";

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
  return DEFAULT_POOLS.some((pool) =>
    pool.family === prefix.family && pool.first === prefix.first && pool.last === prefix.last
  );
}
