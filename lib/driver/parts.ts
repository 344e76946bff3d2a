import type { HostsFiles } from "./hosts.ts";
import type { Namespaces } from "./namespaces.ts";
import type { KnownPools } from "./pools.ts";
import type { Processes } from "./processes.ts";
import type { Store } from "./store.ts";

/** The parts of a driver, which its functions share. */
export interface DriverParts {
  /** The records. */
  store: Store;
  /** Runs `ip` in the namespaces. */
  namespaces: Namespaces;
  /** The hosts files of the sandboxes. */
  hosts: HostsFiles;
  /** Finds processes in the sandboxes. */
  processes: Processes;
  /** The address pools of the networks. */
  pools: KnownPools;
}
