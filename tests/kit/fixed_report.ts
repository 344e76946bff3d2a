// A report of a run that never was, with all that a page can show, and names that attack the page.
import { judge, type Report, type ScenarioResult } from "../../scenarios/kit/report/report.ts";
import { STATEMENT_IDS, type StatementId } from "../../scenarios/kit/report/statements.ts";
import type { Verdict } from "../../scenarios/kit/report/verdict.ts";

/** What a page must show as text: it would run scripts, end elements, or turn the text around. */
export const HOSTILE = `</pre><script>document.title = "run"</script><img src=x onerror="` +
  `document.title='run'"> '"&amp; \x1b[31m \u202e \0`;

function verdict(id: StatementId, held = true, output = "64 bytes from 192.168.1.1"): Verdict {
  const evidence = [{ command: "ip netns exec c1 ping -- 192.168.1.1", output }];
  const predictions = [{ answer: { verdict: "yes" as const }, seen: held }];
  return {
    id,
    held,
    findings: [{ sentence: "c1 reaches 192.168.1.1", held, evidence, predictions }],
  };
}

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1120 60" width="1120" height="60">
<text x="16" y="30">eth0</text></svg>`;

const good: ScenarioResult = {
  name: "l2",
  title: "Ipvlan L2 mode: containers on eth0's own segment",
  seconds: 1.5,
  verdicts: [verdict("L2-1"), verdict("L2-2"), verdict("L2-1", true, HOSTILE)],
  versions: ["Podman 5.4.2"],
  entries: [
    { kind: "note", text: "Before the first step" },
    { kind: "step", at: 0.1, line: "docker network create -d ipvlan -o parent=eth0 db_net" },
    { kind: "shown", evidence: { command: "ip -n c1 route", output: "default via 192.168.1.1" } },
    { kind: "verdict", at: 0.5, index: 0 },
    { kind: "step", at: 0.6, line: HOSTILE },
    { kind: "note", text: HOSTILE },
    { kind: "verdict", at: 0.7, index: 1 },
    { kind: "verdict", at: 0.9, index: 2 },
  ],
  picture: {
    at: 0.5,
    hosts: [
      { name: "lab-host", svg: SVG, text: "eth0  device  up" },
      { name: HOSTILE, svg: `${SVG}</svg><script>1</script>`, text: HOSTILE },
    ],
    matrix: {
      from: ["c1", HOSTILE],
      to: [{ netns: "c1", address: "192.168.1.2" }, { netns: HOSTILE, address: "fd00::3" }],
      predicted: [
        [{ verdict: "yes" }, { verdict: "no", reason: `${HOSTILE} has no route` }],
        [{ verdict: "unknown", reason: "a tunnel" }, { verdict: "leaves", reason: "a wire" }],
      ],
      seen: [[true, true], [false, true]],
    },
  },
};

const bad: ScenarioResult = {
  name: "docker@docker26",
  title: HOSTILE,
  seconds: 2,
  verdicts: [verdict("L2-3", false, HOSTILE)],
  entries: [{ kind: "verdict", at: 1, index: 0 }],
  error: `Error: it broke\n${HOSTILE}`,
};

const absent: ScenarioResult = {
  name: "never",
  seconds: 0,
  verdicts: [],
  error: "It was not run",
};

/** The report. */
export const FIXED_REPORT: Report = {
  engine: "uml",
  kernel: "6.1.0",
  seconds: 3.5,
  scenarios: [good, bad, absent],
  statements: judge([good, bad, absent]),
};

const ALL_VERDICTS = STATEMENT_IDS.flatMap((id) => Array.from({ length: 4 }, () => verdict(id)));

/** A report as large as that of a full run: a scenario with every statement, four times. */
export const LARGE_REPORT: Report = {
  ...FIXED_REPORT,
  scenarios: Array.from({ length: 16 }, (_, index): ScenarioResult => ({
    ...good,
    name: `scenario-${index}`,
    verdicts: ALL_VERDICTS,
    entries: ALL_VERDICTS.map((_, index) => ({ kind: "verdict", at: index, index })),
  })),
};
