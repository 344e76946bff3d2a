import { assert, assertEquals } from "@std/assert";
import type { Driver } from "../../mod.ts";
import type { Link } from "../../lib/iproute2/mod.ts";
import { doesNotReach, reaches } from "../../lib/check/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { advertise } from "../../scenarios/kit/machines/radvd.ts";
import { assertConsistent, essence } from "../kit/look.ts";
import { run } from "../kit/processes.ts";
import { vlanInfo } from "../kit/values.ts";
import { freshNetns, withHost } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { writeSysctls } from "../../scenarios/kit/machines/in_netns.ts";

/** What a command prints in a sandbox, and its exit status. */
async function inside(driver: Driver, sandbox: string, ...words: string[]): Promise<string> {
  const { code, stdout } = await driver.exec(sandbox, words).output();
  return `${new TextDecoder().decode(stdout).trim()} (${code})`.trim();
}

/** The links in a sandbox, but for the loopback. */
async function linksIn(sandbox: string): Promise<Link[]> {
  await using ip = await Ip.open({ netns: sandbox });
  return (await ip.link.show()).filter(({ name }) => name !== "lo");
}

const MARK = "6910070";

Deno.test("a network of defaults: a sub-interface and links that are marked, in L2", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const spec = { name: "n", parent: "eth0.20", subnets: ["192.168.20.0/24"] };
    const { value: network, notices } = await driver.createNetwork(spec);
    assertEquals(notices, []);
    assertEquals(driver.inspectNetwork("n"), { ...network, endpoints: [] });
    assertEquals(driver.listNetworks(), [network]);
    const parent = await host.ns.ip.link.show("eth0.20");
    assertEquals(
      [parent.info, parent.link, parent.up, parent.group, parent.alias],
      [vlanInfo(20), "eth0", true, MARK, "ipvlan-kit n"],
    );
    const { value: made } = await driver.createSandbox({
      name: "c",
      connections: [{ network: "n" }],
    });
    const { address } = await host.ns.ip.link.show("eth0");
    assertEquals(made.endpoints.map(({ mac }) => mac), [address]);
    const sandbox = {
      ...made,
      endpoints: made.endpoints.map(({ mac: _mac, mtu: _mtu, ...endpoint }) => endpoint),
    };
    assertEquals(driver.inspectSandbox("c"), sandbox);
    assertEquals(driver.listSandboxes(), [sandbox]);
    assertEquals(sandbox.endpoints, [
      {
        network: "n",
        sandbox: "c",
        ifname: "eth0",
        ip: "192.168.20.2/24",
        gateway: "192.168.20.1",
        defaultRoute: true,
        routes: [{ dst: "0.0.0.0/0", via: "192.168.20.1" }],
        names: ["c", "c.n"],
        aliases: [],
        parent: "eth0.20",
      },
    ]);
    const [link, ...rest] = await linksIn("c");
    assertEquals(rest, []);
    assertEquals(
      [link?.name, link?.info, link?.mtu, link?.up, link?.group, link?.alias],
      ["eth0", { type: "ipvlan", mode: "l2", flag: "bridge" }, 1500, true, MARK, "ipvlan-kit n"],
    );
    await assertConsistent(host);
  }));

Deno.test("mode, flag and MTU are those asked for, also where the parent is the driver's dummy", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const cases = [
      { name: "a", mode: "l3s", flag: "private", mtu: 1400 },
      { name: "b", mode: "l3", flag: "vepa", parent: "eth0" },
    ] as const;
    for (const spec of cases) {
      await driver.createNetwork(spec);
      await driver.createSandbox({ name: spec.name, connections: [{ network: spec.name }] });
      const [link] = await linksIn(spec.name);
      assertEquals(link?.info, { type: "ipvlan", mode: spec.mode, flag: spec.flag });
      assertEquals(link?.mtu, "mtu" in spec ? spec.mtu : 1500);
      const routes = await inside(driver, spec.name, "ip", "route", "show", "default");
      assertEquals(routes, "default dev eth0 scope link (0)");
    }
    const dummy = await host.ns.ip.link.show(driver.inspectNetwork("a").parent);
    assertEquals([dummy.info, dummy.mtu, dummy.alias], [{ type: "dummy" }, 1400, "ipvlan-kit a"]);
    await assertConsistent(host);
  }));

