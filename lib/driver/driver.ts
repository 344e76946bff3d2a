import type { IpvlanError } from "../errors.ts";
import { look } from "../iproute2/view.ts";
import { attach, type Attached, type AttachRequest } from "./attach.ts";
import { BACKGROUND, waitUntilInside } from "./background.ts";
import { type Batch, dropEndpoint, dropNetwork, dropSandbox, mark } from "./drop.ts";
import { toEndpoint } from "./endpoint.ts";
import {
  accept,
  HalfDoneError,
  NetworkInUseError,
  NotConnectedError,
  NotUndoneError,
  SandboxInUseError,
} from "./errors.ts";
import { findNetwork, findSandbox } from "./find.ts";
import { HostsFiles } from "./hosts.ts";
import { StateLock } from "./lock.ts";
import { LinkMonitor } from "./monitor.ts";
import { Namespaces, rehearsed, watched, type WrapRunner } from "./namespaces.ts";
import { aliasSteps, decideNetwork, type HostFacts, networkSteps } from "./network.ts";
import { standsOn } from "./parent.ts";
import type { DriverParts } from "./parts.ts";
import { KnownPools } from "./pools.ts";
import { Processes } from "./processes.ts";
import { randomHex } from "./random.ts";
import { recover, type Recovery, restore, restoreParent } from "./restore.ts";
import {
  type EndpointRecord,
  isReady,
  SqliteStore,
  type Stated,
  stateFolder,
  withoutState,
} from "./store.ts";
import type {
  ConnectOptions,
  Endpoint,
  Network,
  NetworkDetails,
  NetworkSpec,
  Outcome,
  RestoreReport,
  SandboxDetails,
} from "./types.ts";

/** How a {@linkcode Driver} is opened. */
export interface DriverOptions {
  /**
   * The network namespace (a name under `/run/netns`) that is the host: where the parents are.
   *
   * @default {undefined} The caller's own.
   */
  host?: string;
  /**
   * The folder of the store. It is made where there is none.
   *
   * @default {undefined} The environment's `IPVLAN_STATE_DIR`, or `/var/lib/ipvlan`.
   */
  stateDir?: string;
  /**
   * Puts something in the place of what runs the lines in a namespace: to have a line fail.
   *
   * @default {undefined}
   */
  wrap?: WrapRunner;
  /**
   * Called with each command that changes something, as one would type it, before it is run:
   * `ip -n c1 link set dev eth0 up`.
   *
   * @default {undefined}
   */
  verbose?: (command: string) => void;
  /**
   * Called with each command instead of running it. Neither the kernel nor the store changes: the
   * driver works on a copy of the store, in memory.
   *
   * @default {undefined}
   */
  dryRun?: (command: string) => void;
}

/** A batch that is on record. */
interface StatedBatch extends Batch {
  endpoints: readonly Stated<EndpointRecord>[];
}

/**
 * The ipvlan driver: networks, and sandboxes connected to them, kept in a store.
 *
 * Every call does all that it was asked or nothing, and says everything that is wrong with a
 * request at once ({@linkcode ProblemsError}). Any number of drivers, in any number of processes,
 * may work on one state folder.
 *
 * @example Two sandboxes on a VLAN
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 *
 * await using driver = await Driver.open();
 * await driver.createNetwork({ name: "ipvlan20", parent: "eth0.20", subnets: ["192.168.20.0/24"] });
 * await driver.createSandbox("c1", [{ network: "ipvlan20" }]);
 * await driver.createSandbox("c2", [{ network: "ipvlan20" }]);
 * await driver.exec("c1", ["ping", "-c", "1", "c2"]).spawn().status;
 * ```
 */
export class Driver implements AsyncDisposable {
  #host: string | undefined;
  #parts: DriverParts;
  #lock: StateLock;
  #sequences: StateLock;

  /** Without a folder to keep the locks in, nobody is kept out. */
  private constructor(host: string | undefined, parts: DriverParts, folder?: string) {
    const lock = (name: string) => new StateLock(folder && `${folder}/${name}`);
    this.#host = host;
    this.#parts = parts;
    this.#lock = lock("lock");
    this.#sequences = lock("sequence.lock");
  }

