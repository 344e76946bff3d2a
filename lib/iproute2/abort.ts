/** How a call can be ended early. */
export interface AbortOptions {
  /**
   * Ends the call: the processes that it waits for are killed, and it fails with the signal's reason.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}
