/**
 * Runs scenarios side by side. Several processes, each in its own kernel, take the scenarios from a
 * shared folder. One process outside prints their results, in the order of the scenarios.
 *
 * The files of the folder: `NAME.taken` means that a process runs the scenario, `NAME.json` is its
 * result, and `ended` means that all processes have ended.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { Printer } from "./report/printer.ts";
import type { Report, ScenarioResult } from "./report/report.ts";
import { listenForInterrupt, place, runOne, sumUp } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import type { StatementId } from "./report/statements.ts";

/** The content of a scenario's result file. */
interface SharedResult {
  place: Pick<Report, "engine" | "kernel">;
  result: ScenarioResult;
  /** The lines that it printed, with colours. */
  lines: string[];
}

/**
 * Runs the scenarios that no other process has taken.
 *
 * @param hasPictures Whether to take pictures of what the scenarios build.
 */
export async function runShared(
  folder: string,
  scenarios: readonly Scenario[],
  hasPictures = false,
): Promise<void> {
  using interrupt = listenForInterrupt();
  for (const scenario of scenarios) {
    if (interrupt.signal.aborted) return;
    if (!await take(`${folder}/${scenario.name}.taken`)) continue;
    const lines: string[] = [];
    const printer = new Printer((line) => lines.push(line), true);
    const result = await runOne(scenario, printer, interrupt.signal, hasPictures);
    const outcome: SharedResult = { place: place(), result, lines };
    // Write the file under another name first: the reader reads it as soon as it has this name.
    const file = `${folder}/${scenario.name}.json`;
    await Deno.writeTextFile(`${file}.new`, JSON.stringify(outcome));
    await Deno.rename(`${file}.new`, file);
  }
}

/** Explains why a scenario has no result. */
function whyNoResult(folder: string, name: string): string {
  const began = [...Deno.readDirSync(folder)].some((file) => file.name === `${name}.taken`);
  return began ? "Its guest ended before the scenario" : "It was not run";
}

/** Makes a file. Resolves to `false` if it exists already. */
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
 * Prints the results of scenarios that other processes run. It prints a result as soon as that
 * scenario and all before it have ended.
 *
 * @param options.ids The statements of the report: by default the guide's.
 * @param options.colours Whether to print in colours.
 * @param options.progress Shows a line with the progress of the other processes.
 */
export async function printShared(
  folder: string,
  scenarios: readonly Scenario[],
  { ids, printer, colours, progress }: {
    ids?: readonly StatementId[];
    printer: Printer;
    colours: boolean;
    progress: (line: string) => void;
  },
): Promise<Report> {
  const started = performance.now();
  const outcomes = new Map<string, SharedResult>();
  let printed = 0;
  // Resolves to whether there is more to wait for.
  const printNext = async () => {
    const files = new Set([...Deno.readDirSync(folder)].map(({ name }) => name));
    for (const { name } of scenarios) {
      if (outcomes.has(name) || !files.has(`${name}.json`)) continue;
      outcomes.set(name, JSON.parse(await Deno.readTextFile(`${folder}/${name}.json`)));
    }
    progress("");
    while (printed < scenarios.length) {
      const outcome = outcomes.get(scenarios[printed]!.name);
      if (!outcome) break;
      for (const line of outcome.lines) {
        printer.line(colours ? line : stripVTControlCharacters(line));
      }
      printed++;
    }
    if (printed < scenarios.length) {
      const running = scenarios.map(({ name }) => name)
        .filter((name) => files.has(`${name}.taken`) && !outcomes.has(name));
      progress(
        `${outcomes.size} of ${scenarios.length} have ended; running: ${running.join(", ")}`,
      );
    }
    return printed < scenarios.length && !files.has("ended");
  };
  {
    using watcher = Deno.watchFs(folder, { recursive: false });
    const changes = watcher[Symbol.asyncIterator]();
    // Start the watch before reading the folder: then every later file causes a change.
    while (await printNext()) await changes.next();
  }
  progress("");
  const results = scenarios.map(({ name }): ScenarioResult =>
    outcomes.get(name)?.result ??
      { name, seconds: 0, verdicts: [], error: whyNoResult(folder, name) }
  );
  const places = [...outcomes.values()].map(({ place }) => place);
  const all = (words: string[]) => [...new Set(words)].sort().join(", ") || "none";
  return {
    engine: all(places.map(({ engine }) => engine)),
    kernel: all(places.map(({ kernel }) => kernel)),
    ...sumUp(results, started, ids),
  };
}
