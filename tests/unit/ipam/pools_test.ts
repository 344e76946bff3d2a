import { assert, assertEquals } from "@std/assert";
import {
  type AddressUse,
  formatPrefix,
  parseSubnets,
  Pools,
  type Subnet,
} from "../../../lib/ipam/mod.ts";
import { assertThrowsError } from "../../kit/errors.ts";

function subnets(...prefixes: string[]): readonly Subnet[] {
  const result = parseSubnets(prefixes);
  assert(result.ok);
  return result.subnets;
}

Deno.test("an automatic address comes from the family's first subnet, in the order given", () => {
  const pools = Pools.of(
    subnets("2001:db8:2::/64", "192.168.142.0/24", "192.168.140.0/24", "2001:db8:1::/64"),
    ["192.168.142.2", "2001:db8:1::2", "192.168.140.2"],
  );
  const four = pools.takeNext(4);
  assertEquals([four.address, formatPrefix(four.subnet.prefix)], [
    "192.168.142.3",
    "192.168.142.0/24",
  ]);
  const six = four.pools.takeNext(6);
  assertEquals([six.address, formatPrefix(six.subnet.prefix)], [
    "2001:db8:2::2",
    "2001:db8:2::/64",
  ]);
  assertEquals(six.pools.takeNext(4).address, "192.168.142.4");
});

Deno.test("where a subnet is full, the address comes from the family's next one", () => {
  const pools = Pools.of(
    subnets("10.0.0.0/30", "2001:db8::/64", "10.0.1.0/30", "10.0.2.0/24"),
    ["10.0.0.2"],
  );
  const second = pools.takeNext(4);
  assertEquals([second.address, formatPrefix(second.subnet.prefix)], ["10.0.1.2", "10.0.1.0/30"]);
  const third = second.pools.takeNext(4);
  assertEquals([third.address, formatPrefix(third.subnet.prefix)], ["10.0.2.2", "10.0.2.0/24"]);
  // An address that is free again is taken first.
  assertEquals(third.pools.release("10.0.0.2").takeNext(4).address, "10.0.0.2");
  assertEquals(third.pools.takeNext(6).address, "2001:db8::2");
});

Deno.test("a family is exhausted when all its subnets are, and the error names the first", () => {
  const of = (...prefixes: string[]) =>
    Pools.of(
      subnets("2001:db8::/64", ...prefixes),
      prefixes.map((each) => each.replace("0/30", "2")),
    );
  const said = (pools: Pools) => {
    const error = assertThrowsError(() => pools.takeNext(4), "pool-exhausted");
    assertEquals(error.subnet, "10.0.0.0/30");
    return error.message;
  };
  const rest = ": release one, or ask for an address elsewhere";
  assertEquals(said(of("10.0.0.0/30")), `Subnet 10.0.0.0/30 has no free address${rest}`);
  assertEquals(
    said(of("10.0.0.0/30", "10.0.1.0/30")),
    `Subnet 10.0.0.0/30 and 1 other of its family have no free address${rest}`,
  );
  const range = parseSubnets([{ subnet: "10.0.0.0/24", ipRange: "10.0.0.0/31" }]);
  assert(range.ok);
  const error = assertThrowsError(() => Pools.of(range.subnets).takeNext(4), "pool-exhausted");
  assertEquals([error.subnet, error.range], ["10.0.0.0/24", "10.0.0.0/31"]);
  assertEquals(
    error.message,
    `Ip-range 10.0.0.0/31 of subnet 10.0.0.0/24 has no free address${rest}`,
  );
  const sixty = Array.from({ length: 60 }, (_, index) => `10.0.${index}.0/30`);
  assertEquals(
    said(of(...sixty)),
    `Subnet 10.0.0.0/30 and 59 others of its family have no free address${rest}`,
  );
});

Deno.test("a family without a subnet is an error", () => {
  const error = assertThrowsError(
    () => Pools.of(subnets("10.0.0.0/24")).takeNext(6),
    "no-subnet",
    "The network has no IPv6 subnet",
  );
  assertEquals(error.family, 6);
  assertThrowsError(() => Pools.of([]).takeNext(4), "no-subnet");
});

