import { type ErrorCode, isIpvlanError } from "../../lib/base/errors.ts";
import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { type Driver, IpvlanError } from "../../mod.ts";
import { assertConsistent } from "../kit/look.ts";
import { until } from "../kit/lab.ts";
import { run } from "../kit/processes.ts";
import { temporaryFolder, withHost } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

const NAMES = Array.from({ length: 20 }, (_, i) => `c${i}`);

async function sandboxes(driver: Driver): Promise<void> {
  await driver.createNetwork({ name: "n", parent: "eth0", subnets: ["10.0.0.0/24"] });
  await Promise.all(NAMES.map((name) => driver.createSandbox({ name })));
}

/** The addresses that twenty connects at once are to give, each once. */
const ADDRESSES = NAMES.map((_, i) => `10.0.0.${i + 2}/24`);

function assertAllDiffer(addresses: readonly (string | undefined)[]): void {
  assertEquals(addresses.toSorted(), ADDRESSES.toSorted());
}

/** The errors of those that failed. Each is one of the given classes. */
function failures(
  results: PromiseSettledResult<unknown>[],
  ...codes: ErrorCode[]
): IpvlanError[] {
  return results.filter((result) => result.status === "rejected").map(({ reason }) => {
    assert(isIpvlanError(reason, ...codes), String(reason));
    return reason;
  });
}

Deno.test("twenty connects at once give twenty addresses, from one driver or from two", () =>
  withHost(async (host) => {
    const [one, two] = [await host.driver(), await host.driver()];
    await sandboxes(one);
    const drivers: [string, (i: number) => Driver][] = [
      ["one", () => one],
      ["two", (i) => i % 2 === 0 ? one : two],
    ];
    for (const [which, driverOf] of drivers) {
      const outcomes = await Promise.all(
        NAMES.map((name, i) => driverOf(i).connect("n", name)),
      );
      assertAllDiffer(outcomes.map(({ value }) => value.ip));
      await assertConsistent(host);
      await Promise.all(NAMES.map((name, i) => driverOf(i).disconnect("n", name)));
      assertEquals(one.inspectNetwork("n").endpoints, [], which);
    }
    await assertConsistent(host);
  }));

Deno.test("a call has waited for the disk when it ends, and calls at once wait together", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "n", parent: "eth0", subnets: ["10.0.0.0/24"] });
    const { syncData } = Deno.FsFile.prototype;
    let syncs = 0;
    let isDone = () => true;
    using undo = new DisposableStack();
    undo.defer(() => Deno.FsFile.prototype.syncData = syncData);
    Deno.FsFile.prototype.syncData = async function () {
      syncs++;
      await until(isDone);
      await syncData.call(this);
    };
    const counted = async (call: () => Promise<unknown>) => {
      syncs = 0;
      await call();
      return syncs;
    };
    const connections = [{ network: "n" }];
    assertEquals(await counted(() => driver.createSandbox({ name: "c", connections })), 1);
    assertEquals(await counted(() => driver.disconnect("n", "c")), 1);
    assertEquals(await counted(() => driver.connect("n", "c")), 1);
    assertEquals(await counted(() => driver.removeSandbox("c")), 1);
    // Who waits first, waits until all have written their last record. Then the others wait together,
    // but for those that come while these do.
    using records = new DatabaseSync(`${host.stateDir}/ipvlan.db`, { readOnly: true });
    const count = records.prepare("SELECT count(*) AS rows FROM sandbox WHERE state LIKE ?");
    const rows = (state: string) => count.get(state)!.rows;
    const all = (call: (name: string) => Promise<unknown>) => () => Promise.all(NAMES.map(call));
    isDone = () => rows("ready") === NAMES.length;
    const made = await counted(all((name) => driver.createSandbox({ name, connections })));
    assert(made >= 1 && made <= 3, `${made}`);
    isDone = () => rows("%") === 0;
    const removed = await counted(all((name) => driver.removeSandbox(name)));
    assert(removed >= 1 && removed <= 3, `${removed}`);
  }));

Deno.test("several processes may open a new state folder at once", async () => {
  await using folder = await temporaryFolder();
  const child = new URL("store_child.ts", import.meta.url).pathname;
  // When all have started.
  const start = Date.now() + 5000;
  const words = [folder.path, start, 200, 25].map(String);
  const opened = await Promise.all(
    [1, 2, 3, 4].map(() => run(Deno.execPath(), "run", "-A", "--no-check", child, ...words)),
  );
  assertEquals(opened.map(({ code, stderr }) => [code, stderr]), opened.map(() => [0, ""]));
});

