import type { Batch, BatchProgram, Output } from "./batch.ts";

/**
 * What runs batches: one process that is kept ({@linkcode KeptProcess}), or a process for each
 * ({@linkcode ProcessPerBurst}).
 */
export interface Transport {
  /** The program. */
  readonly program: BatchProgram;
  /** Whether no batch can be run any more. */
  readonly ended: boolean;
  /**
   * Runs a batch. The one before must have been run.
   *
   * @returns All that was printed for it, or as much as was printed before the program ended.
   * @throws {ProgramNotFoundError} iproute2 is not installed.
   */
  run(batch: Batch): Promise<Output>;
  /** Ends the program when it has run what it was given. */
  close(): Promise<void>;
}
