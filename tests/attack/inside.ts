/**
 * Attacks in the lab until the time is over, and prints the counts: `inside.ts MINUTES SEED [NAME…]`.
 *
 * @module
 */
import { Interrupt } from "../../lib/signals.ts";
import { type Attack, emptyTally, runRound, type Tally } from "./attack.ts";
import { ATTACKS } from "./attacks.ts";

const [minutes, seed, ...names] = Deno.args;
const attacks = ATTACKS.filter(({ name }) => names.length === 0 || names.includes(name));
using interrupt = new Interrupt();
const end = performance.now() + Number(minutes) * 60_000;
const isOver = () => interrupt.signal.aborted || performance.now() >= end;
const tallies = new Map(attacks.map((attack) => [attack, emptyTally()]));
// In turn, so that each has had its rounds whenever the time is over. All have at least one.
for (let round = 0; round === 0 || !isOver(); round++) {
  for (const attack of attacks) {
    if (interrupt.signal.aborted || (round > 0 && isOver())) break;
    await attackOnce(attack, round);
  }
}
print();
const defects = [...tallies.values()].flatMap(({ defects }) => defects);
Deno.exit(interrupt.status ?? (defects.length > 0 ? 1 : 0));

async function attackOnce(attack: Attack, round: number): Promise<void> {
  const tally = tallies.get(attack)!;
  const known = tally.defects.length;
  await runRound(attack, Number(seed) + round, tally);
  for (const defect of tally.defects.slice(known)) console.log(`DEFECT ${defect}\n`);
}

/** Prints a row for each attack, and the sums. */
function print(): void {
  const sum = (count: (tally: Tally) => number) =>
    [...tallies.values()].reduce((all, tally) => all + count(tally), 0);
  const all = {
    rounds: sum(({ rounds }) => rounds),
    calls: sum(({ calls }) => calls),
    kills: sum(({ kills }) => kills),
    defects: [...tallies.values()].flatMap(({ defects }) => defects),
  };
  const rows = [...tallies].map(([{ name }, tally]): [string, Tally] => [name, tally]);
  for (const [name, { rounds, calls, kills, defects }] of [...rows, ["all", all] as const]) {
    const count = (number: number) => String(number).padStart(7);
    console.log(
      `${name.padEnd(18)}${count(rounds)} rounds${count(calls)} calls${count(kills)} kills` +
        `${count(defects.length)} defects`,
    );
  }
}
