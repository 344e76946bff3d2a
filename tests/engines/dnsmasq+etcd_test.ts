// The test of the agent's hosts file with dnsmasq and etcd, in a guest of the lab.
import { assert, assertEquals } from "@std/assert";
import { EngineDriver } from "../../lib/driver/mod.ts";
import { Daemon } from "../../scenarios/kit/engines/daemon.ts";
import { run } from "../../scenarios/kit/program.ts";
import { freshNetns, temporaryFolder } from "../kit/worlds.ts";
import { ENDPOINT, startEtcd } from "./etcd.ts";
import { assertRejectsError } from "../kit/errors.ts";

/** The addresses that dnsmasq answers for a name. */
async function lookUp(name: string): Promise<string[]> {
  const { stdout } = await run("busybox", "nslookup", name, "127.0.0.1");
  return [...stdout.matchAll(/^Address(?: \d+)?: *(192\S+)/gm)].map(([, address]) => address!);
}

/** Waits until a name has an address or none, for at most 15 seconds. */
async function becomes(name: string, address: string | undefined): Promise<void> {
  const expected = address === undefined ? [] : [address];
  for (let tries = 0; tries < 300 && `${await lookUp(name)}` !== `${expected}`; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await lookUp(name), expected, name);
}

Deno.test("dnsmasq answers the names of the agent's hosts file as they come and go", async () => {
  await using undo = new AsyncDisposableStack();
  const { path: folder } = undo.use(await temporaryFolder());
  undo.use(await startEtcd(folder));
  const [stateDir, names] = [`${folder}/state`, `${folder}/names`];
  await Deno.mkdir(names);
  // dnsmasq reads the folder as another user.
  await Deno.chmod(folder, 0o755);
  const ns = undo.use(await freshNetns());
  await ns.ip.link.add({ type: "dummy", name: "eth0", up: true });
  const driver = undo.use(await EngineDriver.open({ host: ns.name, stateDir }));
  const ending = new AbortController();
  const { signal } = ending;
  await assertRejectsError(
    () => driver.withSignal(signal).runAgent({ hostsFile: `${folder}/none/hosts` }),
    "invalid-option",
    "none/hosts",
  );
  const hostsFile = `${names}/hosts`;
  const agent = driver.withSignal(signal).runAgent({ hostsFile });
  undo.defer(async () => {
    ending.abort();
    await agent;
  });
  undo.use(
    await Daemon.start([
      ...["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file", "--no-resolv"],
      ...["--no-hosts", `--hostsdir=${names}`, "--listen-address=127.0.0.1", "--bind-interfaces"],
      "--conf-file=/dev/null",
    ], { ready: /read .*hosts/ }),
  );
  await driver.createNetwork({
    name: "lan",
    parent: "eth0",
    subnets: ["192.168.20.0/24"],
    ipam: { driver: "etcd", access: { endpoints: [ENDPOINT] } },
  });
  undo.defer(async () => {
    for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
    await driver.removeNetwork("lan");
  });
  const make = (name: string, ip: string) =>
    driver.createSandbox({ name, connections: [{ network: "lan", ip }] });
  await make("web", "192.168.20.7");
  await becomes("web", "192.168.20.7");
  await make("db", "192.168.20.8");
  await becomes("db.lan", "192.168.20.8");
  await driver.removeSandbox("web");
  await becomes("web", undefined);
  await becomes("db", "192.168.20.8");
  await make("web", "192.168.20.9");
  await becomes("web", "192.168.20.9");
  assert((await Deno.readTextFile(hostsFile)).startsWith("# Written by ipvlan agent"));
});
