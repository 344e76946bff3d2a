/**
 * Runs the scenarios in an engine: one after another in one job, or side by side in several jobs.
 *
 * @module
 */
import type { Engine, Requirements } from "./engine.ts";
import { LabError, UsageError } from "./errors.ts";
import { projectFile } from "./job.ts";
import { withRunFolder } from "./run_folder.ts";

/** The most jobs at once: about as many as there are scenarios. */
const MAX_JOBS = 16;

/** The files to write reports to. */
export interface ReportFiles {
  /** The file for the report as JSON. */
  json?: string;
  /** The file for the report as an HTML page. */
  report?: string;
}

/** The scenarios to run, and the files for their report. */
export interface ScenarioRequest extends ReportFiles {
  /** The names of the scenarios; an empty list means all. */
  names: string[];
  /** Whether to print nothing. */
  quiet?: boolean;
}

/** The suites of scenarios that run in guests with programs, by their folder in `scenarios/`. */
export const GUEST_SUITES = ["engines", "hosts", "beyond"] as const;

/** The name of such a suite. */
export type GuestSuite = typeof GUEST_SUITES[number];

/** The guide's scenarios, and those of the other suites. */
const ALL_SUITES = [undefined, ...GUEST_SUITES];

/**
 * Asserts that all scenarios exist, before anything is fetched or started for them.
 *
 * @param names A name without a guest means the scenario in all its guests.
 * @throws {UsageError} if a suite lacks one, with the command that runs it if another suite has it.
 */
export async function assertScenarios(
  names: readonly string[],
  suite?: GuestSuite,
): Promise<void> {
  if (names.length === 0) return;
  const own = await scenarioNames(suite);
  const isMissing = (known: string[]) => (name: string) =>
    !known.some((full) => full === name || full.startsWith(`${name}@`));
  const missing = names.filter(isMissing(own));
  if (missing.length === 0) return;
  const hints = [];
  for (const other of ALL_SUITES.filter((other) => other !== suite)) {
    const theirs = await scenarioNames(other);
    const found = missing.filter((name) => !isMissing(theirs)(name));
    if (found.length === 0) continue;
    hints.push(`"${["deno task lab", ...other ? [other] : [], ...found].join(" ")}"`);
  }
  throw new UsageError(
    `There is no scenario "${missing.join('", "')}"${suite ? ` of ${suite}` : ""}: ` +
      (hints.length > 0 ? `did you mean ${hints.join(" and ")}` : `there are ${own.join(", ")}`),
  );
}

/** The names of a suite's scenarios, with their guests: `netavark@podman5`. */
async function scenarioNames(suite?: GuestSuite): Promise<string[]> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", scenariosProgram(suite), "--list"],
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new LabError("Cannot load the scenarios; see above");
  return new TextDecoder().decode(stdout).trimEnd().split("\n").map((line) => line.split(" ")[0]!);
}

/** Lists the scenarios: the guide's, and those of the other suites. Resolves to the exit status. */
export async function listScenarios(): Promise<number> {
  for (const program of ALL_SUITES.map((suite) => scenariosProgram(suite))) {
    const args = ["run", "-A", program, "--list"];
    const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
    if (code !== 0) return code;
  }
  return 0;
}

/** Runs scenarios in an engine. Resolves to the exit status. */
export async function runScenarios(
  engine: Engine,
  { names, json, report, quiet = false }: ScenarioRequest,
  requirements: Requirements,
): Promise<number> {
  await cacheScenarios(scenariosProgram());
  return await withRunFolder(async (share) => {
    const reports = new Reports(share, { json, report });
    // A scenario waits most of the time, so each CPU gets two.
    const wanted = Math.min(names.length || MAX_JOBS, 2 * navigator.hardwareConcurrency);
    const jobs = await engine.maxJobs(wanted);
    const status = jobs === 1
      ? await runInTurn(engine, { share, reports, names, requirements })
      : await runSideBySide(engine, { share, reports, names, requirements, jobs, quiet });
    await reports.copy();
    return status;
  });
}

/** Caches the imports of a program of scenarios, as the lab has no network. */
export async function cacheScenarios(program: string): Promise<void> {
  const args = ["cache", "--quiet", program];
  const cached = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (!cached.success) throw new LabError("Cannot load the scenarios; see above");
}

/** One run of some scenarios. */
interface ScenarioRun {
  /** A folder for this run, which the jobs can write to. */
  share: string;
  reports: Reports;
  names: string[];
  requirements: Requirements;
}

/** The command line that runs scenarios inside. */
function scenarioCommand(engine: Engine, names: string[], ...options: string[]): string[] {
  return commandInside(engine, scenariosProgram(), ...options, ...names);
}

/** The command line that runs a program of the project inside, where there is no network. */
function commandInside(engine: Engine, program: string, ...words: string[]): string[] {
  const path = engine.pathInside?.(program) ?? program;
  return ["deno", "run", "-A", "--quiet", "--cached-only", path, ...words];
}

