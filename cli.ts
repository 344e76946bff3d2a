/**
 * The command `ipvlan`: ipvlan and VLAN networks for people who know `docker network`.
 *
 * @module
 */
import { refuseDebugger } from "./lib/cli/debugger.ts";

if (import.meta.main) {
  refuseDebugger();
  // Loaded after that, as it takes a while.
  const { main } = await import("./lib/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
