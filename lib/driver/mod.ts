/**
 * The ipvlan driver: networks, sandboxes and endpoints, kept in a store.
 *
 * @module
 */
export type { EtcdAccess, RemovedHost, SharedHost } from "../claims/types.ts";
export type { AgentOptions } from "./addresses/shared/agent.ts";
export type { BackgroundOptions } from "./sandbox/background.ts";
export type { ClaimPlace } from "./addresses/shared/claims.ts";
export { Driver } from "./driver.ts";
export { EngineDriver } from "./engine_driver.ts";
export type { ListedHost } from "./addresses/shared/pools.ts";
export type { DriverOptions } from "./calls.ts";
export type * from "./model/types.ts";
export { settle, settleAll, type Settlement, toSettled } from "./network/settle.ts";
export { possibleParents } from "./network/parent.ts";
