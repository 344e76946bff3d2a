import { assertEquals } from "@std/assert";
import { addrAdd, addrDel, AddrVerbs, globalAddrs } from "../../../lib/iproute2/addr.ts";
import { LinkVerbs, parseLink, parseLinks } from "../../../lib/iproute2/link.ts";
import type { Link, LinkInfo, LinkType } from "../../../lib/iproute2/link_types.ts";
import { NeighVerbs } from "../../../lib/iproute2/neigh.ts";
import { NetnsVerbs } from "../../../lib/iproute2/netns.ts";
import { defaultLink, routeChange, RouteVerbs } from "../../../lib/iproute2/route.ts";
import type { Route } from "../../../lib/iproute2/route_types.ts";
import { printedDestination } from "../../../lib/iproute2/words.ts";
import { parseRule, ruleChange, RuleVerbs } from "../../../lib/iproute2/rule.ts";
import { Collector } from "../../kit/fake_ip.ts";
import { addr, route, vlanInfo } from "../../kit/values.ts";
import { assertRejectsError, assertThrowsError } from "../../kit/errors.ts";
import { ipCommandError } from "../../../lib/iproute2/errors.ts";

// Rows that iproute2 6.1 printed on Linux 6.1 (`ip -details -json`). What is cut is long and unread.
const COMMON = {
  flags: ["BROADCAST", "MULTICAST"],
  mtu: 1500,
  qdisc: "noop",
  operstate: "DOWN",
  linkmode: "DEFAULT",
  group: "default",
  txqlen: 1000,
  link_type: "ether",
  allmulti: 0,
  inet6_addr_gen_mode: "eui64",
};
const DUMMY = {
  ...COMMON,
  ifindex: 2,
  ifname: "d0",
  flags: ["BROADCAST", "NOARP", "UP", "LOWER_UP"],
  mtu: 1400,
  qdisc: "noqueue",
  operstate: "UNKNOWN",
  group: "7",
  address: "02:00:00:00:00:07",
  broadcast: "ff:ff:ff:ff:ff:ff",
  linkinfo: { info_kind: "dummy" },
  inet6_addr_gen_mode: "none",
  ifalias: "a note",
};
const PORT = {
  ...COMMON,
  ifindex: 8,
  link: "v1",
  ifname: "v0",
  master: "br0",
  linkinfo: {
    info_kind: "veth",
    info_slave_kind: "bridge",
    info_slave_data: { state: "disabled", priority: 32, cost: 2 },
  },
};

Deno.test("a link has what is printed of it", () => {
  assertEquals(parseLink(DUMMY), {
    index: 2,
    name: "d0",
    flags: ["BROADCAST", "NOARP", "UP", "LOWER_UP"],
    up: true,
    state: "UNKNOWN",
    mtu: 1400,
    address: "02:00:00:00:00:07",
    group: "7",
    alias: "a note",
    master: undefined,
    masterKind: undefined,
    link: undefined,
    linkIndex: undefined,
    linkNetnsid: undefined,
    addrgenmode: "none",
    linkType: "ether",
    info: { type: "dummy" },
    txqlen: 1000,
  });
});

Deno.test("a link without a queue has one of 0, as ip prints none", () => {
  const { txqlen: _, ...withoutQueue } = COMMON;
  assertEquals(parseLink({ ...withoutQueue, ifindex: 3, ifname: "eth0" }).txqlen, 0);
});

Deno.test("a port knows its bridge, and a veth its other end unless that is elsewhere", () => {
  const port = parseLink(PORT);
  assertEquals([port.master, port.masterKind, port.link, port.up], ["br0", "bridge", "v1", false]);
  const { link: _, ...elsewhere } = PORT;
  assertEquals(parseLink({ ...elsewhere, link_index: 3, link_netnsid: 0 }).link, undefined);
  assertEquals(parseLink({ ...elsewhere, link: null }).link, undefined);
});

Deno.test("the index of the link below is the kernel's, or that of the link with its name", () => {
  const below = { ...COMMON, ifindex: 3, ifname: "v1" };
  const { link: _, ...elsewhere } = PORT;
  const table: [Record<string, unknown>[], Partial<Link>][] = [
    [[PORT, below], { link: "v1", linkIndex: 3 }],
    [[PORT], { link: "v1", linkIndex: undefined }],
    [[{ ...elsewhere, link: null }, below], { link: undefined, linkIndex: undefined }],
    [[{ ...elsewhere, link_index: 3, link_netnsid: 0 }, below], { linkIndex: 3, linkNetnsid: 0 }],
    [[{ ...elsewhere, link_index: 7, link_netnsid: -1 }], { linkIndex: 7, linkNetnsid: -1 }],
  ];
  for (const [rows, facts] of table) {
    const { link, linkIndex, linkNetnsid } = parseLinks(rows)[0]!;
    assertEquals(
      { link, linkIndex, linkNetnsid },
      { link: undefined, linkIndex: undefined, linkNetnsid: undefined, ...facts },
    );
  }
});

