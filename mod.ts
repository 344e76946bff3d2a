/**
 * ipvlan and 802.1q VLAN networking from TypeScript, without a container engine.
 *
 * Three layers, each usable by itself:
 *
 * - {@linkcode Ip}: iproute2, typed, with one process for all calls of a turn;
 * - the functions and values that decide on addresses, such as {@linkcode Pools};
 * - {@linkcode Driver}: what Docker's ipvlan driver does, attaching network namespaces.
 *
 * @module
 */
export {
  type AddressPool,
  type AddressPoolDetails,
  type AdoptSpec,
  type AdvertisedRoute,
  type AgentOptions,
  type BackgroundOptions,
  type Claim,
  type ClaimPlace,
  type ClaimRequest,
  type ClaimUser,
  type Connection,
  type ConnectOptions,
  Driver,
  type DriverOptions,
  type Endpoint,
  type EndpointRoute,
  type EndpointState,
  type EngineName,
  type EtcdAccess,
  type ListedHost,
  type MadeEndpoint,
  type MadeSandbox,
  type Network,
  type NetworkDetails,
  type NetworkIpam,
  type NetworkOptions,
  type NetworkSpec,
  type NetworkSubnet,
  type Outcome,
  type Owner,
  type PoolRequest,
  type PruneReport,
  type RemovedHost,
  type RestoreReport,
  type Sandbox,
  type SandboxDetails,
  type SandboxSettings,
  type SandboxSpec,
  type SandboxState,
  type SeenSandbox,
  type SettledNetwork,
  type SharedHost,
  type SubnetPoolRequest,
} from "./lib/driver/mod.ts";
export {
  type Decision,
  type ErrorCode,
  type ErrorFields,
  hasProblem,
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
  UserError,
} from "./lib/base/errors.ts";
export {
  type AddressRole,
  type ErrorTable,
  type IpErrno,
  type UnusableReason,
} from "./lib/base/error_codes.ts";
export {
  type Address,
  type AddressUse,
  contains,
  type Family,
  formatAddress,
  formatPrefix,
  type Notice,
  overlaps,
  parseAddress,
  type ParsedPrefix,
  type ParsedSubnets,
  parsePrefix,
  parseSubnets,
  Pools,
  type PoolUsage,
  type Prefix,
  type Subnet,
  type SubnetSpec,
  type Taken,
} from "./lib/ipam/mod.ts";
export type { AbortOptions } from "./lib/base/waiting.ts";
export { type Addr, type AddrSpec, type AddrVerbs } from "./lib/iproute2/addr.ts";
export { Bridge, type FdbEntry, type PortVlan, type VlanCount } from "./lib/iproute2/bridge.ts";
import "./lib/iproute2/errors.ts";
export { Ip } from "./lib/iproute2/ip.ts";
export { type KernelFacts, kernelFacts } from "./lib/iproute2/kernel.ts";
export { BOND_MODES, type BondSpec, XMIT_HASH_POLICIES } from "./lib/iproute2/kinds/bond.ts";
export type { BridgeSpec } from "./lib/iproute2/kinds/bridge.ts";
export type { DummySpec } from "./lib/iproute2/kinds/dummy.ts";
export {
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  type IpvlanFlag,
  type IpvlanMode,
  type IpvlanSpec,
  type IpvtapSpec,
} from "./lib/iproute2/kinds/ipvlan.ts";
export type { Kind, LinkBase } from "./lib/iproute2/kinds/kind.ts";
export {
  MACVLAN_MODES,
  type MacvlanMode,
  type MacvlanSpec,
  type MacvtapSpec,
} from "./lib/iproute2/kinds/macvlan.ts";
export type { VethSpec } from "./lib/iproute2/kinds/veth.ts";
export { VLAN_PROTOCOLS, type VlanProtocol, type VlanSpec } from "./lib/iproute2/kinds/vlan.ts";
export type { VrfSpec } from "./lib/iproute2/kinds/vrf.ts";
export type { VxlanSpec } from "./lib/iproute2/kinds/vxlan.ts";
export {
  ADDRGENMODES,
  type KindChanges,
  type KINDS,
  type Link,
  type LinkChanges,
  type LinkFilter,
  type LinkInfo,
  type LinkSpec,
  type LinkType,
  type LinkVerbs,
} from "./lib/iproute2/link.ts";
export {
  type Neigh,
  NEIGH_STATES,
  type NeighSpec,
  type NeighState,
  type NeighVerbs,
} from "./lib/iproute2/neigh.ts";
export type { Netns, NetnsVerbs } from "./lib/iproute2/netns.ts";
export type { NextHop, Route, RouteSpec, RouteTarget, RouteVerbs } from "./lib/iproute2/route.ts";
export type { Rule, RuleSelectors, RuleSpec, RuleVerbs } from "./lib/iproute2/rule.ts";
export { type Runner, Session, type SessionOptions } from "./lib/iproute2/session.ts";
export { EVERYTHING, lookAround, lookInto, type LookOptions } from "./lib/iproute2/view.ts";
export type {
  ClosedNamespace,
  LinkRef,
  NamespaceView,
  Seen,
  SeenLink,
  View,
  Wanted,
} from "./lib/iproute2/view_types.ts";
