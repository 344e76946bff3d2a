import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  addressBytes,
  addressText,
  hardwareAddress,
  macBytes,
} from "../../../lib/netlink/address.ts";
import "../../kit/seed.ts";

Deno.test("an IPv6 address is written as RFC 5952 says, and as inet_ntop(3) where it has IPv4", () => {
  const table = [
    ["::", "::"],
    ["::1", "::1"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["fe80::", "fe80::"],
    ["::ffff:10.0.0.9", "::ffff:10.0.0.9"],
    ["::10.0.0.9", "::10.0.0.9"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["192.168.1.255", "192.168.1.255"],
  ];
  for (const [given, printed] of table) {
    assertEquals(addressText(addressBytes(given!)), printed, given);
  }
});

Deno.test("the bytes of an address are those of its text", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    // Zeros are what is written in a way of its own.
    fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
      .map((all) => Uint8Array.from(all)),
  );
  fc.assert(fc.property(bytes, (all) => assertEquals(addressBytes(addressText(all)), all)));
});

Deno.test("a hardware address is pairs of digits, and that of a tunnel an IP address", () => {
  const mac = Uint8Array.of(2, 0, 0, 0xaa, 0, 1);
  assertEquals(macBytes("02:00:00:AA:0:01"), mac);
  assertEquals(macBytes("10.0.0.1"), undefined);
  const [ETHER, SIT, TUNNEL6] = [1, 776, 769];
  assertEquals(hardwareAddress(mac, ETHER), "02:00:00:aa:00:01");
  assertEquals(hardwareAddress(Uint8Array.of(127, 0, 0, 1), SIT), "127.0.0.1");
  assertEquals(hardwareAddress(Uint8Array.of(127, 0, 0, 1), ETHER), "7f:00:00:01");
  assertEquals(hardwareAddress(new Uint8Array(16), TUNNEL6), "::");
});
