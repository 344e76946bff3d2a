/**
 * What the `@std` packages do with many inputs, the same ones each time: to be compared between the
 * stand-ins and the real packages.
 *
 * @module
 */
import { assertObjectMatch, equal } from "@std/assert";
import { parse, stringify } from "@std/yaml";
import fc from "fast-check";
import type { Command } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { optionsOf, parseArguments } from "../../lib/cli/options.ts";

const SEED = 8;
/** How many command lines are read. */
const LINES = 25_000;
/** How many values are compared, matched, written and read. */
const VALUES = 5_000;

/** What people type. */
// deno-fmt-ignore
const WORDS = [
  "n", "web", "eth0.20", "10.0.0.0/24", "fd00::/64", "A=1", "A=b c", "name=x", "true", "false", "1",
  "0x10", "007", "1e3", "1.5", "-",
];

/** What a parser may take for something else than it is. */
// deno-fmt-ignore
const ODD_WORDS = [
  "=", "=x", "x=", "", " ", "True", "yes", "no", "0", "-1", "NaN", "--", "---", "--=", "--=x", "-=",
  "-=x", "---x", "--no-", "a.b", "é", "😀", "a\nb", "\t", "--toString", "--constructor",
  "--__proto__", "--__proto__=x", "--hasOwnProperty=1", "--_", "--_=x", "--help.x", "--no-help",
  "--no-help=1", "--nope", "--nope=1", "-x", "-x1", "-1x", "-é",
];

/** Pieces of YAML. */
// deno-fmt-ignore
const PIECES = [
  "name", "web", "a", "b", ": ", ":", "\n", "\n  ", "\n- ", "\n  - ", "- ", "[", "]", "{", "}", ", ",
  "#", " #", "'", '"', "10.0.0.0/24", "fd00::/64", "12:30", "0x10", "010", "1e3", "1.5", "true", "yes",
  "null", "~", "&x ", "*x", "|\n  ", ">\n  ", "---\n", "<<: ", "2020-01-01", "!x ", "é", "=",
];

/** Characters; those beyond U+FFFF are what the stand-in for `stringify` writes in another way. */
const characters = fc.oneof(
  fc.constantFrom(..."ab \n\t:#-'\"=&*!|>%@`,[]{}"),
  fc.string({ minLength: 1, maxLength: 1, unit: "binary" }).filter((each) => each.length === 1),
);
/** Texts that are folded, as they are long. */
const texts = fc.string({ unit: fc.constantFrom("word", "x", " ", "\n", "\n  "), maxLength: 100 });
const values = fc.oneof(
  fc.jsonValue({ stringUnit: characters }),
  fc.record({ text: texts }),
  texts,
);

/** The commands by name, but for those that leave their words alone. */
const commands: [name: string, command: Command][] = [];
for (const [name, { load }] of Object.entries(COMMANDS)) {
  const command = await load();
  if (!command.raw) commands.push([name, command]);
}

/** A word, now and then an odd one. */
const word = fc.oneof(
  { weight: 15, arbitrary: fc.constantFrom(...WORDS) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_WORDS) },
);

/** An option as it is to be typed. */
function goodOption(command: Command): fc.Arbitrary<string[]> {
  return fc.constantFrom(...optionsOf(command)).chain(({ name, short, value }) => {
    const dashed = fc.constantFrom(`--${name}`, `-${short ?? `-${name}`}`);
    if (value === undefined) return dashed.map((each) => [each]);
    const attached = fc.constantFrom(`--${name}=`, short ? `-${short}` : `--${name}=`);
    return fc.oneof(
      fc.tuple(dashed, word),
      fc.tuple(attached, word).map((parts) => [parts.join("")]),
    );
  });
}

