/**
 * Runs the scenarios: all, or those named.
 *
 * @module
 */
import { main } from "./kit/mod.ts";
import l2 from "./l2.ts";

if (import.meta.main) Deno.exit(await main([l2], Deno.args));
