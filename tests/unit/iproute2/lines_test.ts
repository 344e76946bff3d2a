import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { addrAdd, addrDel, type AddrSpec, AddrVerbs } from "../../../lib/iproute2/addr.ts";
import { linkAdd, linkDel, linkSet, LinkVerbs } from "../../../lib/iproute2/link.ts";
import type { LinkChanges, LinkSpec, LinkType } from "../../../lib/iproute2/link_types.ts";
import { neighChange, type NeighSpec, NeighVerbs } from "../../../lib/iproute2/neigh.ts";
import { netnsAdd, netnsDel, NetnsVerbs } from "../../../lib/iproute2/netns.ts";
import { routeChange, routeFlush, RouteVerbs } from "../../../lib/iproute2/route.ts";
import type { RouteSpec } from "../../../lib/iproute2/route_types.ts";
import { ruleChange, type RuleSpec, RuleVerbs } from "../../../lib/iproute2/rule.ts";
import { anyLink, type SpecOf } from "../../kit/arbitraries.ts";
import { Collector } from "../../kit/fake_ip.ts";
import { isIpvlanError } from "../../../lib/base/errors.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const ruleLine = (...rule: Parameters<typeof ruleChange>) => ruleChange(...rule).line;

/** The lines of each kind: with as little as it needs, and with every attribute. */
const LINES: { [Type in LinkType]: [SpecOf<Type>, string][] } = {
  dummy: [
    [{ type: "dummy", name: "d0" }, "link add name d0 type dummy"],
    [{ type: "dummy", name: "d0", up: false }, "link add name d0 type dummy"],
    [
      {
        type: "dummy",
        name: "d0",
        netns: "red",
        index: 70,
        mtu: 1400,
        txqlen: 500,
        group: 7,
        address: "02:00:00:00:00:01",
        up: true,
      },
      "link add name d0 netns red index 70 mtu 1400 txqueuelen 500 group 7 address 02:00:00:00:00:01 up type dummy",
    ],
  ],
  veth: [
    [{ type: "veth", name: "a", peer: { name: "b" } }, "link add name a type veth peer name b"],
    [
      { type: "veth", name: "a", netns: "red", peer: { name: "b", netns: "blue" } },
      "link add name a netns red type veth peer name b netns blue",
    ],
    [
      { type: "veth", name: "a", peer: { name: "b", netns: "/proc/7/ns/net" } },
      "link add name a type veth peer name b netns /proc/7/ns/net",
    ],
  ],
  vlan: [
    [
      { type: "vlan", name: "e.20", link: "e", id: 20 },
      "link add link e name e.20 type vlan protocol 802.1Q id 20",
    ],
    [
      {
        type: "vlan",
        name: "s",
        link: "e",
        id: 4094,
        protocol: "802.1ad",
        reorderHdr: false,
        gvrp: true,
        mvrp: true,
        looseBinding: true,
        bridgeBinding: true,
      },
      "link add link e name s type vlan protocol 802.1ad id 4094 reorder_hdr off gvrp on mvrp on " +
      "loose_binding on bridge_binding on",
    ],
  ],
  ipvlan: [
    [
      { type: "ipvlan", name: "i", link: "e", mode: "l2" },
      "link add link e name i type ipvlan mode l2 bridge",
    ],
    [
      { type: "ipvlan", name: "i", link: "e", mode: "l3s", flag: "vepa" },
      "link add link e name i type ipvlan mode l3s vepa",
    ],
  ],
  ipvtap: [
    [
      { type: "ipvtap", name: "i", link: "e", mode: "l2" },
      "link add link e name i type ipvtap mode l2 bridge",
    ],
    [
      { type: "ipvtap", name: "i", link: "e", mode: "l3", flag: "private" },
      "link add link e name i type ipvtap mode l3 private",
    ],
  ],
  macvlan: [
    [{ type: "macvlan", name: "m", link: "e" }, "link add link e name m type macvlan mode bridge"],
    [
      { type: "macvlan", name: "m", link: "e", mode: "passthru" },
      "link add link e name m type macvlan mode passthru",
    ],
  ],
  macvtap: [
    [{ type: "macvtap", name: "m", link: "e" }, "link add link e name m type macvtap mode bridge"],
    [
      { type: "macvtap", name: "m", link: "e", mode: "vepa" },
      "link add link e name m type macvtap mode vepa",
    ],
  ],
  bridge: [
    [{ type: "bridge", name: "br" }, "link add name br type bridge"],
    [
      { type: "bridge", name: "br", vlanFiltering: true, vlanProtocol: "802.1ad", vlanStats: true },
      "link add name br type bridge vlan_filtering 1 vlan_protocol 802.1ad " +
      "vlan_stats_enabled 1 vlan_stats_per_port 1",
    ],
    [
      { type: "bridge", name: "br", vlanFiltering: false, vlanStats: false },
      "link add name br type bridge vlan_filtering 0 vlan_stats_enabled 0 vlan_stats_per_port 0",
    ],
  ],
  vrf: [[
    { type: "vrf", name: "r", table: 0xffff_ffff },
    "link add name r type vrf table 4294967295",
  ]],
};
const LINKS: [LinkSpec, string][] = Object.values(LINES).flat();

