import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Decision } from "../../../lib/base/errors.ts";
import {
  contains,
  formatAddress,
  formatPrefix,
  type ParsedSubnets,
  parseSubnets,
  type Prefix,
  type Subnet,
} from "../../../lib/ipam/mod.ts";
import { firstUsable, whyUnusable } from "../../../lib/ipam/prefix.ts";
import { type LooseWords, nestSubnets } from "../../../lib/ipam/nest.ts";
import { prefix } from "../../kit/arbitraries.ts";

/** The options of `docker network create` that say what the subnets are. */
type Words = Partial<LooseWords> & { subnets?: string[] };

function nest({ subnets = [], gateways = [], ipRanges = [], auxAddresses = {} }: Words) {
  return nestSubnets(
    subnets.map((subnet) => ({ subnet })),
    { gateways, ipRanges, auxAddresses },
  );
}

/** What becomes of words in the end: the subnets, or all that is wrong. */
function read(words: Words): Decision<ParsedSubnets> {
  const { subnets, problems } = nest(words);
  const result = parseSubnets(subnets);
  if (problems.length === 0) return result;
  return { ok: false, problems: [...problems, ...result.ok ? [] : result.problems] };
}

/** A subnet as text, for comparing. */
function show({ prefix, gateway, range, reserved }: Subnet): string {
  const words = [formatPrefix(prefix)];
  if (gateway) words.push(`gateway ${formatAddress(gateway)}`);
  if (range) words.push(`range ${formatPrefix(range)}`);
  for (const [name, address] of reserved) words.push(`${name}=${formatAddress(address)}`);
  return words.join(" ");
}

function good(result: Decision<ParsedSubnets>): ParsedSubnets {
  assert(result.ok, "" + (result.ok || result.problems.map((problem) => problem.message)));
  return result;
}

Deno.test("words become subnets, in the order given, each word in the subnet that contains it", () => {
  const cases: [Words, string[]][] = [
    [{}, []],
    [{ subnets: ["192.168.1.0/24"] }, ["192.168.1.0/24 gateway 192.168.1.1"]],
    [
      { subnets: ["192.168.1.0/24"], gateways: ["192.168.1.254"] },
      ["192.168.1.0/24 gateway 192.168.1.254"],
    ],
    [
      {
        subnets: ["192.168.114.0/24", "192.168.116.0/24"],
        gateways: ["192.168.116.254", "192.168.114.254"],
      },
      ["192.168.114.0/24 gateway 192.168.114.254", "192.168.116.0/24 gateway 192.168.116.254"],
    ],
    [
      {
        subnets: ["192.168.140.0/24", "2001:db8:abc9::/64", "192.168.142.0/24"],
        gateways: ["2001:db8:abc9::22", "192.168.142.9"],
        ipRanges: ["2001:db8:abc9::100/120", "192.168.140.128/25"],
        auxAddresses: { printer: "192.168.142.7", dns: "2001:db8:abc9::53", ntp: "192.168.142.8" },
      },
      [
        "192.168.140.0/24 gateway 192.168.140.1 range 192.168.140.128/25",
        "2001:db8:abc9::/64 gateway 2001:db8:abc9::22 range 2001:db8:abc9::100/120 dns=2001:db8:abc9::53",
        "192.168.142.0/24 gateway 192.168.142.9 printer=192.168.142.7 ntp=192.168.142.8",
      ],
    ],
    [
      { subnets: ["10.0.0.0/30", "2001:db8::/126"] },
      ["10.0.0.0/30 gateway 10.0.0.1", "2001:db8::/126 gateway 2001:db8::1"],
    ],
    [
      { subnets: ["10.0.0.0/31", "10.0.0.2/32", "2001:db8::/127", "2001:db8::2/128"] },
      ["10.0.0.0/31", "10.0.0.2/32", "2001:db8::/127", "2001:db8::2/128"],
    ],
    [
      { subnets: ["10.0.0.0/31", "2001:db8::/127"], gateways: ["10.0.0.0", "2001:db8::1"] },
      ["10.0.0.0/31 gateway 10.0.0.0", "2001:db8::/127 gateway 2001:db8::1"],
    ],
    [
      { subnets: ["0.0.0.0/0", "::/0"] },
      ["0.0.0.0/0 gateway 0.0.0.1", "::/0 gateway ::1"],
    ],
    // The last address of an IPv6 subnet is like any other.
    [
      { subnets: ["2001:db8::/64"], gateways: ["2001:db8::ffff:ffff:ffff:ffff"] },
      ["2001:db8::/64 gateway 2001:db8::ffff:ffff:ffff:ffff"],
    ],
    [
      { subnets: ["10.0.0.0/24"], ipRanges: ["10.0.0.0/24"] },
      ["10.0.0.0/24 gateway 10.0.0.1 range 10.0.0.0/24"],
    ],
    [
      { subnets: ["10.0.0.0/24"], auxAddresses: { ["__proto__"]: "10.0.0.9" } },
      ["10.0.0.0/24 gateway 10.0.0.1 __proto__=10.0.0.9"],
    ],
  ];
  for (const [words, subnets] of cases) {
    const result = good(read(words));
    assertEquals(result.subnets.map(show), subnets);
    assertEquals(result.notices, []);
  }
});

