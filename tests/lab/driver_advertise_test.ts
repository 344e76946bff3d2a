// The routes that networks advertise, in the host's table.
import { assert, assertEquals } from "@std/assert";
import type { EngineDriver } from "../../lib/driver/mod.ts";
import { assertConsistent, hostRoutes } from "../kit/look.ts";
import { run, succeed } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";

const CHILD = new URL("driver_advertise_child.ts", import.meta.url).pathname;

/** One network of each way to advertise, with both families. */
async function twoNetworks(driver: EngineDriver): Promise<void> {
  await driver.createNetwork({
    ...{ name: "whole", parent: "eth0.20", mode: "l3", advertise: "subnet" },
    subnets: ["10.1.0.0/24", "10.2.0.0/24", "fd01::/64"],
  });
  await driver.createNetwork({
    ...{ name: "each", parent: "eth0", mode: "l3s", advertise: "address" },
    subnets: [{ subnet: "10.3.0.0/24", ipRange: "10.3.0.64/28" }, "fd03::/64"],
  });
}

/** The routes of `twoNetworks`. */
const BOTH = [
  "10.1.0.0/24 proto 117 metric 117",
  "10.2.0.0/24 proto 117 metric 117",
  "10.3.0.0/24 proto kernel metric 118",
  "fd01::/64 proto 117 metric 117",
  "fd03::/64 proto kernel metric 118",
];

/** The routes of an endpoint on `each`. */
const announced = (...addresses: string[]) =>
  addresses.map((address) => `${address} proto 117 metric 117`);

Deno.test("routes come and go with networks, sandboxes and endpoints", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    const others = await hostRoutes(ip);
    assertEquals(others, []);
    await twoNetworks(driver);
    assertEquals(await hostRoutes(ip), BOTH);
    await driver.createSandbox({
      name: "c1",
      connections: [{ network: "each" }, { network: "whole" }],
    });
    const c1 = announced("10.3.0.64", "fd03::2");
    assertEquals(await hostRoutes(ip), [...BOTH, ...c1].toSorted());
    await driver.createSandbox({ name: "c2" });
    await driver.connect("each", "c2", { ip: "10.3.0.9", ip6: "fd03::9" });
    const c2 = announced("10.3.0.9", "fd03::9");
    assertEquals(await hostRoutes(ip), [...BOTH, ...c1, ...c2].toSorted());
    await assertConsistent(host);
    await driver.disconnect("each", "c2");
    assertEquals(await hostRoutes(ip), [...BOTH, ...c1].toSorted());
    await driver.removeSandbox("c1");
    assertEquals(await hostRoutes(ip), BOTH);
    await driver.removeNetwork("whole");
    await driver.removeNetwork("each");
    assertEquals(await hostRoutes(ip), []);
  }));

Deno.test("restore makes missing routes again, and the list says which they are", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    await twoNetworks(driver);
    await driver.createSandbox({ name: "c1", connections: [{ network: "each" }] });
    const before = await hostRoutes(ip);
    for (const family of ["-4", "-6"]) {
      await succeed("ip", family, "-n", host.ns.name, "route", "flush", "proto", "117");
    }
    await succeed("ip", "-n", host.ns.name, "route", "del", "unreachable", "10.3.0.0/24");
    const states = async () =>
      (await driver.advertisedRoutes()).map(({ kind, dst, sandbox, state }) =>
        [kind, dst, sandbox, state].filter((word) => word !== undefined).join(" ")
      );
    assertEquals(await states(), [
      "cover 10.3.0.0/24 missing",
      "cover fd03::/64 up",
      "address 10.3.0.64/32 c1 missing",
      "address fd03::2/128 c1 missing",
      "subnet 10.1.0.0/24 missing",
      "subnet 10.2.0.0/24 missing",
      "subnet fd01::/64 missing",
    ]);
    assertEquals((await driver.restore()).missing, []);
    assertEquals(await hostRoutes(ip), before);
    assert((await states()).every((line) => line.endsWith(" up")));
  }));

Deno.test("routes of others stay, whatever their destination, and are not on record", () =>
  withHost(async (host) => {
    const { ip, name } = host.ns;
    const add = (...words: string[]) => succeed("ip", "-n", name, "route", "add", ...words);
    await add("unreachable", "10.1.0.0/24");
    await add("unreachable", "10.3.0.64", "proto", "static", "metric", "20");
    await add("blackhole", "10.3.0.0/24", "proto", "117", "metric", "7");
    const before = await ip.route.show(4);
    const driver = await host.driver();
    await twoNetworks(driver);
    await driver.createSandbox({ name: "c1", connections: [{ network: "each" }] });
    await add("unreachable", "10.9.0.0/24", "proto", "117", "metric", "117");
    assertEquals((await driver.advertisedRoutes()).filter(({ state }) => state === "unknown"), [
      { kind: "subnet", dst: "10.9.0.0/24", state: "unknown" },
    ]);
    await driver.restore();
    await driver.removeSandbox("c1");
    for (const network of ["whole", "each"]) await driver.removeNetwork(network);
    await ip.route.del({ type: "unreachable", dst: "10.9.0.0/24", protocol: 117 });
    assertEquals(await ip.route.show(4), before);
    for (const words of [["10.1.0.0/24"], ["10.3.0.64"]]) {
      await succeed("ip", "-n", name, "route", "del", "unreachable", ...words);
    }
  }));

