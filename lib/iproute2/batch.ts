import {
  InvalidWordError,
  IpCommandError,
  NamespaceNotFoundError,
  SessionClosedError,
} from "./errors.ts";
import { netnsName } from "./words.ts";

/** The program that runs a batch, and how. */
export interface BatchProgram {
  /** The iproute2 program. */
  program: "ip" | "bridge";
  /** The network namespace that it acts in, by name; the caller's own where there is none. */
  netns?: string;
  /** Whether it runs the lines after one that failed as well. */
  force: boolean;
}

/** A line to run. */
export interface BatchLine {
  /** The line, without `ip` before it. */
  line: string;
  /** Whether its answer is wanted. */
  isQuery: boolean;
}

/**
 * Lines with all that is needed to tell their answers apart. Each line of the input has a number,
 * from 1, by which `ip` says that it failed.
 */
export interface Batch {
  /** The input of the program, line by line. */
  input: string[];
  /** The lines: the number of each, and how many marks are before it. */
  lines: (BatchLine & { number: number; marksBefore: number })[];
  /** How many marks there are in all. */
  marks: number;
}

/** What a program has printed for a batch. */
export interface Output {
  /** The lines on standard output. */
  out: string[];
  /** The lines on standard error. */
  err: string[];
  /** The number by which the program knows the first line of the batch. */
  firstNumber: number;
  /** How the program ended (`exit status 1`), if it has. */
  ended?: string;
}

/** What became of a line: its rows (none for a change), or why it failed. */
export type Outcome = { rows: Record<string, unknown>[] } | { error: unknown };

/**
 * How many lines one process is given in a burst, and how many changes in all. `ip` keeps a file
 * open for each link that it makes in another namespace, as long as it runs (`iplink_parse` in
 * `ip/iplink.c`), and many systems allow a process 1024 open files.
 */
export const MAX_LINES = 400;

/**
 * A mark: a cheap line that always prints the same, and nothing that a caller asks for. Where its
 * answer is seen, the lines before it are done, and all that they print has been printed. To count
 * lines would not do: `netns list` prints none where `/run/netns` was never made, and a line that
 * fails may print some.
 */
