/**
 * `parse` and `stringify` of `@std/yaml`, over `npm:yaml`, for machines that do not reach JSR.
 *
 * @module
 */
import * as yaml from "yaml";

/** Parses one YAML document; throws `SyntaxError` on what is not YAML. */
export function parse(content: string): unknown {
  try {
    return yaml.parse(content, { uniqueKeys: true });
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message : String(error));
  }
}

/** Writes a value as a YAML document. */
export function stringify(data: unknown): string {
  return yaml.stringify(data);
}