const CHANGES: [LinkChanges, string][] = [
  [{}, ""],
  [{ up: true }, " up"],
  [{ up: false }, " down"],
  [{ name: "eth0", up: true }, " name eth0 up"],
  [{ netns: "red" }, " netns red"],
  [{ mtu: 68 }, " mtu 68"],
  [{ txqlen: 0 }, " txqueuelen 0"],
  [{ group: 0 }, " group 0"],
  [{ address: "02:00:00:00:00:01" }, " address 02:00:00:00:00:01"],
  [{ alias: "web net" }, ' alias "web net"'],
  [{ alias: null }, " alias ''"],
  [{ master: "br" }, " master br"],
  [{ master: null }, " nomaster"],
  [{ addrgenmode: "none" }, " addrgenmode none"],
  [{ group: "default" }, " group default"],
  [{ type: "ipvlan", mode: "l3" }, " type ipvlan mode l3"],
  [{ type: "ipvtap", flag: "private" }, " type ipvtap private"],
  [{ type: "macvlan", mode: "vepa", up: true }, " up type macvlan mode vepa"],
  [{ type: "vlan", gvrp: true, looseBinding: false }, " type vlan gvrp on loose_binding off"],
  [{ type: "bridge", vlanProtocol: "802.1ad" }, " type bridge vlan_protocol 802.1ad"],
];

const ADDRS: [AddrSpec, string][] = [
  [{ dev: "e", address: "10.0.0.1/8" }, "10.0.0.1/8 dev e"],
  [{ dev: "e", address: "2001:db8::1/64", nodad: true }, "2001:db8::1/64 dev e nodad"],
  [
    { dev: "e", address: "10.0.0.1", prefixLength: 0, scope: "link" },
    "10.0.0.1/0 dev e scope link",
  ],
  [{ dev: "e", address: "fd00::1/64", peer: "fd00::2" }, "fd00::1 peer fd00::2/64 dev e"],
  [
    { dev: "e", address: "10.0.0.1/8", noprefixroute: true, nodad: false, scope: "200" },
    "10.0.0.1/8 dev e scope 200 noprefixroute",
  ],
];

