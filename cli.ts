/**
 * The command `ipvlan`: ipvlan and VLAN networks for people who know `docker network`.
 *
 * @module
 */
import { main } from "./lib/cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
