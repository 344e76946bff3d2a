/**
 * Which engine runs a job.
 *
 * @module
 */
import type { Engine, EngineName, Wish } from "./engine.ts";
import { type Attempt, attemptLine, LabError, reasonOf, StartError } from "./errors.ts";

/** What {@linkcode runInFirst} does with the engines. */
export interface Run {
  /** The engine that was asked for; no other is tried then. */
  asked?: EngineName;
  /** Runs the job in an engine, and returns its exit status. */
  run: (engine: Engine) => Promise<number>;
  /** Gets the line that names the engine, its kernel, and why it is the one. */
  say: (line: string) => void;
  /** What the job asks of the engine. */
  wish: Wish;
}

/**
 * Runs a job in the engine that was asked for, or else in the first that starts.
 *
 * @param engines In the order in which they are tried; those after the first that starts are not.
 * @returns The exit status of the job.
 * @throws {LabError} if none starts, with what each of them lacks.
 */
export async function runInFirst(
  engines: readonly Engine[],
  { asked, run, say, wish }: Run,
): Promise<number> {
  const failed: Attempt[] = [];
  for (const engine of engines) {
    if (asked !== undefined && engine.name !== asked) continue;
    const probe = await engine.probe(wish);
    if (!probe.ok) {
      failed.push(...probe.attempts);
      continue;
    }
    const reasons = failed.map(({ why }) => why).join("; ") || "the first choice";
    say(`${engine.name} (${probe.what}): ${asked === undefined ? reasons : "asked for"}`);
    try {
      return await run(engine);
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      failed.push(...error.attempts);
    }
  }
  const what = asked === undefined ? "No engine works here" : `The engine ${asked} cannot run`;
  const [only, ...others] = failed;
  if (only && others.length === 0) {
    throw new LabError(`${what}: ${only.name === asked ? reasonOf(only) : attemptLine(only)}`);
  }
  throw new LabError([what, ...failed.map(attemptLine)].join("\n  "));
}
