import { printableLine } from "../base/printable.ts";

/** The severity of a diagnosis: `broken` means that ipvlan does not work. */
export type Level = "ok" | "warning" | "broken";

/** The result of one check. */
export interface Diagnosis {
  /** The severity. */
  level: Level;
  /** The subject: `kernel`, `module ipvlan`, `parent eth0`, … */
  subject: string;
  /** The finding. */
  what: string;
  /** The remedy: a command, if there is one. */
  fix?: string;
}

/** Makes the functions that make diagnoses of one subject. */
export function about(subject: string): Record<Level, (what: string, fix?: string) => Diagnosis> {
  const make = (level: Level) => (what: string, fix?: string): Diagnosis => ({
    ...{ level, subject, what },
    ...(fix !== undefined && { fix }),
  });
  return { ok: make("ok"), warning: make("warning"), broken: make("broken") };
}

/** The colours of the levels (ECMA-48): green, yellow, red. */
const COLOURS: Record<Level, number> = { ok: 32, warning: 33, broken: 31 };

/**
 * Formats diagnoses as aligned lines, each with its remedy below, and a count at the end.
 *
 * @param coloured Whether it is for a terminal that shows colours.
 */
export function toText(diagnoses: readonly Diagnosis[], coloured: boolean): string {
  const colour = (level: Level, text: string) =>
    coloured ? `\x1b[${COLOURS[level]}m${text}\x1b[0m` : text;
  const width = Math.max(...diagnoses.map(({ subject }) => printableLine(subject).length), 0);
  const indent = " ".repeat("warning".length + 2 + width + 2);
  // Escape values from outside, as the output goes to a terminal.
  const lines = diagnoses.flatMap(({ level, subject, what, fix }) => [
    colour(level, level.padEnd("warning".length)) +
    `  ${printableLine(subject).padEnd(width)}  ${printableLine(what)}`,
    ...(fix === undefined ? [] : [`${indent}→ ${printableLine(fix)}`]),
  ]);
  const count = (level: Level) => diagnoses.filter((each) => each.level === level).length;
  const [broken, warnings] = [count("broken"), count("warning")];
  const worst = broken > 0 ? "broken" : warnings > 0 ? "warning" : "ok";
  const total = `${broken} broken, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
  return [...lines, "", colour(worst, worst === "ok" ? "ipvlan works here" : total)].join("\n");
}
