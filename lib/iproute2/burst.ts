import { Complaints, END, MARKER, rowsOf, saysNoNamespace } from "./batch.ts";
import {
  IpCommandError,
  NamespaceNotFoundError,
  ProgramNotFoundError,
  SessionClosedError,
} from "./errors.ts";
import type { Runner } from "./session.ts";
import type { Ending, Starts } from "./starter.ts";
import { netnsName } from "./words.ts";

/** How a {@linkcode BurstRunner} runs its lines. */
export interface BurstOptions {
  /** What starts `ip`: see `Starter.run`. */
  start: Starts["run"];
  /** The namespace, by its name under `/run/netns`; the caller's own where none is given. */
  netns?: string;
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
  query: boolean;
  answer: Promise<Record<string, unknown>[]>;
  resolve: (rows: Record<string, unknown>[]) => void;
  reject: (error: unknown) => void;
}

/**
 * How many lines a process is given. For each link that is made in another namespace `ip` keeps a
 * file open as long as it runs (`iplink_parse` in `ip/iplink.c`), and 1024 is a usual limit.
 */
const MOST = 400;

/**
 * Lines in one network namespace, an `ip` process for each burst of them: what is asked for in one
 * turn of the event loop, or while the burst before it is run. To enter a namespace takes a process
 * whatever one does, and where there is little to be done in it, a `Session` costs several times as
 * much. Nor does such a process outlive what it remembers of the links (see `Session`).
 */
export class BurstRunner implements Runner {
  #start: Starts["run"];
  #netns: string | undefined;
  #force: boolean;
  #waiting: Waiting[] = [];
  #running = false;

  /** Makes the runner. @throws {InvalidWordError} The name is no namespace's. */
  constructor({ start, netns, force = false }: BurstOptions) {
    this.#start = start;
    this.#netns = netns === undefined ? undefined : netnsName(netns);
    this.#force = force;
  }

  /**
   * Runs a line that changes something.
   *
   * @throws {IpCommandError} The line was refused.
   * @throws {NamespaceNotFoundError} There is no such namespace.
   * @throws {ProgramNotFoundError} iproute2 is not installed.
   * @throws {SessionClosedError} `ip` ended before the line was known to be done.
   */
  async change(line: string): Promise<void> {
    await this.#ask(line, false);
  }

  /**
   * Runs a line that prints JSON: resolves to the parsed rows.
   *
   * @throws {IpCommandError} The line was refused.
   * @throws {NamespaceNotFoundError} There is no such namespace.
   * @throws {ProgramNotFoundError} iproute2 is not installed.
   * @throws {SessionClosedError} `ip` ended before the line was answered.
   */
  query(line: string): Promise<Record<string, unknown>[]> {
    // Who asks what somebody waits to be told already is told the same, unless a change is between.
    const asked = this.#waiting.slice(this.#waiting.findLastIndex(({ query }) => !query) + 1)
      .find((other) => other.line === line);
    return asked?.answer ?? this.#ask(line, true);
  }

  #ask(line: string, query: boolean): Promise<Record<string, unknown>[]> {
    const { promise: answer, resolve, reject } = Promise.withResolvers<Record<string, unknown>[]>();
    this.#waiting.push({ line, query, answer, resolve, reject });
    if (!this.#running) {
      this.#running = true;
      queueMicrotask(() => this.#runAll());
    }
    return answer;
  }

  async #runAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#runBurst(this.#waiting.splice(0, MOST));
    this.#running = false;
  }

  async #runBurst(burst: readonly Waiting[]): Promise<void> {
    const text = burst.flatMap(({ line, query }) => query ? [line, MARKER.ip.line] : [line]);
    const where = this.#netns === undefined ? "" : `-n ${this.#netns} `;
    const force = this.#force ? "-force " : "";
    let ending: Ending;
    try {
      ending = await this.#start(
        `ip ${where}-details -json ${force}-batch -`,
        this.#force ? [...text, END] : text,
      );
    } catch (error) {
      for (const { reject } of burst) reject(error);
      return;
    }
    const complaints = new Complaints();
    const failed = new Map(ending.err.flatMap((line) => {
      const { number, said } = complaints.read(line) ?? {};
      return number === undefined ? [] : [[number, said!]];
    }));
    const answers = answersIn(ending.out);
    const isThrough = this.#force ? failed.has(text.length + 1) : ending.code === 0;
    // What is to be said of the lines of which nothing was said.
    const isCut = !isThrough && (failed.size === 0 || this.#force);
    let verdict = isCut ? this.#reason(ending.code, complaints.rest) : undefined;
    let number = 0;
    for (const { line, query, resolve, reject } of burst) {
      const said = failed.get(++number);
      if (query) number++;
      const command = `${this.#command} ${line}`;
      const answer = query ? answers.shift() ?? [] : [];
      if (said !== undefined) {
        const refused = new IpCommandError(command, said);
        reject(refused);
        // Without force, `ip` has run none of the lines behind the one that failed.
        if (!this.#force) verdict = refused;
      } else if (verdict !== undefined) {
        reject(verdict);
      } else {
        try {
          resolve(rowsOf(command, answer));
        } catch (error) {
          reject(error);
        }
      }
    }
  }

  get #command(): string {
    return this.#netns === undefined ? "ip" : `ip -n ${this.#netns}`;
  }

  /** Why `ip` ended before its time: over a malformed word, as it was killed, or at once. */
  #reason(code: number, said: string): Error {
    // What a shell says of a program that is not there (sh(1)).
    if (code === 127) return new ProgramNotFoundError("ip");
    if (saysNoNamespace(said)) {
      return new NamespaceNotFoundError(this.#netns!);
    }
    // Where the namespace could not be entered, nothing was done in it.
    return /network namespace/.test(said)
      ? new IpCommandError(this.#command, said)
      : new SessionClosedError(this.#command, said || `exit status ${code}`);
  }
}

/** What was printed for each query: the lines up to each mark. */
function answersIn(out: readonly string[]): string[][] {
  const answers: string[][] = [];
  let printed: string[] = [];
  for (const line of out) {
    if (MARKER.ip.printed.test(line)) {
      answers.push(printed);
      printed = [];
    } else {
      printed.push(line);
    }
  }
  return answers;
}
