import { familyOf } from "../ipam/address.ts";
import { pathIn } from "./path.ts";
import {
  countOf,
  fold,
  machineLines,
  networkTitle,
  notesOf,
  sameRoutes,
  sandboxTitle,
  type World,
  type WorldEndpoint,
  type WorldLink,
  type WorldNetwork,
} from "./world.ts";

/** This many endpoints of a network, or more, are written side by side, so that 100 fit a screen. */
const SIDE_BY_SIDE = 6;

/** Marks what the path passes. */
type Mark = (part: object) => string;

/** A line of the tree with what hangs from it. */
type Branch = { line: string; branches: Branch[] };

/**
 * The world as a tree for a terminal: links, the networks on them, and their sandboxes.
 *
 * @param width The columns of the terminal.
 */
export function toText(world: World, width: number): string {
  const { networks, sandboxes } = countOf(world);
  const { on, stop } = pathIn(world);
  const mark = (part: object) => part === stop ? "✗" : on.has(part) ? "●" : "";
  const count = (number: number, one: string, many = `${one}s`) =>
    `${number} ${number === 1 ? one : many}`;
  return [
    ...world.links.flatMap((link) => draw(linkBranch(link, 0, width, mark), "", "")),
    ...notesOf(world),
    `${count(networks, "network")}, ${count(sandboxes, "sandbox", "sandboxes")}`,
    ...world.path?.text ?? [],
  ].join("\n");
}

function draw({ line, branches }: Branch, first: string, rest: string): string[] {
  const last = branches.at(-1);
  return [
    first + line,
    ...branches.flatMap((branch) =>
      branch === last
        ? draw(branch, `${rest}└─ `, `${rest}   `)
        : draw(branch, `${rest}├─ `, `${rest}│  `)
    ),
  ];
}

/** Joins the parts of a line, without the empty ones. */
function joined(...parts: string[]): string {
  return parts.filter((part) => part !== "").join("  ");
}

function linkBranch(link: WorldLink, depth: number, width: number, mark: Mark): Branch {
  const { name, kind, state, mtu, addresses, routes, networks, subInterfaces } = link;
  // Of others, no more is known than the route to them, which stands there already.
  const machines = link.wire?.machines.filter(({ mac, netns }) => mac ?? netns) ?? [];
  const { shown, more } = fold(machines, (machine) => mark(machine) !== "");
  const leaf = (line: string): Branch => ({ line, branches: [] });
  return {
    line: joined(name, kind, state, `mtu ${mtu}`, ...addresses, ...routes, mark(link)),
    branches: [
      ...shown.map((each) => leaf(joined(...machineLines(each), mark(each)))),
      ...more > 0 ? [leaf(`+ ${more} more`)] : [],
      ...networks.map((network) => networkBranch(network, depth + 1, width, mark)),
      ...subInterfaces.map((sub) => linkBranch(sub, depth + 1, width, mark)),
    ],
  };
}

function networkBranch(network: WorldNetwork, depth: number, width: number, mark: Mark): Branch {
  const { mode, flag, subnets, routes } = network;
  // Three columns of the line's own for each level of the tree, and three for the endpoints.
  const lines = endpointLines(network, width - 3 * (depth + 1), mark);
  return {
    line: joined(networkTitle(network), `${mode} ${flag}`, ...subnets, ...routes, mark(network)),
    branches: lines.map((line) => ({ line, branches: [] })),
  };
}

function endpointLines(network: WorldNetwork, width: number, mark: Mark): string[] {
  const { subnets, endpoints } = network;
  const odd = (endpoint: WorldEndpoint) =>
    [...oddities(network, endpoint), mark(endpoint)].filter((part) => part !== "");
  if (endpoints.length < SIDE_BY_SIDE) {
    return endpoints.map((each) =>
      joined(sandboxTitle(each), each.ifname, ...each.addresses, ...odd(each))
    );
  }
  const cell = (each: WorldEndpoint) => {
    const addresses = each.addresses.map((address) => shortAddress(address, subnets));
    return [sandboxTitle(each), ...addresses, ...odd(each)].join(" ");
  };
  const { usual = [], unusual = [] } = Object.groupBy(
    endpoints,
    (each) => odd(each).length === 0 ? "usual" : "unusual",
  );
  return [...columns(usual.map(cell), width), ...unusual.map(cell)];
}

/** Finds how an endpoint differs from the network's others. */
function oddities(network: WorldNetwork, endpoint: WorldEndpoint): string[] {
  if (!endpoint.up) return ["(down)"];
  if (sameRoutes(network, endpoint)) return [];
  return [`(${endpoint.routes.join(", ") || "no way out"})`];
}

/** Shortens an address by the part that its network's only subnet of the family shows above it. */
function shortAddress(text: string, subnets: readonly string[]): string {
  const [address = ""] = text.split("/");
  const [subnet = "", ...more] = subnets.filter((each) => familyOf(each) === familyOf(address));
  const start = /^(.*)(?:\.0\/24|::\/64)$/.exec(subnet)?.[1];
  if (start === undefined || more.length > 0 || !address.startsWith(start)) return address;
  const rest = address.slice(start.length);
  return /^[.:]/.test(rest) ? rest : address;
}

/** Arranges cells in as many columns as fit, to be read from left to right. */
function columns(cells: readonly string[], width: number): string[] {
  const widest = Math.max(0, ...cells.map((cell) => cell.length)) + 2;
  const perLine = Math.max(1, Math.floor((width + 2) / widest));
  const lines: string[] = [];
  for (let start = 0; start < cells.length; start += perLine) {
    const line = cells.slice(start, start + perLine).map((cell) => cell.padEnd(widest)).join("");
    lines.push(line.trimEnd());
  }
  return lines;
}
