import { IpCommandError, NamespaceNotFoundError, SessionClosedError } from "../iproute2/errors.ts";
import type { Runner } from "../iproute2/session.ts";
import { netnsName } from "../iproute2/words.ts";
import type { Ending, Starts } from "./starter.ts";

/** How a {@linkcode Within} runs its lines. */
export interface WithinOptions {
  /** What starts `ip`. */
  starter: Pick<Starts, "run">;
  /** The namespace, by its name under `/run/netns`. */
  netns: string;
  /**
   * Whether the lines behind one that failed are run as well. Where they are not, they are rejected
   * with its error.
   *
   * @default {false}
   */
  force?: boolean;
}

/** A line that waits to be run. */
interface Waiting {
  line: string;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** What `ip` said, and which lines failed. */
interface Complaints {
  /** What was said of each line that failed, by its number from 1. */
  failed: Map<number, string>;
  /** What was said of none. */
  rest: string;
}

/** An object that `ip` does not know: refused, which tells that it has come as far as that. */
const END = "end-of-burst";

/**
 * Lines in another network namespace: an `ip` for each burst, that enters it, runs them and ends. To
 * enter a namespace takes a process whatever one does, and where there is little to be done inside,
 * a `Session` costs several times as much.
 */
export class Within implements Runner {
  /** Never: whether what starts `ip` has ended is told by each line. */
  readonly ended = false;
  #starter: Pick<Starts, "run">;
  #netns: string;
  #force: boolean;
  #waiting: Waiting[] = [];

  /** Makes the runner. @throws {InvalidWordError} The name is no namespace's. */
  constructor({ starter, netns, force = false }: WithinOptions) {
    this.#starter = starter;
    this.#netns = netnsName(netns);
    this.#force = force;
  }

  /**
   * Runs a line that changes something. Those of one turn of the event loop are one burst.
   *
   * @throws {IpCommandError} The line was refused.
   * @throws {NamespaceNotFoundError} There is no such namespace.
   * @throws {SessionClosedError} `ip` ended before the line was known to be done.
   */
  change(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      if (this.#waiting.length === 1) queueMicrotask(() => this.#run());
    });
  }

  /**
   * Runs a line that prints JSON: resolves to the parsed rows.
   *
   * @throws {IpCommandError} The line was refused.
   * @throws {NamespaceNotFoundError} There is no such namespace.
   * @throws {SessionClosedError} `ip` ended before the line was answered.
   */
  async query(line: string): Promise<Record<string, unknown>[]> {
    const { code, out, err } = await this.#start("-details -json", [line]);
    const { failed, rest } = complaints(err);
    const said = failed.get(1);
    if (said !== undefined) throw this.#refused(line, said);
    if (code !== 0) throw this.#ended(rest);
    return out.flatMap((text) => JSON.parse(text) as Record<string, unknown>[])
      .filter((row) => Object.keys(row).length > 0);
  }

  async #run(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const lines = waiting.map(({ line }) => line);
    let ending: Ending;
    try {
      ending = this.#force
        ? await this.#start("-force", [...lines, END])
        : await this.#start("", lines);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
      return;
    }
    const { failed, rest } = complaints(ending.err);
    const isThrough = this.#force ? failed.has(lines.length + 1) : ending.code === 0;
    // What is to be said of the lines of which nothing was said.
    let verdict = isThrough || (failed.size > 0 && !this.#force) ? undefined : this.#ended(rest);
    for (const [index, { line, resolve, reject }] of waiting.entries()) {
      const said = failed.get(index + 1);
      if (said !== undefined) {
        const refused = this.#refused(line, said);
        reject(refused);
        // Without force, `ip` has run none of the lines behind the one that failed.
        if (!this.#force) verdict = refused;
      } else if (verdict !== undefined) {
        reject(verdict);
      } else {
        resolve();
      }
    }
  }

  #start(flags: string, lines: string[]): Promise<Ending> {
    return this.#starter.run(`ip -n ${this.#netns} ${flags} -batch -`, lines);
  }

  #refused(line: string, said: string): IpCommandError {
    return new IpCommandError(`ip -n ${this.#netns} ${line}`, said);
  }

  /** Why `ip` ended before its time: over a malformed word, as one that was killed, or at once. */
  #ended(said: string): Error {
    if (/^Cannot open network namespace .*No such file/.test(said)) {
      return new NamespaceNotFoundError(this.#netns);
    }
    const command = `ip -n ${this.#netns}`;
    // Where the namespace could not be entered, nothing was done in it.
    return /network namespace/.test(said)
      ? new IpCommandError(command, said)
      : new SessionClosedError(command, said || "it was killed");
  }
}

function complaints(err: readonly string[]): Complaints {
  const failed = new Map<number, string>();
  let said: string[] = [];
  for (const line of err) {
    const number = /^Command failed -:(\d+)$/.exec(line)?.[1];
    if (number !== undefined) {
      failed.set(Number(number), said.join("; "));
      said = [];
    } else if (!line.startsWith("Warning: ")) {
      // A line that succeeded may warn; that is not why a later one fails.
      said.push(line.trim());
    }
  }
  return { failed, rest: said.join("; ") };
}
