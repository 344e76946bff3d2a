/**
 * The command `ipvlan`: ipvlan and VLAN networks for people who know `docker network`.
 *
 * @module
 */
import { refuseDebugger } from "./lib/cli/debugger.ts";

/** The oldest Deno that the tests pass with. Before 2.8, none imports a file as text. */
const OLDEST = [2, 9] as const;

if (import.meta.main) {
  const [major = 0, minor = 0] = Deno.version.deno.split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const found = `this is Deno ${Deno.version.deno}: use "deno upgrade", or "npx -y deno@2"`;
    console.error(`ipvlan: It needs Deno ${OLDEST.join(".")} or newer, and ${found}`);
    Deno.exit(1);
  }
  refuseDebugger();
  // Import the rest only after the check, as this takes a while.
  const { main } = await import("./lib/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
