import {
  type Batch,
  batchArgs,
  type BatchProgram,
  isMark,
  type Output,
  saysFailed,
} from "./batch.ts";
import { eachLine, spawn, wordsOf } from "./spawn.ts";
import type { Transport } from "./transport.ts";

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
    return new Promise((resolve) => {
      this.#awaited = { marks, end: true, resolve };
    });
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
    this.#settle();
  }

  #readOut(line: string): void {
    if (!this.#awaited) {
      this.#refuse(line);
      return;
    }
    this.#output.out.push(line);
    if (isMark(this.program, line)) this.#awaited.marks--;
    this.#settleIfWhole();
  }

  #readErr(line: string): void {
    this.#output.err.push(line);
    if (!this.#awaited) return;
    if (saysFailed(line, this.#nextNumber - 1)) this.#awaited.end = false;
    this.#settleIfWhole();
  }

  /** The two streams arrive in any order, so the batch is complete when both are. */
  #settleIfWhole(): void {
    if (this.#awaited && this.#awaited.marks <= 0 && !this.#awaited.end) this.#settle();
  }

  #settle(): void {
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
