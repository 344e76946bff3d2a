// The lab on another machine than this one: `elsewhere.ts MACHINE WORD…`. MACHINE is a JSON of what
// differs, `{ flags, libc, kernels }`; the words are those of the lab's own command line.
import { readProcessor } from "../../lab/machine.ts";
import { main } from "../../lab/main.ts";

const [machine = "{}", ...words] = Deno.args;
const { flags, libc, kernels } = JSON.parse(machine);
const own = await readProcessor();
const processor = { flags: flags ? new Set<string>(flags) : own.flags, libc: libc ?? own.libc };
Deno.exit(await main(words, { processor, kernels }));
