import { shellWord } from "../base/printable.ts";
import { IpvlanError } from "../base/errors.ts";
import {
  type Batch,
  batchArgs,
  type BatchProgram,
  isMark,
  type Output,
  saysFailed,
} from "./batch.ts";
import { eachLine, type RunProgram, spawn, wordsOf } from "./shell.ts";
import { pathToEnter, withNetnsFolder } from "./words.ts";

/**
 * Runs the batches of a session. There are two:
 *
 * - {@linkcode KeptProcess} keeps one process, which remembers the names of links. A long-lived driver
 *   uses it for queries in the host's namespace (`KeptLook` in `lib/driver`).
 * - {@linkcode ProcessPerBurst} starts a process for each batch, which remembers no names from earlier
 *   batches (see {@linkcode Session}). Entering a namespace takes a new process anyway. A
 *   {@linkcode Shell} starts it: the driver's must have a lock file open, which Deno cannot pass on
 *   (see `Namespaces` there).
 *
 * The cost in milliseconds, with iproute2 6.1: the fastest of 200 runs on a machine with two slow cores,
 * and of 50 in User-Mode Linux on it.
 *
 * |                                                    | machine | User-Mode Linux |
 * | -------------------------------------------------- | ------- | --------------- |
 * | `link show`, one process kept                      | 0.2     | 0.5             |
 * | `link show`, a process per burst                   | 1.9     | 29              |
 * | `ip` started by the shell                          | 1.4     | 25              |
 * | `ip` started by Deno                               | 1.3     | 28              |
 * | `ip` started by Deno in a session of its own       | 4.0     | 46              |
 *
 * So the shell costs no time, and saves some: `ip` must not be in the session of its caller, where a
 * Ctrl-C would end it (see `spawn`), and it shares that of the shell.
 */
export interface Transport {
  readonly program: BatchProgram;
  /** Whether it has ended: it runs no more batches. */
  readonly ended: boolean;
  /**
   * Runs a batch; only one may run at a time. Returns what was printed, until the program ended.
   * @throws {"program-not-found"} iproute2 is not installed.
   */
  run(batch: Batch): Promise<Output>;
  /** Ends the program after the batches it was given. */
  close(): Promise<void>;
}

/** Runs each batch in a new process. */
export class ProcessPerBurst implements Transport {
  readonly program: BatchProgram;
  /** Always false: the next batch gets a new process. */
  readonly ended = false;
  readonly #command: string;
  readonly #commandOfIPv6: string;
  readonly #run: RunProgram;

  /**
   * Makes it; no process is started yet.
   *
   * @param switches Settings of links in the namespace, set to 1 first: {@linkcode linkSwitch}.
   * @throws {"invalid-word"} The namespace's name is invalid.
   */
  constructor(program: BatchProgram, run: RunProgram, switches: readonly string[] = []) {
    const command = (...options: string[]) =>
      withNetnsFolder(
        program.netns,
        [program.program, ...options, ...batchArgs(program)].join(" "),
      );
    this.program = program;
    this.#commandOfIPv6 = command("-6");
    this.#command = switches.length === 0 ? command() : commandWithSwitches(program, switches);
    this.#run = run;
  }

  /** Runs a batch. @throws {"session-closed"} The shell that starts the process has ended. */
  async run({ input, isOfIPv6 }: Batch): Promise<Output> {
    const command = isOfIPv6 ? this.#commandOfIPv6 : this.#command;
    const { code, out, err } = await this.#run(command, input);
    // A shell returns this status if it does not find the program (sh(1)).
    if (code === 127) {
      const isNsenter = err.some((line) => line.includes("nsenter"));
      const program = isNsenter ? "nsenter" : this.program.program;
      throw new IpvlanError("program-not-found", { program });
    }
    // A shell returns 128 + N for a program that signal N ended. `ip` itself returns 255.
    const isWhole = code <= 128 || code === 255;
    return { out, err, firstNumber: 1, ended: `exit status ${code}`, isWhole };
  }

