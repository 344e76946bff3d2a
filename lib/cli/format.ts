import { InvalidOptionError } from "../driver/errors.ts";
import type { Words } from "./command.ts";

/** How a list is to be printed. @throws {InvalidOptionError} The format is not one of ours. */
export function readFormat(words: Words): "table" | "json" {
  const format = words.on("json") ? "json" : words.value("format") ?? "table";
  if (format === "json" || format === "{{json .}}") return "json";
  if (format === "table") return "table";
  throw new InvalidOptionError("format", format, "choose table or json");
}
