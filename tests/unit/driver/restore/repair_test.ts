import { assertEquals } from "@std/assert";
import { linkAddresses, type Siblings } from "../../../../lib/driver/endpoint/routes.ts";
import { linkIndex } from "../../../../lib/driver/endpoint/steps.ts";
import { hostSteps } from "../../../../lib/driver/network/host_steps.ts";
import { LINK_GROUP } from "../../../../lib/driver/network/parent.ts";
import { stepKey } from "../../../../lib/driver/model/option_steps.ts";
import type { EndpointRecord } from "../../../../lib/driver/store/records.ts";
import type { Network } from "../../../../lib/driver/model/types.ts";
import type { SeenNamespace } from "../../../../lib/driver/model/facts.ts";
import { endpointRepair, withdrawals } from "../../../../lib/driver/restore/repair.ts";
import { linkDel } from "../../../../lib/iproute2/link.ts";
import type { Link } from "../../../../lib/iproute2/link_types.ts";
import type { Rule } from "../../../../lib/iproute2/rule.ts";
import { addr, endpoint, endpointRecord, link, LO, network, route } from "../../../kit/values.ts";

const NET = network("n", {
  subnets: [
    { subnet: "10.0.0.0/24", gateway: "10.0.0.1", auxAddresses: {} },
    { subnet: "fd00::/64", gateway: "fd00::1", auxAddresses: {} },
  ],
});
const RECORD = endpointRecord("c", NET, { ip: "10.0.0.2", ip6: "fd00::2" });
const PARENT = link("eth0", { index: 7 });

/** A sandbox that has everything, but for the given changes of its link. */
function whole(changes: Partial<Link> = {}): SeenNamespace {
  return {
    links: [LO, endpoint("eth0", "n", { linkIndex: 7, ...changes })],
    addrs: linkAddresses(NET, RECORD).map(({ address }) => addr("eth0", address)),
    routes: [
      route("eth0", "default", "10.0.0.1"),
      { ...route("eth0", "default", "fd00::1"), metric: 1024 },
    ],
  };
}

function repair(seen: SeenNamespace | undefined, network = NET) {
  const { state, remove, make } = endpointRepair(network, RECORD, {
    seen,
    parent: PARENT,
    siblings: "none",
  });
  const lines = [...remove, ...make].map(({ line }) => line);
  return { state, lines };
}

Deno.test("an endpoint of which the kernel has everything is up, and stays as it is", () => {
  assertEquals(repair(whole()), { state: "up", lines: [] });
  const more = whole();
  const added = {
    ...more,
    addrs: [...more.addrs, addr("eth0", "10.0.0.99/24")],
    routes: [...more.routes, route("eth0", "10.9.0.0/16", "10.0.0.1")],
  };
  assertEquals(repair(added), { state: "up", lines: [] });
});

Deno.test("each address and each route is compared", () => {
  const seen = whole();
  const [ip, ip6] = seen.addrs;
  const [, way6] = seen.routes;
  assertEquals(repair({ ...seen, addrs: [ip!], routes: [way6!] }), {
    state: "changed",
    lines: [
      "addr add fd00::2/64 dev eth0 nodad",
      "route replace default via 10.0.0.1 dev eth0",
    ],
  });
  assertEquals(repair({ ...seen, addrs: [{ ...ip!, prefixLength: 32 }, ip6!] }).lines, [
    "addr del 10.0.0.2/32 dev eth0",
    "addr add 10.0.0.2/24 dev eth0",
  ]);
  const worse = seen.routes.map((each) => ({ ...each, metric: 2000 }));
  assertEquals(repair({ ...seen, routes: worse }).lines, [
    "route replace default via 10.0.0.1 dev eth0",
    "route replace ::/0 via fd00::1 dev eth0",
  ]);
});

Deno.test("the options of a link are repaired in place", () => {
  const info = { type: "ipvlan", mode: "l3", flag: "vepa" } as const;
  const set = `link set dev if${
    String(linkIndex(RECORD)).padStart(24, "0")
  } type ipvlan mode l2 bridge`;
  assertEquals(repair(whole({ index: linkIndex(RECORD), info })).lines, [set]);
  // Of a link that was handed over, nothing else is changed, whatever root there has called it.
  const { links } = whole({ index: linkIndex(RECORD), name: "$(x)", info, up: false });
  const seen = { links, addrs: [], routes: [] };
  const handedOver = { ...RECORD, handOver: true as const };
  const { state, changes, make } = endpointRepair(NET, handedOver, { seen, siblings: "none" });
  assertEquals([state, make.map(({ line }) => line)], ["changed", [set]]);
  assertEquals(changes, [
    "The ipvlan mode of the link $(x) is l3 instead of l2",
    "The ipvlan flag of the link $(x) is vepa instead of bridge",
  ]);
  assertEquals(repair(whole({ group: "default" })).lines, ["link set dev eth0 group 6910070"]);
  assertEquals(repair(whole({ up: false })), {
    state: "changed",
    lines: [
      "link set dev eth0 up",
      "addr add fd00::2/64 dev eth0 nodad",
      "route replace default via 10.0.0.1 dev eth0",
      "route replace ::/0 via fd00::1 dev eth0",
    ],
  });
});