  /**
   * Opens the driver on a state folder.
   *
   * @throws {StoreError} The folder cannot be used.
   * @throws {MissingRightsError} The caller may not write there.
   */
  // deno-lint-ignore require-await
  static async open(options: DriverOptions = {}): Promise<Driver> {
    const folder = options.stateDir ?? stateFolder();
    const { host, verbose, dryRun } = options;
    const wrap = dryRun ? rehearsed(dryRun) : verbose ? watched(verbose) : options.wrap;
    const store = dryRun ? SqliteStore.copy(folder) : SqliteStore.open(folder);
    const lock = dryRun ? undefined : `${folder}/ip.lock`;
    const namespaces = new Namespaces({ host, lock, wrap });
    const parts = {
      ...{ store, namespaces },
      processes: new Processes(namespaces.run, lock),
      hosts: new HostsFiles(store, dryRun ? undefined : `${folder}/hosts.lock`),
      pools: new KnownPools(store),
    };
    return new Driver(host, parts, dryRun ? undefined : folder);
  }

  /** Everything that is wrong with a network that one would create. Nothing is changed. */
  async problemsOf(spec: NetworkSpec): Promise<readonly IpvlanError[]> {
    const identity = { id: randomHex(32), created: new Date().toISOString() };
    const facts = await this.#hostFacts();
    const decision = decideNetwork(spec, identity, this.listNetworks(), facts);
    return decision.ok ? [] : decision.problems;
  }

