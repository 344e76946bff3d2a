import type { IpvlanError } from "../base/errors.ts";

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
