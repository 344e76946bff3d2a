/**
 * Writes values as words of a POSIX shell script.
 *
 * @module
 */

/** Quotes a word so that a shell takes it literally. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Quotes words, with spaces between. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

/** Writes assignments, one per line. A list becomes quoted words, for `eval "set -- $NAME"`. */
export function assignments(values: Record<string, string | readonly string[]>): string {
  return Object.entries(values)
    .map(([name, value]) =>
      `${name}=${quote(typeof value === "string" ? value : quoteAll(value))}\n`
    )
    .join("");
}
