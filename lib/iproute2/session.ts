import {
  type BatchLine,
  closedError,
  commandOf,
  isOfIPv6,
  lineProblem,
  MAX_LINES,
  type Outcome,
  type ProgramOptions,
  runBatch,
} from "./batch.ts";
import type { Read, Row, Runner, Send } from "./runner.ts";
import { Shell } from "./shell.ts";
import { pathToEnter } from "./words.ts";
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** The options of {@linkcode Session.open}. */
export interface SessionOptions {
  /** The namespace (a name under `/run/netns`) that the lines act in; left out, the caller's own. */
  netns?: string;
  /** The iproute2 program; left out, `ip`. */
  program?: "ip" | "bridge";
  /** Ends the session at once. All pending and later calls fail with the signal's reason. */
  signal?: AbortSignal;
}

/** A line, and what does it by netlink; without that, only `ip` can. */
export interface DirectLine extends BatchLine {
  direct?: Send | Read;
}

/** What a session runs its lines with. */
interface Transports extends ProgramOptions {
  /** The shell that starts the programs, if it ends with the session. */
  shell?: AsyncDisposable;
  /** Runs the bursts without a line that only `ip` can run, up to the first that it cannot run either. */
  netlink?: (lines: readonly DirectLine[]) => Promise<Outcome[]>;
}

interface PendingLine extends DirectLine, PromiseWithResolvers<Row[]> {}

/**
 * Runs lines in one network namespace, by `ip -batch -`.
 *
 * Lines from the same turn of the event loop, or that arrive while others run, form one burst, of at
 * most 400 lines. Two equal queries in a burst, with no change between them, share one answer: the same
 * array.
 *
 * A shell starts a new process for each burst. A running `ip` remembers the name of each link
 * (`lib/ll_map.c`), so a kept one could act on a link that had the name before.
 *
 * The callers of a session are independent, so a failed line does not stop the others. A few mistakes
 * end `ip` before it asks the kernel: a malformed word, or a `master` or `netns` that does not exist.
 * Then another process runs the lines after that one.
 *
 * A line may start with `-6`, for the commands that default to IPv4: `rule`, and `route flush` of a
 * table. Lines of a batch take no options, so such a line gets its own process in its turn.
 *
 * @example
 * ```ts
 * import { Session } from "@ipvlan/kit/ip";
 *
 * await using session = await Session.open({ netns: "red" });
 * // Both lines go to `ip` in one burst.
 * await Promise.all([
 *   session.change("link set dev lo up"),
 *   session.change("addr add 192.168.1.2/24 dev eth0"),
 * ]);
 * const rows = await session.query("link show");
 * ```
 */
export class Session implements Runner, AsyncDisposable {
  /** The program and its namespace as one would type them: `ip -n red`. */
  readonly command: string;
  readonly #transports: Transports;
  #queue: PendingLine[] = [];
  /** Settles when the queue is empty; `undefined` if it is. */
  #running: Promise<void> | undefined;
  #burst: Promise<unknown> | undefined;
  #closed: IpvlanErrorOf<"session-closed"> | undefined;

  /**
   * Makes a session. Without `force`, all waiting lines fail with the first failed one.
   *
   * @internal
   */
  constructor(transports: Transports) {
    this.#transports = transports;
    this.command = commandOf(transports);
  }

