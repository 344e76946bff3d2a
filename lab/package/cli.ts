/**
 * The program of a package, in place of `cli.ts`: its Deno is the package's own.
 *
 * @module
 */
import { refuseDebugger } from "../../lib/cli/debugger.ts";

refuseDebugger();
// The launcher's variables are for Deno. Programs that ipvlan starts get the user's.
const users = Deno.env.get("IPVLAN_USERS_DENO_DIR");
for (const name of ["IPVLAN_USERS_DENO_DIR", "DENO_NO_UPDATE_CHECK", "DENO_DIR"]) {
  Deno.env.delete(name);
}
if (users !== undefined) Deno.env.set("DENO_DIR", users);
const { main } = await import("../../lib/cli/main.ts");
Deno.exit(await main(Deno.args));