Deno.test("masked host bits are noticed, with what was written and what is taken", () => {
  const result = good(read({
    subnets: ["172.16.50.0/22", "10.1.100.0/16", "172.16.80.0/24"],
    gateways: ["172.16.50.1", "10.1.100.1"],
    ipRanges: ["172.16.80.77/28"],
  }));
  assertEquals(result.subnets.map(show), [
    "172.16.48.0/22 gateway 172.16.50.1",
    "10.1.0.0/16 gateway 10.1.100.1",
    "172.16.80.0/24 gateway 172.16.80.1 range 172.16.80.64/28",
  ]);
  assertEquals(result.notices, [
    {
      role: "subnet",
      from: "172.16.50.0/22",
      to: "172.16.48.0/22",
      message: "Subnet 172.16.50.0/22 has host bits set: it is taken as 172.16.48.0/22",
    },
    {
      role: "subnet",
      from: "10.1.100.0/16",
      to: "10.1.0.0/16",
      message: "Subnet 10.1.100.0/16 has host bits set: it is taken as 10.1.0.0/16",
    },
    {
      role: "ip-range",
      from: "172.16.80.77/28",
      to: "172.16.80.64/28",
      message: "Ip-range 172.16.80.77/28 has host bits set: it is taken as 172.16.80.64/28",
    },
  ]);
});

