// What the driver asks the LAN before an endpoint is used, and what it takes from a router.
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NetworkSpec } from "../../lib/driver/mod.ts";
import { runPlugin } from "../../lib/engine/cni/mod.ts";
import { setUp } from "../../lib/engine/netavark/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { advertise } from "../../scenarios/kit/machines/radvd.ts";
import { engineNamespace } from "../kit/borrowed.ts";
import { passedOf } from "../kit/cni.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { succeed } from "../kit/processes.ts";
import { type FreshNetns, freshNetns, type TestHost, withHost } from "../kit/worlds.ts";
import { writeSysctls } from "../../scenarios/kit/machines/in_netns.ts";

/** Runs a test on a host with a LAN: another machine is at the other end of its `eth0`. */
async function withLan(test: (host: TestHost, lan: FreshNetns) => Promise<void>): Promise<void> {
  await withHost(async (host) => {
    await using lan = await freshNetns();
    // Without a single address, a namespace takes every address for a broadcast one.
    await host.ns.ip.link.set("lo", { up: true });
    await host.ns.ip.link.set("peer0", { netns: lan.name });
    await lan.ip.link.set("peer0", { up: true });
    await lan.ip.addr.add({ dev: "peer0", address: "10.0.0.1/24" });
    await test(host, lan);
    const entries = (await host.ns.ip.neigh.show()).filter(({ dst }) => !dst.startsWith("fe80:"));
    assertEquals(entries, [], "an entry is left");
    // Its end of the link goes with it.
    await host.ns.ip.link.del("eth0");
  });
}

const DAD: NetworkSpec = {
  ...{ name: "n", parent: "eth0", dad: "on" },
  subnets: ["10.0.0.0/24", "fd00::/64"],
};

Deno.test("a machine of the LAN that has the address is found, named, and everything is undone", () =>
  withLan(async (host, lan) => {
    const driver = await host.driver();
    await driver.createNetwork(DAD);
    await lan.ip.addr.add({ dev: "peer0", address: "10.0.0.2/24" });
    await lan.ip.addr.add({ dev: "peer0", address: "10.0.0.9/24" });
    await lan.ip.addr.add({ dev: "peer0", address: "fd00::9/64", nodad: true });
    // One that answers late is found as well.
    await succeed(
      ...["ip", "netns", "exec", lan.name, "tc", "qdisc", "add", "dev", "peer0", "root"],
      ...["netem", "delay", "600ms"],
    );
    const { address: mac } = await lan.ip.link.show("peer0");
    const before = await host.dump();
    const make = (name: string, given: { ip?: string; ip6?: string } = {}) =>
      driver.createSandbox({ name, connections: [{ ...given, network: "n" }] });
    const [v4, v6, automatic, ...others] = await Promise.all([
      assertRejectsError(() => make("a", { ip: "10.0.0.9" }), "address-held"),
      assertRejectsError(() => make("b", { ip: "10.0.0.30", ip6: "fd00::9" }), "address-held"),
      make("c"),
      ...Array.from(
        { length: 20 },
        (_, index) => make(`d${index}`, { ip: `10.0.0.${100 + index}` }),
      ),
    ]);
    assertEquals(v4.holder, `the machine ${mac} on the LAN of "eth0"`);
    assertEquals([v6.address, v6.holder], ["fd00::9", 'a machine on the LAN of "eth0"']);
    // An address that nobody asked for is passed over.
    assertMatch(
      automatic.notices.join(),
      new RegExp(`10.0.0.2 was passed over: the machine ${mac}`),
    );
    assertEquals(others.length, 20);
    for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
    assertEquals(await host.dump(), before);
  }));

Deno.test("restore asks as well, and makes the rest", () =>
  withLan(async (host, lan) => {
    const driver = await host.driver();
    await driver.createNetwork({ ...DAD, subnets: ["10.0.0.0/24"] });
    for (const name of ["a", "b"]) {
      await driver.createSandbox({ name, connections: [{ network: "n" }] });
    }
    for (const name of ["a", "b"]) await succeed("ip", "netns", "del", name);
    const taken = { dev: "peer0", address: "10.0.0.3/24" };
    await lan.ip.addr.add(taken);
    const { sandboxes, missing } = await driver.restore();
    assertEquals([sandboxes, missing.map(({ name }) => name)], [["a"], ["b"]]);
    assertMatch(missing[0]!.reason, /10\.0\.0\.3 is held by the machine/);
    await lan.ip.addr.del(taken);
    assertEquals((await driver.restore()).missing, []);
    assertEquals((await driver.seeSandboxes()).map(({ state }) => state), ["up", "up"]);
  }));

