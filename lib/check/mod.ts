/**
 * Checks of a network, each with its evidence: which namespace reaches which address, and which
 * links, routes and addresses exist. A namespace is given by its name; `undefined` is the caller's
 * own. Without `ip` or `ping` on the machine, the checks throw `program-not-found`.
 *
 * @example In a test
 * ```ts
 * import * as check from "@ipvlan/kit/check";
 *
 * const { reaches, doesNotReach, groupPasses, groupDoesNotPass } = check;
 * const receiver = { netns: "c2", address: "192.168.10.9" };
 * const found = await Promise.all([
 *   reaches("c1", "c2"),
 *   doesNotReach("c1", "192.168.30.2", { control: "c3", reaches: "c2" }),
 *   groupPasses("broadcast", "c1", receiver, { dev: "eth1" }),
 *   groupDoesNotPass("multicast", "c1", receiver),
 *   check.linkShows(undefined, "eth0.20", "vlan protocol 802.1Q id 20", "UP"),
 *   check.linkIsGone(undefined, "eth0.30"),
 *   check.hasMac("c1", "eth0", "02:00:00:00:00:01"),
 *   check.addressesEqual("c1", "eth0", ["192.168.1.2/24", "2001:db8::2/64 nodad"]),
 *   check.routesEqual("c1", 4, ["default via 192.168.1.1 dev eth0"]),
 * ]);
 * for (const { sentence, held, evidence } of found) console.log(sentence, held, evidence);
 * ```
 *
 * @module
 */
export type { Evidence, Finding } from "./finding.ts";
export { groupDoesNotPass, groupPasses, type Receiver } from "./group.ts";
export { addressesEqual, hasMac, linkIsGone, linkShows, routesEqual } from "./lines.ts";
export { type Control, doesNotReach, type PingOptions, reaches } from "./reach.ts";
