import { Complaints, eachLine, END, MARKER, rowsOf, saysNoNamespace } from "./batch.ts";
import {
  InvalidWordError,
  IpCommandError,
  NamespaceNotFoundError,
  SessionClosedError,
} from "./errors.ts";
import { spawn } from "./spawn.ts";
import { netnsName } from "./words.ts";

/** What runs lines: a {@linkcode Session}, or something that collects them instead. */
export interface Runner {
  /** Runs a line that changes something: settles when it has taken effect. */
  change(line: string): Promise<void>;
  /** Runs a line that prints JSON: resolves to the parsed rows. */
  query(line: string): Promise<Record<string, unknown>[]>;
}

/** How a {@linkcode Session} is opened. */
export interface SessionOptions {
  /**
   * The network namespace (a name under `/run/netns`) that the lines act in.
   *
   * @default {undefined} The caller's own.
   */
  netns?: string;
  /**
   * The iproute2 program.
   *
   * @default {"ip"}
   */
  program?: "ip" | "bridge";
}

/** A line on its way: sent, not yet known to be done. */
interface Pending {
  line: string;
  query: boolean;
  /** Its number, as the program counts them; 0 until it is written. */
  number: number;
  resolve: (rows: Record<string, unknown>[]) => void;
  reject: (error: Error) => void;
}

/** Lines written together, closed by a marker on standard error. */
interface Burst {
  lines: Pending[];
  /** The number of its last line, the marker. */
  last: number;
  /** What was said of each line that failed, by its number. */
  failed: Map<number, string>;
  /** Whether the marker on standard error has been seen: all failures are known. */
  marked: boolean;
}

/**
 * One long-lived `ip -batch -` process in one network namespace, with many lines in flight.
 *
 * A process per command costs 2 ms on a plain machine and 50 to 150 ms in an emulated one; a line
 * costs a fraction of that. Lines that are asked for in the same turn of the event loop are written
 * together as one burst. A change prints nothing, a query JSON, a failure two lines on standard
 * error, the second with the line's number (`Command failed -:7`); so each query is followed by a
 * line that prints for certain and a burst by one that fails for certain, and when all of these have
 * been seen the burst is settled, whatever order the two streams arrive in.
 *
 * `ip` ends over a few mistakes that it finds before it asks the kernel: a malformed word, but also
 * a `master` or a `netns` that does not exist. Then all that is in flight is rejected with a
 * {@linkcode SessionClosedError}.
 *
 * `-force` lets the lines behind a failed one go on: callers on one session are independent of
 * each other, and whoever wants all or nothing undoes what was done.
 *
 * `ip` remembers the names of links by index for as long as it runs (`lib/ll_map.c`), and forgets a
 * link only when a line of its own has set or deleted it by name. Where somebody else, or `link del
 * group`, or the end of its parent deleted a link, a line that names it, or a new one of that name,
 * fails with `No such device`, and `link show dev` ends the process. Where somebody else renamed a
 * link and made another under the old name, a line acts on the renamed one. A full `link show` (which
 * is what `LinkVerbs.show` asks) helps until the next line that sets or deletes the link; a new
 * session helps for good. So a session is for one piece of work, not for the life of a daemon.
 */
export class Session implements Runner, AsyncDisposable {
  /** The program and its namespace as one would type them: `ip -n red`. */
  readonly command: string;
  #program: "ip" | "bridge";
  #netns: string | undefined;
  #child: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #queued: Pending[] = [];
  #bursts: Burst[] = [];
  #lineNumber = 0;
  /** What each query of the bursts not yet settled printed, oldest first. */
  #answers: string[][] = [];
  /** Lines of standard output that no marker has closed yet. */
  #printed: string[] = [];
  #complaints = new Complaints();
  #closed: Error | undefined;
  #ended: Promise<void>;

  private constructor(
    program: "ip" | "bridge",
    netns: string | undefined,
    child: Deno.ChildProcess,
  ) {
    this.#program = program;
    this.#netns = netns;
    this.command = netns === undefined ? program : `${program} -n ${netns}`;
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#ended = this.#follow();
  }

