/**
 * ipvlan and 802.1q VLAN networking from TypeScript, without a container engine.
 *
 * @module
 */
export {};
