import { assertEquals } from "@std/assert";
import { matchesRoutes } from "../../../scenarios/kit/machines/lines.ts";

/** What `ip -4 route show` and `ip -6 route show` print in a container in L2 mode (iproute2 6.1). */
const V4 = `default via 192.168.30.1 dev eth0 
192.168.30.0/24 dev eth0 proto kernel scope link src 192.168.30.2 `;
const V6 = `2001:db8:abc9::/64 dev eth0 proto kernel metric 256 pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
default via 2001:db8:abc9::22 dev eth0 metric 1024 onlink pref medium`;

Deno.test("matchesRoutes takes the lines as the document prints them, in any order", () => {
  const documented = [
    "default via 192.168.30.1 dev eth0",
    "192.168.30.0/24 dev eth0 src 192.168.30.2",
  ];
  assertEquals(matchesRoutes(V4, documented), true);
  assertEquals(matchesRoutes(V4, documented.toReversed()), true);
  assertEquals(
    matchesRoutes(V6, [
      "2001:db8:abc9::/64 dev eth0 proto kernel metric 256",
      "default via 2001:db8:abc9::22 dev eth0 metric 1024",
    ]),
    true,
  );
  assertEquals(matchesRoutes("", []), true);
});

Deno.test("matchesRoutes refuses another next hop, link, source, and what else a line names", () => {
  const connected = "192.168.30.0/24 dev eth0 src 192.168.30.2";
  for (
    const wrong of [
      ["default via 192.168.30.254 dev eth0", connected],
      ["default via 192.168.30.1 dev eth1", connected],
      ["default dev eth0", connected],
      ["default via 192.168.30.1 dev eth0", "192.168.30.0/24 dev eth0 src 192.168.30.3"],
      ["default via 192.168.30.1 dev eth0", "192.168.30.0/24 dev eth0"],
      ["default via 192.168.30.1 dev eth0 metric 5", connected],
    ]
  ) assertEquals(matchesRoutes(V4, wrong), false, wrong.join("; "));
});

Deno.test("matchesRoutes refuses a route too many or too few", () => {
  assertEquals(matchesRoutes(V4, ["default via 192.168.30.1 dev eth0"]), false);
  assertEquals(matchesRoutes("default dev eth0 scope link", []), false);
  assertEquals(matchesRoutes("", ["default dev eth0"]), false);
  // A line said twice is not two routes.
  assertEquals(
    matchesRoutes("default dev eth0\n10.0.0.0/8 dev eth0", [
      "default dev eth0",
      "default dev eth0",
    ]),
    false,
  );
  assertEquals(matchesRoutes("default dev eth0", ["default dev eth0", "default dev eth0"]), false);
});

Deno.test("matchesRoutes counts link-local routes only where one is expected", () => {
  const rest = ["2001:db8:abc9::/64 dev eth0", "default via 2001:db8:abc9::22 dev eth0"];
  assertEquals(matchesRoutes(V6, [...rest, "fe80::/64 dev eth0"]), true);
  assertEquals(matchesRoutes(V6, [...rest, "fe80::/64 dev eth1"]), false);
  // Only the prefix: a route to one address is made by somebody.
  assertEquals(matchesRoutes(`${V6}\nfe80::1 dev eth0`, rest), false);
});
