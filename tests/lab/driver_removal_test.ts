import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Driver } from "../../lib/driver/mod.ts";
import { Store } from "../../lib/driver/store/store.ts";
import { assertConsistent } from "../kit/look.ts";
import { hangingProgram } from "../kit/hanging_program.ts";
import { allEnded, ended, inEnv, run } from "../kit/processes.ts";
import { withHost } from "../kit/worlds.ts";
import { assertRejectsError, assertThrowsError } from "../kit/errors.ts";
import { ipCommandError } from "../../lib/iproute2/errors.ts";
import { onChange } from "../kit/faults.ts";

const NETWORK = { name: "n", parent: "eth0.20", subnets: ["10.20.0.0/24", "fd20::/64"] };

Deno.test("addresses of sandboxes that were just removed, all at once, are there for others", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const at = await host.dump();
    const ids = Array.from({ length: 20 }, (_, i) => i + 2);
    for (const round of ["a", "b", "c"]) {
      // Each time another sandbox gets the address, as long as the kernel is at the last ones.
      await Promise.all(
        ids.map((id) =>
          driver.createSandbox({
            name: `${round}${23 - id}`,
            connections: [{
              network: "n",
              ip: `10.20.0.${id}`,
              ip6: `fd20::${id}`,
            }],
          })
        ),
      );
      await assertConsistent(host);
      await Promise.all(ids.map((id) => driver.removeSandbox(`${round}${23 - id}`)));
    }
    assertEquals(await host.dump(), at);
  }));

Deno.test("an address in a namespace that is on its way is waited for", () =>
  withHost(async (host) => {
    const once = Promise.withResolvers<void>();
    const driver = await host.driver({
      wrap: onChange((line, pass) =>
        pass().catch((error) => {
          if (line.startsWith("addr add 10.20.0.9")) once.resolve();
          throw error;
        })
      ),
    });
    await driver.createNetwork(NETWORK);
    const connections = [{ network: "n", ip: "10.20.0.9" }];
    await driver.createSandbox({ name: "old", connections });
    // As long as it is open, so is the namespace.
    const held = await Deno.open("/run/netns/old");
    await driver.removeSandbox("old");
    const created = driver.createSandbox({ name: "new", connections });
    try {
      await Promise.race([once.promise, created]);
    } finally {
      held.close();
    }
    assertEquals((await created).value.endpoints[0]?.ip, "10.20.0.9/24");
    await assertConsistent(host);
  }));

Deno.test("removing a sandbox that runs a process fails, kills it, or takes its link away, as asked", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const connections = [{ network: "n", ip: "10.20.0.9" }];
    await driver.createSandbox({ name: "c", connections });
    const sleeper = driver.exec("c", ["sh", "-c", "echo begun; exec sleep 1000"], {
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const reader = sleeper.stdout.getReader();
    try {
      await reader.read();
      assertEquals(await driver.processes("c"), [sleeper.pid]);
      const inside = () =>
        run("nsenter", "-t", String(sleeper.pid), "-n", "ip", "-o", "link", "show", "eth0");
      assertEquals((await inside()).code, 0);

      await assertRejectsError(() => driver.removeSandbox("c", "refuse"), "sandbox-in-use", "c");
      await driver.removeSandbox("c");
      const { code, stderr } = await inside();
      assertEquals([code, stderr], [1, 'Device "eth0" does not exist.\n']);
      // Its namespace lives on with it, and its address does not.
      await driver.createSandbox({ name: "c", connections });
      await assertConsistent(host);
    } finally {
      sleeper.kill("SIGKILL");
      await reader.cancel();
      await sleeper.status;
    }
    const killed = driver.exec("c", ["sleep", "1000"], { stdin: "null" }).spawn();
    while (!(await driver.processes("c")).includes(killed.pid));
    await driver.removeSandbox("c", "kill");
    assertEquals((await killed.status).signal, "SIGKILL");
  }));

/** Four processes at a time: each prints, starts the next one, leaves its session to it and ends. */
const RESTLESS =
  'use POSIX; $| = 1; fork; fork; while (1) { print "x" x 4096; exit if fork; setsid() }';

Deno.test("removing a sandbox by force kills also processes that start others all the time", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createSandbox({ name: "c" });
    const child = driver.exec("c", ["perl", "-e", RESTLESS], { stdin: "null", stdout: "piped" })
      .spawn();
    const reader = child.stdout.getReader();
    let removed: Promise<void> | undefined;
    let isRemoved = false;
    let rest = 0;
    try {
      // All of them have the pipe open, so it ends with the last one.
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        removed ??= driver.removeSandbox("c", "kill").then(() => void (isRemoved = true));
        if (isRemoved) rest += piece.value.length;
        assert(rest < 2 ** 20, "processes are left");
      }
      await removed;
    } finally {
      // Those that are left end when they print.
      await reader.cancel();
      await child.status;
    }
  }));

Deno.test("a call that names a sandbox's id leaves a later one of the same name alone", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const { value: first } = await driver.createSandbox({ name: "c" });
    assertEquals(driver.inspectSandbox(first.id), first);
    await driver.start(first.id, ["sleep", "1000"], { keepOutput: true });
    assertEquals((await driver.signal(first.id, "SIGCONT")).length, 1);
    await driver.removeSandbox(first.id, "kill");
    const { value: second } = await driver.createSandbox({ name: "c" });
    await driver.start("c", ["sleep", "1000"], { keepOutput: true });
    for (
      const call of [
        () => driver.removeSandbox(first.id, "kill"),
        () => driver.signal(first.id, "SIGKILL"),
        () => driver.processes(first.id),
        () => driver.start(first.id, ["true"]),
        () => driver.exitStatus(first.id),
      ]
    ) await assertRejectsError(call, "sandbox-not-found", first.id);
    assertEquals([driver.inspectSandbox("c").id, (await driver.processes("c")).length], [
      second.id,
      1,
    ]);
    await driver.removeSandbox("c", "kill");
  }));

