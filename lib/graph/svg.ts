// The columns of the picture, from left to right: machines, wires, links of the host with those that
// stand on them, and networks with their sandboxes. So all lines are straight, and none crosses another.
import { allOf, type Box, boxOf, fold, SIGNS } from "./boxes.ts";
import { toText } from "./text.ts";
import { notesOf, type World } from "./world.ts";

/** All lengths are in pixels: the least width of a picture, and the greatest for a line of text. */
const [NARROW, WIDE] = [860, 1280];
const [PADDING, GAP, LINE] = [10, 14, 17];
/** The width of a character of the monospaced font at 12 pixels, rounded up. */
const CHARACTER = 7.3;
/** How far below the top of a box the line to it is. */
const MIDDLE = 19;
/** The most lines of a box, and the most sandboxes of a network, and of these abreast. */
const [LINES, SANDBOXES, ABREAST] = [8, 20, 4];

/** The colours, in light and in dark. No CSS variables: not every SVG viewer knows them. */
export const COLOURS: [selector: string, part: "fill" | "stroke", light: string, dark: string][] = [
  [".page, .sandbox", "fill", "#ffffff", "#0d1117"],
  ["text", "fill", "#1f2328", "#e6edf3"],
  [".dim", "fill", "#525b65", "#a3abb4"],
  [".bad", "fill", "#b42318", "#ff8f85"],
  [".host", "fill", "#f6f8fa", "#11161d"],
  [".link", "fill", "#e9edf1", "#21262d"],
  [".network", "fill", "#e3effd", "#12253d"],
  [".machine", "fill", "#fff4d6", "#2b2411"],
  [".host, .link, .sandbox, .wire", "stroke", "#7d8590", "#7d8590"],
  [".network", "stroke", "#3a7fc8", "#4d8fd6"],
  [".machine", "stroke", "#94700a", "#b8912d"],
  [".off", "stroke", "#b42318", "#ff8f85"],
  [".on", "stroke", "#7b3fd1", "#c8a2ff"],
  [".stop", "stroke", "#b42318", "#ff8f85"],
];

const rules = (theme: 2 | 3) =>
  COLOURS.map((row) => `${row[0]} { ${row[1]}: ${row[theme]} }`).join("\n");

/** Each rule has the class of the picture, as a page that has it inside may have rules of its own. */
const STYLE =
  `text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }
.title { font-weight: 700 }
.wire { stroke-width: 2; fill: none }
.off { stroke-dasharray: 5 3 }
.on { stroke-width: 3 }
${rules(2)}
@media (prefers-color-scheme: dark) {
${rules(3)}
}`.replace(/(?<=^|, )(?=[.t])/gm, ".ipvlan-graph ");

/** What the classes of boxes mean. */
const LEGEND = {
  ...{ "machine": "LAN machine", "link": "link", "network": "network", "sandbox": "sandbox" },
  ...{ "sandbox off": "down", "sandbox on": "● on the way", "sandbox on stop": "✗ it ends here" },
};

