// The options of a network that is there, changed while its sandboxes run.
import { assert, assertEquals } from "@std/assert";
import type { Driver, NetworkOptions, NetworkSpec } from "../../lib/driver/mod.ts";
import { CHANGING } from "../../lib/driver/model/options.ts";
import { assertRejectsError } from "../kit/errors.ts";
import { eachLine, type Fault, Faults } from "../kit/faults.ts";
import { assertConsistent } from "../kit/look.ts";
import { networkWith, twoValues } from "../kit/options.ts";
import { run } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";

const CHILD = new URL("driver_child.ts", import.meta.url).pathname;

const NETWORK: NetworkSpec = {
  ...{ name: "n", parent: "eth0", txqlen: 500 },
  subnets: ["10.0.0.0/24", "fd00::/64"],
  routes: [{ dst: "10.8.0.0/16", via: "10.0.0.7" }, { dst: "10.7.0.0/16", via: "10.0.0.7" }],
};

/** Other values of most options, and one that goes. */
const OTHERS: Partial<NetworkOptions> = {
  ...{ mtu: 1400, txqlen: undefined, hostAccess: true, policyRoutes: true },
  routes: [{ dst: "10.8.0.0/16", via: "10.0.0.8" }, { dst: "fd08::/64", via: "fd00::8" }],
};

async function twoSandboxes(driver: Driver, network = NETWORK): Promise<void> {
  await driver.createNetwork(network);
  await driver.createNetwork({ name: "other", parent: "eth0.20", subnets: ["10.20.0.0/24"] });
  await driver.createSandbox({ name: "c1", connections: [{ network: "n" }] });
  await driver.createSandbox({
    name: "c2",
    connections: [{ network: "other" }, { network: "n" }],
  });
}

/** What there is but the records, and what \`dump\` does not look at. */
async function dump(host: TestHost): Promise<unknown> {
  const { store: _store, ...seen } = await host.dump() as { store: unknown };
  const words = ["rule", "-6 rule", "neigh show nud permanent", "-o link", "route show table all"];
  const more = await Promise.all(
    ["c1", "c2", host.ns.name].flatMap((name) =>
      words.map(async (each) => {
        const { stdout } = await run("ip", "-n", name, ...each.split(" "));
        // The kernel looks for duplicates of its own link-local addresses, and so has them later.
        return stdout.split("\n").filter((line) => !/local fe80:/.test(line)).sort();
      })
    ),
  );
  return { ...seen, more };
}

async function assertUp(host: TestHost, driver: Driver): Promise<void> {
  const seen = await driver.seeSandboxes();
  assertEquals(seen.flatMap(({ endpoints }) => endpoints.flatMap(({ changes }) => changes)), []);
  await assertConsistent(host);
}

for (const name of CHANGING) {
  Deno.test(`the option ${name} changes with sandboxes, and back to its default`, () =>
    withHost(async (host) => {
      const driver = await host.driver();
      const [value] = twoValues(name);
      const { [name]: _none, ...plain } = networkWith(name) as unknown as Record<string, unknown>;
      await twoSandboxes(driver, plain as unknown as NetworkSpec);
      const before = await dump(host);
      const { value: after } = await driver.updateNetwork("n", { [name]: value });
      assertEquals(after[name], value);
      assertEquals(driver.findNetwork("n"), after);
      await assertUp(host, driver);
      // Nothing is there that would answer.
      if (name !== "dad" && name !== "probe") {
        await driver.createSandbox({ name: "c3", connections: [{ network: "n" }] });
        await assertUp(host, driver);
        await driver.removeSandbox("c3");
      }
      await driver.updateNetwork("n", { [name]: undefined });
      const { [name]: left, ...rest } = driver.findNetwork("n")!;
      assertEquals([left, "id" in rest], [undefined, true]);
      await assertUp(host, driver);
      assertEquals(await dump(host), before);
    }));
}