Deno.test("an address that is asked for comes from the subnet that contains it", () => {
  const pools = Pools.of(subnets("10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64"), ["10.0.1.7"]);
  const taken = pools.take("10.0.1.2");
  assertEquals([taken.address, formatPrefix(taken.subnet.prefix)], ["10.0.1.2", "10.0.1.0/24"]);
  assertThrowsError(() => taken.pools.take("10.0.1.2"), "address-in-use");
  assertThrowsError(() => pools.take("10.0.1.7"), "address-in-use");
  assertEquals(pools.take("2001:DB8:0::0010").address, "2001:db8::10");
  const outside = assertThrowsError(() => pools.take("10.0.2.2"), "outside-subnet");
  assertEquals(outside.subnets, ["10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64"]);
  assertThrowsError(() => pools.take("10.0.1"), "invalid-address");
});

Deno.test("releasing gives the address back to its subnet, and the old pools stay as they were", () => {
  const pools = Pools.of(subnets("10.0.0.0/24", "2001:db8::/64"), ["10.0.0.2", "2001:db8::2"]);
  const released = pools.release("10.0.0.2");
  assertEquals(released.takeNext(4).address, "10.0.0.2");
  assertEquals(released.takeNext(6).address, "2001:db8::3");
  assertEquals(pools.takeNext(4).address, "10.0.0.3");
  assertEquals(pools.release("2001:db8:0:0::2").takeNext(6).address, "2001:db8::2");
  assertThrowsError(() => released.release("10.0.0.2"), "address-not-in-use");
  assertThrowsError(() => pools.release("10.0.1.2"), "outside-subnet");
});

Deno.test("pools are made only of addresses of their subnets", () => {
  assertThrowsError(
    () => Pools.of(subnets("10.0.0.0/24"), ["10.0.0.2", "10.0.1.2"]),
    "outside-subnet",
    "Address 10.0.1.2 is outside subnet 10.0.0.0/24",
  );
  assertThrowsError(() => Pools.of(subnets("10.0.0.0/24"), ["nonsense"]), "invalid-address");
});

Deno.test("the used and the free addresses of each subnet are counted", () => {
  const pools = Pools.of(subnets("10.0.0.0/29", "2001:db8::/64"), ["10.0.0.3"]);
  // Used: the first, the gateway, the one that is taken, the last. IPv6 has no broadcast.
  const counted = [{ used: 4n, free: 4n }, { used: 2n, free: 2n ** 64n - 2n }];
  assertEquals(pools.usage(), counted);
  assertEquals(pools.takeNext(4).pools.usage()[0], { used: 5n, free: 3n });
  const range = parseSubnets([{ subnet: "10.0.0.0/24", ipRange: "10.0.0.128/25" }]);
  assert(range.ok);
  // Of the range, only the last address is used.
  assertEquals(Pools.of(range.subnets, ["10.0.0.9"]).usage(), [{ used: 4n, free: 127n }]);
});

Deno.test("an address that is given away elsewhere is never the next one, but can be taken", () => {
  const pools = Pools.of(
    subnets("10.0.0.0/29", "2001:db8::/64"),
    ["10.0.0.2"],
    ["10.0.0.3", "10.0.0.2", "192.168.1.1", "2001:db8::2"],
  );
  assertEquals([pools.takeNext(4).address, pools.takeNext(6).address], ["10.0.0.4", "2001:db8::3"]);
  assertEquals(pools.usage()[0], { used: 4n, free: 3n });
  const taken = pools.take("10.0.0.3").pools;
  assertThrowsError(() => taken.take("10.0.0.3"), "address-in-use");
  assertEquals(taken.release("10.0.0.3").takeNext(4).address, "10.0.0.3");
});

Deno.test("the use of an address can be set, but for one that is reserved or in no subnet", () => {
  const pools = Pools.of(subnets("10.0.0.0/29"), ["10.0.0.2"]);
  const next = (address: string, use: AddressUse) => pools.mark(address, use).takeNext(4).address;
  assertEquals(next("10.0.0.3", "taken"), "10.0.0.4");
  assertEquals(next("10.0.0.3", "elsewhere"), "10.0.0.4");
  assertEquals(next("10.0.0.2", "free"), "10.0.0.2");
  assertEquals(next("10.0.0.1", "free"), "10.0.0.3");
  assertEquals(next("10.9.0.1", "taken"), "10.0.0.3");
  assertEquals([pools.contains("10.0.0.7"), pools.contains("10.0.0.8")], [true, false]);
  assertThrowsError(
    () => pools.mark("10.0.0.2", "elsewhere").release("10.0.0.2"),
    "address-not-in-use",
  );
});
