// The functions that a template can call: those of Go's text/template that give a value, and those
// that Docker adds (https://docs.docker.com/engine/cli/formatting/).
import { Buffer } from "node:buffer";
import { didYouMean } from "../base/suggest.ts";
import { isList, isMap, isStruct, isTrue, Refusal, typeName } from "./value.ts";
import { elementsOf, printed, toJson, type Value } from "./value.ts";

/** A function has as many arguments as parameters; one with none but a rest has any number. */
export type Functions = Readonly<Record<string, (...values: Value[]) => Value>>;

/** An argument that is not evaluated yet. */
export type Argument = () => Value;

export const FUNCTIONS: Functions = {
  // What decides is evaluated last.
  and: (...values) => values.at(-1),
  or: (...values) => values.at(-1),
  not: (value) => !isTrue(value),
  eq: (...[a, ...more]) => more.some((each) => isEqual(a, each)),
  ne: (a, b) => !isEqual(a, b),
  lt: isLess,
  le: (a, b) => !isLess(b, a),
  gt: (a, b) => isLess(b, a),
  ge: (a, b) => !isLess(a, b),
  len: (value) => isMap(value) ? value.size : itemsOf(value).length,
  index: (...[value, ...keys]) => keys.reduce(elementAt, value),
  // Go puts a space between two values that are no texts.
  print: (...values) =>
    values.map((each, index) => {
      const isApart = index > 0 && [each, values[index - 1]].every((v) => typeof v !== "string");
      return (isApart ? " " : "") + printed(each);
    }).join(""),
  println: (...values) => values.map((each) => printed(each)).join(" ") + "\n",
  printf: (...[format, ...values]) => printf(text(format), values),
  json: (value) => toJson(value),
  join,
  split: (value, separator) => text(value).split(text(separator)),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title: (value) =>
    text(value).replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase()),
  pad: (value, before, after) =>
    value === "" ? "" : " ".repeat(count(before)) + text(value) + " ".repeat(count(after)),
  // The first bytes of a text.
  truncate: (value, length) => Buffer.from(text(value)).toString("utf8", 0, count(length)),
};

const asIs = (...values: Value[]) => values[0];

/** Docker's functions in the header of a table: the name of a column stays as it is. */
export const HEADER_FUNCTIONS: Functions = {
  ...FUNCTIONS,
  ...{ json: asIs, join: asIs, split: asIs, lower: asIs, upper: asIs, title: asIs, truncate: asIs },
};

/** Calls a function. @throws {Refusal} */
export function call(name: string, functions: Functions, args: readonly Argument[]): Value {
  const run = functions[name]!;
  if (run.length > 0 && args.length !== run.length) {
    throw new Refusal(`${name} needs ${run.length} arguments, and not ${args.length}`);
  }
  const values: Value[] = [];
  for (const evaluate of args) {
    const value = evaluate();
    values.push(value);
    if (name === "and" && !isTrue(value) || name === "or" && isTrue(value)) break;
  }
  return run(...values);
}

/** Gives the field of a value. A method gets the arguments. @throws {Refusal} */
export function field(value: Value, name: string, args: readonly Argument[]): Value {
  // As in Go, a field of a missing value is missing.
  if (value === undefined) return undefined;
  if (!isMap(value) && !isStruct(value)) {
    throw new Refusal(`can't evaluate field ${name} in ${typeName(value)}`);
  }
  if (isStruct(value) && !Object.hasOwn(value, name)) {
    throw new Refusal(`can't evaluate field ${name}${didYouMean(name, Object.keys(value))}`);
  }
  const found = isMap(value) ? value.get(name) : value[name];
  const isMethod = typeof found === "function" && found.length > 0;
  if (args.length !== Number(isMethod)) {
    throw new Refusal(`${name} needs ${Number(isMethod)} arguments, and not ${args.length}`);
  }
  return typeof found === "function" ? found(isMethod ? text(args[0]!()) : "") : found;
}

function text(value: Value): string {
  if (typeof value === "string") return value;
  throw new Refusal(`expected string; got ${typeName(value)}`);
}

/** A position or length. A bigint of the data is none that a text or list has. */
function count(value: Value): number {
  if (Number.isInteger(value) && Number(value) >= 0) return Number(value);
  throw new Refusal(`expected a whole number from 0; got ${printed(value)}`);
}

/** As Docker's `join`: the values of a map are joined in their own order. */
function join(value: Value, separator: Value): string {
  const texts = elementsOf(value ?? [])?.map(([_, each]) => printed(each));
  if (!texts) throw new Refusal(`expected list; got ${typeName(value)}`);
  return (isMap(value) ? texts.sort() : texts).join(text(separator));
}

function isEqual(a: Value, b: Value): boolean {
  if (typeName(a) === "nil" || typeName(b) === "nil") return typeName(a) === typeName(b);
  return typeof a === "boolean" && typeof b === "boolean"
    ? a === b
    : !isLess(a, b) && !isLess(b, a);
}

function isLess(a: Value, b: Value): boolean {
  const [left, right] = [typeName(a), typeName(b)];
  if (left === right && (left === "number" || left === "string")) return a! < b!;
  throw new Refusal(`cannot compare ${left} with ${right}`);
}

/** The elements of a list, or the bytes of a text's UTF-8: what Go counts. */
function itemsOf(value: Value): readonly Value[] | Uint8Array {
  if (isList(value)) return value;
  if (typeof value === "string") return Buffer.from(value);
  throw new Refusal(`expected list, map or string; got ${typeName(value)}`);
}

function elementAt(value: Value, key: Value): Value {
  if (!isMap(value)) {
    const items = itemsOf(value);
    if (count(key) < items.length) return items[count(key)];
    throw new Refusal(`index out of range: ${key}`);
  }
  // Go gives the zero value of the map's type for a missing key. An empty map is of texts.
  const [first = ""] = value.values();
  return value.has(text(key)) ? value.get(text(key)) : typeof first === "string" ? "" : null;
}

/** A text, number, boolean or nil by a verb of printf; `undefined` if it does not fit. */
function leafText(part: Value, verb: string): string | undefined {
  const isWhole = typeof part === "bigint" || Number.isInteger(part);
  if (verb === "v" || verb === "d" && isWhole) return printed(part);
  if (verb === "t" && typeof part === "boolean") return printed(part);
  if (verb === "x" && isWhole) return (part as number | bigint).toString(16);
  if (typeof part !== "string") return undefined;
  if (verb === "q") return JSON.stringify(part);
  return verb === "s" ? part : verb === "x" ? Buffer.from(part).toString("hex") : undefined;
}

/** Prints values as Go's fmt does (https://pkg.go.dev/fmt), by its usual verbs and flags. */
function printf(format: string, values: readonly Value[]): string {
  let next = 0;
  const result = format.replace(/%(-?)([1-9]\d*)?(?:\.(\d+))?(.?)/gsu, (...found: string[]) => {
    const [directive, minus, digits, precision, verb] = found;
    if (verb === "%") return "%";
    if (next === values.length) throw new Refusal(`no value for ${directive}`);
    // A directive holds for each part of a list, map or struct.
    return printed(values[next++], (part) => {
      const isCut = precision !== undefined && typeof part === "string";
      const text = leafText(isCut ? [...part].slice(0, Number(precision)).join("") : part, verb!);
      if (text === undefined) throw new Refusal(`${directive} does not fit ${printed(part)}`);
      return minus ? text.padEnd(Number(digits)) : text.padStart(Number(digits));
    });
  });
  if (next < values.length) throw new Refusal(`${values.length - next} values too many`);
  return result;
}