Deno.test("a sub-interface serves several networks, and goes with the last", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const { ip } = host.ns;
    const before = await host.dump();
    const alias = async (name: string) => (await ip.link.show(name)).alias;
    await driver.createNetwork({ name: "a", parent: "eth0.20.30" });
    await driver.createNetwork({ name: "b", parent: "eth0.20.30" });
    await driver.createNetwork({ name: "in", parent: "eth0.20.31" });
    assertEquals(await alias("eth0.20"), "ipvlan-kit a");
    await driver.removeNetwork("a");
    await driver.removeNetwork("b");
    assertEquals(await ip.link.find("eth0.20.30"), undefined);
    // Another network still needs it. Its note says for which one it was made.
    assertEquals(await alias("eth0.20"), "ipvlan-kit a");
    await driver.removeNetwork("in");
    assertEquals(
      ((await host.dump()) as { host: unknown }).host,
      (before as { host: unknown }).host,
    );
  }));

Deno.test("networks are checked next to each other, and labelled all or none", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const lan = { name: "lan", parent: "eth0.20", subnets: ["192.168.20.0/24"] };
    const all = [lan, { ...lan, name: "twin" }, { ...lan, name: "far", parent: "eth7" }];
    const problems = await driver.problemsOf(all);
    assertEquals(problems.map(({ code }) => code), ["subnet-in-use", "parent-not-found"]);
    assertEquals(await driver.problemsOf([]), []);
    assertEquals(driver.listNetworks(), []);
    await driver.createNetwork(lan);
    const one = { kind: "network", name: "lan", labels: { a: "b" } } as const;
    const other = { kind: "sandbox", name: "c", labels: {} } as const;
    await assertRejectsError(() => driver.label([one, other]), "sandbox-not-found");
    assertEquals(driver.findNetwork("lan")?.labels, {});
    await driver.label([one]);
    assertEquals(driver.findNetwork("lan")?.labels, { a: "b" });
    await driver.removeNetwork("lan");
  }));

Deno.test("two VLAN tags: outer and inner sub-interface are made, and removed with the network", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "q", parent: "eth0.20.30" });
    const infos = await Promise.all(
      ["eth0.20", "eth0.20.30"].map(async (name) => (await host.ns.ip.link.show(name)).info),
    );
    assertEquals(infos, [
      vlanInfo(20, "802.1ad"),
      vlanInfo(30),
    ]);
    await driver.createSandbox({ name: "c", connections: [{ network: "q" }] });
    await assertConsistent(host);
    await driver.removeSandbox("c");
    await driver.removeNetwork("q");
    const names = (await host.ns.ip.link.show()).map(({ name }) => name);
    assertEquals(names.toSorted(), ["eth0", "lo", "peer0"]);
  }));

Deno.test("a service VLAN is not taken for the VLAN of the same id", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "q", parent: "eth0.20.30" });
    const before = await host.dump();
    const error = await assertRejectsError(
      () => driver.createNetwork({ name: "n", parent: "eth0.20" }),
      "invalid-parent",
    );
    for (const name of ['"eth0.20"', '"eth0.20.30"', "802.1ad", "802.1Q"]) {
      assert(error.message.includes(name), error.message);
    }
    assertEquals(await host.dump(), before);
    await driver.removeNetwork("q");
    await driver.createNetwork({ name: "n", parent: "eth0.20" });
    assertEquals((await host.ns.ip.link.show("eth0.20")).info, vlanInfo(20));
    const create = () => driver.createNetwork({ name: "q", parent: "eth0.20.30" });
    const refused = await assertRejectsError(create, "invalid-parent");
    for (const name of ['"eth0.20"', '"eth0.20.30"', "802.1ad", "802.1Q"]) {
      assert(refused.message.includes(name), refused.message);
    }
    // On a link that somebody else has made of 802.1Q, two tags are of 802.1Q, which is said.
    await driver.removeNetwork("n");
    const { ip } = host.ns;
    await ip.link.add({ type: "vlan", name: "eth0.20", link: "eth0", id: 20, up: true });
    const { notices } = await create();
    assertEquals(notices, [
      'The link "eth0.20" has VLAN 20 (802.1Q), so "eth0.20.30" has no outer tag of 802.1ad',
    ]);
  }));