Deno.test("a link with another name or another parent is made anew", () => {
  for (const changes of [{ name: "x" }, { linkIndex: 8 }]) {
    const { state, lines } = repair(whole(changes));
    assertEquals([state, lines[0]], ["missing", linkDel({ index: 2 }).line]);
    assertEquals(lines.at(-1), 'link set dev eth0 alias "ipvlan-kit n"');
  }
});

Deno.test("an endpoint without a link or a namespace is missing, and another's link stays", () => {
  const theirs = { ...whole(), links: [LO, link("eth0")] };
  for (const seen of [undefined, theirs]) {
    const { state, lines } = repair(seen);
    assertEquals(state, "missing");
    assertEquals(lines.filter((line) => line.startsWith("link del")), []);
  }
});

/** What is said of an endpoint, with a network and a record that differ in some things. */
function said(
  seen: SeenNamespace,
  { net = {}, record = {} }: { net?: Partial<Network>; record?: Partial<EndpointRecord> } = {},
): string[] {
  const view = { seen, parent: PARENT, siblings: "none" as const };
  return endpointRepair({ ...NET, ...net }, { ...RECORD, ...record }, view).changes;
}

Deno.test("everything that differs is said: what it is, and what it should be", () => {
  const seen = whole();
  const cases: [SeenNamespace, string[]][] = [
    [seen, []],
    [{ ...seen, links: [LO] }, ["The link eth0 is missing"]],
    [whole({ name: "x" }), ["The link eth0 is missing, as it has the name x"]],
    [whole({ linkIndex: 8 }), ["The link eth0 is missing, as there is one on another parent"]],
    [whole({ index: linkIndex(RECORD), alias: "x" }), [
      'The alias of the link eth0 is "x" instead of "ipvlan-kit n"',
    ]],
    [whole({ index: linkIndex(RECORD), alias: undefined, group: "default" }), [
      'The alias of the link eth0 is "" instead of "ipvlan-kit n"',
    ]],
    [whole({ group: "default" }), ["The group of the link eth0 is default instead of 6910070"]],
    [{ ...seen, addrs: [addr("eth0", "10.0.0.2/32"), seen.addrs[1]!] }, [
      "The link eth0 has the address 10.0.0.2/32 instead of 10.0.0.2/24",
    ]],
    [{ ...seen, addrs: [addr("eth1", "10.0.0.2/24"), seen.addrs[1]!] }, [
      "The link eth0 does not have the address 10.0.0.2/24",
    ]],
    [{ ...seen, routes: seen.routes.map((each) => ({ ...each, metric: 2000 })) }, [
      "The link eth0 has the IPv4 default route via 10.0.0.1 metric 2000 instead of via 10.0.0.1",
      "The link eth0 has the IPv6 default route via fd00::1 metric 2000 instead of via fd00::1",
    ]],
    [{ ...seen, routes: [{ ...seen.routes[0]!, via: "10.0.0.9" }, seen.routes[1]!] }, [
      "The link eth0 has the IPv4 default route via 10.0.0.9 instead of via 10.0.0.1",
    ]],
    [{ ...seen, routes: [{ ...seen.routes[0]!, via: undefined }, seen.routes[1]!] }, [
      "The link eth0 has the IPv4 default route on the link instead of via 10.0.0.1",
    ]],
    // A route of another type, or of another link, is none of these.
    [{ ...seen, routes: [{ ...seen.routes[0]!, type: "blackhole" }, seen.routes[1]!] }, [
      "The link eth0 does not have the IPv4 default route via 10.0.0.1",
    ]],
    [{ ...seen, routes: [{ ...seen.routes[0]!, dev: "eth1" }, seen.routes[1]!] }, [
      "The link eth0 does not have the IPv4 default route via 10.0.0.1",
    ]],
    [whole({ up: false }), [
      "The link eth0 is down",
      "The link eth0 does not have the address fd00::2/64",
      "The link eth0 does not have the IPv4 default route via 10.0.0.1",
      "The link eth0 does not have the IPv6 default route via fd00::1",
    ]],
  ];
  for (const [view, sentences] of cases) assertEquals(said(view), sentences);
  assertEquals(said(seen, { net: { mtu: 1400 } }), [
    "The MTU of the link eth0 is 1500 instead of 1400",
  ]);
  assertEquals(said(seen, { net: { mtu: 1500 } }), []);
  assertEquals(repair(seen, { ...NET, mtu: 1400 }).lines, ["link set dev eth0 mtu 1400"]);
  const routes = [{ dst: "10.9.0.0/16", via: "10.0.0.7" }];
  assertEquals(said(seen, { record: { routes } }), [
    "The link eth0 does not have the route to 10.9.0.0/16 via 10.0.0.7",
  ]);
  // One line sets the mode and the flag.
  const info = { type: "ipvlan", mode: "l2", flag: "private" } as const;
  assertEquals(said(whole({ info })), [
    "The ipvlan flag of the link eth0 is private instead of bridge",
  ]);
  assertEquals(repair(whole({ info })).lines.length, 1);
});

