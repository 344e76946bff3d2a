import { IpCommandError, NamespaceNotFoundError, SessionClosedError } from "../iproute2/errors.ts";
import type { Runner } from "../iproute2/session.ts";
import { NotUndoneError } from "./errors.ts";

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
  /**
   * Whether nothing may be sent behind it before it is done, as what follows would do something
   * else if it was refused.
   *
   * @default {false}
   */
  gate?: boolean;
}

/** Gives the runner of a place. */
export type RunnerOf = (netns: Place) => Promise<Runner>;

/**
 * Runs a plan, all or nothing: if a step fails, those that were done are undone, the last first,
 * and the failure is thrown. Neighbouring steps in one namespace go out together, and a failed one
 * does not stop those that were sent with it: they are undone too.
 *
 * @param finish What belongs to the plan besides its lines: it runs last, and where it fails the
 * lines are undone as well.
 * @throws {NotUndoneError} A step failed, and what was done could not all be undone.
 */
export async function runPlan(
  steps: readonly Step[],
  runnerOf: RunnerOf,
  finish?: () => void | Promise<void>,
): Promise<void> {
  const done: Step[] = [];
  try {
    for (const burst of bursts(steps)) await runBurst(burst, runnerOf, done);
    await finish?.();
  } catch (failure) {
    const obstacle = await undo(done, runnerOf);
    throw obstacle ? new NotUndoneError(failure, obstacle.reason) : failure;
  }
}

async function runBurst(burst: Step[], runnerOf: RunnerOf, done: Step[]): Promise<void> {
  const runner = await runnerOf(burst[0]!.netns);
  const results = await Promise.allSettled(burst.map(({ line }) => runner.change(line)));
  for (const [index, result] of results.entries()) {
    // When the process ended, how far it came is not known, so the line may have been done.
    if (result.status === "fulfilled" || result.reason instanceof SessionClosedError) {
      done.push(burst[index]!);
    }
  }
  const failed = results.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/** Undoes steps, the last first, as far as that goes. Resolves to what was in the way. */
async function undo(done: Step[], runnerOf: RunnerOf): Promise<PromiseRejectedResult | undefined> {
  const lines = done.toReversed().map((step) => step.undo).filter((line) => line !== undefined);
  const results: PromiseSettledResult<void>[] = [];
  for (const burst of bursts(lines)) {
    try {
      const runner = await runnerOf(burst[0]!.netns);
      results.push(...await Promise.allSettled(burst.map(({ line }) => runner.change(line))));
    } catch (reason) {
      results.push({ status: "rejected", reason });
    }
  }
  return results.find((result): result is PromiseRejectedResult =>
    result.status === "rejected" && !isGone(result.reason)
  );
}

/** Whether what was to be undone is not there, and so needs no undoing. */
function isGone(reason: unknown): boolean {
  return reason instanceof NamespaceNotFoundError ||
    reason instanceof IpCommandError && ["ENODEV", "ENOENT"].includes(reason.errno);
}

/** Neighbouring lines in one namespace, put together up to the next gate. */
function bursts<T extends Step>(lines: readonly T[]): T[][] {
  const result: T[][] = [];
  for (const line of lines) {
    const last = result.at(-1);
    const isOpen = last && last[0]!.netns === line.netns && !last.at(-1)!.gate;
    if (isOpen) last.push(line);
    else result.push([line]);
  }
  return result;
}
