/** Calls a function for each item, at most `most` at once. Resolves to the outcomes, in order. */
export async function atOnce<T, R>(
  most: number,
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = items.entries();
  // The workers share one iterator, so each item is one worker's.
  const work = async () => {
    for (const [index, item] of left) results[index] = await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, work));
  return results;
}
