import type { EngineDriver } from "../../driver/mod.ts";

/**
 * Answers one call of Docker with JSON, or throws an error, whose message Docker gets.
 *
 * @param body The body, unchecked; `undefined` if it was empty.
 * @param notify Gets sentences for the user, as a successful answer to Docker cannot contain them.
 */
export type Handler = (
  driver: EngineDriver,
  body: unknown,
  notify: (sentence: string) => void,
) => Promise<unknown>;

/** The answer to a call without a result. */
export const DONE = {};

/** Handlers by the names of their calls: `NetworkDriver.Join`. */
export type Handlers = Readonly<Record<string, Handler>>;
