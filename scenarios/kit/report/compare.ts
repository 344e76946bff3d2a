/**
 * Makes one table of several reports: the outcome of each statement on each kernel.
 *
 * @module
 */
import type { Evidence } from "../../../lib/check/mod.ts";
import type { Printer } from "./printer.ts";
import { STATEMENT_IDS, type StatementId, STATEMENTS } from "./statements.ts";

/** The content of a report file, as `toJson` of `report.ts` writes it. */
export interface ReportFile {
  /** The engine of the lab. */
  engine: string;
  /** The kernel's release. */
  kernel: string;
  /** The duration of the run. */
  seconds: number;
  /** The scenarios that ran. */
  scenarios: {
    name: string;
    error?: string;
    statements: { id: StatementId; held: boolean; evidence: Evidence[] }[];
  }[];
}

/** The outcome of a statement on a kernel. */
export type Outcome = "held" | "NOT held" | "not yet run";

/** The outcome of a statement in a report. A statement held if all its checks held. */
function outcomeIn({ scenarios }: ReportFile, id: StatementId): Outcome {
  const checks = scenarios.flatMap(({ statements }) => statements.filter((each) => each.id === id));
  if (checks.length === 0) return "not yet run";
  return checks.every(({ held }) => held) ? "held" : "NOT held";
}

/** Prints the table, and the evidence of statements that did not hold. Returns whether all held. */
export function printComparison(reports: readonly ReportFile[], printer: Printer): boolean {
  const width = Math.max(...STATEMENT_IDS.map((id) => STATEMENTS[id].length));
  const columns = reports.map(({ kernel }) => Math.max(kernel.length, "not yet run".length));
  const line = (first: string, cells: string[]) =>
    printer.line(`${first}  ${cells.join("  ")}`.trimEnd());
  const padded = (cells: readonly string[]) =>
    cells.map((cell, index) => cell.padEnd(columns[index]!));
  line(" ".repeat(width + 9), padded(reports.map(({ kernel }) => kernel)));
  line(" ".repeat(width + 9), padded(reports.map(({ engine }) => engine)));
  for (const id of STATEMENT_IDS) {
    const cells = reports.map((report, index) =>
      printer.outcome(outcomeIn(report, id), columns[index]!)
    );
    line(`${id.padEnd(7)}  ${STATEMENTS[id].padEnd(width)}`, cells);
  }
  for (const report of reports) printFailures(report, printer);
  printer.line();
  let allHeld = reports.length > 0;
  for (const report of reports) {
    const held = STATEMENT_IDS.filter((id) => outcomeIn(report, id) === "held").length;
    const errors = report.scenarios.filter(({ error }) => error !== undefined);
    allHeld &&= held === STATEMENT_IDS.length && errors.length === 0;
    printer.line(
      `${held} of ${STATEMENT_IDS.length} statements held, ${report.seconds} s, ` +
        `Linux ${report.kernel}, lab: ${report.engine}`,
    );
  }
  return allHeld;
}

function printFailures({ kernel, scenarios }: ReportFile, printer: Printer): void {
  for (const { name, error, statements } of scenarios) {
    for (const { id, evidence } of statements.filter(({ held }) => !held)) {
      printer.line();
      printer.line(`${id} did not hold on Linux ${kernel} (${name}):`);
      for (const each of evidence) printer.evidence(each);
    }
    if (error === undefined) continue;
    printer.line();
    printer.line(`${name} failed on Linux ${kernel}: ${error}`);
  }
}

/** Makes the table as JSON, with the reports. */
export function comparisonJson(reports: readonly ReportFile[]): unknown {
  return {
    kernels: reports,
    statements: Object.fromEntries(
      STATEMENT_IDS.map((id) => [
        id,
        Object.fromEntries(reports.map((report) => [report.kernel, outcomeIn(report, id)])),
      ]),
    ),
  };
}
