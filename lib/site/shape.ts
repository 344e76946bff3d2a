import type { IpvlanError } from "../errors.ts";

/** A text. */
export interface TextShape {
  /** A text. */
  kind: "text";
  /** What it is, in a few words: `an address`. */
  what: string;
  /**
   * A regular expression that every good one matches, for editors.
   *
   * @default {undefined} Any text will do.
   */
  pattern?: string;
  /**
   * Says what is wrong with it; it is the judge, the pattern only a help.
   *
   * @default {undefined} Nothing is wrong with any text.
   */
  judge?: (text: string) => IpvlanError | undefined;
}

/** A whole number. */
export interface NumberShape {
  /** A whole number. */
  kind: "number";
  /** What it is, in a few words. */
  what: string;
  /** The least and the greatest. */
  range: readonly [least: number, greatest: number];
}

/** `true` or `false`. */
export interface SwitchShape {
  /** `true` or `false`. */
  kind: "switch";
}

/** One of a few words. */
export interface ChoiceShape {
  /** One of a few words. */
  kind: "choice";
  /** The words. */
  of: readonly string[];
}

/** A list, all of whose items are alike. */
export interface ListShape {
  /** A list. */
  kind: "list";
  /** How each item is. */
  of: Shape;
}

/** A mapping with keys of the user's choice, all of whose values are alike. */
export interface NamedShape {
  /** A mapping with names as its keys. */
  kind: "named";
  /** How each key is. */
  names: TextShape;
  /** How each value is. A value that is left out (`web:`) is as an empty mapping. */
  of: Shape;
}

/** A mapping with known keys, none of which has to be there. */
export interface KeysShape {
  /** A mapping with known keys. */
  kind: "keys";
  /** The keys. */
  keys: Readonly<Record<string, Key>>;
  /**
   * Keys that may be there and mean nothing, as a regular expression.
   *
   * @default {undefined} None.
   */
  ignored?: string;
}

/** One of several shapes of different kinds. */
export interface EitherShape {
  /** One of several. */
  kind: "either";
  /** The shapes. */
  of: readonly Shape[];
}

/** A known key of a mapping. */
export interface Key {
  /** What it says, in half a line. */
  help: string;
  /** How its value is. */
  shape: Shape;
  /**
   * Another word for the same key, from `compose.yaml`.
   *
   * @default {undefined}
   */
  alias?: string;
}

/** How a value of a site file has to be. What reads the file and the JSON Schema are made of it. */
export type Shape =
  | TextShape
  | NumberShape
  | SwitchShape
  | ChoiceShape
  | ListShape
  | NamedShape
  | KeysShape
  | EitherShape;

/** Where a value is in the file: the keys, and the places in lists from 0, that lead to it. */
export type Path = readonly (string | number)[];

/** A path as one would write it: `sandboxes.nginx.command[0]`. */
export function formatPath(path: Path): string {
  return path.map((step, index) =>
    typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`
  ).join("");
}

/** The other words for keys, by the main ones. */
export function aliasesOf(shape: Shape): Map<string, string> {
  switch (shape.kind) {
    case "list":
    case "named":
      return aliasesOf(shape.of);
    case "either":
      return new Map(shape.of.flatMap((each) => [...aliasesOf(each)]));
    case "keys":
      return new Map(
        Object.entries(shape.keys).flatMap(([name, { alias, shape }]) => [
          ...(alias === undefined ? [] : [[name, alias] as const]),
          ...aliasesOf(shape),
        ]),
      );
    default:
      return new Map();
  }
}
