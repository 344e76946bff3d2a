/**
 * Stand-ins for the program `ip`, for tests without a kernel.
 *
 * @module
 */
import type { Runner } from "../../lib/iproute2/runner.ts";
import type { Ending } from "../../lib/iproute2/shell.ts";

/** The answer of `ip` to the mark. */
export const MARK =
  '[{"type":"local","dst":"0.0.0.0","dev":"lo","prefsrc":"127.0.0.1","flags":[],"uid":0,"cache":["local"]}]';

/** The answer of `ip` to a line: it prints, refuses the line with a reason, or ends. */
export interface Reply {
  out?: string;
  refused?: string;
  fatal?: string;
}

/** The output of `ip -batch -` for its input. A line without a reply prints nothing. */
export function printedFor(
  input: readonly string[],
  replies: Record<string, Reply> = {},
  force = true,
): Ending {
  const ending: Ending = { code: 0, out: [], err: [] };
  for (const [index, line] of input.entries()) {
    const { out, refused, fatal } = replyTo(line, replies);
    if (out !== undefined) ending.out.push(out);
    if (fatal !== undefined) return { ...ending, code: 255, err: [...ending.err, fatal] };
    if (refused === undefined) continue;
    ending.code = 1;
    ending.err.push(...refused.split("\n"), `Command failed -:${index + 1}`);
    if (!force) break;
  }
  return ending;
}

function replyTo(line: string, replies: Record<string, Reply>): Reply {
  if (line === "route get 0.0.0.0") return { out: MARK };
  if (line === "end-of-burst") return { refused: `Object "${line}" is unknown, try "ip help".` };
  return replies[line] ?? {};
}

/** A shell that runs no program. It records the commands, and returns what `ip` would print. */
export class FakeShell {
  ended = false;
  readonly commands: string[] = [];
  readonly inputs: (readonly string[])[] = [];
  /** The answers, by line. */
  replies: Record<string, Reply> = {};
  /** The result of every program, instead of that of `ip`. */
  ending: Ending | undefined;

  readonly run = (command: string, input: readonly string[]): Promise<Ending> => {
    this.commands.push(command);
    this.inputs.push(input);
    return Promise.resolve(
      this.ending ?? printedFor(input, this.replies, command.includes("-force")),
    );
  };

  kill(): void {
    this.ended = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }
}

/** A runner that records the lines, and answers every query with the same rows. */
export class Collector implements Runner {
  readonly lines: string[] = [];
  #rows: Record<string, unknown>[];

  constructor(rows: Record<string, unknown>[] = []) {
    this.#rows = rows;
  }

  change(line: string): Promise<void> {
    this.lines.push(line);
    return Promise.resolve();
  }

  query(line: string): Promise<Record<string, unknown>[]> {
    this.lines.push(line);
    return Promise.resolve(this.#rows);
  }
}
