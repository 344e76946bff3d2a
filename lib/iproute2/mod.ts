/**
 * Typed links, addresses, routes, neighbours and network namespaces over iproute2: one long-lived
 * `ip` process per namespace, any number of calls in flight.
 *
 * @module
 */
export { IpvlanError } from "../errors.ts";
export { type Addr, type AddrSpec, AddrVerbs } from "./addr.ts";
export { Bridge, type FdbEntry, type PortVlan, type VlanCount } from "./bridge.ts";
export {
  InvalidWordError,
  IpCommandError,
  type IpErrno,
  NamespaceNotFoundError,
  ProgramNotFoundError,
  SessionClosedError,
} from "./errors.ts";
export { Ip } from "./ip.ts";
export {
  type KernelFacts,
  kernelFacts,
  KernelTooOldError,
  MissingModuleError,
  MissingRightsError,
  MODULES,
  OLDEST_KERNEL,
  requireKernel,
} from "./kernel.ts";
export {
  ADDRGENMODES,
  type BridgeSpec,
  type DummySpec,
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  type IpvlanFlag,
  type IpvlanMode,
  type IpvlanSpec,
  type Link,
  type LinkBase,
  type LinkChanges,
  type LinkFilter,
  type LinkInfo,
  type LinkSpec,
  LinkVerbs,
  type MacvlanSpec,
  type VethSpec,
  VLAN_ID,
  VLAN_PROTOCOLS,
  type VlanProtocol,
  type VlanSpec,
} from "./link.ts";
export { type Neigh, NeighVerbs } from "./neigh.ts";
export { NetnsVerbs } from "./netns.ts";
export { type Route, type RouteSpec, RouteVerbs } from "./route.ts";
export { type Runner, Session, type SessionOptions } from "./session.ts";
