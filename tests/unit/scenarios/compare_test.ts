import { assertEquals, assertMatch } from "@std/assert";
import {
  comparisonJson,
  printComparison,
  type ReportFile,
} from "../../../scenarios/kit/report/compare.ts";
import { Printer } from "../../../scenarios/kit/report/printer.ts";
import { STATEMENT_IDS } from "../../../scenarios/kit/report/statements.ts";

/** A report in which every statement held, except those that `differing` names. */
function report(kernel: string, differing: Record<string, boolean | undefined> = {}): ReportFile {
  const evidence = [{ command: "ping x", output: "an answer" }];
  const statements = STATEMENT_IDS.map((id) => ({
    id,
    held: id in differing ? differing[id] : true,
    evidence,
  })).filter((each): each is typeof each & { held: boolean } => each.held !== undefined);
  return { engine: "qemu", kernel, seconds: 2, scenarios: [{ name: "s", statements }] };
}

/** Prints the table of reports into a list of lines. */
function compare(...reports: ReportFile[]): { allHeld: boolean; lines: string[] } {
  const lines: string[] = [];
  const allHeld = printComparison(reports, new Printer((line) => lines.push(line), false));
  return { allHeld, lines };
}

Deno.test("the table has a line for each statement, and a column for each kernel", () => {
  const { allHeld, lines } = compare(report("5.10"), report("6.1"));
  assertEquals(allHeld, true);
  assertMatch(lines[0]!, /^ +5\.10 +6\.1$/);
  assertEquals(lines.filter((line) => / held +held$/.test(line)).length, STATEMENT_IDS.length);
  const all = STATEMENT_IDS.length;
  assertEquals(lines.at(-1), `${all} of ${all} statements held, 2 s, Linux 6.1, lab: qemu`);
});

Deno.test("a statement that did not hold on a kernel is printed with its evidence", () => {
  const { allHeld, lines } = compare(report("5.10", { "L2-1": false, "L2-2": undefined }));
  assertEquals(allHeld, false);
  assertMatch(lines.find((line) => line.startsWith("L2-1 "))!, / NOT held$/);
  assertMatch(lines.find((line) => line.startsWith("L2-2 "))!, / not yet run$/);
  const at = lines.indexOf("L2-1 did not hold on Linux 5.10 (s):");
  assertEquals(lines.slice(at + 1, at + 3), ["    $ ping x", "    an answer"]);
  const all = STATEMENT_IDS.length;
  assertEquals(lines.at(-1), `${all - 2} of ${all} statements held, 2 s, Linux 5.10, lab: qemu`);
  const { statements } = comparisonJson([report("5.10", { "L2-1": false })]) as {
    statements: Record<string, unknown>;
  };
  assertEquals(statements["L2-1"], { "5.10": "NOT held" });
});

Deno.test("a comparison without reports fails", () => assertEquals(compare().allHeld, false));
