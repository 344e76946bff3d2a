import { assert, assertEquals } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import type { Route } from "../../lib/iproute2/route.ts";
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
  await addr.add({ dev: "eth0", address: "192.168.1.3" });
  await addr.add({ dev: "eth0", address: "2001:db8::2/64", nodad: true });
  const common = { dev: "eth0", scope: "global", flags: [] };
  assertEquals(await addr.show({ dev: "eth0" }), [
    { ...common, family: 4, address: "192.168.1.2", prefixLength: 24 },
    { ...common, family: 4, address: "192.168.1.3", prefixLength: 32 },
    { ...common, family: 6, address: "2001:db8::2", prefixLength: 64, flags: ["nodad"] },
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
  assert(["REACHABLE", "DELAY", "STALE"].includes(known?.state[0] ?? ""), `${known?.state}`);
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
