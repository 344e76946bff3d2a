/**
 * Checks of a network, each with its evidence: which namespace reaches which address, and whom its
 * broadcasts reach. A namespace is given by its name; `undefined` is the caller's own. Without `ip` or
 * `ping` on the machine, the checks throw `program-not-found`.
 *
 * @example In a test
 * ```ts
 * import { doesNotReach, groupDoesNotPass, groupPasses, reaches } from "@ipvlan/kit/check";
 *
 * const receiver = { netns: "c2", address: "192.168.10.9" };
 * const found = await Promise.all([
 *   reaches("c1", "c2"),
 *   doesNotReach("c1", "192.168.30.2", { control: "c3", reaches: "c2" }),
 *   groupPasses("broadcast", "c1", receiver, { dev: "eth1" }),
 *   groupDoesNotPass("multicast", "c1", receiver),
 * ]);
 * for (const { sentence, held, evidence } of found) console.log(sentence, held, evidence);
 * ```
 *
 * @module
 */
export type { Evidence, Finding } from "./finding.ts";
export { groupDoesNotPass, groupPasses, type Receiver } from "./group.ts";
export { type Control, doesNotReach, type PingOptions, reaches } from "./reach.ts";
