// The ground that the calls of `Driver` and `EngineDriver` share: the driver's
// parts, its locks, and the work that both ask for.
import type { AttachRequest } from "./endpoint/attach_request.ts";
import { attach, type Attached, takenNamespace } from "./endpoint/attach.ts";
import { isUnused, removeTransient } from "./endpoint/remove.ts";
import { lookForParents } from "./endpoint/sandbox_parent.ts";
import { createNetwork, hostFacts, linkFacts, newIdentity } from "./network/create.ts";
import { type DecidedNetwork, decideNetwork } from "./network/decide.ts";
import { besideOthers, type Settlement } from "./network/settle.ts";
import { inTheWay, recover, type Recovery, removeStale } from "./restore/leftovers.ts";
import {
  Namespaces,
  type NamespacesOptions,
  programsWith,
  reported,
  type WrapRunner,
} from "./run/namespaces.ts";
import { lateSignal } from "./run/programs.ts";
import { isReady, Store, withoutState } from "./store/store.ts";
import type { DriverParts } from "./addresses/parts.ts";
import { hasShared, reconcile } from "./addresses/shared/pools.ts";
import { type Decision, type IpvlanError, isIpvlanError } from "../base/errors.ts";
import type { WaitOptions } from "../base/waiting.ts";
import type { MadeSandbox, Network, Outcome, Sandbox } from "./model/types.ts";
import type { SharedPools } from "../claims/shared_pools.ts";
import { BorrowedNamespaces } from "./sandbox/borrowed.ts";
import { DhcpClients } from "./sandbox/dhcp.ts";
import { HostsFiles } from "./sandbox/hosts.ts";
import { chooseTransport } from "../netlink/libc.ts";
import { FileLock, StateLock } from "./run/lock.ts";
import { KeptOutput } from "./sandbox/output.ts";
import { KnownPools } from "./addresses/pools.ts";
import { remoteNames } from "./addresses/shared/names.ts";
import { Processes } from "./sandbox/processes.ts";
import { SettingsKeeper } from "./sandbox/settings.ts";
import { hostNames } from "./model/host_access.ts";
import { stateFolder } from "./model/state_folder.ts";
import { guardStateFolder } from "./store/database.ts";

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
  sequences: StateLock;
}

function openBase(
  { host, stateDir, dryRun, verbose, waiting }: DriverOptions,
  wrap?: WrapRunner,
): DriverBase {
  const folder = stateDir ?? stateFolder();
  const isRehearsal = dryRun !== undefined;
  const report = dryRun ?? verbose;
  const stack = new AsyncDisposableStack();
  const store = stack.use(isRehearsal ? Store.copy(folder) : Store.open(folder));
  // A dry run locks nothing.
  const file = (name: string) => isRehearsal ? undefined : `${folder}/${name}`;
  const { libc: netlink, isAskedFor, reason } = chooseTransport();
  if (!netlink && !isAskedFor) verbose?.(`# The program ip runs all lines: ${reason}`);
  const agentFile = file("agent.lock");
  const agentLock = agentFile === undefined ? undefined : new FileLock(agentFile);
  const others = (network: string) => [
    ...hostNames(store.networkById(network)),
    ...remoteNames(store, network),
  ];
  const hosts = stack.use(new HostsFiles(store, others, file("hosts.lock")));
  const openShared = isRehearsal
    ? () => Promise.resolve(undefined)
    : sharedPools(store, folder, waiting, stack);
  const lock = file("ip.lock");
  const programs = stack.use(programsWith(lock));
  const pathOf = (sandbox: string) => store.sandbox(sandbox)?.path;
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
    namespaces: {
      host,
      lock,
      programs,
      wrap: wrap ?? (report && reported(report, isRehearsal)),
      pathOf,
      netlink,
      isRehearsal,
    },
    folder,
    notices: isRehearsal ? [] : guardStateFolder(folder),
    report,
    agentLock,
    lock: new StateLock(file("lock")),
    sequences: new StateLock(file("sequence.lock")),
    close: () => stack.disposeAsync(),
  };
}

/** The folder for the token of the last transaction with etcd, which the store has as well. */
const TOKENS = "/run/ipvlan/hosts";

/** Returns a function that opens the shared pools of a store once. The stack closes them. */
function sharedPools(
  store: Store,
  folder: string,
  waiting: WaitOptions["waiting"],
  stack: AsyncDisposableStack,
): DriverParts["openShared"] {
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
  stack.defer(async () => (await opened)?.[Symbol.dispose]());
  return () => opened ??= open();
}

