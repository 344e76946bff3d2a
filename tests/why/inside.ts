/**
 * Draws worlds, and compares what the kernel and the model say of them. `tests/why/main.ts` runs it in
 * the lab.
 *
 * @module
 */
import fc from "fast-check";
import { causes, counts, differences } from "./compare.ts";
import { build, worlds } from "./worlds.ts";

const [numRuns, seed] = Deno.args.map(Number);
let found: string[] = [];
const result = await fc.check(
  fc.asyncProperty(worlds, async (spec) => {
    const wrong = await differences(spec);
    if (wrong.length > 0) found = wrong;
    if (counts.worlds % 50 === 0) console.log(JSON.stringify(counts));
    return wrong.length === 0;
  }),
  { numRuns, seed },
);
console.log(JSON.stringify({ ...counts, causes }));
if (result.failed) {
  console.log(build(result.counterexample![0]).lines.map((line) => line.join(": ")).join("\n"));
  console.log(found.length > 0 ? found.join("\n") : result.errorInstance);
  console.log(`world ${result.numRuns}, made smaller ${result.numShrinks} times`);
  Deno.exit(1);
}
