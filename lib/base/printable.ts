/**
 * Text from outside (a label, a file's name, what a program printed) that a terminal shows and does
 * not obey.
 *
 * @module
 */

/**
 * What a terminal may obey: C0 without newline and tab, DEL and C1 (ECMA-48); and the characters that
 * turn the direction of text (https://www.unicode.org/reports/tr9/), by which text can look like
 * other text.
 */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/**
 * Replaces the characters that a terminal would obey by their escapes, such as `\u001b`. Newlines and
 * tabs stay. The escapes are those of JSON, so a JSON text still has the same value.
 */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return `\\u${code}`;
  });
}

/** Makes text {@linkcode printable}, and keeps it in one line: a newline becomes `\n`. */
export function printableLine(text: string): string {
  return printable(text.replaceAll("\n", "\\n"));
}

/** A word for a command of sh(1), in quotes where the shell would read anything else in it. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Text with a command line of sh(1) to be pasted: each value in it is a {@linkcode shellWord}. */
export function shellLine(text: TemplateStringsArray, ...values: (string | number)[]): string {
  return String.raw({ raw: text }, ...values.map((value) => shellWord(String(value))));
}

/**
 * A word for a sentence: as it is if it has nothing but letters, digits and `_ . / : = , @ % + -`,
 * else in quotes, with escapes as in JSON.
 */
export function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : printable(JSON.stringify(word));
}
