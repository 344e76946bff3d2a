/**
 * What tests have another process do: `driver_child.ts ACTION HOST STATE_DIR [WORD…]`.
 *
 * - `refused`: try to create a network, and print what is thrown;
 * - `killed N`: create networks and sandboxes, remove some, and die before the N-th line;
 * - `updated N OPTIONS`: update the network `n` with the options in JSON, and die before the N-th line;
 * - `connect NETWORK SANDBOX…`: connect them all at once, and print the addresses as JSON.
 */
import { EngineDriver } from "../../lib/driver/mod.ts";
import type { WrapRunner } from "../../lib/driver/run/namespaces.ts";
import { onChange } from "../kit/faults.ts";

/** A driver's life: every kind of call that changes something. */
export async function live(driver: EngineDriver): Promise<void> {
  await driver.createNetwork({
    name: "dual",
    parent: "eth0.20.30",
    subnets: ["10.20.0.0/24", "fd20::/64"],
  });
  await driver.createNetwork({ name: "plain", parent: "eth0", subnets: ["10.40.0.0/24"] });
  await driver.createSandbox({ name: "c1", connections: [{ network: "dual", aliases: ["db"] }] });
  await driver.createSandbox({ name: "c2", connections: [{ network: "dual" }] });
  await driver.connect("plain", "c2");
  await driver.disconnect("dual", "c2");
  await driver.removeSandbox("c1");
  await driver.removeNetwork("dual");
}

/** Has one line run after the other, and this process die before the n-th. */
export function dyingAt(n: number): WrapRunner {
  let done: Promise<unknown> = Promise.resolve();
  let left = n;
  return onChange((_, pass) => {
    const change = done.then(() => {
      if (--left === 0) Deno.kill(Deno.pid, "SIGKILL");
      return pass();
    });
    done = change.catch(() => {});
    return change;
  });
}

if (import.meta.main) {
  const [action, host, stateDir, ...words] = Deno.args;
  const wrap = action === "killed" || action === "updated" ? dyingAt(Number(words[0])) : undefined;
  await using driver = await EngineDriver.open({ host, stateDir }, wrap);
  switch (action) {
    case "refused":
      await driver.createNetwork({ name: "n" }).catch((error) =>
        console.log(`${error.code}: ${error.message}`)
      );
      break;
    case "killed":
      await live(driver);
      break;
    case "updated": {
      const options: Record<string, unknown> = JSON.parse(words[1]!);
      await driver.updateNetwork("n", { txqlen: undefined, ...options });
      break;
    }
    case "connect": {
      const [network, ...sandboxes] = words;
      const outcomes = await Promise.all(
        sandboxes.map((sandbox) => driver.connect(network!, sandbox)),
      );
      console.log(JSON.stringify(outcomes.map(({ value }) => value.ip)));
    }
  }
}
