/**
 * Runs two jobs in two guests that wires connect. The first job controls the second one, and both end
 * with the first.
 *
 * @module
 */
import type { Engine, Job } from "../engine.ts";
import { LabError, StartError } from "../errors.ts";
import { openWires, type WireEnd } from "./wire.ts";

/** The links of the wires in each guest: one under test, and one for control messages. */
export const WIRE_NAMES = ["wire", "control"] as const;

/**
 * Runs a pair of jobs. When the first one has ended, the second guest is killed.
 *
 * @returns The exit status of the first job.
 * @throws {StartError} if the first guest did not start. Then nothing of its job has run.
 * @throws {LabError} if a guest died, or the second job ended before the first.
 */
export async function runPair(engine: Engine, first: Job, second: Job): Promise<number> {
  using wires = openWires(WIRE_NAMES);
  const run = (job: Job, wires: WireEnd[], end: AbortController) =>
    engine.run({ ...job, wires, signal: AbortSignal.any([job.signal, end.signal]) });
  const [endFirst, endSecond] = [new AbortController(), new AbortController()];
  let failure: LabError | undefined;
  const fail = (why: string, options?: ErrorOptions) => {
    failure = new LabError(`The second guest: ${why}`, options);
  };
  const runSecond = async () => {
    try {
      const status = await run(second, wires.ends[1], endSecond);
      fail(`its command ended before the first guest did, with status ${status}`);
    } catch (error) {
      if (endSecond.signal.aborted || second.signal.aborted) return;
      fail((error as Error).message, { cause: error });
      // If the first guest does not start either, another engine runs both. If it starts, its command
      // finds that its peer is missing.
      if (error instanceof StartError) return;
    }
    endFirst.abort();
  };
  const secondEnded = runSecond();
  try {
    const status = await run(first, wires.ends[0], endFirst);
    if (failure) throw failure;
    return status;
  } catch (error) {
    throw endFirst.signal.aborted && !first.signal.aborted ? failure : error;
  } finally {
    endSecond.abort();
    await secondEnded;
  }
}
