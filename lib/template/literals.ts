// Go's literals (https://go.dev/ref/spec#Lexical_elements).

/** A whole number: decimal, or with the prefix of another base. `_` may separate digits. */
const INTEGER = /^([+-]?)(\d+(?:_\d+)*|0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)$/;

/** Reads a number; `undefined` if it is none. A whole number that is not exact as one is a bigint. */
export function readNumber(written: string): number | bigint | undefined {
  const [, sign, digits] = INTEGER.exec(written) ?? [];
  if (digits === undefined) {
    const value = Number(written);
    return Number.isFinite(value) ? value : undefined;
  }
  // Go takes 0755 for octal, as C does.
  const prefixed = digits.replaceAll("_", "").replace(/^0(?=\d)/, "0o");
  if (/^0o.*[89]/.test(prefixed)) return undefined;
  const value = BigInt(prefixed) * (sign === "-" ? -1n : 1n);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Reads a character in single quotes as its code point; `undefined` if it is not one character. */
export function readCharacter(written: string): number | undefined {
  const text = unescape(written.slice(1, -1));
  return text !== undefined && [...text].length === 1 ? text.codePointAt(0) : undefined;
}

/** Reads a text in double quotes; `undefined` if an escape in it is wrong. */
export function readString(written: string): string | undefined {
  return unescape(written.slice(1, -1));
}

export const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

const ESCAPE =
  /\\(?:([abfnrtv\\'"])|([0-7]{3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.?))/gsu;

function unescape(text: string): string | undefined {
  let isWrong = false;
  const value = text.replace(ESCAPE, (_, plain, octal, ...rest) => {
    if (plain !== undefined) return ESCAPES[plain]!;
    const hex = rest.slice(0, 3).find((digits) => digits !== undefined);
    const code = octal !== undefined ? parseInt(octal, 8) : parseInt(hex, 16);
    const isCharacter = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    if (!isCharacter) isWrong = true;
    return isCharacter ? String.fromCodePoint(code) : "";
  });
  return isWrong ? undefined : value;
}
