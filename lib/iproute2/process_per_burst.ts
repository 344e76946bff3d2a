import { type Batch, batchArgs, type BatchProgram, type Output } from "./batch.ts";
import { ProgramNotFoundError } from "./errors.ts";
import type { RunProgram } from "./shell.ts";
import type { Transport } from "./transport.ts";

/** A process for each batch. */
export class ProcessPerBurst implements Transport {
  /** What the processes run. */
  readonly program: BatchProgram;
  /** Always false: there is another process for the next batch. */
  readonly ended = false;
  readonly #command: string;
  readonly #run: RunProgram;

  /**
   * Makes it; no process is started yet.
   *
   * @param run Runs a program: see `Shell.run`.
   * @throws {InvalidWordError} The namespace's name cannot be one.
   */
  constructor(program: BatchProgram, run: RunProgram) {
    this.program = program;
    this.#command = [program.program, ...batchArgs(program)].join(" ");
    this.#run = run;
  }

  /**
   * Runs a batch: see {@linkcode Transport.run}.
   *
   * @throws {SessionClosedError} The shell that starts the process has ended.
   */
  async run({ input }: Batch): Promise<Output> {
    const { code, out, err } = await this.#run(this.#command, input);
    // A shell gives this status to a program that it does not find (sh(1)).
    if (code === 127) throw new ProgramNotFoundError(this.program.program);
    return { out, err, firstNumber: 1, ended: `exit status ${code}` };
  }

  /** Does nothing: each process ends by itself. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
