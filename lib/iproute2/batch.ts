import { printable, shellWord } from "../base/printable.ts";
import { isObject } from "../base/reader.ts";
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";
import { ipCommandError } from "./errors.ts";
import type { Row } from "./runner.ts";
import { type Ending, type RunProgram, wordsOf } from "./shell.ts";
import { invalidWord, pathToEnter, withNetnsFolder } from "./words.ts";

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

/** The program of a session, and what starts its processes. */
export interface ProgramOptions extends BatchProgram {
  run: RunProgram;
  /** Settings of links in the namespace, made first: {@linkcode linkSetting}. */
  settings?: readonly string[];
}

/**
 * Runs lines in a new process, to its end. The process remembers no names of links from earlier batches
 * (see `Session`). Entering a namespace takes a new process anyway. A {@linkcode Shell} starts it: the
 * driver's must have a lock file open, which Deno cannot pass on (see `Namespaces` in `lib/driver`).
 *
 * @throws {"session-closed"} The shell has ended.
 */
export async function runBatch(
  options: ProgramOptions,
  lines: readonly BatchLine[],
): Promise<Outcome[]> {
  const { run, settings = [] } = options;
  const command = isOfIPv6(lines[0]!)
    ? batchCommand(options, "-6")
    : settings.length > 0
    ? commandWithSettings(options, settings)
    : batchCommand(options);
  const ending = await run(command, inputOf(options, lines));
  // A shell returns this status if it does not find the program (sh(1)).
  if (ending.code === 127) {
    const isNsenter = ending.err.some((line) => line.includes("nsenter"));
    const program = isNsenter ? "nsenter" : options.program;
    throw new IpvlanError("program-not-found", { program });
  }
  return outcomesOf(options, lines, ending);
}

function batchCommand(program: BatchProgram, ...options: string[]): string {
  const words = [program.program, ...options, ...batchArgs(program)];
  return withNetnsFolder(program.netns, words.join(" "));
}

/**
 * The command that makes settings and then runs the lines. `ip` has no word for them, so a shell
 * in the namespace writes them and then executes `ip`, without another process. It skips a link that
 * was renamed or deleted meanwhile, and IPv6 settings in a kernel without IPv6.
 *
 * `nsenter` starts faster than `ip netns exec`, which also copies all mounts of the host: at least one
 * for each named namespace.
 */
function commandWithSettings(program: BatchProgram, settings: readonly string[]): string {
  const { netns } = program;
  const enter = netns === undefined ? [] : ["nsenter", `--net=${pathToEnter(netns)}`];
  const words = [program.program, ...batchArgs({ ...program, netns: undefined })];
  // A write may fail because the link is just being deleted: then the file is gone afterwards.
  const script = 'for each; do file=/proc/sys/"${each%=*}"; [ ! -e "$file" ] || ' +
    'echo "${each##*=}" 2> /dev/null > "$file" || [ ! -e "$file" ] || ' +
    'echo "${each##*=}" > "$file" || exit; done; ' +
    `exec ${words.join(" ")}`;
  return [...enter, "sh", "-c", shellWord(script), "sh", ...settings.map(shellWord)].join(" ");
}

/**
 * The input of a batch: each line after a mark, so that what it prints is between two marks, and the
 * marks show where the program ended. `ip` names a failed line by its number, from 1. A line of IPv6 has
 * a batch of its own without marks, as these are lines of IPv4.
 */
export function inputOf({ program }: BatchProgram, lines: readonly BatchLine[]): string[] {
  const [first] = lines;
  if (first && isOfIPv6(first)) return [first.line.slice(3)];
  const mark = MARK[program].line;
  return [...lines.flatMap(({ line }) => [mark, line]), mark, END];
}

/**
 * The outcome of each line. The program ended at the line after the last mark that it answered. That
 * line has failed, those before it are done unless there is a complaint, and those after it were not
 * run. After a kill, or with marks that do not fit the complaints, it is not known what was done.
 */
export function outcomesOf(
  program: BatchProgram,
  lines: readonly BatchLine[],
  ending: Ending,
): Outcome[] {
  if (isOfIPv6(lines[0]!)) return [outcomeAlone(program, lines[0]!, ending)];
  const { reasons, rest } = complaintsIn(ending);
  const answers = answersIn(program, ending.out);
  // The numbers in the input of the line that it ended at, and of the end.
  const last = 2 * answers.length;
  const end = 2 * lines.length + 2;
  let error: Error | undefined;
  if (isKilled(ending) || last === 0 || last === end && !reasons.has(end)) {
    error = endError(program, rest || [wordsOf(ending), ...quote(ending)].join("; "));
  } else if (last > end || reasons.keys().some((number) => number > last)) {
    const said = `it printed ${answers.length} of ${lines.length + 1} marks`;
    error = closedError(program, [said, ...quote(ending)].join("; "));
  }
  return lines.map(({ line, isQuery }, index) => {
    const command = commandOf(program, line);
    const number = 2 * index + 2;
    const reason = reasons.get(number);
    if (reason !== undefined) return { error: ipCommandError(command, reason) };
    if (error) return { error };
    if (number > last) return "not run";
    if (number < last) return isQuery ? rowsOf(command, answers[index + 1]!) : { rows: [] };
    // A program that ended silently may have run the line.
    return { error: rest ? ipCommandError(command, rest) : closedError(program, wordsOf(ending)) };
  });
}

/** The outcome of a line of IPv6. */
function outcomeAlone(
  program: BatchProgram,
  { line, isQuery }: BatchLine,
  ending: Ending,
): Outcome {
  const { reasons, rest } = complaintsIn(ending);
  const command = commandOf(program, line);
  if (ending.code === 0) return isQuery ? rowsOf(command, ending.out) : { rows: [] };
  const reason = reasons.get(1) ?? rest;
  const error = endError(program, reason || wordsOf(ending));
  const isLine = isIpvlanError(error, "session-closed") && reason !== "" && !isKilled(ending);
  return { error: isLine ? ipCommandError(command, reason) : error };
}

/** A shell returns 128 + N for a program that signal N ended. `ip` itself returns 255. */
function isKilled({ code }: Ending): boolean {
  return code > 128 && code !== 255;
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
  const answers: string[][] = [[]];
  for (const line of out) {
    if (MARK[program].answer.test(line)) answers.push([]);
    else answers.at(-1)!.push(line);
  }
  return answers.slice(0, -1);
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
