// Printing by a format, as Go's fmt package does (https://pkg.go.dev/fmt): its verbs `v`, `s`, `q`,
// `d`, `x`, `X`, `t`, `f` and `T`, with flags, width and precision.
import { Buffer } from "node:buffer";
import { ESCAPES } from "./literals.ts";
import { isInteger, printed, Refusal, typeName, type Value } from "./value.ts";

/** The widest field, as in Go. */
const MAX_WIDTH = 1_000_000;

/** JavaScript prints up to 100 digits of a fraction. */
const MAX_DIGITS = 100;

const DIRECTIVE = /%([-+# 0]*)(\d*)(?:\.(\d*))?(.|$)/gsu;

interface Directive {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
  readonly verb: string;
}

/** Prints values by a format, in at most so many characters. @throws {Refusal} They are more. */
export function sprintf(format: string, values: readonly Value[], most: number): string {
  let left = most;
  const counted = (text: string) => {
    left -= text.length;
    if (left < 0) throw new Refusal("the text is too long");
    return text;
  };
  let next = 0;
  const text = format.replace(DIRECTIVE, (_, flags, width, digits, verb) => {
    if (verb === "%") return "%";
    if (verb === "") return "%!(NOVERB)";
    if (Number(width) > MAX_WIDTH) return "%!(BADWIDTH)";
    if (Number(digits) > MAX_WIDTH) return "%!(BADPREC)";
    if (next === values.length) return `%!${verb}(MISSING)`;
    const precision = digits === undefined ? undefined : Number(digits);
    return formatted(values[next++], { flags, width: Number(width), precision, verb }, counted);
  });
  const extra = values.slice(next).map(typed);
  return text + (extra.length > 0 ? `%!(EXTRA ${extra.join(", ")})` : "");
}

/** Prints a value by a directive; the directive holds for each part of a list, map or struct. */
function formatted(value: Value, directive: Directive, counted: (text: string) => string): string {
  if (directive.verb === "T") return padded(typeName(value), directive);
  const named = directive.flags.includes("+") && directive.verb === "v";
  const leaf = (part: Value) => counted(padded(leafText(part, directive), directive, part));
  return printed(value, leaf, named);
}

/** A value with its type, as Go shows one that does not fit its directive. */
function typed(value: Value): string {
  return value === undefined || value === null ? "<nil>" : `${typeName(value)}=${printed(value)}`;
}

function leafText(value: Value, directive: Directive): string {
  const { verb } = directive;
  let text: string | undefined;
  if (typeof value === "string") text = textOf(value, directive);
  else if (typeof value === "number" || typeof value === "bigint") {
    text = numberText(value, directive);
  } else if (typeof value === "boolean") text = "vt".includes(verb) ? String(value) : undefined;
  else if (verb === "v") text = "<nil>";
  return text ?? `%!${verb}(${typed(value)})`;
}

function textOf(value: string, { precision, verb }: Directive): string | undefined {
  const text = precision === undefined ? value : [...value].slice(0, precision).join("");
  if (verb === "v" || verb === "s") return text;
  if (verb === "q") return quotedAsInGo(text);
  const digits = Buffer.from(text).toString("hex");
  return verb === "x" ? digits : verb === "X" ? digits.toUpperCase() : undefined;
}

function numberText(value: number | bigint, directive: Directive): string | undefined {
  const { flags, precision, verb } = directive;
  const text = verb === "v" || (verb === "d" && isInteger(value))
    ? String(value)
    : verb.toLowerCase() === "x" && isInteger(value)
    ? value.toString(16)
    : verb === "f"
    ? Number(value).toFixed(Math.min(precision ?? 6, MAX_DIGITS))
    : undefined;
  if (text === undefined) return undefined;
  // With `%v`, `+` asks for the names of fields.
  const signs = verb === "v" ? flags.replaceAll("+", "") : flags;
  const sign = text.startsWith("-") ? undefined : ["+", " "].find((each) => signs.includes(each));
  return (sign ?? "") + (verb === "X" ? text.toUpperCase() : text);
}

function padded(text: string, { flags, width }: Directive, leaf?: Value): string {
  const missing = Math.max(width - [...text].length, 0);
  if (flags.includes("-")) return text + " ".repeat(missing);
  if (!flags.includes("0")) return " ".repeat(missing) + text;
  // Zeros stand behind the sign of a number.
  const sign = typeof leaf === "string" ? "" : /^[+\- ]?/.exec(text)![0];
  return sign + "0".repeat(missing) + text.slice(sign.length);
}

/** Quotes a text as strconv.Quote does: what cannot be printed is escaped. */
function quotedAsInGo(text: string): string {
  const escaped = text.replace(/[\p{C}\p{Zl}\p{Zp}\\"]|(?! )\p{Zs}/gu, (character) => {
    const short = Object.keys(ESCAPES).find((letter) => ESCAPES[letter] === character);
    if (short !== undefined) return `\\${short}`;
    const code = character.codePointAt(0)!;
    const digits = code.toString(16);
    if (code < 0x80) return `\\x${digits.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
  });
  return `"${escaped}"`;
}
