/**
 * Runs the scenarios of several hosts, or the named ones: `deno task lab hosts`.
 *
 * @module
 */
import { main, type Scenario, SUITES } from "../kit/mod.ts";

// In the order of their statements.
const scenarios: Scenario[] = [];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.hosts));
