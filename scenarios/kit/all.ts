/**
 * Waits until all are settled, and throws what the first of them threw. Unlike `Promise.all`,
 * nothing is still under way when it throws, so that what was made can be undone.
 */
export async function allSettled<T>(promises: Iterable<Promise<T>>): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
