import { type ErrorCode, isIpvlanError } from "../../../lib/base/errors.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  contains,
  formatAddress,
  parseAddress,
  parseSubnets,
  Pools,
  type Subnet,
  type SubnetSpec,
  type Taken,
} from "../../../lib/ipam/mod.ts";
import { whyUnusable } from "../../../lib/ipam/prefix.ts";
import "../../kit/seed.ts";
import { assertThrowsError } from "../../kit/errors.ts";

function subnet(prefix: string, rest: Omit<SubnetSpec, "subnet"> = {}): Subnet {
  const result = parseSubnets([{ subnet: prefix, ...rest }]);
  assert(result.ok && result.subnets[0]);
  return result.subnets[0];
}

/** The pools of one subnet, with its family. */
interface Pool {
  subnet: Subnet;
  pools: Pools;
}

function poolOf(subnet: Subnet, taken: readonly string[] = []): Pool {
  return { subnet, pools: Pools.of([subnet], taken) };
}

/** Takes the next address; `undefined` if there is none. */
function takeNext({ subnet, pools }: Pool): Taken | undefined {
  try {
    return pools.takeNext(subnet.prefix.family);
  } catch (error) {
    if (!isIpvlanError(error, "pool-exhausted")) throw error;
  }
}

/** Takes what is next until there is nothing, or `most` times. */
function drain({ subnet, pools }: Pool, most = Infinity): string[] {
  const addresses: string[] = [];
  while (addresses.length < most) {
    const next = takeNext({ subnet, pools });
    if (!next) break;
    addresses.push(next.address);
    pools = next.pools;
  }
  return addresses;
}

Deno.test("addresses come lowest first, without the reserved, unusable and taken ones", () => {
  const net = subnet("10.0.0.0/29", { gateway: "10.0.0.3", auxAddresses: { ntp: "10.0.0.5" } });
  const cases: [Subnet, string[], string[]][] = [
    [net, [], ["10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.6"]],
    [net, ["10.0.0.4", "10.0.0.1"], ["10.0.0.2", "10.0.0.6"]],
    // Twice the same, and one that is reserved: neither gives an address away.
    [net, ["10.0.0.4", "10.0.0.4", "10.0.0.5"], ["10.0.0.1", "10.0.0.2", "10.0.0.6"]],
    [subnet("10.0.0.0/30"), [], ["10.0.0.2"]],
    [subnet("10.0.0.0/31"), [], ["10.0.0.0", "10.0.0.1"]],
    [subnet("10.0.0.0/31", { gateway: "10.0.0.0" }), [], ["10.0.0.1"]],
    [subnet("10.0.0.7/32"), [], ["10.0.0.7"]],
    [subnet("10.0.0.7/32", { gateway: "10.0.0.7" }), [], []],
    [subnet("2001:db8::/126"), [], ["2001:db8::2", "2001:db8::3"]],
    [subnet("2001:db8::/127"), [], ["2001:db8::", "2001:db8::1"]],
    [subnet("2001:db8::/128"), [], ["2001:db8::"]],
    [subnet("10.0.0.0/24", { ipRange: "10.0.0.0/30" }), [], ["10.0.0.2", "10.0.0.3"]],
    [subnet("10.0.0.0/24", { ipRange: "10.0.0.252/30" }), [], [
      "10.0.0.252",
      "10.0.0.253",
      "10.0.0.254",
    ]],
    [subnet("10.0.0.0/24", { ipRange: "10.0.0.8/30" }), ["10.0.0.7", "10.0.0.8"], [
      "10.0.0.9",
      "10.0.0.10",
      "10.0.0.11",
    ]],
    [subnet("10.0.0.0/24", { ipRange: "10.0.0.9/32" }), [], ["10.0.0.9"]],
    [subnet("10.0.0.0/24", { ipRange: "10.0.0.1/32" }), [], []],
  ];
  for (const [net, used, expected] of cases) {
    assertEquals(drain(poolOf(net, used)), expected);
  }
});

Deno.test("a large subnet is like a small one", () => {
  const cases: [string, string[]][] = [
    ["0.0.0.0/0", ["0.0.0.2", "0.0.0.3"]],
    ["10.0.0.0/8", ["10.0.0.2", "10.0.0.3"]],
    ["2001:db8::/64", ["2001:db8::2", "2001:db8::3"]],
    ["::/0", ["::2", "::3"]],
  ];
  for (const [prefix, expected] of cases) {
    assertEquals(drain(poolOf(subnet(prefix)), 2), expected);
  }
  assertEquals(drain(poolOf(subnet("10.0.0.0/20"))).length, 4096 - 3);
});

