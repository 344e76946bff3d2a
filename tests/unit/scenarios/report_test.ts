import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Printer } from "../../../scenarios/kit/report/printer.ts";
import {
  countOutcomes,
  isGood,
  judge,
  printReport,
  type Report,
  type ScenarioResult,
  toJson,
} from "../../../scenarios/kit/report/report.ts";
import {
  STATEMENT_IDS,
  type StatementId,
  STATEMENTS,
  SUITES,
} from "../../../scenarios/kit/report/statements.ts";

/** How many statements the guide has. */
const TOTAL = STATEMENT_IDS.length;

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

function printToText(report: Report, full: boolean, colours = false): string {
  const lines: string[] = [];
  printReport(report, full, new Printer((line) => lines.push(line), colours));
  return lines.join("\n");
}

Deno.test("the statements of a group are numbered from 1, and no two have the same text", () => {
  const all = Object.values(SUITES).flatMap(({ ids }) => ids);
  // Those of asks have the numbers of a list of which not all are held yet.
  const [asks = [], numbered = []] = [true, false]
    .map((isAsk) => all.filter((id) => id.startsWith("ASK-") === isAsk));
  const groups = Map.groupBy(numbered, (id) => id.split("-")[0]!);
  const expected = [...groups].flatMap(([group, ids]) => ids.map((_, i) => `${group}-${i + 1}`));
  assertEquals(numbered, expected as StatementId[]);
  const numbers = asks.map((id) => Number(id.split("-")[1]));
  assertEquals(numbers, numbers.toSorted((a, b) => a - b));
  assertEquals(new Set(Object.values(STATEMENTS)).size, all.length);
});

Deno.test("a statement held only if all its checks held", () => {
  const one = { name: "one", seconds: 1, verdicts: [verdict("L2-1", true), verdict("L2-2", true)] };
  const two = { name: "two", seconds: 1, verdicts: [verdict("L2-1", false)] };
  const resultOf = (id: StatementId) => judge([one, two]).find((result) => result.id === id);
  assertEquals(resultOf("L2-1"), {
    id: "L2-1",
    outcome: "NOT held",
    scenarios: ["one", "two"],
    versions: [],
  });
  assertEquals(resultOf("L2-2"), { id: "L2-2", outcome: "held", scenarios: ["one"], versions: [] });
  assertEquals(resultOf("L2-3"), {
    id: "L2-3",
    outcome: "not yet run",
    scenarios: [],
    versions: [],
  });
  assertEquals(countOutcomes(judge([one, two])), {
    total: TOTAL,
    held: 1,
    failed: 1,
    uncovered: TOTAL - 2,
  });
});

Deno.test("a run is good if all statements held, without errors, and a full run covered all", () => {
  const some = { ...ALL_HELD, verdicts: ALL_HELD.verdicts.slice(1) };
  const failed = { ...ALL_HELD, verdicts: [...some.verdicts, verdict("GEN-1", false)] };
  assertEquals(isGood(reportOf([ALL_HELD]), true), true);
  assertEquals(isGood(reportOf([some]), true), false);
  assertEquals(isGood(reportOf([some]), false), true);
  assertEquals(isGood(reportOf([failed]), false), false);
  assertEquals(isGood(reportOf([{ ...ALL_HELD, error: "it broke" }]), false), false);
});

Deno.test("the table has each statement, and the totals count those that are missing", () => {
  const some = { ...ALL_HELD, verdicts: ALL_HELD.verdicts.slice(1), error: "it broke" };
  const text = printToText(reportOf([some]), true);
  assertEquals(text.split("\n").filter((line) => /^[A-Z0-9]+-\d/.test(line)).length, TOTAL);
  assertStringIncludes(text, "not yet run");
  const totals = `${TOTAL - 1} of ${TOTAL} statements held, 1 not yet run, 1 scenario`;
  assertStringIncludes(text, `${totals}, 1 of them failed, 1.5 s`);
  assertStringIncludes(text, "Failed: all: it broke");
  const named = printToText(reportOf([some]), false);
  assertStringIncludes(named, `${TOTAL - 1} of ${TOTAL - 1} statements held, 1 scenario`);
  assert(!named.includes("not yet run"));
});

Deno.test("the report has colours only on request", () => {
  assert(!printToText(reportOf([ALL_HELD]), true).includes("\x1b"));
  assertStringIncludes(printToText(reportOf([ALL_HELD]), true, true), "\x1b[32mheld");
});

Deno.test("the JSON report has all evidence", () => {
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
    statements: { total: TOTAL, held: 0, failed: 1, uncovered: TOTAL - 1 },
  });
});

Deno.test("a full run of engines prints their versions, and counts only their own statements", () => {
  const scenarios: ScenarioResult[] = [
    { name: "a@docker20", seconds: 1, verdicts: [verdict("ENG-1", true)], versions: ["Docker 20"] },
    { name: "a@docker26", seconds: 1, verdicts: [verdict("ENG-1", true)], versions: ["Docker 26"] },
  ];
  const statements = judge(scenarios, ["ENG-1", "ENG-2"]);
  const report = { ...reportOf(scenarios), statements };
  const text = printToText(report, true);
  assertMatch(text, /^ENG-1 .* held +Docker 20, Docker 26$/m);
  assertStringIncludes(text, "1 of 2 statements held, 1 not yet run");
  assertEquals(isGood(report, true), false);
});