/** The world as an SVG picture that needs nothing else, in light and in dark. */
export function toSvg(world: World): string {
  const drawing = new Drawing(world);
  const height = drawing.all();
  const { lines, width } = drawing;
  return [
    '<svg xmlns="http://www.w3.org/2000/svg" class="ipvlan-graph" role="img" xml:space="preserve" ' +
    `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<title>${escape(world.path?.text[0] ?? "The ipvlan networks of this host")}</title>`,
    `<desc>${escape(toText(world, 100))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...lines,
    "</svg>",
  ].join("\n");
}

/** Draws from top to bottom. Each method gets the top of its part as `y`, and returns the bottom. */
class Drawing {
  readonly lines: string[] = [];
  readonly width: number;
  readonly #host: Box;
  readonly #wide;
  /** Where the wires, the host, its links and the networks begin. */
  readonly #left;

  constructor(private readonly world: World) {
    this.#host = boxOf(world);
    const { link: links = [], network: networks = [], ...others } = Object.groupBy(
      allOf(this.#host),
      ({ kind }) => kind,
    );
    const widest = (boxes: readonly Box[] = [], most: number) =>
      Math.min(most, widthFor(boxes.flatMap(({ lines }) => lines)));
    const wide = this.#wide = {
      machine: widest(others.machine, 330),
      wire: widest(others.wire, 240),
      link: widest(links, 250),
      network: widest(networks, 280),
      sandbox: widest(others.sandbox, 340),
    };
    const wires = PADDING + wide.machine + (wide.machine > 0 ? GAP : 0);
    const host = wires + wide.wire;
    const link = host + GAP;
    const depths = links.map(({ toWire }) => toWire.filter(({ kind }) => kind === "link").length);
    const depth = Math.max(0, ...depths) + 1;
    const left = this.#left = { wires, host, link, network: link + depth * (wide.link + 2 * GAP) };
    const abreast = Math.min(ABREAST, Math.max(0, ...networks.map(({ boxes }) => boxes.length)));
    this.width = Math.max(
      NARROW,
      Math.min(WIDE, widthFor(world.path?.text ?? [])),
      left.network + wide.network + abreast * (wide.sandbox + PADDING) + GAP + PADDING,
    );
  }

  all(): number {
    const text = this.world.path?.text ?? [];
    const verdict = this.#words(text.slice(0, 1), "title", PADDING);
    const y = this.#words(text.slice(1), "dim", verdict) + GAP / 2;
    const x = this.#left.host;
    if (this.#wide.machine > 0) this.#text(PADDING, y + MIDDLE + 4, "LAN", 60, "title");
    const { boxes } = this.#host;
    const bottom = this.#box(
      this.#host,
      { x, y, width: this.width - PADDING - x },
      () => stack(boxes, y + LINE + PADDING, (each, top) => this.#drawLink(each, 0, top)) + PADDING,
    );
    const empty = boxes.length > 0 ? [] : ["No link has a network on it"];
    const notes = this.#words([...empty, ...notesOf(this.world)], "bad", bottom + GAP);
    return this.#drawLegend(notes + GAP);
  }

  #words(lines: readonly string[], kind: string, y: number): number {
    lines.forEach((line, index) =>
      this.#text(PADDING, y + index * LINE + 14, line, this.width - 2 * PADDING, kind)
    );
    return y + lines.length * LINE;
  }

  /** Draws a link, left of it its wire, and right of it what stands on it. */
  #drawLink(box: Box, depth: number, y: number): number {
    const width = this.#wide.link;
    const x = this.#left.link + depth * (width + 2 * GAP);
    const { wire = [], network = [], link = [] } = Object.groupBy(box.boxes, ({ kind }) => kind);
    return this.#box(box, { x, y, width }, () => {
      const own = Math.max(
        y + 2 * MIDDLE,
        ...wire.map((each) => this.#drawWire(each, depth, y)),
        stack(network, y, (each, top) => this.#drawNetwork(each, box, x + width, top)),
      );
      return stack(link, own + GAP, (each, top) => this.#drawLink(each, depth + 1, top));
    });
  }

  /** Draws a wire with its machines, up to the link and through those below it. */
  #drawWire(wire: Box, depth: number, y: number): number {
    const { wires, host, link } = this.#left;
    const { machine: width, link: room } = this.#wide;
    const middle = y + MIDDLE;
    const gaps = Array.from({ length: depth }, (_, index) => link + index * (room + 2 * GAP))
      .map((x) => `M${x + room} ${middle}h${2 * GAP}`);
    this.#line(`M${wires} ${middle}H${link}${gaps.join("")}`, `wire${marksOf(wire)}`);
    this.#text(wires + 8, middle - 6, wire.lines[0]!, host - wires, "dim");
    return stack(fold(wire.boxes), y, (machine, top) => {
      const x = PADDING + width;
      this.#line(`M${x} ${top + MIDDLE}H${wires}V${middle}`, `wire${marksOf(machine)}`);
      return this.#box(machine, { x: PADDING, y: top, width });
    });
  }

  #drawNetwork(network: Box, link: Box, from: number, y: number): number {
    const { network: x } = this.#left;
    const { sandbox: width, network: room } = this.#wide;
    this.#line(`M${from} ${y + MIDDLE}H${x}`, `wire${link.mark ? marksOf(network) : ""}`);
    const rows = Object.groupBy(
      fold(network.boxes, SANDBOXES),
      (_, index) => Math.floor(index / ABREAST),
    );
    return this.#box(
      network,
      { x, y, width: this.width - PADDING - GAP - x, room },
      () =>
        Object.values(rows).reduce((y, row = []) => {
          const bottom = y + Math.max(...row.map(heightOf));
          row.forEach((each, index) =>
            this.#box(each, { x: x + room + index * (width + PADDING), y, width }, () => bottom)
          );
          return bottom + PADDING;
        }, y + PADDING),
    );
  }

  #drawLegend(y: number): number {
    let x = PADDING;
    for (const [kind, label] of Object.entries(LEGEND)) {
      if (kind.includes(" on") && !this.world.path) continue;
      this.lines.push(
        `<rect class="key ${kind}" x="${x}" y="${y}" width="18" height="12" rx="3"/>`,
      );
      this.#text(x + 24, y + 10, label, 200, "dim");
      x += Math.ceil(24 + lengthOf(label) * CHARACTER + GAP);
    }
    return y + LINE + PADDING;
  }

  /** Draws a box behind what `draw` draws in it or beside it, as high as that or its own lines. */
  #box(
    box: Box,
    { x, y, width, room = width }: { x: number; y: number; width: number; room?: number },
    draw = () => y,
  ): number {
    const place = this.lines.push("") - 1;
    const bottom = Math.max(draw(), y + heightOf(box));
    this.lines[place] = `<rect class="${box.kind}${marksOf(box)}" x="${x}" y="${y}" ` +
      `width="${width}" height="${bottom - y}" rx="5"/>`;
    const [title, ...lines] = linesOf(box);
    [`${box.mark ? `${SIGNS[box.mark]} ` : ""}${title}`, ...lines].forEach((line, index) => {
      const kind = index === 0 ? "title" : "dim";
      this.#text(x + PADDING, y + MIDDLE + 4 + LINE * index, line, room - 2 * PADDING, kind);
    });
    return bottom;
  }

  #line(path: string, kind: string): void {
    this.lines.push(`<path class="${kind}" d="${path}"/>`);
  }

  #text(x: number, y: number, text: string, room: number, kind: string): void {
    const shown = fit(text, Math.floor(room / CHARACTER));
    const whole = shown === text ? "" : `<title>${escape(text)}</title>`;
    this.lines.push(`<text class="${kind}" x="${x}" y="${y}">${escape(shown)}${whole}</text>`);
  }
}

/** The classes of a box that is down, and of one that the path passes or ends at. */
function marksOf({ isOff, mark }: Box): string {
  return (isOff ? " off" : "") + (mark ? " on" : "") + (mark === "stop" ? " stop" : "");
}

function linesOf({ lines }: Box): string[] {
  const more = lines.length - LINES + 1;
  return more > 1 ? [...lines.slice(0, -more), `+ ${more} more`] : lines;
}

function stack(boxes: readonly Box[], y: number, draw: (box: Box, y: number) => number): number {
  return boxes.reduce((bottom, box) => draw(box, bottom + GAP), y - GAP);
}

function heightOf(box: Box): number {
  return linesOf(box).length * LINE + 13;
}

/** The width of a box for the longest of some lines, with a mark of the path. */
function widthFor(lines: readonly string[]): number {
  const longest = lines.reduce((most, line) => Math.max(most, lengthOf(line)), 0);
  return longest === 0 ? 0 : Math.ceil((longest + 2) * CHARACTER) + 2 * PADDING;
}

/** The length of a text in characters of the font. Those of some scripts are twice as wide. */
function lengthOf(text: string): number {
  return [...text].reduce((sum, character) => sum + (character > "\u2e7f" ? 2 : 1), 0);
}

function fit(text: string, most: number): string {
  let shown = text;
  while (lengthOf(shown) > most) shown = shown.replace(/.…?$/u, "…");
  return shown;
}

function escape(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
