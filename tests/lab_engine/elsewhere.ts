// The lab on another machine than this one: `elsewhere.ts MACHINE WORD…`. MACHINE is a JSON of what
// differs, `{ flags, libc, kernels }`; the words are those of the lab's own command line.
import { readMachine } from "../../lab/machine.ts";
import { main } from "../../lab/main.ts";

const [differing = "{}", ...words] = Deno.args;
const { flags, libc, kernels } = JSON.parse(differing);
const own = await readMachine();
const machine = { flags: flags ? new Set<string>(flags) : own.flags, libc: libc ?? own.libc };
Deno.exit(await main(words, { machine, kernels }));
