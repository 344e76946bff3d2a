import { assert, assertEquals } from "@std/assert";
import { assertConsistent } from "../kit/look.ts";
import { run } from "../kit/processes.ts";
import { withHost } from "../kit/worlds.ts";

const CHILD = new URL("driver_child.ts", import.meta.url).pathname;

/** Has another process do all that changes something, and die before the n-th line. */
async function killedAt(n: number, host: string, stateDir: string): Promise<boolean> {
  const { code, stderr } = await run(
    ...[Deno.execPath(), "run", "-A", "--no-check", CHILD, "killed", host, stateDir, String(n)],
  );
  // 128 and the number of SIGKILL, where it was killed at all.
  assert(code === 137 || code === 0, stderr);
  return code === 137;
}

/**
 * The lines that leave something different behind when they are not run any more: each that makes
 * or deletes a link or a namespace, the one after it, and the last of a call. The lines are those of
 * `live` in `driver_child.ts`.
 */
const LINES = [
  ...[2, 3, 4, 6], // Two tags, the try, and the notes.
  8, // The try on a parent that stays.
  ...[9, 10, 11, 12, 14], // c1, which is made with an endpoint.
  ...[30], // c2's second endpoint.
  ...[35, 36, 37, 38], // One endpoint, c1 and the network with its tags, removed.
];

Deno.test("after a kill at any line, restore makes exactly what is on record", async (t) => {
  for (const n of LINES) {
    await t.step(`line ${n}`, () =>
      withHost(async (host) => {
        assert(await killedAt(n, host.ns.name, host.stateDir));
        const driver = await host.driver();
        const { missing } = await driver.restore();
        assertEquals(missing, []);
        await assertConsistent(host);
        // Whatever was half done does not stand in the way of the same names.
        for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name);
        for (const { name } of driver.listNetworks()) await driver.removeNetwork(name);
        await driver.createNetwork({ name: "dual", parent: "eth0.20.30" });
        await driver.createSandbox({
          name: "c1",
          connections: [{ network: "dual", ip: "172.18.0.2" }],
        });
        await assertConsistent(host);
      }));
  }
});

Deno.test("the next call undoes what a crash left half made", () =>
  withHost(async (host) => {
    // In the middle of connecting c1, which is being made.
    assert(await killedAt(14, host.ns.name, host.stateDir));
    const driver = await host.driver();
    assertEquals(driver.listSandboxes(), []);
    const { value } = await driver.createSandbox({
      name: "c1",
      connections: [{ network: "dual" }],
    });
    assertEquals([value.endpoints[0]?.ip, value.endpoints[0]?.ip6], ["10.20.0.2/24", "fd20::2/64"]);
    await assertConsistent(host);
  }));
