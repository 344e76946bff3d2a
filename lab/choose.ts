/**
 * Chooses the engine that runs a job.
 *
 * @module
 */
import type { Engine, EngineName, Requirements } from "./engine.ts";
import { type Attempt, formatAttempt, formatReason, LabError, StartError } from "./errors.ts";

/** The options of {@linkcode runInFirst}. */
export interface RunOptions {
  /** The only engine to try. @default {undefined} All. */
  wanted?: EngineName;
  /** Runs the job in an engine, and returns its exit status. */
  run: (engine: Engine) => Promise<number>;
  /** Prints the line that names the chosen engine, its kernel, and the reason for the choice. */
  say: (line: string) => void;
  /** The requirements of the job. */
  requirements: Requirements;
}

/**
 * Runs a job in the wanted engine, or else in the first engine that starts.
 *
 * @param engines The engines, in the order to try them.
 * @returns The exit status of the job.
 * @throws {LabError} if no engine starts, with the reason for each.
 */
export async function runInFirst(
  engines: readonly Engine[],
  { wanted, run, say, requirements }: RunOptions,
): Promise<number> {
  const failed: Attempt[] = [];
  for (const engine of engines) {
    if (wanted !== undefined && engine.name !== wanted) continue;
    const probe = await engine.probe(requirements);
    if (!probe.ok) {
      failed.push(...probe.attempts);
      continue;
    }
    const reasons = failed.map(({ why }) => why).join("; ") || "the first choice";
    say(`${engine.name} (${probe.what}): ${wanted === undefined ? reasons : "asked for"}`);
    try {
      return await run(engine);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      failed.push(...error.attempts);
    }
  }
  const summary = wanted === undefined ? "No engine works here" : `The engine ${wanted} cannot run`;
  const [only, ...others] = failed;
  if (only && others.length === 0) {
    const reason = only.name === wanted ? formatReason(only) : formatAttempt(only);
    throw new LabError(`${summary}: ${reason}`);
  }
  throw new LabError([summary, ...failed.map(formatAttempt)].join("\n  "));
}
