/**
 * ipvlan and 802.1q VLAN networking from TypeScript, without a container engine: {@linkcode Driver}
 * does what Docker's ipvlan driver does, with network namespaces in place of containers.
 *
 * Below it are `@ipvlan/kit/ip`, iproute2 with types, and `@ipvlan/kit/ipam`, which decides on
 * addresses. Both are usable by themselves.
 *
 * @module
 */
export {
  type AdoptSpec,
  type AdvertisedRoute,
  type AgentOptions,
  type BackgroundOptions,
  type Connection,
  type ConnectOptions,
  Driver,
  type DriverOptions,
  type Endpoint,
  type EndpointExtras,
  type EndpointRoute,
  type EndpointState,
  type EngineName,
  type EtcdAccess,
  type Labelling,
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
  type PruneReport,
  type RemovedHost,
  type ReservedAddress,
  type RestoreReport,
  type Sandbox,
  type SandboxDetails,
  type SandboxSettings,
  type SandboxSpec,
  type SandboxState,
  type SeenSandbox,
  type SettledNetwork,
  type SharedHost,
  type StaticRoute,
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
  ERRORS,
  type ErrorTable,
  type IpErrno,
  type UnusableReason,
} from "./lib/base/error_codes.ts";
export type { AbortOptions } from "./lib/base/waiting.ts";
// What the driver's own types are made of.
export type { PoolUsage, SubnetSpec } from "./lib/ipam/mod.ts";
export {
  ADDRGENMODES,
  type AddrSpec,
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  type IpvlanFlag,
  type IpvlanMode,
  type Kind,
  type KINDS,
  type Link,
  type LinkInfo,
  type LinkType,
  type NextHop,
  type Route,
  type RouteSpec,
  type RouteTarget,
} from "./lib/iproute2/mod.ts";
