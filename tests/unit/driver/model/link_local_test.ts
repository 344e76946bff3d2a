import { assertEquals } from "@std/assert";
import {
  linkLocalProblem,
  linkLocalProblems,
  withLinkLocalLength,
} from "../../../../lib/driver/model/link_local.ts";
import { network } from "../../../kit/values.ts";

const RANGE = "give one of 169.254.0.0/16 or of fe80::/10";
const TWICE = "it is given twice";
const IPV4_ONLY = 'the network "n" has no IPv6 subnet, so its links have no IPv6';

/** Invalid texts. Each has the rule that it breaks with IPv4 only, and the one with IPv6. */
const GIVEN: [texts: string[], ipv4: (string | undefined)[], both?: (string | undefined)[]][] = [
  [["169.254.0.0", "169.254.255.255"], [undefined, undefined]],
  [["169.253.255.255", "169.255.0.0"], [RANGE, RANGE]],
  [["fe80::1", "febf::"], [IPV4_ONLY, IPV4_ONLY], [undefined, undefined]],
  [["fe7f::1", "fec0::"], [RANGE, RANGE]],
  [["169.254.0.1", "169.254.0.2", "169.254.0.1"], [undefined, undefined, TWICE]],
  [["fe80::1", "FE80:0::1"], [IPV4_ONLY, TWICE], [undefined, TWICE]],
];

const both = network("n", {
  subnets: ["10.0.0.0/24", "fd00::/64"].map((subnet) => ({ subnet, auxAddresses: {} })),
});

for (const [texts, ipv4, ipv6 = ipv4] of GIVEN) {
  Deno.test(`of the link-local addresses ${texts.join(" and ")}, those are taken that fit`, () => {
    for (const [on, rules] of [[network("n"), ipv4], [both, ipv6]] as const) {
      const expected = texts.flatMap((text, index) => {
        const rule = rules[index];
        return rule ? [`The link-local address "${text}" is not valid: ${rule}`] : [];
      });
      assertEquals(linkLocalProblems(on, texts).map(({ message }) => message), expected);
    }
  });
}

Deno.test("what is no address is no link-local one", () => {
  assertEquals(linkLocalProblem("fe80::x")?.code, "invalid-address");
  assertEquals(linkLocalProblem("fe80::1"), undefined);
});

Deno.test("a link-local address has the prefix length that Docker gives it", () => {
  const addresses = ["169.254.7.1", "fe80::1"].map(withLinkLocalLength);
  assertEquals(addresses, ["169.254.7.1/16", "fe80::1/64"]);
});
