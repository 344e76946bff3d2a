import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  addressOf,
  bitsOf,
  blockOf,
  blockSize,
  countOf,
  firstGap,
  hexOf,
  homeBlock,
  insideOf,
  Keys,
  partsOf,
  reservedDifferences,
  subnetOf,
  textOf,
  usableOf,
} from "../../../lib/claims/keys.ts";
import { contains, formatPrefix, parsePrefix, type Prefix } from "../../../lib/ipam/prefix.ts";
import "../../kit/seed.ts";

const prefixOf = (text: string) => parsePrefix(text).prefix;

/** Prefixes of both families that have room for something. */
const prefixes: fc.Arbitrary<Prefix> = fc.oneof(
  fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), fc.integer({ min: 8, max: 32 }))
    .map(([bits, length]) => prefixOf(`${textOf(hexOf({ family: 4, bits }))}/${length}`)),
  fc.tuple(fc.bigInt({ min: 2n ** 127n, max: 2n ** 128n - 1n }), fc.integer({ min: 16, max: 128 }))
    .map(([bits, length]) => prefixOf(`${textOf(hexOf({ family: 6, bits }))}/${length}`)),
);

/** A prefix and one of its addresses. */
const places = prefixes.chain((prefix) =>
  fc.bigInt({ min: prefix.first, max: prefix.last }).map((bits) => ({ prefix, bits }))
);

Deno.test("keys say what they are about", () => {
  const keys = new Keys("/ipvlan");
  assertEquals(keys.host("ab"), "/ipvlan/hosts/ab");
  assertEquals(keys.copy(), "/ipvlan/copies/");
  assertEquals(keys.copy("ab", "cd"), "/ipvlan/copies/ab/cd");
  assertEquals(keys.pool("192.168.1.0/24"), "/ipvlan/pools/192.168.1.0-24");
  assertEquals(keys.block("192.168.1.0/24", "c0a80110"), "/ipvlan/blocks/192.168.1.0-24/c0a80110");
  assertEquals(keys.claim("192.168.1.0/24"), "/ipvlan/claims/192.168.1.0-24/");
  assertEquals(keys.claim(), "/ipvlan/claims/");
  assertEquals(keys.wish("fd00::/64", "ab"), "/ipvlan/wishes/fd00::-64/ab");
  assertEquals(partsOf("/ipvlan/wishes/fd00::-64/ab"), { subnet: "fd00::/64", last: "ab" });
});

Deno.test("sizes of blocks", () => {
  const sizes = ["10.0.0.0/8", "10.0.0.0/22", "10.0.0.0/24", "10.0.0.0/27", "10.0.0.0/29"];
  assertEquals(sizes.map((text) => blockSize(prefixOf(text))), [64n, 64n, 16n, 4n, 4n]);
  assertEquals(["10.0.0.0/31", "10.0.0.0/32"].map((text) => blockSize(prefixOf(text))), [2n, 1n]);
  assertEquals(blockSize(prefixOf("fd00::/64")), 64n);
});

Deno.test("parts of keys sort like what they stand for, and are read back", () => {
  fc.assert(fc.property(places, places, (a, b) => {
    const [one, other] = [a, b].map(({ prefix: { family }, bits }) => hexOf({ family, bits }));
    assertEquals(addressOf(one!), { family: a.prefix.family, bits: a.bits });
    const subnet = formatPrefix(a.prefix);
    assertEquals(subnetOf(subnet.replace("/", "-")), subnet);
    if (a.prefix.family === b.prefix.family) assertEquals(one! < other!, a.bits < b.bits);
  }));
});

Deno.test("every address is in one block, which is in the pool", () => {
  fc.assert(fc.property(places, ({ prefix, bits }) => {
    const size = blockSize(prefix);
    const first = blockOf(prefix, bits);
    assert(first <= bits && bits < first + size);
    assert(prefix.first <= first && first + size - 1n <= prefix.last);
    assertEquals(blockOf(prefix, first + size - 1n), first);
  }));
});

