// Drivers of several hosts that share a pool in a real etcd, in a guest of the lab.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EngineDriver } from "../../lib/driver/mod.ts";
import { IpvlanError, isIpvlanError, type NetworkSpec } from "../../mod.ts";
import type { Daemon } from "../../scenarios/kit/engines/daemon.ts";
import { hexOf, textOf } from "../../lib/claims/keys.ts";
import { Store } from "../../lib/driver/store/store.ts";
import { bitOf } from "../../lib/claims/local.ts";
import { ipamHandlers } from "../../lib/engine/docker/ipam.ts";
import { NETWORK_HANDLERS } from "../../lib/engine/docker/network.ts";
import { parseAddress } from "../../lib/ipam/mod.ts";
import { run, succeed } from "../kit/processes.ts";
import { engineNamespace } from "../kit/borrowed.ts";
import { runPlugin } from "../../lib/engine/cni/mod.ts";
import { type FreshNetns, freshNetns, temporaryFolder } from "../kit/worlds.ts";
import { ENDPOINT, startEtcd } from "./etcd.ts";
import { assertRejectsError } from "../kit/errors.ts";

/** Where the addresses of the networks come from. */
const IPAM = { driver: "etcd", access: { endpoints: [ENDPOINT] } } as const;

const LAN: NetworkSpec = {
  name: "lan",
  parent: "eth0",
  subnets: ["192.168.20.0/24", "fd20::/64"],
  ipam: IPAM,
};

/** A host, with a namespace, a state folder, and a driver. */
interface SharingHost {
  ns: FreshNetns;
  stateDir: string;
  driver: EngineDriver;
}

/** What a test of several hosts gets. */
interface SharingWorld {
  hosts: SharingHost[];
  /** Ends etcd, as a power cut does. */
  stop(): Promise<void>;
  /** Starts it again, with what it had. */
  start(): Promise<void>;
  /** The keys under the prefix, without it, but for those that end by themselves. */
  keys(): Promise<string[]>;
}

