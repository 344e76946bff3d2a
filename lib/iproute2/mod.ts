/**
 * iproute2, typed: links, addresses, routes, neighbours, rules and namespaces, with one process for
 * all calls of a turn; and the links, addresses and routes of all namespaces, as one value.
 *
 * @module
 */
export type { AbortOptions } from "../base/waiting.ts";
export type { Addr, AddrSpec, AddrVerbs } from "./addr.ts";
export { Bridge, type PortVlan } from "./bridge.ts";
export { Ip } from "./ip.ts";
export { type KernelFacts, kernelFacts } from "./kernel.ts";
export type { DummySpec, VethSpec, VrfSpec } from "./kinds/plain.ts";
export type { IpvlanFlag, IpvlanMode, IpvlanSpec, IpvtapSpec } from "./kinds/ipvlan.ts";
export { IPVLAN_FLAGS, IPVLAN_MODES, MACVLAN_MODES } from "./kinds/ipvlan.ts";
export type { MacvlanMode, MacvlanSpec, MacvtapSpec } from "./kinds/ipvlan.ts";
export type { Kind, LinkBase } from "./kinds/kind.ts";
export { type BridgeSpec, VLAN_PROTOCOLS, type VlanProtocol, type VlanSpec } from "./kinds/vlan.ts";
export type { LinkVerbs } from "./link.ts";
export { ADDRGENMODES, type KINDS, type LinkType } from "./link_types.ts";
export type { KindChanges, Link, LinkChanges, LinkInfo, LinkSpec } from "./link_types.ts";
export { NEIGH_STATES } from "./neigh.ts";
export type { Neigh, NeighSpec, NeighState, NeighVerbs } from "./neigh.ts";
export type { NetnsVerbs } from "./netns.ts";
export type { RouteVerbs } from "./route.ts";
export type { NextHop, Route, RouteSpec, RouteTarget } from "./route_types.ts";
export type { Rule, RuleSelectors, RuleSpec, RuleVerbs } from "./rule.ts";
export type { Runner } from "./runner.ts";
export { Session, type SessionOptions } from "./session.ts";
export { lookAround, lookInto, type LookOptions } from "./view.ts";
export type { ClosedNamespace, NamespaceView, Seen, View, Wanted } from "./view.ts";
