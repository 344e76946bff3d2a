import { IpCommandError, NamespaceNotFoundError, SessionClosedError } from "../iproute2/errors.ts";
import type { Runner } from "../iproute2/session.ts";
import { netnsName, word } from "../iproute2/words.ts";

/** A folder for files that live as long as one line of a session; made when it is first needed. */
export class Scratch implements Disposable {
  #folder: string | undefined;
  #files = 0;

  /** Writes a new file, and gives its path. */
  write(text: string): string {
    this.#folder ??= Deno.makeTempDirSync({ prefix: "ipvlan-" });
    const path = `${this.#folder}/${++this.#files}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Removes the folder with all that is in it. */
  [Symbol.dispose](): void {
    if (this.#folder !== undefined) Deno.removeSync(this.#folder, { recursive: true });
    this.#folder = undefined;
  }
}

/** An object that `ip` does not know: refused, which tells that it has come as far as that. */
const END = "end-of-burst";

/** How a {@linkcode Within} runs its lines. */
export interface WithinOptions {
  /** The session on the caller's own namespace that starts `ip` in the other one. */
  session: Runner;
  /** The other namespace, by its name under `/run/netns`. */
  netns: string;
  /** Where the lines of a burst are written for `ip` to read. */
  scratch: Scratch;
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

/**
 * Lines in another network namespace, by way of a session outside: an `ip` for each burst, which the
 * session forks (`netns exec NAME ip -batch FILE`, ip-netns(8)). To enter a namespace takes a process
 * whatever one does; but one that `ip` forks of itself costs a third of what a program as large as
 * Deno needs to start it.
 */
export class Within implements Runner {
  /** Never: whether the session has ended is told by each line. */
  readonly ended = false;
  #options: WithinOptions;
  #command: string;
  #waiting: Waiting[] = [];

  /** Makes the runner. @throws {InvalidWordError} The name is no namespace's. */
  constructor(options: WithinOptions) {
    this.#options = options;
    this.#command = `ip -n ${netnsName(options.netns)}`;
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
    const { session, netns } = this.#options;
    try {
      return await session.query(`netns exec ${netns} ip -details -json ${line}`);
    } catch (error) {
      throw this.#explained(error, line);
    }
  }

  async #run(): Promise<void> {
    const { session, netns, scratch, force = false } = this.#options;
    const waiting = this.#waiting;
    this.#waiting = [];
    let path = "";
    let failure: unknown;
    try {
      const lines = waiting.map(({ line }) => line);
      path = scratch.write([...lines, ...(force ? [END] : []), ""].join("\n"));
      const flag = force ? "-force " : "";
      await session.change(
        `netns exec ${netns} ip ${flag}-batch ${word(path, "temporary folder")}`,
      );
    } catch (error) {
      failure = error;
    } finally {
      if (path !== "") Deno.removeSync(path);
    }
    const failed = failedLines(failure, path);
    const isThrough = failure === undefined || failed.has(waiting.length + 1);
    // What is to be said of the lines of which nothing was said.
    let verdict = isThrough || (failed.size > 0 && !force) ? undefined : this.#verdict(failure);
    for (const [index, { line, resolve, reject }] of waiting.entries()) {
      const said = failed.get(index + 1);
      if (said !== undefined) {
        const refused = new IpCommandError(`${this.#command} ${line}`, said);
        reject(refused);
        // Without force, `ip` has run none of the lines behind the one that failed.
        if (!force) verdict = refused;
      } else if (verdict !== undefined) {
        reject(verdict);
      } else {
        resolve();
      }
    }
  }

  /** What a burst failed with as a whole, as no line of it is said to have been refused. */
  #verdict(error: unknown): unknown {
    const explained = this.#explained(error, "");
    // `ip` has ended over a line: a malformed word, before it asked the kernel. Which, it does not say.
    return explained instanceof IpCommandError && !isNotEntered(explained)
      ? new SessionClosedError(this.#command, explained.reason)
      : explained;
  }

  #explained(error: unknown, line: string): unknown {
    if (!(error instanceof IpCommandError)) return error;
    if (/^Cannot open network namespace .*No such file/.test(error.reason)) {
      return new NamespaceNotFoundError(this.#options.netns);
    }
    return new IpCommandError(`${this.#command} ${line}`.trimEnd(), error.reason);
  }
}

/** Whether the namespace could not be entered at all, so that nothing was done in it. */
function isNotEntered({ reason }: IpCommandError): boolean {
  return /network namespace/.test(reason);
}

/** What was said of each line that failed, by its number: `… ; Command failed FILE:7; …`. */
function failedLines(error: unknown, path: string): Map<number, string> {
  const failed = new Map<number, string>();
  if (!(error instanceof IpCommandError)) return failed;
  const parts = error.reason.split(`Command failed ${path}:`);
  for (const [index, part] of parts.slice(1).entries()) {
    const before = parts[index]!.replace(/^\d+(; )?/, "").replace(/; $/, "");
    failed.set(parseInt(part), before);
  }
  return failed;
}
