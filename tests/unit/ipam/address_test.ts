import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isIPv4, isIPv6 } from "node:net";
import { endpointAddresses, familyOf } from "../../../lib/ipam/address.ts";
import { formatAddress, formatPrefix, parseAddress } from "../../../lib/ipam/mod.ts";
import { address, anyPrefix } from "../../kit/arbitraries.ts";
import { assertThrowsError } from "../../kit/errors.ts";

Deno.test("an address is read and printed in canonical form", () => {
  const cases: [string, 4 | 6, bigint, string][] = [
    ["0.0.0.0", 4, 0n, "0.0.0.0"],
    ["192.168.1.10", 4, 0xc0a8010an, "192.168.1.10"],
    ["255.255.255.255", 4, 2n ** 32n - 1n, "255.255.255.255"],
    ["::", 6, 0n, "::"],
    ["::1", 6, 1n, "::1"],
    ["::102:304", 6, 0x01020304n, "::102:304"],
    ["2001:DB8:ABC2:0:0:0:0:22", 6, 0x20010db8abc200000000000000000022n, "2001:db8:abc2::22"],
    ["2001:0db8::0001", 6, 0x20010db8000000000000000000000001n, "2001:db8::1"],
    // RFC 5952, section 4.2.2: one zero group is not shortened.
    ["2001:db8::1:1:1:1:1", 6, 0x20010db8000000010001000100010001n, "2001:db8:0:1:1:1:1:1"],
    // Section 4.2.3: the longest run is shortened, and the first of two as long.
    ["2001:0:0:1:0:0:0:1", 6, 0x20010000000000010000000000000001n, "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", 6, 0x20010db8000000000001000000000001n, "2001:db8::1:0:0:1"],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6, 2n ** 128n - 1n, "ffff:".repeat(7) + "ffff"],
  ];
  for (const [text, family, bits, canonical] of cases) {
    const read = parseAddress(text);
    assertEquals(read, { family, bits }, text);
    assertEquals(formatAddress(read), canonical, text);
  }
});

Deno.test("text that is not strictly an address is refused with the reason", () => {
  const cases: [string, string][] = [
    ["", "it is empty"],
    [" 10.0.0.1", "it contains a blank"],
    ["10.0.0.1\n", "it contains a blank"],
    ["2001:db8:: 1", "it contains a blank"],
    ["10.0.0.1/24", "it has a prefix length"],
    ["::1/64", "it has a prefix length"],
    ["fe80::1%eth0", "it has a zone"],
    ["10.0.0.1%eth0", "it has a zone"],
    ["::ffff:10.0.0.1", "it is an IPv4 address inside an IPv6 one"],
    ["64:ff9b::10.0.0.1", "it is an IPv4 address inside an IPv6 one"],
    ["::ffff:a00:1", "it is an IPv4-mapped address; write 10.0.0.1"],
    ["0:0:0:0:0:FFFF::", "it is an IPv4-mapped address; write 0.0.0.0"],
    ["010.0.0.1", "a part has a leading zero"],
    ["10.0.0.01", "a part has a leading zero"],
    ["10.0.00.1", "a part has a leading zero"],
  ];
  const malformed = [
    ...["1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "10.0.0.256", "10.0.0.1000"],
    ...["1", "16909060", "0x7f.1.1.1", "0x7f000001", "-1.0.0.1", "+1.2.3.4", "1.2.3.a", "١.1.1.1"],
    ...["localhost", "eth0", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"],
    ...["1:2:3:4::5:6:7:8", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "g::", "12345::", "00001::"],
    ...["[::1]", "::1]", "1:2:3:4:5:6:7::8"],
  ];
  for (const text of malformed) cases.push([text, "write it like 192.168.1.10"]);
  for (const [text, reason] of cases) {
    const error = assertThrowsError(() => parseAddress(text), "invalid-address", reason, text);
    assertEquals(error.value, text);
  }
});

Deno.test("printing and reading an address gives the same address", () => {
  fc.assert(fc.property(address(), (value) => {
    assertEquals(parseAddress(formatAddress(value)), value);
  }));
});

Deno.test("an address is read exactly where another implementation reads one", () => {
  const scrap = fc.constantFrom(
    "0",
    "1",
    "25",
    "255",
    "256",
    "abcd",
    ".",
    ".",
    ":",
    ":",
    "::",
    "g",
  );
  const text = fc.oneof(
    fc.array(scrap, { maxLength: 16 }).map((scraps) => scraps.join("")),
    fc.array(fc.nat(300), { minLength: 3, maxLength: 5 }).map((parts) => parts.join(".")),
    fc.array(fc.constantFrom("", "0", "1", "ffff", "fffff"), { minLength: 2, maxLength: 9 })
      .map((groups) => groups.join(":")),
  );
  const isMapped = (candidate: string) => {
    const url = new URL(`http://[${candidate}]`);
    return /^\[::ffff:[0-9a-f]*:[0-9a-f]*\]$/.test(url.hostname);
  };
  let accepted = 0;
  fc.assert(
    fc.property(text, (candidate) => {
      const expected = isIPv4(candidate) ||
        (isIPv6(candidate) && !candidate.includes(".") && !isMapped(candidate));
      accepted += Number(expected);
      if (expected) parseAddress(candidate);
      else assertThrowsError(() => parseAddress(candidate), "invalid-address");
    }),
    { numRuns: 2000 },
  );
  assert(accepted > 50, `only ${accepted} of the texts were addresses`);
});

Deno.test("familyOf() is the family of any address or prefix in text", () => {
  fc.assert(
    fc.property(address(), anyPrefix(), (address, prefix) => {
      assertEquals(familyOf(formatAddress(address)), address.family);
      assertEquals(familyOf(formatPrefix(prefix)), prefix.family);
    }),
    { seed: 8, numRuns: 500 },
  );
});

Deno.test("endpointAddresses() lists the addresses there are, IPv4 first", () => {
  assertEquals(endpointAddresses({ ip6: "fd00::2/64", ip: "10.0.0.2/24" }), [
    "10.0.0.2/24",
    "fd00::2/64",
  ]);
  assertEquals(endpointAddresses({ ip6: "fd00::2/64" }), ["fd00::2/64"]);
  assertEquals(endpointAddresses({}), []);
});
