// Networks and sandboxes of engines: namespaces without a name, links that are handed over, and what is
// left when an engine ends.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type EngineDriver, type EngineNetworkSpec, settle } from "../../lib/driver/mod.ts";
import { IpvlanError, isIpvlanError, type Owner } from "../../mod.ts";
import type { Link } from "../../lib/iproute2/mod.ts";
import { attach, detach } from "../../lib/engine/attachment.ts";
import { engineNamespace } from "../kit/borrowed.ts";
import { eachLine, Faults } from "../kit/faults.ts";
import { dumpSandbox } from "../kit/look.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

const cni = (id: string): Owner => ({ engine: "cni", id });
const LAN = {
  name: "cni:lan",
  owner: cni("lan"),
  transient: true,
  parent: "eth0.20",
  subnets: ["192.168.20.0/24", "fd20::/64"],
} satisfies EngineNetworkSpec;

/** Attaches a container to {@linkcode LAN}. */
async function add(
  driver: EngineDriver,
  id: string,
  path: string,
  ifname = "eth0",
): Promise<string> {
  const spec = { name: `cni:${id}`, owner: cni(id), path, connection: { ifname } };
  return (await attach(driver, settle(LAN), spec)).value.ip!;
}

/** Finds a link of the host. */
function findLink({ ns }: TestHost, name: string): Promise<Link | undefined> {
  return ns.ip.link.find(name);
}

Deno.test("a namespace that has only a path is connected, with all that one with a name has", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    await using two = await engineNamespace();
    assertEquals(await add(driver, "one", one.path), "192.168.20.2/24");
    assertEquals(await add(driver, "two", two.path), "192.168.20.3/24");
    const { links, addrs, routes } = await dumpSandbox(one.netns);
    assertEquals(links.map(({ name, alias }) => [name, alias]), [
      ["eth0", "ipvlan-kit cni:lan"],
      ["lo", undefined],
    ]);
    assertEquals(addrs, ["192.168.20.2/24 dev eth0", "fd20::2/64 dev eth0"]);
    assertEquals(routes.filter((route) => route.startsWith("default")), [
      "default via 192.168.20.1 dev eth0 metric undefined",
      "default via fd20::1 dev eth0 metric 1024",
    ]);
    assertStringIncludes(await one.run("ping", "-c", "1", "-W", "5", "192.168.20.3"), "(0)");
    assertEquals((await host.ns.ip.link.show("eth0.20")).up, true);
    const [sandbox] = await driver.seeSandboxes(["cni:one"]);
    assertEquals([sandbox?.state, sandbox?.namespace, sandbox?.path], ["up", "borrowed", one.path]);
    // The driver names no namespace and writes no file for an engine.
    const { sandboxes, files } = await host.dump() as { sandboxes: unknown[]; files: unknown };
    assertEquals([sandboxes, files], [[], {}]);
    await detach(driver, "cni:one", "eth0");
    assertEquals((await dumpSandbox(one.netns)).links.map(({ name }) => name), ["lo"]);
    assertEquals(driver.listNetworks().map(({ name }) => name), ["cni:lan"]);
    await detach(driver, "cni:two", "eth0");
    await detach(driver, "cni:two", "eth0");
    assertEquals(driver.listNetworks(), []);
    assertEquals(await findLink(host, "eth0.20"), undefined);
    assertStringIncludes(await two.run("ip", "link"), "lo:");
  }));

Deno.test("a network with another mode is refused, and its links stay; a second link is made", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    await add(driver, "one", one.path);
    const l3 = { name: "cni:two", owner: cni("two"), path: one.path, connection: {} };
    const error = await assertRejectsError(
      () => attach(driver, settle({ ...LAN, mode: "l3" }), l3),
      "network-differs",
    );
    assertStringIncludes(error.message, "with another mode");
    // The same network once more, by a link of another name.
    assertEquals(await add(driver, "one", one.path, "net1"), "192.168.20.3/24");
    const states = (await driver.seeSandboxes(["cni:one"]))[0]!.endpoints.map(({ state }) => state);
    assertEquals(states, ["up", "up"]);
    await assertRejects(() => add(driver, "one", one.path, "net1"), IpvlanError, "net1");
    await detach(driver, "cni:one", "eth0");
    assertEquals((await dumpSandbox(one.netns)).links.map(({ name }) => name), ["lo", "net1"]);
    await detach(driver, "cni:one", "net1");
  }));

