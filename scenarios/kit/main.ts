import { readCommandLine } from "../../lib/base/command_line.ts";
import { UserError } from "../../lib/base/errors.ts";
import { kernelFacts } from "../../lib/iproute2/kernel.ts";
import { comparisonJson, printComparison, type ReportFile } from "./report/compare.ts";
import { toPage } from "./report/page.ts";
import { Printer } from "./report/printer.ts";
import { showProgress } from "./report/progress.ts";
import { isGood, printReport, toJson } from "./report/report.ts";
import { runAll } from "./run.ts";
import type { Scenario } from "./scenario.ts";
import { printShared, runShared } from "./shared.ts";
import { type Suite, SUITES } from "./report/statements.ts";

const USAGE =
  `Usage: main.ts [--json FILE] [--report FILE] [--list] [--share FOLDER | --tell FOLDER] [NAME…]

Runs the named scenarios, or all of them, and prints which statements of the guide hold.

  --json FILE     write the report, with all evidence, to FILE
  --report FILE   write the report as an HTML page to FILE, with pictures of what was built
  --pictures      with --share: take these pictures
  --list          list the scenarios
  --share FOLDER  share the scenarios with other processes by FOLDER: run those that no other one has
                  taken, and print nothing
  --guest GUEST   with --share: run only the scenarios of this guest
  --guests        run none, but list the guests with engines, and their programs, as JSON
  --tell FOLDER   run none, but print the results of the processes that share FOLDER
  --compare       run none, but print one table of the reports in the files NAME…
  --help          show this text`;

const OPTIONS = [
  { name: "json", value: "FILE" },
  { name: "report", value: "FILE" },
  { name: "pictures" },
  { name: "list" },
  { name: "share", value: "FOLDER" },
  { name: "guest", value: "GUEST" },
  { name: "guests" },
  { name: "tell", value: "FOLDER" },
  { name: "compare" },
  { name: "help" },
] as const;

/**
 * Runs the command line of one scenario, or of several. Resolves to the exit status: 0 if
 * everything held, 1 if not, 2 for a wrong command line. A run of all scenarios must also check
 * every statement.
 *
 * @param suite The statements: by default the guide's.
 */
export async function main(
  scenarios: readonly Scenario[],
  words: string[],
  suite: Suite = SUITES.guide,
): Promise<number> {
  const line = readCommandLine(OPTIONS, words);
  const names = [...line.words, ...line.behind ?? []];
  const [json, share, tell] = [line.value("json"), line.value("share"), line.value("tell")];
  const page = line.value("report");
  const known = scenarios.map(({ name }) => name);
  // A name without a guest means the scenario in all its guests.
  const isMeant = (name: string, { name: full }: Scenario) =>
    name === full || full.startsWith(`${name}@`);
  const unknown = line.on("compare")
    ? []
    : names.filter((name) => !scenarios.some((each) => isMeant(name, each)));
  const problems = [...line.problems, ...unknown.map((name) => `There is no scenario "${name}"`)];
  if (problems.length > 0) {
    console.error(`${problems.join("; ")}; the scenarios are ${known.join(", ")}`);
    return 2;
  }
  if (line.on("compare")) return await compare(names, json);
  if (line.on("help") || line.on("list")) {
    const width = Math.max(0, ...known.map((name) => name.length));
    const list = scenarios.map(({ name, title }) => `${name.padEnd(width)}  ${title}`);
    console.log(line.on("help") ? USAGE : list.join("\n"));
    return 0;
  }
  const chosen = names.length > 0
    ? scenarios.filter((scenario) => names.some((name) => isMeant(name, scenario)))
    : scenarios;
  if (line.on("guests")) {
    const guests = new Map(chosen.flatMap(({ guest }) => guest ? [[guest.name, guest]] : []));
    console.log(JSON.stringify([...guests.values()]));
    return 0;
  }
  const full = names.length === 0 && scenarios.length !== 1;
  const obstacle = tell === undefined ? await findObstacle(chosen, line.value("guest")) : undefined;
  if (obstacle !== undefined) {
    const command = [suite.command, ...(full ? [] : chosen.map(({ name }) => name))].join(" ");
    console.error(`The scenarios cannot run here, but "${command}" runs them: ${obstacle}`);
    return 1;
  }
  if (Deno.env.get("IPVLAN_LAB") === undefined && tell === undefined) {
    // Its machines and containers could have the same names as the user's own.
    const { main: lab } = await import("../../lab/main.ts");
    const program = [Deno.execPath(), "run", "-A", Deno.mainModule];
    return await lab(["--engine", "native", "--", ...program, ...words]);
  }
  if (share !== undefined) {
    const own = chosen.filter(({ guest }) => guest?.name === line.value("guest"));
    await runShared(share, own, line.on("pictures"));
    return 0;
  }
  const printer = new Printer((line) => console.log(line), colours());
  const report = tell === undefined
    ? await runAll(chosen, printer, suite.ids, page !== undefined)
    : await printShared(tell, chosen, {
      ids: suite.ids,
      printer,
      colours: colours(),
      progress: showProgress,
    });
  printReport(report, full, printer);
  if (json !== undefined) {
    await Deno.writeTextFile(json, JSON.stringify(toJson(report), undefined, 2) + "\n");
  }
  if (page !== undefined) await Deno.writeTextFile(page, toPage(report, full));
  return isGood(report, full) ? 0 : 1;
}

/** Prints one table of reports, and writes it to a file if one is named. */
async function compare(files: string[], json: string | undefined): Promise<number> {
  const reports: ReportFile[] = await Promise.all(
    files.map(async (file) => JSON.parse(await Deno.readTextFile(file))),
  );
  const allHeld = printComparison(reports, new Printer((line) => console.log(line), colours()));
  if (json !== undefined) {
    await Deno.writeTextFile(json, JSON.stringify(comparisonJson(reports), undefined, 2) + "\n");
  }
  return allHeld ? 0 : 1;
}

/** Whether to use colours: on a terminal, unless `NO_COLOR` is set (no-color.org). */
function colours(): boolean {
  return Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
}

/**
 * Finds out why the scenarios cannot run: the kernel lacks something, the user lacks rights, or
 * only a guest has the needed engines.
 */
async function findObstacle(
  scenarios: readonly Scenario[],
  guest: string | undefined,
): Promise<string | undefined> {
  if (guest === undefined && scenarios.some(({ guest }) => guest)) {
    return "they need the programs of engines";
  }
  try {
    const { ipvlan, vlan, dummy } = (await kernelFacts()).problems;
    return (ipvlan ?? vlan ?? dummy)?.message;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}