Deno.test("a host begins at a block of the pool", () => {
  fc.assert(fc.property(prefixes, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (prefix, id) => {
    const home = homeBlock(prefix, id.toString(16));
    assert(contains(prefix, { family: prefix.family, bits: home }));
    assertEquals(blockOf(prefix, home), home);
  }));
});

Deno.test("the first gap is the first block that is not taken", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.bigInt({ min: 0n, max: 20n })), (numbers) => {
    const taken = numbers.toSorted((a, b) => Number(a - b)).map((number) => number * 16n);
    const gap = firstGap(taken, 0n, 16n);
    assert(!taken.includes(gap));
    for (let before = 0n; before < gap; before += 16n) assert(taken.includes(before));
  }));
});

Deno.test("sets of addresses", () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (set) => {
    assertEquals([...bitsOf(set)].reduce((sum, bit) => sum | 1n << bit, 0n), set);
    assertEquals(countOf(set), set.toString(2).replaceAll("0", "").length);
  }));
});

Deno.test("nobody gets an address that is reserved or unusable", () => {
  const prefix = prefixOf("10.0.0.0/24");
  const reserved = { "10.0.0.1": "gateway", "10.0.0.17": "router", "fd00::1": "gateway" };
  assertEquals(usableOf(prefix, prefix.first, reserved), 0xfffcn);
  assertEquals(usableOf(prefix, prefix.first + 16n, reserved), 0xfffdn);
  assertEquals(usableOf(prefix, prefix.first + 240n, reserved), 0x7fffn);
  // All of a /31, and of a /128, can be used.
  assertEquals(usableOf(prefixOf("10.0.0.0/31"), prefixOf("10.0.0.0/31").first, {}), 3n);
  assertEquals(usableOf(prefixOf("fd00::/64"), prefixOf("fd00::/64").first, {}), 2n ** 64n - 2n);
});

Deno.test("the part of a block that is in a range", () => {
  const prefix = prefixOf("10.0.0.0/24");
  assertEquals(insideOf(prefix, prefix.first, undefined), 0xffffn);
  assertEquals(insideOf(prefix, prefix.first, prefixOf("10.0.0.0/25")), 0xffffn);
  assertEquals(insideOf(prefix, prefix.first, prefixOf("10.0.0.4/30")), 0xf0n);
  assertEquals(insideOf(prefix, prefix.first, prefixOf("10.0.0.128/25")), 0n);
  const ranges = places.chain(({ prefix, bits }) =>
    fc.tuple(
      fc.constant({ prefix, first: blockOf(prefix, bits) }),
      fc.bigInt({ min: prefix.first, max: prefix.last }),
      fc.integer({ min: prefix.length, max: prefix.family === 4 ? 32 : 128 }),
    )
  );
  fc.assert(fc.property(ranges, ([{ prefix, first }, bits, length]) => {
    const { family } = prefix;
    // The range is near the block, where most of what can go wrong is.
    const near = [first - 1n, first + blockSize(prefix), bits]
      .find((each) => each >= prefix.first && each <= prefix.last)!;
    for (const at of [first, near, bits]) {
      const range = prefixOf(`${textOf(hexOf({ family, bits: at }))}/${length}`);
      const expected = [...bitsOf((1n << blockSize(prefix)) - 1n)]
        .filter((bit) => contains(range, { family, bits: first + bit }));
      assertEquals([...bitsOf(insideOf(prefix, first, range))], expected);
    }
  }));
});

Deno.test("what differs between reserved addresses", () => {
  assertEquals(reservedDifferences({ "10.0.0.1": "gateway" }, { "10.0.0.1": "gateway" }), []);
  assertEquals(reservedDifferences({ "10.0.0.1": "gateway" }, { "10.0.0.1": "router" }), [
    "10.0.0.1 is gateway here, and router there",
  ]);
});
