/**
 * The ipvlan driver: networks, sandboxes and endpoints, kept in a store.
 *
 * @module
 */
export { Driver, type DriverOptions } from "./driver.ts";
export * from "./errors.ts";
export type { WrapRunner } from "./namespaces.ts";
export type { NetworkOptions } from "./options.ts";
export { aliasOf, isOurs, LINK_GROUP } from "./parent.ts";
export * from "./types.ts";
