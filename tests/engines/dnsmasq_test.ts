// The tests of leases from a DHCP server, in a guest of the lab.
import { assert, assertEquals, assertStringIncludes, fail } from "@std/assert";
import { Calls, type DriverOptions } from "../../lib/driver/calls.ts";
import { Driver } from "../../lib/driver/mod.ts";
import { DhcpServer } from "../../scenarios/kit/machines/dhcp_server.ts";
import { run, succeed } from "../../scenarios/kit/program.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { eachLine, Faults } from "../kit/faults.ts";
import { inEnv } from "../kit/processes.ts";
import { freshNetns, temporaryFolder } from "../kit/worlds.ts";

/** A host with the network `lan`, and a DHCP server beside it. */
class World implements AsyncDisposable {
  readonly #undo = new AsyncDisposableStack();
  #options: DriverOptions = {};
  server!: DhcpServer;
  /** The namespace of the server. */
  lan = "";
  driver!: Driver;
  stateDir = "";
  /** The namespace of the host. */
  host = "";

  static async make(dhcp = 10, range = "192.168.1.100,192.168.1.199"): Promise<World> {
    const world = new World();
    const undo = world.#undo;
    const { path: folder } = undo.use(await temporaryFolder());
    const host = undo.use(await freshNetns());
    const { name: lan } = undo.use(await freshNetns());
    await succeed(
      ...["ip", "-n", host.name, "link", "add", "eth0", "up", "type", "veth"] as const,
      ...["peer", "name", "eth0", "netns", lan],
    );
    await succeed("ip", "-n", lan, "link", "set", "eth0", "up");
    await succeed("ip", "-n", lan, "addr", "add", "192.168.1.1/24", "dev", "eth0");
    world.lan = lan;
    world.host = host.name;
    world.server = undo.use(
      await DhcpServer.start(lan, range, `${folder}/leases`),
    );
    world.stateDir = `${folder}/state`;
    world.#options = { host: host.name, stateDir: world.stateDir };
    world.driver = undo.use(await world.open());
    await world.driver.createNetwork({ name: "lan", parent: "eth0", dhcp });
    return world;
  }

