import type { Tally } from "./attack.ts";

/** What was counted, by the name of the attack. */
type Counts = [name: string, counts: Record<keyof Tally, number>][];

/** What begins a line of counts. */
const MARK = "COUNTS ";

/** Writes a line of counts. */
export function countsLine(tallies: readonly (readonly [name: string, tally: Tally])[]): string {
  const counts: Counts = tallies.map(([name, tally]) => [
    name,
    { ...tally, defects: tally.defects.length },
  ]);
  return MARK + JSON.stringify(counts);
}

/** Reads a line of counts; `undefined` for any other line. */
export function readCounts(line: string): Counts | undefined {
  return line.startsWith(MARK) ? JSON.parse(line.slice(MARK.length)) : undefined;
}

/** Renders a row for each attack, and the sums. */
export function countRows(counts: Counts): string[] {
  const sum = (what: keyof Tally) => counts.reduce((all, [, tally]) => all + tally[what], 0);
  const all = {
    rounds: sum("rounds"),
    calls: sum("calls"),
    kills: sum("kills"),
    defects: sum("defects"),
  };
  return [...counts, ["all", all] as const].map(([name, { rounds, calls, kills, defects }]) => {
    const count = (number: number) => String(number).padStart(7);
    return `${name.padEnd(18)}${count(rounds)} rounds${count(calls)} calls${count(kills)} kills` +
      `${count(defects)} defects`;
  });
}
