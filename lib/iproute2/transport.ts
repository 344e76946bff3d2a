import { shellWord } from "../base/printable.ts";
import { IpvlanError } from "../base/errors.ts";
import {
  batchArgs,
  type BatchLine,
  batchOf,
  type BatchProgram,
  type Outcome,
  outcomesOf,
} from "./batch.ts";
import type { RunProgram } from "./shell.ts";
import { pathToEnter, withNetnsFolder } from "./words.ts";

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
 * The cost in milliseconds, with iproute2 6.1: the fastest of 200 runs on a machine with two slow cores,
 * and of 50 in User-Mode Linux on it.
 *
 * |                                                    | machine | User-Mode Linux |
 * | -------------------------------------------------- | ------- | --------------- |
 * | `link show`, a process per burst                   | 1.9     | 29              |
 * | `ip` started by the shell                          | 1.4     | 25              |
 * | `ip` started by Deno                               | 1.3     | 28              |
 * | `ip` started by Deno in a session of its own       | 4.0     | 46              |
 *
 * So the shell costs no time, and saves some: `ip` must not be in the session of its caller, where a
 * Ctrl-C would end it (see `spawn`), and it shares that of the shell.
 *
 * @throws {"session-closed"} The shell has ended.
 */
export async function runBatch(
  options: ProgramOptions,
  lines: readonly BatchLine[],
): Promise<Outcome[]> {
  const batch = batchOf(options, lines);
  const { run, settings = [] } = options;
  const command = batch.isOfIPv6
    ? commandOf(options, "-6")
    : settings.length > 0
    ? commandWithSettings(options, settings)
    : commandOf(options);
  const ending = await run(command, batch.input);
  // A shell returns this status if it does not find the program (sh(1)).
  if (ending.code === 127) {
    const isNsenter = ending.err.some((line) => line.includes("nsenter"));
    const program = isNsenter ? "nsenter" : options.program;
    throw new IpvlanError("program-not-found", { program });
  }
  return outcomesOf(options, batch, ending);
}

function commandOf(program: BatchProgram, ...options: string[]): string {
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