Deno.test("connects from two processes at once give different addresses", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await sandboxes(driver);
    const child = new URL("driver_child.ts", import.meta.url).pathname;
    const connect = (names: string[]) =>
      run(
        ...[Deno.execPath(), "run", "-A", "--no-check", child] as const,
        ...["connect", host.ns.name, host.stateDir, "n", ...names],
      );
    const both = await Promise.all([connect(NAMES.slice(0, 10)), connect(NAMES.slice(10))]);
    assertEquals(both.map(({ stderr }) => stderr), ["", ""]);
    assertAllDiffer(both.flatMap(({ stdout }) => JSON.parse(stdout)));
    await assertConsistent(host);
    // This driver has not seen what the others did, and goes by the store all the same.
    await driver.createSandbox({ name: "c20", connections: [{ network: "n" }] });
    assertEquals(driver.inspectSandbox("c20").endpoints[0]?.ip, "10.0.0.22/24");
  }));

Deno.test("of several calls for one name exactly one wins", () =>
  withHost(async (host) => {
    const [one, two] = [await host.driver(), await host.driver()];
    const thrice = <T>(call: (driver: Driver) => Promise<T>) =>
      Promise.allSettled([call(one), call(two), call(one)]);
    const created = await thrice((driver) => driver.createNetwork({ name: "n", parent: "eth0.5" }));
    assertEquals(failures(created, "network-exists").length, 2);
    const sandboxed = await thrice((driver) =>
      driver.createSandbox({ name: "c", connections: [{ network: "n" }] })
    );
    assertEquals(failures(sandboxed, "sandbox-exists").length, 2);
    await one.createSandbox({ name: "d" });
    const connected = await thrice((driver) => driver.connect("n", "d"));
    assertEquals(failures(connected, "already-connected").length, 2);
    await assertConsistent(host);
    const removed = await thrice((driver) => driver.removeSandbox("c"));
    assertEquals(failures(removed, "sandbox-not-found").length, 2);
    await one.removeSandbox("d");
    const dropped = await thrice((driver) => driver.removeNetwork("n"));
    assertEquals(failures(dropped, "network-not-found").length, 2);
    await assertConsistent(host);
  }));

Deno.test("a connect during a removal either succeeds or leaves nothing", () =>
  withHost(async (host) => {
    const [one, two] = [await host.driver(), await host.driver()];
    for (const remover of [one, two]) {
      await one.createNetwork({ name: "n", parent: "eth0.5", subnets: ["10.0.0.0/24"] });
      await one.createSandbox({ name: "c" });
      // A sandbox that is removed is not put back on record by a connect that was under way.
      const met = await Promise.allSettled([one.connect("n", "c"), remover.removeSandbox("c")]);
      failures(met, "sandbox-not-found");
      assertEquals(met[1].status, "fulfilled");
      assertEquals(one.listSandboxes(), []);
      await assertConsistent(host);
      // Nor is anything connected to a network that is removed.
      const too = await Promise.allSettled([
        remover.removeNetwork("n"),
        one.createSandbox({ name: "c", connections: [{ network: "n" }] }),
      ]);
      const [failure, ...rest] = failures(too, "network-not-found", "network-in-use");
      assertInstanceOf(failure, IpvlanError);
      assertEquals(rest, []);
      await assertConsistent(host);
      for (const { name } of one.listSandboxes()) await one.removeSandbox(name);
      for (const { name } of one.listNetworks()) await one.removeNetwork(name);
    }
  }));

Deno.test("a released address is free for every driver", () =>
  withHost(async (host) => {
    const [one, two] = [await host.driver(), await host.driver()];
    await one.createNetwork({ name: "n", parent: "eth0", subnets: ["10.0.0.0/24"] });
    const ip = "10.0.0.7";
    await one.createSandbox({ name: "a", connections: [{ network: "n", ip }] });
    await one.removeSandbox("a");
    await one.createSandbox({ name: "b", connections: [{ network: "n", ip }] });
    await two.disconnect("n", "b");
    await one.connect("n", "b", { ip });
    await one.disconnect("n", "b");
    // A call that fails after it has taken the address gives it back as well.
    const dummy = ["link", "add", "name", "taken", "up", "type", "dummy"];
    await run("ip", "-n", "b", ...dummy);
    const error = await assertRejectsError(
      () => one.connect("n", "b", { ip, ifname: "taken" }),
      "link-exists",
    );
    assertEquals([error.sandbox, error.link], ["b", "taken"]);
    // The link that has the name is not touched.
    const { stdout } = await run("ip", "-n", "b", "-4", "addr", "show", "dev", "taken");
    assertEquals(stdout, "");
    await run("ip", "-n", "b", "link", "del", "taken");
    await one.connect("n", "b", { ip });
    await assertConsistent(host);
  }));
