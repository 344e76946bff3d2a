// Runs the lab as if on another machine: `elsewhere.ts MACHINE WORD…`. MACHINE is a JSON object with
// the facts that differ, `{ flags, libc, kernels }`. The words are the lab's command line.
import { readMachine } from "../../lab/machine.ts";
import { main } from "../../lab/main.ts";

const [facts = "{}", ...words] = Deno.args;
const { flags, libc, kernels } = JSON.parse(facts);
const own = await readMachine();
const machine = { flags: flags ? new Set<string>(flags) : own.flags, libc: libc ?? own.libc };
Deno.exit(await main(words, { machine, kernels }));