/** Runs a test on hosts that share one etcd. Afterwards nothing may be left in it. */
async function withHosts(
  count: number,
  test: (world: SharingWorld) => Promise<void>,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const { path } = undo.use(await temporaryFolder());
  let daemon: Daemon | undefined = await startEtcd(path);
  undo.defer(() => daemon?.end());
  const stop = async () => {
    await daemon?.end();
    daemon = undefined;
  };
  const start = async () => {
    daemon ??= await startEtcd(path);
  };
  const hosts: SharingHost[] = [];
  for (let index = 0; index < count; index++) {
    const ns = undo.use(await freshNetns());
    await ns.ip.link.add({ type: "dummy", name: "eth0", up: true });
    const { path: stateDir } = undo.use(await temporaryFolder());
    const driver = undo.use(await EngineDriver.open({ host: ns.name, stateDir }));
    hosts.push({ ns, stateDir, driver });
  }
  const keys = async () => {
    const printed = await succeed("etcdctl", "get", "--prefix", "--keys-only", "/ipvlan/");
    const all = printed.split("\n").filter((line) => line !== "").map((key) => key.slice(8));
    // That a host was heard of goes by itself.
    return all.filter((key) => !key.startsWith("heard/"));
  };
  try {
    await test({ hosts, keys, stop, start });
  } finally {
    await start();
    for (const { driver } of hosts) {
      for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
      for (const { name } of driver.listNetworks()) await driver.removeNetwork(name);
    }
  }
  assertEquals((await keys()).filter((key) => !/^hosts\//.test(key)), []);
}

/** Makes a sandbox on the network, and returns its addresses. */
async function make({ driver }: SharingHost, name: string, ip?: string): Promise<string[]> {
  const { value } = await driver.createSandbox({ name, connections: [{ network: "lan", ip }] });
  return value.endpoints.flatMap(({ ip, ip6 }) => [ip!.split("/")[0]!, ip6!.split("/")[0]!]);
}

Deno.test("two hosts define one network, and give no address twice", () =>
  withHosts(2, async ({ hosts: [one, two], keys }) => {
    await one!.driver.createNetwork(LAN);
    // What is left out is taken over, also the subnets.
    const { value } = await two!.driver.createNetwork({ name: "lan", parent: "eth0", ipam: IPAM });
    assertEquals(value.subnets, one!.driver.findNetwork("lan")!.subnets);
    const names = Array.from({ length: 8 }, (_, index) => `c${index}`);
    const given = await Promise.all([
      ...names.map((name) => make(one!, `one-${name}`)),
      ...names.map((name) => make(two!, `two-${name}`)),
    ]);
    const all = given.flat();
    assertEquals([all.length, new Set(all).size], [32, 32]);
    assert(!all.includes("192.168.20.1") && !all.includes("fd20::1"));
    assertEquals((await keys()).filter((key) => key.startsWith("claims/")).length, 32);
    const hosts = await one!.driver.listHosts();
    assertEquals(hosts.map(({ claims }) => claims), [
      { "192.168.20.0/24": 8, "fd20::/64": 8 },
      { "192.168.20.0/24": 8, "fd20::/64": 8 },
    ]);
    await two!.driver.removeSandbox("two-c0");
    assertEquals((await keys()).filter((key) => key.startsWith("claims/")).length, 30);
  }));

Deno.test("what is said differently is refused, and nothing of it stays", () =>
  withHosts(2, async ({ hosts: [one, two], keys }) => {
    await one!.driver.createNetwork(LAN);
    const before = await keys();
    const spec: NetworkSpec = { ...LAN, mode: "l3", subnets: ["192.168.30.0/24"] };
    const error = await assertRejectsError(
      () => two!.driver.createNetwork(spec),
      "shared-network-differs",
    );
    assertEquals(error.differences, [
      "the ipvlan mode is l3 here and l2 there",
      "the subnet is 192.168.30.0/24 here and 192.168.20.0/24, fd20::/64 there",
    ]);
    // A subnet that overlaps a pool of another network, and a parent that is not there.
    const overlapping = { ...LAN, name: "other", subnets: ["192.168.0.0/16"] };
    await assertRejects(() => two!.driver.createNetwork(overlapping), Error, "overlaps the pool");
    await assertRejects(() => two!.driver.createNetwork({ ...LAN, parent: "nope0" }));
    assertEquals(two!.driver.listNetworks(), []);
    assertEquals(
      (await keys()).filter((key) => !key.startsWith("hosts/")),
      before.filter((key) => !key.startsWith("hosts/")),
    );
  }));

Deno.test("an address that another host has is refused by name, and moves when it is free", () =>
  withHosts(2, async ({ hosts: [one, two] }) => {
    for (const { driver } of [one!, two!]) await driver.createNetwork(LAN);
    await make(one!, "c1", "192.168.20.77");
    const error = await assertRejectsError(
      () => make(two!, "c2", "192.168.20.77"),
      "shared-address-held",
    );
    assertEquals([error.sandbox, error.address], ["c1", "192.168.20.77"]);
    assertEquals(two!.driver.listSandboxes(), []);
    await one!.driver.removeSandbox("c1");
    assertEquals((await make(two!, "c2", "192.168.20.77"))[0], "192.168.20.77");
    // What this host itself has is refused as ever.
    await assertRejects(() => make(two!, "c3", "192.168.20.77"), Error, "192.168.20.77");
  }));

Deno.test("an address that a link of the host has is passed over, and asked for it is refused", () =>
  withHosts(1, async ({ hosts: [one] }) => {
    const { driver, ns } = one!;
    await driver.createNetwork({ ...LAN, subnets: ["192.168.20.0/29"] });
    for (const last of [2, 3]) {
      await ns.ip.addr.add({ dev: "eth0", address: `192.168.20.${last}/29` });
    }
    const create = (name: string, ip?: string) =>
      driver.createSandbox({ name, connections: [{ network: "lan", ip }] });
    const { value } = await create("c1");
    assertEquals(value.endpoints[0]!.ip, "192.168.20.4/29");
    await assertRejectsError(() => create("c2", "192.168.20.2"), "address-held");
    const { claims } = (await driver.listHosts())[0]!;
    assertEquals(claims, { "192.168.20.0/29": 1 });
  }));

Deno.test("no sandbox gets an address that another host has itself, and it is said what has one", () =>
  withHosts(3, async ({ hosts, keys }) => {
    const [one, two, three] = hosts as [SharingHost, SharingHost, SharingHost];
    const small = { ...LAN, subnets: ["192.168.20.0/29"] };
    for (const [index, { ns }] of hosts.entries()) {
      await ns.ip.addr.add({ dev: "eth0", address: `192.168.20.${2 + index}/29` });
    }
    for (const { driver } of hosts) {
      assertEquals((await driver.createNetwork(small)).notices, []);
    }
    // The gateway and the hosts have four of the six addresses.
    const [first, second] = [await make4(three, "c1"), await make4(three, "c2")];
    assertEquals([first, second].sort(), ["192.168.20.5", "192.168.20.6"]);
    await assertRejectsError(() => make4(three, "c3"), "shared-pool-exhausted");
    await assertRejectsError(
      () => make(three, "c3", "192.168.20.2"),
      "shared-address-held",
      "itself",
    );
    const counts = (await one.driver.listHosts()).map(({ claims }) =>
      claims["192.168.20.0/29"] ?? 0
    );
    assertEquals(counts.sort(), [0, 0, 2]);
    // One that comes to a link later is claimed by the next call, and one that goes is free.
    await three.driver.removeSandbox("c2");
    await two.ns.ip.addr.add({ dev: "eth0", address: `${second}/32` });
    await two.ns.ip.addr.del({ dev: "eth0", address: "192.168.20.3/29" });
    assertEquals((await two.driver.restore()).notices, undefined);
    assertEquals(await make4(three, "c2"), "192.168.20.3");
    // What a sandbox of another host has stays with it, and is said aloud.
    await one.ns.ip.addr.add({ dev: "eth0", address: `${first}/32` });
    const { notices = [] } = await one.driver.restore();
    assertEquals(notices.length, 1, notices.join("\n"));
    assertStringIncludes(notices[0]!, `The address ${first} of this host`);
    // A host that leaves gives all of its own up.
    await one.driver.removeNetwork("lan");
    const claims = (await keys()).filter((key) => key.startsWith("claims/"));
    assertEquals(claims.length, 4);
    assertEquals(await make4(two, "c3"), "192.168.20.2");
  }));

Deno.test("with etcd out of reach, a host goes on with what it keeps, and tells it later", () =>
  withHosts(2, async ({ hosts: [one, two], stop, start, keys }) => {
    for (const { driver } of [one!, two!]) await driver.createNetwork(LAN);
    await make(one!, "c1");
    await stop();
    const { value, notices } = await one!.driver.createSandbox({
      name: "c2",
      connections: [{ network: "lan" }],
    });
    assertEquals(value.endpoints.length, 1);
    assert(
      notices.some((each) => /^etcd has not been told \d+ change/.test(each)),
      notices.join("\n"),
    );
    // This one keeps nothing yet.
    await assertRejectsError(() => make(two!, "c3"), "etcd-unreachable");
    // A network that cannot be taken out of etcd stays as it is.
    await assertRejectsError(() => two!.driver.removeNetwork("lan"), "etcd-unreachable");
    assertEquals(two!.driver.listNetworks().length, 1);
    await one!.driver.removeSandbox("c1");
    const report = await one!.driver.restore();
    assertEquals([report.sandboxes, report.missing], [["c2"], []]);
    assert(report.notices?.some((notice) => notice.includes("etcd is out of reach")), "no notice");
    await start();
    assertEquals((await one!.driver.restore()).notices, undefined);
    assertEquals((await keys()).filter((key) => key.startsWith("claims/")).length, 2);
    await make(two!, "c3");
  }));

Deno.test("engines' pools have their addresses in etcd, too", () =>
  withHosts(2, async ({ hosts: [one, two], keys }) => {
    const owner = { engine: "docker", id: "local" } as const;
    const request = { owner, subnet: "192.168.20.0/24", ipam: IPAM };
    await one!.driver.createNetwork({ ...LAN, subnets: ["192.168.20.0/24"] });
    const given: string[] = [];
    for (const { driver } of [one!, two!]) {
      const { id } = await driver.requestPool(request);
      await driver.claimGateway(id, "192.168.20.1");
      for (let count = 0; count < 5; count++) {
        given.push((await driver.claimAddress(id, {})).address);
      }
    }
    const { value } = await one!.driver.createSandbox({
      name: "c1",
      connections: [{ network: "lan" }],
    });
    given.push(value.endpoints[0]!.ip!);
    assertEquals(new Set(given).size, 11);
    assertEquals((await keys()).filter((key) => key.startsWith("claims/")).length, 11);
    for (const { driver } of [one!, two!]) {
      const [pool] = driver.listPools();
      await driver.releaseAddress(
        pool!.id,
        pool!.claims.find(({ holder }) => holder === "")!.address,
      );
      await driver.releasePool(pool!.id);
    }
    assertEquals((await keys()).filter((key) => key.startsWith("claims/")).length, 1);
  }));

/** A network with IPv4 alone, and one whose addresses are announced. */
const LAN4: NetworkSpec = { ...LAN, subnets: ["192.168.20.0/24"] };
const FAR: NetworkSpec = {
  name: "far",
  parent: "eth1",
  mode: "l3",
  advertise: "address",
  subnets: ["10.9.0.0/24"],
  ipam: IPAM,
};

/** Who has an address: all hosts have one name here. */
const HOLDER = `the host "${Deno.hostname()}"`;

/** Puts the `eth0` of two hosts on one wire, and gives each an `eth1`. */
async function wire(one: SharingHost, two: SharingHost): Promise<void> {
  for (const { ns: { ip } } of [one, two]) {
    await ip.link.del("eth0");
    await ip.link.add({ type: "dummy", name: "eth1", up: true });
  }
  const end = ({ ns }: SharingHost) => ["eth0", "netns", ns.name];
  await succeed("ip", "link", "add", ...end(one), "type", "veth", "peer", "name", ...end(two));
  for (const { ns: { ip } } of [one, two]) await ip.link.set("eth0", { up: true });
}

/** Removes a host from etcd, as if it were gone, though it runs. */
async function removeFromEtcd(one: SharingHost, two: SharingHost): Promise<void> {
  using store = Store.copy(one.stateDir);
  await two.driver.removeHost(store.shared.host("/ipvlan")!.id, undefined, true);
}

/** The names of all namespaces. */
function namespaces(): string[] {
  return [...Deno.readDirSync("/run/netns")].map(({ name }) => name).sort();
}

/** Whether a sandbox has a link. */
async function hasLink(sandbox: string): Promise<boolean> {
  return (await run("ip", "-n", sandbox, "link", "show", "eth0")).code === 0;
}

/** Whether an address answers a sandbox within some seconds. */
async function answers(sandbox: string, address: string, seconds: number): Promise<boolean> {
  const ping = ["ping", "-c", "1", "-W", String(seconds), address];
  return (await run("ip", "netns", "exec", sandbox, ...ping)).code === 0;
}

Deno.test("what another host has by now gets no link, also after a reboot, and is not announced", () =>
  withHosts(2, async ({ hosts: [one, two], stop, start }) => {
    await wire(one!, two!);
    for (const { driver } of [one!, two!]) {
      for (const spec of [LAN4, FAR]) await driver.createNetwork(spec);
    }
    const create = ({ driver }: SharingHost, name: string, network: string, ip?: string) =>
      driver.createSandbox({ name, connections: [{ network, ip }] });
    await create(one!, "c1", "lan", "192.168.20.77");
    await create(one!, "c9", "lan");
    await create(one!, "r1", "far", "10.9.0.7");
    const announced = async () =>
      (await one!.ns.ip.route.show(4)).filter(({ dst }) => dst === "10.9.0.7").length;
    assertEquals(await announced(), 1);
    await removeFromEtcd(one!, two!);
    await create(two!, "d1", "lan", "192.168.20.77");
    await create(two!, "r2", "far", "10.9.0.7");

    const missing = [["c1", "lan", "192.168.20.77"], ["r1", "far", "10.9.0.7"]]
      .map(([name, network, address]) => ({
        ...{ kind: "sandbox", name, holder: HOLDER },
        reason: `It is not connected to ${network}: The address ${address} is held by ${HOLDER}: ` +
          "give another one, or take it away from there",
      }));
    /** Restores, and checks that of the two addresses only the other host's sandboxes answer. */
    const restoreBut = async (seconds = 0) => {
      const report = await one!.driver.restore(seconds);
      assertEquals([report.sandboxes, report.missing], [["c9"], missing]);
      const links = await Promise.all(["c1", "r1", "c9", "d1", "r2"].map(hasLink));
      assertEquals(links, [false, false, true, true, true]);
      assertEquals(await announced(), 0);
      assert(await answers("c9", "192.168.20.77", 5), "the other host's sandbox does not answer");
      await succeed("ip", "-n", "d1", "link", "set", "eth0", "down");
      assert(!await answers("c9", "192.168.20.77", 1), "somebody else answers");
      await succeed("ip", "-n", "d1", "link", "set", "eth0", "up");
      return report.notices ?? [];
    };
    const [registered] = await restoreBut();
    assert(registered?.endsWith("and has registered anew"), registered);
    // A reboot. What is another host's is not waited for.
    const reboot = async (...names: string[]) => {
      for (const name of names) await succeed("ip", "netns", "del", name);
    };
    await reboot("c1", "c9", "r1");
    const said = await restoreBut(600);
    assert(said.every((each) => each.endsWith(`${HOLDER}: remove one of them`)), said.join("; "));
    await stop();
    await reboot("c1", "c9", "r1");
    const [silence] = await restoreBut();
    assert(silence?.startsWith("etcd is out of reach"), silence);
    await start();

    // When they are free again, this host has them again.
    for (const name of ["d1", "r2"]) await two!.driver.removeSandbox(name);
    const whole = async () => {
      const { sandboxes, missing } = await one!.driver.restore();
      assertEquals([sandboxes, missing], [["c1", "c9", "r1"], []]);
      assertEquals([await hasLink("c1"), await hasLink("r1"), await announced()], [true, true, 1]);
    };
    await whole();

    // While etcd cannot say whose the addresses are, what runs goes on, and nothing else comes up.
    await removeFromEtcd(one!, two!);
    await assertRejectsError(() => create(one!, "c5", "lan"), "host-removed");
    assert(!one!.driver.listSandboxes().some(({ name }) => name === "c5"));
    assert(!namespaces().includes("c5"));
    await stop();
    await reboot("c1");
    const { sandboxes, missing: unknown } = await one!.driver.restore();
    assertEquals([sandboxes, unknown], [["c9", "r1"], [{
      kind: "sandbox",
      name: "c1",
      reason: `It is not connected to lan: ${
        new IpvlanError("host-removed", { prefix: "/ipvlan" }).message
      }`,
    }]]);
    assertEquals([await hasLink("c1"), await hasLink("c9"), await announced()], [false, true, 1]);
    await start();
    await whole();
  }));

/** An address that a host keeps, and would give away without asking etcd. */
function keptBy({ stateDir }: SharingHost): string {
  using store = Store.copy(stateDir);
  const block = store.shared.pools().flatMap(({ id }) => store.shared.blocks(id, "free"))
    .find(({ state }) => state === "held")!;
  const { family, bits } = parseAddress(textOf(block.first));
  const offset = BigInt(block.free.toString(2).split("").toReversed().indexOf("1"));
  return textOf(hexOf({ family, bits: bits + offset }));
}

/** An address of the pool in no block of hosts. Where a host has its blocks follows from its random id. */
function outsideBlocks(hosts: readonly SharingHost[]): string {
  const taken = hosts.flatMap(({ stateDir }) => {
    using store = Store.copy(stateDir);
    return store.shared.pools().flatMap(({ id }) => [
      ...store.shared.blocks(id).map(({ first }) => first),
      ...store.shared.addresses(id).map(({ address }) => address),
    ]);
  });
  const blocks = new Set(taken.map((hex) => hex.slice(0, -1)));
  const free = Array.from({ length: 14 }, (_, block) => `192.168.20.${16 * (block + 1) + 5}`)
    .find((address) => !blocks.has(hexOf(parseAddress(address)).slice(0, -1)));
  assert(free !== undefined);
  return free;
}

Deno.test("what learns that its address is another host's undoes itself: sandboxes, and engines", () =>
  withHosts(2, async ({ hosts: [one, two], keys }) => {
    await using spaces = new AsyncDisposableStack();
    const { driver } = one!;
    await one!.ns.ip.link.add({ type: "dummy", name: "eth1", up: true });
    for (const { driver } of [one!, two!]) await driver.createNetwork(LAN4);
    const subnet = "192.168.20.0/24";
    const owner = { engine: "docker", id: "local" } as const;
    const pool = await driver.requestPool({ owner, subnet, ipam: IPAM });
    const call = (name: string, body: unknown) =>
      ({ ...NETWORK_HANDLERS, ...ipamHandlers({ environment: {} }) })[name]!(
        driver,
        body,
        () => {},
      );
    const [NetworkID, EndpointID] = ["a".repeat(64), "b".repeat(64)];
    await call("NetworkDriver.CreateNetwork", {
      NetworkID,
      IPv4Data: [{ Pool: subnet, AuxAddresses: {} }],
      IPv6Data: [],
      Options: { "com.docker.network.generic": { parent: "eth1" } },
    });
    await driver.createSandbox({ name: "bare" });
    const take = async ({ driver }: SharingHost, name: string, ip?: string) => {
      await driver.createSandbox({ name, connections: [{ network: "lan", ip }] });
    };
    const held = ({ driver }: SharingHost) => driver.listSandboxes().map(({ name }) => name);
    /** Has the other host take an address that this one keeps, and gives away without a question. */
    const steal = async () => {
      await take(one!, `own${held(one!).length}`);
      const address = keptBy(one!);
      await succeed("etcdctl", "del", "--prefix", "/ipvlan/blocks/");
      await take(two!, `thief${held(two!).length}`, address);
      return address;
    };
    const world = async () => ({
      sandboxes: driver.listSandboxes().map(({ name, endpoints }) => [name, endpoints.length]),
      networks: driver.listNetworks().map(({ name }) => name),
      claims: driver.listPools().map(({ claims }) => claims),
      namespaces: namespaces(),
      links: (await one!.ns.ip.link.show()).map(({ name }) => name),
      bare: (await succeed("ip", "-n", "bare", "-br", "link")).split("\n").length,
      etcd: (await keys()).filter((key) => key.startsWith("networks/")),
    });
    /** Runs what gives an address away that is another host's. It fails, and leaves nothing. */
    const isUndone = async (address: string, run: () => Promise<unknown>) => {
      const before = await world();
      const error = await assertRejectsError(run, "address-held");
      assertEquals([error.address, error.holder], [address, HOLDER]);
      assertEquals(await world(), before);
    };
    const first = await steal();
    await isUndone(first, () => take(one!, "new", first));
    const second = await steal();
    await isUndone(second, () => driver.connect("lan", "bare", { ip: second }));
    const third = await steal();
    await isUndone(
      third,
      () => call("IpamDriver.RequestAddress", { PoolID: pool.id, Address: third, Options: {} }),
    );
    const conf = {
      cniVersion: "1.0.0",
      name: "lan",
      type: "ipvlan-kit",
      master: "eth0",
      subnets: [subnet],
      etcd: { endpoints: [ENDPOINT] },
    };
    const space = spaces.use(await engineNamespace());
    const fourth = await steal();
    await isUndone(fourth, async () => {
      const variables = {
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "a",
        CNI_NETNS: space.path,
        CNI_IFNAME: "eth0",
        CNI_PATH: "/opt/cni/bin",
      };
      const call = { folder: one!.stateDir, variables, text: JSON.stringify(conf) };
      const { status, output } = await runPlugin(call, {
        log: () => {},
        withDriver: (run) => run(driver),
        warn: () => {},
      });
      const { msg } = output as { msg: string };
      assertEquals(status, 1);
      const [, address = msg, holder = ""] = /^The address (\S+) is held by (.*?): /.exec(msg) ??
        [];
      throw new IpvlanError("address-held", { address, holder });
    });

    // Of several at once, only the one with that address is undone.
    await steal();
    const ends = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => take(one!, `once${index}`)),
    );
    const [failed, ...others] = ends.flatMap((end) => end.status === "rejected" ? end.reason : []);
    assert(isIpvlanError(failed, "address-held") && others.length === 0, failed);
    assertEquals(held(one!).filter((name) => name.startsWith("once")).length, 7);

    // An address that Docker has claimed, and that was lost since.
    const request = { PoolID: pool.id, Address: outsideBlocks([one!, two!]), Options: {} };
    await call("IpamDriver.RequestAddress", request);
    await succeed(
      "etcdctl",
      "del",
      `/ipvlan/claims/192.168.20.0-24/${hexOf(parseAddress(request.Address))}`,
    );
    await succeed("etcdctl", "del", "--prefix", "/ipvlan/blocks/");
    await take(two!, "late-thief", request.Address);
    assertEquals((await driver.restore()).notices, [
      `The address ${request.Address} of "docker:" is held by ${HOLDER}: remove one of them`,
    ]);
    const Interface = { Address: `${request.Address}/24` };
    await isUndone(
      request.Address,
      () => call("NetworkDriver.CreateEndpoint", { NetworkID, EndpointID, Interface, Options: {} }),
    );
    await call("IpamDriver.ReleaseAddress", { PoolID: pool.id, Address: request.Address });
    await call("NetworkDriver.DeleteNetwork", { NetworkID });
    await call("IpamDriver.ReleasePool", { PoolID: pool.id });

    const report = await driver.restore();
    assertEquals([report.missing, report.notices], [[], undefined]);
    const claims = (await keys()).filter((key) => key.startsWith("claims/"));
    assertEquals(claims.length, held(one!).length - 1 + held(two!).length);
  }));