Deno.test("routes and foreign addresses are those that an engine gives", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    const { subnets: _, ...network } = LAN;
    const connection = {
      ip: "10.9.8.7/20",
      ip6: "fd09::7/80",
      routes: [{ dst: "10.0.0.0/8", via: "10.9.0.1" }, { dst: "0.0.0.0/0", via: "10.9.0.1" }],
    };
    const spec = { name: "cni:one", owner: cni("one"), path: one.path, connection };
    const { value } = await attach(driver, settle({ ...network, foreignAddresses: true }), spec);
    assertEquals([value.ip, value.ip6], ["10.9.8.7/20", "fd09::7/80"]);
    const { addrs, routes } = await dumpSandbox(one.netns);
    assertEquals(addrs, ["10.9.8.7/20 dev eth0", "fd09::7/80 dev eth0"]);
    assertEquals(routes.filter((route) => route.includes("via 10.9")), [
      "10.0.0.0/8 via 10.9.0.1 dev eth0 metric undefined",
      "default via 10.9.0.1 dev eth0 metric undefined",
    ]);
    assertEquals((await driver.seeSandboxes())[0]?.state, "up");
    await one.run("ip", "route", "del", "10.0.0.0/8");
    assertEquals((await driver.seeSandboxes())[0]?.state, "incomplete");
    assertEquals((await driver.restore()).sandboxes, ["cni:one"]);
    assertEquals((await driver.seeSandboxes())[0]?.state, "up");
  }));

Deno.test("a link is handed over: made in the host, and found wherever the engine has moved it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using container = await engineNamespace();
    const owner: Owner = { engine: "docker", id: "e1".repeat(32) };
    await driver.createNetwork({
      name: "docker:0123456789ab",
      owner: { engine: "docker", id: "0123456789ab" },
      parent: "eth0",
      subnets: ["192.168.1.0/24"],
    });
    const name = `docker:${owner.id}`;
    const { value } = await driver.borrowSandbox({
      name,
      owner,
      connections: [{ network: "docker:0123456789ab", ip: "192.168.1.9", handOver: true }],
    });
    const [endpoint] = value.endpoints;
    assertEquals(endpoint?.ip, "192.168.1.9/24");
    const link = await host.ns.ip.link.show(endpoint!.ifname);
    assertEquals([link.info.type, link.up], ["ipvlan", false]);
    assertEquals((await driver.seeSandboxes())[0]?.state, "up");
    assertEquals(await driver.removeStale(), []);
    // Docker tells the path first, and makes the namespace later.
    await driver.setSandboxPath(name, "/run/docker/netns/not-yet");
    assertEquals(await driver.removeStale(), []);
    await driver.setSandboxPath(name, container.path);
    await host.ns.ip.link.set(endpoint!.ifname, { netns: container.path });
    await container.run("ip", "link", "set", endpoint!.ifname, "name", "eth7");
    await container.run("ip", "addr", "add", "192.168.1.9/24", "dev", "eth7");
    await container.run("ip", "link", "set", "eth7", "up");
    assertEquals((await driver.seeSandboxes())[0]?.state, "up");
    assertEquals(await driver.removeStale(), []);
    assertEquals((await driver.restore()).sandboxes, [name]);
    // Docker may keep its files in a mount namespace of its own. Its containers are none the worse.
    await driver.setSandboxPath(name, "/run/docker/netns/not-seen");
    assertEquals(await driver.removeStale(), []);
    await driver.removeSandbox(name);
    assertEquals((await dumpSandbox(container.netns)).links.map(({ name }) => name), ["lo"]);
  }));

Deno.test("what an engine that was killed has left gives way, by name and by address", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const spec = (id: string, path: string, ip?: string) => ({
      name: `cni:${id}`,
      owner: cni(id),
      path,
      connection: { ip },
    });
    const one = await engineNamespace();
    const two = await engineNamespace();
    const three = await engineNamespace();
    await using four = await engineNamespace();
    await attach(driver, settle(LAN), spec("one", one.path, "192.168.20.7"));
    await attach(driver, settle(LAN), spec("two", two.path));
    await attach(driver, settle(LAN), spec("three", three.path));
    const taken = () => attach(driver, settle(LAN), spec("four", four.path, "192.168.20.7"));
    await assertRejects(taken, IpvlanError, "192.168.20.7");
    await one.end();
    await two.end();
    assertEquals((await taken()).value.ip, "192.168.20.7/24");
    // The same container in a new namespace, as after a restart of the machine.
    await using again = await engineNamespace();
    assertEquals(
      (await attach(driver, settle(LAN), spec("two", again.path))).value.ip,
      "192.168.20.2/24",
    );
    await three.end();
    assertEquals((await driver.seeSandboxes(["cni:three"]))[0]?.state, "down");
    assertEquals(await driver.removeStale("docker"), []);
    assertEquals(await driver.removeStale(), ["cni:three"]);
    await again.end();
    await four.end();
    const report = await driver.restore();
    assertEquals([report.sandboxes, report.missing], [[], []]);
    assertEquals(report.undone.toSorted(), [
      'The namespace of "cni:four" was gone',
      'The namespace of "cni:two" was gone',
    ]);
    assertEquals(driver.listNetworks(), []);
  }));

