import type { Entry, Picture } from "./entry.ts";
import type { Printer } from "./printer.ts";
import { STATEMENT_IDS, type StatementId, STATEMENTS } from "./statements.ts";
import type { Verdict } from "./verdict.ts";

/** The result of a scenario. */
export interface ScenarioResult {
  /** Its name. */
  name: string;
  /** Its title, in one line. @default {undefined} It was not run. */
  title?: string;
  /** Its duration. */
  seconds: number;
  /** The statements that it checked, in order. */
  verdicts: Verdict[];
  /** The programs of engines that it ran, with their versions. @default {undefined} None. */
  versions?: string[];
  /** The error that ended it early. */
  error?: string;
  /** Its guided tour. @default {undefined} It was not run. */
  entries?: Entry[];
  /** The network that it built. @default {undefined} None was asked for, or it built none. */
  picture?: Picture;
}

/** The result of a statement in a run. A statement held if all its checks held. */
export interface StatementResult {
  /** The statement. */
  id: StatementId;
  /** Its outcome. */
  outcome: "held" | "NOT held" | "not yet run";
  /** The scenarios that checked it. */
  scenarios: string[];
  /** The programs of engines that they ran, with their versions. */
  versions: string[];
}

/** The report of a run. */
export interface Report {
  /** The engine of the lab: `native`, `uml`, `qemu`, `vagrant`, or `none` outside the lab. */
  engine: string;
  /** The kernel's release; of scenarios side by side on several kernels, all of them. */
  kernel: string;
  /** The duration of the run. */
  seconds: number;
  /** The scenarios that ran. */
  scenarios: ScenarioResult[];
  /** Every statement of the suite. */
  statements: StatementResult[];
}

/** Makes the results of all statements, by default the guide's. */
export function judge(
  scenarios: readonly ScenarioResult[],
  ids: readonly StatementId[] = STATEMENT_IDS,
): StatementResult[] {
  return ids.map((id) => {
    const checks = scenarios.flatMap(({ name, verdicts, versions = [] }) =>
      verdicts.filter((verdict) => verdict.id === id).map(({ held }) => ({ name, held, versions }))
    );
    const outcome = checks.length === 0
      ? "not yet run"
      : checks.every(({ held }) => held)
      ? "held"
      : "NOT held";
    return {
      id,
      outcome,
      scenarios: [...new Set(checks.map(({ name }) => name))],
      versions: [...new Set(checks.flatMap(({ versions }) => versions))],
    };
  });
}

/** Counts the statements by outcome. */
export function countOutcomes(statements: readonly StatementResult[]): {
  total: number;
  held: number;
  failed: number;
  uncovered: number;
} {
  const countWith = (outcome: string) =>
    statements.filter((statement) => statement.outcome === outcome).length;
  return {
    total: statements.length,
    held: countWith("held"),
    failed: countWith("NOT held"),
    uncovered: countWith("not yet run"),
  };
}

/** Whether a run succeeded. Statements that no scenario covered matter only in a full run. */
export function isGood({ scenarios, statements }: Report, full: boolean): boolean {
  const { failed, uncovered } = countOutcomes(statements);
  return scenarios.every(({ error }) => error === undefined) && failed === 0 &&
    (!full || uncovered === 0);
}

/** Makes the report as JSON. */
export function toJson(report: Report): unknown {
  return {
    engine: report.engine,
    kernel: report.kernel,
    seconds: report.seconds,
    scenarios: report.scenarios.map(({ name, seconds, error, versions = [], verdicts }) => ({
      name,
      seconds,
      error,
      // Only scenarios of engines have versions.
      versions: versions.length > 0 ? versions : undefined,
      statements: verdicts.map(({ id, held, findings }) => ({
        id,
        held,
        evidence: findings.flatMap(({ evidence }) => evidence),
      })),
    })),
    statements: countOutcomes(report.statements),
  };
}

/** Prints the totals of a run, and before them, for a full run, the table of all statements. */
export function printReport(report: Report, full: boolean, printer: Printer): void {
  printer.line();
  if (full) {
    const width = Math.max(...report.statements.map(({ id }) => STATEMENTS[id].length));
    for (const { id, outcome, scenarios, versions } of report.statements) {
      const proof = versions.length > 0 ? versions : scenarios;
      printer.line(
        `${id.padEnd(7)}  ${STATEMENTS[id].padEnd(width)}  ${printer.outcome(outcome, 11)}  ${
          proof.join(", ")
        }`.trimEnd(),
      );
    }
    printer.line();
  }
  const { held, failed, uncovered, total } = countOutcomes(report.statements);
  const broken = report.scenarios.filter(({ error }) => error !== undefined);
  printer.line([
    `${held} of ${full ? total : held + failed} statements held`,
    ...(failed > 0 ? [`${failed} did NOT hold`] : []),
    ...(full && uncovered > 0 ? [`${uncovered} not yet run`] : []),
    report.scenarios.length === 1 ? "1 scenario" : `${report.scenarios.length} scenarios`,
    // We do not know which statements they would have checked.
    ...(broken.length > 0 ? [`${broken.length} of them failed`] : []),
    `${report.seconds} s`,
    `Linux ${report.kernel}`,
    `lab: ${report.engine}`,
  ].join(", "));
  for (const { name, error } of broken) printer.line(`Failed: ${name}: ${error}`);
}
