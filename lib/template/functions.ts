// The functions that a template can call: those of Go's text/template that give a value, and those
// that Docker adds (https://docs.docker.com/engine/cli/formatting/).
import { Buffer } from "node:buffer";
import { didYouMean } from "../base/suggest.ts";
import { sprintf } from "./printf.ts";
import {
  checkLength,
  isInteger,
  isList,
  isMap,
  isNumber,
  isStruct,
  isTrue,
  printed,
  Refusal,
  toJson,
  typeName,
  type Value,
} from "./value.ts";

/** A function has as many arguments as parameters, or any number more. @throws {Refusal} */
interface TemplateFunction {
  (...values: Value[]): Value;
  readonly more?: boolean;
  /** Whether an argument decides, so that the further ones are not evaluated. */
  readonly decides?: (value: Value) => boolean;
}

export type Functions = Readonly<Record<string, TemplateFunction>>;

/** An argument that is not evaluated yet. */
export type Argument = () => Value;

export const FUNCTIONS: Functions = {
  and: withMore((first, ...more) => [first, ...more].at(-1), (value) => !isTrue(value)),
  or: withMore((first, ...more) => [first, ...more].at(-1), isTrue),
  not: (value) => !isTrue(value),
  eq: withMore((a, b, ...more) => [b, ...more].some((each) => isEqual(a, each))),
  ne: (a, b) => !isEqual(a, b),
  lt: isLess,
  le: (a, b) => !isLess(b, a),
  gt: (a, b) => isLess(b, a),
  ge: (a, b) => !isLess(a, b),
  len: (value) => isMap(value) ? value.size : itemsOf(value, "len").length,
  index: withMore((value, ...keys) => keys.reduce(elementAt, value)),
  slice: withMore(slice),
  print: withMore(printWithSpaces),
  println: withMore((...values) => values.map((each) => printed(each)).join(" ") + "\n"),
  printf: withMore((format, ...values) => sprintf(text(format), values)),
  json: (value) => toJson(value),
  join,
  split: (value, separator) =>
    separator === "" ? [...text(value)] : text(value).split(text(separator)),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title: (value) =>
    text(value).replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase()),
  pad: (value, before, after) =>
    value === "" ? "" : spaces(int(before)) + text(value) + spaces(int(after)),
  truncate,
};

/** Docker's functions in the header of a table: the name of a column stays as it is. */
export const HEADER_FUNCTIONS: Functions = {
  ...FUNCTIONS,
  ...Object.fromEntries(
    ["json", "join", "split", "lower", "upper", "title", "truncate"].map((name) => [
      name,
      withMore((value) => value),
    ]),
  ),
};

function withMore(
  run: (...values: Value[]) => Value,
  decides?: (value: Value) => boolean,
): TemplateFunction {
  return Object.assign(run, { more: true, decides });
}

/** Calls a function or a method. @throws {Refusal} */
export function call(name: string, run: TemplateFunction, args: readonly Argument[]): Value {
  const { length, more, decides } = run;
  if (args.length < length || !more && args.length > length) {
    const want = more ? `at least ${length}` : `${length}`;
    throw new Refusal(`wrong number of args for ${name}: want ${want} got ${args.length}`);
  }
  const values: Value[] = [];
  for (const evaluate of args) {
    const value = evaluate();
    values.push(value);
    if (decides?.(value)) break;
  }
  try {
    return run(...values);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(`error calling ${name}: ${error.message}`);
  }
}

/** Gives the field of a value. A method gets the arguments. @throws {Refusal} */
export function field(value: Value, name: string, args: readonly Argument[]): Value {
  // As in Go, a field of a missing value is missing.
  if (value === undefined) return undefined;
  if (value === null) throw new Refusal(`nil pointer evaluating .${name}`);
  if (!isMap(value) && !(isStruct(value) && Object.hasOwn(value, name))) {
    const why = isStruct(value)
      ? didYouMean(name, Object.keys(value))
      : ` in type ${typeName(value)}`;
    throw new Refusal(`can't evaluate field ${name}${why}`);
  }
  const found = isMap(value) ? value.get(name) : value[name];
  if (typeof found === "function") {
    return call(name, found.length === 0 ? () => found("") : (each) => found(text(each)), args);
  }
  if (args.length === 0) return found;
  throw new Refusal(`${name} has arguments but cannot be invoked as function`);
}

