// Prints the picture of the README: `deno task lab -- deno run -A tests/lab/picture.ts > docs/trunk.svg`.
import { assertEquals } from "@std/assert";
import { ipvlan, succeeds } from "../kit/command.ts";
import { commandHost } from "../kit/worlds.ts";

const SITE = new URL("../../scenarios/sites/trunk.yaml", import.meta.url).pathname;

/** Makes the networks of the guide's 802.1q trunk, and draws them. */
export async function drawTrunk(): Promise<string> {
  await using host = await commandHost();
  await host.ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  // It reports its progress on standard error.
  const { status, err } = await ipvlan("apply", SITE);
  assertEquals(status, 0, err);
  return await succeeds("graph", "--format", "svg");
}

if (import.meta.main) console.log(await drawTrunk());