const ROUTES: [RouteSpec, string][] = [
  [{ dst: "default", dev: "eth0" }, "default dev eth0"],
  [{ dst: "default", via: "10.0.0.1" }, "default via 10.0.0.1"],
  [{ dst: "default", via: "fe80::1", dev: "eth0" }, "::/0 via fe80::1 dev eth0"],
  [{ dst: "::/0", via: "2001:db8::1" }, "::/0 via 2001:db8::1"],
  [
    { dst: "10.1.0.0/16", via: "10.0.0.1", dev: "e", src: "10.0.0.2", metric: 0 },
    "10.1.0.0/16 via 10.0.0.1 dev e src 10.0.0.2 metric 0",
  ],
  [{ dst: "default", family: 6, dev: "e" }, "::/0 dev e"],
  [{ dst: "10.0.0.0/8", via: "fe80::1", dev: "e" }, "10.0.0.0/8 via inet6 fe80::1 dev e"],
  [{ dst: "default", family: 4, via: "fe80::1" }, "default via inet6 fe80::1"],
  [
    { dst: "10.1.0.0/16", via: "172.16.0.1", dev: "e", onlink: true, table: 100 },
    "10.1.0.0/16 via 172.16.0.1 dev e onlink table 100",
  ],
  [
    { type: "prohibit", dst: "::/0", table: "blue", scope: "link" },
    "prohibit ::/0 table blue scope link",
  ],
  [
    { dst: "default", nexthops: [{ via: "fe80::1", dev: "e", weight: 256 }, { dev: "f" }] },
    "::/0 nexthop via fe80::1 dev e weight 256 nexthop dev f weight 1",
  ],
  [
    {
      dst: "10.1.0.0/16",
      nexthops: [{ via: "10.0.0.1" }, { via: "172.16.0.1", dev: "e", onlink: true }],
      metric: 5,
    },
    "10.1.0.0/16 metric 5 nexthop via 10.0.0.1 weight 1 nexthop via 172.16.0.1 dev e onlink weight 1",
  ],
];

const NEIGHS: [NeighSpec, string][] = [
  [
    { dst: "10.0.0.9", dev: "e", address: "02:00:00:00:00:09" },
    "10.0.0.9 dev e lladdr 02:00:00:00:00:09 nud permanent",
  ],
  [{ dst: "fe80::9", dev: "e", state: "FAILED" }, "fe80::9 dev e nud failed"],
];

const RULES: [RuleSpec, string][] = [
  [{ table: 100 }, "rule add table 100"],
  [{ family: 6, table: "blue", priority: 7 }, "-6 rule add priority 7 table blue"],
  [{ dst: "2001:db8::/64", table: 100 }, "-6 rule add to 2001:db8::/64 table 100"],
  [
    { not: true, src: "10.0.0.0/8", dst: "10.1.2.3", iif: "lo", oif: "e", table: "main" },
    "rule add not from 10.0.0.0/8 to 10.1.2.3 iif lo oif e table main",
  ],
  [
    { fwmark: 7, fwmask: "0xFF", protocol: 5, table: 0xffff_ffff, suppressPrefixLength: 0 },
    "rule add fwmark 7/255 protocol 5 table 4294967295 suppress_prefixlength 0",
  ],
  [{ fwmark: "0x7", action: "goto", goto: 100 }, "rule add fwmark 7 goto 100"],
  [{ fwmask: 1, action: "prohibit" }, "rule add fwmark 0/1 prohibit"],
];

Deno.test("each kind of link is one line", () => {
  for (const [spec, line] of LINKS) assertEquals(linkAdd(spec).line, line);
});

Deno.test("no value of any kind's attribute becomes more than one word, or another line", () => {
  const evil = "e type dummy\nlink del dev e";
  fc.assert(
    fc.property(anyLink, (spec) => {
      const words = linkAdd(spec).line.split(" ");
      assertEquals(words.slice(words.indexOf("type"))[1], spec.type);
      for (const name of Object.keys(spec)) {
        let line = "";
        try {
          line = linkAdd({ ...spec, [name]: evil }).line;
        } catch (error) {
          // A list and a veth's other end are taken apart before they are checked.
          assert(isIpvlanError(error, "invalid-word") || error instanceof TypeError, String(error));
        }
        assert(!line.includes("del"), line);
      }
    }),
    { seed: 8, numRuns: 300 },
  );
});

Deno.test("each change of a link is some words of one line", () => {
  for (const [changes, words] of CHANGES) {
    assertEquals(linkSet("e", changes).line, `link set dev e${words}`);
  }
  assertEquals(linkDel("e").line, "link del dev e");
  assertEquals(linkDel({ index: 2 ** 31 - 1 }).line, "link del dev if000000000000002147483647");
  assertEquals(linkDel({ index: 2 }).line, "link del dev if000000000000000000000002");
});

