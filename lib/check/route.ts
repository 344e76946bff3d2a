import { describeNetns, type Finding, finding, runIp } from "./finding.ts";

/** The keys of a route's target. They are always compared; others only if expected. */
const COMPARED = ["via", "dev", "src"];

/** Words of a route line that have no value. */
const FLAGS = ["onlink", "linkdown", "dead", "pervasive", "offload", "trap"];

/** A route: its destination, and from `via`, `dev`, `metric`, … to their values; "" for a flag. */
type RouteLine = { dst: string; values: Map<string, string> };

/** Parses a line of `ip route`, also one that a document quotes. */
function parseRouteLine(line: string): RouteLine {
  const [dst = "", ...words] = line.trim().split(/\s+/);
  const values = new Map<string, string>();
  while (words.length > 0) {
    const key = words.shift()!;
    values.set(key, FLAGS.includes(key) ? "" : words.shift() ?? "");
  }
  return { dst, values };
}

/** Whether a route has the destination, `via`, `dev` and `src` of a line, and its other values. */
function matchesRoute(actual: RouteLine, expected: RouteLine): boolean {
  return actual.dst === expected.dst &&
    [...COMPARED, ...expected.values.keys()]
      .every((key) => actual.values.get(key) === expected.values.get(key));
}

/** Whether routes match the expected ones in any order. Ignores link-local ones unless expected. */
export function matchesRoutes(printed: string, expected: string[]): boolean {
  const wanted = expected.map(parseRouteLine);
  const found = printed.split("\n").filter((line) => line.trim() !== "").map(parseRouteLine)
    .filter(({ dst }) => dst !== "fe80::/64" || wanted.some((each) => each.dst === dst));
  return found.length === wanted.length &&
    wanted.every((line) => found.some((route) => matchesRoute(route, line))) &&
    found.every((route) => wanted.some((line) => matchesRoute(route, line)));
}

/**
 * Checks that the main routing table has these routes and no others.
 *
 * Compares the destination, `via`, `dev` and `src`, and every other value that an expected line has
 * (`metric 1024`). Link-local routes (`fe80::/64`) are ignored unless expected.
 *
 * @param expected Lines as `ip route` prints them: `default via 192.168.30.1 dev eth0`.
 */
export async function routesEqual(
  netns: string | undefined,
  family: 4 | 6,
  expected: string[],
): Promise<Finding> {
  const shown = await runIp(netns, `-${family}`, "route", "show");
  const routes = expected.map((line) => `"${line}"`).join(", ") || "none";
  return finding(
    `${describeNetns(netns)} has the IPv${family} routes ${routes}`,
    shown.success && matchesRoutes(shown.output, expected),
    shown,
  );
}