Deno.test("a parent that was there before is neither changed nor deleted", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const { ip } = host.ns;
    await ip.link.add({ type: "vlan", name: "eth0.40", link: "eth0", id: 40, up: true });
    await ip.link.set("eth0.40", { alias: "mine", mtu: 1450 });
    const shown = () =>
      Promise.all(["eth0", "eth0.40"].map(async (name) => essence(await ip.link.show(name))));
    const before = await shown();
    for (const parent of ["eth0", "eth0.40"]) {
      const { value } = await driver.createNetwork({ name: parent, parent, mtu: 1400 });
      assertEquals(value.parent, parent);
      await driver.createSandbox({ name: "c", connections: [{ network: parent }] });
      assertEquals(await shown(), before);
      await driver.removeSandbox("c");
      await driver.removeNetwork(parent);
      assertEquals(await shown(), before);
    }
    await ip.link.del("eth0.40");
  }));

Deno.test("a parent that is down gives a notice, and no sub-interface can be made on it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await host.ns.ip.link.add({ type: "dummy", name: "down0" });
    const { notices } = await driver.createNetwork({ name: "n", parent: "down0" });
    assertEquals(notices, [
      'The parent "down0" is down, so nothing passes: "ip link set down0 up"',
    ]);
    const sandbox = await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
    assertEquals(sandbox.notices, ['The parent "down0" is down, so nothing passes']);
    const before = await host.dump();
    const refused = () => driver.createNetwork({ name: "m", parent: "down0.20" });
    const error = await assertRejectsError(refused, "parent-down");
    assert(error.message.includes('"ip link set down0 up"'), error.message);
    assertEquals(await host.dump(), before);
  }));

Deno.test("the first of a sandbox's networks has its default route, and the second takes over", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const two = ["10.1.0.0/24", "fd01::/64"];
    await driver.createNetwork({
      name: "one",
      parent: "eth0",
      subnets: ["10.0.0.0/24", "fd00::/64"],
    });
    await driver.createNetwork({ name: "two", parent: "eth0", subnets: two });
    await driver.createSandbox({
      name: "c",
      connections: [{ network: "one" }, { network: "two" }],
    });
    const via = async (address: string) => {
      const [, hop] =
        / via (\S+) /.exec(await inside(driver, "c", "ip", "route", "get", address)) ??
          [];
      return hop;
    };
    assertEquals([await via("8.8.8.8"), await via("2001:db8::8")], ["10.0.0.1", "fd00::1"]);
    await driver.disconnect("one", "c");
    assertEquals([await via("8.8.8.8"), await via("2001:db8::8")], ["10.1.0.1", "fd01::1"]);
    await driver.connect("one", "c");
    assertEquals([await via("8.8.8.8"), await via("2001:db8::8")], ["10.0.0.1", "fd00::1"]);
    await assertConsistent(host);
  }));

