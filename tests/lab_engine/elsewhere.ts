// The lab on a machine that it is told of, instead of this one: `elsewhere.ts MACHINE WORD…`, with
// MACHINE a JSON of `{ flags, libc, kernels }` and the words of the lab's own command line.
import { main } from "../../lab/main.ts";

const [machine = "{}", ...words] = Deno.args;
const { flags = [], libc, kernels } = JSON.parse(machine);
Deno.exit(await main(words, { processor: { flags: new Set(flags), libc }, kernels }));
