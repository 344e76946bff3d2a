import { SessionClosedError } from "../iproute2/errors.ts";
import type { Runner } from "../iproute2/session.ts";

/**
 * The caller's own namespaces, where those of the sandboxes are made and deleted: `ip -n HOST` has
 * mounts of its own, and a name under `/run/netns` that is made there is a mount nobody else sees.
 */
export const CALLER: unique symbol = Symbol("caller");

/** Where a line acts: in a sandbox's namespace, by its name, in the host's, or in the caller's. */
export type Place = string | undefined | typeof CALLER;

/** One `ip` line, and where it acts. */
export interface Line {
  /** A sandbox's namespace; the host's where there is none given; or {@linkcode CALLER}. */
  netns?: Place;
  /** The line, without `ip` before it. */
  line: string;
}

/** One `ip` line of a plan. */
export interface Step extends Line {
  /** The line that undoes it. */
  undo?: Line;
}

/** Gives the runner of a place. */
export type RunnerOf = (netns: Place) => Promise<Runner>;

/**
 * Runs a plan, all or nothing: if a step fails, those that were done are undone, the last first,
 * and the failure is thrown. Neighbouring steps in one namespace go out together, and a failed one
 * does not stop those that were sent with it: they are undone too.
 */
export async function runPlan(steps: readonly Step[], runnerOf: RunnerOf): Promise<void> {
  const done: Step[] = [];
  for (const burst of bursts(steps)) {
    let failure: { reason: unknown } | undefined;
    try {
      const runner = await runnerOf(burst[0]!.netns);
      const results = await Promise.allSettled(burst.map(({ line }) => runner.change(line)));
      for (const [index, result] of results.entries()) {
        if (result.status === "rejected") failure ??= result;
        // When the process ended, how far it came is not known, so the line may have been done.
        if (result.status === "fulfilled" || result.reason instanceof SessionClosedError) {
          done.push(burst[index]!);
        }
      }
    } catch (reason) {
      failure = { reason };
    }
    if (failure) {
      await undo(done, runnerOf);
      throw failure.reason;
    }
  }
}

/** Undoes steps, the last first. What is gone already needs no undoing, so failures are passed over. */
async function undo(done: Step[], runnerOf: RunnerOf): Promise<void> {
  const lines = done.toReversed().map((step) => step.undo).filter((line) => line !== undefined);
  for (const burst of bursts(lines)) {
    try {
      const runner = await runnerOf(burst[0]!.netns);
      await Promise.allSettled(burst.map(({ line }) => runner.change(line)));
    } catch {
      // The namespace is gone, and with it what was in it.
    }
  }
}

/** Neighbouring lines in one namespace, put together. */
function bursts<T extends Line>(lines: readonly T[]): T[][] {
  const result: T[][] = [];
  for (const line of lines) {
    const last = result.at(-1);
    if (last && last[0]!.netns === line.netns) last.push(line);
    else result.push([line]);
  }
  return result;
}
