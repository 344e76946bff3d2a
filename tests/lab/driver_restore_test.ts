import { assert, assertEquals, assertMatch } from "@std/assert";
import { isOurs } from "../../lib/driver/network/parent.ts";
import { pause } from "../../lib/base/waiting.ts";
import type { Driver } from "../../mod.ts";
import { Job } from "../kit/command.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { assertConsistent } from "../kit/look.ts";
import { hangingProgram } from "../kit/hanging_program.ts";
import { allEnded, children, inEnv, processes, run } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import { ask, type DirectRunner, make } from "../../lib/iproute2/runner.ts";

/** Takes away what a restart of the host does: every link and namespace that the driver made. */
async function restart({ ns }: TestHost, ...sandboxes: string[]): Promise<void> {
  for (const name of sandboxes) {
    // Its links first: a namespace goes in its own time, and so long its addresses are taken.
    await run("ip", "-n", name, "link", "del", "group", "6910070");
    await run("ip", "netns", "del", name);
  }
  const links = (await ns.ip.link.show()).filter(isOurs).map(({ name }) => name);
  for (const name of links.toReversed()) await run("ip", "-n", ns.name, "link", "del", name);
}

Deno.test("after a restart everything comes back as it was, and a second restore does nothing", () =>
  withHost(async (host) => {
    const lines: string[] = [];
    const driver = await host.driver({ verbose: (line) => lines.push(line) });
    const subnets = ["10.20.0.0/24", "fd20::/64"];
    await driver.createNetwork({ name: "tags", parent: "eth0.20.30", subnets, mtu: 1400 });
    await driver.createNetwork({ name: "iso" });
    await driver.createNetwork({ name: "l3", parent: "eth0", mode: "l3", flag: "vepa" });
    await driver.createSandbox({
      name: "c1",
      connections: [{ network: "tags", aliases: ["db"] }, { network: "iso" }],
    });
    await driver.createSandbox({
      name: "c2",
      connections: [{ network: "l3" }, { network: "tags", ip6: "fd20::99" }],
    });
    await driver.createSandbox({ name: "c3" });
    const before = await host.dump();

    await restart(host, "c1", "c2", "c3");
    const report = {
      networks: ["iso", "l3", "tags"],
      sandboxes: ["c1", "c2", "c3"],
      missing: [],
      undone: [],
    };
    assertEquals(await driver.restore(), report);
    assertEquals(await host.dump(), before);
    await assertConsistent(host);

    lines.length = 0;
    assertEquals(await driver.restore(), report);
    const changes = lines.filter((line) => !line.endsWith("link set dev lo up"));
    assertEquals(changes, []);
    assertEquals(await host.dump(), before);
  }));

Deno.test("a link that lacks an address or a route is made anew", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "n", parent: "eth0.20", subnets: ["10.0.0.0/24"] });
    await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
    const before = await host.dump();
    // As a restore leaves it that is killed half way: nothing is marked as whole before its end.
    await run("ip", "-n", "c", "addr", "flush", "dev", "eth0");
    await run("ip", "-n", "c", "link", "set", "dev", "eth0", "alias", "");
    await run("ip", "-n", "c", "link", "set", "dev", "lo", "down");
    await driver.restore();
    assertEquals(await host.dump(), before);
  }));

Deno.test("restore reports a missing parent that is not ours, and completes its networks when it is back", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    await ip.link.add({ type: "vlan", name: "foo", link: "eth0", id: 40, up: true });
    await driver.createNetwork({ name: "manual", parent: "foo", subnets: ["10.40.0.0/24"] });
    await driver.createNetwork({ name: "made", parent: "eth0.20", subnets: ["10.20.0.0/24"] });
    await driver.createSandbox({
      name: "c",
      connections: [{ network: "manual" }, { network: "made" }],
    });
    const before = await host.dump();
    await restart(host, "c");
    await ip.link.del("foo");

    const { networks, sandboxes, missing } = await driver.restore();
    assertEquals([networks, sandboxes], [["made"], []]);
    assertEquals(missing, [
      {
        kind: "network",
        name: "manual",
        reason: 'There is no link "foo" to be the parent: make it first, or name it LINK.VLAN ' +
          "(such as eth0.20) to have it made",
      },
      {
        kind: "sandbox",
        name: "c",
        reason: "It is not connected to manual, which could not be restored",
      },
    ]);
    assertEquals((await ip.link.show()).some(({ name }) => name === "foo"), false);
    const { code } = await driver.exec("c", ["ip", "link", "show", "eth1"]).output();
    assertEquals(code, 0);

    await ip.link.add({ type: "vlan", name: "foo", link: "eth0", id: 40, up: true });
    assertEquals((await driver.restore()).missing, []);
    assertEquals(await host.dump(), before);
    await assertConsistent(host);

    // It is not the driver's, before as after.
    await driver.removeSandbox("c");
    await driver.removeNetwork("manual");
    assert((await ip.link.show("foo")).up);
    await ip.link.del("foo");
  }));