/** An option in some form, which may be wrong. */
function oddOption(command: Command): fc.Arbitrary<string[]> {
  return fc.constantFrom(...optionsOf(command)).chain(({ name, short = "x" }) => {
    const begin = fc.constantFrom(`--${name}`, `--no-${name}`, `-${short}`, `-${name}`);
    return fc.oneof(
      begin.map((each) => [each]),
      fc.tuple(begin, fc.constantFrom("=", ".", ""), word).map((parts) => [parts.join("")]),
    );
  });
}

/** Letters of options, with and without a value, written together. */
function letters(command: Command): fc.Arbitrary<string[]> {
  const known = optionsOf(command).flatMap(({ short }) => short ?? []);
  return fc.array(fc.constantFrom(...known, "x", "=", "1"), { minLength: 1, maxLength: 4 })
    .map((typed) => [`-${typed.join("")}`]);
}

/** Command lines: a command, and the words behind it. */
const lines = fc.constantFrom(...commands).chain(([name, command]) => {
  const part = fc.oneof(
    { weight: 20, arbitrary: goodOption(command) },
    { weight: 10, arbitrary: word.map((each) => [each]) },
    { weight: 1, arbitrary: oddOption(command) },
    { weight: 1, arbitrary: letters(command) },
  );
  const words = fc.array(part, { maxLength: 5 }).map((parts) => parts.flat());
  return fc.record({ name: fc.constant(name), command: fc.constant(command), words });
});

/** Pairs of values, of which many are equal. */
const pairs = pairsOf({ withMap: true, withSet: true });
/** Pairs of values without what the stand-in for `assertObjectMatch` does not take. */
const plainPairs = pairsOf({});

function pairsOf(withMore: fc.ObjectConstraints): fc.Arbitrary<[unknown, unknown]> {
  const anything = fc.anything({
    ...withMore,
    ...{ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true },
  });
  const shape = { key: fc.constantFrom("a", "b"), values: [fc.nat(1)], maxDepth: 2, maxKeys: 2 };
  const small = fc.anything({ ...withMore, ...shape });
  return fc.oneof(fc.clone(anything, 2), fc.tuple(small, small));
}

/** What is read from a command line. */
function readLine(name: string, command: Command, typed: string[]): unknown {
  const { positionals, value, values, on } = parseArguments(`ipvlan ${name}`, command, typed);
  const options = optionsOf(command).map((option) => [
    option.name,
    option.value === undefined ? on(option.name) : [value(option.name), values(option.name)],
  ]);
  return [positionals, options];
}

/** An input and what comes of it, as text. */
function outcome(what: string, input: unknown, call: () => unknown): string {
  const limits = { depth: Infinity, iterableLimit: Infinity, strAbbreviateSize: Infinity };
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    // What is wrong with a command line is said by us, but the packages' errors may be worded freely.
    result = what === "line" ? String(error) : (error as Error).name;
  }
  return `${what} ${Deno.inspect(input, limits)}: ${Deno.inspect(result, limits)}`;
}

/** All outcomes. */
export function outcomes(): string[] {
  const sample = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number) =>
    fc.sample(arbitrary, { numRuns, seed: SEED });
  return [
    ...sample(lines, LINES).map(({ name, command, words }) =>
      outcome("line", [name, ...words], () => readLine(name, command, words))
    ),
    ...sample(pairs, VALUES).map(([a, b]) => outcome("equal", [a, b], () => equal(a, b))),
    ...sample(plainPairs, VALUES).map(([a, b]) =>
      outcome("match", [a, b], () => assertObjectMatch({ a }, { a: b }))
    ),
    ...sample(values, VALUES).map((value) => outcome("stringify", value, () => stringify(value))),
    ...sample(fc.array(fc.constantFrom(...PIECES), { maxLength: 10 }), VALUES).map((pieces) =>
      outcome("parse", pieces.join(""), () => parse(pieces.join("")))
    ),
  ];
}

if (import.meta.main) await Deno.writeTextFile(Deno.args[0]!, JSON.stringify(outcomes()));
