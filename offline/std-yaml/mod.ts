/**
 * `parse` and `stringify` of `@std/yaml`, for machines that do not reach JSR, over the very version of
 * `js-yaml` that `@std/yaml` was ported from. The same names, types and behaviour, but that `stringify`
 * escapes characters beyond U+FFFF; they are read as the same.
 *
 * @module
 */
import yaml from "js-yaml";

/** Where in a text an error is. */
export interface YamlPosition {
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1. */
  readonly column: number;
  /** How many characters are before it. */
  readonly offset: number;
}

/** A text is not YAML. */
export class YamlSyntaxError extends SyntaxError implements YamlPosition {
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1. */
  readonly column: number;
  /** How many characters are before it. */
  readonly offset: number;

  /** Makes the error from what is wrong and where. */
  constructor(message: string, position: YamlPosition) {
    super(`${message} at line ${position.line}, column ${position.column}`);
    this.name = "YamlSyntaxError";
    this.line = position.line;
    this.column = position.column;
    this.offset = position.offset;
  }
}

/** The options of {@linkcode stringify} that this project uses. */
export interface StringifyOptions {
  /** How wide a line may be. A long text is folded at its spaces. @default {80} */
  lineWidth?: number;
  /** Whether what occurs twice is written once, and referred to by a name. @default {true} */
  useAnchors?: boolean;
}

/** A type of scalar in `js-yaml`. */
interface ScalarType {
  tag: string;
  resolve(text: string | null): boolean;
}

/** `js-yaml`'s safe schema without numbers to the base 60: `12:30` is a string. */
const SCHEMA = new yaml.Schema({
  include: [yaml.DEFAULT_SAFE_SCHEMA],
  implicit: (yaml.DEFAULT_SAFE_SCHEMA.compiledImplicit as ScalarType[])
    .filter(({ tag }) => tag.endsWith(":int") || tag.endsWith(":float"))
    .map((type) =>
      Object.assign(Object.create(type), {
        resolve: (text: string | null) => !text?.includes(":") && type.resolve(text),
      })
    ),
});

/** What `js-yaml` throws. */
interface YamlException extends Error {
  reason: string;
  mark?: { line: number; column: number; position: number };
}

function isYamlException(error: unknown): error is YamlException {
  return error instanceof yaml.YAMLException;
}

/**
 * Reads the value that a text says.
 *
 * @throws {YamlSyntaxError} The text is not YAML, has more than one document, or a key twice.
 */
export function parse(content: string): unknown {
  try {
    return yaml.safeLoad(content, { schema: SCHEMA }) ?? null;
  } catch (error) {
    if (!isYamlException(error)) throw error;
    // Of a second document `js-yaml` does not say where it is.
    const { line, column, position } = error.mark ?? { line: 0, column: 0, position: 0 };
    const where = { line: line + 1, column: column + 1, offset: position };
    throw new YamlSyntaxError(error.reason, where);
  }
}

/**
 * Writes a value as YAML.
 *
 * @throws {TypeError} The value has something that YAML has no form for, such as `undefined`.
 */
export function stringify(data: unknown, options: StringifyOptions = {}): string {
  const { lineWidth = 80, useAnchors = true } = options;
  try {
    return yaml.safeDump(data, { schema: SCHEMA, lineWidth, noRefs: !useAnchors });
  } catch (error) {
    if (!isYamlException(error)) throw error;
    throw new TypeError(error.message);
  }
}