/** What `ip monitor` does while a restore waits for a parent. */
const MONITORS = {
  listens: "",
  ends: ", also where nothing tells of it any more",
  starts: ", also where nothing listens for it yet",
};

for (const [monitor, ending] of Object.entries(MONITORS)) {
  Deno.test(`restore waits for a parent that comes late${ending}`, () =>
    withHost(async (host) => {
      const { ip } = host.ns;
      await using starting = monitor === "starts"
        ? await hangingProgram("ip", "*monitor*")
        : undefined;
      using _path = starting && inEnv("PATH", starting.path);
      let looked = Promise.withResolvers<void>();
      const driver = await host.driver({
        wrap: (runner): DirectRunner => ({
          change: (line, send) => make(runner, { line, send }),
          query: (line, read) => ask(runner, line, read).finally(() => looked.resolve()),
        }),
      });
      const add = () => ip.link.add({ type: "dummy", name: "foo", up: true });
      await add();
      await driver.createNetwork({ name: "n", parent: "foo", subnets: ["10.0.0.0/24"] });
      await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
      const before = await host.dump();
      await restart(host, "c");
      await ip.link.del("foo");
      looked = Promise.withResolvers();
      const waiting = driver.restore(3600);
      await looked.promise;
      // Its turn comes when the first try is over.
      await driver.recover();
      await starting?.hangs();
      if (monitor === "ends") {
        const own = children().map(({ pid }) => pid);
        for (const { pid } of processes().filter(({ parent }) => own.includes(parent))) {
          // Others of them may have ended meanwhile.
          const words = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
          if (words.includes("\0monitor\0")) Deno.kill(pid, "SIGKILL");
        }
      }
      await add();
      assertEquals((await waiting).missing, []);
      assertEquals(await host.dump(), before);
      await driver.removeSandbox("c");
      await driver.removeNetwork("n");
      await ip.link.del("foo");
    }));
}

Deno.test("a sub-interface that somebody made anew is used, and theirs from then on", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    await driver.createNetwork({ name: "n", parent: "eth0.20", subnets: ["10.0.0.0/24"] });
    await driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
    await restart(host, "c");
    await ip.link.add({ type: "vlan", name: "eth0.20", link: "eth0", id: 20, up: true });
    assertEquals((await driver.restore()).missing, []);
    await assertConsistent(host);
    await driver.removeSandbox("c");
    await driver.removeNetwork("n");
    const theirs = await ip.link.show("eth0.20");
    assertEquals([theirs.up, theirs.group, theirs.alias], [true, "default", undefined]);
    await ip.link.del("eth0.20");
  }));

Deno.test("a parent made anew between two calls is the one that is used", () =>
  withHost(async (host) => {
    const { ip } = host.ns;
    const driver = await host.driver();
    const add = () => ip.link.add({ type: "dummy", name: "foo", up: true });
    await add();
    await driver.createNetwork({ name: "n", parent: "foo", subnets: ["10.0.0.0/24"] });
    await driver.createSandbox({ name: "c1", connections: [{ network: "n" }] });
    // By another process than the driver's, with another link in between to take the old index.
    await run("ip", "-n", host.ns.name, "link", "del", "foo");
    await ip.link.add({ type: "dummy", name: "other" });
    await add();
    await driver.createSandbox({ name: "c2", connections: [{ network: "n" }] });
    assertEquals((await driver.restore()).missing, []);
    await assertConsistent(host);
    await ip.link.del("other");
    await Promise.all(["c1", "c2"].map((name) => driver.removeSandbox(name)));
    await driver.removeNetwork("n");
    await ip.link.del("foo");
  }));

const NETWORKS = Array.from({ length: 20 }, (_, i) => `n${i}`);

/** Makes twenty networks on eth0, of which every second one is on a sub-interface, and two sandboxes. */
async function fill(driver: Driver): Promise<void> {
  for (const [i, name] of NETWORKS.entries()) {
    const subnets = [`10.${i}.0.0/24`, `fd00:${i}::/64`];
    await driver.createNetwork({ name, parent: i % 2 ? `eth0.${i}` : "eth0", subnets });
  }
  const connections = NETWORKS.map((network) => ({ network }));
  for (const name of ["c1", "c2"]) await driver.createSandbox({ name, connections });
}