Deno.test("a network that leads nowhere never takes another network's default route", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const outside = ["10.0.0.0/24", "fd00::/64"];
    await driver.createNetwork({ name: "out", parent: "eth0", subnets: outside });
    await driver.createNetwork({
      name: "nowhere",
      mode: "l3",
      subnets: ["10.9.0.0/24", "fd09::/64"],
    });
    const wayOut = async (sandbox: string) => {
      const hops = await Promise.all(["8.8.8.8", "2001:db8::8"].map(async (address) => {
        const route = await inside(driver, sandbox, "ip", "route", "get", address);
        return / (?:via|dev) (\S+) /.exec(route)?.[1];
      }));
      return hops.join(" ");
    };
    const networks = (...names: string[]) => names.map((network) => ({ network }));
    await driver.createSandbox({ name: "c1", connections: networks("nowhere", "out") });
    await driver.createSandbox({ name: "c2", connections: networks("out", "nowhere") });
    await driver.createSandbox({ name: "c3", connections: networks("nowhere") });
    assertEquals(await wayOut("c3"), "eth0 eth0");
    await driver.connect("out", "c3");
    for (const name of ["c1", "c2", "c3"]) assertEquals(await wayOut(name), "10.0.0.1 fd00::1");
    // It is the way out again when it is the only network, and gives way again to another one.
    await driver.disconnect("out", "c3");
    assertEquals(await wayOut("c3"), "eth0 eth0");
    await driver.connect("out", "c3");
    assertEquals(await wayOut("c3"), "10.0.0.1 fd00::1");
    await run("ip", "netns", "del", "c3");
    await driver.restore();
    assertEquals(await wayOut("c3"), "10.0.0.1 fd00::1");
  }));

Deno.test("the subnets of an internal network reach each other in the L3 modes, and nothing else", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await using lan = await freshNetns();
    const { ip } = host.ns;
    await ip.link.set("peer0", { netns: lan.name });
    for (const link of ["lo", "peer0"]) await lan.ip.link.set(link, { up: true });
    // The host has a way to everywhere, also to a machine that has an address of an inner subnet.
    await Promise.all([
      ...["10.3.0.1/24", "fd03::1/64"].map((address) =>
        ip.addr.add({ dev: "eth0", address, nodad: true })
      ),
      ...["10.3.0.9/24", "fd03::9/64", "10.2.0.9/24", "fd02::9/64"].map((address) =>
        lan.ip.addr.add({ dev: "peer0", address, nodad: true })
      ),
      ip.route.add({ dst: "default", via: "10.3.0.9" }),
      ip.route.add({ dst: "::/0", via: "fd03::9" }),
    ]);
    const connect = (name: string, network: string, ip: string, ip6: string) =>
      driver.createSandbox({ name, connections: [{ network, ip, ip6 }] });
    for (const mode of ["l3", "l3s"] as const) {
      await driver.createNetwork({
        ...{ name: "in", mode, internal: true },
        subnets: ["10.1.0.0/24", "10.2.0.0/24", "fd01::/64", "fd02::/64"],
      });
      await driver.createNetwork({
        ...{ name: "other", mode, internal: true },
        subnets: ["10.4.0.0/24", "10.5.0.0/24", "fd04::/64", "fd05::/64"],
      });
      await Promise.all([
        connect("c1", "in", "10.1.0.2", "fd01::2"),
        connect("c2", "in", "10.2.0.2", "fd02::2"),
        connect("o1", "other", "10.4.0.2", "fd04::2"),
        connect("o2", "other", "10.5.0.2", "fd05::2"),
      ]);
      const states = async () =>
        (await driver.seeSandboxes()).flatMap(({ endpoints }) => endpoints)
          .map(({ sandbox, state }) => `${sandbox} ${state}`).toSorted();
      const up = ["c1", "c2", "o1", "o2"].map((name) => `${name} up`);
      assertEquals(await states(), up);
      // An earlier version has made its link without these routes.
      for (const dst of ["10.2.0.0/24", "fd02::/64"]) {
        assertEquals(await inside(driver, "c1", "ip", "route", "del", dst), "(0)");
      }
      assertEquals(await states(), ["c1 changed", ...up.slice(1)]);
      await driver.restore();
      assertEquals(await states(), up);

      const own = (target: string) => target.includes(":") ? "fd02::2" : "10.2.0.2";
      const isCut = (target: string, control: string) =>
        doesNotReach("c1", target, { control, reaches: own(target) });
      const found = await Promise.all([
        ...["10.2.0.2", "fd02::2"].map((target) => reaches("c1", target)),
        ...["10.1.0.2", "fd01::2"].map((target) => reaches("c2", target)),
        ...["10.4.0.2", "fd04::2"].map((target) => isCut(target, "o2")),
        ...["10.3.0.1", "fd03::1"].map((target) => isCut(target, lan.name)),
        ...["10.3.0.9", "fd03::9"].map((target) => isCut(target, host.ns.name)),
        ...["10.2.0.9", "fd02::9"].map((target) => isCut(target, lan.name)),
      ]);
      assertEquals(found.filter(({ held }) => !held), []);
      for (const address of ["8.8.8.8", "2001:db8::8"]) {
        const { stderr } = await run("ip", "-n", "c1", "route", "get", address);
        assert(stderr.includes("Network is unreachable"), stderr);
      }
      await Promise.all(["c1", "c2", "o1", "o2"].map((name) => driver.removeSandbox(name)));
      await Promise.all(["in", "other"].map((name) => driver.removeNetwork(name)));
    }
  }));

