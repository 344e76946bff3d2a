import { printable, shellWord } from "../base/printable.ts";
import { isObject } from "../base/reader.ts";
import { invalidWord, pathToEnter } from "./words.ts";
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";
import { ipCommandError } from "./errors.ts";
import type { Row } from "./runner.ts";
import { type Ending, wordsOf } from "./shell.ts";

export interface BatchProgram {
  program: "ip" | "bridge";
  /** The network namespace that it acts in, by name; `undefined` for the caller's own. */
  netns?: string;
  /** Whether it continues after a line that failed. */
  force: boolean;
}

export interface BatchLine {
  /** The line, without `ip` before it. */
  line: string;
  isQuery: boolean;
}

/**
 * Lines to run, with a mark after each answer that shows where it ends. The lines of the input are
 * numbered from 1: `ip` names a failed line by its number.
 */
export interface Batch {
  input: string[];
  /** The lines, each with its number in the input and the number of marks before it. */
  lines: (BatchLine & { number: number; marksBefore: number })[];
  marks: number;
  /** Whether it is a single line that started with `-6`: its process gets this option. It has no mark. */
  isOfIPv6: boolean;
}

/** The outcome of a line: its answer (none for a change), its error, or that it did not run. */
export type Outcome = { rows: Row[] } | { error: unknown } | "not run";

/**
 * The most lines in a burst. For each link that it makes in another namespace, `ip` keeps a file open
 * until it ends (`iplink_parse` in `ip/iplink.c`), and many systems allow a process 1024
 * open files.
 */
export const MAX_LINES = 400;

/**
 * A mark: a line that always prints the same answer, and that no caller may ask for. Once that answer
 * arrives, all lines before it have run and printed theirs. Counting printed lines does not work:
 * `netns list` prints none if `/run/netns` was never made, and a failed line may print some.
 */
