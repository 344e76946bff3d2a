import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { doesNotReach, reaches } from "../../lib/check/mod.ts";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../../scenarios/kit/machines/checks.ts";
import { runAll } from "../../scenarios/kit/run.ts";
import { Printer } from "../../scenarios/kit/report/printer.ts";
import { scenario } from "../../scenarios/kit/scenario.ts";
import { World } from "../../scenarios/kit/machines/world.ts";
import { tryPlayground } from "../kit/lab.ts";
import { disconnect, disturb } from "../../scenarios/kit/machines/faults.ts";
import { run, succeed } from "../../scenarios/kit/program.ts";
import { decode } from "../kit/processes.ts";
import { temporaryFolder } from "../kit/worlds.ts";

/** The namespaces, files for namespaces, and state folders that there are. */
async function traces(): Promise<string[]> {
  await using ip = await Ip.open();
  const list = async (path: string) => {
    try {
      return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => `${path}/${name}`);
    } catch {
      return [];
    }
  };
  const temporary = (await list(Deno.env.get("TMPDIR") ?? "/tmp"))
    .filter((path) => path.includes("ipvlan-scenario-"));
  return [...await ip.netns.list(), ...await list("/etc/netns"), ...temporary].sort();
}

/** Fails if the body leaves something behind. */
async function leavesNothing(body: () => Promise<void>): Promise<void> {
  const before = await traces();
  await body();
  assertEquals(await traces(), before);
}

Deno.test("a world joins trunk and access ports by VLAN, and routes only with a router", () =>
  leavesNothing(async () => {
    await using world = await World.build({
      host: { eth0: ["10.0.1.2/24"], "eth0.20": ["10.0.20.2/24", "2001:db8:20::2/64"] },
      host2: { eth0: ["10.0.1.3/24"], uplink: [] },
      lan: {
        pc: { addresses: ["10.0.1.4/24"], gateways: ["10.0.1.1"] },
        nas: {
          addresses: ["10.0.20.4/24", "2001:db8:20::4/64"],
          gateways: ["10.0.20.1", "2001:db8:20::1"],
          vlan: 20,
        },
      },
    });
    const inVlan = await Promise.all([
      reaches("lab-host", "10.0.1.3"),
      reaches("lab-host2", "10.0.1.4"),
      reaches("lab-nas", "10.0.20.2"),
      reaches("lab-nas", "2001:db8:20::2"),
      doesNotReach("lab-pc", "10.0.20.4", { control: "lab-host", reaches: "10.0.1.2" }),
    ]);
    assertEquals(inVlan.filter(({ held }) => !held), []);
    assert((await world.host2.ip.link.show("uplink")).up);

    await world.addRouter({
      eth0: ["10.0.1.1/24"],
      "eth0.20": ["10.0.20.1/24", "2001:db8:20::1/64"],
      "eth0.30": ["2001:db8:30::1/64"],
    });
    const routed = await Promise.all([
      reaches("lab-pc", "10.0.20.4"),
      reaches("lab-nas", "2001:db8:30::1"),
    ]);
    assertEquals(routed.filter(({ held }) => !held), []);
    assertEquals(
      (await world.ip("lab-router").addr.show({ dev: "eth0.30" })).map(({ address }) => address)
        .sort(),
      ["2001:db8:30::1", "fe80::1"],
    );
  }));

Deno.test("a cable can lose, delay and cap frames, or be out, until that is over", () =>
  leavesNothing(async () => {
    await using _world = await World.build({
      host: { eth0: ["10.0.1.2/24"] },
      lan: { pc: { addresses: ["10.0.1.4/24"] } },
    });
    /** The least time for a ping with this many bytes, in milliseconds; `Infinity` if none came back. */
    const ping = async (size = 56) => {
      const words = ["netns", "exec", "lab-pc", "ping", "-c3", "-i0.2", "-W3", `-s${size}`];
      const { stdout } = await run("ip", ...words, "10.0.1.2");
      const times = [...stdout.matchAll(/ time=([\d.]+)/g)].map(([, time]) => Number(time));
      return Math.min(...times, Infinity);
    };
    {
      await using _lost = await disturb("host", "eth0", { loss: 100 });
      assertEquals(await ping(), Infinity);
      assertEquals(await carrier("lab-host"), "1");
    }
    {
      await using _out = await disconnect("pc", "eth0");
      assertEquals(await carrier("lab-pc"), "0");
      assertEquals(await ping(), Infinity);
    }
    {
      await using _slow = await disturb("pc", "eth0", { delay: 100 });
      assert(await ping() >= 200);
    }
    {
      // 1,442 bytes each way at 100 kbit/s.
      await using _narrow = await disturb("pc", "eth0", { rate: 100 });
      assert(await ping(1400) >= 230);
    }
    assert((await reaches("lab-pc", "10.0.1.2")).held);
    await assertRejects(() => disturb("pc", "eth9", { loss: 100 }), Error, "eth9");
  }));

/** Whether the link `eth0` of a namespace has a carrier: `0` or `1`. */
async function carrier(netns: string): Promise<string> {
  return await succeed("ip", "netns", "exec", netns, "cat", "/sys/class/net/eth0/carrier");
}

