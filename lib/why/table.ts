// A matrix as people and programs read it.
import { differs, type Matrix, type Pair } from "./matrix.ts";

/** The most members that have a row each, as those of more share one; and the most names of a row. */
const [MOST_ROWS, MOST_NAMES] = [31, 3];

/** A table of signs for each family, the first row with the numbers of the columns, and a legend. */
function tablesOf({ members, groups, rows }: Matrix): { rows: string[][]; legend: string[] }[] {
  const blocks = members.length > MOST_ROWS ? groups : members.map((each) => [each]);
  const blockOf = new Map(blocks.flatMap((all, index) => all.map(({ name }) => [name, index])));
  const names = blocks.map((block, index) => {
    const more = block.length - MOST_NAMES;
    const some = block.slice(0, MOST_NAMES).map(({ name }) => name).join(", ");
    return `${index + 1} ${some}${more > 0 ? ` and ${more} more` : ""}`;
  });
  return [...Map.groupBy(rows.flat(), ({ family }) => family)].map(([family, pairs]) => {
    const causes = new Map([["yes", { sign: "+", count: 0 }]]);
    const cells = blocks.map(() => blocks.map(() => ""));
    for (const pair of pairs) {
      const isOther = differs(pair);
      const cause = pair.cause + (isOther ? "; the kernel says otherwise" : "");
      const sign = (9 + causes.size).toString(36) + (isOther ? "!" : "");
      const known = causes.get(cause) ?? { sign, count: 0 };
      known.count++;
      causes.set(cause, known);
      const [row, column] = [cells[blockOf.get(pair.from)!]!, blockOf.get(pair.to)!];
      if (isOther || row[column] === "") row[column] = known.sign;
    }
    const head = [`IPv${family}`, ...blocks.map((_, index) => `${index + 1}`)];
    const legend = [...causes].map(([cause, { sign, count }]) =>
      `${sign} ${cause}, ${count} ${count === 1 ? "pair" : "pairs"}`
    );
    return { rows: [head, ...cells.map((row, index) => [names[index]!, ...row])], legend };
  });
}

const FIELDS = ["from", "to", "family", "address", "verdict", "code", "place", "ping"] as const;

/** A pair as a line of comma-separated values (RFC 4180). */
function csvLine(pair: Pair): string {
  return FIELDS.map((field) => `${pair[field] ?? ""}`)
    .map((value) => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value).join(",");
}

/** The formats of a matrix: texts to print, as those of all pairs may be too long for one. */
export const FORMATS: Readonly<Record<string, (matrix: Matrix) => Iterable<string>>> = {
  *text(matrix) {
    for (const [index, { rows, legend }] of tablesOf(matrix).entries()) {
      const widths = rows.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
      const lines = rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join(" "));
      yield [...index > 0 ? [""] : [], ...lines.map((line) => line.trimEnd()), ...legend].join(
        "\n",
      );
    }
  },
  *json({ rows }) {
    yield "[";
    for (const [index, row] of rows.entries()) {
      const objects = row.map((pair) => JSON.stringify(pair, [...FIELDS]));
      yield objects.join(",\n") + (index < rows.length - 1 ? "," : "");
    }
    yield "]";
  },
  *csv({ rows }) {
    yield FIELDS.join(",");
    for (const row of rows) yield row.map(csvLine).join("\n");
  },
  *html(matrix) {
    const escape = (text: string) => text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
    yield '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Who reaches whom</title>';
    for (const { rows, legend } of tablesOf(matrix)) {
      const lines = rows.map((row, at) =>
        row.map((cell, column) => `<${at && column ? "td" : "th"}>${escape(cell)}`).join("")
      );
      yield `<table>${lines.map((line) => `<tr>${line}\n`).join("")}</table>`;
      yield `<pre>${escape(legend.join("\n"))}</pre>`;
    }
  },
};
