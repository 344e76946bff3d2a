// Printing by a format, as Go's fmt package does (https://pkg.go.dev/fmt): its verbs `v`, `s`, `q`,
// `d`, `x`, `t` and `f`, with the flags `-`, `0` and (of `v`) `+`, width and precision.
import { Buffer } from "node:buffer";
import { checkLength, isInteger, isNumber, printed, typeName, type Value } from "./value.ts";

/** JavaScript prints up to 100 digits of a fraction. */
const MAX_DIGITS = 100;

const DIRECTIVE = /%([-+0]*)(\d*)(?:\.(\d*))?(.|$)/gsu;

/** Prints values by a format. @throws {Refusal} The text is too long. */
export function sprintf(format: string, values: readonly Value[]): string {
  let next = 0;
  let length = 0;
  const text = format.replace(DIRECTIVE, (_, flags, width, digits, verb) => {
    if (verb === "%") return "%";
    if (verb === "") return "%!(NOVERB)";
    if (next === values.length) return `%!${verb}(MISSING)`;
    const precision = digits === undefined ? undefined : Number(digits);
    // A directive holds for each part of a list, map or struct.
    const leaf = (part: Value) => {
      const text = leafText(part, verb, precision) ?? `%!${verb}(${typed(part)})`;
      length += Math.max(text.length, Number(width));
      checkLength(length);
      if (flags.includes("-")) return text.padEnd(Number(width));
      if (!flags.includes("0")) return text.padStart(Number(width));
      // Zeros stand behind the sign of a number.
      const sign = typeof part !== "string" && text.startsWith("-") ? "-" : "";
      return sign + text.slice(sign.length).padStart(Number(width) - sign.length, "0");
    };
    return printed(values[next++], leaf, flags.includes("+") && verb === "v");
  });
  const extra = values.slice(next).map(typed);
  return text + (extra.length > 0 ? `%!(EXTRA ${extra.join(", ")})` : "");
}

/** A value with its type, as Go shows one that does not fit its directive. */
function typed(value: Value): string {
  return value === undefined || value === null ? "<nil>" : `${typeName(value)}=${printed(value)}`;
}

/** A text, number, boolean or nil by a verb; `undefined` if it does not fit. */
function leafText(value: Value, verb: string, precision?: number): string | undefined {
  if (typeof value === "string") {
    const text = precision === undefined ? value : [...value].slice(0, precision).join("");
    if (verb === "v" || verb === "s") return text;
    if (verb === "q") return JSON.stringify(text);
    return verb === "x" ? Buffer.from(text).toString("hex") : undefined;
  }
  if (verb === "v") return printed(value);
  if (verb === "t" && typeof value === "boolean") return String(value);
  if (verb === "d" && isInteger(value)) return String(value);
  if (verb === "x" && isInteger(value)) return value.toString(16);
  if (verb !== "f" || !isNumber(value)) return undefined;
  return Number(value).toFixed(Math.min(precision ?? 6, MAX_DIGITS));
}