type InfoOf<Type extends LinkType> = Extract<LinkInfo, { type: Type }>;

/** What `ip` prints as `info_data` of each kind, and what is read of it. */
const INFOS: { [Type in LinkType]: [Record<string, unknown> | undefined, InfoOf<Type>][] } = {
  dummy: [[undefined, { type: "dummy" }]],
  veth: [[undefined, { type: "veth" }]],
  vlan: [
    [{ protocol: "802.1Q", id: 20, flags: ["REORDER_HDR"] }, vlanInfo(20)],
    [
      { protocol: "802.1ad", id: 5, flags: ["GVRP", "MVRP", "LOOSE_BINDING", "BRIDGE_BINDING"] },
      {
        type: "vlan",
        id: 5,
        protocol: "802.1ad",
        reorderHdr: false,
        gvrp: true,
        mvrp: true,
        looseBinding: true,
        bridgeBinding: true,
      },
    ],
  ],
  ipvlan: [
    [{ mode: "l2", bridge: true }, { type: "ipvlan", mode: "l2", flag: "bridge" }],
    [{ mode: "l3", private: true }, { type: "ipvlan", mode: "l3", flag: "private" }],
    [{ mode: "l3s", vepa: true }, { type: "ipvlan", mode: "l3s", flag: "vepa" }],
  ],
  ipvtap: [[{ mode: "l3s", vepa: true }, { type: "ipvtap", mode: "l3s", flag: "vepa" }]],
  macvlan: [[{ mode: "bridge", bcqueuelen: 1000 }, { type: "macvlan", mode: "bridge" }]],
  macvtap: [[{ mode: "vepa", bcqueuelen: 1000 }, { type: "macvtap", mode: "vepa" }]],
  bridge: [
    [
      { vlan_filtering: 1, vlan_protocol: "802.1ad", vlan_stats_enabled: 0 },
      { type: "bridge", vlanFiltering: true, vlanProtocol: "802.1ad", vlanStats: false },
    ],
    [
      { vlan_filtering: 0, vlan_protocol: "802.1Q", vlan_stats_enabled: 1 },
      { type: "bridge", vlanFiltering: false, vlanProtocol: "802.1Q", vlanStats: true },
    ],
  ],
  vrf: [[{ table: 4_000_000_000 }, { type: "vrf", table: 4_000_000_000 }]],
};

Deno.test("each kind has its own facts", () => {
  for (const [info_kind, infos] of Object.entries(INFOS)) {
    for (const [info_data, info] of infos) {
      assertEquals(parseLink({ ...DUMMY, linkinfo: { info_kind, info_data } }).info, info);
    }
  }
  const others: [Record<string, unknown> | undefined, LinkInfo][] = [
    [undefined, { type: "other", kind: "device" }],
    [{}, { type: "other", kind: "device" }],
    [{ info_kind: "tun", info_data: { type: "tap" } }, { type: "other", kind: "tun" }],
    [{ info_kind: "toString" }, { type: "other", kind: "toString" }],
  ];
  for (const [linkinfo, info] of others) {
    assertEquals(parseLink({ ...DUMMY, linkinfo }).info, info);
  }
});

Deno.test("link show takes one row or many", async () => {
  const link = new LinkVerbs(new Collector([DUMMY, PORT]));
  assertEquals((await link.show("d0")).name, "d0");
  assertEquals((await link.show()).map(({ name }) => name), ["d0", "v0"]);
});