/** Makes the parts of a driver. @param telling Aborts background reports to etcd. */
function makeParts(
  { folder, report, shared, namespaces: options }: DriverBase,
  wait: WaitOptions,
  telling: AbortSignal | undefined,
): DriverParts {
  const { isRehearsal } = shared;
  const partsOn = (namespaces: Namespaces, wait: WaitOptions, telling: AbortSignal | undefined) => {
    const { run } = namespaces;
    const { signal, waiting } = wait;
    const processes = new Processes(run, options.lock);
    // All calls use the same pools, as they share their reports to etcd.
    let opened: ReturnType<typeof shared.openShared> | undefined;
    return {
      ...shared,
      namespaces,
      processes,
      dhcp: new DhcpClients({ folder, processes, report, isRehearsal, ...wait }),
      settings: new SettingsKeeper({ run, report, isRehearsal }),
      borrowed: new BorrowedNamespaces(run, options.host),
      openShared: () =>
        opened ??= shared.openShared()
          .then((pools) => pools?.withSignal(signal, telling, waiting)),
      wait,
    };
  };
  const namespaces = new Namespaces({ ...options, ...wait });
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

/** The ground of a driver's calls. Calls with different signals share the base. */
export class Calls {
  readonly base: DriverBase;
  readonly parts: DriverParts;
  /** Aborts background reports to etcd. */
  readonly #telling: AbortSignal | undefined;

  private constructor(base: DriverBase, wait: WaitOptions, telling: AbortSignal | undefined) {
    this.base = base;
    this.parts = makeParts(base, wait, telling);
    this.#telling = telling;
  }

  /** Opens the state folder. @param wrap Wraps the runner of each namespace. */
  static open(options: DriverOptions, wrap?: WrapRunner): Calls {
    const { signal, waiting } = options;
    return new Calls(openBase(options, wrap), { signal, waiting }, signal);
  }

  /** The same with another signal, or with none. */
  withSignal(signal: AbortSignal | undefined): Calls {
    // The rollback of an interrupted call must not wait long for etcd, either.
    const telling = signal ?? lateSignal(this.#telling);
    return new Calls(this.base, { ...this.parts.wait, signal }, telling);
  }

  /** Removes what a crash left half done, then runs a function, both under the exclusive lock. */
  async exclusive<T>(run: (parts: DriverParts, recovery: Recovery) => Promise<T>): Promise<T> {
    const { wait } = this.parts;
    return await this.base.lock.exclusive(async () => {
      const recovery = await recover(this.parts);
      wait.signal?.throwIfAborted();
      return await run(this.parts, recovery);
    }, wait);
  }

  /**
   * Runs a function with the shared lock. If it needs something that is half done, it runs again with
   * the exclusive lock: then other calls have ended, and what a crash left is removed.
   */
  async shared<T>(run: (parts: DriverParts) => Promise<T>): Promise<T> {
    const { parts } = this;
    const result = await this.base.lock.shared(() => run(parts), parts.wait).catch((error) => {
      if (!isIpvlanError(error, "half-done")) throw error;
      return this.exclusive(run);
    });
    // Once for all calls that end together.
    await parts.store.sync();
    return result;
  }

  /** Reconciles this host's record of shared pools with etcd, if etcd answers. */
  async reconcile(): Promise<string[]> {
    const { store, openShared } = this.parts;
    const pools = hasShared(store) ? await openShared() : undefined;
    return pools ? await reconcile(this.parts, pools) : [];
  }

  networks(): Network[] {
    return this.parts.store.networks().filter(isReady).map(withoutState);
  }

  /** Decides on settled networks that will exist together. Changes nothing. */
  async decide(settled: readonly Settlement[]): Promise<Decision<DecidedNetwork>[]> {
    if (settled.length === 0) return [];
    const networks = this.networks();
    const facts = await hostFacts(this.parts, settled.map(({ network }) => network));
    return besideOthers(settled, networks)
      .map((each) => decideNetwork(each, newIdentity(), networks, facts));
  }

  async problems(settled: readonly Settlement[]): Promise<readonly IpvlanError[]> {
    const decisions = await this.decide(settled);
    return decisions.flatMap((decision) => decision.ok ? [] : decision.problems);
  }

  async createNetwork(settled: Settlement): Promise<Outcome<Network>> {
    return await this.exclusive((parts) => createNetwork(parts, settled));
  }

  async createSandbox(
    spec: Omit<AttachRequest, "connections"> & Partial<Pick<AttachRequest, "connections">>,
    namespace: Sandbox["namespace"],
  ): Promise<Outcome<MadeSandbox>> {
    const request = { ...spec, connections: spec.connections ?? [], namespace };
    const { sandbox, endpoints, notices } = await this.attach(request);
    return { value: { ...sandbox, endpoints }, notices };
  }

  /** Makes endpoints, and their sandbox if the request says the origin of its namespace. */
  async attach(request: AttachRequest): Promise<Attached> {
    return await this.shared(async (parts) => {
      const { store, borrowed, unstoppable } = parts;
      const { name, connections } = request;
      const others = [...inTheWay(store, name, connections)].flatMap((each) =>
        (request.namespace === undefined && each === name) ? [] : store.sandbox(each) ?? []
      );
      await removeStale(unstoppable, others);
      const path = request.path ?? store.sandbox(name)?.path;
      const taken = takenNamespace(request);
      const [namespaceId, isHost, facts] = await Promise.all([
        path === undefined ? undefined : borrowed.identify(path),
        taken === undefined ? false : borrowed.isHost(taken),
        connections.length > 0 ? linkFacts(parts) : undefined,
      ]);
      // This enters a namespace only after it was identified.
      const seen = facts && { ...facts, ...await lookForParents(parts, connections, path) };
      return await attach(parts, { ...request, namespaceId, isHost }, seen);
    });
  }

  /** Removes the transient ones of some networks if they are unused. */
  async removeTransient(networks: readonly Network[]): Promise<void> {
    const { store } = this.parts;
    const isLeft = ({ id }: Network) => {
      const network = store.networkById(id);
      return network?.transient && isUnused(store, network);
    };
    if (!networks.some(isLeft)) return;
    await this.exclusive(({ unstoppable }) => removeTransient(unstoppable, networks));
  }
}
