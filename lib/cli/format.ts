import { InvalidOptionError } from "../driver/errors.ts";
import { Template } from "../template/mod.ts";

/**
 * Reads `--format`, where it is a Go template as Docker takes it. An error says what else to give.
 *
 * @throws {InvalidOptionError} It has no action, and so prints nothing of what it is about.
 * @throws {TemplateError} It is wrong.
 */
export function readTemplate(format: string, others: string, escapes = false): Template {
  if (format.includes("{{")) return new Template(format, escapes);
  const rule = `${others}, or write a Go template such as {{.Name}}`;
  throw new InvalidOptionError("format", format, rule);
}
