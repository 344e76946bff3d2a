// The constants in a template: Go's (https://go.dev/ref/spec#Lexical_elements), in usual forms.

interface Literal {
  readonly kind: string;
  readonly pattern: RegExp;
  /** Reads what the pattern has found; `undefined` if it is written wrongly. */
  read(written: string): string | number | bigint | boolean | undefined;
}

export const LITERALS: readonly Literal[] = [
  { kind: "string", pattern: /"(?:[^"\\]|\\.)*"/y, read: readString },
  { kind: "string", pattern: /`[^`]*`/y, read: (written) => written.slice(1, -1) },
  { kind: "number", pattern: /[+-]?\d[\w.]*/y, read: readNumber },
  { kind: "boolean", pattern: /(?:true|false)\b/y, read: (written) => written === "true" },
];

/** Reads a text in double quotes as JSON does, which has no `\x1b` and no tab as it is. */
function readString(written: string): string | undefined {
  const json = written.replace(
    /\\x([\da-fA-F]{2})|\\.|\p{Cc}/gu,
    (each, hex) => hex ? `\\u00${hex}` : each.length > 1 ? each : JSON.stringify(each).slice(1, -1),
  );
  try {
    const text: string = JSON.parse(json);
    return text.isWellFormed() ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a number. A whole number that is not exact as one is a bigint. */
function readNumber(written: string): number | bigint | undefined {
  // Go reads 0755 as an octal number. It is refused here, as its value would differ from Docker's.
  if (!/^(?:[+-]?(?:0|[1-9]\d*)(?:\.\d+)?|0x[\da-fA-F]+)$/.test(written)) return undefined;
  const value = Number(written);
  return written.includes(".") || Number.isSafeInteger(value) ? value : BigInt(written);
}
