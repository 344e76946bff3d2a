// The values that a template works on, and how they are printed.

/**
 * A value. `undefined` is a missing value; an integer that a number cannot hold exactly
 * is a bigint. A `Map` is Go's map, whose keys may be missing; a plain object is Go's struct, with
 * known fields.
 */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Value[]
  | ReadonlyMap<string, Value>
  | Struct;

/**
 * Go's struct. A function without a parameter is a field that JSON leaves out; else a method:
 * `{{.Label "tier"}}`.
 */
export interface Struct {
  readonly [name: string]: Value | ((argument: string) => Value);
}

export function typeName(value: Value): string {
  if (value === undefined || value === null) return "nil";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  if (isInteger(value)) return "int";
  if (typeof value === "number") return "float64";
  return isList(value) ? "list" : isMap(value) ? "map" : "struct";
}

export function isInteger(value: Value): value is number | bigint {
  return typeof value === "bigint" || Number.isInteger(value);
}

export function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map;
}

export function isStruct(value: Value): value is Struct {
  return typeName(value) === "struct";
}

/** The entries of a map in the order of their keys, as Go prints and ranges over them. */
export function sortedEntries<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => a < b ? -1 : 1);
}

function fieldsOf(struct: Struct): [name: string, value: Value][] {
  return Object.entries(struct).flatMap(([name, field]) => {
    if (typeof field !== "function") return [[name, field]];
    return field.length === 0 ? [[name, field("")]] : [];
  });
}

/** The elements of a value with their indexes or keys; `undefined` if it has none by its type. */
export function elementsOf(value: Value): [key: Value, element: Value][] | undefined {
  if (value === undefined) return [];
  if (isList(value)) return value.map((element, index) => [index, element]);
  return isMap(value) ? sortedEntries(value) : undefined;
}

/** What it costs to work on a value: the number of its characters and elements. */
export function sizeOf(value: Value): number {
  if (typeof value === "string") return value.length;
  if (isList(value)) return value.reduce<number>((sum, each) => sum + sizeOf(each), value.length);
  return isMap(value) ? value.size : 1;
}

/** Whether a value counts as true: not false, 0, nil or empty. A struct always does. */
export function isTrue(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isMap(value)) return value.size > 0;
  return Boolean(value);
}

/** Prints a value as Go's `%v` does, by a function for each leaf; or as `%+v`: `{Name:web}`. */
export function printed(
  value: Value,
  leaf: (value: Value) => string = plain,
  named = false,
): string {
  const inner = (value: Value) => printed(value, leaf, named);
  if (isList(value)) return `[${value.map(inner).join(" ")}]`;
  if (isMap(value)) {
    const entries = sortedEntries(value).map(([key, value]) => `${leaf(key)}:${inner(value)}`);
    return `map[${entries.join(" ")}]`;
  }
  if (isStruct(value)) {
    const fields = fieldsOf(value);
    return `{${fields.map(([name, value]) => (named ? `${name}:` : "") + inner(value)).join(" ")}}`;
  }
  return leaf(value);
}

function plain(value: Value): string {
  return value === undefined || value === null ? "<nil>" : String(value);
}

/** Writes a value as JSON, with the keys of maps in order; without an indent, all in one line. */
export function toJson(value: Value, indent = ""): string {
  // Deno has it, and its types have not (https://tc39.es/proposal-json-parse-with-source).
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  const plainOf = (_name: string, each: Value): unknown => {
    if (typeof each === "bigint") return rawJSON(String(each));
    if (!isMap(each)) return each;
    return inOrder(sortedEntries(each).map(([key, value]) => [key, value ?? null]));
  };
  return JSON.stringify(value ?? null, plainOf, indent);
}

/** An object with its keys in this order. A plain object would put keys such as `30` first. */
export function inOrder(
  entries: readonly [key: string, value: unknown][],
): Record<string, unknown> {
  return new Proxy(Object.fromEntries(entries), { ownKeys: () => entries.map(([key]) => key) });
}

/** A function cannot do its work. The template's error adds the place. */
export class Refusal extends Error {}

/** The most steps, printed characters and read elements, so that no template uses all memory. */
export const MOST = 1 << 24;

/** Checks the length of a text before it is made. @throws {Refusal} */
export function checkLength(length: number): void {
  if (length > MOST) throw new Refusal("the text is too long");
}
