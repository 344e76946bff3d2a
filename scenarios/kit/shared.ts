/**
 * Scenarios side by side: several processes, each in a kernel of its own, take them from a folder
 * that they share, and one process outside tells what they found, in the scenarios' order.
 *
 * The files of the folder: `NAME.taken` means that a process runs the scenario, `NAME.json` is its
 * result, and `ended` means that all processes have ended.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { Printer } from "./printer.ts";
import type { Report, ScenarioResult } from "./report.ts";
import { listenForInterrupt, place, runOne, sumUp } from "./run.ts";
import type { Scenario } from "./scenario.ts";

/** What becomes of a scenario, in its file. */
interface Outcome {
  place: Pick<Report, "engine" | "kernel">;
  result: ScenarioResult;
  /** What it printed, in colours. */
  lines: string[];
}

/** Runs all scenarios of a list that no other process has taken before. */
export async function runShared(folder: string, scenarios: readonly Scenario[]): Promise<void> {
  using interrupt = listenForInterrupt();
  for (const scenario of scenarios) {
    if (interrupt.signal.aborted) return;
    if (!await take(`${folder}/${scenario.name}.taken`)) continue;
    const lines: string[] = [];
    const printer = new Printer((line) => lines.push(line), true);
    const result = await runOne(scenario, printer, interrupt.signal);
    const outcome: Outcome = { place: place(), result, lines };
    // Whole or not there at all: it is read as soon as it has its name.
    const file = `${folder}/${scenario.name}.json`;
    await Deno.writeTextFile(`${file}.new`, JSON.stringify(outcome));
    await Deno.rename(`${file}.new`, file);
  }
}

/** Makes a file; `false` if it is there already. */
async function take(path: string): Promise<boolean> {
  try {
    (await Deno.open(path, { write: true, createNew: true })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

/**
 * Tells what becomes of scenarios that others run: each as soon as it has ended and those before it
 * have been told.
 *
 * @param colours Whether to tell it in colours.
 * @param progress Gets a line on how far the others are, whenever that changes.
 */
export async function tellShared(
  folder: string,
  scenarios: readonly Scenario[],
  { printer, colours, progress }: {
    printer: Printer;
    colours: boolean;
    progress: (line: string) => void;
  },
): Promise<Report> {
  const started = performance.now();
  const outcomes = new Map<string, Outcome>();
  let told = 0;
  const tellNext = async () => {
    const files = new Set([...Deno.readDirSync(folder)].map(({ name }) => name));
    for (const { name } of scenarios) {
      if (outcomes.has(name) || !files.has(`${name}.json`)) continue;
      outcomes.set(name, JSON.parse(await Deno.readTextFile(`${folder}/${name}.json`)));
    }
    progress("");
    while (told < scenarios.length) {
      const outcome = outcomes.get(scenarios[told]!.name);
      if (!outcome) break;
      for (const line of outcome.lines) {
        printer.line(colours ? line : stripVTControlCharacters(line));
      }
      told++;
    }
    if (told < scenarios.length) {
      const running = scenarios.map(({ name }) => name)
        .filter((name) => files.has(`${name}.taken`) && !outcomes.has(name));
      progress(
        `${outcomes.size} of ${scenarios.length} have ended; running: ${running.join(", ")}`,
      );
    }
    return told < scenarios.length && !files.has("ended");
  };
  {
    using watcher = Deno.watchFs(folder, { recursive: false });
    const changes = watcher[Symbol.asyncIterator]();
    // The watch has begun: a file that is not seen now makes a change later.
    while (await tellNext()) await changes.next();
  }
  progress("");
  const results = scenarios.map(({ name }): ScenarioResult =>
    outcomes.get(name)?.result ?? { name, seconds: 0, verdicts: [], error: "It was not run" }
  );
  const [{ place } = { place: { engine: "none", kernel: "none" } }] = outcomes.values();
  return { ...place, ...sumUp(results, started) };
}
