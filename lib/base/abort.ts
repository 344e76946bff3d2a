/** How a call can be ended early. */
export interface AbortOptions {
  /**
   * Ends the call: the processes it waits for are killed, and it fails with the signal's reason.
   */
  signal?: AbortSignal;
}

/** Waits for a promise. If the signal is aborted first, this fails with the signal's reason. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  // After the signal nobody waits for the promise, and its failure must not end the program.
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