  /**
   * Starts the program and waits until it answers.
   *
   * @throws {NamespaceNotFoundError} There is no such namespace.
   * @throws {ProgramNotFoundError} iproute2 is not installed.
   * @throws {SessionClosedError} The program ended at once; the message says why.
   */
  static async open(options: SessionOptions = {}): Promise<Session> {
    const { netns, program = "ip" } = options;
    const args = [
      ...(netns === undefined ? [] : ["-netns", netnsName(netns)]),
      // The counters per VLAN are wanted of `bridge`; of `ip` they would only be more to read.
      ...(program === "bridge" ? ["-statistics"] : ["-details"]),
      "-force",
      "-json",
      "-batch",
      "-",
    ];
    // It still ends with the caller, as its input closes then.
    const child = spawn(program, args);
    const session = new Session(program, netns, child);
    try {
      await session.query("link show dev lo");
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** Whether the process has ended or is about to, so that every further line is refused. */
  get ended(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Runs a line that changes something; settles when it has taken effect.
   *
   * @throws {InvalidWordError} It is more than one line.
   * @throws {IpCommandError} The line was refused.
   * @throws {SessionClosedError} The process ended before the line was known to be done.
   */
  async change(line: string): Promise<void> {
    await this.#send(line, false);
  }

  /**
   * Runs a line that prints; resolves to its rows. Empty rows, which `ip` prints where a filter
   * left something out, are not among them.
   *
   * @throws {InvalidWordError} It is more than one line.
   * @throws {IpCommandError} The line was refused, or printed something else than JSON.
   * @throws {SessionClosedError} The process ended before the line was answered.
   */
  query(line: string): Promise<Record<string, unknown>[]> {
    return this.#send(line, true);
  }

  /** Ends the process once all lines sent so far are done. What comes after is refused. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#flush();
      this.#closed = new SessionClosedError(this.command, "it was closed");
      await this.#writer.close().catch(() => {});
    }
    await this.#ended;
  }

  /** Same as {@linkcode Session.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send(line: string, query: boolean): Promise<Record<string, unknown>[]> {
    if (this.#closed) return Promise.reject(this.#closed);
    // A backslash at its end would join it to the next line.
    if (/[\n\\]/.test(line)) {
      return Promise.reject(
        new InvalidWordError("line", line, "it has a newline or a backslash"),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queued.push({ line, query, number: 0, resolve, reject });
      if (this.#queued.length === 1) queueMicrotask(() => this.#flush());
    });
  }

  /** Writes what is queued as one burst. */
  #flush(): void {
    const lines = this.#queued;
    this.#queued = [];
    if (lines.length === 0) return;
    const text: string[] = [];
    for (const pending of lines) {
      pending.number = ++this.#lineNumber;
      text.push(pending.line);
      if (!pending.query) continue;
      this.#lineNumber++;
      text.push(MARKER[this.#program].line);
    }
    this.#bursts.push({ lines, last: ++this.#lineNumber, failed: new Map(), marked: false });
    text.push(END, "");
    // A write fails only when the process is gone, and then its end tells everybody.
    this.#writer.write(new TextEncoder().encode(text.join("\n"))).catch(() => {});
  }

  /** Reads both streams to their end, then fails whatever still waits. */
  async #follow(): Promise<void> {
    await Promise.all([
      eachLine(this.#child.stdout, (line) => this.#answered(line)),
      eachLine(this.#child.stderr, (line) => this.#complained(line)),
    ]);
    const { code, signal } = await this.#child.status;
    await this.#writer.close().catch(() => {});
    const said = this.#complaints.rest || (signal ? `killed by ${signal}` : `exit status ${code}`);
    this.#closed ??= saysNoNamespace(said)
      ? new NamespaceNotFoundError(this.#netns!)
      : new SessionClosedError(this.command, said);
    const waiting = [...this.#bursts.flatMap(({ lines }) => lines), ...this.#queued];
    this.#bursts = [];
    this.#queued = [];
    for (const { reject } of waiting) reject(this.#closed);
  }

  #answered(line: string): void {
    if (MARKER[this.#program].printed.test(line)) {
      this.#answers.push(this.#printed);
      this.#printed = [];
      this.#settle();
    } else {
      this.#printed.push(line);
    }
  }

  #complained(line: string): void {
    const failed = this.#complaints.read(line);
    if (!failed) return;
    const { number, said } = failed;
    const burst = this.#bursts.find(({ last }) => number <= last);
    if (!burst) return;
    if (number === burst.last) {
      burst.marked = true;
      this.#settle();
    } else {
      burst.failed.set(number, said);
    }
  }

  /** Settles the bursts, oldest first, that are complete on both streams. */
  #settle(): void {
    for (let burst = this.#bursts[0]; burst?.marked; burst = this.#bursts[0]) {
      const queries = burst.lines.filter(({ query }) => query).length;
      if (this.#answers.length < queries) return;
      this.#bursts.shift();
      const answers = this.#answers.splice(0, queries);
      for (const { line, query, number, resolve, reject } of burst.lines) {
        const command = `${this.command} ${line}`;
        const printed = query ? answers.shift()! : [];
        const said = burst.failed.get(number);
        if (said !== undefined) {
          reject(new IpCommandError(command, said));
          continue;
        }
        try {
          resolve(rowsOf(command, printed));
        } catch (error) {
          reject(error as IpCommandError);
        }
      }
    }
  }
}
