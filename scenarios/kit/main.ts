import { parseArgs } from "@std/cli/parse-args";
import { IpvlanError } from "../../lib/errors.ts";
import { kernelFacts } from "../../lib/iproute2/kernel.ts";
import { Printer } from "./printer.ts";
import { isGood, judge, printReport, type Report, type ScenarioResult, toJson } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { Tour } from "./tour.ts";

/** The run was interrupted by a signal. */
class InterruptedError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("The run was interrupted, and what was made is removed");
  }
}

const USAGE = `Usage: main.ts [--json FILE] [--list] [NAME…]

Runs the scenarios named, or all of them, and says which statements of the guide hold.

  --json FILE  write the report, with all evidence, to FILE
  --list       list the scenarios
  --help       show this text`;

/**
 * The command line of one scenario, or of many. The exit status is 0 if everything held (and, of a
 * run of all of many, if every statement of the guide was checked), 1 if not, 2 for a bad command line.
 */
export async function main(scenarios: readonly Scenario[], words: string[]): Promise<number> {
  const unknown: string[] = [];
  const args = parseArgs(words, {
    boolean: ["list", "help"],
    string: ["json"],
    unknown: (word) => void (word.startsWith("-") && unknown.push(word)),
  });
  const names = args._.map(String);
  const known = scenarios.map(({ name }) => name);
  const bad = [...unknown, ...names.filter((name) => !known.includes(name))];
  if (args.json === "") bad.push("--json without a file");
  if (bad.length > 0) {
    console.error(`Unknown: ${bad.join(", ")}; the scenarios are ${known.join(", ")}`);
    return 2;
  }
  if (args.help || args.list) {
    const width = Math.max(...known.map((name) => name.length));
    const list = scenarios.map(({ name, title }) => `${name.padEnd(width)}  ${title}`);
    console.log(args.help ? USAGE : list.join("\n"));
    return 0;
  }
  const chosen = names.length > 0
    ? scenarios.filter(({ name }) => names.includes(name))
    : scenarios;
  const full = names.length === 0 && scenarios.length > 1;
  const obstacle = await findObstacle();
  if (obstacle !== undefined) {
    const command = ["deno task lab", ...(full ? [] : chosen.map(({ name }) => name))].join(" ");
    console.error(`The scenarios cannot run here, but "${command}" runs them: ${obstacle}`);
    return 1;
  }
  const printer = Printer.stdout();
  const report = await runAll(chosen, printer);
  printReport(report, full, printer);
  if (args.json !== undefined) {
    await Deno.writeTextFile(args.json, JSON.stringify(toJson(report), undefined, 2) + "\n");
  }
  return isGood(report, full) ? 0 : 1;
}

/** Why the scenarios cannot run in this kernel, or with the caller's rights. */
async function findObstacle(): Promise<string | undefined> {
  try {
    const { ipvlan, vlan, dummy } = (await kernelFacts()).problems;
    return (ipvlan ?? vlan ?? dummy)?.message;
  } catch (error) {
    if (error instanceof IpvlanError) return error.message;
    throw error;
  }
}

/** Runs scenarios one after another. An interrupt ends the one that runs, and all that follow. */
export async function runAll(scenarios: readonly Scenario[], printer: Printer): Promise<Report> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort(new InterruptedError());
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  const started = performance.now();
  const results: ScenarioResult[] = [];
  try {
    for (const scenario of scenarios) {
      results.push(await runOne(scenario, printer, interrupt.signal));
      if (interrupt.signal.aborted) break;
    }
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
  }
  return {
    engine: Deno.env.get("IPVLAN_LAB") ?? "none",
    kernel: Deno.osRelease(),
    seconds: secondsSince(started),
    scenarios: results,
    statements: judge(results),
  };
}

async function runOne(
  { name, title, run }: Scenario,
  printer: Printer,
  signal: AbortSignal,
): Promise<ScenarioResult> {
  printer.title(name, title);
  const tour = new Tour(printer, signal);
  const started = performance.now();
  let failure: string | undefined;
  try {
    await run(tour);
  } catch (error) {
    failure = describe(error);
    printer.error(failure);
  }
  return { name, seconds: secondsSince(started), verdicts: tour.verdicts, error: failure };
}

/** An error in a line; with the stack where it is a defect. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof IpvlanError
    ? `${error.name}: ${error.message}`
    : error.stack ?? String(error);
}

/** Seconds with a tenth. */
function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 100) / 10;
}
