import type { Driver } from "../../driver/mod.ts";

/**
 * Answers one call of Docker's with JSON, or throws what Docker gets as a message.
 *
 * @param body The body as it came: nothing in it is checked. `undefined` if it was empty.
 * @param notify Gets sentences for the user. Docker has no place for those of a call that succeeds.
 */
export type Handler = (
  driver: Driver,
  body: unknown,
  notify: (sentence: string) => void,
) => Promise<unknown>;

/** Handlers by the names of their calls: `NetworkDriver.Join`. */
export type Handlers = Readonly<Record<string, Handler>>;