Deno.test("the claim of a sandbox that is not on record stays as long as a link has the address", () =>
  withHosts(2, async ({ hosts: [one, two], keys }) => {
    for (const { driver } of [one!, two!]) await driver.createNetwork(LAN4);
    const address = (await make4(one!, "c1"))!;
    await make4(one!, "c2");
    const backup = Store.open(one!.stateDir);
    const { shared } = backup;
    // The records of before are put back.
    backup.transaction(() => {
      for (const { id } of backup.endpoints({ sandbox: "c1" })) backup.deleteEndpoint(id);
      backup.deleteSandbox("c1");
      const pool = shared.pools()[0]!.id;
      const { block: first, address: hex } = shared.address(pool, hexOf(parseAddress(address)))!;
      shared.deleteAddress(pool, hex);
      const block = shared.block(pool, first!)!;
      shared.putBlock({ ...block, free: block.free | bitOf(first!, hex) });
    });
    backup[Symbol.dispose]();
    try {
      assertEquals((await one!.driver.restore()).notices, [
        `The claim of ${address} is kept: the sandbox "c1" is not on record and runs`,
      ]);
      assert((await keys()).includes(`claims/192.168.20.0-24/${hexOf(parseAddress(address))}`));
      for (const host of [one!, two!]) {
        const connections = [{ network: "lan", ip: address }];
        await assertRejects(
          () => host.driver.createSandbox({ name: "c3", connections }),
          Error,
          address,
        );
      }
      assert(await make4(one!, "c4") !== address);
    } finally {
      await succeed("ip", "netns", "del", "c1");
    }
    assertEquals((await one!.driver.restore()).notices, [
      `The claim of ${address} had no record, and is released`,
    ]);
    await two!.driver.createSandbox({ name: "c3", connections: [{ network: "lan", ip: address }] });
  }));

