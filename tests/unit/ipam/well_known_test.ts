import { assertEquals } from "@std/assert";
import { defaultPool } from "../../../lib/ipam/well_known.ts";
import { formatPrefix, parsePrefix } from "../../../lib/ipam/mod.ts";
import { assertThrowsError } from "../../kit/errors.ts";

function first(...used: string[]): string {
  return formatPrefix(defaultPool(used.map((text) => parsePrefix(text).prefix)));
}

Deno.test("the default pool is the first that overlaps nothing in use", () => {
  const cases: [string[], string][] = [
    [[], "172.18.0.0/16"],
    [["172.17.0.0/16", "10.0.0.0/8", "192.168.1.0/24", "2001:db8::/64", "::/0"], "172.18.0.0/16"],
    [["172.18.0.0/16"], "172.19.0.0/16"],
    [["172.19.0.0/16"], "172.18.0.0/16"],
    [["172.18.255.255/32"], "172.19.0.0/16"],
    [["172.20.0.0/16", "172.18.0.0/15"], "172.21.0.0/16"],
    [["172.16.0.0/13"], "172.24.0.0/16"],
    [["172.16.0.0/12"], "192.168.0.0/20"],
    [["172.16.0.0/12", "192.168.1.0/24"], "192.168.16.0/20"],
    [["172.16.0.0/12", "192.168.0.0/17", "192.168.128.0/18"], "192.168.192.0/20"],
  ];
  for (const [used, expected] of cases) assertEquals(first(...used), expected);
});

Deno.test("the default pools come in order until there is none", () => {
  const given: string[] = [];
  for (let count = 0; count < 30; count++) given.push(first(...given));
  assertEquals(given.slice(0, 3), ["172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16"]);
  assertEquals(given.slice(13, 16), ["172.31.0.0/16", "192.168.0.0/20", "192.168.16.0/20"]);
  assertEquals(given.at(-1), "192.168.240.0/20");
  const error = assertThrowsError(
    () => first(...given),
    "pools-exhausted",
    "All 30 default pools (172.18.0.0/16 to 192.168.240.0/20) overlap",
  );
  assertEquals(error.pools, given);
  assertThrowsError(() => first("0.0.0.0/0"), "pools-exhausted");
});