const MARK = {
  ip: {
    // The kernel answers with a route to itself, whatever routes, rules and links there are
    // (`ip_route_output_key_hash_rcu` in `net/ipv4/route.c`), and it takes the same time with ten
    // thousand links as with one. `netconf show dev lo` reads all of them.
    line: "route get 0.0.0.0",
    // Only `route get` prints a cache.
    answer: /^\[\{"type":"local","dst":"0\.0\.0\.0",[^{}]*"cache":\[/,
    /** Matches the lines that print the same, also if they are abbreviated or quoted. */
    lookalike: /^\s*["']?ro?u?t?e?["']?\s+["']?ge?t?["']?\s(.*[\s"'])?["']?0/,
  },
  bridge: {
    line: "mdb show dev lo",
    answer: /^\[\{"mdb":/,
    lookalike: /^\s*["']?m(d|db)?["']?(\s|$)/,
  },
};

/** The last line of every batch. No program knows this command: its failure marks the end. */
const END = "end-of-burst";

/** The line on standard error after the reason of a failed line. */
const COMPLAINT = /^Command failed -:(\d+)$/;

export function batchArgs({ program, netns, force }: BatchProgram): string[] {
  if (netns !== undefined) pathToEnter(netns);
  return [
    ...(netns === undefined ? [] : ["-n", netns]),
    // `bridge` counts the frames of each VLAN only with this.
    program === "bridge" ? "-statistics" : "-details",
    "-json",
    ...(force ? ["-force"] : []),
    "-batch",
    "-",
  ];
}

/** A line as one would type it in a shell: `ip -n red link show`. */
export function commandOf(
  { program, netns }: Pick<BatchProgram, "program" | "netns">,
  line?: string,
): string {
  const words = [program, ...(netns === undefined ? [] : ["-n", netns])];
  return [...words, ...(line ? inShell(line) : [])].join(" ");
}

/** Whether a line starts with an option, and so cannot be in a batch with others. */
export function isOfIPv6({ line }: BatchLine): boolean {
  return line.startsWith("-6 ");
}

/** The words of a line of a batch, quoted for a shell. */
function inShell(line: string): string[] {
  const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  return words.map((word) =>
    /^'|^"[^$`!]*"$/.test(word) ? word : shellWord(word.replace(/^"(.*)"$/s, "$1"))
  );
}

/** The reason why a line cannot be in a batch: it is several lines, or its answer looks like a mark. */
export function lineProblem(
  { program }: BatchProgram,
  line: string,
): IpvlanErrorOf<"invalid-word"> | undefined {
  // A backslash at the end joins a line to the next one.
  if (/[\n\0\\]/.test(line)) {
    return invalidWord("line", line, "it has a newline, a NUL or a backslash");
  }
  const { lookalike, line: mark } = MARK[program];
  if (lookalike.test(line)) {
    return invalidWord("line", line, `what "${mark}" prints marks the end of an answer`);
  }
}

/**
 * Makes a batch of lines. There is a mark after each query, and after each run of changes, so that
 * output of a change is not taken for an answer. With `force`, there is one before the first line and
 * after each line, to see at which line the program ended.
 */
export function batchOf({ program, force }: BatchProgram, lines: readonly BatchLine[]): Batch {
  const [first] = lines;
  if (first && isOfIPv6(first)) {
    const alone = { ...first, number: 1, marksBefore: 0 };
    return { input: [first.line.slice(3), END], lines: [alone], marks: 0, isOfIPv6: true };
  }
  const batch: Batch = { input: [], lines: [], marks: 0, isOfIPv6: false };
  const mark = () => {
    batch.input.push(MARK[program].line);
    batch.marks++;
  };
  if (force) mark();
  for (const [index, { line, isQuery }] of lines.entries()) {
    batch.input.push(line);
    batch.lines.push({ line, isQuery, number: batch.input.length, marksBefore: batch.marks });
    const next = lines[index + 1];
    if (force || isQuery || next?.isQuery !== false) mark();
  }
  batch.input.push(END);
  return batch;
}

/**
 * The outcome of each line of a batch. A line counts as done only if the program reached the end of
 * the batch, or the line that stopped it, and answered every mark before that.
 *
 * A few mistakes end the program even with `force`. Then the first line without a mark after it has
 * failed, and the lines after it were not run.
 */
export function outcomesOf(program: BatchProgram, batch: Batch, ending: Ending): Outcome[] {
  const { reasons, rest } = complaintsIn(ending);
  const answers = answersIn(program, ending.out);
  // A shell returns 128 + N for a program that signal N ended. `ip` itself returns 255.
  const isWhole = ending.code <= 128 || ending.code === 255;
  const last = program.force && isWhole ? answers.length : Infinity;
  const isOver = last > 0 && last < batch.marks && !reasons.has(batch.input.length);
  let error = isOver
    ? undefined
    : problemOf(program, batch, ending, { reasons, rest, answers: answers.length });
  return batch.lines.map(({ line, isQuery, number, marksBefore }) => {
    if (isOver && marksBefore > last) return "not run";
    const command = commandOf(program, line);
    const isLast = isOver && marksBefore === last;
    const reason = reasons.get(number) ?? (isLast && rest !== "" ? rest : undefined);
    if (reason !== undefined) {
      const refused = ipCommandError(command, reason);
      // The lines after this one were not run.
      if (!program.force) error ??= refused;
      return { error: refused };
    }
    // A program that ended silently may have run the line.
    if (isLast) return { error: closedError(program, wordsOf(ending)) };
    const isAlone = batch.isOfIPv6 && isIpvlanError(error, "session-closed") && isWhole;
    if (isAlone && rest !== "") return { error: ipCommandError(command, rest) };
    if (error) return { error };
    return isQuery ? rowsOf(command, answers[marksBefore] ?? ending.out) : { rows: [] };
  });
}

/** The reason why the outcome of lines without a complaint is unknown; `undefined` if it is known. */
function problemOf(
  program: BatchProgram,
  { input, lines, marks }: Batch,
  ending: Ending,
  { reasons, rest, answers }: { reasons: Map<number, string>; rest: string; answers: number },
): Error | undefined {
  const stop = program.force ? input.length : Math.min(...reasons.keys());
  if (!reasons.has(stop)) {
    return endError(program, rest || [wordsOf(ending), ...quote(ending)].join("; "));
  }
  const expected = lines.find(({ number }) => number === stop)?.marksBefore ?? marks;
  if (answers === expected) return undefined;
  const said = `it printed ${answers} of ${expected} marks`;
  return closedError(program, [said, ...quote(ending)].join("; "));
}

/** The last printed line, if any, as a part of a message. */
function quote({ out }: Ending): string[] {
  const last = out.at(-1);
  return last === undefined ? [] : [`it printed ${JSON.stringify(shorten(last))}`];
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Makes the error of a session whose program has ended. */
export function closedError(
  program: BatchProgram,
  reason: string,
): IpvlanErrorOf<"session-closed"> {
  return new IpvlanError("session-closed", { session: commandOf(program), reason });
}

/** Makes the error of a program that ended before its batch, from its last words or exit status. */
function endError(program: BatchProgram, said: string): Error {
  // The programs that enter one are `ip -n`, and `nsenter` of util-linux or BusyBox.
  if (/^(Cannot open network namespace|nsenter: can(not|'t) open) .*No such file/.test(said)) {
    return new IpvlanError("namespace-not-found", { netns: program.netns! });
  }
  // If the namespace could not be entered, no line has run in it.
  return /network namespace|^nsenter: /.test(said)
    ? ipCommandError(commandOf(program), said)
    : closedError(program, said);
}

/** The reasons of failed lines, by number in the batch, and the text after the last of them. */
function complaintsIn({ err }: Ending): { reasons: Map<number, string>; rest: string } {
  const reasons = new Map<number, string>();
  let said: string[] = [];
  for (const line of err) {
    const number = COMPLAINT.exec(line)?.[1];
    if (number !== undefined) {
      reasons.set(Number(number), said.join("; "));
      said = [];
    } else if (line.trim() !== "" && !line.startsWith("Warning: ")) {
      // A line that succeeded may print a warning, which is not the reason of a later failure.
      said.push(line.trim());
    }
  }
  return { reasons, rest: said.join("; ") };
}

/** The output before each mark. */
function answersIn({ program }: BatchProgram, out: readonly string[]): string[][] {
  const answers: string[][] = [];
  let printed: string[] = [];
  for (const line of out) {
    if (MARK[program].answer.test(line)) {
      answers.push(printed);
      printed = [];
    } else {
      printed.push(line);
    }
  }
  return answers;
}

/**
 * Parses a line of JSON from `ip` or `bridge`. They print the control characters in a link's name or
 * alias as they are (`jsonw_puts` in iproute2's `lib/json_writer.c`), which JSON does not allow
 * (RFC 8259, section 7).
 */
export function parseJson(line: string): unknown {
  return JSON.parse(printable(line).replaceAll("\t", "\\t"));
}

/** The rows that a query printed, without the empty ones, which `ip` prints for filtered objects. */
function rowsOf(command: string, printed: readonly string[]): Outcome {
  try {
    const rows = printed.flatMap((line) => parseJson(line));
    if (rows.every(isObject)) return { rows: rows.filter((row) => Object.keys(row).length > 0) };
  } catch {
    // It is not JSON.
  }
  const said = `It printed no JSON: ${shorten(printed.join("; "))}`;
  return { error: ipCommandError(command, said) };
}
