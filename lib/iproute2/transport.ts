import type { Batch, BatchProgram, Output } from "./batch.ts";

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
