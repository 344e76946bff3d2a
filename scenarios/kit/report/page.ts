/**
 * Makes the HTML page of a run. It needs nothing else: no network, and no script to be read.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Evidence, Finding } from "../../../lib/check/mod.ts";
import { differs, type Entry, type Matrix, type MatrixAnswer, type Picture } from "./entry.ts";
import { escaped, Html } from "./html.ts";
import { SCRIPT, STYLE } from "./page_style.ts";
import { countOutcomes, type Report, type ScenarioResult, type StatementResult } from "./report.ts";
import { STATEMENTS } from "./statements.ts";
import type { Verdict } from "./verdict.ts";

const OUTCOME_CLASS = { held: "held", "NOT held": "bad", "not yet run": "open" } as const;

const NOTHING = new Html("");

/**
 * Makes the page.
 *
 * @param full Whether all scenarios ran. Otherwise it leaves out the statements that none checked.
 */
export function toPage(report: Report, full: boolean): string {
  const { engine, kernel, seconds, scenarios } = report;
  const { held, failed, uncovered, total } = countOutcomes(report.statements);
  const title = `${held} of ${full ? total : held + failed} statements held`;
  const statements = report.statements.filter(({ outcome }) => full || outcome !== "not yet run");
  const broken = scenarios.filter(({ error }) => error !== undefined).length;
  const scriptHash = createHash("sha256").update(SCRIPT).digest("base64");
  const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; " +
    `script-src 'sha256-${scriptHash}'`;
  const facts = [
    ...(failed > 0 ? [`${failed} did NOT hold`] : []),
    ...(full && uncovered > 0 ? [`${uncovered} not yet run`] : []),
    counted(scenarios.length, "scenario"),
    ...(broken > 0 ? [`${broken} of them failed`] : []),
    `${seconds} s`,
    `Linux ${kernel}`,
    `lab: ${engine}`,
  ];
  return escaped`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="${policy}">
        <title>ipvlan-kit: ${title}</title>
        <style>${new Html(STYLE)}</style>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the statements</a>
        <header>
    <h1>${title}</h1>
    <p class="dim">${facts.join(", ")}</p>
    <p>${predictionSentence(scenarios)}</p>
    ${
    scenarios.flatMap(matrixOf).length > 0 ? escaped`<p>${matrixSentence(scenarios)}</p>` : NOTHING
  }
    <nav aria-label="Scenarios"><ul>
    ${scenarios.map(({ name }, s) => escaped`<li><a href="#s${s}">${name}</a></li>\n`)}</ul></nav>
    <button type="button" id="unfold" hidden>Unfold all evidence</button>
        </header>
        <main id="main">
    <section aria-labelledby="statements">
    <h2 id="statements">Statements</h2>
    ${statementTable(statements, scenarios)}
    </section>
    ${scenarios.map(scenarioSection)}
        </main>
        <script>${new Html(SCRIPT)}</script>
      </body>
    </html>
  `.text;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function statementTable(
  statements: readonly StatementResult[],
  scenarios: readonly ScenarioResult[],
): Html {
  const evidence = (id: string) =>
    scenarios.flatMap(({ name, verdicts }, s) =>
      verdicts.flatMap((verdict, v) =>
        verdict.id === id ? [escaped`<a href="#s${s}-${v}">${name}</a>`] : []
      )
    );
  return escaped`
    <table class="statements">
      <thead>
        <tr>
          <th scope="col">Id</th>
          <th scope="col">Statement</th>
          <th scope="col">Outcome</th>
          <th scope="col">Evidence</th>
        </tr>
      </thead>
      <tbody>
    ${
    statements.map(({ id, outcome }) =>
      escaped`
        <tr id="${id}">
          <th scope="row">${id}</th>
          <td class="sentence">${STATEMENTS[id]}</td>
          <td class="outcome ${OUTCOME_CLASS[outcome]}">${outcome}</td>
          <td>${joined(evidence(id))}</td>
        </tr>
      `
    )
  }</tbody>
    </table>
  `;
}

/** Puts commas between. */
function joined(parts: readonly Html[]): Html[] {
  return parts.map((part, index) => index === 0 ? part : escaped`, ${part}`);
}

function scenarioSection(scenario: ScenarioResult, s: number): Html {
  const { name, title = "", seconds, verdicts, versions = [], error, picture } = scenario;
  const held = verdicts.filter((verdict) => verdict.held).length;
  const facts = [`${held} of ${counted(verdicts.length, "check")} held`, `${seconds} s`];
  return escaped`
    <section id="s${s}" aria-labelledby="s${s}-title">
    <h2 id="s${s}-title">${name}</h2>
    <p>${title}</p>
    <p class="dim">${[...facts, ...versions].join(", ")}</p>
    ${
    error === undefined ? NOTHING : escaped`
      <p class="bad">It failed:</p>
      <pre>${error}</pre>
    `
  }
    ${picture ? pictureOf(picture, s) : NOTHING}
    ${scenario.entries ? tourOf(scenario.entries, verdicts, s) : NOTHING}
    </section>
  `;
}

function tourOf(entries: readonly Entry[], verdicts: readonly Verdict[], s: number): Html {
  const steps: { line?: string; at: number; entries: Entry[] }[] = [{ at: 0, entries: [] }];
  for (const entry of entries) {
    if (entry.kind === "step") steps.push({ line: entry.line, at: entry.at, entries: [] });
    else steps.at(-1)!.entries.push(entry);
  }
  const shown = steps.filter(({ line, entries }) => line !== undefined || entries.length > 0);
  if (shown.length === 0) return NOTHING;
  return escaped`<h3>The tour</h3>
<ol class="tour">
${
    shown.map(({ line, at, entries }) =>
      escaped`
        <li><p class="step">${
        line === undefined ? escaped`The machines are built` : escaped`<code>${line}</code>`
      } <span class="time">at ${at} s</span></p>
        ${entries.map((entry) => entryOf(entry, verdicts, s))}</li>
      `
    )
  }</ol>`;
}

function entryOf(entry: Entry, verdicts: readonly Verdict[], s: number): Html {
  switch (entry.kind) {
    case "step":
      return NOTHING;
    case "note":
      return escaped`<p class="note">Note: ${entry.text}</p>\n`;
    case "shown":
      return evidenceOf(entry.evidence);
    case "verdict":
      return verdictOf(verdicts[entry.index]!, `s${s}-${entry.index}`, entry.at);
  }
}

/** A link to a part inside `details` opens it. So the inner element has the id. */
function verdictOf({ id, held, findings }: Verdict, anchor: string, at: number): Html {
  const outcome = held ? "held" : "NOT held";
  const open = held ? NOTHING : new Html(" open");
  return escaped`<details${open}>
<summary><span class="outcome ${OUTCOME_CLASS[outcome]}">${outcome}</span> <strong>${id}</strong>
${STATEMENTS[id]} <span class="time">at ${at} s</span></summary>
<div class="inside" id="${anchor}"><ul>
${findings.map(findingOf)}</ul></div></details>
`;
}

function findingOf({ sentence, held, evidence }: Finding): Html {
  const mark = held ? NOTHING : escaped`<strong class="bad">NOT SO: </strong>`;
  return escaped`<li>${mark}${sentence}${evidence.map(evidenceOf)}</li>\n`;
}

function evidenceOf({ command, output }: Evidence): Html {
  return escaped`<pre><strong>$ ${command}</strong>\n${output}</pre>\n`;
}

function pictureOf({ at, hosts, matrix }: Picture, s: number): Html {
  return escaped`
    <h3>What it built</h3>
    <p
      class="dim">The view of the kernel after ${at} s, when there were the most ipvlan links.</p>
    ${hosts.map((host, h) => drawingOf(host, `s${s}-host${h}`))}
    ${
    matrix ? matrices(matrix, `s${s}-matrix`) : escaped`<p>There are too many to ask all pairs.</p>`
  }
  `;
}

/** As an image, a picture cannot change the page, whatever names are in it. */
function drawingOf({ name, svg, text }: Picture["hosts"][number], id: string): Html {
  const source = `data:image/svg+xml;base64,${new TextEncoder().encode(svg).toBase64()}`;
  return escaped`
    <figure>
      <figcaption id="${id}">${name}</figcaption>
      <div class="scroll" tabindex="0" role="group" aria-labelledby="${id}">
    <img alt="The networks of ${name}; below, the same as text" src="${source}"></div>
      <details>
        <summary>${name} as text</summary>
        <div class="inside">
          <pre>${text}</pre>
        </div>
      </details>
    </figure>
  `;
}

/** The words of the matrices. */
const WORDS = { yes: "yes", no: "no", leaves: "leaves", unknown: "?" } as const;
const WORD_CLASS = { yes: "held", no: "dim", leaves: "open", unknown: "open" } as const;

/** A cell of a matrix, and of the other one beside it. */
interface Cell {
  netns: string;
  address: string;
  answer: MatrixAnswer;
  seen: boolean;
}

function rowsOf({ from, to, predicted, seen }: Matrix): Cell[][] {
  return from.map((netns, row) =>
    to.map(({ address }, column) => ({
      netns,
      address,
      answer: predicted[row]![column]!,
      seen: seen[row]![column]!,
    }))
  );
}

function matrixOf({ picture }: ScenarioResult): Matrix[] {
  return picture?.matrix ? [picture.matrix] : [];
}

function isDifferent({ answer, seen }: Cell): boolean {
  return differs(answer, seen);
}

/** Counts the pings of checks that the model was asked about first. */
function predictionSentence(scenarios: readonly ScenarioResult[]): string {
  const all = scenarios.flatMap(({ verdicts }) =>
    verdicts.flatMap(({ findings }) => findings.flatMap(({ predictions = [] }) => predictions))
  );
  const known = all.filter(({ answer: { verdict } }) => verdict === "yes" || verdict === "no");
  const wrong = all.filter(({ answer, seen }) => differs(answer, seen));
  return `The model was asked before ${counted(all.length, "ping")} of the checks: it predicted ` +
    `${known.length}, and ${wrong.length} of these were seen otherwise.`;
}

function matrixSentence(scenarios: readonly ScenarioResult[]): string {
  const matrices = scenarios.flatMap(matrixOf);
  return countCells(matrices.flatMap((matrix) => rowsOf(matrix).flat()));
}

/** Counts what the model predicted, and what was seen otherwise. */
function countCells(cells: readonly Cell[]): string {
  const known = cells.filter(({ answer: { verdict } }) => verdict === "yes" || verdict === "no");
  return `Of ${counted(cells.length, "pair")}, the model predicted ${known.length}, and ` +
    `${cells.filter(isDifferent).length} of these were seen otherwise.`;
}

function matrices(matrix: Matrix, id: string): Html {
  const rows = rowsOf(matrix);
  const cells = rows.flat();
  const different = cells.filter(isDifferent);
  const table = (caption: string, part: string, cellOf: (cell: Cell) => Html) =>
    escaped`
      <div class="scroll" tabindex="0" role="group" aria-labelledby="${id}-${part}">
        <table class="matrix">
          <caption id="${id}-${part}">${caption}</caption>
          <thead>
            <tr><th scope="col">from \\ to</th>${
      matrix.to.map(({ netns, address }) =>
        escaped`<th scope="col"><span>${netns} <code>${address}</code></span></th>`
      )
    }</tr>
          </thead>
          <tbody>
      ${
      rows.map((row, index) =>
        escaped`<tr><th scope="row">${matrix.from[index]!}</th>${row.map(cellOf)}</tr>\n`
      )
    }</tbody>
        </table>
      </div>
    `;
  const cell = (shown: keyof typeof WORDS, each: Cell) => {
    const isOther = isDifferent(each);
    return escaped`<td class="${isOther ? "differs bad" : WORD_CLASS[shown]}">${
      isOther ? "≠ " : ""
    }${WORDS[shown]}</td>`;
  };
  return escaped`<h3>Who reaches whom</h3>
<p>${countCells(cells)}</p>
<div class="sides">
${table("Predicted by the model", "predicted", (each) => cell(each.answer.verdict, each))}
${table("Seen by pings", "seen", (each) => cell(each.seen ? "yes" : "no", each))}
</div>
${different.length === 0 ? NOTHING : escaped`<ul>${different.map(differenceOf)}</ul>`}
${reasonsOf(cells)}`;
}

function differenceOf({ netns, address, answer: { verdict, reason }, seen }: Cell): Html {
  const why = reason === undefined ? "" : `, as ${reason}`;
  const answer = seen ? "yes" : "no";
  return escaped`<li class="bad">${netns} to ${address}: predicted ${verdict}${why}; seen ${answer}</li>
`;
}

/** The reasons of the model, each with the pairs that it is for. */
function reasonsOf(cells: readonly Cell[]): Html {
  const others = cells.filter(({ answer: { reason } }) => reason !== undefined);
  if (others.length === 0) return NOTHING;
  const groups = Map.groupBy(
    others,
    ({ answer: { verdict, reason } }) => `${WORDS[verdict]}: ${reason}`,
  );
  return escaped`
    <details>
      <summary>Why not</summary>
      <div class="inside">
        <ul>
    ${
    [...groups].map(([reason, group]) =>
      escaped`<li>${reason} <span class="dim">(${
        group.map(({ netns, address }) => `${netns} to ${address}`).join(", ")
      })</span></li>\n`
    )
  }</ul>
      </div>
    </details>
  `;
}