  /**
   * Creates a network: its parent, if that is a sub-interface or a dummy of the driver's own, and
   * the record. The kernel is asked whether it takes an ipvlan link on the parent.
   *
   * @throws {IpvlanError} Of the class that says what is wrong; a {@linkcode ProblemsError} where
   * several things are.
   */
  async createNetwork(spec: NetworkSpec): Promise<Outcome<Network>> {
    return await this.#alone(async ({ store, namespaces }) => {
      const identity = { id: randomHex(32), created: new Date().toISOString() };
      const existing = store.networks().map(withoutState);
      const decision = decideNetwork(spec, identity, existing, await this.#hostFacts());
      const { network, links, notices } = accept(decision);
      store.transaction(() => {
        store.putNetwork(network, "making");
        for (const link of links) store.putLink(link);
      });
      const made = store.links();
      const serving = made.filter(({ name }) => standsOn(network.parent, name, made));
      try {
        const steps = [
          ...networkSteps(network, links),
          ...aliasSteps(serving, [...existing, network], made, existing),
        ];
        await namespaces.apply(steps, () => store.putNetwork(network, "ready"));
      } catch (error) {
        // What could not be undone stays on record, for the next call to go by.
        if (error instanceof NotUndoneError) throw error;
        store.transaction(() => {
          store.deleteNetwork(network.id);
          for (const link of links) store.deleteLink(link.name);
        });
        throw error;
      }
      return { value: network, notices };
    });
  }

  /**
   * Removes a network, and the links that the driver made for it and that no other network needs.
   *
   * @throws {NetworkNotFoundError} There is no such network.
   * @throws {NetworkInUseError} Sandboxes are connected to it.
   */
  async removeNetwork(name: string): Promise<void> {
    await this.#alone(async ({ store }) => {
      const network = store.transaction(() => {
        const network = findNetwork(store, name);
        const users = store.endpoints({ network: network.id }).map(({ sandbox }) => sandbox);
        if (users.length > 0) throw new NetworkInUseError(name, users);
        store.putNetwork(network, "removing");
        return network;
      });
      try {
        await dropNetwork(this.#parts, network);
      } catch (error) {
        store.putNetwork(network, "ready");
        const networks = store.networks().map(withoutState);
        // Where even that fails, `restore` makes up for it; what matters is why the removal did.
        await restoreParent(this.#parts, network, networks).catch(() => {});
        throw error;
      }
    });
  }

  /** Removes every network that nothing is connected to. Resolves to their names. */
  async pruneNetworks(): Promise<string[]> {
    return await this.#alone(async (parts) => {
      const { store } = parts;
      const unused = store.networks().filter(({ id }) =>
        store.endpoints({ network: id }).length === 0
      );
      for (const network of unused) await dropNetwork(parts, withoutState(network));
      return unused.map(({ name }) => name);
    });
  }

  /** All networks, by name. */
  listNetworks(): Network[] {
    return this.#parts.store.networks().filter(isReady).map(withoutState);
  }

  /** A network with its endpoints. @throws {NetworkNotFoundError} There is no such network. */
  inspectNetwork(name: string): NetworkDetails {
    const { store } = this.#parts;
    return store.transaction(() => {
      const network = findNetwork(store, name);
      const endpoints = store.endpoints({ network: network.id }).filter(isReady)
        .map((endpoint) => toEndpoint(network, endpoint));
      return { ...network, endpoints };
    });
  }

  /**
   * Creates a sandbox, and connects it to networks in the same go.
   *
   * @throws {IpvlanError} Of the class that says what is wrong; a {@linkcode ProblemsError} where
   * several things are.
   */
  async createSandbox(
    name: string,
    connections: readonly (ConnectOptions & { network: string })[] = [],
    labels: Record<string, string> = {},
  ): Promise<Outcome<SandboxDetails>> {
    const { sandbox, endpoints, notices } = await this.#attach({
      ...{ sandbox: name, isNew: true, connections, labels },
    });
    return { value: { ...sandbox, endpoints }, notices };
  }

  /**
   * Makes a sandbox of a namespace that is there, and connects it to networks: that of a process,
   * which is given the sandbox's name, or without one the namespace that has this name. The
   * namespace outlives the sandbox.
   *
   * @throws {IpvlanError} Of the class that says what is wrong; a {@linkcode ProblemsError} where
   * several things are.
   */
  async adoptSandbox(
    name: string,
    connections: readonly (ConnectOptions & { network: string })[],
    pid?: number,
  ): Promise<Outcome<SandboxDetails>> {
    const namespace = pid === undefined ? "found" : "attached";
    const { sandbox, endpoints, notices } = await this.#attach({
      ...{ sandbox: name, isNew: true, connections, namespace, pid },
    });
    return { value: { ...sandbox, endpoints }, notices };
  }

  /**
   * Removes a sandbox: disconnects it from its networks and deletes its namespace. Processes that
   * are in it are left without a network, or else are a reason to refuse (`"refuse"`), or are killed
   * (`"kill"`). The kernel takes away what was in a namespace moments after it is deleted; an
   * address that is asked for again meanwhile is waited for.
   *
   * @throws {SandboxNotFoundError} There is no such sandbox.
   * @throws {SandboxInUseError} Processes are in it, and it was to be refused then.
   */
  async removeSandbox(name: string, busy: "leave" | "refuse" | "kill" = "leave"): Promise<void> {
    await this.#along(async () => {
      const { store } = this.#parts;
      findSandbox(store, name);
      const pids = busy === "leave" ? [] : await this.processes(name);
      if (busy === "refuse" && pids.length > 0) throw new SandboxInUseError(name, pids);
      for (const pid of pids) killIfThere(pid);
      await this.#remove(
        () => ({
          sandbox: findSandbox(store, name),
          endpoints: store.endpoints({ sandbox: name }),
        }),
        ({ sandbox }) => dropSandbox(this.#parts, sandbox!),
      );
    });
  }

  /** The ids of the processes in a sandbox. @throws {SandboxNotFoundError} There is no such sandbox. */
  async processes(name: string): Promise<number[]> {
    findSandbox(this.#parts.store, name);
    return await this.#parts.processes.in(name);
  }

  /**
   * A process in the network namespace that a file stands for, such as what a container engine has
   * mounted: it is by a process that {@linkcode Driver.adoptSandbox} takes a namespace without a name.
   *
   * @throws {InvalidOptionError} There is no such file, it is something else, or no process is there.
   */
  async processAt(path: string): Promise<number> {
    return await this.#parts.processes.at(path);
  }

  /** The names of the sandboxes whose namespaces are there: after a restart, only those restored. */
  async runningSandboxes(): Promise<string[]> {
    const { namespaces } = this.#parts;
    const present = new Set(await namespaces.caller().netns.list());
    return this.listSandboxes().map(({ name }) => name).filter((name) => present.has(name));
  }

  /** All sandboxes with their endpoints, by name. */
  listSandboxes(): SandboxDetails[] {
    const { store } = this.#parts;
    return store.transaction(() =>
      store.sandboxes().filter(isReady).map(({ name }) => this.#detailsOf(name))
    );
  }

  /** A sandbox with its endpoints. @throws {SandboxNotFoundError} There is no such sandbox. */
  inspectSandbox(name: string): SandboxDetails {
    return this.#parts.store.transaction(() => this.#detailsOf(name));
  }

  /**
   * Connects a sandbox to a network: an ipvlan link on the network's parent, with its addresses and
   * routes, and its name known to everybody there.
   *
   * @throws {IpvlanError} Of the class that says what is wrong; a {@linkcode ProblemsError} where
   * several things are.
   */
  async connect(
    network: string,
    sandbox: string,
    options: ConnectOptions = {},
  ): Promise<Outcome<Endpoint>> {
    const connections = [{ ...options, network }];
    const { endpoints, notices } = await this.#attach({ sandbox, isNew: false, connections });
    return { value: endpoints[0]!, notices };
  }

  /**
   * Disconnects a sandbox from a network; its addresses there are free again.
   *
   * @throws {NetworkNotFoundError} There is no such network.
   * @throws {SandboxNotFoundError} There is no such sandbox.
   * @throws {NotConnectedError} It is not connected.
   */
  async disconnect(network: string, sandbox: string): Promise<void> {
    await this.#along(async () => {
      const { store } = this.#parts;
      await this.#remove(() => {
        findSandbox(store, sandbox);
        const { id } = findNetwork(store, network);
        const endpoints = store.endpoints({ network: id, sandbox });
        if (endpoints.length === 0) throw new NotConnectedError(sandbox, network);
        return { endpoints };
      }, (batch) => dropEndpoint(this.#parts, batch.endpoints[0]!));
    });
  }

  /** Gives a network other labels. @throws {NetworkNotFoundError} There is no such network. */
  async labelNetwork(name: string, labels: Record<string, string>): Promise<void> {
    await this.#along(() => {
      const { store } = this.#parts;
      store.transaction(() => store.putNetwork({ ...findNetwork(store, name), labels }, "ready"));
      return Promise.resolve();
    });
  }

  /** Gives a sandbox other labels. @throws {SandboxNotFoundError} There is no such sandbox. */
  async labelSandbox(name: string, labels: Record<string, string>): Promise<void> {
    await this.#along(() => {
      const { store } = this.#parts;
      store.transaction(() => store.putSandbox({ ...findSandbox(store, name), labels }, "ready"));
      return Promise.resolve();
    });
  }

  /**
   * A command to be run in a sandbox, with this machine's files and the sandbox's network and
   * names: `ip netns exec`.
   *
   * @throws {SandboxNotFoundError} There is no such sandbox.
   */
  exec(sandbox: string, words: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
    findSandbox(this.#parts.store, sandbox);
    return new Deno.Command("ip", { ...options, args: ["netns", "exec", sandbox, ...words] });
  }

  /**
   * Starts a command in a sandbox in the background, without input and output: it goes on after this
   * program has ended. Resolves when the process is in the sandbox, or has ended already.
   *
   * @throws {SandboxNotFoundError} There is no such sandbox.
   */
  async start(
    sandbox: string,
    words: readonly string[],
    options: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
  ): Promise<void> {
    const child = this.exec(sandbox, words, { ...options, ...BACKGROUND }).spawn();
    child.unref();
    await waitUntilInside(child, () => this.processes(sandbox));
  }

  /**
   * Brings everything on record back into the kernel, with the same addresses, after a restart of
   * the host or a crash. What is there already is left as it is.
   *
   * @param wait How many seconds to wait for parents that are not there yet.
   * @param signal Ends the wait before its time.
   */
  async restore(wait = 0, signal?: AbortSignal): Promise<RestoreReport> {
    if (wait === 0) return await this.#alone(restore);
    // Listened to from before the first try on, so that no link comes unnoticed.
    await using links = new LinkMonitor(this.#host);
    const time = AbortSignal.timeout(wait * 1000);
    const deadline = signal ? AbortSignal.any([time, signal]) : time;
    for (;;) {
      const report = await this.#alone(restore);
      // After the time is up there is one last try, for what came before anybody listened.
      if (report.missing.length === 0 || deadline.aborted) return report;
      await links.changed(deadline);
    }
  }

  /** Undoes what a crash left half done. Resolves to a sentence for each thing undone. */
  async recover(): Promise<string[]> {
    return await this.#alone((_parts, { undone }) => Promise.resolve(undone));
  }

  /**
   * Runs several calls as one: among all processes on this state folder, only one function is run
   * so at a time. Single calls of others are not kept out.
   */
  async sequence<T>(run: () => Promise<T>): Promise<T> {
    return await this.#sequences.alone(run);
  }

  /** Ends the driver's processes and closes its store. What it made stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.namespaces[Symbol.asyncDispose]();
    this.#parts.store[Symbol.dispose]();
  }

  /** Runs a function while no other call is under way, after what a crash left has been undone. */
  async #alone<T>(run: (parts: DriverParts, recovery: Recovery) => Promise<T>): Promise<T> {
    return await this.#lock.alone(async () => run(this.#parts, await recover(this.#parts)));
  }

  /**
   * Runs a function along with other calls. Where it comes upon something half done, it is run again
   * alone: when those who may be at it are through, and what a crash left has been undone.
   */
  async #along<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await this.#lock.shared(run);
    } catch (error) {
      if (!(error instanceof HalfDoneError)) throw error;
      return await this.#alone(run);
    }
  }

  async #attach(request: AttachRequest): Promise<Attached> {
    return await this.#along(async () => {
      const facts = request.connections.length > 0 ? await this.#hostFacts() : undefined;
      return await attach(this.#parts, request, facts);
    });
  }

  /** Runs what removes a batch, none of which may be in anybody else's hands. */
  async #remove(find: () => StatedBatch, drop: (batch: Batch) => Promise<void>): Promise<void> {
    const { store, hosts } = this.#parts;
    const batch = store.transaction(() => {
      const batch = find();
      const half = batch.endpoints.find((endpoint) => !isReady(endpoint));
      if (half) throw new HalfDoneError(`connection of "${half.sandbox}"`);
      mark(store, batch, "removing");
      return batch;
    });
    try {
      await drop(batch);
    } catch (error) {
      // Still on record, so that it can be removed again; what is gone already, `restore` remakes.
      store.transaction(() => mark(store, batch, "ready"));
      const names = batch.endpoints.map(({ sandbox }) => sandbox);
      await hosts.refresh(batch.endpoints.map(({ network }) => network), names).catch(() => {});
      throw error;
    }
  }

  async #hostFacts(): Promise<HostFacts> {
    const { namespaces } = this.#parts;
    const host = { netns: this.#host, ip: namespaces.host(), run: namespaces.run };
    const seen = await look(host, { links: true, addrs: true, routes: "main" });
    return { release: Deno.osRelease(), ...seen };
  }

  #detailsOf(name: string): SandboxDetails {
    const { store } = this.#parts;
    const sandbox = findSandbox(store, name);
    const networks = new Map(store.networks().map((network) => [network.id, network]));
    const endpoints = store.endpoints({ sandbox: name }).filter(isReady)
      .map((endpoint) => toEndpoint(networks.get(endpoint.network)!, endpoint));
    return { ...sandbox, endpoints };
  }
}

function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended meanwhile.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
