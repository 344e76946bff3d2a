// The columns of the picture, from left to right: machines, wires, links of the host with those that
// stand on them, and networks with their sandboxes. So all lines are straight, and none crosses another.
import { pathIn } from "./path.ts";
import { toText } from "./text.ts";
import {
  fold,
  linksOf,
  machineLines,
  networkTitle,
  notesOf,
  sameRoutes,
  sandboxTitle,
  type World,
  type WorldEndpoint,
  type WorldLink,
  type WorldNetwork,
  type WorldWire,
} from "./world.ts";

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
export const COLOURS = {
  light: {
    ...{ page: "#ffffff", text: "#1f2328", dim: "#525b65", bad: "#b42318", way: "#7b3fd1" },
    ...{ line: "#7d8590", host: "#f6f8fa", link: "#e9edf1", network: "#e3effd", edge: "#3a7fc8" },
    ...{ machine: "#fff4d6", rim: "#94700a" },
  },
  dark: {
    ...{ page: "#0d1117", text: "#e6edf3", dim: "#a3abb4", bad: "#ff8f85", way: "#c8a2ff" },
    ...{ line: "#7d8590", host: "#11161d", link: "#21262d", network: "#12253d", edge: "#4d8fd6" },
    ...{ machine: "#2b2411", rim: "#b8912d" },
  },
};

const rules = (colours: typeof COLOURS.light) =>
  `.page { fill: ${colours.page} }
text { fill: ${colours.text} }
.dim { fill: ${colours.dim} }
.bad { fill: ${colours.bad} }
.host { fill: ${colours.host}; stroke: ${colours.line} }
.link { fill: ${colours.link}; stroke: ${colours.line} }
.network { fill: ${colours.network}; stroke: ${colours.edge} }
.sandbox { fill: ${colours.page}; stroke: ${colours.line} }
.machine { fill: ${colours.machine}; stroke: ${colours.rim} }
.wire { fill: none; stroke: ${colours.line} }
.off { stroke: ${colours.bad} }
.on { stroke: ${colours.way} }
.stop { stroke: ${colours.bad} }`;

/** Each rule has the class of the picture, as a page that has it inside may have rules of its own. */
const STYLE =
  `text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }
.title { font-weight: 700 }
.wire { stroke-width: 2 }
.off { stroke-dasharray: 5 3 }
.on { stroke-width: 3 }
${rules(COLOURS.light)}
@media (prefers-color-scheme: dark) {
${rules(COLOURS.dark)}
}`.replace(/^(?=[.t])/gm, ".ipvlan-graph ");

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

/** Draws from top to bottom: what draws a part is told its top, and returns its bottom. */
class Drawing {
  readonly lines: string[] = [];
  readonly width: number;
  readonly #path;
  /** The widths of a machine, a link, the text of a network, and a sandbox. */
  readonly #wide;
  /** Where the wires, the host, its links and the networks begin. */
  readonly #left;

