import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  contains,
  formatAddress,
  formatPrefix,
  overlaps,
  parseAddress,
  parsePrefix,
  type Prefix,
} from "../../../lib/ipam/mod.ts";
import { firstUsable, whyUnusable } from "../../../lib/ipam/prefix.ts";
import { overlapping, PrefixIndex } from "../../../lib/ipam/prefix_index.ts";
import { address, anyPrefix, prefix } from "../../kit/arbitraries.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const read = (text: string) => parsePrefix(text).prefix;

Deno.test("a prefix is read, and host bits are masked and reported", () => {
  const cases: [string, string, boolean][] = [
    ["192.168.1.0/24", "192.168.1.0/24", false],
    ["172.16.50.0/22", "172.16.48.0/22", true],
    ["10.1.100.0/16", "10.1.0.0/16", true],
    ["10.0.0.5/32", "10.0.0.5/32", false],
    ["10.0.0.5/31", "10.0.0.4/31", true],
    ["0.0.0.0/0", "0.0.0.0/0", false],
    ["255.255.255.255/0", "0.0.0.0/0", true],
    ["10.0.0.0/8", "10.0.0.0/8", false],
    ["2001:DB8:abc2::/64", "2001:db8:abc2::/64", false],
    ["2001:db8:abc2::22/64", "2001:db8:abc2::/64", true],
    ["::1/128", "::1/128", false],
    ["::1/127", "::/127", true],
    ["::/0", "::/0", false],
  ];
  for (const [text, canonical, masked] of cases) {
    const parsed = parsePrefix(text);
    assertEquals([formatPrefix(parsed.prefix), parsed.masked], [canonical, masked], text);
  }
  assertEquals(read("10.1.0.0/16"), {
    family: 4,
    length: 16,
    first: 0x0a010000n,
    last: 0x0a01ffffn,
  });
  assertEquals(read("::/0").last, 2n ** 128n - 1n);
});

Deno.test("text that is not strictly a prefix is refused with the reason", () => {
  const cases: [string, string][] = [
    ["", "the length is missing"],
    ["10.0.0.0", "the length is missing"],
    ["2001:db8::", "the length is missing"],
    ["10.0.0.0/", "the length must be a number from 0 to 32"],
    ["10.0.0.0/33", "the length must be a number from 0 to 32"],
    ["10.0.0.0/08", "the length must be a number from 0 to 32"],
    ["10.0.0.0/00", "the length must be a number from 0 to 32"],
    ["10.0.0.0/-1", "the length must be a number from 0 to 32"],
    ["10.0.0.0/+8", "the length must be a number from 0 to 32"],
    ["10.0.0.0/8.0", "the length must be a number from 0 to 32"],
    ["10.0.0.0/1e1", "the length must be a number from 0 to 32"],
    ["10.0.0.0/ 8", "the length must be a number from 0 to 32"],
    ["10.0.0.0/8 ", "the length must be a number from 0 to 32"],
    ["10.0.0.0/8\n", "the length must be a number from 0 to 32"],
    ["10.0.0.0/8/8", "the length must be a number from 0 to 32"],
    ["10.0.0.0/255.0.0.0", "the length must be a number from 0 to 32"],
    ["2001:db8::/129", "the length must be a number from 0 to 128"],
    ["2001:db8::/064", "the length must be a number from 0 to 128"],
    ["/24", '"" is not an address: it is empty'],
    [" 10.0.0.0/8", '" 10.0.0.0" is not an address: it contains a blank'],
    ["300.1.1.0/24", '"300.1.1.0" is not an address: write it like 192.168.1.10'],
    ["10.0.0/8", '"10.0.0" is not an address: write it like'],
    ["010.0.0.0/8", '"010.0.0.0" is not an address: a part has a leading zero'],
    ["fe80::%eth0/64", '"fe80::%eth0" is not an address: it has a zone'],
    ["::ffff:10.0.0.0/104", "is not an address: it is an IPv4 address inside an IPv6 one"],
    ["::ffff:a00:0/104", "is not an address: it is an IPv4-mapped address"],
  ];
  for (const [text, reason] of cases) {
    const error = assertThrowsError(() => parsePrefix(text), "invalid-prefix", reason, text);
    assertEquals(error.value, text);
  }
});

Deno.test("the first usable address, and which of the first and last are not", () => {
  const cases: [string, string, string | undefined, string | undefined][] = [
    ["0.0.0.0/0", "0.0.0.1", "network", "broadcast"],
    ["10.0.0.0/8", "10.0.0.1", "network", "broadcast"],
    ["10.0.0.0/30", "10.0.0.1", "network", "broadcast"],
    ["10.0.0.0/31", "10.0.0.0", undefined, undefined],
    ["10.0.0.7/32", "10.0.0.7", undefined, undefined],
    ["::/0", "::1", "anycast", undefined],
    ["2001:db8::/64", "2001:db8::1", "anycast", undefined],
    ["2001:db8::/126", "2001:db8::1", "anycast", undefined],
    ["2001:db8::/127", "2001:db8::", undefined, undefined],
    ["2001:db8::/128", "2001:db8::", undefined, undefined],
  ];
  for (const [text, first, whyFirst, whyLast] of cases) {
    const prefix = read(text);
    const { family } = prefix;
    assertEquals(formatAddress(firstUsable(prefix)), first, text);
    assertEquals(whyUnusable(prefix, { family, bits: prefix.first }), whyFirst, text);
    assertEquals(whyUnusable(prefix, { family, bits: prefix.last }), whyLast, text);
    assertEquals(whyUnusable(prefix, firstUsable(prefix)), undefined, text);
  }
  assertEquals(whyUnusable(read("0.0.0.0/0"), parseAddress("::")), undefined);
});