Deno.test("each rule broken alone gives its one problem", () => {
  const net = { subnets: ["10.0.0.0/24"] };
  const net6 = { subnets: ["2001:db8::/64"] };
  const two = { subnets: ["10.0.0.0/24", "10.0.1.0/24"] };
  const cases: [Words, string][] = [
    [
      { subnets: ["10.0.0/24"] },
      'invalid-prefix: Invalid prefix "10.0.0/24": "10.0.0" is not an address: write it like 192.168.1.10 or 2001:db8::10',
    ],
    [
      // A gateway may have been meant for the subnet that could not be read.
      { subnets: ["10.0.0.0/33"], gateways: ["10.0.0.1"] },
      'invalid-prefix: Invalid prefix "10.0.0.0/33": the length must be a number from 0 to 32',
    ],
    [
      { ...net, gateways: ["10.0.0.01"] },
      'invalid-address: Invalid address "10.0.0.01": a part has a leading zero; leave the zero out',
    ],
    [
      { ...net, ipRanges: ["10.0.0.0"] },
      'invalid-prefix: Invalid prefix "10.0.0.0": the length is missing; write it like 192.168.1.0/24',
    ],
    [
      { ...net, auxAddresses: { a: "" } },
      'invalid-address: Invalid address "": it is empty',
    ],
    [
      { subnets: ["10.0.0.0/24", "10.0.0.128/25"], gateways: ["10.0.0.1"] },
      "subnets-overlap: Subnet 10.0.0.128/25 overlaps subnet 10.0.0.0/24 of the same network: leave one of them out",
    ],
    [
      { subnets: ["10.0.0.0/24", "10.0.0.0/24"] },
      "subnets-overlap: Subnet 10.0.0.0/24 overlaps subnet 10.0.0.0/24 of the same network: leave one of them out",
    ],
    [
      { ...net, gateways: ["10.0.1.1"] },
      "outside-subnet: Gateway 10.0.1.1 is outside subnet 10.0.0.0/24: give one inside it",
    ],
    [
      { ...two, gateways: ["2001:db8::1"] },
      "outside-subnet: Gateway 2001:db8::1 is outside every subnet (10.0.0.0/24, 10.0.1.0/24): give one inside a subnet",
    ],
    [
      { gateways: ["10.0.0.1"] },
      "outside-subnet: Gateway 10.0.0.1 is in no subnet, as there is none: give the subnet too",
    ],
    [
      { ...net, ipRanges: ["10.0.0.0/23"] },
      "outside-subnet: Ip-range 10.0.0.0/23 is outside subnet 10.0.0.0/24: give one inside it",
    ],
    [
      { ...net, auxAddresses: { a: "10.0.1.1" } },
      "outside-subnet: Auxiliary address 10.0.1.1 is outside subnet 10.0.0.0/24: give one inside it",
    ],
    [
      { ...two, gateways: ["10.0.1.1", "10.0.0.1", "10.0.1.2"] },
      "duplicate-in-subnet: Subnet 10.0.1.0/24 has more than one gateway (10.0.1.1, 10.0.1.2): give only one",
    ],
    [
      { ...two, ipRanges: ["10.0.1.0/28", "10.0.0.0/28", "10.0.1.16/28"] },
      "duplicate-in-subnet: Subnet 10.0.1.0/24 has more than one ip-range (10.0.1.0/28, 10.0.1.16/28): give only one",
    ],
    [
      { ...net, gateways: ["10.0.0.0"] },
      "unusable-address: Gateway 10.0.0.0 is the network address of subnet 10.0.0.0/24: give another one",
    ],
    [
      { ...net, gateways: ["10.0.0.255"] },
      "unusable-address: Gateway 10.0.0.255 is the broadcast address of subnet 10.0.0.0/24: give another one",
    ],
    [
      { ...net6, gateways: ["2001:db8::"] },
      "unusable-address: Gateway 2001:db8:: is the subnet-router anycast address of subnet 2001:db8::/64: give another one",
    ],
    [
      { ...net, auxAddresses: { a: "10.0.0.255" } },
      "unusable-address: Auxiliary address 10.0.0.255 is the broadcast address of subnet 10.0.0.0/24: give another one",
    ],
    [
      { ...net, gateways: ["10.0.0.9"], auxAddresses: { a: "10.0.0.9" } },
      "reserved-address: Auxiliary address 10.0.0.9 is already the gateway of subnet 10.0.0.0/24: give another one",
    ],
    [
      // The gateway that was refused may have been meant to be other than the default.
      { ...net, gateways: ["10.0.0.255"], auxAddresses: { a: "10.0.0.1" } },
      "unusable-address: Gateway 10.0.0.255 is the broadcast address of subnet 10.0.0.0/24: give another one",
    ],
    [
      // The gateway that nobody wrote counts too.
      { ...net, auxAddresses: { a: "10.0.0.1" } },
      "reserved-address: Auxiliary address 10.0.0.1 is already the gateway of subnet 10.0.0.0/24: give another one",
    ],
    [
      { ...net, auxAddresses: { a: "10.0.0.9", b: "10.0.0.9" } },
      "reserved-address: Auxiliary address 10.0.0.9 is already the auxiliary address a of subnet 10.0.0.0/24: give another one",
    ],
  ];
  for (const [words, problem] of cases) {
    const result = read(words);
    assert(!result.ok, problem);
    assertEquals(result.problems.map(({ code, message }) => `${code}: ${message}`), [problem]);
  }
});

