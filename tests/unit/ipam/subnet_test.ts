import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  contains,
  formatAddress,
  formatPrefix,
  overlaps,
  parsePrefix,
  parseSubnets,
  type SubnetSpec,
} from "../../../lib/ipam/mod.ts";
import { whyUnusable } from "../../../lib/ipam/prefix.ts";
import { address, prefix } from "../../kit/arbitraries.ts";

Deno.test("a text stands for a subnet with every default", () => {
  const texts = ["192.168.1.0/24", "10.0.0.0/31", "2001:db8::/64"];
  assertEquals(parseSubnets(texts), parseSubnets(texts.map((subnet) => ({ subnet }))));
});

Deno.test("options of a subnet belong to it alone, so two subnets may use the same name", () => {
  const result = parseSubnets([
    {
      subnet: "10.0.0.7/24",
      gateway: "10.0.0.9",
      ipRange: "10.0.0.129/25",
      auxAddresses: { printer: "10.0.0.5" },
    },
    { subnet: "2001:db8::/64", auxAddresses: { printer: "2001:db8::5" } },
  ]);
  assert(result.ok);
  assertEquals(
    result.subnets.map(({ prefix, gateway, range, reserved }) => [
      formatPrefix(prefix),
      gateway && formatAddress(gateway),
      range && formatPrefix(range),
      [...reserved].map(([name, address]) => [name, formatAddress(address)]),
    ]),
    [
      ["10.0.0.0/24", "10.0.0.9", "10.0.0.128/25", [["printer", "10.0.0.5"]]],
      ["2001:db8::/64", "2001:db8::1", undefined, [["printer", "2001:db8::5"]]],
    ],
  );
  assertEquals(result.notices.map(({ to }) => to), ["10.0.0.0/24", "10.0.0.128/25"]);
});

Deno.test("all problems of subnets are reported at once, each with its field", () => {
  const specs: SubnetSpec[] = [
    { subnet: "10.0.0.0/24", gateway: "10.0.0.255", ipRange: "10.0.0.0/33" },
    // Of a subnet that cannot be read, only how things are written is judged.
    { subnet: "nonsense", gateway: "1.2.3", ipRange: "10.9.0.0/16", auxAddresses: { a: "x" } },
    { subnet: "10.0.0.0/25", gateway: "192.168.0.1", ipRange: "10.9.0.0/16" },
    {
      subnet: "2001:db8::/64",
      auxAddresses: { a: "2001:db8::1", b: "2001:db8::9", c: "2001:db8::9", d: "10.0.0.9" },
    },
  ];
  const result = parseSubnets(specs);
  assert(!result.ok);
  assertEquals(result.problems.map(({ code, field }) => [code, ...field]), [
    ["unusable-address", 0, "gateway"],
    ["invalid-prefix", 0, "ipRange"],
    ["invalid-prefix", 1, "subnet"],
    ["invalid-address", 1, "gateway"],
    ["invalid-address", 1, "auxAddresses", "a"],
    ["outside-subnet", 2, "gateway"],
    ["outside-subnet", 2, "ipRange"],
    ["subnets-overlap", 2],
    ["reserved-address", 3, "auxAddresses", "a"],
    ["reserved-address", 3, "auxAddresses", "c"],
    ["outside-subnet", 3, "auxAddresses", "d"],
  ]);
});

Deno.test("a gateway is taken exactly if it is a usable address of the subnet", () => {
  fc.assert(fc.property(prefix(4, 0, 3), address(4), fc.nat(9), (prefix, far, near) => {
    for (
      const gateway of [far, {
        family: 4 as const,
        bits: BigInt.asUintN(32, (prefix.first & ~7n) + BigInt(near)),
      }]
    ) {
      const result = parseSubnets([
        { subnet: formatPrefix(prefix), gateway: formatAddress(gateway) },
      ]);
      assertEquals(result.ok, contains(prefix, gateway) && !whyUnusable(prefix, gateway));
    }
  }));
});

Deno.test("subnets are refused exactly if two overlap, and each problem is about such a pair", () => {
  const near = fc.tuple(fc.nat(7), fc.integer({ min: 24, max: 27 }), fc.boolean());
  fc.assert(fc.property(fc.array(near), (drawn) => {
    const texts = drawn.map(([part, length, isNear]) =>
      isNear ? `10.0.0.${part * 32}/${length}` : `10.0.${part}.0/${length}`
    );
    const prefixes = texts.map((text) => parsePrefix(text).prefix);
    const pairs = prefixes.flatMap((prefix, later) =>
      prefixes.slice(0, later).filter((earlier) => overlaps(earlier, prefix))
        .map((earlier) =>
          `${later} Subnet ${formatPrefix(prefix)} overlaps ${formatPrefix(earlier)}`
        )
    );
    const result = parseSubnets(texts);
    assertEquals(result.ok, pairs.length === 0);
    if (result.ok) return;
    const found = result.problems.map(({ field: [index], message }) =>
      `${index} ${
        message.replace(/ of the same network.*/, "").replace("overlaps subnet", "overlaps")
      }`
    );
    assert(found.length < texts.length);
    assertEquals(found.filter((each) => !pairs.includes(each)), []);
    assertEquals(found, found.toSorted((a, b) => parseInt(a) - parseInt(b)));
  }));
});
