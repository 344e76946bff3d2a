/** Runs a command in a kernel that has ipvlan. @module */
import { uml } from "./uml.ts";

const split = Deno.args.indexOf("--");
const command = split < 0
  ? ["deno", "run", "-A", "scenarios/main.ts", ...Deno.args]
  : Deno.args.slice(split + 1);
Deno.exit(await uml.run({ command, cwd: Deno.cwd() }));
