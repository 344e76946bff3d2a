// Makes text from outside (a label, a file's name, the output of a program) safe to show on a
// terminal.

/**
 * The characters that a terminal may obey: C0 without newline and tab, DEL and C1 (ECMA-48); and those
 * that turn the direction of text (https://www.unicode.org/reports/tr9/), so that it can look like other
 * text.
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

/** Writes a word for a command of sh(1), in quotes if the shell would read it differently. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Text with a command line of sh(1) to be pasted: each value in it is a {@linkcode shellWord}. */
export function shellLine(text: TemplateStringsArray, ...values: (string | number)[]): string {
  return String.raw({ raw: text }, ...values.map((value) => shellWord(String(value))));
}

/**
 * Writes a word for a sentence: as it is if it has only letters, digits and `_ . / : = , @ % + -`, else
 * in quotes, with escapes as in JSON.
 */
export function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : printable(JSON.stringify(word));
}
