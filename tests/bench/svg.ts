import {
  type Figure,
  formatAmount,
  formatOutcome,
  formatPart,
  formatReached,
  outcomeOf,
  type Report,
} from "./figures.ts";

/** All lengths are in pixels. The bars are between the works and the figures. */
const [WIDTH, LEFT, RIGHT] = [1040, 420, 820];
const [MARGIN, ROW, HEADING, BAR] = [20, 40, 38, 14];

/** The width of a character of the monospaced font at 12 pixels, rounded up. */
const CHARACTER = 7.3;

/** The colours, in light and in dark. No CSS variables: not every SVG viewer knows them. */
const LIGHT = {
  ...{ page: "#fff", text: "#1f2328", dim: "#59636e", grid: "#dde2e7", axis: "#59636e" },
  ...{ yes: "#4a8fd8", no: "#d9691e", none: "#aab4be", aim: "#b42318" },
};
const DARK: typeof LIGHT = {
  ...{ page: "#0d1117", text: "#e6edf3", dim: "#9198a1", grid: "#262d35", axis: "#9198a1" },
  ...{ yes: "#3d7dc4", no: "#c9601b", none: "#59636e", aim: "#ff8f85" },
};

const rules = (colours: typeof LIGHT) =>
  `.page { fill: ${colours.page} } text { fill: ${colours.text} } .dim { fill: ${colours.dim} }
.yes { fill: ${colours.yes} } .no { fill: ${colours.no} } .none { fill: ${colours.none} }
.grid { stroke: ${colours.grid} } .axis { stroke: ${colours.axis} }
.spread { stroke: ${colours.text} } .aim { stroke: ${colours.aim} }`;

const STYLE = `text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
.title { font-size: 14px; font-weight: 600 } .aim { stroke-width: 3 }
${rules(LIGHT)}
@media (prefers-color-scheme: dark) {
${rules(DARK)}
}`;

/**
 * Draws the figures as an SVG picture that needs nothing else, in light and in dark: a bar for each ratio,
 * from 1 to the ratio, on a logarithmic scale.
 */
