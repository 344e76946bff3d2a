import { assert, assertEquals, assertRejects } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import type { Neigh, NeighSpec } from "../../lib/iproute2/neigh.ts";
import type { Route, RouteSpec } from "../../lib/iproute2/route_types.ts";
import type { RuleSpec } from "../../lib/iproute2/rule.ts";
import { type FreshNetns, freshNetns } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

/** Two namespaces and a cable between them, `eth0` on both ends, up and without addresses. */
async function cable(a: FreshNetns, b: FreshNetns): Promise<void> {
  const peer = { name: "eth0", netns: b.name };
  await a.ip.link.add({ type: "veth", name: "eth0", peer });
  for (const { ip } of [a, b]) await ip.link.set("eth0", { addrgenmode: "none", up: true });
}

Deno.test("addresses of both families are read back with their flags, and taken off", async () => {
  await using a = await freshNetns();
  await using b = await freshNetns();
  await cable(a, b);
  const { addr } = a.ip;
  await addr.add({ dev: "eth0", address: "192.168.1.2/24" });
  await addr.add({ dev: "eth0", address: "192.168.1.3", prefixLength: 32 });
  await addr.add({ dev: "eth0", address: "2001:db8::2/64", nodad: true });
  const none = {
    peer: undefined,
    nodad: false,
    optimistic: false,
    noprefixroute: false,
    flags: [],
  };
  const common = { ...none, dev: "eth0", scope: "global" } as const;
  assertEquals(await addr.show({ dev: "eth0" }), [
    { ...common, family: 4, address: "192.168.1.2", prefixLength: 24 },
    { ...common, family: 4, address: "192.168.1.3", prefixLength: 32 },
    {
      ...common,
      family: 6,
      address: "2001:db8::2",
      prefixLength: 64,
      ...{ nodad: true, flags: ["nodad"] },
    },
  ]);
  assertEquals(await addr.show(), await addr.show({ dev: "eth0" }), "lo is down and has none");
  await addr.del({ dev: "eth0", address: "192.168.1.3/32" });
  await addr.del({ dev: "eth0", address: "2001:db8::2/64" });
  assertEquals((await addr.show({ dev: "eth0" })).map(({ address }) => address), ["192.168.1.2"]);
});

Deno.test("without nodad an IPv6 address is tentative while the link has no carrier", async () => {
  await using ns = await freshNetns();
  await ns.ip.link.add({ type: "veth", name: "a", peer: { name: "b" }, up: true });
  await ns.ip.addr.add({ dev: "a", address: "2001:db8::2/64" });
  const [shown] = (await ns.ip.addr.show({ dev: "a" })).filter(({ scope }) => scope === "global");
  assertEquals(shown?.flags, ["tentative"]);
});

Deno.test("the addresses of a link are shown after the links were", async () => {
  await using ns = await freshNetns();
  await ns.ip.link.add({ type: "dummy", name: "d" });
  await ns.ip.addr.add({ dev: "d", address: "10.0.0.1/8" });
  await ns.ip.link.show();
  assertEquals((await ns.ip.addr.show({ dev: "d" })).map(({ address }) => address), ["10.0.0.1"]);
});

Deno.test("a refused address is sorted by errno, and a warning is no reason", async () => {
  await using ns = await freshNetns();
  const { addr, link } = ns.ip;
  await link.add({ type: "dummy", name: "d" });
  await link.add({ type: "ipvlan", name: "i1", link: "d", mode: "l2" });
  await link.add({ type: "ipvlan", name: "i2", link: "d", mode: "l2" });
  // An IPv4 address with nodad is taken, with a warning; the next line of the burst is refused.
  const [taken, refused] = await Promise.allSettled([
    addr.add({ dev: "i1", address: "10.0.0.1/8", nodad: true }),
    addr.add({ dev: "i1", address: "10.0.0.1/8" }),
  ]);
  assertEquals(taken.status, "fulfilled");
  assert(refused.status === "rejected");
  assert(!refused.reason.reason.includes("Warning"), refused.reason.reason);
  await addr.add({ dev: "i1", address: "2001:db8::1/64", nodad: true });
  const table: [() => Promise<void>, string][] = [
    [() => addr.add({ dev: "i1", address: "10.0.0.1/8" }), "EEXIST"],
    [() => addr.add({ dev: "i1", address: "2001:db8::1/64" }), "EEXIST"],
    [() => addr.add({ dev: "i2", address: "10.0.0.1/8" }), "EADDRINUSE"],
    [() => addr.add({ dev: "i2", address: "2001:db8::1/64" }), "EADDRINUSE"],
    [() => addr.del({ dev: "i1", address: "10.0.0.9/8" }), "EADDRNOTAVAIL"],
    [() => addr.del({ dev: "i1", address: "2001:db8::9/64" }), "EADDRNOTAVAIL"],
    [() => addr.add({ dev: "none", address: "10.0.0.1/8" }), "ENODEV"],
  ];
  for (const [call, errno] of table) {
    const error = await assertRejectsError(call, "ip-command");
    assertEquals(error.errno, errno, error.message);
  }
});