  constructor(private readonly world: World) {
    this.#path = pathIn(world);
    const links = linksOf(world.links);
    const networks = links.flatMap((link) => link.networks);
    const machines = links.flatMap(({ wire }) => wire?.machines ?? []).map(machineLines);
    const chips = networks.map((network) =>
      network.endpoints.map((each) => chipLines(network, each))
    );
    const wide = this.#wide = {
      machine: widthFor(machines, 330),
      link: widthFor(links.map(linkLines), 250),
      network: widthFor(networks.map(networkLines), 280),
      chip: widthFor(chips.flat(), 340),
    };
    const wires = PADDING + wide.machine + (machines.length > 0 ? GAP : 0);
    const host = wires + widthFor(links.map(({ wire }) => [tagsOf(wire)]), 240);
    const depth = Math.max(0, ...links.map(({ wire }) => wire?.tags.length ?? 0)) + 1;
    const link = host + GAP;
    const left = this.#left = { wires, host, link, network: link + depth * (wide.link + 2 * GAP) };
    const abreast = Math.min(ABREAST, Math.max(0, ...chips.map(({ length }) => length)));
    this.width = Math.max(
      NARROW,
      Math.min(WIDE, widthFor([world.path?.text ?? []], Infinity)),
      left.network + wide.network + abreast * (wide.chip + PADDING) + GAP + PADDING,
    );
  }

  all(): number {
    const { path, links } = this.world;
    const above = (path?.text ?? []).reduce(
      (y, line, index) => this.#words(line, index === 0 ? "title" : "dim", y),
      PADDING,
    );
    const notes = notesOf(this.world);
    if (links.length === 0) notes.unshift("No link has a network on it");
    const host = links.length > 0 ? this.#drawHost(above + GAP / 2) + GAP : above;
    return this.#drawLegend(notes.reduce((y, note) => this.#words(note, "bad", y), host) + GAP) +
      PADDING;
  }

  #words(line: string, kind: string, y: number): number {
    this.#text(PADDING, y + 14, line, this.width - 2 * PADDING, kind);
    return y + LINE;
  }

  #drawHost(y: number): number {
    const x = this.#left.host;
    const width = this.width - PADDING - x;
    if (this.#wide.machine > 0) this.#text(PADDING, y + MIDDLE + 4, "LAN", 60, "title");
    return this.#box(
      ["this host"],
      `host${this.#mark(this.world)}`,
      { x, y, width },
      () =>
        stack(this.world.links, y + LINE + PADDING, (link, top) => this.#drawLink(link, 0, top)) +
        PADDING,
    );
  }

  /** Draws a link, left of it its wire, and right of it what stands on it. */
  #drawLink(link: WorldLink, depth: number, y: number): number {
    const { state, networks, subInterfaces, addresses, wire } = link;
    const width = this.#wide.link;
    const x = this.#left.link + depth * (width + 2 * GAP);
    const kind = `link${state === "up" ? "" : " off"}${this.#mark(link)}`;
    return this.#box(linkLines(link), kind, { x, y, width }, () => {
      const used = [...networks, ...addresses, ...wire?.machines ?? []];
      const isBare = used.length === 0 && subInterfaces.length > 0;
      const own = isBare ? y - GAP : Math.max(
        y + 2 * MIDDLE,
        wire ? this.#drawWire(link, wire, depth, y) : y,
        stack(networks, y, (each, top) => this.#drawNetwork(each, link, x + width, top)),
      );
      return stack(subInterfaces, own + GAP, (each, top) => this.#drawLink(each, depth + 1, top));
    });
  }

  /** Draws a wire with its machines, up to the link and through those below it. */
  #drawWire({ state }: WorldLink, wire: WorldWire, depth: number, y: number): number {
    const { wires, host, link } = this.#left;
    const step = this.#wide.link + 2 * GAP;
    const off = state === "up" ? "" : " off";
    const middle = y + MIDDLE;
    const gaps = Array.from({ length: depth }, (_, index) => link + index * step)
      .map((x) => `M${x + this.#wide.link} ${middle}H${x + step}`);
    this.#line(`M${wires} ${middle}H${link}${gaps.join("")}`, `wire${off}${this.#mark(wire)}`);
    this.#text(wires + 8, middle - 6, tagsOf(wire), host - wires, "dim");
    const [width, x] = [this.#wide.machine, PADDING];
    const { shown, more } = fold(wire.machines, (each) => this.#path.on.has(each));
    const boxes: [string[], object?][] = shown.map((each) => [machineLines(each), each]);
    if (more > 0) boxes.push([[`+ ${more} more`]]);
    return stack(boxes, y, ([lines, machine], top) => {
      this.#line(`M${x + width} ${top + MIDDLE}H${wires}V${middle}`, `wire${this.#mark(machine)}`);
      return this.#box(lines, `machine${this.#mark(machine)}`, { x, y: top, width });
    });
  }

  #drawNetwork(network: WorldNetwork, link: WorldLink, from: number, y: number): number {
    const { network: x } = this.#left;
    const { chip, network: room } = this.#wide;
    this.#line(`M${from} ${y + MIDDLE}H${x}`, `wire${this.#mark(network, link)}`);
    const { shown, more } = fold(
      network.endpoints,
      (each) => !each.up || !sameRoutes(network, each) || this.#path.on.has(each),
      SANDBOXES,
    );
    const chips = shown.map((each) => ({
      lines: chipLines(network, each),
      kind: `sandbox${each.up ? "" : " off"}${this.#mark(each)}`,
    }));
    if (more > 0) chips.push({ lines: [`+ ${more} more`], kind: "sandbox" });
    const width = this.width - PADDING - GAP - x;
    return this.#box(
      networkLines(network),
      `network${this.#mark(network)}`,
      { x, y, width, room },
      () => {
        let top = y + PADDING;
        for (let start = 0; start < chips.length; start += ABREAST) {
          const row = chips.slice(start, start + ABREAST);
          const bottom = top + Math.max(...row.map(({ lines }) => heightOf(lines)));
          row.forEach(({ lines, kind }, index) => {
            const left = x + room + index * (chip + PADDING);
            this.#box(lines, kind, { x: left, y: top, width: chip }, () => bottom);
          });
          top = bottom + PADDING;
        }
        return top;
      },
    );
  }

  #drawLegend(y: number): number {
    const entries = [
      ["machine", "LAN machine"],
      ["link", "link"],
      ["network", "network"],
      ["sandbox", "sandbox"],
      ["sandbox off", "down"],
      ...this.world.path
        ? [["sandbox on", "● on the way"], ["sandbox on stop", "✗ it ends here"]]
        : [],
    ];
    let x = PADDING;
    for (const [kind = "", label = ""] of entries) {
      this.lines.push(
        `<rect class="key ${kind}" x="${x}" y="${y}" width="18" height="12" rx="3"/>`,
      );
      this.#text(x + 24, y + 10, label, 200, "dim");
      x += Math.ceil(24 + lengthOf(label) * CHARACTER + GAP);
    }
    return y + LINE;
  }

  /** Draws a box behind what `draw` draws in it or beside it, as high as that or its own lines. */
  #box(
    lines: readonly string[],
    kind: string,
    { x, y, width, room = width }: { x: number; y: number; width: number; room?: number },
    draw = () => y,
  ): number {
    const place = this.lines.push("") - 1;
    const bottom = Math.max(draw(), y + heightOf(lines));
    const mark = kind.endsWith(" stop") ? "✗ " : kind.endsWith(" on") ? "● " : "";
    this.lines[place] = `<rect class="${kind}" x="${x}" y="${y}" width="${width}" ` +
      `height="${bottom - y}" rx="5"/>`;
    lines.forEach((line, index) => {
      const kind = index === 0 ? "title" : "dim";
      const text = index === 0 ? mark + line : line;
      this.#text(x + PADDING, y + MIDDLE + 4 + LINE * index, text, room - 2 * PADDING, kind);
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

  /** The classes of what the path passes, or ends at. */
  #mark(...things: (object | undefined)[]): string {
    const { on, stop } = this.#path;
    const isOn = things.every((thing) => thing && on.has(thing));
    return isOn ? things[0] === stop ? " on stop" : " on" : "";
  }
}

function linkLines({ name, kind, state, mtu, addresses, routes }: WorldLink): string[] {
  return capped([name, `${kind}, ${state}`, `mtu ${mtu}`, ...addresses, ...routes]);
}

function networkLines(network: WorldNetwork): string[] {
  const { mode, flag, subnets, routes } = network;
  return capped([networkTitle(network), `${mode} ${flag}`, ...subnets, ...routes]);
}

function chipLines(network: WorldNetwork, endpoint: WorldEndpoint): string[] {
  const { ifname, addresses, routes, up } = endpoint;
  const own = sameRoutes(network, endpoint) ? [] : routes.length > 0 ? routes : ["no way out"];
  return capped([`${sandboxTitle(endpoint)} ${ifname}${up ? "" : " down"}`, ...addresses, ...own]);
}

function tagsOf(wire: WorldWire | undefined): string {
  return wire?.tags.join(" in ") || "untagged";
}

function capped(lines: string[]): string[] {
  const more = lines.length - LINES + 1;
  return more > 1 ? [...lines.slice(0, -more), `+ ${more} more`] : lines;
}

/** Draws things one below the other. */
function stack<T>(things: readonly T[], y: number, draw: (thing: T, y: number) => number): number {
  return things.reduce((bottom, thing) => draw(thing, bottom + GAP), y - GAP);
}

function heightOf(lines: readonly string[]): number {
  return lines.length * LINE + 13;
}

/** The width of a box for the longest of some lines, with a mark of the path. */
function widthFor(boxes: readonly string[][], most: number): number {
  const longest = Math.max(0, ...boxes.flat().map(lengthOf));
  return longest === 0 ? 0 : Math.min(most, Math.ceil((longest + 2) * CHARACTER) + 2 * PADDING);
}

/** The length of a text in characters of the font. Those of some scripts are twice as wide. */
function lengthOf(text: string): number {
  return [...text].reduce((sum, character) => sum + (character > "\u2e7f" ? 2 : 1), 0);
}

function fit(text: string, most: number): string {
  if (lengthOf(text) <= most) return text;
  const characters = [...text];
  while (lengthOf(characters.join("")) >= most) characters.pop();
  return `${characters.join("")}…`;
}

function escape(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