  open(options: DriverOptions = {}): Promise<Driver> {
    return Driver.open({ ...this.#options, ...options });
  }

  /** A driver whose lines fail. */
  failing(faults: Faults): Driver {
    return new Driver(Calls.open(this.#options, faults.wrap));
  }

  async run(name: string, driver: Driver = this.driver): Promise<string | undefined> {
    const { value } = await driver.createSandbox({ name, connections: [{ network: "lan" }] });
    return value.endpoints[0]!.ip;
  }

  async leases(): Promise<number> {
    return Object.keys(await this.server.leases()).length;
  }

  /** Checks that nothing of any sandbox is left, and removes the network. */
  async assertClean(): Promise<void> {
    assertEquals(this.driver.listSandboxes(), []);
    assertEquals(await clients(), []);
    assertEquals([...Deno.readDirSync(`${this.stateDir}/dhcp`)], []);
    await this.driver.removeNetwork("lan");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { name } of this.driver.listSandboxes()) await this.driver.removeSandbox(name);
    await this.#undo.disposeAsync();
  }
}

/** The ids of all DHCP clients. */
async function clients(): Promise<string[]> {
  const { stdout } = await run("sh", "-c", "grep -lzw [u]dhcpc /proc/[0-9]*/cmdline");
  return stdout.trim().split("\n").filter(Boolean).map((path) => path.split("/")[2]!);
}

/** Waits until a check holds, for at most 10 seconds. */
async function becomes(what: string, check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    // Once is enough: the client forks, and is seen twice for a moment.
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  fail(what);
}

const isIdle = async () => (await clients()).length === 0;

Deno.test("twenty sandboxes at once have twenty leases, find each other, and give them back", async () => {
  await using world = await World.make();
  const { driver } = world;
  const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
  const addresses = await Promise.all(names.map((name) => world.run(name)));
  assertEquals(new Set(addresses).size, 20);
  assertEquals(await world.leases(), 20);
  const hosts = await Deno.readTextFile("/etc/netns/c3/hosts");
  assert(hosts.includes(`${addresses[7]!.split("/")[0]} c7`), hosts);
  // Those that run are not started again.
  const before = await clients();
  const { missing, notices } = await driver.restore();
  assertEquals([missing, notices], [[], undefined]);
  assertEquals(await clients(), before);
  await Promise.all(names.map((name) => driver.removeSandbox(name)));
  assertEquals(await clients(), []);
  await becomes("all leases are given back", async () => await world.leases() === 0);
  await world.assertClean();
});

Deno.test("a dry run shows the client and asks no server", async () => {
  await using world = await World.make();
  const address = await world.run("c1");
  const lines: string[] = [];
  {
    await using rehearsal = await world.open({ dryRun: (line) => lines.push(line) });
    assertEquals(await world.run("c2", rehearsal), undefined);
    await rehearsal.removeSandbox("c1");
  }
  const [client] = lines.filter((line) => line.includes("udhcpc"));
  const id = "[0-9a-f]{12}";
  assert(
    new RegExp(
      `^ip netns exec c2 udhcpc -f -B -A 5 -x 0x3d:ff${id} -i eth0 -s \\S+/dhcp/${id}/script$`,
    ).test(client!),
    client,
  );
  assertEquals(lines.filter((line) => line.startsWith("kill")).length, 2);
  assertEquals(await world.leases(), 1);
  assertEquals(world.driver.inspectSandbox("c1").endpoints[0]!.ip, address);
  await world.driver.removeSandbox("c1");
  await world.assertClean();
});

Deno.test("a call that is killed or interrupted while it waits for a lease leaves no client", async () => {
  await using world = await World.make(60);
  const { driver, lan, stateDir } = world;
  await succeed("ip", "-n", lan, "link", "set", "eth0", "down");
  const isWaiting = async () => (await clients()).length === 1;
  const module = new URL("../../lib/driver/mod.ts", import.meta.url).href;
  const script = `import { Driver } from ${JSON.stringify(module)};
    const host = ${JSON.stringify(world.host)};
    const driver = await Driver.open({ host, stateDir: ${JSON.stringify(stateDir)} });
    await driver.createSandbox({ name: "c1", connections: [{ network: "lan" }] });`;
  const child = new Deno.Command("deno", { args: ["eval", "--no-check", script] }).spawn();
  await becomes("a client waits", isWaiting);
  child.kill("SIGKILL");
  await child.status;
  assertEquals(await driver.recover(), ['The sandbox "c1" was left half made']);
  assert(await isIdle());
  const ending = new AbortController();
  const call = world.run("c1", driver.withSignal(ending.signal));
  await becomes("a client waits", isWaiting);
  ending.abort(new Error("enough"));
  assertEquals(await call.catch((error) => error.message), "enough");
  await succeed("ip", "-n", lan, "link", "set", "eth0", "up");
  await world.assertClean();
});

Deno.test("each line that fails undoes the sandbox, its client and its lease", async () => {
  await using world = await World.make();
  await using faults = await Faults.of("refused");
  await using driver = world.failing(faults);
  const lines = await eachLine(faults, () => world.run("c1", driver), async (n) => {
    assertEquals(driver.listSandboxes(), [], `line ${n}`);
    assertEquals(await clients(), [], `line ${n}`);
  });
  assert(lines >= 8, `only ${lines} lines`);
  await driver.removeSandbox("c1");
  await world.assertClean();
});

Deno.test("an address that another sandbox of the parent has is not used", async () => {
  await using world = await World.make();
  const { driver } = world;
  const address = (await world.run("c1"))!.split("/")[0]!;
  await driver.removeSandbox("c1");
  await driver.createNetwork({ name: "other", parent: "eth0", subnets: ["192.168.1.0/24"] });
  await driver.createSandbox({ name: "c2", connections: [{ network: "other", ip: address }] });
  await assertRejectsError(
    () => driver.createSandbox({ name: "c3", connections: [{ network: "lan", ip: address }] }),
    "invalid-option",
    "a DHCP server gives the addresses",
  );
  const next = (await world.run("c1"))!.split("/")[0]!;
  assert(next !== address);
  await assertRejectsError(
    () => driver.createSandbox({ name: "c3", connections: [{ network: "other", ip: next }] }),
    "address-held",
  );
  for (const name of ["c1", "c2"]) await driver.removeSandbox(name);
  await driver.removeNetwork("other");
  await world.assertClean();
});

Deno.test("a server that gives the address of the parent takes nothing from the host", async () => {
  await using world = await World.make(10, "192.168.1.250,192.168.1.250");
  await succeed("ip", "-n", world.host, "addr", "add", "192.168.1.250/24", "dev", "eth0");
  await assertRejectsError(
    () => world.run("c1"),
    "no-lease",
    'the server gives 192.168.1.250, which the parent "eth0" has: check its range',
  );
  await succeed("ip", "netns", "exec", world.lan, "ping", "-c", "1", "-W", "5", "192.168.1.250");
  await world.assertClean();
});

Deno.test("a client is no process of its sandbox, and ends with it", async () => {
  await using world = await World.make();
  const { driver } = world;
  await world.run("c1");
  await driver.start("c1", ["sleep", "1000"]);
  assertEquals((await driver.signal("c1", "SIGKILL")).length, 1);
  await becomes("the command ends", async () => (await driver.processes("c1")).length === 0);
  assertEquals((await clients()).length, 1);
  await driver.removeSandbox("c1", "refuse");
  await becomes("the lease is given back", async () => await world.leases() === 0);
  await world.run("c1");
  await driver.start("c1", ["sleep", "1000"]);
  await driver.removeSandbox("c1", "kill");
  await becomes("the lease is given back", async () => await world.leases() === 0);
  // A client keeps a namespace, with the address in it, after that has lost its name.
  const address = await world.run("c1");
  await succeed("ip", "netns", "del", "c1");
  const { missing } = await driver.restore();
  assertEquals(missing, []);
  const [seen] = await driver.seeSandboxes();
  assertEquals([seen!.state, seen!.endpoints[0]!.ip], ["up", address]);
  await driver.removeSandbox("c1");
  await world.assertClean();
});

Deno.test("a client that is slow gives its lease back before it ends", async () => {
  await using world = await World.make();
  await world.run("c1");
  const [pid = ""] = await clients();
  Deno.kill(Number(pid), "SIGSTOP");
  const isRemoved = world.driver.removeSandbox("c1");
  await becomes("the client has a signal", async () => {
    const [, pending] = /^ShdPnd:\t0{0,15}(\w+)$/m.exec(
      await Deno.readTextFile(`/proc/${pid}/status`),
    )!;
    return pending !== "0";
  });
  Deno.kill(Number(pid), "SIGCONT");
  await isRemoved;
  await becomes("the lease is given back", async () => await world.leases() === 0);
  await world.assertClean();
});

Deno.test("without a client on this machine, the error names a package", async () => {
  await using world = await World.make();
  const folder = await Deno.makeTempDir();
  try {
    for (const program of ["ip", "sh", "stat", "cat"]) {
      const path = (await succeed("which", program)).trim();
      await Deno.symlink(path, `${folder}/${program}`);
    }
    using _path = inEnv("PATH", folder);
    await using driver = await world.open();
    await assertRejectsError(() => world.run("c1", driver), "program-not-found", "busybox");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await world.assertClean();
});

Deno.test("options of a network with leases change, but for those that need the addresses before", async () => {
  await using world = await World.make();
  const { driver } = world;
  const ip = await world.run("c1");
  const { value } = await driver.updateNetwork("lan", { mtu: 1400 });
  assertEquals([value.mtu, value.dhcp], [1400, 10]);
  const [seen] = await driver.seeSandboxes(["c1"]);
  assertEquals(seen!.endpoints.map((each) => [each.ip, each.mtu, each.state, each.changes]), [
    [ip, 1400, "up", []],
  ]);
  for (const options of [{ hostAccess: true }, { dad: "on" }, { policyRoutes: true }] as const) {
    const error = await driver.updateNetwork("lan", options).catch((error) => error);
    assertStringIncludes(error.message, "before there is a lease");
  }
  await assertRejectsError(
    () => driver.reserveAddress("lan", "c2", "192.168.1.9"),
    "invalid-option",
  );
  await driver.removeSandbox("c1");
  await world.assertClean();
});