Deno.test("engines and ipvlan share a parent and a subnet, if they say the same of it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "own", parent: "eth0.20", subnets: ["192.168.20.0/24"] });
    const wider = {
      name: "cni:x",
      owner: cni("x"),
      parent: "eth0.20",
      subnets: ["192.168.0.0/16"],
    };
    await assertRejectsError(() => driver.createNetwork(wider), "subnet-in-use");
    const again = { name: "again", parent: "eth0.20", subnets: ["192.168.20.0/24"] };
    await assertRejectsError(() => driver.createNetwork(again), "subnet-in-use");
    await using one = await engineNamespace();
    await add(driver, "one", one.path);
    await driver.removeNetwork("own");
    assert(await findLink(host, "eth0.20"));
    await detach(driver, "cni:one", "eth0");
    assertEquals(await findLink(host, "eth0.20"), undefined);
  }));

Deno.test("what is no namespace of an engine is refused, and nothing is left", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const before = await host.dump();
    const paths: [string, string][] = [
      ["/etc/passwd", "it is not a namespace"],
      ["/proc/0/ns/net", "there is no such file"],
      [`/run/netns/${host.ns.name}`, "it is that of the host itself"],
      ["proc/1/ns/net", "an absolute path"],
      ["/run/netns/../netns/x", "an absolute path"],
      ["/run/netns/x;reboot", "an absolute path"],
      ["/run/x\n", "an absolute path"],
    ];
    for (const [path, rule] of paths) {
      await assertRejects(() => add(driver, "one", path), IpvlanError, rule);
    }
    await using one = await engineNamespace();
    for (const id of ["", "-x", "a b", "../x", "x/y"]) {
      await assertRejects(() => add(driver, id, one.path), IpvlanError, "is not valid");
    }
    const without = () => driver.borrowSandbox({ name: "cni:one", owner: cni("one") });
    assertEquals((await without()).value.endpoints, []);
    await assertRejectsError(without, "sandbox-exists");
    await driver.removeSandbox("cni:one");
    await assertRejects(() => driver.setSandboxPath("cni:one", one.path), IpvlanError, "cni:one");
    const error = await assertRejects(
      () =>
        driver.borrowSandbox({
          name: "cni:1",
          owner: cni("1"),
          connections: [{ network: "none" }],
        }),
      IpvlanError,
    );
    assert(!isIpvlanError(error, "invalid-option"));
    assertEquals(await host.dump(), before);
  }));

Deno.test("twenty attach at once, and their network goes with the last of them", () =>
  withHost(async (host) => {
    const drivers = await Promise.all([host.driver(), host.driver()]);
    const containers = await Promise.all(Array.from({ length: 20 }, () => engineNamespace()));
    await using undo = new AsyncDisposableStack();
    containers.forEach((each) => undo.use(each));
    const ips = await Promise.all(
      containers.map(({ path }, index) => add(drivers[index % 2]!, `c${index}`, path)),
    );
    assertEquals(new Set(ips).size, 20);
    await Promise.all(
      containers.map((_, index) => detach(drivers[index % 2]!, `cni:c${index}`, "eth0")),
    );
    assertEquals(drivers[0]!.listNetworks(), []);
    assertEquals(await findLink(host, "eth0.20"), undefined);
  }));

for (const fault of ["refused", "lost", "unanswered"] as const) {
  Deno.test(`to attach leaves nothing when a line is ${fault}`, async () => {
    await withHost(async (host) => {
      await using faults = await Faults.of(fault);
      const driver = await host.driver({ wrap: faults.wrap });
      await using one = await engineNamespace();
      const look = async () => [await host.dump(), await dumpSandbox(one.netns, host.eyes)];
      const before = await look();
      const lines = await eachLine(faults, () => add(driver, "one", one.path), async (n) => {
        // What could not be undone goes with the next call.
        await driver.recover();
        await driver.removeStale();
        assertEquals(await look(), before, `line ${n}`);
      });
      assert(lines >= (fault === "refused" ? 6 : 2), `only ${lines} lines`);
      await detach(driver, "cni:one", "eth0");
      assertEquals(await look(), before);
    });
  });
}