Deno.test("a route that leads nowhere has its type first, and its protocol last", () => {
  const spec = { type: "unreachable", dst: "10.1.0.0/24", metric: 117, protocol: 117 } as const;
  const words = "unreachable 10.1.0.0/24 metric 117 proto 117";
  assertEquals(routeChange("replace", spec).line, `route replace ${words}`);
  for (const protocol of [-1, 256, 1.5, NaN]) {
    assertThrowsError(() => routeChange("add", { ...spec, protocol }), "invalid-word");
  }
});

Deno.test("neighbours and rules are one line each, those of IPv6 with -6 where it has to be", () => {
  for (const [spec, words] of NEIGHS) {
    for (const verb of ["add", "replace"] as const) {
      assertEquals(neighChange(verb, spec).line, `neigh ${verb} ${words}`);
    }
  }
  for (const [spec, line] of RULES) {
    assertEquals(ruleLine("add", spec), line);
    assertEquals(ruleLine("del", spec), line.replace("add", "del"));
  }
  assertEquals(ruleLine("del", { priority: 7 }), "rule del priority 7");
  assertEquals(
    ruleLine("add", { src: "2001:db8::/64", table: 1 }),
    "-6 rule add from 2001:db8::/64 table 1",
  );
  assertEquals(ruleLine("del", { action: "blackhole" }), "rule del blackhole");
  const evil = { action: "x", table: 1 } as unknown as RuleSpec;
  assertThrowsError(() => ruleLine("add", evil), "invalid-word");
});

Deno.test("the metric of a flush and the table of a route are numbers in the kernel's range", () => {
  const line = (metric: number) => routeFlush("10.0.0.0/8", "e", metric).line;
  assertEquals([0, 0xffff_ffff].map((metric) => line(metric).split(" ").at(-1)), [
    ...["0", "4294967295"],
  ]);
  for (const metric of [-1, 2 ** 32]) assertThrowsError(() => line(metric), "invalid-word");
  const route = { dst: "10.0.0.0/8", dev: "e" };
  assertEquals(
    routeChange("add", { ...route, table: 1 }).line,
    "route add 10.0.0.0/8 dev e table 1",
  );
});

Deno.test("the error for an address without a length has an example of its family", () => {
  for (const [address, example] of [["10.0.0.1", "10.0.0.1/24"], ["fd00::1", "fd00::1/64"]]) {
    const line = () => addrAdd({ dev: "e", address: address! });
    const { rule } = assertThrowsError(line, "invalid-word");
    assertEquals(rule, `it needs a prefix length: ${example}`);
  }
});

Deno.test("a route with a next hop too many is told which kind of route it is", () => {
  const hop = { via: "10.0.0.1" };
  const table = [["blackhole", { type: "blackhole", ...hop }], ["multipath", {
    nexthops: [{ dev: "e" }],
    ...hop,
  }]] as const;
  for (const [kind, spec] of table) {
    const line = () => routeChange("add", { dst: "10.0.0.0/8", ...spec } as unknown as RouteSpec);
    const { rule } = assertThrowsError(line, "invalid-word");
    assertEquals(rule, `a ${kind} route has neither via nor dev of its own`);
  }
});

Deno.test("addresses, routes and namespaces are one line each", () => {
  for (const [spec, words] of ADDRS) assertEquals(addrAdd(spec).line, `addr add ${words}`);
  assertEquals(addrDel(ADDRS[1]![0]).line, "addr del 2001:db8::1/64 dev e");
  for (const verb of ["add", "replace", "del"] as const) {
    for (const [spec, words] of ROUTES) {
      assertEquals(routeChange(verb, spec).line, `route ${verb} ${words}`);
    }
  }
  assertEquals(
    ["default", "::/0", "10.0.0.0/8"].map((dst) => routeFlush(dst, "e", 7).line),
    [["", "0.0.0.0/0"], ["-6 ", "::/0"], ["", "10.0.0.0/8"]].map(([option, prefix]) =>
      `${option}route flush table main exact ${prefix} dev e metric 7`
    ),
  );
  assertEquals(netnsAdd("red").line, "netns add red");
  assertEquals(netnsDel("red").line, "netns del red");
});

