/**
 * The program of a package, in place of `cli.ts`: its Deno is the package's own.
 *
 * @module
 */
import { refuseDebugger } from "../../lib/cli/debugger.ts";

refuseDebugger();
// The launcher gives Deno the package's cache. Programs that ipvlan starts get the user's.
const users = Deno.env.get("IPVLAN_USERS_DENO_DIR");
Deno.env.delete("IPVLAN_USERS_DENO_DIR");
if (users === undefined) Deno.env.delete("DENO_DIR");
else Deno.env.set("DENO_DIR", users);
const { main } = await import("../../lib/cli/main.ts");
Deno.exit(await main(Deno.args));
