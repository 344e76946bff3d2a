import { assertEquals } from "@std/assert";
import { run } from "../kit/processes.ts";
import { withHost } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

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
    const owner = { engine: "docker", id: "n" } as const;
    await driver.createNetwork({ name: "docker:n", owner, parent: "eth0", subnets: [subnet] });
    const handOver = async (name: string) => {
      const connections = [{ network: "docker:n", handOver: true }] as const;
      const { value } = await driver.borrowSandbox({ name: `docker:${name}`, owner, connections });
      return value.endpoints.map(({ ip }) => ip!);
    };
    const connect = (names: string[]) =>
      printed("driver_child.ts", "connect", host.ns.name, host.stateDir, "n", ...names);
    const claim = (pool: string) => printed("claims_child.ts", host.stateDir, pool, "20");
    const given = await Promise.all([
      connect(names.slice(0, 3)),
      connect(names.slice(3)),
      ...[docker, docker, docker, cni].map(({ id }) => claim(id)),
      ...names.map(handOver),
    ]);
    const all = given.flat();
    assertEquals([all.length, new Set(all).size], [92, 92]);
    // The gateway of the network is nobody's.
    assertEquals(all.includes("10.0.0.1/24"), false);
    await driver.releasePool(docker.id);
    await driver.releasePool(cni.id);
    assertEquals(driver.listPools(), []);
  }));

Deno.test("a sandbox on two networks with one subnet gets two addresses of it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const owner = { engine: "docker", id: "1" } as const;
    for (const name of ["docker:a", "docker:b"]) {
      await driver.createNetwork({ name, owner, parent: "eth0", subnets: ["10.0.0.0/24"] });
    }
    const adopt = (name: string, ip?: string) =>
      driver.borrowSandbox({
        name,
        owner,
        connections: ["docker:a", "docker:b"].map((network) => ({ network, ip, handOver: true })),
      });
    const { value: { endpoints } } = await adopt("docker:1");
    assertEquals(endpoints.map(({ ip }) => ip), ["10.0.0.2/24", "10.0.0.3/24"]);
    const error = await assertRejectsError(() => adopt("docker:2", "10.0.0.9"), "address-held");
    assertEquals(error.holder, 'the sandbox "docker:2"');
  }));
