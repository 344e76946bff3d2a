import type { HostsFiles } from "./hosts.ts";
import type { Namespaces } from "./namespaces.ts";
import type { KnownPools } from "./pools.ts";
import type { Processes } from "./processes.ts";
import type { Store } from "./store.ts";

/** What the parts of the driver share. */
export interface DriverParts {
  /** What is on record. */
  store: Store;
  /** What runs the lines. */
  namespaces: Namespaces;
  /** The hosts files. */
  hosts: HostsFiles;
  /** The processes in the sandboxes. */
  processes: Processes;
  /** The networks' pools. */
  pools: KnownPools;
}
