// The forms of the values of a site file, and how values are read by them.
import type { IpvlanError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";

export interface TextShape {
  kind: "text";
  what: string;
  /** A regular expression that every valid text matches, for editors. */
  pattern?: string;
  /** Returns the problem of a text. This decides; the pattern is only a hint. */
  judge?: (text: string) => IpvlanError | undefined;
}

/** A mapping with keys of the user's choice, whose values all have one shape. */
export interface NamedShape {
  kind: "named";
  names: TextShape;
  /** The shape of each value. A value that is left out (`web:`) stands for an empty mapping. */
  of: Shape;
}

export interface KeysShape {
  kind: "keys";
  keys: Readonly<Record<string, Key>>;
  required?: readonly string[];
  /** Keys to ignore, as a regular expression. */
  ignored?: string;
}

export interface Key {
  /** Its meaning, in half a line. */
  help: string;
  shape: Shape;
  /** Another name of the key, from `compose.yaml`. */
  alias?: string;
  /** The field with its value, if that is not {@linkcode fieldOf} the key. */
  field?: string;
}

/**
 * The required form of a value of a site file. The reader and the JSON Schema follow from it. The
 * shapes of `either` differ in kind.
 */
export type Shape =
  | TextShape
  | { kind: "number"; what: string; range: readonly [least: number, greatest: number] }
  | { kind: "switch" }
  | { kind: "choice"; of: readonly string[] }
  | { kind: "list"; of: Shape }
  | NamedShape
  | KeysShape
  | { kind: "either"; of: readonly Shape[] };

/** The path of a value in the file: keys, and in lists indexes from 0. */
export type Path = readonly (string | number)[];

/** The aliases of the keys, with their main names before them. */
export function aliasesOf(shape: Shape): [name: string, alias: string][] {
  if (shape.kind === "either") return shape.of.flatMap(aliasesOf);
  if (shape.kind === "list" || shape.kind === "named") return aliasesOf(shape.of);
  if (shape.kind !== "keys") return [];
  return Object.entries(shape.keys).flatMap(([name, { alias, shape }]) => [
    ...(alias === undefined ? [] : [[name, alias] satisfies [string, string]]),
    ...aliasesOf(shape),
  ]);
}

/** The field of a key: `ipRange` for `ip_range`. */
export function fieldOf(key: string): string {
  return key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
}

/** The key of a field: `ip_range` for `ipRange`. */
export function keyOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export type Report = (path: Path, reason: string) => void;

/** The maximum number of values in a file after its anchors are expanded. */
const MAX_VALUES = 1_000_000;

/**
 * Reads values by their shapes. A mapping with known keys becomes an object with their fields. A
 * mapping of mappings becomes a `Map`, in the order of the file, and one of single values an object.
 * A wrong value is reported by a path of main names, and left out.
 */
export class ShapeReader {
  #left = MAX_VALUES;

  constructor(private readonly report: Report, private readonly tooMany: IpvlanError) {}

  read(shape: Shape, value: unknown, path: Path): unknown {
    if (this.#left-- === 0) throw this.tooMany;
    const fit = shapesOf(shape).find(({ kind }) => KINDS[kind] === kindOf(value));
    if (!fit) return this.#wrongKind(shape, value, path);
    switch (fit.kind) {
      case "list":
        return (value as unknown[]).map((item, index) => this.read(fit.of, item, [...path, index]))
          .filter((item) => item !== undefined);
      case "named":
        return this.#readNamed(fit, value as Map<unknown, unknown>, path);
      case "keys":
        return this.#readKeys(fit, value as Map<unknown, unknown>, path);
    }
    const reason = reasonAgainst(fit, value);
    if (reason === undefined) return value;
    this.report(path, reason);
  }

  #readNamed(shape: NamedShape, value: Map<unknown, unknown>, path: Path): unknown {
    const result = new Map<string, unknown>();
    for (const [key, item] of value) {
      const name = this.#key(key, path);
      if (name === undefined) continue;
      const problem = shape.names.judge?.(name);
      if (problem) this.report([...path, name], problem.message);
      const read = this.read(shape.of, withDefault(item, shape.of), [...path, name]);
      if (read !== undefined) result.set(name, read);
    }
    return shape.of.kind === "keys" ? result : Object.fromEntries(result);
  }

  #readKeys(shape: KeysShape, value: Map<unknown, unknown>, path: Path): unknown {
    const result: Record<string, unknown> = {};
    const written = new Map<string, string>();
    for (const [key, item] of value) {
      const name = this.#key(key, path);
      if (name === undefined) continue;
      if (shape.ignored !== undefined && new RegExp(shape.ignored).test(name)) continue;
      const keys = Object.entries(shape.keys);
      const entry = keys.find(([main, { alias }]) => name === main || name === alias);
      if (!entry) {
        const known = keys.flatMap(([main, { alias }]) => [main, alias ?? main]);
        const hint = didYouMean(name, known) || `; there are ${Object.keys(shape.keys).join(", ")}`;
        this.report([...path, name], `There is no such key${hint}`);
        continue;
      }
      const [main, { shape: inner, field = fieldOf(main) }] = entry;
      const other = written.get(main);
      if (other !== undefined) {
        this.report([...path, name], `It says the same as "${other}": give one of them`);
        continue;
      }
      written.set(main, name);
      const read = this.read(inner, withDefault(item, inner), [...path, main]);
      if (read !== undefined) result[field] = read;
    }
    const { required = [] } = shape;
    for (const name of required) {
      if (!written.has(name)) this.report(path, `Missing key: ${name}`);
    }
    return required.every((name) => name in result) ? result : undefined;
  }

  #key(key: unknown, path: Path): string | undefined {
    if (typeof key === "string" || typeof key === "number") return String(key);
    this.report(path, `A key is ${show(key)}, where a text belongs`);
  }

  #wrongKind(shape: Shape, value: unknown, path: Path): undefined {
    const wanted = shapesOf(shape);
    const isText = wanted.some(({ kind }) => KINDS[kind] === "text");
    const isPlain = typeof value === "number" || typeof value === "boolean";
    const hint = isPlain && isText ? `: write it as "${value}"` : "";
    const shown = value === null ? "Nothing" : show(value).replace(/^a /, "A ");
    this.report(path, `${shown} is where ${wanted.map(noun).join(" or ")} belongs${hint}`);
  }
}