/** Takes eth0 away, or makes it: a pair of links, whose other end is up. */
const eth0 = ({ ns }: TestHost) => ({
  del: () => run("ip", "-n", ns.name, "link", "del", "eth0"),
  add: () => run("ip", "-n", ns.name, "link", "add", "eth0", "up", "type", "veth", "peer", "peer0"),
  up: () => run("ip", "-n", ns.name, "link", "set", "peer0", "up"),
});

/** Waits for something to be true. It polls, and gives up after a minute. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = AbortSignal.timeout(60_000); !await condition();) {
    deadline.throwIfAborted();
    await pause(20);
  }
}

/** Waits until all sandboxes are whole, and no restore is at work. */
async function allWhole(driver: Driver): Promise<void> {
  const isWhole = async () => (await driver.seeSandboxes()).every(({ state }) => state === "up");
  await until(async () => {
    if (!await isWhole()) return false;
    // The last line of a restore may still be at work, and a signal would undo all of them. This call
    // gets its turn when the restore is over.
    await driver.recover();
    return await isWhole();
  });
}

Deno.test("an agent restores what twenty networks had on a parent that flaps, or is another one now", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await fill(driver);
    const before = await host.dump();
    const { del, add, up } = eth0(host);
    const ending = new AbortController();
    const said: string[] = [];
    const hear = (sentence: string) => said.push(sentence);
    const agent = driver.withSignal(ending.signal).runAgent({ notify: hear, report: hear });
    try {
      await assertRejectsError(() => driver.runAgent(), "agent-runs");
      for (let i = 0; i < 10; i++) {
        await run("ip", "-n", host.ns.name, "link", "set", "peer0", "down");
        await up();
      }
      for (let i = 0; i < 10; i++) {
        await del();
        await add();
        await up();
      }
      await allWhole(driver);
      assertEquals(await host.dump(), before);
      await assertConsistent(host);

      // A port of a bridge can be no parent. Nothing is lost until it is none any more.
      await del();
      await host.ns.ip.link.add({ type: "bridge", name: "br0" });
      said.length = 0;
      await host.ns.ip.link.add({ type: "dummy", name: "eth0" });
      await host.ns.ip.link.set("eth0", { master: "br0", up: true });
      // Before, it may say that the link is missing, or down.
      const refusal = () => said.find((each) => !/^The link "eth0" is (missing|down):/.test(each));
      await until(() => refusal() !== undefined);
      assertMatch(
        refusal()!,
        /^The sandbox "c1" could not be restored: [^;]* cannot be a parent: /,
      );
      await host.ns.ip.link.del("br0");
      await allWhole(driver);
      await del();
      await add();
      await up();
      await allWhole(driver);
    } finally {
      ending.abort();
      await agent;
    }
    assertEquals(await host.dump(), before);
  }));

Deno.test("an agent that is killed leaves nothing, and the next one restores what it did not", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await fill(driver);
    const before = await host.dump();
    const { del, add, up } = eth0(host);
    const under = ["nsenter", `--net=/run/netns/${host.ns.name}`];
    const env = { IPVLAN_STATE_DIR: host.stateDir };
    {
      await using agent = new Job(["agent"], { env, under });
      await del();
      await agent.line(/The link "eth0" is missing/);
      await add();
      await up();
      // It is in the middle of it when the first link is there.
      await until(async () => (await host.eyes.in("c1").link.show()).length > 1);
      agent.kill("SIGKILL");
    }
    await allEnded("\0monitor\0link");
    await using agent = new Job(["agent"], { env, under });
    await allWhole(driver);
    assertEquals(await host.dump(), before);
    agent.kill("SIGTERM");
    const { status, err } = await agent.ended;
    assertEquals([status, err], [0, ""]);
  }));

Deno.test("an agent ends without an error, at whatever moment its signal comes", () =>
  withHost(async (host) => {
    // The signal kills a program at work. By netlink, there is none.
    using _transport = inEnv("IPVLAN_TRANSPORT", "ip");
    const driver = await host.driver();
    await fill(driver);
    for (let ms = 0; ms < 30; ms++) {
      await driver.withSignal(AbortSignal.timeout(ms)).runAgent();
    }
    await assertConsistent(host);
  }));
