import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Printer } from "../../../scenarios/kit/printer.ts";
import {
  count,
  isGood,
  judge,
  printReport,
  type Report,
  type ScenarioResult,
  toJson,
} from "../../../scenarios/kit/report.ts";
import { STATEMENT_IDS, type StatementId } from "../../../scenarios/kit/statements.ts";

function verdict(id: StatementId, held: boolean): ScenarioResult["verdicts"][number] {
  const evidence = [{ command: "ping x", output: "an answer" }];
  return { id, held, findings: [{ sentence: "a reaches x", held, evidence }] };
}

function reportOf(scenarios: ScenarioResult[]): Report {
  const statements = judge(scenarios);
  return { engine: "uml", kernel: "6.1.0", seconds: 1.5, scenarios, statements };
}

const ALL_HELD: ScenarioResult = {
  name: "all",
  seconds: 1,
  verdicts: STATEMENT_IDS.map((id) => verdict(id, true)),
};

function printed(report: Report, full: boolean, colours = false): string {
  const lines: string[] = [];
  printReport(report, full, new Printer((line) => lines.push(line), colours));
  return lines.join("\n");
}

Deno.test("the statements are the guide's, each with a text of its own", () => {
  const groups = Map.groupBy(STATEMENT_IDS, (id) => id.split("-")[0]);
  assertEquals(
    Object.fromEntries([...groups].map(([group, ids]) => [group, ids.length])),
    { GEN: 5, L2: 8, ISO: 5, VLAN: 11, L3: 9, V6: 10, MAN: 4 },
  );
});

Deno.test("a statement holds only if all checks of it held", () => {
  const one = { name: "one", seconds: 1, verdicts: [verdict("L2-1", true), verdict("L2-2", true)] };
  const two = { name: "two", seconds: 1, verdicts: [verdict("L2-1", false)] };
  const of = (id: StatementId) => judge([one, two]).find((statement) => statement.id === id)!;
  assertEquals(of("L2-1"), { id: "L2-1", outcome: "NOT held", scenarios: ["one", "two"] });
  assertEquals(of("L2-2"), { id: "L2-2", outcome: "held", scenarios: ["one"] });
  assertEquals(of("L2-3"), { id: "L2-3", outcome: "not covered", scenarios: [] });
  assertEquals(count(judge([one, two])), { total: 52, held: 1, failed: 1, uncovered: 50 });
});

Deno.test("a run is good if all held, none broke, and a full one covered everything", () => {
  const some = { ...ALL_HELD, verdicts: ALL_HELD.verdicts.slice(1) };
  const failed = { ...ALL_HELD, verdicts: [...some.verdicts, verdict("GEN-1", false)] };
  assertEquals(isGood(reportOf([ALL_HELD]), true), true);
  assertEquals(isGood(reportOf([some]), true), false);
  assertEquals(isGood(reportOf([some]), false), true);
  assertEquals(isGood(reportOf([failed]), false), false);
  assertEquals(isGood(reportOf([{ ...ALL_HELD, error: "it broke" }]), false), false);
});

Deno.test("the table names each statement, and the totals say what is missing", () => {
  const some = { ...ALL_HELD, verdicts: ALL_HELD.verdicts.slice(1), error: "it broke" };
  const text = printed(reportOf([some]), true);
  assertEquals(text.split("\n").filter((line) => /^[A-Z0-9]+-\d/.test(line)).length, 52);
  assertStringIncludes(text, "not covered");
  assertStringIncludes(text, "51 of 52 statements held, 1 not covered, 1 scenario, 1.5 s");
  assertStringIncludes(text, "Failed: all: it broke");
  const named = printed(reportOf([some]), false);
  assertStringIncludes(named, "51 of 51 statements held, 1 scenario");
  assert(!named.includes("not covered"));
});

Deno.test("colours are used only where they are asked for", () => {
  assert(!printed(reportOf([ALL_HELD]), true).includes("\x1b"));
  assertStringIncludes(printed(reportOf([ALL_HELD]), true, true), "\x1b[32mheld");
});

Deno.test("the report for programs has all evidence", () => {
  const failing = { name: "two", seconds: 2, verdicts: [verdict("L2-1", false)], error: "broke" };
  assertEquals(JSON.parse(JSON.stringify(toJson(reportOf([failing])))), {
    engine: "uml",
    kernel: "6.1.0",
    seconds: 1.5,
    scenarios: [{
      name: "two",
      seconds: 2,
      error: "broke",
      statements: [{
        id: "L2-1",
        held: false,
        evidence: [{ command: "ping x", output: "an answer" }],
      }],
    }],
    statements: { total: 52, held: 0, failed: 1, uncovered: 51 },
  });
});