Deno.test("a bad value is refused before a line is written", () => {
  const dummy = { type: "dummy", name: "d" } as const;
  const ipvlan = { type: "ipvlan", name: "i", link: "e", mode: "l2" } as const;
  const evil = "l2\nlink del dev e";
  const neigh = { dst: "10.0.0.9", dev: "e" };
  const route = { dst: "10.0.0.0/8" };
  const lines: (() => unknown)[] = [
    () => linkAdd({ ...dummy, name: "a b" }),
    () => linkAdd({ ...dummy, netns: "../x" }),
    () => linkAdd({ ...dummy, mtu: 67 }),
    () => linkAdd({ ...dummy, mtu: 65536 }),
    () => linkAdd({ ...dummy, txqlen: -1 }),
    () => linkSet("d", { txqlen: 2 ** 31 }),
    () => linkAdd({ ...dummy, group: -1 }),
    () => linkAdd({ ...dummy, group: 2 ** 31 }),
    () => linkAdd({ ...dummy, index: 0 }),
    () => linkAdd({ ...dummy, index: 2 ** 31 }),
    () => linkAdd({ ...dummy, address: "" }),
    () => linkAdd({ type: "vlan", name: "v", link: "--", id: 1 }),
    () => linkAdd({ type: "vlan", name: "v", link: "e", id: 0 }),
    () => linkAdd({ type: "vlan", name: "v", link: "e", id: 4095 }),
    () => linkAdd({ type: "vlan", name: "v", link: "e", id: 1, protocol: "802.1x" as "802.1Q" }),
    () => linkAdd({ ...ipvlan, link: "e/0" }),
    () => linkAdd({ ...ipvlan, mode: evil as "l2" }),
    () => linkAdd({ ...ipvlan, flag: evil as "vepa" }),
    () => linkAdd({ type: "nosuchkind" as "dummy", name: "n" }),
    () => linkAdd({ type: "toString" as "dummy", name: "n" }),
    () => linkAdd({ type: "macvlan", name: "m", link: "e", mode: "l2" as "vepa" }),
    () => linkAdd({ type: "vrf", name: "r", table: 0 }),
    () => linkAdd({ type: "vrf", name: "r", table: 2 ** 32 }),
    () => linkAdd({ type: "veth", name: "a", peer: { name: "b c" } }),
    () => linkAdd({ type: "veth", name: "a", peer: { name: "b", netns: "1" } }),
    () => linkSet("a b", {}),
    () => linkSet("e", { name: "" }),
    () => linkSet("e", { netns: "1" }),
    () => linkSet("e", { alias: "#" }),
    () => linkSet("e", { alias: "" }),
    () => linkSet("e", { master: "a:b" }),
    () => linkSet("e", { addrgenmode: evil as "none" }),
    () => linkSet("e", { group: "-1" }),
    () => linkSet("e", { group: "007" }),
    () => linkSet("e", { group: "0x7" }),
    () => linkSet("e", { group: "1.5" }),
    () => linkSet("e", { group: "a b" }),
    () => linkSet("e", { type: "bridge", vlanProtocol: "802.1q" as "802.1Q" }),
    () => linkSet("e", { type: "ipvlan", mode: evil as "l2" }),
    () => linkSet("e", { type: "nosuchkind" as "bridge" }),
    () => linkSet("e", { type: "vlan", id: 7 } as LinkChanges),
    () => linkSet("e", { type: "vlan", protocol: "802.1ad" } as LinkChanges),
    () => linkSet("e", { type: "vrf", table: 7 } as unknown as LinkChanges),
    () => linkSet("e", { type: "veth", peer: { name: "f" } } as unknown as LinkChanges),
    () => linkDel("-all"),
    () => linkSet("e", { group: 1.5 }),
    () => linkSet("e", { group: 2 ** 31 }),
    () => linkDel({ index: 1.5 }),
    () => addrAdd({ dev: "e", address: "10.0.0.1/33" }),
    () => addrDel({ dev: "e e", address: "10.0.0.1/8" }),
    () => addrAdd({ dev: "e", address: "10.0.0.1" }),
    () => addrDel({ dev: "e", address: "10.0.0.1" }),
    () => addrAdd({ dev: "e", address: "10.0.0.1/8", prefixLength: 8 }),
    () => addrAdd({ dev: "e", address: "10.0.0.1", prefixLength: 33 }),
    () => addrAdd({ dev: "e", address: "10.0.0.1", prefixLength: NaN }),
    () => addrAdd({ dev: "e", address: "default", prefixLength: 0 }),
    () => addrAdd({ dev: "e", address: "10.0.0.1/8", peer: "fd00::1" }),
    () => addrAdd({ dev: "e", address: "10.0.0.1/8", peer: "10.0.0.2/8" }),
    () => addrAdd({ dev: "e", address: "10.0.0.1/8", scope: "-1" }),
    () => addrAdd({ dev: "e", address: "10.0.0.1/8", scope: "256" }),
    () => neighChange("add", { ...neigh, dst: "10.0.0.0/8" }),
    () => neighChange("add", { ...neigh, dst: "-6" }),
    () => neighChange("add", { ...neigh, dst: "02:00:00:00:00:09" }),
    () => neighChange("add", { ...neigh, dev: "e e" }),
    () => neighChange("add", { ...neigh, address: "" }),
    () => neighChange("add", { ...neigh, address: evil }),
    () => neighChange("add", { ...neigh, state: "UPP" as "FAILED" }),
    () => neighChange("add", { ...neigh, state: "permanent" as "PERMANENT" }),
    () => ruleLine("add", {}),
    () => ruleLine("add", { src: "10.0.0.0/8" }),
    () => ruleLine("del", {}),
    () => ruleLine("del", { not: true }),
    () => ruleLine("del", { family: 6 }),
    () => ruleLine("add", { src: "10.0.0.0/8", dst: "2001:db8::/64", table: 1 }),
    () => ruleLine("add", { family: 6, src: "10.0.0.0/8", table: 1 }),
    () => ruleLine("add", { src: "all", table: 1 }),
    () => ruleLine("add", { iif: "-6", table: 1 }),
    () => ruleLine("add", { oif: "e e", table: 1 }),
    () => ruleLine("add", { table: 0 }),
    () => ruleLine("add", { table: 2 ** 32 }),
    () => ruleLine("add", { table: "-1" }),
    () => ruleLine("add", { table: evil }),
    () => ruleLine("add", { table: 1, priority: -1 }),
    () => ruleLine("add", { table: 1, priority: 2 ** 32 }),
    () => ruleLine("add", { table: 1, fwmark: "7/8" }),
    () => ruleLine("add", { table: 1, fwmark: "010" }),
    () => ruleLine("add", { table: 1, fwmark: "0x100000000" }),
    () => ruleLine("add", { table: 1, fwmask: -1 }),
    () => ruleLine("add", { table: 1, suppressPrefixLength: 129 }),
    () => ruleLine("add", { table: 1, protocol: 256 }),
    () => ruleLine("add", { action: "goto" } as unknown as RuleSpec),
    () => ruleLine("add", { action: evil } as unknown as RuleSpec),
    () => routeChange("add", { ...route, table: 0 }),
    () => routeChange("add", { ...route, table: "1 2" }),
    () => routeChange("add", { ...route, table: "0x64" }),
    () => routeChange("add", { ...route, protocol: "-5" }),
    () => routeChange("add", { ...route, scope: "a b" as "link" }),
    () => routeChange("add", { ...route, scope: "256" }),
    () => routeChange("add", { ...route, type: evil as "local" }),
    () =>
      routeChange("add", { ...route, type: "blackhole", via: "10.0.0.1" } as unknown as RouteSpec),
    () => routeChange("add", { ...route, type: "throw", dev: "e" } as unknown as RouteSpec),
    () =>
      routeChange(
        "add",
        { ...route, type: "prohibit", nexthops: [{ dev: "e" }] } as unknown as RouteSpec,
      ),
    () =>
      routeChange("add", { ...route, dev: "e", nexthops: [{ dev: "e" }] } as unknown as RouteSpec),
    () => routeChange("add", { ...route, nexthops: [{}] }),
    () => routeChange("add", { ...route, nexthops: [{ dev: "e", weight: 0 }] }),
    () => routeChange("add", { ...route, nexthops: [{ dev: "e", weight: 257 }] }),
    () => routeChange("add", { ...route, nexthops: [{ dev: "e", weight: 1.5 }] }),
    () => routeChange("add", { ...route, nexthops: [{ dev: "-e" }] }),
    () => routeChange("add", { dst: "::/0", nexthops: [{ via: "fe80::1" }, { via: "10.0.0.1" }] }),
    () => routeChange("add", { dst: "10.0.0.0/8 dev x" }),
    () => routeChange("add", { dst: "default", via: "10.0.0.1/8" }),
    () => routeChange("add", { dst: "2001:db8::/64", via: "10.0.0.1" }),
    () => routeChange("add", { dst: "::/0", src: "10.0.0.1" }),
    () => routeChange("add", { dst: "default", via: "fe80::1", src: "10.0.0.1" }),
    () => routeChange("add", { dst: "default", dev: "e", src: "2001:db8::1" }),
    () => routeChange("add", { dst: "default", metric: 2 ** 32 }),
    () => routeFlush("all", "e", 0),
    () => routeFlush("default", "e e", 0),
    () => routeFlush("default", "e", -1),
    () => netnsAdd("a b"),
    () => netnsDel(".."),
  ];
  for (const line of lines) assertThrowsError(line, "invalid-word", undefined, line.toString());
});

