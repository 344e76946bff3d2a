/**
 * `deno task bench options`: what each option adds to the making of a sandbox.
 *
 * @module
 */
import { Driver, type NetworkOptions } from "../../lib/driver/mod.ts";
import type { Figure } from "./figures.ts";
import type { Job } from "./inside.ts";
import { makeSandboxes, names } from "./sandboxes.ts";
import { count, inTurns, timed } from "./turns.ts";
import { freshWorld, GATEWAY, PARENT, SUBNET } from "./world.ts";

/** The options of a network that add lines to each endpoint, with the mode that they need. */
const OPTIONS: Readonly<Record<string, Partial<NetworkOptions>>> = {
  "mtu=1400": { mtu: 1400 },
  "txqlen=500": { txqlen: 500 },
  "ipv6=static": { ipv6Mode: "static" },
  // Both families wait for those that may have the address: RFC 5227 and 4862.
  "dad=on": { dad: "on" },
  "routes": { routes: [{ dst: "10.9.0.0/16", via: GATEWAY }] },
  "policy_routes=true": { policyRoutes: true },
  "host_access=true": { hostAccess: true },
  "host_access=true in l3": { hostAccess: true, mode: "l3" },
  "proxy=true in l3s": { proxy: true, mode: "l3s" },
  "advertise=address in l3": { advertise: "address", mode: "l3" },
};

/** Measures sandboxes of networks of both families with each option, against those without it. */
export async function* optionFigures({ many, turns }: Job): AsyncGenerator<Figure> {
  const size = many / 10;
  for (const [name, options] of Object.entries(OPTIONS)) {
    const work = `make ${count(size, "sandbox", "sandboxes")} with ${name}`;
    const { plain, other } = await inTurns(work, turns, {
      plain: () => making(size, { mode: options.mode }),
      other: () => making(size, options),
    });
    yield { work, peer: "without", ours: other, theirs: plain };
  }
}

async function making(size: number, options: Partial<NetworkOptions>): Promise<number> {
  await using world = await freshWorld();
  await using driver = await Driver.open({ stateDir: `${world.folder}/state` });
  const subnets = [SUBNET, "fd00:1::/64"];
  await driver.createNetwork({ name: "bench", parent: PARENT, subnets, ...options });
  return await timed(() => makeSandboxes(driver, names(size)));
}