Deno.test("containers of CNI on two hosts share the subnet of their configurations", () =>
  withHosts(2, async ({ hosts, keys }) => {
    await using spaces = new AsyncDisposableStack();
    const conf = {
      cniVersion: "1.0.0",
      name: "lan",
      type: "ipvlan-kit",
      master: "eth0",
      subnets: ["192.168.20.0/24"],
      etcd: { endpoints: [ENDPOINT] },
    };
    const given: string[] = [];
    const ended: (() => Promise<unknown>)[] = [];
    for (const [index, { ns, stateDir }] of hosts.entries()) {
      for (const id of ["a", "b"]) {
        const space = spaces.use(await engineNamespace());
        const call = (command: string) =>
          runPlugin(
            {
              folder: stateDir,
              variables: {
                CNI_COMMAND: command,
                CNI_CONTAINERID: `${id}${index}`,
                CNI_NETNS: space.path,
                CNI_IFNAME: "eth0",
                CNI_PATH: "/opt/cni/bin",
              },
              text: JSON.stringify(conf),
            },
            {
              log: () => {},
              withDriver: async (run) => {
                await using driver = await EngineDriver.open({ host: ns.name, stateDir });
                return await run(driver);
              },
              warn: () => {},
            },
          );
        const { status, output } = await call("ADD");
        assertEquals(status, 0, JSON.stringify(output));
        given.push(...(output as { ips: { address: string }[] }).ips.map(({ address }) => address));
        ended.push(() => call("DEL"));
      }
    }
    assertEquals([given.length, new Set(given).size], [4, 4]);
    assertEquals((await keys()).filter((key) => key.startsWith("claims/")).length, 4);
    for (const end of ended) assertEquals(await end(), { status: 0 });
    assertEquals((await keys()).filter((key) => !key.startsWith("hosts/")), []);
  }));