Deno.test("a host's containers and their networks outlive a restart, with their addresses", () =>
  leavesNothing(async () => {
    await using world = await World.build({ vlans: [20] });
    const { host } = world;
    await host.driver.createNetwork({
      name: "ipvlan20",
      parent: "eth0.20",
      subnets: ["192.168.20.0/24"],
    });
    const before = await Promise.all([host.run("c1", "ipvlan20"), host.run("c2", "ipvlan20")]);
    assertEquals((await reaches("c1", "c2")).held, true);

    const report = await host.restart();
    assertEquals(report.missing, []);
    assertEquals(report.sandboxes, ["c1", "c2"]);
    assertEquals(
      host.driver.listSandboxes().flatMap(({ endpoints }) => endpoints.map(({ ip }) => ip)),
      before.map(({ ip }) => ip).sort(),
    );
    assertEquals((await reaches("c1", "c2")).held, true);
  }));

Deno.test("a world that cannot be built leaves nothing", () =>
  leavesNothing(async () => {
    await assertRejects(() => World.build({ host: { eth0: ["not an address"] }, host2: {} }));
    await assertRejects(() => World.build({ lan: { "much-too-long": { addresses: [] } } }));
  }));

Deno.test("a second world is refused, and the first one stays", () =>
  leavesNothing(async () => {
    await using world = await World.build({ lan: { pc: { addresses: ["10.0.1.4/24"] } } });
    await assertRejects(() => World.build({}), Error, "lab-switch");
    assertEquals((await world.ip("lab-pc").link.show("eth0")).up, true);
  }));

Deno.test("a scenario that fails takes its world with it, and the next one runs", () =>
  leavesNothing(async () => {
    const lines: string[] = [];
    const report = await runAll([
      scenario("broken", "Throws", async (tour) => {
        await using world = await tour.world({});
        await world.host.driver.createNetwork({ name: "n1" });
        await world.host.run("c1", "n1");
        await tour.holds("GEN-4", isEqual("one", 1, 2));
        throw new Error("it broke");
      }),
      scenario("sound", "Holds", async (tour) => {
        await using world = await tour.world({ lan: { pc: { addresses: ["10.0.1.4/24"] } } });
        await world.ip("lab-pc").addr.add({ dev: "eth0", address: "10.0.2.4/24" });
        await tour.holds("L2-1", reaches("lab-pc", "10.0.2.4"));
      }),
    ], new Printer((line) => lines.push(line), false));
    assertEquals(report.scenarios.map(({ error }) => error?.split("\n")[0]), [
      "Error: it broke",
      undefined,
    ]);
    const outcomes = Object.fromEntries(report.statements.map(({ id, outcome }) => [id, outcome]));
    assertEquals(outcomes["GEN-4"], "NOT held");
    assertEquals(outcomes["L2-1"], "held");
    assertEquals(outcomes["L2-2"], "not yet run");
  }));

Deno.test("an interrupt from the terminal, which ends every process there, leaves nothing", () =>
  leavesNothing(async () => {
    // A process group of its own, as a shell makes one for what it runs in the foreground.
    const child = new Deno.Command("setsid", {
      args: ["--wait", Deno.execPath(), "run", "-A", "--no-check", "scenarios/main.ts", "l2"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const complaints = new Response(child.stderr).text();
    let printed = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const before = printed;
      printed += text;
      const isNew = (part: string) => printed.includes(part) && !before.includes(part);
      if (isNew("docker run")) await interruptGroup("scenarios/main.ts");
    }
    assertEquals((await child.status).code, 1);
    assertStringIncludes(printed, "InterruptedError");
    assertEquals(await complaints, "");
  }));

/** Does what a terminal does at Ctrl-C, to the group of the process with this word. */
async function interruptGroup(word: string): Promise<void> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "")).split("\0");
    // The group's first process is the one whose number is the group's.
    const stat = await Deno.readTextFile(`/proc/${name}/stat`).catch(() => "");
    const group = stat.split(") ")[1]?.split(" ")[2];
    if (words.includes(word) && group === name) {
      // The shell's own: a minimal machine has no program kill.
      await new Deno.Command("sh", { args: ["-c", `kill -INT -${name}`] }).output();
    }
  }
}

Deno.test("a scenario run alone runs in namespaces of its own, and leaves a user's sandbox of its name", async () => {
  await using folder = await temporaryFolder();
  await using driver = await Driver.open({ stateDir: folder.path });
  await driver.createNetwork({ name: "n" });
  await driver.createSandbox({ name: "c1", connections: [{ network: "n" }] });
  const before = await traces();
  const { IPVLAN_LAB: _, ...env } = Deno.env.toObject();
  const alone = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("../../scenarios/l2.ts", import.meta.url).pathname],
    env,
    clearEnv: true,
  }).output();
  const { code, stdout, stderr } = decode(alone);
  assertEquals(code, 0, stdout + stderr);
  assertEquals((await driver.seeSandboxes()).map(({ name, state }) => [name, state]), [
    ["c1", "up"],
  ]);
  assertEquals(await traces(), before);
  await driver.removeSandbox("c1");
  await driver.removeNetwork("n");
});

Deno.test("the playground on this machine's kernel has namespaces of its own, and leaves nothing", () =>
  leavesNothing(async () => {
    await using ip = await Ip.open();
    // The machine's own link of this name is not the playground's.
    await ip.link.add({ type: "veth", name: "eth0", peer: { name: "eth0-peer" } });
    try {
      await tryPlayground("--engine", "native");
    } finally {
      await ip.link.del("eth0");
    }
  }));