export function draw({ cpus, parts }: Report): string {
  const figures = parts.flatMap((part) => part.figures);
  const scale = scaleFor(figures);
  const top = MARGIN + 2.5 * ROW;
  const height = top + parts.length * HEADING + figures.length * ROW + MARGIN;
  const body: string[] = [];
  let y = top;
  for (const part of parts) {
    body.push(text(MARGIN, y + 26, formatPart(part), "title"));
    y += HEADING;
    for (const figure of part.figures) {
      body.push(...row(figure, y, scale.at));
      y += ROW;
    }
  }
  const title = "ipvlan-kit against its peers";
  const lines = [
    `Medians on ${cpus} CPUs, as ratios to the peer's on a logarithmic scale.`,
    ...figures.map((figure) => `${figure.work}: ${sentence(figure)}.`),
  ];
  const one = scale.at(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
    `height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${title}</title>`,
    `<desc id="desc">${escape(lines.join("\n"))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    text(MARGIN, MARGIN + 16, title, "title"),
    ...legend(MARGIN + ROW),
    text(one - 10, top - 24, "better than the peer", "dim", "end"),
    text(one + 10, top - 24, "worse", "dim"),
    ...scale.ticks.flatMap((tick) => [
      line(scale.at(tick), top, scale.at(tick), height - MARGIN, tick === 1 ? "axis" : "grid"),
      text(scale.at(tick), top - 6, String(tick), "dim", "middle"),
    ]),
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

/** A logarithmic scale for all ratios, spreads and aims, with its ticks. */
function scaleFor(figures: readonly Figure[]): { ticks: number[]; at: (ratio: number) => number } {
  const values = figures.flatMap((figure) => {
    const { ratio = 1, spread = [] } = outcomeOf(figure);
    return [ratio, ...spread, figure.aim ?? 1];
  });
  const [least, most] = [Math.min(0.5, ...values), Math.max(2, ...values)];
  const all = Array.from({ length: 12 }, (_, index) => index - 6)
    .flatMap((power) => [1, 2, 5].map((step) => Number(`${step}e${power}`)));
  const first = all.findLastIndex((tick) => tick <= least);
  const last = all.findIndex((tick) => tick >= most);
  const ticks = all.slice(Math.max(0, first), last + 1);
  const [low, high] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  const at = (ratio: number) => LEFT + (Math.log(ratio) - low) / (high - low) * (RIGHT - LEFT);
  return { ticks, at };
}

/** A figure at a height: its work and peer, its bar with the spread and the aim, and its ratio. */
function row(figure: Figure, y: number, at: (ratio: number) => number): string[] {
  const { work, peer, unit, aim } = figure;
  const outcome = outcomeOf(figure);
  const { ours, theirs, ratio, spread, isReached } = outcome;
  const middle = y + ROW / 2;
  const kind = isReached === undefined ? "none" : isReached ? "yes" : "no";
  const amounts = `${formatAmount(ours, unit)}, ${peer}: ${formatAmount(theirs, unit)}`;
  const [from, to] = [at(1), at(ratio ?? 1)].sort((a, b) => a - b) as [number, number];
  const judged = isReached === undefined ? "" : isReached ? ": reached" : ": not reached";
  return [
    `<g><title>${escape(`${work}: ${sentence(figure)}`)}</title>`,
    text(MARGIN, middle - 3, work),
    text(MARGIN, middle + 13, amounts, "dim"),
    `<rect class="${kind}" x="${round(from)}" y="${middle - BAR / 2}" width="${
      round(to - from)
    }" height="${BAR}"/>`,
    ...spread ? [line(at(spread[0]), middle, at(spread[1]), middle, "spread")] : [],
    ...(spread ?? []).map((end) => line(at(end), middle - 4, at(end), middle + 4, "spread")),
    ...aim === undefined ? [] : [line(at(aim), y + 5, at(aim), y + ROW - 5, "aim")],
    text(RIGHT + MARGIN, middle - 3, formatOutcome(outcome)),
    ...aim === undefined ? [] : [text(RIGHT + MARGIN, middle + 13, `aim ≤ ${aim}${judged}`, "dim")],
    "</g>",
  ];
}

/** A figure in words. */
function sentence(figure: Figure): string {
  const outcome = outcomeOf(figure);
  const reached = formatReached(outcome);
  const [ours, theirs] = [outcome.ours, outcome.theirs]
    .map((amount) => formatAmount(amount, figure.unit));
  return `${ours}, ${figure.peer} ${theirs}, ratio ` +
    formatOutcome(outcome) + (figure.aim === undefined ? "" : `, aim at most ${figure.aim}`) +
    (reached === "" ? "" : reached === "yes" ? ", reached" : ", not reached");
}

/** Says what the marks mean. */
function legend(y: number): string[] {
  const marks: [string, string][] = [
    [box(0, y, "yes"), "aim reached"],
    [box(0, y, "no"), "not reached"],
    [box(0, y, "none"), "no aim"],
    [line(10, y - 8, 10, y + 8, "aim"), "the aim"],
    [line(0, y, 20, y, "spread"), "least to greatest ratio of a turn"],
  ];
  let x = MARGIN;
  const drawn = marks.map(([mark, meaning]) => {
    const left = x;
    x += 50 + meaning.length * CHARACTER;
    return `<g transform="translate(${round(left)} 0)">${mark}${
      text(28, y + 4, meaning, "dim")
    }</g>`;
  });
  return drawn;
}

function box(x: number, y: number, kind: string): string {
  return `<rect class="${kind}" x="${x}" y="${y - BAR / 2}" width="20" height="${BAR}"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  const [from, to] = [round(x1), round(x2)];
  return `<line class="${kind}" x1="${from}" y1="${round(y1)}" x2="${to}" y2="${round(y2)}"/>`;
}

function text(x: number, y: number, words: string, kind = "", anchor = ""): string {
  const attributes = (kind && ` class="${kind}"`) + (anchor && ` text-anchor="${anchor}"`);
  return `<text${attributes} x="${round(x)}" y="${round(y)}">${escape(words)}</text>`;
}

function round(length: number): number {
  return Math.round(length * 10) / 10;
}

function escape(words: string): string {
  return words.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
