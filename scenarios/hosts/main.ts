/**
 * Runs the scenarios of several hosts, or the named ones: `deno task lab hosts`.
 *
 * @module
 */
import { main, SUITES } from "../kit/mod.ts";
import sharedPool from "./shared_pool.ts";
import swarm from "./swarm.ts";

// In the order of their statements.
const scenarios = [...swarm, ...sharedPool];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.hosts));
