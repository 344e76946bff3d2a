import { IpCommandError } from "./errors.ts";

/**
 * What follows each query: a cheap line that prints everywhere, and nothing that a caller asks for,
 * so that all before it on standard output is known to be the answer. Counting lines would not do:
 * `netns list` prints none where `/run/netns` was never made, and a line that fails may print.
 */
export const MARKER = {
  ip: { line: "netconf show dev lo", printed: /^\[\{"family":"inet","interface":"lo"/ },
  bridge: { line: "mdb show dev lo", printed: /^\[\{"mdb":/ },
};

/** An object that no program knows: refused on standard error, which marks the end there. */
export const END = "end-of-burst";

/**
 * What a batch says on standard error: of each line that failed the reason, and then the line's
 * number (`Command failed -:7`).
 */
export class Complaints {
  #said: string[] = [];

  /** Takes a line of it. Returns which line of the batch has failed, and why, when that is known. */
  read(line: string): { number: number; said: string } | undefined {
    const number = /^Command failed -:(\d+)$/.exec(line)?.[1];
    if (number === undefined) {
      // A line that succeeded may warn; that is not why a later one fails.
      if (line.trim() !== "" && !line.startsWith("Warning: ")) this.#said.push(line.trim());
      return undefined;
    }
    const said = this.rest;
    this.#said = [];
    return { number: Number(number), said };
  }

  /** What was said since the last line that failed. */
  get rest(): string {
    return this.#said.join("; ");
  }
}

/**
 * The rows of what a query printed, a line of JSON each. `ip` prints `{}` for what its filter left
 * out.
 *
 * @param command The command as one would type it.
 * @throws {IpCommandError} It is no JSON.
 */
export function rowsOf(command: string, printed: readonly string[]): Record<string, unknown>[] {
  try {
    return printed.flatMap((line) => JSON.parse(line) as Record<string, unknown>[])
      .filter((row) => Object.keys(row).length > 0);
  } catch {
    throw new IpCommandError(command, `It printed no JSON: ${printed.join("; ")}`);
  }
}

/** Whether a program has said that the namespace that it was to enter is not there. */
export function saysNoNamespace(said: string): boolean {
  return /^Cannot open network namespace .*No such file/.test(said);
}

/** Calls back with each line of a stream, without its newline. */
export async function eachLine(
  stream: ReadableStream<Uint8Array>,
  line: (text: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    parts.forEach(line);
  }
  if (rest !== "") line(rest);
}
