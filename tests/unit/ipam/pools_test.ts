import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AddressInUseError,
  AddressNotInUseError,
  formatPrefix,
  InvalidAddressError,
  NoSubnetError,
  OutsideSubnetError,
  parseSubnets,
  PoolExhaustedError,
  Pools,
  type Subnet,
} from "../../../lib/ipam/mod.ts";

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

Deno.test("a first subnet that is exhausted is an error that names it, not the second's turn", () => {
  const pools = Pools.of(subnets("10.0.0.0/30", "10.0.1.0/24"), ["10.0.0.2"]);
  const error = assertThrows(() => pools.takeNext(4), PoolExhaustedError);
  assertEquals(error.subnet, "10.0.0.0/30");
});

Deno.test("a family without a subnet is an error", () => {
  const error = assertThrows(
    () => Pools.of(subnets("10.0.0.0/24")).takeNext(6),
    NoSubnetError,
    "The network has no IPv6 subnet",
  );
  assertEquals(error.family, 6);
  assertThrows(() => Pools.of([]).takeNext(4), NoSubnetError);
});

Deno.test("an address that is asked for comes from the subnet that contains it", () => {
  const pools = Pools.of(subnets("10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64"), ["10.0.1.7"]);
  const taken = pools.take("10.0.1.2");
  assertEquals([taken.address, formatPrefix(taken.subnet.prefix)], ["10.0.1.2", "10.0.1.0/24"]);
  assertThrows(() => taken.pools.take("10.0.1.2"), AddressInUseError);
  assertThrows(() => pools.take("10.0.1.7"), AddressInUseError);
  assertEquals(pools.take("2001:DB8:0::0010").address, "2001:db8::10");
  const outside = assertThrows(() => pools.take("10.0.2.2"), OutsideSubnetError);
  assertEquals(outside.subnets, ["10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64"]);
  assertThrows(() => pools.take("10.0.1"), InvalidAddressError);
});

Deno.test("releasing gives the address back to its subnet, and the old pools stay as they were", () => {
  const pools = Pools.of(subnets("10.0.0.0/24", "2001:db8::/64"), ["10.0.0.2", "2001:db8::2"]);
  const released = pools.release("10.0.0.2");
  assertEquals(released.takeNext(4).address, "10.0.0.2");
  assertEquals(released.takeNext(6).address, "2001:db8::3");
  assertEquals(pools.takeNext(4).address, "10.0.0.3");
  assertEquals(pools.release("2001:db8:0:0::2").takeNext(6).address, "2001:db8::2");
  assertThrows(() => released.release("10.0.0.2"), AddressNotInUseError);
  assertThrows(() => pools.release("10.0.1.2"), OutsideSubnetError);
});

Deno.test("pools are made only of addresses of their subnets", () => {
  assertThrows(() => Pools.of(subnets("10.0.0.0/24"), ["10.0.1.2"]), OutsideSubnetError);
  assertThrows(() => Pools.of(subnets("10.0.0.0/24"), ["nonsense"]), InvalidAddressError);
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
