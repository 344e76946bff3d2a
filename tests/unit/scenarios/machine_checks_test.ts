import { assertEquals } from "@std/assert";
import { countingLines, parseCounts } from "../../../scenarios/kit/machines/checks.ts";

Deno.test("countingLines() counts what a kernel sends unasked apart from all else", () => {
  const lines = countingLines("p0", [10, 20]);
  assertEquals(lines.slice(0, 3), [
    "qdisc add dev p0 clsact",
    "filter add dev p0 ingress pref 1 protocol ip flower ip_proto 2 action pass",
    "filter add dev p0 ingress pref 3 protocol 802.1Q flower vlan_ethtype ip ip_proto 2 action pass",
  ]);
  assertEquals(lines.slice(-5), [
    "filter add dev p0 ingress pref 5 protocol 802.1Q flower vlan_id 10 action pass",
    "filter add dev p0 ingress pref 5 protocol 802.1Q flower vlan_id 20 action pass",
    "filter add dev p0 ingress pref 6 protocol 802.1Q flower action pass",
    "filter add dev p0 ingress pref 7 protocol 802.1ad flower action pass",
    "filter add dev p0 ingress pref 9 protocol all matchall action pass",
  ]);
});

Deno.test("parseCounts() reads the filters of tc by their numbers", () => {
  const filter = (pref: number, packets: number, keys?: { vlan_id: number }) => [
    { protocol: "802.1Q", pref, kind: "flower", chain: 0 },
    { pref, options: { handle: 1, keys, actions: [{ kind: "gact", stats: { packets } }] } },
  ];
  const json = [
    ...[...filter(1, 7), ...filter(4, 8), ...filter(5, 2, { vlan_id: 10 })],
    ...[...filter(5, 0, { vlan_id: 20 }), ...filter(6, 3), ...filter(7, 4), ...filter(9, 5)],
  ];
  assertEquals(parseCounts(JSON.stringify(json)), {
    tagged: new Map([[10, 2], [20, 0]]),
    other: 7,
    untagged: 5,
  });
});
