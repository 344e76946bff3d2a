import { formatAmount, type Unit } from "./figures.ts";

/** Times in milliseconds, or other amounts: of one work, or of several by their names. */
export type Times = number | Readonly<Record<string, number>>;

/** Says on standard error how the bench goes on. */
export const say = (line: string): void => console.error(`bench: ${line}`);

/**
 * Does a work in several ways, which take turns: what slows the machine down for a while slows all of
 * them. Each turn begins with another way.
 *
 * @param ways From the name of a way to a function that resolves to its times.
 * @param unit The unit of what is no time.
 * @returns From the name of a way to its times in each turn.
 */
export async function inTurns<Name extends string, T extends Times>(
  work: string,
  turns: number,
  ways: Readonly<Record<Name, () => Promise<T>>>,
  unit?: Unit,
): Promise<Record<Name, T[]>> {
  const order = Object.keys(ways) as Name[];
  const times = Object.fromEntries(order.map((name) => [name, []])) as unknown as Record<Name, T[]>;
  for (let turn = 0; turn < turns; turn++) {
    for (const name of order) {
      const took = await ways[name]();
      times[name].push(took);
      say(`${work}, ${name}: ${shown(took, unit)}`);
    }
    order.push(order.shift()!);
  }
  return times;
}

/** Resolves to the time that a function takes, in milliseconds. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Formats a count of things: `1,000 sandboxes`. */
export function count(number: number, thing: string, things = `${thing}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? thing : things}`;
}

function shown(times: Times, unit?: Unit): string {
  if (typeof times === "number") return formatAmount(times, unit);
  return Object.entries(times).map(([name, time]) => `${name} ${formatAmount(time, unit)}`)
    .join(", ");
}
