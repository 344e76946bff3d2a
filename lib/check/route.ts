import { evidenceOf, type Finding, inNetns, run, who } from "./finding.ts";

/** What says where a route leads; the rest of a line is how the kernel came by it. */
const COMPARED = ["via", "dev", "src"];

/** Words of a route line that stand alone. */
const FLAGS = ["onlink", "linkdown", "dead", "pervasive", "offload", "trap"];

/** A route line in words: its destination, and the value of each of its keys. */
export interface RouteLine {
  /** Where to: `default`, a prefix or an address. */
  dst: string;
  /** `via`, `dev`, `src`, `proto`, `metric`, …, in the order of the line; a flag has the value "". */
  values: Map<string, string>;
}

/** Reads a line of `ip route`, or one of a document that shows such lines. */
export function parseRoute(line: string): RouteLine {
  const [dst = "", ...words] = line.trim().split(/\s+/);
  const values = new Map<string, string>();
  while (words.length > 0) {
    const key = words.shift()!;
    values.set(key, FLAGS.includes(key) ? "" : words.shift() ?? "");
  }
  return { dst, values };
}

/** Whether a route is what a line asks for: `via`, `dev` and `src`, and what else the line names. */
export function isRoute(actual: RouteLine, expected: RouteLine): boolean {
  return actual.dst === expected.dst &&
    [...COMPARED, ...expected.values.keys()]
      .every((key) => actual.values.get(key) === expected.values.get(key));
}

/** Whether routes are the expected ones, in any order, but for IPv6's own on every link. */
export function areRoutes(printed: string, expected: string[]): boolean {
  const wanted = expected.map(parseRoute);
  const found = printed.split("\n").filter((line) => line.trim() !== "").map(parseRoute)
    .filter(({ dst }) => dst !== "fe80::/64" || wanted.some((each) => each.dst === dst));
  return found.length === wanted.length &&
    wanted.every((line) => found.some((route) => isRoute(route, line))) &&
    found.every((route) => wanted.some((line) => isRoute(route, line)));
}

/**
 * Checks that the main routing table has these routes and no others.
 *
 * Compared are the destination, `via`, `dev` and `src`, and whatever else an expected line names
 * (`metric 1024`). Link-local routes (`fe80::/64`) count only where one is expected.
 *
 * @param netns The network namespace; `undefined` for the caller's own.
 * @param family 4 or 6.
 * @param expected Lines as `ip route` prints them: `default via 192.168.30.1 dev eth0`.
 */
export async function routesEqual(
  netns: string | undefined,
  family: 4 | 6,
  expected: string[],
): Promise<Finding> {
  const shown = await run(
    "ip",
    ...inNetns(netns),
    ...[`-${family}`, "route", "show"],
  );
  return {
    sentence: `${who(netns)} has the IPv${family} routes ${
      expected.map((line) => `"${line}"`).join(", ") || "none"
    }`,
    held: shown.success && areRoutes(shown.output, expected),
    evidence: [evidenceOf(shown)],
  };
}
