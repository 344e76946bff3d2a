/**
 * Waits until all promises are settled. If some have rejected, throws the error of the first.
 * Unlike `Promise.all`, it throws only when all work has ended, so the caller can clean up safely.
 */
export async function allSettled<T>(promises: Iterable<Promise<T>>): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
