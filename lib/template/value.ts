// The values that a template works on, and how they are printed.

type Leaf = undefined | null | boolean | number | bigint | string;

/**
 * A value. `undefined` is a missing value; an integer that a number cannot hold exactly
 * is a bigint. A `Map` is Go's map, whose keys may be missing; a plain object is Go's struct, with
 * known fields.
 */
export type Value = Leaf | readonly Value[] | ReadonlyMap<string, Value> | Struct;

/**
 * Go's struct. A function without a parameter is a field that JSON leaves out; else a method:
 * `{{.Label "tier"}}`.
 */
export interface Struct {
  readonly [name: string]: Value | ((argument: string) => Value);
}

/** A function cannot do its work. The template's error adds the place. */
export class Refusal extends Error {}

export function typeName(value: Value): string {
  if (value === undefined || value === null) return "nil";
  if (isMap(value)) return "map";
  if (typeof value === "object") return isList(value) ? "list" : "struct";
  return typeof value === "bigint" ? "number" : typeof value;
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
function sortedEntries(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => a < b ? -1 : 1);
}

/** The elements of a value with their indexes or keys; `undefined` if it has none by its type. */
export function elementsOf(value: Value): (readonly [key: Value, element: Value])[] | undefined {
  if (value === undefined) return [];
  if (isList(value)) return value.map((element, index) => [index, element]);
  return isMap(value) ? sortedEntries(value) : undefined;
}

/** Whether a value counts as true: not false, 0, nil or empty. A struct always does. */
export function isTrue(value: Value): boolean {
  return Boolean(elementsOf(value)?.length ?? value);
}

/** Prints a value as Go's `%v` does, by a function for each leaf. */
export function printed(value: Value, leaf = (part: Value) => String(part ?? "<nil>")): string {
  const all = (values: readonly Value[]) => values.map((each) => printed(each, leaf)).join(" ");
  if (isList(value)) return `[${all(value)}]`;
  if (isMap(value)) {
    const entries = sortedEntries(value).map(([key, each]) => `${leaf(key)}:${all([each])}`);
    return `map[${entries.join(" ")}]`;
  }
  if (!isStruct(value)) return leaf(value);
  const fields = Object.values(value).filter((each) => typeof each !== "function" || !each.length);
  return `{${all(fields.map((each) => typeof each === "function" ? each("") : each))}}`;
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
