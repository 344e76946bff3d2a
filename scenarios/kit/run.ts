import { UserError } from "../../lib/base/errors.ts";
import { Interrupt } from "../../lib/base/signals.ts";
import { Camera } from "./machines/camera.ts";
import type { Printer } from "./report/printer.ts";
import { judge, type Report, type ScenarioResult } from "./report/report.ts";
import type { Scenario } from "./scenario.ts";
import type { StatementId } from "./report/statements.ts";
import { Tour } from "./report/tour.ts";

/** The run was interrupted by a signal. */
class InterruptedError extends UserError {
  /** Makes the error. */
  constructor() {
    super("The run was interrupted, and its machines are removed");
  }
}

/** Listens for the signals that end a run of scenarios, until it is disposed of. */
export function listenForInterrupt(): Interrupt {
  return new Interrupt({ reason: new InterruptedError() });
}

/**
 * Runs scenarios one after another. An interrupt ends the one that runs, and all that follow.
 *
 * @param ids The statements of the report: by default the guide's.
 * @param hasPictures Whether to take pictures of what the scenarios build.
 */
export async function runAll(
  scenarios: readonly Scenario[],
  printer: Printer,
  ids?: readonly StatementId[],
  hasPictures = false,
): Promise<Report> {
  using interrupt = listenForInterrupt();
  const started = performance.now();
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    results.push(await runOne(scenario, printer, interrupt.signal, hasPictures));
    if (interrupt.signal.aborted) break;
  }
  return { ...place(), ...sumUp(results, started, ids) };
}

/** The lab engine and the kernel of this process. */
export function place(): Pick<Report, "engine" | "kernel"> {
  return { engine: Deno.env.get("IPVLAN_LAB") ?? "none", kernel: Deno.osRelease() };
}

/**
 * Makes the report of a run, without its engine and kernel.
 *
 * @param started The start of the run, by `performance.now()`.
 */
export function sumUp(
  scenarios: ScenarioResult[],
  started: number,
  ids?: readonly StatementId[],
): Omit<Report, "engine" | "kernel"> {
  return { seconds: secondsSince(started), scenarios, statements: judge(scenarios, ids) };
}

/** Runs a scenario. An error that it throws becomes part of the result. */
export async function runOne(
  { name, title, run }: Scenario,
  printer: Printer,
  signal: AbortSignal,
  hasPictures = false,
): Promise<ScenarioResult> {
  printer.title(name, title);
  const camera = hasPictures ? new Camera() : undefined;
  const tour = new Tour(printer, signal, camera);
  const started = performance.now();
  let failure: string | undefined;
  try {
    await run(tour);
  } catch (error) {
    failure = describe(error);
    printer.error(failure);
  }
  const { verdicts, versions, entries } = tour;
  const picture = camera?.picture;
  const seconds = secondsSince(started);
  return { name, title, seconds, verdicts, versions, error: failure, entries, picture };
}

/** Formats an error: one line, or with its stack if it is a bug. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Something failed, and then its cleanup, too. The first error is the cause.
  if (error instanceof SuppressedError) {
    return `${describe(error.suppressed)}; then its cleanup failed: ${describe(error.error)}`;
  }
  return error instanceof UserError
    ? `${error.name}: ${error.message}`
    : error.stack ?? String(error);
}

/** The seconds since a time of `performance.now()`, rounded to tenths. */
function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 100) / 10;
}