Deno.test("IPv4 routes are added, replaced, shown and deleted", async () => {
  await using ns = await freshNetns();
  const { addr, link, route } = ns.ip;
  await link.add({ type: "dummy", name: "d", up: true });
  await addr.add({ dev: "d", address: "10.0.0.2/24" });
  await route.add({ dst: "default", via: "10.0.0.1", src: "10.0.0.2", metric: 50 });
  await route.add({ dst: "10.1.0.0/16", dev: "d" });
  await route.add({ dst: "10.2.0.0/16", via: "10.0.0.3", dev: "d" });
  await route.replace({ dst: "10.2.0.0/16", via: "10.0.0.4" });
  const common = {
    family: 4,
    table: "main",
    type: "unicast",
    dev: "d",
    nexthops: [],
    onlink: false,
    protocol: "boot",
    flags: [],
  } satisfies Partial<Route>;
  const none = { via: undefined, src: undefined, metric: undefined };
  assertEquals(await route.show(4), [
    {
      ...{ ...common, dst: "default", via: "10.0.0.1", src: "10.0.0.2", metric: 50 },
      scope: "global",
    },
    {
      ...{ ...common, ...none, dst: "10.0.0.0/24", src: "10.0.0.2" },
      ...{ scope: "link", protocol: "kernel" },
    },
    { ...common, ...none, dst: "10.1.0.0/16", scope: "link" },
    { ...common, ...none, dst: "10.2.0.0/16", via: "10.0.0.4", scope: "global" },
  ]);
  const local = await route.show(4, { table: "local", dev: "d" });
  assertEquals(
    local.map(({ dst, type, dev }) => [dst, type, dev]),
    [["10.0.0.2", "local", "d"], ["10.0.0.255", "broadcast", "d"]],
  );
  assertEquals(await route.show(4, { table: "77" }), []);
  await route.del({ dst: "default", metric: 50 });
  await route.del({ dst: "10.1.0.0/16" });
  await route.del({ dst: "10.2.0.0/16" });
  assertEquals((await route.show(4)).map(({ dst }) => dst), ["10.0.0.0/24"]);
});

Deno.test("IPv6 routes are added, replaced, shown and deleted", async () => {
  await using ns = await freshNetns();
  const { addr, link, route } = ns.ip;
  await link.add({ type: "dummy", name: "d" });
  await link.set("d", { addrgenmode: "none", up: true });
  await addr.add({ dev: "d", address: "2001:db8::2/64", nodad: true });
  await route.add({ dst: "default", via: "2001:db8::1" });
  await route.add({ dst: "2001:db8:1::/64", dev: "d", metric: 7 });
  await route.replace({ dst: "2001:db8:1::/64", via: "2001:db8::3", metric: 7 });
  // `fe80::/64` is on every link.
  const global = async () => (await route.show(6)).filter(({ dst }) => dst !== "fe80::/64");
  const shown = (await global()).map(({ dst, via, dev, metric, protocol }) =>
    [dst, via, dev, metric, protocol].join(" ")
  );
  assertEquals(shown.sort(), [
    "2001:db8:1::/64 2001:db8::3 d 7 boot",
    "2001:db8::/64  d 256 kernel",
    "default 2001:db8::1 d 1024 boot",
  ]);
  assertEquals(await route.show(6, { dev: "d" }), await route.show(6));
  assertEquals(await route.show(4), []);
  assert((await route.show(6, { table: "local" })).some(({ dst }) => dst === "2001:db8::2"));
  await route.del({ dst: "::/0" });
  await route.del({ dst: "2001:db8:1::/64" });
  assertEquals((await global()).map(({ dst }) => dst), ["2001:db8::/64"]);
});

