// The functions that a template can call: those of Go's text/template that give a value, and those
// that Docker adds (https://docs.docker.com/engine/cli/formatting/).
import { sprintf } from "./printf.ts";
import {
  isInteger,
  isList,
  isMap,
  isTrue,
  printed,
  Refusal,
  sortedEntries,
  toJson,
  typeName,
  type Value,
} from "./value.ts";

export type Parameter = "any" | "string" | "int";

export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** The type of any number of further arguments. */
  readonly more?: Parameter;
  /** Calls it with arguments that were checked. @throws {Refusal} */
  run(values: readonly Value[]): Value;
}

export type Functions = Readonly<Record<string, TemplateFunction>>;

/** The longest text that is joined from pieces, so that no template uses all memory. */
export const MAX_TEXT = 1 << 24;

const MAX_PADDING = 1_000_000;

export const FUNCTIONS: Functions = {
  not: onAny(1, ([value]) => !isTrue(value)),
  eq: onAny(2, ([first, ...others]) => others.some((other) => isEqual(first, other)), "any"),
  ne: onAny(2, ([a, b]) => !isEqual(a, b)),
  lt: onAny(2, ([a, b]) => isLess(a, b)),
  le: onAny(2, ([a, b]) => isLess(a, b) || isEqual(a, b)),
  gt: onAny(2, ([a, b]) => isLess(b, a)),
  ge: onAny(2, ([a, b]) => isLess(b, a) || isEqual(a, b)),
  len: onAny(1, ([value]) => lengthOf(value)),
  index: onAny(1, ([value, ...keys]) => keys.reduce(elementAt, value), "any"),
  slice: onAny(1, ([value, ...bounds]) => sliceOf(value, bounds), "any"),
  print: onAny(0, (values) => joined(withSpaces(values)), "any"),
  println: onAny(0, (values) => joined(values.map((value) => printed(value)), " ") + "\n", "any"),
  printf: {
    parameters: ["string"],
    more: "any",
    run: ([format, ...values]) => sprintf(format as string, values, MAX_TEXT),
  },
  json: onAny(1, ([value]) => toJson(value)),
  join: {
    parameters: ["any", "string"],
    run: ([value, separator]) => joinedElements(value, separator as string),
  },
  split: {
    parameters: ["string", "string"],
    run: ([text, separator]) =>
      separator === "" ? [...text as string] : (text as string).split(separator as string),
  },
  lower: onText((text) => text.toLowerCase()),
  upper: onText((text) => text.toUpperCase()),
  title: onText((text) =>
    text.replace(/(?<![\p{L}\p{N}_])\p{L}/gu, (letter) => letter.toUpperCase())
  ),
  pad: {
    parameters: ["string", "int", "int"],
    run: ([text, before, after]) => text === "" ? "" : spaces(before) + text + spaces(after),
  },
  truncate: {
    parameters: ["string", "int"],
    run: ([text, length]) => {
      const bytes = encode(text as string);
      if (Number(length) < 0) throw new Refusal("slice bounds out of range");
      return decode(bytes.slice(0, Number(length)));
    },
  },
};

function onAny(
  count: number,
  run: (values: readonly Value[]) => Value,
  more?: Parameter,
): TemplateFunction {
  return { parameters: Array.from({ length: count }, () => "any" as const), more, run };
}

function onText(run: (text: string) => string): TemplateFunction {
  return { parameters: ["string"], run: ([text]) => run(text as string) };
}

export const FUNCTION_NAMES: readonly string[] = ["and", "or", ...Object.keys(FUNCTIONS)];

/** Docker's functions in the header of a table: the name of a column stays as it is. */
export const HEADER_FUNCTIONS: Functions = {
  ...FUNCTIONS,
  ...Object.fromEntries(
    ["json", "join", "split", "lower", "upper", "title", "truncate"].map((name) => [
      name,
      { ...FUNCTIONS[name]!, run: ([value]: readonly Value[]) => value },
    ]),
  ),
};

function joined(pieces: readonly string[], separator = ""): string {
  const length = pieces.reduce(
    (sum, piece) => sum + piece.length + separator.length,
    -separator.length,
  );
  if (length > MAX_TEXT) throw new Refusal("the text is too long");
  return pieces.join(separator);
}

