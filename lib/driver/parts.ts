import type { SharedPools } from "../claims/mod.ts";
import type { BorrowedNamespaces } from "./borrowed.ts";
import type { KeptOutput } from "./output.ts";
import type { HostsFiles } from "./hosts.ts";
import type { Namespaces } from "./namespaces.ts";
import type { KnownPools } from "./pools.ts";
import type { Processes } from "./processes.ts";
import type { SettingsKeeper } from "./settings.ts";
import type { Store } from "./store.ts";
import type { WaitOptions } from "./wait.ts";

/** The parts of a driver, which its functions share. */
export interface DriverParts {
  /** The records. */
  store: Store;
  /** Runs `ip` in the namespaces. */
  namespaces: Namespaces;
  /** The hosts files of the sandboxes. */
  hosts: HostsFiles;
  /** Finds the namespaces of engines. */
  borrowed: BorrowedNamespaces;
  /** Finds processes in the sandboxes. */
  processes: Processes;
  /** The address pools of the networks. */
  pools: KnownPools;
  /** What sandboxes have besides their networks. */
  settings: SettingsKeeper;
  /** The output of commands in the background. */
  output: KeptOutput;
  /**
   * Opens the pools that several hosts share. Resolves to `undefined` in a dry run, which changes
   * nothing in etcd and does not ask it.
   */
  openShared: () => Promise<SharedPools | undefined>;
  /** Whether an agent runs, which keeps the names of other hosts' sandboxes on record. */
  hasAgent: () => boolean;
  /** Whether lines that change something are only reported: then nothing shows what they do. */
  isRehearsal: boolean;
  /** How calls wait for other processes. */
  wait: WaitOptions;
  /** The same parts for what must come to its end once it has begun, as if there were no signal. */
  unstoppable: DriverParts;
}
