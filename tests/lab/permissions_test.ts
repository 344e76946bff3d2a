import { assertEquals } from "@std/assert";
import { readPage } from "../kit/pages.ts";
import { run } from "../kit/processes.ts";
import { siteFile } from "../kit/worlds.ts";

const ROOT = new URL("../../", import.meta.url);

/** The flags that the page gives for a script, by the modules that it uses. */
function flagsFor(which: RegExp): string[] {
  const [, words = ""] = which.exec(readPage("docs/module.md")) ?? [];
  const flags = words.replaceAll("\\\n", "").split(/ +/).filter((flag) => flag !== "");
  assertEquals(flags.filter((flag) => !flag.startsWith("--allow-")), []);
  return flags;
}

/** Runs a script with flags and nothing else. Returns what it printed. */
async function runWith(flags: readonly string[], script: string): Promise<string> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, script);
    const { code, stdout, stderr } = await run(
      ...[Deno.execPath(), "run", "--no-prompt", "--no-check", "--cached-only"],
      ...["--config", new URL("deno.json", ROOT).pathname, ...flags, file],
    );
    assertEquals([code, stderr], [0, ""]);
    return stdout.trimEnd();
  } finally {
    await Deno.remove(file);
  }
}

/** What a script does with the driver, and with what is below it. Every method is called once. */
const DRIVER = `
import { Driver, EngineDriver, settle } from "${ROOT}lib/driver/mod.ts";
import { Bridge, Ip, kernelFacts, lookAround, lookInto } from "${ROOT}lib/iproute2/mod.ts";
const calls = new Set(
  [Driver, EngineDriver].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)),
);
calls.delete("constructor");
const opened = await EngineDriver.open();
const counted = (driver) =>
  new Proxy(driver, {
    get: (target, key) => {
      calls.delete(key);
      const value = target[key];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
const driver = counted(opened);
const network = { name: "n", subnets: ["192.168.20.0/24", "2001:db8:20::/64"] };
if ((await driver.problemsOf([network])).length > 0) throw new Error("problems");
await driver.createNetwork(network);
if ((await driver.problemsOfNext("n")).length > 0) throw new Error("problems");
const settled = settle({ name: "m", subnets: ["192.168.21.0/24"] });
if ((await driver.problemsOfFirst(settled)).length > 0) throw new Error("problems");
await driver.createSettled(settled);
await driver.removeNetwork("m");
if (driver.addressUsage("n").length !== 2) throw new Error("usage");
await driver.createSandbox({ name: "c1", connections: [{ network: "n" }] });
await driver.createSandbox({
  name: "c2",
  hostname: "host2",
  hosts: [{ name: "mirror", address: "192.168.20.9" }],
  dns: { servers: ["192.0.2.53"] },
  sysctls: { "net.ipv4.ip_forward": "1" },
});
await driver.connect("n", "c2", { aliases: ["db"] });
await driver.reserveAddress("n", "later");
if ((await driver.listReservations()).length === 0) throw new Error("reservations");
await driver.releaseReservations("n", "later");
await driver.updateNetwork("n", { mtu: 1400, hostAccess: false });
await driver.label([
  { kind: "network", name: "n", labels: { a: "b" } },
  { kind: "sandbox", name: "c1", labels: { a: "b" } },
]);
const ping = await driver.exec("c1", ["ping", "-c", "1", "db"], { stdout: "null" }).spawn().status;
driver.keepExitStatus("c1", ping.code);
await driver.start("c2", ["hostname"], { keepOutput: true });
const follow = await Array.fromAsync(driver.followOutput("c2"));
const text = (bytes) => new TextDecoder().decode(bytes).trim();
console.log(follow.map(text).join(""), text(driver.output("c2")), await driver.exitStatus("c2"));
await driver.start("c1", ["sleep", "1000"]);
const [pid] = await driver.processes("c1");
console.log(ping.code, pid !== undefined, await driver.runningSandboxes());
if (await driver.processAt("/run/netns/c1") !== pid) throw new Error("another process");
if ((await driver.signal("c1", "SIGCONT"))[0] !== pid) throw new Error("another process");
await driver.removeSandbox("c1", "refuse").catch(({ code }) => console.log(code));
driver.findNetwork("n"), driver.listNetworks(), driver.listSandboxes(), driver.inspectNetwork("n");
driver.inspectSandbox("c1");
await driver.seeSandboxes();
await driver.advertisedRoutes();
console.log((await driver.restore()).missing, await driver.recover());
await driver.restore(1);
await driver.restoreNetwork("n");
driver.withSignal(AbortSignal.timeout(1000)).listNetworks();
await counted(driver.withSignal(AbortSignal.timeout(100))).runAgent();
await driver.removeHost("gone").catch(({ code }) => console.log(code));
console.log((await driver.listHosts()).length, await driver.hostNames(), driver.hasUnfinished());
if ((await driver.damagedKeys()).length > 0) throw new Error("a damaged key");
await driver.sequence(() => Promise.resolve());
await using bridge = await Bridge.open({ netns: "c1" });
if ((await bridge.vlans("eth0")).length > 0) throw new Error("a VLAN of a bridge");
if ((await lookInto("c1", { links: true })).links.length !== 2) throw new Error("links");
await driver.disconnect("n", "c2");
await driver.removeSandbox("c1", "kill");
await driver.removeSandbox("c2", "leave");
await using ip = await Ip.open();
await ip.netns.add("mine");
await driver.adoptSandbox({ name: "mine", connections: [{ network: "n" }] });
console.log((await lookAround({ links: true })).others.some(({ netns }) => netns === "mine"));
await driver.removeSandbox("mine");
const owner = { engine: "cni", id: "1" };
const connections = [{ network: "n", handOver: true }];
await driver.borrowSandbox({ name: "cni:1", owner, connections });
await driver.setSandboxPath("cni:1", "/run/netns/mine");
console.log(await driver.removeStale(), driver.listSandboxes().length);
await driver.removeSandbox("cni:1");
await driver.removeUnused("n");
const pool = await driver.requestPool({ owner });
await driver.claimGateway(pool.id);
driver.keepAddresses("cni", ["172.20.0.9"]);
const { address } = await driver.claimAddress(pool.id, { holder: "1" });
const user = { prefix: "/ipvlan", address: address.split("/")[0], name: "1", network: "n", names: ["one"] };
if ((await driver.nameClaims("cni", [user])).length > 0) throw new Error("a warning");
if ((await driver.releaseClaims("cni", () => false)).length > 0) throw new Error("released");
await driver.releaseAddress(pool.id, user.address);
console.log(driver.listPools()[0].claims.length);
await driver.releasePool(pool.id);
await ip.netns.del("mine");
await driver.removeNetwork("n");
await driver.createNetwork({ name: "m" });
console.log((await driver.pruneNetworks()).removed);
console.log((await kernelFacts()).problems);
await driver[Symbol.asyncDispose]();
await using rehearsal = await EngineDriver.open({ dryRun: () => {} });
await rehearsal.createNetwork({ name: "m" });
console.log("not called:", [...calls]);
`;

