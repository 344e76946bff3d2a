import type { SharedPools } from "../claims/shared_pools.ts";
import { BorrowedNamespaces } from "./sandbox/borrowed.ts";
import { DhcpClients } from "./sandbox/dhcp.ts";
import { HostsFiles } from "./sandbox/hosts.ts";
import { chooseTransport } from "../netlink/libc.ts";
import { FileLock, StateLock } from "./run/lock.ts";
import {
  Namespaces,
  type NamespacesOptions,
  programsWith,
  type WrapRunner,
} from "./run/namespaces.ts";
import { KeptOutput } from "./sandbox/output.ts";
import type { DriverParts, Parts } from "./addresses/parts.ts";
import { KnownPools } from "./addresses/pools.ts";
import { remoteNames } from "./addresses/shared/names.ts";
import { Processes } from "./sandbox/processes.ts";
import { lateSignal } from "./run/programs.ts";
import { SettingsKeeper } from "./sandbox/settings.ts";
import { hostNames } from "./model/host_access.ts";
import { stateFolder } from "./model/state_folder.ts";
import { Store } from "./store/store.ts";
import { guardStateFolder } from "./store/database.ts";
import type { WaitOptions } from "../base/waiting.ts";

/** The options of {@linkcode Driver.open}. */
export interface DriverOptions {
  /**
   * The network namespace that serves as the host and has the parents: a name under `/run/netns`.
   * Left out, the namespace of this process.
   */
  host?: string;
  /**
   * The folder of the store. It is made if it does not exist. Left out, the environment's
   * `IPVLAN_STATE_DIR`, or `/var/lib/ipvlan`.
   */
  stateDir?: string;
  /**
   * Called with each command that changes something, before it runs. It has the form of a shell
   * command: `ip -n c1 link set dev eth0 up`.
   */
  verbose?: (command: string) => void;
  /**
   * Called with each command that would change something, instead of running it. Neither the kernel
   * nor the store changes: the driver works on a copy of the store, in memory.
   */
  dryRun?: (command: string) => void;
  /** Ends the calls: see {@linkcode Driver.withSignal}. */
  signal?: AbortSignal;
  /**
   * Called with a sentence if a call waits longer than a second for another process that uses the state
   * folder, or for a program that does not end.
   */
  waiting?: (sentence: string) => void;
}

/** The parts that drivers with different signals share. */
export interface DriverBase {
  /** Those of {@linkcode DriverParts} that are the same for all. Their pools know no signal. */
  shared: Pick<
    DriverParts,
    "store" | "hosts" | "pools" | "output" | "isRehearsal" | "openShared" | "hasAgent"
  >;
  /** The options of namespaces, besides the signal. */
  namespaces: NamespacesOptions;
  /** The state folder. */
  folder: string;
  /** Called with each command that changes something. */
  report: ((command: string) => void) | undefined;
  /** Sentences for the user about changes on opening. */
  notices: readonly string[];
  /** Ends the processes, and closes the store and the shared pools. The next time it does nothing. */
  close: () => Promise<void>;
  /** Held by the agent while it runs; `undefined` in a dry run. */
  agentLock: FileLock | undefined;
  /** The lock of calls. Without a file, it never blocks. */
  lock: StateLock;
  /** The lock of sequences of calls. */
  sequences: StateLock;
}

