/**
 * How the lab runs the scenarios: one after another in one place, or side by side in several.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Engine, Wish } from "./engine.ts";
import { LabError } from "./errors.ts";
import { withShare } from "./run_folder.ts";

/** More jobs than this at once gain nothing: it is how many scenarios there are. */
const MOST_JOBS = 16;

/** Which scenarios, and where their report goes. */
export interface ScenarioRequest {
  /** The names; all without any. */
  names: string[];
  /** The file for the report. */
  json?: string;
  /** Whether nothing is printed but the report. */
  quiet?: boolean;
}

/** Lists the scenarios. Resolves to the exit status. */
export async function listScenarios(): Promise<number> {
  const args = ["run", "-A", scenarios(), "--list"];
  return (await new Deno.Command(Deno.execPath(), { args }).spawn().status).code;
}

/** Runs scenarios in an engine. Resolves to the exit status. */
export async function runScenarios(
  engine: Engine,
  { names, json, quiet = false }: ScenarioRequest,
  wish: Wish,
): Promise<number> {
  // There is no network inside: what the scenarios import has to be there before.
  const args = ["cache", "--quiet", scenarios()];
  const cached = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (!cached.success) throw new LabError("Cannot load the scenarios; see above");

  return await withShare(async (share) => {
    const report = `${share}/report.json`;
    // A scenario waits most of the time, so that two of them go on one CPU.
    const wanted = Math.min(names.length || MOST_JOBS, 2 * navigator.hardwareConcurrency);
    const jobs = await engine.atMost(wanted);
    const status = jobs === 1
      ? await runInTurn(engine, { share, report, names, wish })
      : await runSideBySide(engine, { share, report, names, wish, jobs, quiet });
    if (json !== undefined) await copyReport(report, json);
    return status;
  });
}

interface Run {
  /** A folder for this run, which the engine shows inside, too. */
  share: string;
  /** The file in it for the report. */
  report: string;
  names: string[];
  wish: Wish;
}

/** The command that does something with scenarios inside. */
function command(engine: Engine, names: string[], ...options: string[]): string[] {
  const path = engine.inside?.(scenarios()) ?? scenarios();
  return ["deno", "run", "-A", "--cached-only", path, ...options, ...names];
}

function runInTurn(engine: Engine, { share, report, names, wish }: Run): Promise<number> {
  const inside = engine.inside?.(report) ?? report;
  const cwd = Deno.cwd();
  return engine.run({ ...wish, command: command(engine, names, "--json", inside), cwd, share });
}

/** Several jobs run the scenarios, and a process out here tells what becomes of them. */
async function runSideBySide(
  engine: Engine,
  { share, report, names, wish, jobs, quiet }: Run & { jobs: number; quiet: boolean },
): Promise<number> {
  const tell = [Deno.execPath(), "run", "-A", scenarios(), "--tell", share, "--json", report];
  const silence = new AbortController();
  const teller = new Deno.Command("setpriv", {
    args: ["--pdeathsig", "TERM", ...tell, ...names],
    stdin: "null",
    stdout: quiet ? "null" : "inherit",
    signal: silence.signal,
  }).spawn();
  const over = new AbortController();
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    over.abort();
  };
  const runOne = async () => {
    try {
      const status = await engine.run({
        ...wish,
        signal: AbortSignal.any([wish.signal, over.signal]),
        command: command(engine, names, "--share", engine.inside?.(share) ?? share),
        cwd: Deno.cwd(),
        share,
        beside: jobs,
      });
      if (status !== 0) fail(new LabError(`The scenarios ended with status ${status}; see above`));
    } catch (error) {
      fail(error);
    }
  };
  await Promise.all(Array.from({ length: jobs }, runOne));
  // Nothing has begun: another engine will be tried, or nothing is to be told.
  if (wish.signal.aborted || failure && !began(share)) silence.abort();
  await Deno.writeTextFile(`${share}/ended`, "");
  const { code } = await teller.status;
  wish.signal.throwIfAborted();
  if (failure) throw failure.error;
  return code;
}

/** Whether any scenario has begun. */
function began(share: string): boolean {
  return [...Deno.readDirSync(share)].some(({ name }) => name.endsWith(".taken"));
}

/** The scenarios' program: a path in a checkout, an address when this module came from one. */
export function scenarios(): string {
  const url = new URL("../scenarios/main.ts", import.meta.url);
  return url.protocol === "file:" ? fileURLToPath(url) : url.href;
}

/** Copies a report to where it is wanted. @throws {LabError} if it cannot be written there. */
export async function copyReport(from: string, to: string): Promise<void> {
  try {
    await Deno.writeFile(to, await Deno.readFile(from));
  } catch (cause) {
    throw new LabError(`Cannot write the report to "${to}": ${(cause as Error).message}`, {
      cause,
    });
  }
}