Deno.test("the parent's own addresses are never given away", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await host.ns.ip.addr.add({ dev: "eth0", address: "10.0.0.2/24" });
    await host.ns.ip.addr.add({ dev: "eth0", address: "fd00::2/64", nodad: true });
    const subnets = ["10.0.0.0/24", "fd00::/64"];
    await driver.createNetwork({ name: "n", parent: "eth0", subnets });
    const { value } = await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
    assertEquals([value.endpoints[0]?.ip, value.endpoints[0]?.ip6], ["10.0.0.3/24", "fd00::3/64"]);
  }));

Deno.test("a next hop that is another sandbox of the parent is taken, with a notice", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const subnets = ["10.0.0.0/24", "fd00::/64"];
    await driver.createNetwork({ name: "n", parent: "eth0", subnets });
    await driver.createNetwork({ name: "m", parent: "eth0", subnets: ["10.1.0.0/24"] });
    const connect = (name: string, network: string, ip: string, ...hops: string[]) => {
      const routes = hops.map((via, index) => ({
        dst: via.includes(":") ? `fd09:${index}::/64` : `10.9.${index}.0/24`,
        via,
      }));
      return driver.createSandbox({ name, connections: [{ network, ip, routes }] });
    };
    await driver.createSandbox({
      name: "r",
      connections: [{ network: "n", ip: "10.0.0.2", ip6: "fd00::2" }],
    });
    const notice = (hop: string) =>
      `The next hop ${hop} is the sandbox "r", and ipvlan carries to a sandbox only what is sent to ` +
      "its own addresses";
    const { notices } = await connect("a", "n", "10.0.0.3", "10.0.0.2", "10.0.0.2", "10.0.0.1");
    assertEquals(notices, [notice("10.0.0.2")]);
    assertEquals((await connect("b", "n", "10.0.0.4", "fd00::2")).notices, [notice("fd00::2")]);
    assertEquals((await connect("c", "m", "10.1.0.2", "10.1.0.1")).notices, []);
  }));

Deno.test("where a network's first subnet is full, the next one gives addresses", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({
      name: "n",
      parent: "eth0",
      subnets: ["10.0.0.0/30", "10.0.1.0/30"],
    });
    const create = async (name: string) => {
      const { value, notices } = await driver.createSandbox({
        name,
        connections: [{ network: "n" }],
      });
      return [value.endpoints[0]?.ip, ...notices];
    };
    assertEquals(await create("c1"), ["10.0.0.2/30"]);
    assertEquals(await create("c2"), [
      "10.0.1.2/30",
      "The address 10.0.1.2 is of the subnet 10.0.1.0/30, as those before it are full",
    ]);
    assertEquals(
      await inside(driver, "c2", "ip", "route", "show", "default"),
      "default via 10.0.1.1 dev eth0 (0)",
    );
    await assertConsistent(host);
  }));

