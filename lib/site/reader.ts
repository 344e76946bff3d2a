import { didYouMean } from "../base/suggest.ts";
import type { KeysShape, NamedShape, Path, Shape } from "./shape.ts";

/** Receives each problem with its path in the file. */
export type Report = (path: Path, reason: string) => void;

/** The maximum number of values in a file after its anchors are expanded. */
const MAX_VALUES = 1_000_000;

/** The file expands to too many values. */
export class TooManyValuesError extends Error {}

/**
 * Reads values by their shapes. A mapping becomes a `Map`, in the order of the file, with the main
 * names of its keys. A wrong value is reported by a path of main names, and left out; in a list, it
 * becomes `undefined`.
 */
export class ShapeReader {
  #report: Report;
  #left = MAX_VALUES;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Reads one value. @throws {TooManyValuesError} The file has too many. */
  read(shape: Shape, value: unknown, path: Path): unknown {
    if (this.#left-- === 0) throw new TooManyValuesError();
    if (shape.kind === "either") {
      const kind = kindOf(value);
      const fit = shape.of.find((each) => KINDS[each.kind] === kind);
      return fit ? this.read(fit, value, path) : this.#wrongKind(shape, value, path);
    }
    if (KINDS[shape.kind] !== kindOf(value)) return this.#wrongKind(shape, value, path);
    switch (shape.kind) {
      case "text": {
        const problem = shape.judge?.(value as string);
        if (!problem) return value;
        this.#report(path, problem.message);
        return undefined;
      }
      case "number": {
        const [least, greatest] = shape.range;
        const number = value as number;
        if (Number.isInteger(number) && number >= least && number <= greatest) return value;
        const rule = `give a whole number from ${least} to ${greatest}`;
        this.#report(path, `${value} is not valid: ${rule}`);
        return undefined;
      }
      case "choice":
        if (shape.of.includes(value as string)) return value;
        this.#report(path, invalidChoice(value as string, shape.of));
        return undefined;
      case "switch":
        return value;
      case "list":
        return (value as unknown[]).map((item, index) =>
          this.read(shape.of, item, [...path, index])
        );
      case "named":
        return this.#readNamed(shape, value as Map<unknown, unknown>, path);
      case "keys":
        return this.#readKeys(shape, value as Map<unknown, unknown>, path);
    }
  }

  #readNamed(shape: NamedShape, value: Map<unknown, unknown>, path: Path): Map<string, unknown> {
    const result = new Map<string, unknown>();
    for (const [key, item] of value) {
      const name = this.#key(key, path);
      if (name === undefined) continue;
      const problem = shape.names.judge?.(name);
      if (problem) this.#report([...path, name], problem.message);
      const read = this.read(shape.of, withDefault(item, shape.of), [...path, name]);
      if (read !== undefined) result.set(name, read);
    }
    return result;
  }

  #readKeys(shape: KeysShape, value: Map<unknown, unknown>, path: Path): Map<string, unknown> {
    const result = new Map<string, unknown>();
    const written = new Map<string, string>();
    for (const [key, item] of value) {
      const name = this.#key(key, path);
      if (name === undefined) continue;
      if (shape.ignored !== undefined && new RegExp(shape.ignored).test(name)) continue;
      const entry = Object.entries(shape.keys).find(([main, { alias }]) =>
        name === main || name === alias
      );
      if (!entry) {
        const known = Object.entries(shape.keys)
          .flatMap(([main, { alias }]) => alias === undefined ? [main] : [main, alias]);
        const hint = didYouMean(name, known) || `; there are ${Object.keys(shape.keys).join(", ")}`;
        this.#report([...path, name], `There is no such key${hint}`);
        continue;
      }
      const [main, { shape: inner }] = entry;
      const other = written.get(main);
      if (other !== undefined) {
        this.#report([...path, name], `It says the same as "${other}": give one of them`);
        continue;
      }
      written.set(main, name);
      const read = this.read(inner, withDefault(item, inner), [...path, main]);
      if (read !== undefined) result.set(main, read);
    }
    for (const name of shape.required ?? []) {
      if (!written.has(name)) this.#report(path, `Missing key: ${name}`);
    }
    return result;
  }

  #key(key: unknown, path: Path): string | undefined {
    if (typeof key === "string" || typeof key === "number") return String(key);
    this.#report(path, `A key is ${show(key)}, where a text belongs`);
  }

  #wrongKind(shape: Shape, value: unknown, path: Path): undefined {
    const wanted = shape.kind === "either" ? shape.of : [shape];
    const quote = typeof value === "number" || typeof value === "boolean";
    const hint = quote && wanted.some((each) => KINDS[each.kind] === "text")
      ? `: write it as "${value}"`
      : "";
    this.#report(path, `${describe(value)} where ${wanted.map(noun).join(" or ")} belongs${hint}`);
  }
}

/** Describes a text that is none of the choices, with the one that was likely meant. */
function invalidChoice(text: string, words: readonly string[]): string {
  const choose = words.length > 1 ? "choose one of" : "choose";
  return `${show(text)} is not valid: ${choose} ${words.join(", ")}${didYouMean(text, words)}`;
}

type Kind = "text" | "number" | "switch" | "list" | "mapping" | "nothing";

const KINDS = {
  text: "text",
  choice: "text",
  number: "number",
  switch: "switch",
  list: "list",
  named: "mapping",
  keys: "mapping",
  either: undefined,
} as const;

function kindOf(value: unknown): Kind {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "switch";
  if (value instanceof Map) return "mapping";
  return Array.isArray(value) ? "list" : "nothing";
}

/** Replaces a missing value (`web:`) by an empty mapping, if the shape allows a mapping. */
function withDefault(value: unknown, shape: Shape): unknown {
  const shapes = shape.kind === "either" ? shape.of : [shape];
  const mapping = shapes.some(({ kind }) => KINDS[kind] === "mapping");
  return value === null && mapping ? new Map() : value;
}

/** Names a value for the start of a sentence. Of a list or a mapping, it names only the kind. */
function describe(value: unknown): string {
  const kind = kindOf(value);
  if (kind === "nothing") return "Nothing is";
  if (kind === "list" || kind === "mapping") return `A ${kind} is`;
  return `${show(value)} is`;
}

function show(value: unknown): string {
  const kind = kindOf(value);
  if (kind === "list" || kind === "mapping") return `a ${kind}`;
  return kind === "nothing" ? "null" : JSON.stringify(value);
}

/** Names the kind of value that a shape expects. */
function noun(shape: Shape): string {
  switch (shape.kind) {
    case "text":
    case "number":
      return shape.what;
    case "switch":
      return "true or false";
    case "choice":
      return `one of ${shape.of.join(", ")}`;
    case "list":
      return "a list";
    default:
      return "a mapping";
  }
}
