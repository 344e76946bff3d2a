/**
 * Runs the scenarios: all, or those named.
 *
 * @module
 */
import { main } from "./kit/mod.ts";
import defaults from "./defaults.ts";
import l2 from "./l2.ts";
import twoHosts from "./two_hosts.ts";

if (import.meta.main) {
  Deno.exit(
    await main([
      l2,
      defaults,
      twoHosts,
    ], Deno.args),
  );
}