/** Opens the parts that drivers with different signals share. */
export function openBase(
  { host, stateDir, dryRun, verbose, waiting }: DriverOptions,
  wrap?: WrapRunner,
): DriverBase {
  const folder = stateDir ?? stateFolder();
  const isRehearsal = dryRun !== undefined;
  const store = isRehearsal ? Store.copy(folder) : Store.open(folder);
  // A dry run locks nothing.
  const file = (name: string) => isRehearsal ? undefined : `${folder}/${name}`;
  const { libc: netlink, isAskedFor, reason } = chooseTransport();
  if (!netlink && !isAskedFor) verbose?.(`# The program ip runs all lines: ${reason}`);
  const lock = file("ip.lock");
  const programs = programsWith(lock);
  const agentFile = file("agent.lock");
  const agentLock = agentFile === undefined ? undefined : new FileLock(agentFile);
  const others = (network: string) => [
    ...hostNames(store.networkById(network)),
    ...remoteNames(store, network),
  ];
  const hosts = new HostsFiles(store, others, file("hosts.lock"));
  const { openShared, closeShared } = sharedPools(store, folder, isRehearsal, waiting);
  const pathOf = (sandbox: string) => store.sandbox(sandbox)?.path;
  let closed: Promise<void> | undefined;
  return {
    shared: {
      store,
      hosts,
      pools: new KnownPools(store),
      output: new KeptOutput(folder, isRehearsal),
      openShared,
      hasAgent: () => agentLock?.isTaken() ?? false,
      isRehearsal,
    },
    namespaces: { host, lock, programs, wrap, pathOf, netlink, isRehearsal },
    folder,
    notices: isRehearsal ? [] : guardStateFolder(folder),
    report: dryRun ?? verbose,
    agentLock,
    lock: new StateLock(file("lock")),
    sequences: new StateLock(file("sequence.lock")),
    close: () =>
      closed ??= (async () => {
        await programs[Symbol.asyncDispose]();
        await closeShared();
        hosts[Symbol.dispose]();
        store[Symbol.dispose]();
      })(),
  };
}

/** The folder for the token of the last transaction with etcd, which the store has as well. */
const TOKENS = "/run/ipvlan/hosts";

/** Returns functions that open the shared pools of a store once, and close them if they are open. */
function sharedPools(
  store: Store,
  folder: string,
  isRehearsal: boolean,
  waiting: WaitOptions["waiting"],
): { openShared: DriverParts["openShared"]; closeShared: () => Promise<void> } {
  if (isRehearsal) {
    return { openShared: () => Promise.resolve(undefined), closeShared: () => Promise.resolve() };
  }
  const lock = new FileLock(`${folder}/claims.lock`);
  let opened: Promise<SharedPools> | undefined;
  const open = async () => {
    // Only drivers that share a pool need this module.
    const { LastToken } = await import("../claims/last_token.ts");
    const { SharedPools } = await import("../claims/shared_pools.ts");
    return new SharedPools({
      store,
      hostname: Deno.hostname(),
      lastToken: new LastToken(TOKENS, folder),
      lock: (signal) => lock.exclusive({ signal, waiting }),
    });
  };
  return {
    openShared: () => opened ??= open(),
    closeShared: async () => (await opened)?.[Symbol.dispose](),
  };
}

/** Makes the parts of a driver. @param telling Aborts background reports to etcd. */
export function makeParts(
  base: DriverBase,
  wait: WaitOptions,
  telling: AbortSignal | undefined,
): DriverParts {
  const { folder, report, shared } = base;
  const { isRehearsal } = shared;
  const { host, lock } = base.namespaces;
  const namespaces = new Namespaces({ ...base.namespaces, ...wait });
  const partsOn = (namespaces: Namespaces, wait: WaitOptions, telling: AbortSignal | undefined) => {
    const processes = new Processes(namespaces.run, lock);
    return {
      ...shared,
      namespaces,
      processes,
      dhcp: new DhcpClients({ folder, processes, report, isRehearsal, ...wait }),
      settings: new SettingsKeeper({ run: namespaces.run, report, isRehearsal }),
      borrowed: new BorrowedNamespaces(namespaces.run, host),
      openShared: openWith(shared, wait, telling),
      wait,
    };
  };
  // After the signal, work that has begun may wait a little longer; the next call does the rest.
  const late = { ...wait, signal: lateSignal(wait.signal) };
  const unstoppable: DriverParts = {
    ...partsOn(namespaces.unstoppable, late, lateSignal(telling)),
    get unstoppable() {
      return unstoppable;
    },
  };
  return { ...partsOn(namespaces, wait, telling), unstoppable };
}

/** Returns a function that opens the shared pools with the signals of calls. */
function openWith(
  { openShared }: Parts<"openShared">,
  { signal, waiting }: WaitOptions,
  telling: AbortSignal | undefined,
): DriverParts["openShared"] {
  if (!signal && !telling && !waiting) return openShared;
  // All calls use the same pools, as they share their reports to etcd.
  let opened: ReturnType<typeof openShared> | undefined;
  return () => opened ??= openShared().then((pools) => pools?.withSignal(signal, telling, waiting));
}