Deno.test("a link without an alias is an endpoint's by its name and its parent, and is made anew", () => {
  const bare = { alias: undefined, group: "default" };
  const removed = (changes: Partial<Link>) =>
    repair(whole({ ...bare, ...changes })).lines.filter((line) => line.startsWith("link del"));
  assertEquals(removed({}).length, 1);
  // Another program's link, by its name, its alias or its parent.
  for (const changes of [{ name: "x" }, { alias: "theirs" }, { linkIndex: 8 }]) {
    assertEquals(removed(changes), []);
  }
  // What a crash left so is deleted elsewhere.
  assertEquals(removed({ group: String(LINK_GROUP) }), []);
  // An ipvlan link may be the endpoint's, and none of another kind.
  const dummy = { type: "other", kind: "dummy" } as const;
  assertEquals(removed({ index: linkIndex(RECORD), info: dummy }), []);
});

Deno.test("the routes of an endpoint that was not the only one before stay as they were", () => {
  const isolated: Network = { ...NET, mode: "l3", isolated: true };
  const routes = (["default", "::/0"] as const).map((dst) => ({
    ...route("eth0", dst),
    dst: "default",
    metric: 1_000_000,
  }));
  const info = { type: "ipvlan", mode: "l3", flag: "bridge" } as const;
  const seen = { ...whole({ info }), routes };
  for (const [siblings, count] of [["none", 0], ["equal", 0], ["ranked", 0]] as const) {
    const { changes } = endpointRepair(isolated, RECORD, { seen, parent: PARENT, siblings });
    assertEquals(changes.length, count, siblings);
  }
  const best = { ...seen, routes: routes.map((each) => ({ ...each, metric: undefined })) };
  for (const [siblings, count] of [["none", 0], ["equal", 2]] as const) {
    const { changes } = endpointRepair(isolated, RECORD, { seen: best, parent: PARENT, siblings });
    assertEquals(changes.length, count, siblings);
  }
});

Deno.test("a parent in the sandbox that has another name now is said, and nothing is done about it", () => {
  const record = { parent: "net1" };
  const net1 = link("net1", { index: 7 });
  const seen = (links: Link[], changes: Partial<Link> = {}): SeenNamespace => {
    const all = whole({ link: undefined, ...changes });
    return { ...all, links: [...all.links, ...links] };
  };
  assertEquals(said(seen([net1]), { record }), []);
  assertEquals(said(seen([{ ...net1, index: 9 }]), { record }), [
    "The link eth0 is missing, as there is one on another parent",
  ]);
  assertEquals(said(seen([]), { record }), [
    "The parent of the link eth0 is another link instead of net1",
  ]);
  assertEquals(said(seen([], { link: "net2" }), { record }), [
    "The parent of the link eth0 is net2 instead of net1",
  ]);
});

Deno.test("a route that the host lacks is a difference, if the host was looked at", () => {
  const advertised: Network = { ...NET, mode: "l3", advertise: "address" };
  const changes = (beside?: ReadonlySet<string>) => {
    const { state, changes } = endpointRepair(advertised, RECORD, {
      seen: {
        ...whole({ info: { type: "ipvlan", mode: "l3", flag: "bridge" } }),
        routes: [route("eth0", "default"), { ...route("eth0", "default"), family: 6 as const }],
      },
      siblings: "none",
      beside,
    });
    return state === "up" ? [] : changes;
  };
  const all = [...hostSteps(advertised), ...hostSteps(advertised, RECORD)].map(stepKey);
  assertEquals(changes(new Set(all)), []);
  assertEquals(changes(), []);
  assertEquals(
    changes(new Set(all.slice(1))),
    ["The host does not have the route to 10.0.0.0/24"],
  );
});