Deno.test("what cannot be restored is not announced any more", () =>
  withHost(async (host) => {
    const { ip, name } = host.ns;
    const driver = await host.driver();
    await twoNetworks(driver);
    for (const sandbox of ["lost", "kept"]) {
      await driver.createSandbox({ name: sandbox, connections: [{ network: "each" }] });
    }
    // A namespace that is not the driver's to make again.
    await succeed("ip", "netns", "add", "found");
    await driver.adoptSandbox({ name: "found", connections: [{ network: "each" }] });
    await succeed("ip", "netns", "del", "found");
    const { missing } = await driver.restore();
    assertEquals(missing.map(({ name }) => name), ["found"]);
    const kept = announced("10.3.0.64", "10.3.0.65", "fd03::2", "fd03::3");
    assertEquals(await hostRoutes(ip), [...BOTH, ...kept].toSorted());
    // Another link has the name of a second endpoint's: the first one is still there.
    await driver.connect("whole", "kept");
    await succeed("ip", "-n", "kept", "link", "del", "eth1");
    await succeed("ip", "-n", "kept", "link", "add", "eth1", "type", "dummy");
    const again = await driver.restore();
    assertEquals(again.missing.map(({ name }) => name), ["found", "kept"]);
    assertEquals(await hostRoutes(ip), [...BOTH, ...kept].toSorted());
    // Without the parent, the whole network is gone.
    await succeed("ip", "-n", name, "link", "del", "eth0");
    await driver.restore();
    assertEquals(await hostRoutes(ip), []);
    await driver.removeSandbox("found");
  }));

Deno.test("two networks of engines on one subnet share its route until the last is gone", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    const create = (id: string, ipRange: string) =>
      driver.createNetwork({
        ...{ name: `cni:${id}`, parent: "eth0", mode: "l3", advertise: "subnet" },
        subnets: [{ subnet: "10.1.0.0/24", ipRange }],
        owner: { engine: "cni", id },
      });
    await create("a", "10.1.0.0/28");
    await create("b", "10.1.0.16/28");
    const routes = announced("10.1.0.0/24");
    assertEquals(await hostRoutes(ip), routes);
    await driver.removeNetwork("cni:a");
    assertEquals(await hostRoutes(ip), routes);
    await driver.removeNetwork("cni:b");
    assertEquals(await hostRoutes(ip), []);
  }));

Deno.test("twenty sandboxes at once have twenty routes, and none when they are gone", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    await driver.createNetwork({
      ...{ name: "each", parent: "eth0", mode: "l3", advertise: "address" },
      subnets: ["10.3.0.0/24"],
    });
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    const create = (name: string) =>
      driver.createSandbox({ name, connections: [{ network: "each" }] });
    await Promise.all(names.map(create));
    await assertConsistent(host);
    assertEquals((await hostRoutes(ip)).length, 21);
    await Promise.all(names.map((name) => driver.removeSandbox(name)));
    assertEquals((await hostRoutes(ip)).length, 1);
  }));

/** Has another process make and remove what advertises, and die before the n-th line. */
async function killedAt(n: number, { ns, stateDir }: TestHost): Promise<boolean> {
  const { code, stderr } = await run(
    ...[Deno.execPath(), "run", "-A", "--no-check", CHILD, ns.name, stateDir, String(n)],
  );
  // 128 and the number of SIGKILL, where it was killed at all.
  assert(code === 137 || code === 0, stderr);
  return code === 137;
}

/**
 * The lines of `driver_advertise_child.ts` beside those that make or delete a route: all others leave
 * the same routes behind.
 */
const LINES = [
  ...[4, 5, 8], // The routes of both networks.
  ...[12, 13, 33], // Those of c1, which is made with an endpoint, and of c2's second endpoint.
  ...[42, 43, 45, 46, 49], // The endpoint, c1 and the network, removed.
];

Deno.test("after a kill at any line, the routes are those of what is on record", async (t) => {
  for (const n of LINES) {
    await t.step(`line ${n}`, () =>
      withHost(async (host) => {
        assert(await killedAt(n, host));
        const driver = await host.driver();
        await driver.recover();
        await assertConsistent(host);
        assertEquals((await driver.restore()).missing, []);
        await assertConsistent(host);
      }));
  }
});