Deno.test("a question that nobody can hear is an error, a signal ends it, and a dry run asks nothing", () =>
  withLan(async (host) => {
    const lines: string[] = [];
    const driver = await host.driver({ verbose: (line) => lines.push(line) });
    await driver.createNetwork(DAD);
    const before = await host.dump();
    const spec = { name: "a", connections: [{ network: "n" }] };
    const dry: string[] = [];
    const start = performance.now();
    const rehearsal = await host.driver({ dryRun: (line) => dry.push(line) });
    await rehearsal.createSandbox(spec);
    assert(dry.some((line) => line.endsWith("neigh add 10.0.0.2 dev eth0 nud none use")), `${dry}`);
    assert(performance.now() - start < 1500, "it has waited");

    const stop = new AbortController();
    lines.length = 0;
    const stopped = driver.withSignal(stop.signal).createSandbox(spec);
    const isAsking = () => lines.some((line) => line.endsWith("use"));
    while (!isAsking()) await new Promise((resolve) => setTimeout(resolve, 1));
    stop.abort(new Error("stopped"));
    assertEquals(await stopped.catch(({ message }) => message), "stopped");
    assertEquals(await host.dump(), before);

    await host.ns.ip.link.set("eth0", { up: false });
    await assertRejectsError(() => driver.createSandbox(spec), "network-cut-off");
    await host.ns.ip.link.set("eth0", { up: true });
    assertEquals(await host.dump(), before);
  }));

Deno.test("a gateway that is silent keeps a sandbox from being restored", () =>
  withLan(async (host, lan) => {
    const driver = await host.driver();
    await driver.createNetwork({ ...DAD, dad: "off", probe: "gateway" });
    await lan.ip.addr.add({ dev: "peer0", address: "fd00::1/64", nodad: true });
    await driver.createSandbox({ name: "a", connections: [{ network: "n" }] });
    await succeed("ip", "netns", "del", "a");
    await lan.ip.addr.del({ dev: "peer0", address: "10.0.0.1/24" });
    const { missing } = await driver.restore();
    assertMatch(missing[0]!.reason, /gateway 10\.0\.0\.1 of network "n" does not answer/);
    await lan.ip.addr.add({ dev: "peer0", address: "10.0.0.1/24" });
    assertEquals((await driver.restore()).missing, []);
  }));