  /** Does nothing: each process ends by itself. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * The command that switches settings on and then runs the lines. `ip` has no word for them, so a shell
 * in the namespace writes them and then executes `ip`, without another process. It skips a link that
 * was renamed or deleted meanwhile, and IPv6 settings in a kernel without IPv6.
 *
 * `nsenter` starts faster than `ip netns exec`, which also copies all mounts of the host: at least one
 * for each named namespace.
 */
function commandWithSwitches(program: BatchProgram, switches: readonly string[]): string {
  const { netns } = program;
  const enter = netns === undefined ? [] : ["nsenter", `--net=${pathToEnter(netns)}`];
  const words = [program.program, ...batchArgs({ ...program, netns: undefined })];
  // A write may fail because the link is just being deleted: then the file is gone afterwards.
  const script = 'for file; do file=/proc/sys/"$file"; [ ! -e "$file" ] || ' +
    'echo 1 2> /dev/null > "$file" || [ ! -e "$file" ] || echo 1 > "$file" || exit; done; ' +
    `exec ${words.join(" ")}`;
  return [...enter, "sh", "-c", shellWord(script), "sh", ...switches.map(shellWord)].join(" ");
}

/**
 * One long-lived process that runs batch after batch. Use it for queries only: `ip` remembers the names
 * of links, and keeps a file open for each link that it makes in another namespace.
 */
export class KeptProcess implements Transport {
  readonly program: BatchProgram;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #following: Promise<void>;
  /** How it ended; `undefined` while it runs. */
  #ending: string | undefined;
  /** The number of the next line. `ip` counts the lines of all batches. */
  #nextNumber = 1;
  /** The output of the current or last batch. */
  #output: Output = { out: [], err: [], firstNumber: 1 };
  /** The output that the current batch still waits for. */
  #awaited: { marks: number; end: boolean; resolve: (output: Output) => void } | undefined;

  /** Starts the program. @throws {"program-not-found"} It is not installed. */
  constructor(program: BatchProgram) {
    this.program = program;
    this.#child = spawn(program.program, batchArgs(program));
    this.#writer = this.#child.stdin.getWriter();
    this.#following = this.#follow();
  }

  get ended(): boolean {
    return this.#ending !== undefined;
  }

  run({ input, marks, isOfIPv6 }: Batch): Promise<Output> {
    if (isOfIPv6) return Promise.reject(new TypeError("A kept process takes no options"));
    const firstNumber = this.#nextNumber;
    if (this.#ending !== undefined) {
      const { err } = this.#output;
      return Promise.resolve({ out: [], err, firstNumber, ended: this.#ending });
    }
    this.#nextNumber += input.length;
    this.#output = { out: [], err: [], firstNumber };
    // A write fails only when the process has ended, and its end settles the batch.
    this.#writer.write(new TextEncoder().encode(`${input.join("\n")}\n`)).catch(() => {});
    return new Promise((resolve) => this.#awaited = { marks, end: true, resolve });
  }

  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#following;
  }

  async #follow(): Promise<void> {
    await Promise.all([
      eachLine(this.#child.stdout, (line) => this.#readOut(line)),
      eachLine(this.#child.stderr, (line) => this.#readErr(line)),
    ]);
    this.#ending ??= wordsOf(await this.#child.status);
    await this.#writer.close().catch(() => {});
    this.#finish();
  }

  #readOut(line: string): void {
    if (!this.#awaited) {
      this.#refuse(line);
      return;
    }
    this.#output.out.push(line);
    if (isMark(this.program, line)) this.#awaited.marks--;
    this.#finishIfWhole();
  }

  #readErr(line: string): void {
    this.#output.err.push(line);
    if (!this.#awaited) return;
    if (saysFailed(line, this.#nextNumber - 1)) this.#awaited.end = false;
    this.#finishIfWhole();
  }

  /** The two streams arrive in any order, so the batch is complete when both are. */
  #finishIfWhole(): void {
    if (this.#awaited && this.#awaited.marks <= 0 && !this.#awaited.end) this.#finish();
  }

  #finish(): void {
    this.#awaited?.resolve({ ...this.#output, ended: this.#ending });
    this.#awaited = undefined;
  }

  /** Ends a process that prints unasked: the next query would take the output for its answer. */
  #refuse(line: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = `it printed what nobody asked for: ${JSON.stringify(line)}`;
    this.#child.kill("SIGKILL");
  }
}