Deno.test("nothing is next when the subnet, or its ip-range, is full", () => {
  assertEquals(takeNext(poolOf(subnet("10.0.0.0/30"), ["10.0.0.2"])), undefined);
  assertEquals(takeNext(poolOf(subnet("10.0.0.0/24", { ipRange: "10.0.0.0/31" }))), undefined);
});

Deno.test("an address that is asked for may be outside the ip-range, and need only be free", () => {
  const net = subnet("192.168.1.0/24", {
    ipRange: "192.168.1.128/25",
    auxAddresses: { printer: "192.168.1.7" },
  });
  const { pools: pool } = poolOf(net, ["192.168.1.10"]);
  const { pools: after } = pool.take("192.168.1.9");
  assertThrowsError(() => after.take("192.168.1.9"), "address-in-use");
  assertEquals(drain({ subnet: net, pools: after }, 1), ["192.168.1.128"]);

  const { pools: net6 } = poolOf(subnet("2001:db8::/64"));
  net6.take("2001:db8::ffff:ffff:ffff:ffff");

  const refusals: [Pools, string, string][] = [
    [pool, "192.168.1.0", "unusable-address: Address 192.168.1.0 is the network address of"],
    [pool, "192.168.1.255", "unusable-address: Address 192.168.1.255 is the broadcast address"],
    [net6, "2001:db8::", "unusable-address: Address 2001:db8:: is the subnet-router anycast"],
    [pool, "192.168.1.1", "reserved-address: Address 192.168.1.1 is already the gateway of"],
    [
      pool,
      "192.168.1.7",
      "reserved-address: Address 192.168.1.7 is already the auxiliary addr",
    ],
    [
      pool,
      "192.168.1.10",
      "address-in-use: Address 192.168.1.10 of subnet 192.168.1.0/24 is in",
    ],
  ];
  for (const [pool, address, start] of refusals) {
    const [code = "", words] = start.split(": ");
    assertThrowsError(() => pool.take(address), code as ErrorCode, words);
  }
});

Deno.test("a released address is free again, and only taken addresses can be released", () => {
  const net = subnet("10.0.0.0/24", { auxAddresses: { ntp: "10.0.0.3" } });
  const { pools: pool } = poolOf(net, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]);
  const next = (pools: Pools) => drain({ subnet: net, pools }, 2);
  assertEquals(next(pool)[0], "10.0.0.6");
  assertEquals(next(pool.release("10.0.0.4")), ["10.0.0.4", "10.0.0.6"]);
  assertEquals(next(pool.release("10.0.0.2")), ["10.0.0.2", "10.0.0.6"]);
  for (const address of ["10.0.0.0", "10.0.0.1", "10.0.0.3", "10.0.0.6", "10.0.0.255"]) {
    assertThrowsError(() => pool.release(address), "address-not-in-use", address);
  }
});

// Small subnets of both families, with every sort of reservation, so that a model can list them.
const NETS: Subnet[] = [
  subnet("10.0.0.0/27"),
  subnet("10.0.0.0/31"),
  subnet("10.0.0.0/27", { gateway: "10.0.0.30", ipRange: "10.0.0.8/29" }),
  subnet("10.0.0.0/27", { ipRange: "10.0.0.16/28", auxAddresses: { a: "10.0.0.17" } }),
  subnet("255.255.255.224/27", { auxAddresses: { a: "255.255.255.230", b: "255.255.255.254" } }),
  subnet("2001:db8::/123", { gateway: "2001:db8::5", auxAddresses: { a: "2001:db8::6" } }),
  subnet("2001:db8::/127"),
  subnet("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffe0/123"),
];

/** The addresses of a subnet that endpoints can have, by going through all of them. */
function usable({ prefix, gateway, reserved }: Subnet): bigint[] {
  const kept = new Set([gateway?.bits, ...[...reserved.values()].map(({ bits }) => bits)]);
  const all: bigint[] = [];
  for (let bits = prefix.first; bits <= prefix.last; bits++) {
    if (!kept.has(bits) && !whyUnusable(prefix, { family: prefix.family, bits })) all.push(bits);
  }
  return all;
}

