/**
 * Address pools that several hosts share, in etcd.
 *
 * @module
 */
export { LastToken } from "./last_token.ts";
export { ClaimRecords } from "./records.ts";
export { SharedPools } from "./shared_pools.ts";
export type {
  ClaimStore,
  EtcdAccess,
  Held,
  Holder,
  Lost,
  RemovedHost,
  SharedChange,
  SharedClaim,
  SharedHost,
  SharedPool,
  SharedPoolsOptions,
  SharedSettings,
  Unsettled,
  Wanted,
} from "./types.ts";
