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
}

/**
 * Gives the runner of a place, for a burst that is done or one that undoes. What is done in a
 * sandbox must stop at the first line that fails, as those behind it would act on another link.
 */
export type RunnerOf = (netns: Place, undoing: boolean) => Runner;

/**
 * Runs a plan, all or nothing: if a step fails, those that were done are undone, the last first,
 * and the failure is thrown. Neighbouring steps in one namespace go out together; those that were
 * done although another of them failed are undone too.
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
  const patience = performance.now() + PATIENCE;
  let rest = burst;
  for (;;) {
    const runner = runnerOf(rest[0]!.netns, false);
    const results = await Promise.allSettled(rest.map(({ line }) => runner.change(line)));
    for (const [index, result] of results.entries()) {
      // When the process ended, how far it came is not known, so the line may have been done.
      if (result.status === "fulfilled" || result.reason instanceof SessionClosedError) {
        done.push(rest[index]!);
      }
    }
    const first = results.findIndex(({ status }) => status === "rejected");
    if (first < 0) return;
    const { reason } = results[first] as PromiseRejectedResult;
    if (!isHeld(reason) || performance.now() > patience) throw reason;
    rest = rest.slice(first);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

/** How long an address is waited for, and how long between two tries, in milliseconds. */
const [PATIENCE, PAUSE] = [5000, 20];

/**
 * Whether an address that is put on an ipvlan link is another link's. The record says that none of
 * ours has it; but the kernel takes the links of a namespace that was deleted away in its own time
 * (`cleanup_net` in `net/core/net_namespace.c`), and tells nobody when it has. Such a line stands in
 * a sandbox, where those behind it were not run.
 */
function isHeld(reason: unknown): boolean {
  return reason instanceof IpCommandError && reason.errno === "EADDRINUSE";
}

/** Undoes steps, the last first, as far as that goes. Resolves to what was in the way. */
async function undo(done: Step[], runnerOf: RunnerOf): Promise<PromiseRejectedResult | undefined> {
  const lines = done.toReversed().map((step) => step.undo).filter((line) => line !== undefined);
  const results: PromiseSettledResult<void>[] = [];
  for (const burst of bursts(lines)) {
    const runner = runnerOf(burst[0]!.netns, true);
    results.push(...await Promise.allSettled(burst.map(({ line }) => runner.change(line))));
  }
  return results.find((result): result is PromiseRejectedResult =>
    result.status === "rejected" && !isGone(result.reason)
  );
}

/** Whether a line has failed since what it was to remove is not there. */
export function isGone(reason: unknown): boolean {
  return reason instanceof NamespaceNotFoundError ||
    reason instanceof IpCommandError && ["ENODEV", "ENOENT"].includes(reason.errno);
}

/**
 * The steps that make sandboxes and connect them, in the order in which they take the fewest
 * processes: namespaces, then the links in them, then what is done to those inside.
 */
export function byPlace(steps: readonly Step[]): Step[] {
  const rank = ({ netns }: Step) => netns === CALLER ? 0 : netns === undefined ? 1 : 2;
  return steps.toSorted((one, other) => rank(one) - rank(other));
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
