/**
 * The ipvlan driver: networks, sandboxes and endpoints, kept in a store.
 *
 * @module
 */
export type { BackgroundOptions } from "./background.ts";
export { Driver, type DriverOptions } from "./driver.ts";
export {
  AddressHeldError,
  AlreadyConnectedError,
  AmbiguousIdError,
  HalfDoneError,
  HostsFileError,
  InvalidNameError,
  InvalidOptionError,
  InvalidParentError,
  LinkExistsError,
  LinkLeftError,
  MacAddressError,
  MissingSubnetError,
  NameInUseError,
  NetworkExistsError,
  NetworkInUseError,
  NetworkNotFoundError,
  NotConnectedError,
  NotUndoneError,
  ParentConflictError,
  ParentDownError,
  ParentNotFoundError,
  ParentSubnetError,
  ProblemsError,
  ProcessNotFoundError,
  ResolvConfError,
  RouteOverlapError,
  SandboxExistsError,
  SandboxGoneError,
  SandboxInUseError,
  SandboxNotFoundError,
  StoreError,
  SubnetInUseError,
} from "./errors.ts";
export type { NetworkOptions } from "./options.ts";
export type {
  AdoptSpec,
  Connection,
  ConnectOptions,
  Endpoint,
  EndpointState,
  Network,
  NetworkDetails,
  NetworkSpec,
  NetworkSubnet,
  Outcome,
  PruneReport,
  RestoreReport,
  Sandbox,
  SandboxDetails,
  SandboxSettings,
  SandboxSpec,
  SandboxState,
  SeenSandbox,
  SettledNetwork,
} from "./types.ts";
