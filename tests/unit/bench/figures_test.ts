import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type Figure,
  median,
  outcomeOf,
  render,
  type Report,
  toJson,
} from "../../bench/figures.ts";
import { draw } from "../../bench/svg.ts";
import { readPage } from "../../kit/pages.ts";

/** A figure with every kind of outcome, in two parts. */
const REPORT: Report = {
  cpus: 2,
  parts: [
    {
      name: "lab",
      kernel: "uml, Linux 7.2.7",
      load: [0.25, 1],
      figures: [
        {
          work: "make 100",
          peer: "ip",
          ours: [600, 500, 700],
          theirs: [1000, 1250, 1400],
          aim: 0.6,
        },
        { work: "remove 500", peer: "ip", ours: [3, 4], theirs: [20, 20], aim: 0.1 },
        { work: "start", peer: "deno", ours: [12_340], theirs: [99.96] },
      ],
    },
    {
      name: "hosts",
      load: [8, 10],
      figures: [
        { work: "the <network's> part", peer: "a & b", ours: [5, 7], theirs: [-1, 2], aim: 1 },
        { work: "nothing", peer: "noise", ours: [1], theirs: [-2], aim: 1 },
        { work: "memory", peer: "veth", ours: [20.5, 22], theirs: [60, 66], unit: "kB" },
        { work: "round trip", peer: "veth", ours: [0.0625], theirs: [0.1] },
      ],
    },
  ],
};

function figure(ours: number[], theirs: number[], aim?: number): Figure {
  return { work: "work", peer: "peer", ours, theirs, ...aim !== undefined && { aim } };
}

Deno.test("median() takes the middle value, or the mean of both", () => {
  assertEquals([[3, 1, 2], [4, 1, 3, 2], [5]].map(median), [2, 2.5, 5]);
  assertThrows(() => median([]), RangeError);
});

Deno.test("an outcome has the ratio of the medians, and the spread of the turns", () => {
  assertEquals(outcomeOf(figure([1, 2, 9], [2, 8, 6], 0.4)), {
    ours: 2,
    theirs: 6,
    ratio: 1 / 3,
    spread: [0.25, 1.5],
    isReached: true,
  });
  assertEquals(outcomeOf(figure([2], [1], 2)).isReached, true);
  assertEquals(outcomeOf(figure([2.01], [1], 2)).isReached, false);
  assertEquals(outcomeOf(figure([2], [1])), { ours: 2, theirs: 1, ratio: 2, spread: [2, 2] });
});

Deno.test("a difference that is not above 0 has no ratio, and a turn with one no spread", () => {
  assertEquals(outcomeOf(figure([1], [0], 1)), { ours: 1, theirs: 0 });
  assertEquals(outcomeOf(figure([-1, 3, 3], [1, 1, 1], 1)), {
    ours: 3,
    theirs: 1,
    ratio: 3,
    isReached: false,
  });
});

Deno.test("the table has a row for each figure, as deno fmt would write it", () => {
  assertEquals(render(REPORT).split("\n"), [
    "- lab: uml, Linux 7.2.7, 1 turn, load 0.3 to 1.0",
    "- hosts: this machine's kernel, 1 turn, load 8.0 to 10.0",
    "- 2 CPUs",
    "",
    "| work                 | ours    | the peer's | peer  | ratio (least–greatest) | aim   | reached |",
    "| -------------------- | ------- | ---------- | ----- | ---------------------- | ----- | ------- |",
    "| make 100             | 600 ms  | 1.25 s     | ip    | 0.48 (0.40–0.60)       | ≤ 0.6 | yes     |",
    "| remove 500           | 3.50 ms | 20.0 ms    | ip    | 0.17 (0.15–0.20)       | ≤ 0.1 | no      |",
    "| start                | 12.3 s  | 100 ms     | deno  | 123.4 (123.4–123.4)    |       |         |",
    "| the <network's> part | 6.00 ms | 0.50 ms    | a & b | 12.0                   | ≤ 1   | no      |",
    "| nothing              | 1.00 ms | -2.00 ms   | noise | unclear                | ≤ 1   |         |",
    "| memory               | 21.3 kB | 63.0 kB    | veth  | 0.34 (0.33–0.34)       |       |         |",
    "| round trip           | 62.5 µs | 0.10 ms    | veth  | 0.63 (0.63–0.63)       |       |         |",
  ]);
});

Deno.test("the JSON has every sample, and what follows from them", () => {
  const { cpus, parts } = JSON.parse(toJson(REPORT));
  assertEquals(cpus, 2);
  const [{ figures: [first] }] = parts;
  assertEquals(first, { ...REPORT.parts[0]!.figures[0]!, outcome: outcomeOf(first) });
  assertEquals(parts.length, 2);
});

Deno.test("the picture has every figure as text, and nothing that runs or is fetched", () => {
  const svg = draw(REPORT);
  for (const { work, peer } of REPORT.parts.flatMap(({ figures }) => figures)) {
    assertStringIncludes(svg, `>${escaped(work)}</text>`);
    assertStringIncludes(svg, `, ${escaped(peer)}: `);
  }
  assertStringIncludes(svg, '<svg xmlns="http://www.w3.org/2000/svg"');
  assertStringIncludes(svg, 'role="img" aria-labelledby="title desc"');
  assertStringIncludes(svg, "@media (prefers-color-scheme: dark)");
  assertEquals(
    svg.match(/<script|<foreignObject|href|url\(|\bon\w+=|NaN|Infinity|undefined/g),
    null,
  );
  assert(!svg.includes("<network"));
});

Deno.test("the picture's bars and texts are where the golden picture has them, all within it", () => {
  const svg = draw(REPORT);
  const [, width = 0, height = 0] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
  const places = (name: string, most: number) => {
    for (const [, at] of svg.matchAll(new RegExp(` ${name}[12]?="([^"]*)"`, "g"))) {
      assert(Number(at) >= 0 && Number(at) <= most, `${name} ${at} is not within ${most}`);
    }
  };
  places("x", width);
  places("y", height);
  const golden = new URL("golden.svg.txt", import.meta.url);
  const shown = svg.replace(/<style>[^]*<\/style>\n/, "");
  if (Deno.env.get("UPDATE_GOLDEN")) Deno.writeTextFileSync(golden, shown);
  assertEquals(shown.split("\n"), Deno.readTextFileSync(golden).split("\n"));
});

Deno.test("the page has the table of its picture, of one run", () => {
  const rows = readPage("docs/bench.md").split("\n")
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()))
    .filter((cells) => cells.length === 7 && /^[\du]/.test(cells[4]!))
    .map(([work, ours, theirs, peer, ratio]) =>
      `${work}: ${ours}, ${peer} ${theirs}, ratio ${ratio}`
    );
  const drawn = [...readPage("docs/bench.svg").matchAll(/<g><title>(.*?)<\/title>/g)]
    .map(([, title = ""]) => unescaped(title).replace(/, aim at most .*$/, ""));
  assert(rows.length > 0);
  assertEquals(rows, drawn);
});

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function unescaped(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
}
