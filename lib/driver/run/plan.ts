import {
  type IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
  notUndone,
} from "../../base/errors.ts";
import { pause, type WaitOptions } from "../../base/waiting.ts";
import { explainRights } from "../../iproute2/kernel.ts";
import { type Change, make, type Runner } from "../../iproute2/runner.ts";

/**
 * The namespace of this process. Sandboxes' namespaces are made and deleted here, not in the
 * host's: `ip -n HOST` has mounts of its own, so no other process would see a name that it mounts
 * in `/run/netns`.
 */
export const CALLER: unique symbol = Symbol("caller");

/** Where a line acts: a sandbox's namespace, by name; the host's (`undefined`); or the caller's. */
export type Place = string | undefined | typeof CALLER;

export interface Line extends Change {
  /** Where it acts; left out, in the host's namespace. */
  netns?: Place;
  /** Settings of links in the place ({@linkcode linkSetting}), made before the burst that has this line. */
  settings?: readonly string[];
}

export interface Step extends Line {
  undo?: Line;
  /** Whether it begins a new burst, because a line before it makes the link of its `settings`. */
  begins?: true;
  /** Waits for what its line has begun, and throws if the plan must be undone; not in a rehearsal. */
  awaits?: (runner: Runner, wait: WaitOptions) => Promise<void>;
  /** The address that it puts on a link, if any. */
  gives?: string;
  /** Makes the error when the line is refused; left out, {@linkcode explainRights}. */
  explain?: (error: IpvlanErrorOf<"ip-command">) => IpvlanError;
}

/**
 * Gives the runner for a place. Outside of an undo, the runner for a sandbox must stop at the first
 * line that fails, as the lines after it would act on another link. The runner makes the
 * given settings before its first line.
 */
export type RunnerOf = (netns: Place, undoing: boolean, settings: readonly string[]) => Runner;

/** Called when another link has held an address for a second. It throws if waiting longer is useless. */
export type WhenHeld = (address: string) => Promise<void>;

/**
 * Runs a plan, all or nothing. Neighbouring steps in one place run together. If a step fails,
 * this undoes all steps before it, the last first, and throws the step's error.
 *
 * @param finish Runs after the lines. If it fails, the lines are undone as well.
 * @param wait How steps wait for what they have begun; left out, they do not.
 * @throws {"not-undone"} A step failed, and a step before it could not be undone.
 */
export async function runPlan(
  steps: readonly Step[],
  runnerOf: RunnerOf,
  finish?: () => void | Promise<void>,
  whenHeld?: WhenHeld,
  wait?: WaitOptions,
): Promise<void> {
  const done: Step[] = [];
  try {
    for (const burst of bursts(steps)) {
      await runBurst(burst, runnerOf, done, whenHeld);
      if (wait) await waitFor(burst, runnerOf, wait);
    }
    await finish?.();
  } catch (failure) {
    const obstacle = await undo(done, runnerOf);
    throw obstacle ? notUndone(failure, obstacle.reason) : failure;
  }
}

/** Waits for all that the steps of a burst have begun. The first failure ends the other waits. */
async function waitFor(
  burst: readonly Step[],
  runnerOf: RunnerOf,
  { signal, waiting }: WaitOptions,
): Promise<void> {
  const failed = new AbortController();
  const wait = { signal: AbortSignal.any([failed.signal, ...signal ? [signal] : []]), waiting };
  const awaiting = burst.filter(({ awaits }) => awaits);
  if (awaiting.length === 0) return;
  const runner = runnerOf(burst[0]!.netns, false, []);
  await Promise.allSettled(awaiting.map(async ({ awaits }) => {
    await awaits!(runner, wait).catch((error) => failed.abort(error));
  }));
  failed.signal.throwIfAborted();
}

