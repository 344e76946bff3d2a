/**
 * Runs the scenarios of several hosts, or the named ones: `deno task lab hosts`.
 *
 * @module
 */
import { main, SUITES } from "../kit/mod.ts";
import ipv6 from "./ipv6.ts";
import moves from "./moves.ts";
import routes from "./routes.ts";

// In the order of their statements.
const scenarios = [...routes, ...moves, ...ipv6];

if (import.meta.main) Deno.exit(await main(scenarios, Deno.args, SUITES.hosts));
