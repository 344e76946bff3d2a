/**
 * The command `ipvlan`: ipvlan and VLAN networks for people who know `docker network`.
 *
 * @module
 */
import { refuseDebugger } from "./lib/cli/debugger.ts";

if (import.meta.main) {
  refuseDebugger();
  // Import the rest only after the check, as this takes a while.
  const { main } = await import("./lib/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