Deno.test("the verbs give the same lines to any runner", async () => {
  const runner = new Collector();
  const link = new LinkVerbs(runner);
  const addr = new AddrVerbs(runner);
  const route = new RouteVerbs(runner);
  const netns = new NetnsVerbs(runner);
  const neigh = new NeighVerbs(runner);
  const rule = new RuleVerbs(runner);
  for (const [spec] of LINKS) await link.add(spec);
  for (const [changes] of CHANGES) await link.set("e", changes);
  for (const [spec] of ADDRS) await addr.add(spec);
  for (const [spec] of ROUTES) await route.replace(spec);
  assertEquals(runner.lines.splice(0), [
    ...LINKS.map(([, line]) => line),
    ...CHANGES.map(([, words]) => `link set dev e${words}`),
    ...ADDRS.map(([, words]) => `addr add ${words}`),
    ...ROUTES.map(([, words]) => `route replace ${words}`),
  ]);
  await link.del("e");
  await link.show();
  await link.show({ type: "veth" });
  await addr.del({ dev: "e", address: "::1/128" });
  await addr.show();
  await addr.show({ dev: "e" });
  await route.add({ dst: "default", dev: "e" });
  await route.del({ dst: "default" });
  await route.show(4);
  await route.show(6, { dev: "e", table: "local" });
  await neigh.show();
  await neigh.show({ dev: "e", state: "NOARP" });
  await neigh.add(NEIGHS[0]![0]);
  await neigh.replace(NEIGHS[1]![0]);
  await neigh.del({ dst: "10.0.0.9", dev: "e" });
  await rule.add(RULES[2]![0]);
  await rule.del({ family: 6, priority: 7 });
  await netns.add("red");
  await netns.del("red");
  await netns.list();
  assertEquals(runner.lines, [
    "link del dev e",
    "link show",
    "link show type veth",
    "addr del ::1/128 dev e",
    "addr show",
    "addr show dev e",
    "route add default dev e",
    "route del default",
    "route show table all root 0.0.0.0/0",
    "route show table all root ::/0 dev e",
    "neigh show",
    "neigh show dev e nud noarp",
    `neigh add ${NEIGHS[0]![1]}`,
    `neigh replace ${NEIGHS[1]![1]}`,
    "neigh del 10.0.0.9 dev e",
    RULES[2]![1],
    "-6 rule del priority 7",
    "netns add red",
    "netns del red",
    "netns list",
  ]);
});