Deno.test("sandboxes find each other by name, alias and name.network, as long as they share one", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const subnets = ["10.0.0.0/24", "fd00::/64"];
    await driver.createNetwork({ name: "db", parent: "eth0", subnets });
    await driver.createNetwork({ name: "web" });
    await driver.createSandbox({
      name: "c1",
      connections: [{ network: "db", aliases: ["master"] }],
    });
    await driver.createSandbox({
      name: "c2",
      connections: [{ network: "db" }, { network: "web" }],
    });
    const lookup = (name: string, database = "ahostsv4") =>
      inside(driver, "c2", "getent", database, name);
    for (const name of ["c1", "master", "c1.db"]) {
      assert((await lookup(name)).startsWith("10.0.0.2 "), name);
      assert((await lookup(name, "ahostsv6")).startsWith("fd00::2 "), name);
    }
    assertEquals(
      await inside(driver, "c2", "sh", "-c", "cat /etc/hosts | grep -c db; exit 7"),
      "4 (7)",
    );
    await driver.disconnect("db", "c2");
    // Neither knows the other any more, while its other network's names stay.
    assertEquals(await lookup("master"), "(2)");
    assert((await lookup("c2.web")).startsWith("172.18.0.2 "));
    assertEquals(await inside(driver, "c1", "getent", "ahostsv4", "c2"), "(2)");
    await assertConsistent(host);
  }));

Deno.test("a hosts file that the driver did not write is neither overwritten nor removed", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "n" });
    await Deno.mkdir("/etc/netns/c", { recursive: true });
    await Deno.writeTextFile("/etc/netns/c/hosts", "10.9.9.9 theirs\n");
    await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
    await driver.removeSandbox("c");
    assertEquals(await Deno.readTextFile("/etc/netns/c/hosts"), "10.9.9.9 theirs\n");
    await Deno.remove("/etc/netns/c", { recursive: true });
  }));

Deno.test("on a network without IPv6 a sandbox has no IPv6 address, on one with it no tentative one", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "v4", parent: "eth0", subnets: ["10.0.0.0/24"] });
    await driver.createNetwork({ name: "dual", parent: "eth0", subnets: ["fd00::/64"] });
    await driver.createSandbox({ name: "c4", connections: [{ network: "v4" }] });
    await driver.createSandbox({ name: "c6", connections: [{ network: "dual" }] });
    const addrs = async (netns: string) => {
      await using ip = await Ip.open({ netns });
      return (await ip.addr.show()).filter(({ dev, family }) => dev === "eth0" && family === 6);
    };
    assertEquals(await addrs("c4"), []);
    const given = (await addrs("c6")).find(({ address }) => address === "fd00::2");
    assertEquals([given?.flags.includes("nodad"), given?.flags.includes("tentative")], [
      true,
      false,
    ]);
  }));

Deno.test("a router that advertises a prefix gives no address on a network without IPv6", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "v4", parent: "eth0", subnets: ["10.0.0.0/24"] });
    await driver.createNetwork({ name: "dual", parent: "eth0", subnets: ["fd00::/64"] });
    // One sandbox that is new, one that was there, and one that was restored.
    await driver.createSandbox({ name: "new", connections: [{ network: "v4" }] });
    await driver.createSandbox({ name: "old" });
    await driver.connect("v4", "old");
    await driver.createSandbox({ name: "restored", connections: [{ network: "v4" }] });
    await run("ip", "netns", "del", "restored");
    await driver.restore();
    const connections = [{ network: "v4" }, { network: "dual" }];
    await driver.createSandbox({ name: "both", connections });
    const addrs = async (netns: string, dev: string) => {
      await using ip = await Ip.open({ netns });
      return (await ip.addr.show()).filter((addr) => addr.dev === dev && addr.family === 6);
    };
    await writeSysctls(host.ns.name, ["net/ipv6/conf/all/forwarding"], "1");
    await using _router = await advertise(host.ns.name, "peer0", "2001:db8:1::/64");
    // Where there is IPv6, the kernel takes an address. Then the others have had their time, too.
    const deadline = AbortSignal.timeout(30_000);
    const isTaken = async () =>
      (await addrs("both", "eth1")).some(({ address, flags }) =>
        address.startsWith("2001:db8:1:") && !flags.includes("tentative")
      );
    while (!await isTaken()) deadline.throwIfAborted();
    for (const name of ["new", "old", "restored", "both"]) {
      assertEquals(await addrs(name, "eth0"), [], name);
    }
    // The sandbox's other links, and its loopback, are as they were.
    assertEquals((await addrs("new", "lo")).map(({ address }) => address), ["::1"]);
  }));
