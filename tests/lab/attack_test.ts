import { assertEquals } from "@std/assert";
import { emptyTally, runRound } from "../attack/attack.ts";
import { ATTACKS } from "../attack/attacks.ts";

/** How many rounds of each attack there are. `deno task test:attack` has more, with other seeds. */
const ROUNDS = 2;

for (const attack of ATTACKS.filter(({ name }) => name !== "fuzz")) {
  Deno.test(`an attack finds nothing: ${attack.name}`, async () => {
    const tally = emptyTally();
    for (let round = 0; round < ROUNDS; round++) await runRound(attack, 1000 + round, tally);
    console.log(`${tally.rounds} rounds, ${tally.calls} calls, ${tally.kills} kills`);
    assertEquals(tally.defects, []);
  });
}
