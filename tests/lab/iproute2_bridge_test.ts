import { assert, assertEquals } from "@std/assert";
import { Bridge } from "../../lib/iproute2/bridge.ts";
import { freshNetns } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

Deno.test("a switch keeps VLANs apart, counts their frames and learns addresses", async () => {
  await using sw = await freshNetns();
  await using h1 = await freshNetns();
  await using h2 = await freshNetns();
  await sw.ip.link.add({
    ...{ type: "bridge", name: "br", vlanFiltering: true, vlanStats: true },
    up: true,
  });
  for (
    const [host, port, address] of [[h1, "p1", "10.0.0.1/24"], [h2, "p2", "10.0.0.2/24"]] as const
  ) {
    await sw.ip.link.add({ type: "veth", name: port, peer: { name: "eth0", netns: host.name } });
    await sw.ip.link.set(port, { master: "br", addrgenmode: "none", up: true });
    await host.ip.link.set("eth0", { addrgenmode: "none", up: true });
    await host.ip.addr.add({ dev: "eth0", address });
  }
  await using bridge = await Bridge.open({ netns: sw.name });
  for (const port of ["p1", "p2"]) {
    await bridge.addVlan(port, { id: 10, pvid: true, untagged: true });
    await bridge.addVlan(port, { id: 20 });
    await bridge.delVlan(port, 1);
  }
  const membership = async (port: string) =>
    (await bridge.vlans(port)).map(({ id, pvid, untagged }) => ({ id, pvid, untagged }));
  assertEquals(await membership("p1"), [
    { id: 10, pvid: true, untagged: true },
    { id: 20, pvid: false, untagged: false },
  ]);

  const ping = await h1.run("ping", "-c", "1", "-W", "5", "10.0.0.2");
  assertEquals(ping.code, 0, ping.stdout + ping.stderr);
  for (const port of ["p1", "p2"]) {
    const [ten, twenty] = await bridge.vlans(port);
    assert(ten!.received > 0 && ten!.sent > 0, `${port}: ${JSON.stringify(ten)}`);
    assertEquals([twenty!.received, twenty!.sent], [0, 0]);
  }

  await bridge.addVlan("p2", { id: 30, pvid: true, untagged: true });
  await bridge.delVlan("p2", 10);
  await h1.ip.session.change("neigh flush dev eth0");
  const apart = await h1.run("ping", "-c", "1", "-W", "1", "10.0.0.2");
  assert(apart.code !== 0, apart.stdout);
});

Deno.test("a bridge session refuses what the kernel refuses, and a missing namespace", async () => {
  await using ns = await freshNetns();
  await ns.ip.link.add({ type: "dummy", name: "d" });
  await using bridge = await Bridge.open({ netns: ns.name });
  assertEquals(await bridge.vlans("d"), []);
  await assertRejectsError(() => bridge.addVlan("d", { id: 10 }), "ip-command");
  await assertRejectsError(() => bridge.vlans("none"), "ip-command", "none");
  await assertRejectsError(() => Bridge.open({ netns: "no-such-netns" }), "namespace-not-found");
});

Deno.test("a port is the one that has the name now", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await using bridge = await Bridge.open({ netns: ns.name });
  await link.add({ type: "bridge", name: "br", vlanFiltering: true });
  for (const name of ["p1", "p2"]) {
    await link.add({ type: "dummy", name });
    await link.set(name, { master: "br" });
  }
  assertEquals((await bridge.vlans("p1")).map(({ id }) => id), [1]);
  await link.set("p1", { name: "old1" });
  await link.set("p2", { name: "p1" });
  await bridge.addVlan("p1", { id: 20 });
  const ids = async (port: string) => (await bridge.vlans(port)).map(({ id }) => id);
  assertEquals([await ids("old1"), await ids("p1")], [[1], [1, 20]]);
});
