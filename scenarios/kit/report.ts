import type { Printer } from "./printer.ts";
import { STATEMENT_IDS, type StatementId, STATEMENTS } from "./statements.ts";
import type { Verdict } from "./verdict.ts";

/** How a scenario went. */
export interface ScenarioResult {
  /** Its name. */
  name: string;
  /** How long it took. */
  seconds: number;
  /** What it checked, in order. */
  verdicts: Verdict[];
  /** What ended it early. */
  error?: string;
}

/** How a statement came out of a run: it holds where all checks of it held. */
export interface StatementResult {
  /** The statement. */
  id: StatementId;
  /** How it came out. */
  outcome: "held" | "NOT held" | "not covered";
  /** The scenarios that checked it. */
  scenarios: string[];
}

/** What a run came to. */
export interface Report {
  /** What ran the lab: `native`, `uml`, `vagrant`, or `none`. */
  engine: string;
  /** The kernel's release. */
  kernel: string;
  /** How long all took. */
  seconds: number;
  /** The scenarios that ran. */
  scenarios: ScenarioResult[];
  /** Every statement of the guide. */
  statements: StatementResult[];
}

/** How every statement of the guide came out. */
export function judge(scenarios: readonly ScenarioResult[]): StatementResult[] {
  return STATEMENT_IDS.map((id) => {
    const checks = scenarios.flatMap(({ name, verdicts }) =>
      verdicts.filter((verdict) => verdict.id === id).map(({ held }) => ({ name, held }))
    );
    const outcome = checks.length === 0
      ? "not covered"
      : checks.every(({ held }) => held)
      ? "held"
      : "NOT held";
    return { id, outcome, scenarios: [...new Set(checks.map(({ name }) => name))] };
  });
}

/** How many statements came out in each way. */
export function count(statements: readonly StatementResult[]): {
  total: number;
  held: number;
  failed: number;
  uncovered: number;
} {
  const having = (outcome: string) =>
    statements.filter((statement) => statement.outcome === outcome).length;
  return {
    total: statements.length,
    held: having("held"),
    failed: having("NOT held"),
    uncovered: having("not covered"),
  };
}

/** Whether all went well. Statements that were not covered count against a full run only. */
export function isGood({ scenarios, statements }: Report, full: boolean): boolean {
  const { failed, uncovered } = count(statements);
  return scenarios.every(({ error }) => error === undefined) && failed === 0 &&
    (!full || uncovered === 0);
}

/** The report for programs. */
export function toJson(report: Report): unknown {
  return {
    engine: report.engine,
    kernel: report.kernel,
    seconds: report.seconds,
    scenarios: report.scenarios.map(({ name, seconds, error, verdicts }) => ({
      name,
      seconds,
      error,
      statements: verdicts.map(({ id, held, findings }) => ({
        id,
        held,
        evidence: findings.flatMap(({ evidence }) => evidence),
      })),
    })),
    statements: count(report.statements),
  };
}

/** Prints the table of all statements, for a full run, and the totals. */
export function printReport(report: Report, full: boolean, printer: Printer): void {
  printer.line();
  if (full) {
    const width = Math.max(...Object.values(STATEMENTS).map((text) => text.length));
    for (const { id, outcome, scenarios } of report.statements) {
      printer.line(
        `${id.padEnd(7)}  ${STATEMENTS[id].padEnd(width)}  ${printer.outcome(outcome, 11)}  ${
          scenarios.join(", ")
        }`.trimEnd(),
      );
    }
    printer.line();
  }
  const { held, failed, uncovered, total } = count(report.statements);
  printer.line([
    `${held} of ${full ? total : held + failed} statements held`,
    ...(failed > 0 ? [`${failed} did NOT hold`] : []),
    ...(full && uncovered > 0 ? [`${uncovered} not covered`] : []),
    report.scenarios.length === 1 ? "1 scenario" : `${report.scenarios.length} scenarios`,
    `${report.seconds} s`,
    `Linux ${report.kernel}`,
    `lab: ${report.engine}`,
  ].join(", "));
  const broken = report.scenarios.filter(({ error }) => error !== undefined);
  for (const { name, error } of broken) printer.line(`Failed: ${name}: ${error}`);
}
