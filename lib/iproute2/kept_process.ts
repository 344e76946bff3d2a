import {
  type Batch,
  batchArgs,
  type BatchProgram,
  isMark,
  MAX_LINES,
  type Output,
  saysFailed,
} from "./batch.ts";
import { eachLine, spawn, wordsOf } from "./spawn.ts";
import type { Transport } from "./transport.ts";

/**
 * One long-lived process that runs batch after batch. Before it has made more than
 * {@linkcode MAX_LINES} changes, another takes its place, and enters the namespace by its name.
 */
export class KeptProcess implements Transport {
  readonly program: BatchProgram;
  #signal: AbortSignal | undefined;
  #process: BatchProcess;
  /** How many changes the process was given. */
  #changes = 0;
  /** Resolves when the processes before it have ended. */
  #replaced: Promise<unknown> = Promise.resolve();

  /**
   * Starts the program, which the signal ends. @throws {ProgramNotFoundError} It is not installed.
   */
  constructor(program: BatchProgram, signal?: AbortSignal) {
    signal?.throwIfAborted();
    this.program = program;
    this.#signal = signal;
    this.#process = new BatchProcess(program, signal);
  }

  get ended(): boolean {
    return this.#process.ended !== undefined;
  }

  /** Runs a batch: see {@linkcode Transport.run}. It fails with the signal's reason. */
  async run(batch: Batch): Promise<Output> {
    this.#signal?.throwIfAborted();
    const changes = batch.lines.filter(({ isQuery }) => !isQuery).length;
    if (this.#changes + changes > MAX_LINES && !this.ended) {
      this.#replaced = Promise.all([this.#replaced, this.#process.close()]);
      this.#process = new BatchProcess(this.program, this.#signal);
      this.#changes = 0;
    }
    this.#changes += changes;
    const output = await this.#process.run(batch);
    this.#signal?.throwIfAborted();
    return output;
  }

  async close(): Promise<void> {
    await Promise.all([this.#replaced, this.#process.close()]);
  }
}

/** A process that runs one batch at a time. */
class BatchProcess {
  /** How it ended; `undefined` as long as it runs. */
  ended: string | undefined;
  readonly #program: BatchProgram;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #following: Promise<void>;
  /** The number of the next line. `ip` counts the lines of all batches. */
  #nextNumber = 1;
  /** What was printed for the batch that runs or ran last. */
  #output: Output = { out: [], err: [], firstNumber: 1 };
  /** What must still be printed for the batch that runs. */
  #awaited: { marks: number; end: boolean; resolve: (output: Output) => void } | undefined;

  constructor(program: BatchProgram, signal: AbortSignal | undefined) {
    this.#program = program;
    this.#child = spawn(program.program, batchArgs(program), { signal });
    this.#writer = this.#child.stdin.getWriter();
    this.#following = this.#follow();
  }

  run({ input, marks }: Batch): Promise<Output> {
    const firstNumber = this.#nextNumber;
    if (this.ended !== undefined) {
      const { err } = this.#output;
      return Promise.resolve({ out: [], err, firstNumber, ended: this.ended });
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
    this.ended ??= wordsOf(await this.#child.status);
    await this.#writer.close().catch(() => {});
    this.#settle();
  }

  #readOut(line: string): void {
    if (!this.#awaited) {
      this.#refuse(line);
      return;
    }
    this.#output.out.push(line);
    if (isMark(this.#program, line)) this.#awaited.marks--;
    this.#settleIfWhole();
  }

  #readErr(line: string): void {
    this.#output.err.push(line);
    if (!this.#awaited) return;
    if (saysFailed(line, this.#nextNumber - 1)) this.#awaited.end = false;
    this.#settleIfWhole();
  }

  /** The two streams arrive in any order, so the batch is whole when both are. */
  #settleIfWhole(): void {
    if (this.#awaited && this.#awaited.marks <= 0 && !this.#awaited.end) this.#settle();
  }

  #settle(): void {
    this.#awaited?.resolve({ ...this.#output, ended: this.ended });
    this.#awaited = undefined;
  }

  /** Ends a process that prints when it was not asked: the next query would take that for its answer. */
  #refuse(line: string): void {
    if (this.ended !== undefined) return;
    this.ended = `it printed what nobody asked for: ${JSON.stringify(line)}`;
    this.#child.kill("SIGKILL");
  }
}