function reasonAgainst(shape: Shape, value: unknown): string | undefined {
  switch (shape.kind) {
    case "text":
      return shape.judge?.(value as string)?.message;
    case "number": {
      const [least, greatest] = shape.range;
      const number = value as number;
      if (Number.isInteger(number) && number >= least && number <= greatest) return undefined;
      return `${value} is not valid: give a whole number from ${least} to ${greatest}`;
    }
    case "choice": {
      const text = value as string;
      if (shape.of.includes(text)) return undefined;
      const choose = shape.of.length > 1 ? "choose one of" : "choose";
      const hint = didYouMean(text, shape.of);
      return `${show(text)} is not valid: ${choose} ${shape.of.join(", ")}${hint}`;
    }
  }
}

const KINDS: Readonly<Record<Shape["kind"], string | undefined>> = {
  text: "text",
  choice: "text",
  number: "number",
  switch: "switch",
  list: "list",
  named: "mapping",
  keys: "mapping",
  either: undefined,
};

function kindOf(value: unknown): string {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "switch";
  if (value instanceof Map) return "mapping";
  return Array.isArray(value) ? "list" : "nothing";
}

function shapesOf(shape: Shape): readonly Shape[] {
  return shape.kind === "either" ? shape.of : [shape];
}

/** Replaces a missing value (`web:`) by an empty mapping, if the shape allows a mapping. */
function withDefault(value: unknown, shape: Shape): unknown {
  const isMapping = shapesOf(shape).some(({ kind }) => KINDS[kind] === "mapping");
  return value === null && isMapping ? new Map() : value;
}

/** Shows a value in a sentence. Of a list or a mapping, it names only the kind. */
function show(value: unknown): string {
  const kind = kindOf(value);
  return kind === "list" || kind === "mapping" ? `a ${kind}` : JSON.stringify(value);
}

function noun(shape: Shape): string {
  if ("what" in shape) return shape.what;
  if (shape.kind === "switch") return "true or false";
  return shape.kind === "choice" ? `one of ${shape.of.join(", ")}` : `a ${KINDS[shape.kind]}`;
}
