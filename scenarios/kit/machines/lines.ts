// Compares what `ip` prints of links, their addresses and routes with what is expected, in any order.
import { linkName } from "../../../lib/iproute2/words.ts";
import { describeNetns, type Finding, finding } from "../../../lib/check/reach.ts";
import type { CommandResult } from "../command.ts";
import { runIp } from "./in_netns.ts";

/** A line of `ip`: its first word, and from its other words to their values; "" for a flag. */
interface Line {
  name: string;
  values: Map<string, string>;
}

/** Parses a line, also one that a document quotes. @param isFlag Whether a word has no value. */
function parseLine(line: string, isFlag: (word: string) => boolean): Line {
  const [name = "", ...words] = line.trim().split(/\s+/);
  const values = new Map<string, string>();
  while (words.length > 0) {
    const key = words.shift()!;
    values.set(key, isFlag(key) ? "" : words.shift() ?? "");
  }
  return { name, values };
}

/**
 * Whether lines match the expected ones. Compares some values always, and every other one that an
 * expected line has. Ignores link-local lines unless expected.
 */
function matchLines(
  all: Line[],
  wanted: Line[],
  compared: string[],
  linkLocal: RegExp,
): boolean {
  const fits = (line: Line, other: Line) =>
    line.name === other.name &&
    [...compared, ...other.values.keys()]
      .every((key) => line.values.get(key) === other.values.get(key));
  const found = all.filter(({ name }) =>
    !linkLocal.test(name) || wanted.some((other) => other.name === name)
  );
  return found.length === wanted.length &&
    wanted.every((other) => found.some((line) => fits(line, other))) &&
    found.every((line) => wanted.some((other) => fits(line, other)));
}

/** Compares what `ip addr show` printed. Of flags, it always compares those of unusable addresses. */
export function matchesAddrs(printed: string, expected: readonly string[]): boolean {
  const parse = (line: string) => parseLine(line, () => true);
  // … peer ADDRESS brd ADDRESS scope SCOPE FLAG… LABEL; only IPv4 has a label.
  const lines = [...printed.matchAll(/^\s+inet6? (\S+)(?:.* scope \S+)?(.*)$/gm)];
  const found = lines.map(([, address, flags]) => parse(`${address} ${flags}`));
  return matchLines(found, expected.map(parse), ["tentative", "dadfailed"], /^fe80:/);
}

/** Words of a route that have no value. */
const FLAGS = ["onlink", "linkdown", "dead", "pervasive", "offload", "trap"];

/** Compares what `ip route show` printed. It always compares the keys of a route's target. */
export function matchesRoutes(printed: string, expected: readonly string[]): boolean {
  const parse = (line: string) => parseLine(line, (word) => FLAGS.includes(word));
  const found = printed.split("\n").filter((line) => line.trim() !== "").map(parse);
  return matchLines(found, expected.map(parse), ["via", "dev", "src"], /^fe80::\/64$/);
}

/**
 * Checks that a link has these addresses and no others.
 *
 * An expected address may have flags after it, which the address must have: `2001:db8::1/64 nodad`.
 * An address that is `tentative` or `dadfailed` cannot be used (RFC 4862, section 5.4), so it matches
 * only if the expected address has this flag. Link-local addresses are ignored unless expected.
 */
export async function addressesEqual(
  netns: string | undefined,
  dev: string,
  expected: string[],
): Promise<Finding> {
  const shown = await runIp(netns, "addr", "show", "dev", linkName(dev));
  const addresses = expected.join(", ") || "none";
  return finding(
    `${dev} of ${describeNetns(netns)} has the addresses ${addresses}`,
    shown.success && matchesAddrs(shown.output, expected),
    shown,
  );
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

function showLink(netns: string | undefined, dev: string): Promise<CommandResult> {
  return runIp(netns, "-d", "link", "show", "dev", linkName(dev));
}

/**
 * Checks that the output of `ip -d link show` has all of these phrases, each as whole words:
 * `vlan protocol 802.1Q id 20`, `ipvlan mode l2`, `NOARP`.
 */
export async function linkShows(
  netns: string | undefined,
  dev: string,
  ...phrases: string[]
): Promise<Finding> {
  const shown = await showLink(netns, dev);
  // ip prints flags between "<", "," and ">".
  const words = (text: string) => ` ${text.split(/[\s<>,]+/).filter(Boolean).join(" ")} `;
  return finding(
    `${dev} of ${describeNetns(netns)} is ${phrases.join(", ")}`,
    shown.success && phrases.every((phrase) => words(shown.output).includes(words(phrase))),
    shown,
  );
}

/** Checks that a link does not exist. */
export async function linkIsGone(netns: string | undefined, dev: string): Promise<Finding> {
  const shown = await showLink(netns, dev);
  const isMissing = !shown.success && /^Device .* does not exist\.?$/m.test(shown.output);
  return finding(`${describeNetns(netns)} has no link ${dev}`, isMissing, shown);
}

/** Checks a link's hardware (MAC) address. */
export async function hasMac(
  netns: string | undefined,
  dev: string,
  mac: string,
): Promise<Finding> {
  const found = await linkShows(netns, dev, `link/ether ${mac.toLowerCase()}`);
  return { ...found, sentence: `${dev} of ${describeNetns(netns)} has the MAC ${mac}` };
}
