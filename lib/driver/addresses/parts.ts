import type { SharedPools } from "../../claims/mod.ts";
import type { BorrowedNamespaces } from "../sandbox/borrowed.ts";
import type { KeptOutput } from "../sandbox/output.ts";
import type { HostsFiles } from "../sandbox/hosts.ts";
import type { Namespaces } from "../run/namespaces.ts";
import type { KnownPools } from "./pools.ts";
import type { Processes } from "../sandbox/processes.ts";
import type { SettingsKeeper } from "../sandbox/settings.ts";
import type { Store } from "../store/store.ts";
import type { WaitOptions } from "../../base/waiting.ts";

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
  /** Opens the pools that several hosts share; none in a dry run, which does not ask etcd. */
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

/** Those parts of a driver that a function uses. */
export type Parts<Name extends keyof DriverParts> = Pick<DriverParts, Name>;
