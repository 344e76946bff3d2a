/**
 * Runs the scenarios of several hosts, or the named ones: `deno task lab hosts`.
 *
 * @module
 */
import { main, SUITES } from "../kit/mod.ts";
import killed from "./killed.ts";
import members from "./members.ts";
import names from "./names.ts";

// In the order of their statements.
const scenarios = [...names, ...members, ...killed];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.hosts));