const MARK = {
  ip: {
    line: "netconf show dev lo",
    answer: /^\[(\{"family":"\w+","interface":"lo"[^}]*\},?)+\]$/,
    /** The lines that may print the same, also abbreviated and quoted. */
    lookalike: /^\s*["']?netc.*\blo\b/,
  },
  bridge: {
    line: "mdb show dev lo",
    answer: /^\[\{"mdb":\[\],"router":\{\}\}\]$/,
    lookalike: /^\s*["']?m(d|db)?["']?(\s|$)/,
  },
};

/** The last line of every batch. No program knows it, so it fails, and its number is seen. */
const END = "end-of-burst";

/** What a batch says, after the reason, of a line that failed. */
const COMPLAINT = /^Command failed -:(\d+)$/;

/** The words after the program's name. */
export function batchArgs({ program, netns, force }: BatchProgram): string[] {
  return [
    ...(netns === undefined ? [] : ["-n", netnsName(netns)]),
    // `bridge` counts the frames of each VLAN only with this.
    program === "bridge" ? "-statistics" : "-details",
    "-json",
    ...(force ? ["-force"] : []),
    "-batch",
    "-",
  ];
}

/** A line as one would type it: `ip -n red link show`. */
export function commandOf(
  { program, netns }: Pick<BatchProgram, "program" | "netns">,
  line?: string,
): string {
  return [program, netns === undefined ? [] : ["-n", netns], line ?? []].flat(2).join(" ");
}

/** Why a line cannot be in a batch, where it cannot: it would be taken for more than it is. */
export function lineProblem(
  { program }: BatchProgram,
  line: string,
): InvalidWordError | undefined {
  // A backslash at the end joins a line to the next one.
  if (/[\n\0\\]/.test(line)) {
    return new InvalidWordError("line", line, "it has a newline, a NUL or a backslash");
  }
  const { lookalike, line: mark } = MARK[program];
  if (lookalike.test(line)) {
    return new InvalidWordError("line", line, `what "${mark}" prints marks the end of an answer`);
  }
  return undefined;
}

/**
 * Puts lines together as a batch: a mark after each query and after each run of changes, so that
 * what a change prints is not taken for an answer, and the end.
 */
export function batchOf(program: BatchProgram, lines: readonly BatchLine[]): Batch {
  const batch: Batch = { input: [], lines: [], marks: 0 };
  for (const [index, { line, isQuery }] of lines.entries()) {
    batch.input.push(line);
    batch.lines.push({ line, isQuery, number: batch.input.length, marksBefore: batch.marks });
    const next = lines[index + 1];
    if (!isQuery && next?.isQuery === false) continue;
    batch.input.push(MARK[program.program].line);
    batch.marks++;
  }
  batch.input.push(END);
  return batch;
}

/** Whether a line on standard output is the answer to a mark. */
export function isMark({ program }: BatchProgram, line: string): boolean {
  return MARK[program].answer.test(line);
}

/** Whether a line on standard error says that the line of this number has failed. */
export function saysFailed(line: string, number: number): boolean {
  return line === `Command failed -:${number}`;
}

/**
 * What became of each line of a batch. Nothing is known of a line unless the program has come to the
 * end, or to the line that stopped it, and has answered every mark before that.
 */
export function outcomesOf(program: BatchProgram, batch: Batch, output: Output): Outcome[] {
  const { reasons, rest } = complaintsIn(output);
  const answers = answersIn(program, output.out);
  let error = problemOf(program, batch, output, { reasons, rest, answers: answers.length });
  return batch.lines.map(({ line, isQuery, number, marksBefore }) => {
    const command = commandOf(program, line);
    const reason = reasons.get(number);
    if (reason !== undefined) {
      const refused = new IpCommandError(command, reason);
      // The lines after this one were not run.
      if (!program.force) error ??= refused;
      return { error: refused };
    }
    if (error) return { error };
    return isQuery ? rowsOf(command, answers[marksBefore]!) : { rows: [] };
  });
}

/** Why nothing is known of the lines of which nothing was said, where that is so. */
function problemOf(
  program: BatchProgram,
  { input, lines, marks }: Batch,
  { out, ended }: Output,
  { reasons, rest, answers }: { reasons: Map<number, string>; rest: string; answers: number },
): Error | undefined {
  const stop = program.force ? input.length : Math.min(...reasons.keys());
  if (!reasons.has(stop)) return endError(program, rest || [ended, ...quote(out)].join("; "));
  const expected = lines.find(({ number }) => number === stop)?.marksBefore ?? marks;
  if (answers === expected) return undefined;
  const said = `it printed ${answers} of ${expected} marks`;
  return new SessionClosedError(commandOf(program), [said, ...quote(out)].join("; "));
}

/** The last line that was printed, if there is any, as a part of a message. */
function quote(out: readonly string[]): string[] {
  const last = out.at(-1);
  return last === undefined ? [] : [`it printed ${JSON.stringify(shorten(last))}`];
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** What a program's end before that of its batch means, by what it said or how it ended. */
function endError(program: BatchProgram, said: string): Error {
  if (/^Cannot open network namespace .*No such file/.test(said)) {
    return new NamespaceNotFoundError(program.netns!);
  }
  // Where the namespace could not be entered, nothing was done in it.
  return /network namespace/.test(said)
    ? new IpCommandError(commandOf(program), said)
    : new SessionClosedError(commandOf(program), said);
}

/** The reasons on standard error, by the number of the line in its batch, and what is said last. */
function complaintsIn(
  { err, firstNumber }: Output,
): { reasons: Map<number, string>; rest: string } {
  const reasons = new Map<number, string>();
  let said: string[] = [];
  for (const line of err) {
    const number = COMPLAINT.exec(line)?.[1];
    if (number !== undefined) {
      reasons.set(Number(number) - firstNumber + 1, said.join("; "));
      said = [];
    } else if (line.trim() !== "" && !line.startsWith("Warning: ")) {
      // A line that succeeded may warn; that is not why a later one fails.
      said.push(line.trim());
    }
  }
  return { reasons, rest: said.join("; ") };
}

/** What was printed before each mark. */
function answersIn(program: BatchProgram, out: readonly string[]): string[][] {
  const answers: string[][] = [];
  let printed: string[] = [];
  for (const line of out) {
    if (isMark(program, line)) {
      answers.push(printed);
      printed = [];
    } else {
      printed.push(line);
    }
  }
  return answers;
}

/** The rows of what a query printed, without the empty ones that `ip` prints for what it left out. */
function rowsOf(command: string, printed: readonly string[]): Outcome {
  try {
    const rows = printed.flatMap((line) => JSON.parse(line) as unknown);
    if (rows.every(isRow)) return { rows: rows.filter((row) => Object.keys(row).length > 0) };
  } catch {
    // It is no JSON at all.
  }
  const said = `It printed no JSON: ${shorten(printed.join("; "))}`;
  return { error: new IpCommandError(command, said) };
}

function isRow(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
