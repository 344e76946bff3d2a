/** Counts the letters to add, remove, change or swap to turn one word into the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, before[j - 2]! + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}

/**
 * Finds the word that was likely meant: the closest one with at most one mistake in three letters,
 * or one that begins with what was typed. A word of one or two letters gets none: `c2` is one letter
 * away from `c1`, and every letter from every other one.
 */
export function closest(typed: string, words: readonly string[]): string | undefined {
  if (typed.length > 255) return undefined;
  const most = Math.floor(typed.length / 3);
  return words.map((word) => ({ word, far: distance(typed, word) }))
    .filter(({ word, far }) => far <= most || (typed.length > 1 && word.startsWith(typed)))
    .sort((a, b) => a.far - b.far)[0]?.word;
}

/** Returns ` (did you mean "create"?)` if one of the words is close to the typed one, or else "". */
export function didYouMean(typed: string, words: readonly string[]): string {
  const word = closest(typed, words);
  return word === undefined ? "" : ` (did you mean "${word}"?)`;
}