Deno.test("addr show gives the addresses of all links in one list", async () => {
  const forever = { valid_life_time: 4294967295, preferred_life_time: 4294967295 };
  const rows = [
    { ifname: "lo", addr_info: [] },
    {
      ifname: "d0",
      addr_info: [
        {
          ...{ family: "inet", local: "192.168.1.2", prefixlen: 24, scope: "global", label: "d0" },
          ...forever,
        },
        {
          ...{ family: "inet6", local: "2001:db8::2", prefixlen: 64, scope: "global", nodad: true },
          ...forever,
        },
      ],
    },
    {
      ifname: "v0",
      addr_info: [{
        ...{ family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" },
        ...{ dadfailed: true, tentative: true, ...forever },
      }, {
        ...{ family: "inet", local: "10.0.0.1", address: "10.0.0.2", prefixlen: 32, scope: "7" },
        ...{ noprefixroute: true, label: "v0", ...forever },
      }],
    },
  ];
  const shown = await new AddrVerbs(new Collector(rows)).show();
  assertEquals(shown, [
    {
      ...{ dev: "d0", family: 4, address: "192.168.1.2", prefixLength: 24 },
      ...{
        peer: undefined,
        scope: "global",
        nodad: false,
        optimistic: false,
        noprefixroute: false,
        flags: [],
      },
    },
    {
      ...{ dev: "d0", family: 6, address: "2001:db8::2", prefixLength: 64 },
      ...{
        peer: undefined,
        scope: "global",
        nodad: true,
        optimistic: false,
        noprefixroute: false,
        flags: ["nodad"],
      },
    },
    {
      ...{ dev: "v0", family: 6, address: "fe80::1", prefixLength: 64 },
      ...{ peer: undefined, scope: "link", nodad: false, optimistic: false, noprefixroute: false },
      flags: ["dadfailed", "tentative"],
    },
    {
      ...{ dev: "v0", family: 4, address: "10.0.0.1", prefixLength: 32 },
      ...{ peer: "10.0.0.2", scope: "7", nodad: false, optimistic: false, noprefixroute: true },
      flags: ["noprefixroute"],
    },
  ]);
  // What is shown can be given.
  assertEquals(shown.map((addr) => addrAdd(addr).line), [
    "addr add 192.168.1.2/24 dev d0 scope global",
    "addr add 2001:db8::2/64 dev d0 scope global nodad",
    "addr add fe80::1/64 dev v0 scope link",
    "addr add 10.0.0.1 peer 10.0.0.2/32 dev v0 scope 7 noprefixroute",
  ]);
  assertEquals(addrDel(shown.at(-1)!).line, "addr del 10.0.0.1 peer 10.0.0.2/32 dev v0");
});

Deno.test("route show keeps to the table and fills in the link that was asked for", async () => {
  const rows = [
    {
      ...{ type: "unicast", dst: "default", gateway: "192.168.1.1", table: "main" },
      ...{ protocol: "boot", scope: "global", prefsrc: "192.168.1.2", metric: 50, flags: [] },
    },
    {
      ...{ type: "local", dst: "192.168.1.2", table: "local" },
      ...{ protocol: "kernel", scope: "host", prefsrc: "192.168.1.2", flags: [] },
    },
    { type: "blackhole", dst: "10.9.0.0/16", table: "100", protocol: "boot", scope: "global" },
  ];
  const route = new RouteVerbs(new Collector(rows));
  assertEquals(await route.show(4, { dev: "d0" }), [{
    ...{ family: 4, type: "unicast", dst: "default", table: "main", via: "192.168.1.1", dev: "d0" },
    ...{ src: "192.168.1.2", metric: 50, scope: "global", protocol: "boot" },
    ...{ nexthops: [], onlink: false, flags: [] },
  }]);
  const dsts = async (table: string) => (await route.show(4, { table })).map(({ dst }) => dst);
  assertEquals(await dsts("local"), ["192.168.1.2"]);
  assertEquals(await dsts("100"), ["10.9.0.0/16"]);
  assertEquals(await dsts("all"), ["default", "192.168.1.2", "10.9.0.0/16"]);
});

Deno.test("route show gives several next hops, and one of the other family", async () => {
  const [hop, other] = [{ gateway: "10.0.0.2", dev: "d0", weight: 2, flags: ["linkdown"] }, {
    via: { family: "inet6", host: "2001:db8::9" },
    dev: "d1",
    weight: 1,
    flags: [],
  }];
  const rows = [
    { type: "unicast", dst: "10.5.0.0/16", table: "main", flags: [], nexthops: [hop, other] },
    { type: "unicast", dst: "10.7.0.0/16", table: "main", ...other, flags: ["onlink"] },
  ];
  const [several, one] = await new RouteVerbs(new Collector(rows)).show(4);
  assertEquals([several!.via, several!.dev], [undefined, undefined]);
  assertEquals(several!.nexthops, [
    { via: "10.0.0.2", dev: "d0", weight: 2, onlink: false, flags: ["linkdown"] },
    { via: "2001:db8::9", dev: "d1", weight: 1, onlink: false, flags: [] },
  ]);
  assertEquals([one!.via, one!.dev, one!.nexthops, one!.flags], [
    "2001:db8::9",
    "d1",
    [],
    ["onlink"],
  ]);
});

// Rows that iproute2 6.1 printed on Linux 6.18 (`ip -details -json route show`).
Deno.test("a route that is shown can be given", async () => {
  const common = { protocol: "boot", scope: "global", flags: [] };
  const rows4 = [
    { type: "throw", dst: "10.8.0.0/16", table: "4000000000", ...common, protocol: "117" },
    {
      ...{ type: "unicast", dst: "10.6.0.0/16", via: { family: "inet6", host: "fe80::9" } },
      ...{ dev: "v0", table: "100", ...common, flags: ["onlink", "linkdown"] },
    },
    {
      ...{ type: "unicast", dst: "10.77.0.0/16", table: "main", ...common },
      nexthops: [
        { dev: "v0", weight: 1, flags: [] },
        { via: { family: "inet6", host: "fe80::9" }, dev: "v0", weight: 3, flags: ["onlink"] },
      ],
    },
    {
      ...{ type: "local", dst: "10.0.0.1", dev: "v0", table: "local", protocol: "kernel" },
      ...{ scope: "host", prefsrc: "10.0.0.1", flags: [] },
    },
  ];
  const rows6 = [
    {
      ...{ type: "blackhole", dst: "2001:db8:9::/48", dev: "lo", table: "main", ...common },
      ...{ metric: 1024, pref: "medium" },
    },
    { type: "unreachable", dst: "default", dev: "lo", table: "main", ...common, metric: 70000 },
    {
      ...{ type: "unicast", dst: "default", table: "main", ...common, metric: 1024 },
      nexthops: [
        { gateway: "fe80::5", dev: "v0", weight: 2, flags: [] },
        { gateway: "fe80::6", dev: "v0", weight: 1, flags: [] },
      ],
    },
    { type: "unicast", dst: "default", dev: "v0", table: "main", ...common, metric: 7 },
  ];
  const given = async (family: 4 | 6, rows: Record<string, unknown>[]) => {
    const shown = await new RouteVerbs(new Collector(rows)).show(family, { table: "all" });
    return shown.map((route) => routeChange("add", route).line.replace("route add ", ""));
  };
  assertEquals(await given(4, rows4), [
    "throw 10.8.0.0/16 table 4000000000 scope global proto 117",
    "unicast 10.6.0.0/16 via inet6 fe80::9 dev v0 onlink table 100 scope global proto boot",
    "unicast 10.77.0.0/16 table main scope global proto boot nexthop dev v0 weight 1 " +
    "nexthop via inet6 fe80::9 dev v0 onlink weight 3",
    "local 10.0.0.1 dev v0 table local src 10.0.0.1 scope host proto kernel",
  ]);
  assertEquals(await given(6, rows6), [
    "blackhole 2001:db8:9::/48 table main scope global metric 1024 proto boot",
    "unreachable ::/0 table main scope global metric 70000 proto boot",
    "unicast ::/0 table main scope global metric 1024 proto boot " +
    "nexthop via fe80::5 dev v0 weight 2 nexthop via fe80::6 dev v0 weight 1",
    "unicast ::/0 dev v0 table main scope global metric 7 proto boot",
  ]);
});

// Rows that iproute2 6.1 printed on Linux 6.18 (`ip -details -json rule show`).
Deno.test("a rule that is shown can be given, unless a part of it has no word here", () => {
  const given = (family: 4 | 6, row: Record<string, unknown>) =>
    ruleChange("add", parseRule(family, row)).line;
  const all = { src: "all", protocol: "unspec" };
  assertEquals(
    given(4, {
      ...{ priority: 100, not: null, src: "10.0.0.0", srclen: 8, fwmark: "0x7", fwmask: "0xff" },
      ...{ iif: "v9", iif_detached: null, table: "77", suppress_prefixlen: 0, protocol: "5" },
    }),
    "rule add not from 10.0.0.0/8 fwmark 7/255 iif v9 priority 100 protocol 5 table 77 " +
      "suppress_prefixlength 0",
  );
  assertEquals(
    given(4, { priority: 49, ...all, dst: "10.9.9.9", action: "blackhole" }),
    "rule add to 10.9.9.9 priority 49 protocol unspec blackhole",
  );
  assertEquals(
    given(4, { priority: 50, ...all, goto: 100, unresolved: null }),
    "rule add priority 50 protocol unspec goto 100",
  );
  assertEquals(
    given(6, { priority: 8, ...all, nop: null }),
    "-6 rule add priority 8 protocol unspec nop",
  );
  assertEquals(
    given(6, { priority: 60, src: "2001:db8::", srclen: 64, table: "100", protocol: "unspec" }),
    "-6 rule add from 2001:db8::/64 priority 60 protocol unspec table 100",
  );
  for (const row of [{ uid_start: 5, uid_end: 6, table: "55" }, { l3mdev: null }]) {
    assertThrowsError(
      () => given(4, { priority: 7, ...all, ...row }),
      "invalid-word",
      "no way here",
    );
  }
});

Deno.test("neigh show knows a neighbour without an address", async () => {
  const known = { dst: "192.168.1.9", lladdr: "02:00:00:00:00:09", state: ["PERMANENT"] };
  const failed = { dst: "192.168.1.8", dev: "v1", state: ["FAILED"] };
  const neigh = new NeighVerbs(new Collector([known, failed, { dst: "192.168.1.7" }]));
  assertEquals(await neigh.show({ dev: "d0" }), [
    { dst: "192.168.1.9", dev: "d0", address: "02:00:00:00:00:09", state: "PERMANENT" },
    { dst: "192.168.1.8", dev: "v1", address: undefined, state: "FAILED" },
    { dst: "192.168.1.7", dev: "d0", address: undefined, state: "NONE" },
  ]);
});

Deno.test("netns list gives names, with or without an id", async () => {
  const netns = new NetnsVerbs(new Collector([{ name: "b", id: 0 }, { name: "a" }]));
  assertEquals(await netns.list(), ["b", "a"]);
});

Deno.test("a destination is compared as ip prints it", () => {
  const table = [
    ...[["default", "default"], ["0.0.0.0/0", "default"], ["::/0", "default"]],
    ...[["10.0.0.1/32", "10.0.0.1"], ["2001:db8::1/128", "2001:db8::1"]],
    ...[["10.0.0.1", "10.0.0.1"], ["10.0.0.0/24", "10.0.0.0/24"]],
    ...[["2001:db8::/32", "2001:db8::/32"], ["2001:db8::/127", "2001:db8::/127"]],
  ];
  for (const [dst, shown] of table) assertEquals(printedDestination(dst!), shown);
});

Deno.test("the link of the default route is that of IPv4, or else of IPv6", () => {
  const four = route("eth4", "default", "10.0.0.1");
  const six = route("eth6", "default", "fe80::1");
  const near = route("eth0", "10.0.0.0/24");
  const nexthops = [{ dev: "eth1", weight: 1, flags: [] }, { dev: "eth2", weight: 1, flags: [] }];
  const table: [Route[], string | undefined][] = [
    [[], undefined],
    [[near], undefined],
    [[near, six, four], "eth4"],
    [[near, six], "eth6"],
    [[{ ...four, dev: undefined, nexthops }, six], "eth1"],
  ];
  for (const [routes, link] of table) assertEquals(defaultLink(routes), link);
});

Deno.test("a route without a type is one to a host or a network", async () => {
  const verbs = new RouteVerbs(new Collector([{ dst: "10.0.0.0/8", dev: "e", table: "main" }]));
  assertEquals((await verbs.show(4)).map(({ type, table }) => [type, table]), [[
    "unicast",
    "main",
  ]]);
});

Deno.test("the addresses of a link's network are its own, and not link-local", () => {
  const addrs = [addr("e", "10.0.0.1/8"), addr("e", "fe80::1/64", "link"), addr("f", "10.0.0.2/8")];
  assertEquals(globalAddrs("e", addrs), addrs.slice(0, 1));
});

Deno.test("a rule without an action looks up a table, or goes on at another rule", () => {
  assertEquals(parseRule(4, { priority: 1, table: "main" }).action, "lookup");
  assertEquals(parseRule(4, { priority: 1, goto: 7 }).action, "goto");
  assertEquals(parseRule(4, { priority: 1, nop: null, goto: 7 }).action, "nop");
});

Deno.test("a kernel without IPv6 has no rules of it, and any other refusal is an error", async () => {
  const shown = (said: string) =>
    new RuleVerbs({
      change: () => Promise.resolve(),
      query: (line) =>
        line.startsWith("-6")
          ? Promise.reject(ipCommandError(`ip ${line}`, said))
          : Promise.resolve([{ priority: 0, table: "local" }]),
    }).show();
  const rules = await shown("RTNETLINK answers: Address family not supported by protocol");
  assertEquals(rules.map(({ family, table }) => [family, table]), [[4, "local"]]);
  await assertRejectsError(() => shown("RTNETLINK answers: File exists"), "ip-command");
});
