// The routes that networks of engines advertise.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { setUp, tearDown } from "../../lib/engine/netavark/mod.ts";
import { engineNamespace } from "../kit/borrowed.ts";
import { pluginFails, pluginSucceeds } from "../kit/cni.ts";
import { hostRoutes } from "../kit/look.ts";
import { commandHost, withHost } from "../kit/worlds.ts";

const COVERED = "10.1.0.0/24 proto kernel metric 118";
const announced = (dst: string) => `${dst} proto 117 metric 117`;

const CONF = {
  cniVersion: "1.1.0",
  name: "far",
  type: "ipvlan-kit",
  master: "eth0",
  mode: "l3",
  advertise: "address",
  subnets: ["10.1.0.0/24"],
};

Deno.test("CNI: the routes come with ADD, and go with DEL", async () => {
  await using host = await commandHost();
  await using one = await engineNamespace();
  await using two = await engineNamespace();
  const calls = [
    { id: "c1", netns: one.path, conf: CONF },
    { id: "c2", netns: two.path, conf: CONF },
  ];
  for (const call of calls) await pluginSucceeds({ ...call, command: "ADD" });
  assertEquals(
    await hostRoutes(host.ip),
    [COVERED, announced("10.1.0.2"), announced("10.1.0.3")].toSorted(),
  );
  await pluginSucceeds({ ...calls[0]!, command: "DEL" });
  assertEquals(await hostRoutes(host.ip), [COVERED, announced("10.1.0.3")].toSorted());
  await pluginSucceeds({ ...calls[1]!, command: "DEL" });
  assertEquals(await hostRoutes(host.ip), []);
});

Deno.test("CNI: what cannot be advertised is refused, and nothing is left", async () => {
  await using host = await commandHost();
  await using one = await engineNamespace();
  const refused = async (changes: Record<string, unknown>, words: string) => {
    const call = { id: "c1", netns: one.path, conf: { ...CONF, ...changes }, command: "ADD" };
    assertStringIncludes(await pluginFails(call), words);
  };
  await refused({ mode: "l2" }, "choose l3 or l3s");
  await refused({ advertise: "all" }, "choose one of subnet, address");
  const ipam = { type: "host-local", subnet: "10.1.0.0/24" };
  await refused({ advertise: "subnet", subnets: undefined, ipam }, "choose address");
  await refused({ network: "n", subnets: undefined }, 'The key "advertise" does not go with');
  assertEquals(await hostRoutes(host.ip), []);
});

Deno.test("netavark: the routes come with setup, and go with teardown", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using namespace = await engineNamespace();
    const request = JSON.stringify({
      container_id: "ab".padEnd(64, "0"),
      container_name: "ab",
      port_mappings: null,
      network: {
        ...{ name: "far", id: "far".padEnd(64, "0"), driver: "ipvlan-kit", internal: false },
        ...{ ipv6_enabled: false, dns_enabled: true },
        options: { parent: "eth0", ipvlan_mode: "l3", advertise: "subnet" },
        subnets: [{ subnet: "10.1.0.0/24", gateway: "10.1.0.1" }],
      },
      network_options: {
        ...{ aliases: [], interface_name: "eth0", static_ips: ["10.1.0.5"], static_mac: null },
      },
    });
    await setUp(driver, request, namespace.path);
    assertEquals(await hostRoutes(host.ns.ip), [announced("10.1.0.0/24")]);
    await tearDown(driver, request);
    assertEquals(await hostRoutes(host.ns.ip), []);
  }));

Deno.test("Docker: the routes come with the link that is handed over, and go with it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const id = "ab".padEnd(64, "0");
    await driver.createNetwork({
      ...{ name: `docker:${id}`, parent: "eth0", mode: "l3", advertise: "address" },
      subnets: [{ subnet: "10.1.0.0/24", gateway: "10.1.0.1" }],
      owner: { engine: "docker", id },
    });
    await driver.borrowSandbox({
      name: `docker:${id}`,
      owner: { engine: "docker", id },
      connections: [{ network: `docker:${id}`, ip: "10.1.0.5", handOver: true }],
    });
    const routes = [COVERED, announced("10.1.0.5")].toSorted();
    assertEquals(await hostRoutes(host.ns.ip), routes);
    assertEquals((await driver.restore()).missing, []);
    assertEquals(await hostRoutes(host.ns.ip), routes);
    await driver.removeSandbox(`docker:${id}`);
    assertEquals(await hostRoutes(host.ns.ip), [COVERED]);
  }));
