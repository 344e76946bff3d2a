import type { SharedPools } from "../../claims/shared_pools.ts";
import type { BorrowedNamespaces } from "../sandbox/borrowed.ts";
import type { KeptOutput } from "../sandbox/output.ts";
import type { DhcpClients } from "../sandbox/dhcp.ts";
import type { HostsFiles } from "../sandbox/hosts.ts";
import type { Namespaces } from "../run/namespaces.ts";
import type { KnownPools } from "./pools.ts";
import type { Processes } from "../sandbox/processes.ts";
import type { SettingsKeeper } from "../sandbox/settings.ts";
import type { Store } from "../store/store.ts";
import type { WaitOptions } from "../../base/waiting.ts";

/** The parts of a driver that its functions share. */
export interface DriverParts {
  store: Store;
  namespaces: Namespaces;
  hosts: HostsFiles;
  borrowed: BorrowedNamespaces;
  processes: Processes;
  pools: KnownPools;
  /** Applies the settings of sandboxes besides their networks. */
  settings: SettingsKeeper;
  output: KeptOutput;
  dhcp: DhcpClients;
  /** Opens the pools that several hosts share; resolves to none in a dry run, which asks no etcd. */
  openShared: () => Promise<SharedPools | undefined>;
  /** Whether an agent runs. It keeps the names of other hosts' sandboxes on record. */
  hasAgent: () => boolean;
  /** Whether lines that change something are only reported, so their effect cannot be seen. */
  isRehearsal: boolean;
  /** The signal and the callback of calls that wait for other processes. */
  wait: WaitOptions;
  /** The same parts, without the caller's signal, for work that must end once it has begun. */
  unstoppable: DriverParts;
}

export type Parts<Name extends keyof DriverParts> = Pick<DriverParts, Name>;
