/**
 * The figures of a bench: values, what follows from them, and their table.
 *
 * @module
 */

/** A figure: the time of some work as we do it, or what it takes, against the same work of a peer. */
export interface Figure {
  /** The work: `make 100 sandboxes`. */
  work: string;
  /** The peer: `script`. */
  peer: string;
  /** Our time in each turn, in milliseconds, or our amount in {@linkcode Figure.unit}. */
  ours: number[];
  /** The peer's time or amount in the same turns. */
  theirs: number[];
  /** The unit of what is no time; absent for milliseconds. */
  unit?: Unit;
  /** How many times as long as the peer's the work may take; absent if nothing is aimed at. */
  aim?: number;
}

/** A unit of amounts that are no times. */
export type Unit = "kB";

/** The figures that were measured together, in one kernel. */
export interface Part {
  /** Its name, as the command line has it: `lab`. */
  name: string;
  /** Its figures. */
  figures: Figure[];
  /** The kernel, with the lab's engine; absent if it was this machine's own. */
  kernel?: string;
  /** The machine's load average (proc(5)) over a minute, before and after. */
  load: [number, number];
}

/** The report of a bench. */
export interface Report {
  /** The number of CPUs of the machine. A guest of User-Mode Linux has one of them. */
  cpus: number;
  /** What was measured. */
  parts: Part[];
}

/** What follows from a figure. */
export interface Outcome {
  /** The median of our times or amounts. */
  ours: number;
  /** The median of the peer's. */
  theirs: number;
  /** The one divided by the other; absent if a median is not above 0. */
  ratio?: number;
  /** The least and the greatest ratio of a turn; absent if a time is not above 0. */
  spread?: [number, number];
  /** Whether the ratio is what was aimed at; absent without an aim or a ratio. */
  isReached?: boolean;
}

/** The median of numbers. @throws {RangeError} if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  if (low === undefined || high === undefined) throw new RangeError("There is no value");
  return (low + high) / 2;
}

/** Compares our times with the peer's. A difference of times can be below 0, and has no ratio then. */
export function outcomeOf({ ours, theirs, aim }: Figure): Outcome {
  const [own, peer] = [median(ours), median(theirs)];
  const ratios = ours.map((time, turn) => time / theirs[turn]!);
  const ratio = own > 0 && peer > 0 ? own / peer : undefined;
  const hasSpread = [...ours, ...theirs].every((time) => time > 0);
  return {
    ours: own,
    theirs: peer,
    ...ratio !== undefined && { ratio },
    ...hasSpread && { spread: [Math.min(...ratios), Math.max(...ratios)] },
    ...ratio !== undefined && aim !== undefined && { isReached: ratio <= aim },
  };
}

/** Formats a time, or an amount in a unit, with three digits: `12.3 ms`. */
export function formatAmount(amount: number, unit?: Unit): string {
  if (unit !== undefined) return `${digits(amount)} ${unit}`;
  const size = Math.abs(amount);
  if (size > 0 && size < 0.1) return `${digits(amount * 1000)} µs`;
  return size < 1000 ? `${digits(amount)} ms` : `${digits(amount / 1000)} s`;
}

/** Formats a ratio: `0.55`. */
export function formatRatio(ratio: number): string {
  return ratio.toFixed(ratio < 0.1 ? 3 : ratio < 10 ? 2 : 1);
}

/** Formats the ratio of a figure with its spread: `0.55 (0.50–0.61)`. */
export function formatOutcome({ ratio, spread }: Outcome): string {
  if (ratio === undefined) return "unclear";
  return formatRatio(ratio) + (spread ? ` (${spread.map(formatRatio).join("–")})` : "");
}

/** Formats whether an aim is reached; `""` if there is none. */
export function formatReached({ isReached }: Outcome): string {
  return isReached === undefined ? "" : isReached ? "yes" : "no";
}

/** Formats where and how a part was measured. */
export function formatPart({ name, kernel, figures, load }: Part): string {
  const turns = Math.min(...figures.map(({ ours }) => ours.length));
  const where = kernel ?? "this machine's kernel";
  const loads = load.map((one) => one.toFixed(1)).join(" to ");
  return `${name}: ${where}, ${turns} ${turns === 1 ? "turn" : "turns"}, load ${loads}`;
}

/** Formats the report as text: where it was measured, and one table in Markdown. */
export function render({ cpus, parts }: Report): string {
  const head = ["work", "ours", "the peer's", "peer", "ratio (least–greatest)", "aim", "reached"];
  const rows = parts.flatMap(({ figures }) => figures).map((figure) => {
    const outcome = outcomeOf(figure);
    return [
      figure.work,
      formatAmount(outcome.ours, figure.unit),
      formatAmount(outcome.theirs, figure.unit),
      figure.peer,
      formatOutcome(outcome),
      figure.aim === undefined ? "" : `≤ ${figure.aim}`,
      formatReached(outcome),
    ];
  });
  return [
    ...parts.map((part) => `- ${formatPart(part)}`),
    `- ${cpus} CPUs`,
    "",
    ...markdownTable(head, rows),
  ].join("\n");
}

/** Formats the report as JSON, with every sample. */
export function toJson({ cpus, parts }: Report): string {
  const all = parts.map((part) => ({
    ...part,
    figures: part.figures.map((figure) => ({ ...figure, outcome: outcomeOf(figure) })),
  }));
  return `${JSON.stringify({ cpus, parts: all }, null, 2)}\n`;
}

/** A number with three digits, or all that are before its point. */
function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** Formats rows as a table in Markdown, as `deno fmt` does. */
function markdownTable(head: string[], rows: string[][]): string[] {
  const dashes = head.map((title, column) =>
    "-".repeat(Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  );
  return [head, dashes, ...rows].map((row) =>
    `| ${row.map((cell, column) => cell.padEnd(dashes[column]!.length)).join(" | ")} |`
  );
}

/** Formats rows as columns, below a head. */
export function columns(head: string[], rows: string[][]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  );
}