Deno.test("the rights on the page are enough for every call of the driver", async () => {
  const flags = flagsFor(/^deno run (--allow-[^]*?) script\.ts$/m);
  // With one flag more, it goes by netlink.
  for (const more of [[], ["--allow-ffi"]]) {
    const printed = await runWith([...flags, ...more], DRIVER);
    assertEquals(printed.split("\n"), [
      "host2 host2 0",
      '0 true [ "c1", "c2" ]',
      "sandbox-in-use",
      "[] []",
      "host-not-found",
      "0 [] false",
      "true",
      "[] 1",
      "1",
      '[ "m" ]',
      "{ ipvlan: undefined, vlan: undefined, dummy: undefined }",
      "not called: []",
    ]);
  }
});

/** What a script does with the other modules. */
const OTHERS = (file: string) => `
import { Driver } from "${ROOT}lib/driver/mod.ts";
import { lookAround } from "${ROOT}lib/iproute2/mod.ts";
import * as check from "${ROOT}lib/check/mod.ts";
import * as site from "${ROOT}lib/site/mod.ts";
import * as graph from "${ROOT}lib/graph/mod.ts";
await using driver = await Driver.open();
const wanted = await site.readSite("${file}");
console.log((await site.diff(driver, wanted)).length);
console.log((await site.apply(driver, wanted)).checks.length);
const records = { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
console.log(Object.keys(site.exportSite(records).value));
console.log((await check.reaches("a", "10.9.0.99")).held);
console.log((await check.reaches("a", "b")).held, (await check.reaches(undefined, "127.0.0.1")).held);
console.log(graph.buildWorld(await lookAround(graph.WANTED), records.networks).absent);
console.log((await site.destroy(driver, wanted)).changes.length);
`;

Deno.test("the rights on the page are enough for the other modules", async () => {
  await using file = await siteFile(`
networks: { n: { subnets: [10.9.0.0/24] } }
sandboxes:
  a: { networks: [n], command: [sleep, "1000"], hostname: a.example }
  b: { networks: [n], dns: { servers: [192.0.2.53] }, sysctls: { net.ipv4.ip_forward: 1 } }
checks: [a reaches b]
`);
  const driver = flagsFor(/^deno run (--allow-[^]*?) script\.ts$/m);
  const others = flagsFor(/^(--allow-run=ping .*)$/m);
  const flags = [...driver, ...others, `--allow-read=${file.path}`];
  const printed = await runWith(flags, OTHERS(file.path));
  assertEquals(printed.split("\n"), [
    "3",
    "1",
    '[ "name", "networks", "sandboxes" ]',
    "false",
    "true true",
    "[]",
    "3",
  ]);
});
