// Prints the picture of the README: `deno task lab -- deno run -A tests/lab/picture.ts > docs/trunk.svg`.
import { assertEquals } from "@std/assert";
import { ipvlan, testHost } from "./command.ts";

const SITE = new URL("../../scenarios/sites/trunk.yaml", import.meta.url).pathname;

/** Makes the networks of the guide's 802.1q trunk, and draws them. */
export async function drawTrunk(): Promise<string> {
  await using host = await testHost();
  await using undo = new AsyncDisposableStack();
  await host.ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await run("apply", SITE);
  undo.defer(async () => {
    await run("destroy", SITE);
  });
  return await run("graph", "--format", "svg");
}

/** Runs `ipvlan`, and returns its standard output. */
async function run(...words: string[]): Promise<string> {
  const { status, out, err } = await ipvlan(...words);
  assertEquals(status, 0, err);
  return out;
}

if (import.meta.main) console.log(await drawTrunk());
