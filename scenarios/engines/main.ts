/**
 * Runs the scenarios of engines, or the named ones: `deno task lab engines`.
 *
 * @module
 */
import { main, SUITES } from "../kit/mod.ts";
import cni from "./cni.ts";
import dockerGuide from "./docker_guide.ts";
import dockerRestarts from "./docker_restarts.ts";
import dockerTwoHosts from "./docker_two_hosts.ts";
import fifty from "./fifty.ts";
import netavark from "./netavark.ts";
import shared from "./shared.ts";

// In the order of their statements.
const scenarios = [
  ...dockerGuide,
  ...dockerRestarts,
  ...dockerTwoHosts,
  ...shared,
  ...cni,
  ...netavark,
  ...fifty,
];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.engines));