Deno.test("an isolated network's dummy gets the MTU, too, and restore makes it with that", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const { value: { parent } } = await driver.createNetwork({
      name: "n",
      subnets: ["10.0.0.0/24"],
    });
    await driver.createSandbox({ name: "c1", connections: [{ network: "n" }] });
    for (const [mtu, shown] of [[1400, 1400], [9000, 9000], [undefined, 1500]] as const) {
      await driver.updateNetwork("n", { mtu });
      assertEquals((await host.ns.ip.link.show(parent)).mtu, shown);
      await assertUp(host, driver);
      await host.ns.ip.link.del(parent);
      assertEquals((await driver.restore()).missing, []);
      assertEquals((await host.ns.ip.link.show(parent)).mtu, shown);
      const [{ endpoints: [endpoint] }] = await driver.seeSandboxes() as [
        Awaited<ReturnType<Driver["seeSandboxes"]>>[number],
      ];
      assertEquals(endpoint!.mtu, shown);
    }
  }));

for (const fault of ["refused", "lost"] as const satisfies Fault[]) {
  Deno.test(`an update changes nothing if one of its lines fails: ${fault}`, () =>
    withHost(async (host) => {
      await using faults = await Faults.of(fault);
      await twoSandboxes(await host.driver());
      const driver = await host.driver({ wrap: faults.wrap });
      const before = await dump(host);
      const record = driver.findNetwork("n");
      const lines = await eachLine(
        faults,
        () => driver.updateNetwork("n", OTHERS),
        async () => {
          assertEquals(driver.findNetwork("n"), record);
          assertEquals(await dump(host), before);
        },
      );
      assert(lines > 2, `${lines}`);
      await assertUp(host, driver);
      await eachLine(faults, () => driver.updateNetwork("n", NETWORK_OF), () => Promise.resolve());
      assertEquals(await dump(host), before);
    }));
}

/** What takes back {@linkcode OTHERS}. */
const NETWORK_OF: Partial<NetworkOptions> = {
  ...{ mtu: undefined, txqlen: 500, hostAccess: false, policyRoutes: undefined },
  routes: NETWORK.routes,
};

Deno.test("the next call undoes an update that was killed at any line", async (t) => {
  for (let n = 1, wasKilled = true; wasKilled && n < 200; n += 7) {
    await t.step(`line ${n}`, () =>
      withHost(async (host) => {
        const driver = await host.driver();
        await twoSandboxes(driver);
        const before = await dump(host);
        const record = driver.findNetwork("n");
        const words = ["updated", host.ns.name, host.stateDir, String(n), JSON.stringify(OTHERS)];
        const { code, stderr } = await run(
          ...[Deno.execPath(), "run", "-A", "--no-check", CHILD, ...words],
        );
        assert(code === 137 || code === 0, stderr);
        wasKilled = code === 137;
        if (!wasKilled) return await assertUp(host, driver);
        // Readers see what the network was.
        assertEquals(driver.listNetworks().map(({ mtu }) => mtu), [undefined, undefined]);
        const labels = { a: "b" };
        await driver.label([{ kind: "network", name: "n", labels }]);
        assertEquals(driver.findNetwork("n"), { ...record!, labels });
        assertEquals(await dump(host), before);
        await assertUp(host, driver);
      }));
  }
});

Deno.test("what cannot change is refused, all at once, and nothing changes", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await twoSandboxes(driver);
    const before = await dump(host);
    const wrong = {
      ...{ parent: "eth1", mode: "l3", mtu: 9000, dad: "perhaps", internal: true, ipv4: false },
      routes: [{ dst: "10.20.0.0/28", via: "10.0.0.9" }],
    } as unknown as Partial<NetworkOptions>;
    const { problems } = await assertRejectsError(
      () => driver.updateNetwork("n", wrong),
      "problems",
    );
    assertEquals(problems.map(({ field }) => field[0]), [
      "parent",
      "mode",
      "internal",
      "ipv4",
      "dad",
      "mtu",
    ]);
    await assertRejectsError(
      () => driver.updateNetwork("n", { routes: [{ dst: "10.20.0.0/28", via: "10.0.0.9" }] }),
      "route-overlap",
    );
    await assertRejectsError(
      () => driver.updateNetwork("n", { routes: [{ dst: "10.9.0.0/28", via: "10.0.0.2" }] }),
      "address-held",
    );
    await assertRejectsError(
      () => driver.updateNetwork("n", { subnets: [] } as Partial<NetworkOptions>),
      "invalid-option",
    );
    await assertRejectsError(() => driver.updateNetwork("m", { mtu: 1400 }), "network-not-found");
    assertEquals(await dump(host), before);
  }));
