/**
 * Runs the scenarios of several hosts, or the named ones: `deno task lab hosts`.
 *
 * @module
 */
import { main, SUITES } from "../kit/mod.ts";
import ipv6 from "./ipv6.ts";
import killed from "./killed.ts";
import members from "./members.ts";
import moves from "./moves.ts";
import names from "./names.ts";
import routes from "./routes.ts";
import sharedPool from "./shared_pool.ts";
import swarm from "./swarm.ts";
import twoKernels from "./two_kernels.ts";

// In the order of their statements.
const scenarios = [
  ...names,
  ...members,
  ...killed,
  ...routes,
  ...moves,
  ...ipv6,
  ...swarm,
  ...sharedPool,
  ...twoKernels,
];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.hosts));