Deno.test("a refused route is sorted by errno", async () => {
  await using ns = await freshNetns();
  const { addr, link, route } = ns.ip;
  await link.add({ type: "dummy", name: "d", up: true });
  await addr.add({ dev: "d", address: "10.0.0.2/24" });
  const table: [() => Promise<void>, string][] = [
    [() => route.add({ dst: "10.1.0.0/16", via: "172.16.0.1" }), "ENETUNREACH"],
    [() => route.del({ dst: "10.1.0.0/16" }), "ESRCH"],
    [() => route.del({ dst: "2001:db8::/64" }), "ESRCH"],
    [() => route.add({ dst: "10.1.0.0/16", dev: "none" }), "ENODEV"],
  ];
  for (const [call, errno] of table) {
    const error = await assertRejectsError(call, "ip-command");
    assertEquals(error.errno, errno, error.message);
  }
});

Deno.test("a neighbour is known after a ping, and one that is not there has failed", async () => {
  await using a = await freshNetns();
  await using b = await freshNetns();
  await cable(a, b);
  await a.ip.addr.add({ dev: "eth0", address: "10.0.0.1/24" });
  await b.ip.addr.add({ dev: "eth0", address: "10.0.0.2/24" });
  const ping = await a.run("ping", "-c", "1", "-W", "5", "10.0.0.2");
  assertEquals(ping.code, 0, ping.stdout + ping.stderr);
  const { address } = await b.ip.link.show("eth0");
  const [known] = await a.ip.neigh.show({ dev: "eth0" });
  assertEquals([known?.dst, known?.dev, known?.address], ["10.0.0.2", "eth0", address]);
  assert(["REACHABLE", "DELAY", "STALE"].includes(known?.state ?? ""), `${known?.state}`);
  await a.run("ping", "-c", "1", "-W", "1", "10.0.0.3");
  const nobody = (await a.ip.neigh.show()).find(({ dst }) => dst === "10.0.0.3");
  assertEquals([nobody?.dev, nobody?.address], ["eth0", undefined]);
});

Deno.test("namespaces are made, listed and deleted", async () => {
  await using host = await Ip.open();
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  await host.netns.add(name);
  try {
    assert((await host.netns.list()).includes(name));
    assertEquals(
      (await assertRejectsError(() => host.netns.add(name), "ip-command")).errno,
      "EEXIST",
    );
  } finally {
    await host.netns.del(name);
  }
  assert(!(await host.netns.list()).includes(name));
  assertEquals(
    (await assertRejectsError(() => host.netns.del(name), "ip-command")).errno,
    "ENOENT",
  );
});

