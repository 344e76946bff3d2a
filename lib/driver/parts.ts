import type { HostsFiles } from "./hosts.ts";
import type { Namespaces } from "./namespaces.ts";
import type { KnownPools } from "./pools.ts";
import type { Store } from "./store.ts";

/** What the parts of the driver share. */
export interface DriverParts {
  /** What is on record. */
  store: Store;
  /** The sessions. */
  namespaces: Namespaces;
  /** The hosts files. */
  hosts: HostsFiles;
  /** The networks' pools. */
  pools: KnownPools;
}