Deno.test("each word that fits nowhere is a problem of its own, which says which word", () => {
  const { subnets, problems } = nest({
    subnets: ["10.0.0.0/24", "nonsense", "2001:db8::/64"],
    gateways: ["1.2.3", "192.168.0.1", "2001:db8::1", "2001:db8::2"],
    ipRanges: ["10.0.0.0/33", "10.9.0.0/16"],
    auxAddresses: { a: "10.0.0.9", b: "fe80::1%eth0" },
  });
  assertEquals(problems.map(({ code, field }) => [code, ...field]), [
    ["invalid-address", "gateways", 0],
    ["outside-subnet", "gateways", 1],
    ["invalid-prefix", "ipRanges", 0],
    ["outside-subnet", "ipRanges", 1],
    ["invalid-address", "auxAddresses", "b"],
    ["duplicate-in-subnet", "gateways"],
  ]);
  assertEquals(subnets, [
    { subnet: "10.0.0.0/24", auxAddresses: { a: "10.0.0.9" } },
    { subnet: "nonsense" },
    { subnet: "2001:db8::/64", gateway: "2001:db8::1" },
  ]);
});

Deno.test("a subnet keeps its own gateway, and a second one is refused", () => {
  const first = { subnet: "10.0.0.0/24", gateway: "10.0.0.9", auxAddresses: { a: "10.0.0.5" } };
  const result = nestSubnets([first], {
    gateways: ["10.0.0.8"],
    ipRanges: ["10.0.0.0/25"],
    auxAddresses: { b: "10.0.0.6" },
  });
  assertEquals(result.problems.map(({ message }) => message), [
    "Subnet 10.0.0.0/24 has more than one gateway (10.0.0.9, 10.0.0.8): give only one",
  ]);
  assertEquals(result.subnets, [{
    ...first,
    ipRange: "10.0.0.0/25",
    auxAddresses: { a: "10.0.0.5", b: "10.0.0.6" },
  }]);
});

Deno.test("the order of gateways and ranges does not matter, and printing reads back the same", () => {
  const subnet = (prefixes: fc.Arbitrary<Prefix>) =>
    fc.tuple(prefixes, fc.bigInt(0n, 999n)).map(([prefix, offset]) => {
      const bits = prefix.first + offset % (prefix.last - prefix.first + 1n);
      const gateway = { family: prefix.family, bits };
      return { prefix, gateway: whyUnusable(prefix, gateway) ? firstUsable(prefix) : gateway };
    });
  const subnets = fc.uniqueArray(fc.oneof(subnet(prefix(4, 0, 20)), subnet(prefix(6, 0, 64))), {
    minLength: 1,
    maxLength: 6,
    comparator: (a, b) => contains(a.prefix, b.prefix) || contains(b.prefix, a.prefix),
  });
  const shuffled = subnets.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))
  );
  fc.assert(fc.property(shuffled, ([list, other]) => {
    const { subnets } = good(read({
      subnets: list.map(({ prefix }) => formatPrefix(prefix)),
      gateways: other.map(({ gateway }) => formatAddress(gateway)),
    }));
    assertEquals(
      subnets,
      list.map(({ prefix, gateway }) => ({ prefix, gateway, reserved: new Map() })),
    );
  }));
});

Deno.test("the gateway none is for the subnets without another one", () => {
  const subnets = ["192.168.1.0/24", "192.168.2.0/24", "fd00:1::/64"];
  const gateways = (...given: string[]) => {
    const { subnets: nested, problems } = nest({ subnets, gateways: given });
    return problems.length > 0
      ? problems.map(({ code }) => code)
      : nested.map(({ gateway }) => gateway);
  };
  assertEquals(gateways("none"), ["none", "none", "none"]);
  assertEquals(gateways("none", "192.168.2.9"), ["none", "192.168.2.9", "none"]);
  assertEquals(gateways("192.168.2.9", "192.168.1.9", "fd00:1::9", "none"), [
    "duplicate-in-subnet",
  ]);
  assertEquals(nest({ gateways: ["none"] }).problems.map(({ message }) => message), [
    "Gateway none is in no subnet, as there is none: give the subnet too",
  ]);
});