async function runBurst(
  burst: Step[],
  runnerOf: RunnerOf,
  done: Step[],
  whenHeld: WhenHeld | undefined,
): Promise<void> {
  const start = performance.now();
  let askedFor: Step | undefined;
  let rest = burst;
  for (;;) {
    const settings = rest.flatMap(({ settings }) => settings ?? []);
    const runner = runnerOf(rest[0]!.netns, false, settings);
    const results = await Promise.allSettled(rest.map((step) => make(runner, step)));
    for (const [index, result] of results.entries()) {
      // If the process ended, the line may have run or not. Undo it in either case.
      if (result.status === "fulfilled" || isIpvlanError(result.reason, "session-closed")) {
        done.push(rest[index]!);
      }
    }
    const failure = results.find((result) => result.status === "rejected");
    if (!failure) return;
    const { reason } = failure;
    const first = results.indexOf(failure);
    const waited = performance.now() - start;
    const step = rest[first]!;
    if (!isHeld(reason) || waited > TIMEOUT) {
      const { explain = explainRights } = step;
      throw isIpvlanError(reason, "ip-command") ? explain(reason) : reason;
    }
    rest = rest.slice(first);
    if (step.gives !== undefined && step !== askedFor && waited > PATIENCE) {
      askedFor = step;
      await whenHeld?.(step.gives);
    }
    await pause(INTERVAL);
  }
}

/** In milliseconds: how long to retry a held address, when to look for the holder, how often to retry. */
const [TIMEOUT, PATIENCE, INTERVAL] = [5000, 1000, 20];

/**
 * Whether a line failed because another ipvlan link has its address. By the records, none of
 * our links has it. But the kernel removes the links of a deleted namespace later (`cleanup_net` in
 * `net/core/net_namespace.c`), without a notice. Only lines in a sandbox give addresses, and there
 * the lines after a failed one were not run, so they can be retried together.
 */
function isHeld(reason: unknown): boolean {
  return isIpvlanError(reason, "ip-command") && reason.errno === "EADDRINUSE";
}

/** Undoes steps, the last first. Goes on after a failure, and resolves to the first one. */
async function undo(done: Step[], runnerOf: RunnerOf): Promise<PromiseRejectedResult | undefined> {
  const lines = done.toReversed().map((step) => step.undo).filter((line) => line !== undefined);
  const results: PromiseSettledResult<void>[] = [];
  for (const burst of bursts(lines)) {
    const settings = burst.flatMap(({ settings }) => settings ?? []);
    const runner = runnerOf(burst[0]!.netns, true, settings);
    results.push(...await Promise.allSettled(burst.map((line) => make(runner, line))));
  }
  return results.find((result): result is PromiseRejectedResult =>
    result.status === "rejected" && !isGone(result.reason)
  );
}

/** Whether a line failed because its object is already gone. For a route, the kernel says ESRCH. */
export function isGone(reason: unknown): boolean {
  return isIpvlanError(reason, "namespace-not-found") ||
    isIpvlanError(reason, "ip-command") &&
      ["EADDRNOTAVAIL", "ENODEV", "ENOENT", "ESRCH"].includes(reason.errno);
}

/**
 * Sorts the steps that make and connect sandboxes by place, to start the fewest processes: first the
 * caller's, which make namespaces, then the host's, then the sandboxes'.
 */
export function byPlace(steps: readonly Step[]): Step[] {
  const rank = ({ netns }: Step) => netns === CALLER ? 0 : netns === undefined ? 1 : 2;
  return steps.toSorted((one, other) => rank(one) - rank(other));
}

/** Groups neighbouring lines that act in one place. What is awaited ends a group. */
function bursts<T extends Line & Pick<Step, "begins" | "awaits">>(lines: readonly T[]): T[][] {
  const result: T[][] = [];
  for (const line of lines) {
    const last = result.at(-1);
    const isOver = line.begins || (last?.at(-1)?.awaits && !line.awaits);
    if (last && last[0]!.netns === line.netns && !isOver) last.push(line);
    else result.push([line]);
  }
  return result;
}
