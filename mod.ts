/**
 * ipvlan and 802.1q VLAN networking from TypeScript, without a container engine.
 *
 * Three layers, each usable by itself:
 *
 * - {@linkcode Ip}: iproute2, typed, over one long-lived process per network namespace;
 * - the functions and values that decide on addresses, such as {@linkcode Pools};
 * - {@linkcode Driver}: what Docker's ipvlan driver does, attaching network namespaces.
 *
 * @module
 */
export * from "./lib/driver/mod.ts";
export { type Decision, IpvlanError } from "./lib/errors.ts";
export * from "./lib/ipam/mod.ts";
export * from "./lib/iproute2/mod.ts";