/** Go's `print` puts a space between two values that are no texts. */
function withSpaces(values: readonly Value[]): string[] {
  const isText = (index: number) => index < 0 || typeof values[index] === "string";
  return values.map((value, index) =>
    (isText(index) || isText(index - 1) ? "" : " ") + printed(value)
  );
}

/** As Docker's `join`: the values of a map are joined in their own order. */
function joinedElements(value: Value, separator: string): string {
  if (value === undefined || value === null) return "";
  if (!isList(value) && !isMap(value)) {
    throw new Refusal(`expected slice, got ${typeName(value)}`);
  }
  const texts = isList(value)
    ? value.map((each) => printed(each))
    : [...value.values()].map((each) => printed(each)).sort();
  return joined(texts, separator);
}

function spaces(count: Value): string {
  if (Number(count) < 0) throw new Refusal("strings: negative Repeat count");
  if (Number(count) > MAX_PADDING) throw new Refusal("the text is too long");
  return " ".repeat(Number(count));
}

function isEqual(a: Value, b: Value): boolean {
  const [left, right] = [a, b].map(typeName);
  if (left === "nil" || right === "nil") return left === right;
  for (const [value, type] of [[a, left], [b, right]] as const) {
    if (["list", "map", "struct"].includes(type!)) {
      throw new Refusal(`non-comparable type ${type}: ${printed(value)}`);
    }
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

function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** As in Go, the length of a text is that of its UTF-8. */
function lengthOf(value: Value): number {
  if (typeof value === "string") return encode(value).length;
  if (isList(value)) return value.length;
  if (isMap(value)) return value.size;
  throw new Refusal(value === null ? "len of nil pointer" : `len of type ${typeName(value)}`);
}

function elementAt(value: Value, key: Value): Value {
  if (value === undefined || value === null) throw new Refusal("index of nil pointer");
  if (isMap(value)) {
    if (typeof key !== "string") {
      throw new Refusal(`value has type ${typeName(key)}; should be string`);
    }
    return value.has(key) ? value.get(key) : zeroOf(value);
  }
  if (isList(value)) return value[position(key, value.length - 1)];
  if (typeof value === "string") {
    const bytes = encode(value);
    return bytes[position(key, bytes.length - 1)];
  }
  throw new Refusal(`can't index item of type ${typeName(value)}`);
}

/** Go gives the zero value of a map's type for a missing key. A map without values is of texts. */
function zeroOf(map: ReadonlyMap<string, Value>): Value {
  const [first = ""] = map.values();
  if (typeof first === "string") return "";
  if (typeof first === "boolean") return false;
  return isNumber(first) ? 0 : null;
}

function sliceOf(value: Value, bounds: readonly Value[]): Value {
  if (bounds.length > 2) throw new Refusal(`too many slice indexes: ${bounds.length}`);
  const item = typeof value === "string" ? encode(value) : value;
  if (!(item instanceof Uint8Array) && !isList(item)) {
    throw new Refusal(`can't slice item of type ${typeName(value)}`);
  }
  const [from = 0, to = item.length] = bounds.map((bound) => position(bound, item.length));
  if (from > to) throw new Refusal(`invalid slice index: ${from} > ${to}`);
  return item instanceof Uint8Array ? decode(item.slice(from, to)) : item.slice(from, to);
}

function position(value: Value, last: number): number {
  if (!isInteger(value)) {
    throw new Refusal(`cannot index slice/array with type ${typeName(value)}`);
  }
  if (value < 0 || value > last) throw new Refusal(`index out of range: ${value}`);
  return Number(value);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes that are no UTF-8, as where a character was cut, become U+FFFD. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

export function fits(value: Value, parameter: Parameter): boolean {
  if (parameter === "any") return true;
  return parameter === "string" ? typeof value === "string" : isInteger(value);
}

/** The cost of a function for a value: the number of its characters or elements. */
export function sizeOf(value: Value): number {
  if (typeof value === "string" || isList(value)) return value.length;
  return isMap(value) ? value.size : 1;
}

/** The elements of a value with their indexes or keys; `undefined` if it has none by its type. */
export function elementsOf(value: Value): [key: Value, element: Value][] | undefined {
  if (value === undefined) return [];
  if (isList(value)) return value.map((element, index) => [index, element]);
  return isMap(value) ? sortedEntries(value) : undefined;
}
