import { assertEquals } from "@std/assert";
import { FUZZERS } from "../attack/fuzz.ts";
import { Random } from "../attack/random.ts";

/** How many inputs of each kind are tried. `deno task test:attack` tries more, with other seeds. */
const INPUTS: Record<keyof typeof FUZZERS, number> = {
  "command lines": 7000,
  "site files": 6000,
  "values of calls": 6000,
  "damaged records": 1000,
};

for (const [kind, start] of Object.entries(FUZZERS)) {
  Deno.test(`no input gives anything but success or an IpvlanError: ${kind}`, async () => {
    await using fuzzer = start(new Random(Number(Deno.env.get("SEED") ?? 1)));
    const defects = [];
    for (let left = INPUTS[kind]!; left > 0; left--) {
      const defect = await fuzzer.next();
      if (defect) defects.push(defect);
    }
    assertEquals(defects.slice(0, 5), []);
  });
}