Deno.test("a command in the background is in the sandbox as soon as it is started, if it still runs", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createSandbox({ name: "c" });
    await driver.start("c", ["true"]);
    // It is in the sandbox, or has ended already: both are right.
    for (const pid of await driver.processes("c")) await ended(pid);
    await driver.start("c", ["sleep", "1000"]);
    const pids = await driver.processes("c");
    assertEquals(pids.length, 1);
    // `ip` is in the sandbox first, and then becomes the command.
    while (await Deno.readTextFile(`/proc/${pids[0]}/cmdline`) !== "sleep\0" + "1000\0");
    await driver.removeSandbox("c", "kill");
  }));

Deno.test("a signal kills a command that does not get into its sandbox", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createSandbox({ name: "c" });
    for (const keepOutput of [false, true]) {
      await using hanging = await hangingProgram("ip", '*"netns exec c "*');
      using _path = inEnv("PATH", hanging.path);
      const controller = new AbortController();
      const hurried = driver.withSignal(controller.signal);
      const started = hurried.start("c", ["sleep", "1000"], { keepOutput });
      started.catch(() => {});
      await hanging.hangs();
      controller.abort(new Error("Enough"));
      await assertRejects(() => started, Error, "Enough");
      await allEnded(hanging.path.split(":")[0]!);
    }
    assertEquals(await driver.processes("c"), []);
    await driver.removeSandbox("c");
  }));

Deno.test("a signal ends exec, and only the driver that was opened closes its store", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createSandbox({ name: "c" });
    const controller = new AbortController();
    const hurried = driver.withSignal(controller.signal);
    const sleeping = hurried.exec("c", ["sleep", "1000"]).spawn();
    controller.abort();
    assertEquals((await sleeping.status).signal, "SIGTERM");
    await hurried[Symbol.asyncDispose]();
    await driver.removeSandbox("c", "refuse");
    await driver[Symbol.asyncDispose]();
    await driver[Symbol.asyncDispose]();
    assertThrows(() => driver.listNetworks(), Error);
  }));

const REMOVALS: [name: string, remove: (driver: Driver) => Promise<unknown>][] = [
  ["removeNetwork", (driver) => driver.removeNetwork("n")],
  ["pruneNetworks", (driver) => driver.pruneNetworks()],
];
for (const [name, remove] of REMOVALS) {
  Deno.test(`${name}() records that it removes a network before it deletes a link`, () =>
    withHost(async (host) => {
      const states: (string | undefined)[] = [];
      let fails = true;
      const driver = await host.driver({
        wrap: onChange((line, pass) => {
          if (line !== "link del dev eth0.20") return pass();
          using store = Store.open(host.stateDir);
          states.push(store.network("n")?.state);
          return fails ? Promise.reject(new Error("on purpose")) : pass();
        }),
      });
      await driver.createNetwork(NETWORK);
      const at = [await host.ns.ip.link.show(), driver.listNetworks()];
      await assertRejects(() => remove(driver), Error, "on purpose");
      assertEquals([await host.ns.ip.link.show(), driver.listNetworks()], at);
      fails = false;
      await remove(driver);
      assertEquals([states, driver.listNetworks()], [["removing", "removing"], []]);
    }));
}

/** Three networks, of which the one in the middle cannot be removed. */
async function withStubborn(
  test: (driver: Driver, failure: PromiseWithResolvers<void>) => Promise<void>,
): Promise<void> {
  await withHost(async (host) => {
    const failure = Promise.withResolvers<void>();
    const driver = await host.driver({
      wrap: onChange((line, pass) => {
        if (line !== "link del dev eth0.20") return pass();
        failure.resolve();
        return Promise.reject(ipCommandError(line, "Error: on purpose"));
      }),
    });
    for (const [name, vlan] of [["a", 10], ["b", 20], ["c", 30]] as const) {
      await driver.createNetwork({ name, parent: `eth0.${vlan}` });
    }
    await test(driver, failure);
  });
}

/** What is left after a removal, and what the removal says. */
async function pruned(driver: Driver) {
  const { removed, failed } = await driver.pruneNetworks();
  const failures = failed.map(({ name, error }) => `${name}: ${error.message}`);
  return { removed, failures, left: driver.listNetworks().map(({ name }) => name) };
}

const FAILURES = ["b: Error: on purpose (link del dev eth0.20)"];

Deno.test("pruneNetworks() goes on after a failure, and reports both", () =>
  withStubborn(async (driver) => {
    assertEquals(await pruned(driver), {
      removed: ["a", "c"],
      failures: FAILURES,
      left: ["b"],
    });
  }));

Deno.test("pruneNetworks() does not go on after a failure if its signal was aborted", () =>
  withStubborn(async (driver, failure) => {
    const controller = new AbortController();
    failure.promise.then(() => controller.abort());
    assertEquals(await pruned(driver.withSignal(controller.signal)), {
      removed: ["a"],
      failures: FAILURES,
      left: ["b", "c"],
    });
  }));

Deno.test("no command is run in a sandbox whose namespace is gone", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createSandbox({ name: "c" });
    // Its name is left, without the namespace.
    assertEquals((await run("umount", "/run/netns/c")).code, 0);
    const exec = () => driver.exec("c", ["true"]);
    assertThrowsError(exec, "sandbox-gone");
    assertEquals((await run("ip", "netns", "del", "c")).code, 0);
    assertThrowsError(exec, "sandbox-gone", "run ipvlan restore");
    await driver.removeSandbox("c");
  }));