Deno.test("rules and routes for answers are compared, and those of a link that is gone go first", () => {
  const policy: Network = { ...NET, policyRoutes: "auto" };
  const table = linkIndex(RECORD);
  const rule = (src: string): Rule => ({
    ...{ family: src.includes(":") ? 6 : 4, src, priority: 20_000, table: String(table) },
    ...{ not: false, action: "lookup", others: {} },
  } as Rule);
  const answers = [
    route("eth0", "10.0.0.0/24"),
    route("eth0", "fd00::/64"),
    route("eth0", "default", "10.0.0.1"),
    route("eth0", "default", "fd00::1"),
  ].map((each) => ({ ...each, table: String(table) }));
  const seen = whole();
  const rules = [rule("10.0.0.2"), rule("fd00::2")];
  const all = { ...seen, routes: [...seen.routes, ...answers], rules };
  const of = (seen: SeenNamespace, siblings: Siblings = "equal") => {
    const { state, changes, remove, make } = endpointRepair(policy, RECORD, {
      seen,
      parent: PARENT,
      siblings,
    });
    return { state, changes, lines: [...remove, ...make].map(({ line }) => line) };
  };
  assertEquals(of(all).state, "up");
  assertEquals(of({ ...all, routes: seen.routes }).lines, [
    `route replace 10.0.0.0/24 dev eth0 table ${table}`,
    `route replace fd00::/64 dev eth0 table ${table}`,
    `route replace default via 10.0.0.1 dev eth0 table ${table}`,
    `route replace ::/0 via fd00::1 dev eth0 table ${table}`,
  ]);
  assertEquals(of({ ...all, rules: [rules[0]!] }), {
    state: "changed",
    changes: ["The sandbox does not have the rule for answers from fd00::2"],
    lines: [`-6 rule add from fd00::2 priority 20000 table ${table}`],
  });
  // A rule that asks for more is another one.
  for (const more of [{ iif: "lo" }, { not: true }, { others: { uid_start: 7 } }, { table: "7" }]) {
    assertEquals(of({ ...all, rules: [{ ...rules[0]!, ...more } as Rule, rules[1]!] }).lines, [
      `rule add from 10.0.0.2 priority 20000 table ${table}`,
    ]);
  }
  const removed = [
    `rule del from 10.0.0.2 priority 20000 table ${table}`,
    `-6 rule del from fd00::2 priority 20000 table ${table}`,
  ];
  assertEquals(of({ ...all, links: [LO], routes: [] }).lines.slice(0, 2), removed);
  // Its sandbox has no other network, and needs none.
  assertEquals(of({ ...seen, rules: [] }, "none").state, "up");
  assertEquals(of(all, "none").lines, removed);
});

Deno.test("of what an endpoint had by earlier options, only what is there and not wanted goes", () => {
  const via = "10.0.0.7";
  const routes = ["10.7.0.0/16", "10.8.0.0/16"].map((dst) => ({ dst, via }));
  const parent = { ...PARENT, address: "02:00:00:00:00:07" };
  const from = { ...NET, mtu: 1200, txqlen: 500, hostAccess: true, routes };
  const lines = (from: Network, to: Network, seen: SeenNamespace) =>
    withdrawals(from, to, RECORD, { seen, parent, siblings: "none" })
      .map(({ netns, line, settings }) => {
        assertEquals(netns, "c");
        return [line, ...settings ?? []].join(" ");
      });
  const seen = whole();
  const full = {
    ...seen,
    routes: [...seen.routes, ...routes.map(({ dst }) => route("eth0", dst, via))],
  };
  assertEquals(lines(from, from, full).slice(0, -1), []);
  // The second route gets another next hop, by `replace`.
  const to = { ...NET, routes: [{ dst: "10.8.0.0/16", via: "10.0.0.8" }] };
  const neighbours = ["169.254.77.1", "fd69:7076:6c61:6e00::1"];
  assertEquals(lines(from, to, full), [
    `link set dev eth0 mtu ${parent.mtu}`,
    "link set dev eth0 txqueuelen 1000",
    `route del 10.7.0.0/16 via ${via} dev eth0`,
    ...neighbours.flatMap((each) => [
      `neigh replace ${each} dev eth0 lladdr ${parent.address} nud permanent`,
      `neigh del ${each} dev eth0`,
    ]),
    // The kernel has forgotten what IPv6 the link has.
    "link set dev eth0 up",
  ]);
  // Somebody has deleted the route, or it was withdrawn before a kill.
  assertEquals(lines({ ...NET, routes }, NET, seen), []);
});
