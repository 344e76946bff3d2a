import { assertEquals } from "@std/assert";
import { run } from "../kit/processes.ts";
import { withHost } from "../kit/worlds.ts";

/** Runs a module of this folder in a process of its own, and reads the JSON that it prints. */
async function printed(module: string, ...words: string[]): Promise<string[]> {
  const path = new URL(module, import.meta.url).pathname;
  const { stdout, stderr } = await run(
    ...[Deno.execPath(), "run", "-A", "--no-check", path] as const,
    ...words,
  );
  assertEquals(stderr, "");
  return JSON.parse(stdout);
}

Deno.test("networks and address pools of many processes at once give no address twice", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const subnet = "10.0.0.0/24";
    await driver.createNetwork({ name: "n", parent: "eth0", subnets: [subnet] });
    const names = ["a", "b", "c", "d", "e", "f"];
    await Promise.all(names.map((name) => driver.createSandbox({ name })));
    const docker = await driver.requestPool({ owner: { engine: "docker", id: "local" }, subnet });
    const cni = await driver.requestPool({ owner: { engine: "cni", id: "lan" }, subnet });
    const connect = (names: string[]) =>
      printed("driver_child.ts", "connect", host.ns.name, host.stateDir, "n", ...names);
    const claim = (pool: string) => printed("claims_child.ts", host.stateDir, pool, "20");
    const given = await Promise.all([
      connect(names.slice(0, 3)),
      connect(names.slice(3)),
      ...[docker, docker, docker, cni].map(({ id }) => claim(id)),
    ]);
    const all = given.flat();
    assertEquals([all.length, new Set(all).size], [86, 86]);
    // The gateway of the network is nobody's.
    assertEquals(all.includes("10.0.0.1/24"), false);
    driver.releasePool(docker.id);
    driver.releasePool(cni.id);
    assertEquals(driver.listPools(), []);
  }));