Deno.test("a dry run asks etcd for nothing and changes nothing in it", () =>
  withHosts(1, async ({ hosts: [one], keys, stop, start }) => {
    await one!.driver.createNetwork(LAN);
    const before = await keys();
    await stop();
    const lines: string[] = [];
    const { ns, stateDir } = one!;
    const dryRun = (line: string) => {
      lines.push(line);
    };
    await using rehearsal = await EngineDriver.open({ host: ns.name, stateDir, dryRun });
    await rehearsal.createSandbox({ name: "c1", connections: [{ network: "lan" }] });
    await rehearsal.createNetwork({ ...LAN, name: "other", subnets: ["192.168.40.0/24"] });
    assert(lines.length > 0);
    await start();
    assertEquals(await keys(), before);
    assertEquals(one!.driver.listSandboxes(), []);
  }));

/** The lines of a sandbox's hosts file, without those that every file has. */
function hostLines(sandbox: string): string[] {
  const lines = Deno.readTextFileSync(`/etc/netns/${sandbox}/hosts`).trim().split("\n");
  return lines.filter((line) => !/^#|localhost/.test(line)).map((line) => line.split(" #")[0]!);
}

Deno.test("without an agent, a sandbox finds those of other hosts that were there before it", () =>
  withHosts(2, async ({ hosts: [one, two] }) => {
    for (const { driver } of [one!, two!]) {
      await driver.createNetwork({ ...LAN, subnets: ["192.168.20.0/24"] });
    }
    const create = async ({ driver }: SharingHost, name: string, aliases: string[] = []) => {
      const connections = [{ network: "lan", aliases }];
      return (await driver.createSandbox({ name, connections })).value.endpoints[0]!.ip!.split(
        "/",
      )[0];
    };
    const web = await create(one!, "web", ["www"]);
    const db = await create(two!, "db");
    assertEquals(hostLines("db"), [`${db} db db.lan`, `${web} web www web.lan`]);
    assertEquals(hostLines("web"), [`${web} web www web.lan`]);
    await two!.driver.removeSandbox("db");
    const cache = await create(one!, "cache");
    assertEquals(hostLines("cache"), [`${web} web www web.lan`, `${cache} cache cache.lan`]);
  }));

Deno.test("an agent writes the names of other hosts as they come and go, and keeps its host alive", () =>
  withHosts(2, async ({ hosts: [one, two], stop, start }) => {
    const ending = new AbortController();
    const said: string[] = [];
    const first = one!.driver.withSignal(ending.signal);
    const agent = first.runAgent({
      notify: (sentence) => said.push(sentence),
    });
    try {
      await assertRejectsError(() => first.runAgent(), "agent-runs");
      for (const { driver } of [one!, two!]) {
        await driver.createNetwork({ ...LAN, subnets: ["192.168.20.0/24"] });
      }
      const web = (await make4(one!, "web"))!;
      const alive = async () => (await two!.driver.listHosts()).filter(({ isAlive }) => isAlive);
      await waitFor(async () => (await alive()).length > 0);
      const [host] = await alive();
      await assertRejectsError(() => two!.driver.removeHost(host!.id), "host-alive");
      const db = (await make4(two!, "db"))!;
      await waitFor(() => hostLines("web").length === 2);
      assertEquals(hostLines("web"), [`${web} web web.lan`, `${db} db db.lan`]);
      // The host itself gets the address of a sandbox of the other one.
      await one!.ns.ip.addr.add({ dev: "eth0", address: `${db}/32` });
      await waitFor(() => said.length > 0);
      assertStringIncludes(
        said.splice(0).join(),
        `The address ${db} of this host is for sandboxes`,
      );
      await stop();
      await waitFor(() => said.length > 0);
      await start();
      await two!.driver.removeSandbox("db");
      await waitFor(() => hostLines("web").length === 1);
      assertEquals(hostLines("web"), [`${web} web web.lan`]);
      const claims = () =>
        succeed("etcdctl", "get", "--prefix", "--print-value-only", "/ipvlan/claims/");
      await waitFor(async () => (await claims()).includes('"sandbox":"host '));
      await assertRejectsError(() => make(two!, "db", db), "shared-address-held", "itself");
    } finally {
      ending.abort();
      await agent;
    }
    assert(!(await two!.driver.listHosts()).some(({ isAlive }) => isAlive));
  }));

/** Makes a sandbox on a network with IPv4 alone, and returns its address. */
async function make4({ driver }: SharingHost, name: string): Promise<string | undefined> {
  const { value } = await driver.createSandbox({ name, connections: [{ network: "lan" }] });
  return value.endpoints[0]!.ip?.split("/")[0];
}

/** Waits until a condition holds, for at least 10 seconds. The caller checks it again afterwards. */
async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500 && !await condition(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("of many that reserve and connect on two hosts at once, none gets another's address", () =>
  withHosts(2, async ({ hosts, keys }) => {
    for (const { driver } of hosts) await driver.createNetwork(LAN);
    const [one, two] = hosts as [SharingHost, SharingHost];
    const numbers = Array.from({ length: 8 }, (_, index) => index);
    const reserve = async ({ driver }: SharingHost, name: string) =>
      (await driver.reserveAddress("lan", name)).map(({ address }) => address);
    const given = await Promise.all(numbers.flatMap((number) => [
      reserve(one, `a${number}`),
      reserve(two, `b${number}`),
      make(one, `c${number}`),
      make(two, `d${number}`),
    ]));
    assertEquals(new Set(given.flat()).size, 8 * 4 * 2);
    // Each name starts on the other host, and gets what is reserved.
    const wanted = new Map(numbers.flatMap((number) => [
      [`a${number}`, given[number * 4]!],
      [`b${number}`, given[number * 4 + 1]!],
    ]));
    const started = await Promise.all(
      [...wanted].map(async ([name]) =>
        [name, await make(name.startsWith("a") ? two : one, name)] as const
      ),
    );
    assertEquals(new Map(started), wanted);
    // A burst that ends and one that starts: none gets what the other one's names have.
    const [gone, fresh] = await Promise.all([
      Promise.all(numbers.map((number) => two.driver.removeSandbox(`a${number}`))),
      Promise.all(numbers.map((number) => make(two, `e${number}`))),
    ]);
    assertEquals(gone.length, 8);
    assertEquals(
      fresh.flat().filter((address) => [...wanted.values()].flat().includes(address)),
      [],
    );
    assertEquals(await make(one, "a3"), wanted.get("a3"));
    // A name that runs does not start again. The hosts of this test share one list of namespaces.
    for (const host of hosts) await assertRejectsError(() => make(host, "a3"), "sandbox-exists");
    const left = (await keys()).filter((key) => key.startsWith("reservations/"));
    assertEquals(left.length, 32);
    // What a sandbox has is reserved for it, by the id of the network as well.
    const { id } = one.driver.inspectNetwork("lan");
    const made = await one.driver.reserveAddress(id.slice(0, 12), "c0");
    assertEquals(made.map(({ address }) => address), given[2]!);
    await one.driver.removeSandbox("c0");
    assertEquals(await make(two, "c0"), given[2]!);
    wanted.set("c0", given[2]!);
    for (const { driver } of hosts) {
      for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
    }
    for (const name of wanted.keys()) await two.driver.releaseReservations("lan", name);
  }));

Deno.test("while etcd is down, only the name gets its address, and calls that fail leave nothing", () =>
  withHosts(2, async ({ hosts: [one, two], stop, start, keys }) => {
    for (const { driver } of [one!, two!]) await driver.createNetwork(LAN);
    for (const seconds of [0, -1, NaN, 1e10]) {
      await assertRejectsError(
        () => two!.driver.reserveAddress("lan", "db", undefined, seconds),
        "invalid-option",
        "up to 100 years",
      );
    }
    const [address] = await two!.driver.reserveAddress("lan", "db", "192.168.20.50");
    const [first] = await make(one!, "db");
    assertEquals(first, address!.address);
    // The host keeps free addresses.
    await make(one!, "x");
    await stop();
    await one!.driver.removeSandbox("db");
    const [other] = await make(one!, "y");
    assert(other !== first);
    await assertRejectsError(() => make(one!, "z", first), "address-held", "the reservation");
    const { driver } = one!;
    await assertRejectsError(() => driver.reserveAddress("lan", "web"), "etcd-unreachable");
    await assertRejectsError(() => driver.releaseReservations("lan", "db"), "etcd-unreachable");
    await start();
    await one!.driver.restore();
    assertEquals((await make(two!, "db"))[0], first);
    assertEquals(
      (await two!.driver.listReservations()).map(({ name, address }) => `${name} ${address}`),
      [`db ${first}`],
    );
    // The last host takes it along.
    await one!.driver.removeSandbox("x");
    await one!.driver.removeSandbox("y");
    await one!.driver.removeNetwork("lan");
    assertEquals((await keys()).filter((key) => key.startsWith("reservations/")).length, 1);
  }));
