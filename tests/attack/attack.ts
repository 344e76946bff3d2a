import { Random } from "./random.ts";

/** What attacks came to. */
export interface Tally {
  /** How many rounds there were. */
  rounds: number;
  /** How many calls of the driver, and inputs of the fuzz. */
  calls: number;
  /** How many processes were killed. */
  kills: number;
  /** What must not have happened. */
  defects: string[];
}

/** A tally with nothing in it. */
export function emptyTally(): Tally {
  return { rounds: 0, calls: 0, kills: 0, defects: [] };
}

/** One way to attack. */
export interface Attack {
  /** Its name, as `--only` takes it. */
  name: string;
  /**
   * Attacks once, and checks what came of it. Whatever it throws is a defect. It counts calls and
   * kills itself, and leaves nothing behind.
   */
  round(random: Random, tally: Tally): Promise<void>;
}

/** Runs one round. Its seed is enough to repeat it. */
export async function runRound(attack: Attack, seed: number, tally: Tally): Promise<void> {
  tally.rounds++;
  try {
    await attack.round(new Random(seed), tally);
  } catch (error) {
    // With what caused it.
    tally.defects.push(`${attack.name}, seed ${seed}: ${Deno.inspect(error)}`);
  }
}