  /**
   * Opens a session. It starts a shell, but no program yet.
   *
   * @throws {"namespace-not-found"} There is no such namespace.
   * @throws {"program-not-found"} iproute2 is not installed.
   */
  static async open({ netns, program = "ip", signal }: SessionOptions = {}): Promise<Session> {
    const shell = new Shell({ signal });
    try {
      const isTrue = async (condition: string) => (await shell.run(condition, [])).code === 0;
      if (!await isTrue(`command -v ${program} > /dev/null`)) {
        throw new IpvlanError("program-not-found", { program });
      }
      if (netns !== undefined && !await isTrue(`[ -e ${pathToEnter(netns)} ]`)) {
        throw new IpvlanError("namespace-not-found", { netns });
      }
      return new Session({ program, netns, force: true, run: shell.run, shell });
    } catch (error) {
      await shell[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Runs a line that changes something: resolves when it has taken effect.
   *
   * @throws {"invalid-word"} It is more than one line, or its answer looks like the mark of an end.
   * @throws {"ip-command"} The line was refused.
   * @throws {"namespace-not-found"} The namespace does not exist any more.
   * @throws {"session-closed"} The program was killed before the line was known to be done.
   */
  async change(line: string): Promise<void>;
  /** @internal */
  async change(line: string, send?: Send): Promise<void>;
  async change(line: string, send?: Send): Promise<void> {
    await this.#add({ line, direct: send, isQuery: false });
  }

  /**
   * Runs a line that prints JSON: resolves to its rows, without the empty ones that `ip` prints for
   * filtered objects. It fails as {@linkcode Session.change} does.
   *
   * @throws {"ip-command"} The line was refused, or printed something else than JSON.
   */
  query(line: string): Promise<Record<string, unknown>[]>;
  /** @internal */
  query(line: string, read?: Read): Promise<Row[]>;
  query(line: string, read?: Read): Promise<Row[]> {
    return this.#add({ line, direct: read, isQuery: true });
  }

  /** Ends the session after all pending lines. Later lines are refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= closedError(this.#transports, "it was closed");
    // Wait only until the last burst was started: if the program hangs, the end of its input ends it.
    while (this.#queue.length > 0) await this.#burst;
    await this.#running;
    await this.#transports.shell?.[Symbol.asyncDispose]();
  }

  #add(asked: DirectLine): Promise<Row[]> {
    const error = this.#closed ?? lineProblem(this.#transports, asked.line);
    if (error) return Promise.reject(error);
    const pending = { ...asked, ...Promise.withResolvers<Row[]>() };
    this.#queue.push(pending);
    this.#running ??= this.#run();
    return pending.promise;
  }

  async #run(): Promise<void> {
    // When this resolves, the other lines of the same turn are in the queue.
    await (this.#burst = Promise.resolve());
    while (this.#queue.length > 0) await (this.#burst = this.#runBurst());
    this.#running = undefined;
  }

  async #runBurst(): Promise<void> {
    const netlink = this.#queue.every(({ direct }) => direct)
      ? this.#transports.netlink
      : undefined;
    const alone = this.#queue.findIndex(isOfIPv6);
    const count = alone === -1 ? MAX_LINES : Math.min(MAX_LINES, alone || 1);
    const lines = this.#queue.splice(0, netlink ? Infinity : count);
    const first = firstOfEqual(lines);
    const unique = [...new Set(first)];
    const run = netlink ? netlink(unique) : runBatch(this.#transports, unique);
    const outcomes = await run.catch((error): Outcome[] => unique.map(() => ({ error })));
    const outcomeOf = new Map(unique.map((line, index) => [line, outcomes[index]!]));
    const left: PendingLine[] = [];
    for (const [index, line] of lines.entries()) {
      const outcome = outcomeOf.get(first[index]!)!;
      // What netlink has not run, only `ip` can.
      if (outcome === "not run") left.push({ ...line, direct: undefined });
      conclude(line, outcome);
    }
    this.#queue.unshift(...left);
    const isError = (outcome: Outcome) => outcome !== "not run" && "error" in outcome;
    const failed = outcomes.find(isError);
    if (!failed || this.#transports.force) return;
    for (const pending of this.#queue.splice(0)) conclude(pending, failed);
  }
}

/** For each line, the first equal query with no change between them, or the line itself. */
function firstOfEqual(lines: readonly PendingLine[]): PendingLine[] {
  const first = new Map<string, PendingLine>();
  return lines.map((pending) => {
    if (!pending.isQuery) first.clear();
    const found = first.get(pending.line) ?? pending;
    if (pending.isQuery) first.set(pending.line, found);
    return found;
  });
}

function conclude({ resolve, reject }: PendingLine, outcome: Outcome): void {
  if (outcome === "not run") return;
  if ("error" in outcome) reject(outcome.error);
  else resolve(outcome.rows);
}