Deno.test("any sequence of takes and releases does what a naive list does", () => {
  const step = fc.oneof(
    fc.constant({ kind: "next" as const, at: 0 }),
    fc.record({ kind: fc.constantFrom("take" as const, "release" as const), at: fc.nat(33) }),
  );
  const steps = fc.array(step, { maxLength: 80, size: "max" });
  const seen = { exhausted: 0, refused: 0, done: 0 };
  fc.assert(fc.property(fc.constantFrom(...NETS), steps, (net, steps) => {
    const { prefix, range = prefix } = net;
    const { family } = prefix;
    const candidates = usable(net);
    let model = new Set<bigint>();
    let { pools: pool } = poolOf(net);
    for (const { kind, at } of steps) {
      const [oldPool, oldModel] = [pool, model];
      const bits = prefix.first + BigInt(at) % (prefix.last - prefix.first + 1n);
      const address = formatAddress({ family, bits });
      const free = candidates.filter((candidate) => !model.has(candidate));
      const inRange = free.filter((candidate) => contains(range, { family, bits: candidate }));
      if (kind === "next" && inRange[0] !== undefined) {
        const next = pool.takeNext(family);
        assertEquals(parseAddress(next.address), { family, bits: inRange[0] });
        pool = next.pools;
        model = new Set([...model, inRange[0]]);
        seen.done++;
      } else if (kind === "next") {
        assertEquals(takeNext({ subnet: net, pools: pool }), undefined);
        seen.exhausted++;
      } else if (kind === "take" && free.includes(bits)) {
        pool = pool.take(address).pools;
        model = new Set([...model, bits]);
        seen.done++;
      } else if (kind === "take") {
        const expected = model.has(bits)
          ? "address-in-use"
          : whyUnusable(prefix, { family, bits })
          ? "unusable-address"
          : "reserved-address";
        assertThrowsError(() => pool.take(address), expected);
        seen.refused++;
      } else if (model.has(bits)) {
        pool = pool.release(address);
        model = new Set([...model].filter((other) => other !== bits));
        seen.done++;
      } else {
        assertThrows(() => pool.release(address));
        seen.refused++;
      }
      assertHolds({ subnet: net, pools: pool }, model);
      assertHolds({ subnet: net, pools: oldPool }, oldModel);
    }
  }));
  for (const [what, times] of Object.entries(seen)) assert(times > 20, `${what} ${times} times`);

  function assertHolds(pool: Pool, model: ReadonlySet<bigint>): void {
    const { prefix, range = prefix } = pool.subnet;
    const first = usable(pool.subnet)
      .find((bits) => !model.has(bits) && range.first <= bits && bits <= range.last);
    const text = first === undefined ? [] : [formatAddress({ family: prefix.family, bits: first })];
    assertEquals(drain(pool, 1), text);
  }
});

Deno.test("the order in which addresses were taken is irrelevant", () => {
  const shuffled = fc.constantFrom(...NETS).chain((net) =>
    fc.tuple(fc.constant(net), fc.shuffledSubarray(usable(net)))
  );
  fc.assert(fc.property(shuffled, ([net, some]) => {
    const { family } = net.prefix;
    const addresses = some.map((bits) => formatAddress({ family, bits }));
    const { pools: none } = poolOf(net);
    const oneByOne = addresses.reduce((pools, address) => pools.take(address).pools, none);
    const left = drain(poolOf(net, addresses.toReversed()));
    assertEquals(drain(poolOf(net, addresses)), left);
    assertEquals(drain({ subnet: net, pools: oneByOne }), left);
  }));
});

Deno.test("no address is given twice, nor one outside the range, in subnets of any size", () => {
  const random = fc.tuple(
    fc.constantFrom(
      subnet("10.0.0.0/8", { ipRange: "10.77.0.0/16" }),
      subnet("2001:db8::/64", { auxAddresses: { a: "2001:db8::9" } }),
      subnet("0.0.0.0/0"),
      subnet("::/0"),
    ),
    fc.array(fc.nat(300), { maxLength: 200, size: "max" }),
  );
  fc.assert(
    fc.property(random, ([net, offsets]) => {
      const { prefix, range = prefix } = net;
      const used = offsets.map((offset) => range.first + BigInt(offset));
      const addresses = used.map((bits) => formatAddress({ family: prefix.family, bits }));
      const given = drain(poolOf(net, addresses), 150).map((text) => parseAddress(text).bits);
      const kept = [net.gateway, ...net.reserved.values()].map((address) => address?.bits);
      assertEquals(
        new Set([...given, ...used, ...kept]).size,
        150 + new Set([...used, ...kept]).size,
      );
      assert(given.every((bits) => contains(range, { family: prefix.family, bits })));
      assert(given.every((bits, index) => index === 0 || bits > (given[index - 1] ?? bits)));
    }),
    { numRuns: 50 },
  );
});
