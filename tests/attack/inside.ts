/**
 * Attacks in the lab until the time is over: `inside.ts MINUTES SEED [NAME…]`. After each round it
 * prints a line of counts, for `main.ts`: when a signal ends the lab, nothing here can print any more.
 *
 * @module
 */
import { type Attack, emptyTally, runRound } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";
import { countsLine } from "./counts.ts";

const [minutes, seed, ...names] = Deno.args;
const attacks = ATTACKS.filter(({ name }) => names.length === 0 || names.includes(name));
const end = performance.now() + Number(minutes) * 60_000;
const isOver = () => performance.now() >= end;
const tallies = new Map(attacks.map((attack) => [attack, emptyTally()]));
// In turn, so that each has had its rounds whenever the time is over. All have at least one.
for (let round = 0; round === 0 || !isOver(); round++) {
  for (const attack of attacks) {
    if (round > 0 && isOver()) break;
    await attackOnce(attack, round);
  }
}
Deno.exit([...tallies.values()].some(({ defects }) => defects.length > 0) ? 1 : 0);

async function attackOnce(attack: Attack, round: number): Promise<void> {
  const tally = tallies.get(attack)!;
  const known = tally.defects.length;
  await runRound(attack, Number(seed) + round, tally);
  for (const defect of tally.defects.slice(known)) console.log(`DEFECT ${defect}\n`);
  console.log(countsLine([...tallies].map(([{ name }, tally]) => [name, tally])));
}