/** Runs a shell on the user's terminal, on a host with `eth0`. Resolves to its exit status. */
export async function runPlayground(engine: Engine, requirements: Requirements): Promise<number> {
  const program = projectFile("scenarios/kit/playground.ts");
  await cacheScenarios(program);
  const command = commandInside(engine, program);
  return await engine.run({ ...requirements, command, interactive: true, cwd: Deno.cwd() });
}

/** Runs the scenarios one after another, in one job. */
function runInTurn(
  engine: Engine,
  { share, reports, names, requirements }: ScenarioRun,
): Promise<number> {
  const words = reports.options((path) => engine.pathInside?.(path) ?? path);
  const command = scenarioCommand(engine, names, ...words);
  return engine.run({ ...requirements, command, cwd: Deno.cwd(), share });
}

/** Runs the scenarios in several jobs. A process outside prints their results and the report. */
async function runSideBySide(
  engine: Engine,
  { share, reports, names, requirements, jobs, quiet }: ScenarioRun & {
    jobs: number;
    quiet: boolean;
  },
): Promise<number> {
  const silence = new AbortController();
  const words = ["--tell", share, ...reports.options(), ...names];
  const printer = startPrinter(scenariosProgram(), words, { quiet, signal: silence.signal });
  const shareInside = engine.pathInside?.(share) ?? share;
  const otherJobs = new AbortController();
  let failure: { error: unknown } | undefined;
  const endAll = (error: unknown) => {
    failure ??= { error };
    otherJobs.abort();
  };
  const runJob = async () => {
    try {
      const status = await engine.run({
        ...requirements,
        signal: AbortSignal.any([requirements.signal, otherJobs.signal]),
        command: scenarioCommand(engine, names, "--share", shareInside, ...reports.guestOptions),
        cwd: Deno.cwd(),
        share,
        jobsAtOnce: jobs,
      });
      if (status !== 0) {
        endAll(new LabError(`The scenarios ended with status ${status}; see above`));
      }
    } catch (error) {
      endAll(error);
    }
  };
  await Promise.all(Array.from({ length: jobs }, runJob));
  // If no scenario has begun, there is nothing to print, and the lab tries the next engine.
  if (requirements.signal.aborted || failure && !hasBegun(share)) silence.abort();
  await Deno.writeTextFile(`${share}/ended`, "");
  const { code } = await printer.status;
  requirements.signal.throwIfAborted();
  if (failure) throw failure.error;
  return code;
}

/** Starts the process outside that prints the results of scenarios in guests. It ends with the lab. */
export function startPrinter(
  program: string,
  words: readonly string[],
  { quiet, signal }: { quiet: boolean; signal: AbortSignal },
): Deno.ChildProcess {
  return new Deno.Command("setpriv", {
    args: ["--pdeathsig", "TERM", Deno.execPath(), "run", "-A", program, ...words],
    stdin: "null",
    stdout: quiet ? "null" : "inherit",
    signal,
  }).spawn();
}

/** Whether any scenario has begun. */
function hasBegun(share: string): boolean {
  return [...Deno.readDirSync(share)].some(({ name }) => name.endsWith(".taken"));
}

/**
 * The program of the scenarios: a path, or a URL if this module was loaded from the network.
 *
 * @param suite Another suite than the guide's.
 */
export function scenariosProgram(suite?: GuestSuite): string {
  return projectFile(suite === undefined ? "scenarios/main.ts" : `scenarios/${suite}/main.ts`);
}

/** The reports of a run: written into its folder, and copied to where they are wanted. */
export class Reports {
  readonly #files: { option: "json" | "report"; path: string; to?: string }[];
  /** The options of the program of scenarios in a guest whose results another process prints. */
  readonly guestOptions: readonly string[];

  /** @param share The folder of the run. */
  constructor(share: string, { json, report }: ReportFiles) {
    this.#files = [
      { option: "json", path: `${share}/report.json`, to: json },
      ...report === undefined
        ? []
        : [{ option: "report", path: `${share}/report.html`, to: report } as const],
    ];
    this.guestOptions = report === undefined ? [] : ["--pictures"];
  }

  /** The options of the program of scenarios that writes them. */
  options(pathInside = (path: string): string => path): string[] {
    return this.#files.flatMap(({ option, path }) => [`--${option}`, pathInside(path)]);
  }

  /** Copies them. @throws {LabError} One cannot be written. */
  async copy(): Promise<void> {
    for (const { path, to } of this.#files) if (to !== undefined) await copyReport(path, to);
  }
}

/** Copies a report. @throws {LabError} if it cannot be written. */
export async function copyReport(from: string, to: string): Promise<void> {
  try {
    await Deno.writeFile(to, await Deno.readFile(from));
  } catch (cause) {
    throw new LabError(`Cannot write the report to "${to}": ${(cause as Error).message}`, {
      cause,
    });
  }
}