Deno.test("addresses of a router against the option are seen and taken away", () =>
  withLan(async (host, lan) => {
    const driver = await host.driver();
    const create = (name: string, ipv6Mode: "static" | "slaac" | "off", ...subnets: string[]) =>
      driver.createNetwork({ name, parent: "eth0", ipv6Mode, subnets });
    await create("fixed", "static", "10.1.0.0/24", "fd01::/64");
    await create("auto", "slaac", "10.2.0.0/24");
    await create("no", "off", "10.3.0.0/24");
    for (const network of ["fixed", "auto", "no"]) {
      await driver.createSandbox({ name: network, connections: [{ network }] });
    }
    // What root in the sandbox does.
    await writeSysctls("no", ["net/ipv6/conf/eth0/disable_ipv6"], "0");
    await writeSysctls("fixed", ["net/ipv6/conf/eth0/accept_ra"], "1");
    await succeed("ip", "-n", "auto", "token", "set", "::7", "dev", "eth0");
    await writeSysctls(lan.name, ["net/ipv6/conf/all/forwarding"], "1");
    const addresses = async (name: string) =>
      (await lookInto(name, { addrs: true })).addrs.map(({ address }) => address)
        .filter((address) => address.startsWith("2001:"));
    const until = async (isThere: () => Promise<boolean>) => {
      const deadline = AbortSignal.timeout(30_000);
      while (!await isThere()) deadline.throwIfAborted();
    };
    {
      await using _router = await advertise(lan.name, "peer0", "2001:db8::/64");
      for (const name of ["fixed", "auto", "no"]) {
        await until(async () => (await addresses(name)).length > 0);
      }
    }
    assertEquals(await addresses("auto"), ["2001:db8::7"]);
    const seen = await driver.seeSandboxes(["fixed", "auto", "no"]);
    for (const { endpoints: [endpoint] } of seen) {
      assertMatch(endpoint!.changes.join(), /has the address 2001:\S+ of a router's prefix/);
    }
    assertEquals((await driver.restore()).missing, []);
    assertEquals((await driver.seeSandboxes()).map(({ state }) => state), ["up", "up", "up"]);
    await using _router = await advertise(lan.name, "peer0", "2001:db8::/64");
    await until(async () => (await addresses("auto")).length > 0);
    assertMatch((await addresses("auto")).join(), /^2001:db8::1:[0-9a-f]+:[0-9a-f]+:[0-9a-f]+$/);
    // Users see the address, which is on no record.
    const [auto] = await driver.seeSandboxes(["auto"]);
    assertMatch(auto!.endpoints[0]!.ip6!, /^2001:db8::1:.*\/64$/);
    for (const name of ["fixed", "no"]) assertEquals(await addresses(name), [], name);
  }));

Deno.test("by CNI and netavark, the LAN is asked as well, and a link has IPv6 as one says", () =>
  withLan(async (host, lan) => {
    const driver = await host.driver();
    await using one = await engineNamespace();
    await lan.ip.addr.add({ dev: "peer0", address: "10.0.0.9/24" });
    const conf = { cniVersion: "1.1.0", name: "lan", type: "ipvlan-kit", master: "eth0" };
    const add = async (keys: object) => {
      const all = { ...conf, subnets: ["10.0.0.0/24"], ...keys };
      const call = passedOf({ command: "ADD", id: "c1", netns: one.path, conf: all });
      const { output } = await runPlugin(call, {
        withDriver: (run) => run(driver),
        warn() {},
        log() {},
      });
      return JSON.stringify(output);
    };
    const before = await host.dump();
    const ips = { args: { cni: { ips: ["10.0.0.9/24"] } } };
    assertMatch(await add({ dad: "on", ...ips }), /10\.0\.0\.9 is held by the machine/);
    const gateway = [{ subnet: "10.0.0.0/24", gateway: "10.0.0.99" }];
    assertMatch(
      await add({ probe: "gateway", subnets: gateway }),
      /10\.0\.0\.99 .*does not answer/,
    );
    assertMatch(await add({ ipv6: "slaac", mode: "l3" }), /the mode is l3/);
    // A parent in the container is asked on in the container.
    const peer = { name: "m1", netns: lan.name };
    await using inside = await Ip.open({ netns: one.netns });
    await inside.link.set("lo", { up: true });
    await inside.link.add({ type: "veth", name: "m0", peer, up: true });
    await lan.ip.link.set("m1", { up: true });
    await lan.ip.addr.add({ dev: "m1", address: "10.5.0.9/24" });
    const own = { linkInContainer: true, master: "m0", subnets: ["10.5.0.0/24"], dad: "on" };
    const more = { args: { cni: { ips: ["10.5.0.9/24"] } } };
    assertMatch(await add({ ...own, ...more }), /10\.5\.0\.9 is held by .* on the LAN of \\"m0/);
    assertEquals((await inside.neigh.show()).filter(({ dst }) => !dst.startsWith("fe80:")), []);
    await inside.link.del("m0");
    const request = (options: Record<string, string>, ip: string) =>
      JSON.stringify({
        ...{ container_id: "ab".padEnd(64, "0"), container_name: "ab", port_mappings: null },
        network: {
          ...{ name: "lan", id: "1".padEnd(64, "0"), driver: "ipvlan-kit", internal: false },
          ...{ ipv6_enabled: false, dns_enabled: false, options: { parent: "eth0", ...options } },
          subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1" }],
        },
        network_options: {
          interface_name: "eth0",
          static_ips: [ip],
          static_mac: null,
          aliases: [],
        },
      });
    const taken = () => setUp(driver, request({ dad: "on" }, "10.0.0.9"), one.path);
    await assertRejectsError(taken, "address-held");
    assertEquals(await host.dump(), before);
    const token = /^token ::1:\S+ dev eth0$/m;
    await setUp(driver, request({ ipv6: "slaac", probe: "gateway" }, "10.0.0.8"), one.path);
    assertMatch(await succeed("ip", "-n", one.netns, "token", "show"), token);
  }));