/** Two namespaces with a link each that has addresses and is up: what is shown in one is given to the other. */
async function twins() {
  await using undo = new AsyncDisposableStack();
  const both = [undo.use(await freshNetns()), undo.use(await freshNetns())] as const;
  for (const { ip } of both) {
    await ip.link.set("lo", { addrgenmode: "none", up: true });
    await ip.link.add({ type: "dummy", name: "d", index: 500 });
    await ip.link.set("d", { addrgenmode: "none", address: "02:00:00:00:00:01", up: true });
    await ip.addr.add({ dev: "d", address: "10.0.0.1/24" });
    await ip.addr.add({ dev: "d", address: "2001:db8::1/64", nodad: true });
  }
  const kept = undo.move();
  return { from: both[0].ip, to: both[1].ip, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

Deno.test("addresses that are shown can be given, and one without a length is refused", async () => {
  await using both = await twins();
  const { from, to } = both;
  await from.addr.add({ dev: "d", address: "10.0.1.1/32", peer: "10.0.1.2", scope: "link" });
  await from.addr.add({ dev: "d", address: "10.0.2.1/24", noprefixroute: true, scope: "200" });
  await from.addr.add({ dev: "d", address: "fd00::1/128", peer: "fd00::2", nodad: true });
  const shown = await from.addr.show({ dev: "d" });
  assertEquals(shown.filter(({ peer }) => peer).map(({ address, peer }) => [address, peer]), [
    ["10.0.1.1", "10.0.1.2"],
    ["fd00::1", "fd00::2"],
  ]);
  for (const each of shown) await to.addr.del(each).catch(() => {});
  assertEquals(await to.addr.show({ dev: "d" }), []);
  for (const each of shown) await to.addr.add(each);
  const byText = (addrs: unknown[]) => addrs.map((each) => JSON.stringify(each)).sort();
  assertEquals(byText(await to.addr.show({ dev: "d" })), byText(shown));
  for (const address of ["10.0.9.1", "fd00::9"]) {
    await assertRejects(
      () => to.addr.add({ dev: "d", address }),
      IpvlanError,
      "prefix length",
    );
  }
  for (const each of shown) await to.addr.del(each);
  assertEquals(await to.addr.show({ dev: "d" }), []);
});

Deno.test("routes of any table, metric, type and number of next hops can be given as shown", async () => {
  await using both = await twins();
  const { from, to } = both;
  const several = [{ via: "10.0.0.2", weight: 2 }, { via: "10.0.0.3", dev: "d" }, { dev: "d" }];
  const given: RouteSpec[] = [
    { dst: "default", nexthops: several, metric: 7, src: "10.0.0.1" },
    { dst: "default", via: "10.0.0.2", table: 100 },
    { dst: "10.1.0.0/16", via: "172.16.0.1", dev: "d", onlink: true, protocol: "static" },
    { dst: "10.1.0.0/16", dev: "d", table: 4_000_000_000, metric: 0xffff_ffff, scope: "host" },
    { dst: "10.2.0.0/16", via: "fe80::9", dev: "d" },
    { dst: "10.3.0.0/16", nexthops: [{ via: "fe80::9", dev: "d" }, { via: "10.0.0.9" }] },
    { dst: "10.4.0.0/16", type: "local", dev: "lo" },
    { dst: "10.5.0.0/16", type: "blackhole", protocol: 117 },
    { dst: "10.6.0.0/16", type: "unreachable", table: "100" },
    { dst: "10.7.0.0/16", type: "prohibit" },
    { dst: "10.8.0.0/16", type: "throw", table: 100 },
    {
      dst: "default",
      nexthops: [{ via: "fe80::2", dev: "d", weight: 256 }, { via: "2001:db8::3" }],
    },
    { dst: "default", family: 6, dev: "d", table: 100, metric: 5 },
    { dst: "2001:db8:1::/48", type: "blackhole" },
    { dst: "default", family: 6, type: "unreachable", metric: 0xffff_fffe },
    { dst: "2001:db8:2::/48", via: "2001:db8:f::1", dev: "d", onlink: true },
    { dst: "2001:db8:3::9", dev: "d", src: "2001:db8::1", protocol: 117 },
  ];
  const all = async (
    ip: Ip,
  ) => [...await ip.route.show(4, { table: "all" }), ...await ip.route.show(6, { table: "all" })];
  const before = (await all(from)).map((each) => JSON.stringify(each));
  for (const route of given) await from.route.add(route);
  const shown = (await all(from)).filter((each) => !before.includes(JSON.stringify(each)));
  assertEquals(shown.length, given.length);
  const ways = shown.filter(({ dst, nexthops }) => dst === "default" && nexthops.length > 0);
  const hop = { via: undefined, dev: "d", onlink: false, flags: [] };
  assertEquals(ways.map(({ family, metric, nexthops }) => ({ family, metric, nexthops })), [
    {
      family: 4,
      metric: 7,
      nexthops: [
        { ...hop, via: "10.0.0.2", weight: 2 },
        { ...hop, via: "10.0.0.3", weight: 1 },
        { ...hop, weight: 1 },
      ],
    },
    {
      family: 6,
      metric: 1024,
      nexthops: [
        { ...hop, via: "fe80::2", weight: 256 },
        { ...hop, via: "2001:db8::3", weight: 1 },
      ],
    },
  ]);
  for (const route of shown) await to.route.add(route);
  assertEquals(await all(to), await all(from));
  assertEquals(
    (await to.route.show(4, { table: 100 })).map(({ dst }) => dst),
    ["default", "10.6.0.0/16", "10.8.0.0/16"],
  );
  for (const route of shown) await to.route.del(route);
  assertEquals((await all(to)).map((each) => JSON.stringify(each)), before);
});

Deno.test("neighbours are added, replaced, shown as they can be given, and deleted", async () => {
  await using a = await freshNetns();
  await using b = await freshNetns();
  await cable(a, b);
  const { addr, neigh } = a.ip;
  await addr.add({ dev: "eth0", address: "10.0.0.1/24" });
  await addr.add({ dev: "eth0", address: "2001:db8::1/64", nodad: true });
  const address = "02:00:00:00:00:09";
  const at = { dst: "10.0.0.9", dev: "eth0" };
  await neigh.add({ ...at, address });
  await neigh.add({ dst: "2001:db8::9", dev: "eth0", address });
  await neigh.add({ dst: "10.0.0.8", dev: "eth0", address, state: "NOARP" });
  await neigh.add({ dst: "10.0.0.7", dev: "eth0", state: "FAILED" });
  const exists = await assertRejectsError(() => neigh.add({ ...at, address }), "ip-command");
  assertEquals(exists.errno, "EEXIST");
  const shown = await neigh.show({ dev: "eth0" });
  const text = (each: NeighSpec) => `${each.dst} ${each.address} ${each.state}`;
  assertEquals(shown.map(text).sort(), [
    "10.0.0.7 undefined FAILED",
    `10.0.0.9 ${address} PERMANENT`,
    `2001:db8::9 ${address} PERMANENT`,
  ]);
  assertEquals((await neigh.show({ state: "NOARP" })).filter(({ dst }) => dst === "10.0.0.8"), [
    { dst: "10.0.0.8", dev: "eth0", address, state: "NOARP" },
  ]);
  const other = "02:00:00:00:00:0a";
  await neigh.replace({ ...at, address: other });
  assertEquals((await neigh.show()).map(text).includes(`10.0.0.9 ${other} PERMANENT`), true);
  for (const each of shown) await neigh.replace(each);
  assertEquals((await neigh.show()).map(text).sort(), shown.map(text).sort());
  for (const each of shown) await neigh.del(each);
  assertEquals((await neigh.show()).filter(({ state }) => state === "PERMANENT"), []);
  await assertRejectsError(() => neigh.del(at), "ip-command");
  for (const dst of ["10.0.0.6", "2001:db8::6"]) {
    await neigh.add({ dst, dev: "eth0", proxy: true });
    const proxies = [{ dst, dev: "eth0", address: undefined, state: "NONE", proxy: true }];
    assertEquals(await neigh.show({ proxy: true, dev: "eth0" }), proxies as Neigh[]);
    assertEquals((await neigh.show()).some((each) => each.dst === dst), false);
    for (const each of await neigh.show({ proxy: true })) await neigh.del(each);
    assertEquals(await neigh.show({ proxy: true }), []);
  }
  // The kernel has no place for a neighbour of IPv6 where that is off.
  await a.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
  await assertRejects(
    () => neigh.add({ dst: "fe80::9", dev: "eth0", address: "02:00:00:00:00:0" }),
    IpvlanError,
  );
});

Deno.test("rules of both families are added, shown as they can be given, and deleted", async () => {
  await using both = await twins();
  const { from, to } = both;
  const before = await from.rule.show();
  const given: RuleSpec[] = [
    { src: "10.0.0.0/8", table: 100, priority: 1000 },
    { src: "10.1.2.3", dst: "10.9.0.0/16", iif: "lo", oif: "d", table: "main", priority: 1001 },
    { not: true, fwmark: 7, fwmask: "0xff", table: 100, suppressPrefixLength: 0, priority: 1002 },
    { action: "blackhole", dst: "10.9.9.9", protocol: 117, priority: 1003 },
    { action: "goto", goto: 1100, iif: "none", priority: 1004 },
    { action: "nop", priority: 1005 },
    { table: 4_000_000_000, priority: 0xffff_ffff },
    { dst: "2001:db8::/32", table: 100, priority: 1000 },
    { action: "prohibit", src: "2001:db8::9", priority: 1001 },
    { family: 6, table: 100, priority: 1002, fwmark: "0x7" },
  ];
  for (const rule of given) await from.rule.add(rule);
  const shown = (await from.rule.show()).filter(({ priority, family }) =>
    !before.some((each) => each.priority === priority && each.family === family)
  );
  assertEquals(shown.map(({ family, priority }) => [family, priority]), [
    ...[1000, 1001, 1002, 1003, 1004, 1005, 0xffff_ffff].map((priority) => [4, priority]),
    ...[1000, 1001, 1002].map((priority) => [6, priority]),
  ]);
  for (const rule of shown) await to.rule.add(rule);
  assertEquals(await to.rule.show(), await from.rule.show());
  assertEquals(
    (await assertRejectsError(() => to.rule.add(given[0]!), "ip-command")).errno,
    "EEXIST",
  );
  for (const rule of shown) await to.rule.del(rule);
  assertEquals(await to.rule.show(), before);
  assertEquals(
    (await assertRejectsError(() => to.rule.del(given[0]!), "ip-command")).errno,
    "ENOENT",
  );
  assertEquals(
    (await assertRejectsError(() => to.rule.del(given[8]!), "ip-command")).errno,
    "ENOENT",
  );
  // `ip` ends over it, in a process of its own too.
  for (const family of [4, 6] as const) {
    const named = { family, table: "no-such-table" };
    await assertRejectsError(() => to.rule.add(named), "ip-command", "no-such-table");
  }
  // What is asked for in one turn is done in its order.
  await Promise.all([
    to.link.del("d"),
    to.rule.add({ family: 6, table: 7, priority: 7 }),
    to.rule.add({ table: 8, priority: 7 }),
    to.rule.del({ family: 6, priority: 7 }),
    to.link.add({ type: "dummy", name: "d" }),
  ]);
  assertEquals((await to.rule.show()).filter(({ priority }) => priority === 7).length, 1);
});
