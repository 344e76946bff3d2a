/**
 * Checks of a network, each with its evidence: which namespace reaches which address, and which
 * links, routes and addresses exist. A namespace is given by its name; `undefined` is the caller's
 * own. Without `ip` or `ping` on the machine, the checks throw `program-not-found`.
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
export { addressesEqual } from "./addr.ts";
export type { Evidence, Finding } from "./finding.ts";
export { groupDoesNotPass, groupPasses, type Receiver } from "./group.ts";
export { hasMac, linkIsGone, linkShows } from "./link.ts";
export { type Control, doesNotReach, type PingOptions, reaches } from "./reach.ts";
export { routesEqual } from "./route.ts";
