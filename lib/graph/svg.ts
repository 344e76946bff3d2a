import {
  networkTitle,
  notesOf,
  sameRoutes,
  sandboxTitle,
  type World,
  type WorldEndpoint,
  type WorldLink,
  type WorldNetwork,
} from "./world.ts";

/** All lengths are in pixels. */
const WIDTH = 1120;
const PADDING = 16;
const GAP = 12;
/** A line of the title of a box, and one of a sandbox. */
const LINE = 20;
const SMALL_LINE = 16;
/** The width of a character of the monospaced font at 12 pixels, rounded up. */
const CHARACTER = 7.3;

/** The colours, in light and in dark. No CSS variables: not every SVG viewer knows them. */
const LIGHT = {
  ...{ page: "#fff", text: "#1f2328", dim: "#59636e", bad: "#b42318" },
  ...{ link: "#f3f5f7", line: "#c4ccd4", network: "#e3effd", edge: "#4a8fd8" },
};
const DARK: typeof LIGHT = {
  ...{ page: "#0d1117", text: "#e6edf3", dim: "#9198a1", bad: "#ff8f85" },
  ...{ link: "#161b22", line: "#3d444d", network: "#12253d", edge: "#3d7dc4" },
};

const rules = (colours: typeof LIGHT) =>
  `.page { fill: ${colours.page} } text { fill: ${colours.text} }
.link { fill: ${colours.link}; stroke: ${colours.line} }
.network { fill: ${colours.network}; stroke: ${colours.edge} }
.sandbox { fill: ${colours.page}; stroke: ${colours.line} }
.off { stroke: ${colours.bad} } .dim { fill: ${colours.dim} } .bad { fill: ${colours.bad} }`;

const STYLE = `text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
.title { font-size: 14px; font-weight: 600 } .off { stroke-dasharray: 4 3 }
${rules(LIGHT)}
@media (prefers-color-scheme: dark) {
${rules(DARK)}
}`;

/** A part of the picture: its height, and a function that draws it at a place. */
type Part = { height: number; draw: (x: number, y: number) => string[] };