Deno.test("overlap and containment in plain cases", () => {
  const cases: [string, string, boolean, boolean, boolean][] = [
    // a, b, overlap, a contains b, b contains a
    ["10.0.0.0/8", "10.1.0.0/16", true, true, false],
    ["10.0.0.0/24", "10.0.0.0/24", true, true, true],
    ["10.0.0.0/24", "10.0.1.0/24", false, false, false],
    ["10.0.0.0/24", "10.0.0.255/32", true, true, false],
    ["10.0.0.255/32", "10.0.0.0/24", true, false, true],
    ["10.0.0.9/32", "10.0.0.9/32", true, true, true],
    ["0.0.0.0/0", "192.168.1.1/32", true, true, false],
    ["0.0.0.0/0", "::/0", false, false, false],
    ["::/96", "0.0.0.0/0", false, false, false],
    ["2001:db8::/32", "2001:db8:abc2::/64", true, true, false],
    ["2001:db8::/64", "2001:db8:0:1::/64", false, false, false],
  ];
  for (const [a, b, overlap, aHasB, bHasA] of cases) {
    const got = [
      overlaps(read(a), read(b)),
      contains(read(a), read(b)),
      contains(read(b), read(a)),
    ];
    assertEquals(got, [overlap, aHasB, bHasA], `${a} and ${b}`);
  }
  assert(contains(read("10.0.0.0/24"), parseAddress("10.0.0.255")));
  assert(!contains(read("10.0.0.0/24"), parseAddress("10.0.1.0")));
  assert(!contains(read("0.0.0.0/0"), parseAddress("::1")));
});

Deno.test("printing and reading a prefix gives the same prefix", () => {
  const readable = anyPrefix().filter(({ family, first }) =>
    family === 4 || first >> 32n !== 0xffffn
  );
  fc.assert(fc.property(readable, (value) => {
    assertEquals(parsePrefix(formatPrefix(value)), { prefix: value, masked: false });
  }));
});

Deno.test("host bits are reported exactly when the text is not canonical", () => {
  fc.assert(fc.property(address(), fc.nat(128), (inside, anyLength) => {
    const length = inside.family === 4 ? anyLength % 33 : anyLength;
    const text = `${formatAddress(inside)}/${length}`;
    const { prefix, masked } = parsePrefix(text);
    assertEquals(masked, formatPrefix(prefix) !== text);
    assert(contains(prefix, inside));
  }));
});

/** Prefixes within one /24 or one /120, so that about half of the pairs of a family overlap. */
const near = fc.constantFrom<[4 | 6, string, number]>([4, "10.0.0.", 24], [6, "2001:db8::", 120])
  .chain(([family, stem, least]) =>
    fc.tuple(fc.nat(255), fc.nat(8)).map(([end, bits]) =>
      read(`${stem}${family === 4 ? end : end.toString(16)}/${least + bits}`)
    )
  );

Deno.test("overlap is symmetric and means an address in common", () => {
  const naive = (a: Prefix, b: Prefix) => {
    for (let bits = a.first; bits <= a.last; bits++) {
      if (contains(b, { family: a.family, bits })) return true;
    }
    return false;
  };
  const seen = new Set<boolean>();
  fc.assert(fc.property(near, near, (a, b) => {
    seen.add(overlaps(a, b));
    assertEquals(overlaps(a, b), naive(a, b));
    assertEquals(overlaps(a, b), overlaps(b, a));
    assertEquals(overlaps(a, b), contains(a, b) || contains(b, a));
  }));
  assertEquals(seen.size, 2);
});

Deno.test("the pairs of two lists that overlap are found, also of prefixes that are there twice", () => {
  const listed = fc.array(near.map((one) => ({ subnet: formatPrefix(one) })));
  fc.assert(fc.property(listed, listed, (items, others) => {
    const isPair = (one: { subnet: string }, other: { subnet: string }) =>
      overlaps(read(one.subnet), read(other.subnet));
    const naive = items.flatMap((one) =>
      others.filter((other) => isPair(one, other)).map((other) => [one, other])
    );
    assertEquals(overlapping(items, others), naive as ReturnType<typeof overlapping>);
  }));
});

Deno.test("an index finds the prefixes that overlap another one, in the order added", () => {
  const other = fc.oneof(near, prefix(4, 0, 8), prefix(6, 0, 8));
  fc.assert(fc.property(fc.array(other), fc.array(other), (added, asked) => {
    const index = new PrefixIndex<number>();
    added.forEach((each, place) => index.add(each, place));
    for (const each of asked) {
      const naive = [...added.keys()].filter((place) => overlaps(added[place]!, each));
      assertEquals(index.overlapping(each), naive);
    }
  }));
});

Deno.test("an address is in a prefix exactly when its leading bits are the prefix's", () => {
  const case4 = fc.tuple(prefix(4, 0, 32), address(4));
  const case6 = fc.tuple(prefix(6, 0, 128), address(6));
  fc.assert(fc.property(fc.oneof(case4, case6), ([within, any]) => {
    const { prefix } = parsePrefix(`${formatAddress(any)}/${within.length}`);
    assertEquals(contains(within, any), prefix.first === within.first);
  }));
});
