/**
 * The command `ipvlan`: ipvlan and VLAN networks for people who know `docker network`.
 *
 * @module
 */
import { refuseDebugger } from "./lib/cli/debugger.ts";

/** The oldest Deno that the tests pass with. Before 2.9.5, a signal does not end every wait. */
const OLDEST = [2, 9, 5] as const;

if (import.meta.main) {
  const found = Deno.version.deno.split(".").map((part) => parseInt(part));
  const index = OLDEST.findIndex((part, index) => part !== found[index]);
  if (index >= 0 && !(found[index]! > OLDEST[index]!)) {
    const advice = `this is Deno ${Deno.version.deno}: use "deno upgrade", or "npx -y deno@2"`;
    console.error(`ipvlan: It needs Deno ${OLDEST.join(".")} or newer, and ${advice}`);
    Deno.exit(1);
  }
  refuseDebugger();
  // Import the rest only after the check, as this takes a while.
  const { main } = await import("./lib/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