/** The world as an SVG picture that needs nothing else: boxes in boxes, in light and in dark. */
export function toSvg(world: World): string {
  const inner = WIDTH - 2 * PADDING;
  const empty = world.links.length === 0 ? ["No link has a network on it"] : [];
  const notes = [...notesOf(world), ...empty].map((note): Part => ({
    height: LINE,
    draw: (x, y) => [textAt(x, y + 14, fit(note, inner), "bad")],
  }));
  const all = stack([...world.links.map((link) => linkPart(link, inner)), ...notes]);
  const height = all.height + 2 * PADDING;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
    `height="${height}" role="img" aria-label="ipvlan networks of this host">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    ...all.draw(PADDING, PADDING),
    "</svg>",
  ].join("\n");
}

function linkPart(link: WorldLink, width: number): Part {
  const { name, kind, state, mtu, addresses, routes } = link;
  const inner = width - 2 * PADDING;
  return box("link", width, state === "up", [
    { text: joined(name, kind, state, `mtu ${mtu}`), bold: name },
    { text: joined(...addresses, ...routes) },
  ], [
    ...link.networks.map((network) => networkPart(network, inner)),
    ...link.subInterfaces.map((sub) => linkPart(sub, inner)),
  ]);
}

function networkPart(network: WorldNetwork, width: number): Part {
  const { mode, flag, subnets, routes, endpoints } = network;
  const title = networkTitle(network);
  return box("network", width, true, [
    { text: joined(title, `${mode} ${flag}`, ...subnets), bold: title },
    { text: routes.join(", ") },
  ], endpoints.length === 0 ? [] : [grid(network, width - 2 * PADDING)]);
}

/** Places the sandboxes of a network side by side, each as large as the largest. */
function grid(network: WorldNetwork, width: number): Part {
  const chips = network.endpoints.map((endpoint) => chipLines(network, endpoint));
  const longest = Math.max(...chips.flat().map((line) => line.length));
  const wanted = Math.max(110, longest * CHARACTER + 20);
  const perRow = Math.max(1, Math.floor((width + GAP) / (wanted + GAP)));
  const chipWidth = Math.min(width, (width - (perRow - 1) * GAP) / perRow, wanted * 1.6);
  const chipHeight = Math.max(...chips.map((lines) => lines.length)) * SMALL_LINE + 14;
  const rows = Math.ceil(chips.length / perRow);
  return {
    height: rows * (chipHeight + GAP) - GAP,
    draw: (x, y) =>
      chips.flatMap((lines, index) => {
        const left = round(x + (index % perRow) * (chipWidth + GAP));
        const top = y + Math.floor(index / perRow) * (chipHeight + GAP);
        const off = network.endpoints[index]!.up ? "" : " off";
        const texts = lines.map((line, number) => {
          const shown = fit(line, chipWidth - 20);
          return textAt(left + 10, top + 19 + number * SMALL_LINE, shown, number > 0 ? "dim" : "");
        });
        return [rect(left, top, chipWidth, chipHeight, `sandbox${off}`), ...texts];
      }),
  };
}

function chipLines(network: WorldNetwork, endpoint: WorldEndpoint): string[] {
  const { ifname, addresses, routes, up } = endpoint;
  return [
    `${sandboxTitle(endpoint)} ${ifname}${up ? "" : " down"}`,
    ...addresses,
    ...(sameRoutes(network, endpoint) ? [] : [routes.join(", ") || "no way out"]),
  ];
}

/** A frame with lines of text at its top and parts below them. */
function box(
  kind: "link" | "network",
  width: number,
  on: boolean,
  lines: { text: string; bold?: string }[],
  parts: readonly Part[],
): Part {
  const shown = lines.filter(({ text }) => text !== "");
  const content = stack(parts);
  const head = PADDING / 2 + shown.length * LINE + PADDING / 2;
  const height = head + (parts.length > 0 ? content.height + PADDING : 0);
  return {
    height,
    draw: (x, y) => [
      rect(x, y, width, height, on ? kind : `${kind} off`),
      ...shown.map(({ text, bold = "" }, index) => {
        const rest = fit(text.slice(bold.length), width - 2 * PADDING - bold.length * 9);
        const start = bold === "" ? "" : `<tspan class="title">${escape(bold)}</tspan>`;
        const top = y + PADDING / 2 + index * LINE + 15;
        return `<text x="${x + PADDING}" y="${top}" xml:space="preserve">${start}` +
          `<tspan class="dim">${escape(rest)}</tspan></text>`;
      }),
      ...content.draw(x + PADDING, y + head),
    ],
  };
}

/** Parts one below the other. */
function stack(parts: readonly Part[]): Part {
  const height = parts.reduce((sum, part) => sum + part.height + GAP, 0) - GAP;
  return {
    height: Math.max(0, height),
    draw: (x, y) => {
      let top = y;
      return parts.flatMap((part) => {
        const drawn = part.draw(x, top);
        top += part.height + GAP;
        return drawn;
      });
    },
  };
}

function joined(...parts: string[]): string {
  return parts.join("   ");
}

function fit(text: string, width: number): string {
  const most = Math.max(1, Math.floor(width / CHARACTER));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function rect(x: number, y: number, width: number, height: number, kind: string): string {
  return `<rect class="${kind}" x="${x}" y="${y}" width="${round(width)}" height="${height}" ` +
    'rx="6"/>';
}

function textAt(x: number, y: number, text: string, kind: string): string {
  const attribute = kind === "" ? "" : ` class="${kind}"`;
  return `<text${attribute} x="${round(x)}" y="${y}">${escape(text)}</text>`;
}

function round(length: number): number {
  return Math.round(length * 10) / 10;
}

function escape(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
