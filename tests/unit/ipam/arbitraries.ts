import fc from "fast-check";
import { type Address, type Family, parsePrefix, type Prefix } from "../../../lib/ipam/mod.ts";
import { formatAddress } from "../../../lib/ipam/mod.ts";
import "./seed.ts";

const width = (family: Family) => family === 4 ? 32 : 128;

/** Any address that has a notation of its own: an IPv4-mapped one has not. */
export function address(family?: Family): fc.Arbitrary<Address> {
  const of = (family: Family) =>
    fc.bigInt(0n, (1n << BigInt(width(family))) - 1n)
      .filter((bits) => family === 4 || bits >> 32n !== 0xffffn)
      .map((bits) => ({ family, bits }));
  return family ? of(family) : fc.oneof(of(4), of(6));
}

/** Any prefix whose length leaves between `least` and `most` host bits. */
export function prefix(family: Family, least: number, most: number): fc.Arbitrary<Prefix> {
  return fc.tuple(address(family), fc.integer({ min: least, max: most })).map((
    [inside, hostBits],
  ) => parsePrefix(`${formatAddress(inside)}/${width(family) - hostBits}`).prefix);
}

/** Any prefix of either family. */
export function anyPrefix(): fc.Arbitrary<Prefix> {
  return fc.oneof(prefix(4, 0, 32), prefix(6, 0, 128));
}
