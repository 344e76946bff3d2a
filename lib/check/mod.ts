/**
 * Checks whether a namespace reaches an address, with the evidence. A namespace is given by its name;
 * `undefined` is the caller's own. Without `ip` or `ping` on the machine, the checks throw
 * `program-not-found`.
 *
 * @example In a test
 * ```ts
 * import { doesNotReach, reaches } from "@ipvlan/kit/check";
 *
 * const found = await Promise.all([
 *   reaches("c1", "c2"),
 *   doesNotReach("c1", "192.168.30.2", { control: "c3", reaches: "c2" }),
 * ]);
 * for (const { sentence, held, evidence } of found) console.log(sentence, held, evidence);
 * ```
 *
 * @module
 */
export type { Control, Evidence, Finding, PingOptions } from "./reach.ts";
export { doesNotReach, reaches } from "./reach.ts";