function text(value: Value): string {
  if (typeof value === "string") return value;
  throw new Refusal(`wrong type for value; expected string; got ${typeName(value)}`);
}

function int(value: Value): number {
  if (isInteger(value)) return Number(value);
  throw new Refusal(`wrong type for value; expected int; got ${typeName(value)}`);
}

/** Go's `print` puts a space between two values that are no texts. */
function printWithSpaces(...values: Value[]): string {
  const isText = (index: number) => index < 0 || typeof values[index] === "string";
  return values.map((value, index) =>
    (isText(index) || isText(index - 1) ? "" : " ") + printed(value)
  ).join("");
}

/** As Docker's `join`: the values of a map are joined in their own order. */
function join(value: Value, separator: Value): string {
  if (value === undefined || value === null) return "";
  if (!isList(value) && !isMap(value)) {
    throw new Refusal(`expected slice, got ${typeName(value)}`);
  }
  const texts = [...value.values()].map((each) => printed(each));
  checkLength(text(separator).length * texts.length);
  return (isMap(value) ? texts.sort() : texts).join(text(separator));
}

function spaces(count: number): string {
  if (count < 0) throw new Refusal("strings: negative Repeat count");
  checkLength(count);
  return " ".repeat(count);
}

/** The first bytes of a text. */
function truncate(value: Value, length: Value): string {
  if (int(length) < 0) throw new Refusal("slice bounds out of range");
  return Buffer.from(text(value)).toString("utf8", 0, int(length));
}

function isEqual(a: Value, b: Value): boolean {
  const [left, right] = [typeName(a), typeName(b)];
  if (left === "nil" || right === "nil") return left === right;
  const composite = [a, b].find((value) => typeof value === "object");
  if (composite !== undefined) {
    throw new Refusal(`non-comparable type ${typeName(composite)}: ${printed(composite)}`);
  }
  if (isNumber(a) && isNumber(b)) return a == b;
  if (left !== right) throw new Refusal("incompatible types for comparison");
  return a === b;
}

function isLess(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return a < b;
  if (typeof a === "string" && typeof b === "string") return a < b;
  const isOrdered = [a, b].every((value) => isNumber(value) || typeof value === "string");
  throw new Refusal(`${isOrdered ? "incompatible types" : "invalid type"} for comparison`);
}

/** The elements of a list, or the bytes of a text's UTF-8: what Go counts. */
function itemsOf(value: Value, verb: string): readonly Value[] | Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  if (isList(value)) return value;
  const isNil = value === undefined || value === null;
  throw new Refusal(`${verb} of ${isNil ? "nil pointer" : `type ${typeName(value)}`}`);
}

function elementAt(value: Value, key: Value): Value {
  if (!isMap(value)) {
    const items = itemsOf(value, "index");
    return items[position(key, items.length - 1)];
  }
  if (typeof key !== "string") {
    throw new Refusal(`value has type ${typeName(key)}; should be string`);
  }
  // Go gives the zero value of the map's type for a missing key. An empty map is of texts.
  const [first = ""] = value.values();
  return value.has(key) ? value.get(key) : typeof first === "string" ? "" : null;
}

/** A part of a list or a text. What is no UTF-8 then, where a character is cut, becomes U+FFFD. */
function slice(value: Value, ...bounds: Value[]): Value {
  if (bounds.length > 2) throw new Refusal(`too many slice indexes: ${bounds.length}`);
  const items = itemsOf(value, "slice");
  const [from = 0, to = items.length] = bounds.map((bound) => position(bound, items.length));
  if (from > to) throw new Refusal(`invalid slice index: ${from} > ${to}`);
  if (typeof value === "string") return Buffer.from(value).toString("utf8", from, to);
  return [...items].slice(from, to);
}

function position(value: Value, last: number): number {
  if (!isInteger(value)) {
    throw new Refusal(`cannot index slice/array with type ${typeName(value)}`);
  }
  if (value < 0 || value > last) throw new Refusal(`index out of range: ${value}`);
  return Number(value);
}
