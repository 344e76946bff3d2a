import { adoptSpec, connectOptions, networkSpec, requireSpec, sandboxSpec } from "./model/specs.ts";
import type { EtcdAccess, RemovedHost } from "../claims/types.ts";
import { invalidOption, IpvlanError } from "../base/errors.ts";
import type { PoolUsage } from "../ipam/mod.ts";
import { networkParent } from "./model/names.ts";
import { type AgentOptions, runAgent } from "./addresses/shared/agent.ts";
import { listAdvertised } from "./network/host_steps.ts";
import { Calls, type DriverOptions } from "./calls.ts";
import { type BackgroundOptions, startInBackground } from "./sandbox/background.ts";
import { listReservations, releaseReservations, reserveAddress } from "./endpoint/reserve.ts";
import { toEndpoint } from "./endpoint/routes.ts";
import {
  findNetwork,
  findPresent,
  findReady,
  findSandbox,
  findSettled,
  withNetworks,
} from "./store/find.ts";
import type { DriverParts } from "./addresses/parts.ts";
import { namespaceExists } from "./sandbox/processes.ts";
import { type Recovery, removeStale } from "./restore/leftovers.ts";
import {
  disconnect,
  pruneNetworks,
  removeNetwork,
  removeSandbox,
  removeTransient,
} from "./endpoint/remove.ts";
import { byLinkName, cutOffProblem } from "./network/parent.ts";
import { restoreParent } from "./network/create.ts";
import { settle } from "./network/settle.ts";
import { restore, restoreUntil } from "./restore/restore.ts";
import { seeSandboxes } from "./restore/repair.ts";
import { updateNetwork } from "./restore/update.ts";
import { watchParents } from "./restore/watch.ts";
import { settingsOf } from "./model/settings.ts";
import { withHostname } from "./sandbox/settings.ts";
import {
  hasShared,
  hostNames,
  type ListedHost,
  listHosts,
  removeHost,
} from "./addresses/shared/pools.ts";
import { isReady, withoutState } from "./store/store.ts";
import type {
  AdoptSpec,
  AdvertisedRoute,
  ConnectOptions,
  Labelling,
  MadeEndpoint,
  MadeSandbox,
  Network,
  NetworkDetails,
  NetworkOptions,
  NetworkSpec,
  Outcome,
  PruneReport,
  ReservedAddress,
  RestoreReport,
  SandboxDetails,
  SandboxSpec,
  SeenSandbox,
} from "./model/types.ts";

/**
 * The ipvlan driver: networks, and sandboxes connected to them, kept in a store.
 *
 * A call finds a network or a sandbox by its name or its id. It does everything it is asked for, or
 * nothing. It throws an {@linkcode IpvlanError}, also for a name that is not on record:
 * `network-not-found`, `sandbox-not-found`. If a request has several problems, it throws them all at
 * once, as the `problems` of one error. Any number of drivers, in any number of processes, may use one
 * state folder. The calls about hosts take the access to an etcd; left out, that of the networks and
 * address pools on record. They throw `etcd-unreachable` if it does not answer.
 *
 * @example Two sandboxes on a VLAN
 * ```ts
 * import { Driver } from "@ipvlan/kit";
 *
 * await using driver = await Driver.open();
 * await driver.createNetwork({ name: "ipvlan20", parent: "eth0.20", subnets: ["192.168.20.0/24"] });
 * await driver.createSandbox({ name: "c1", connections: [{ network: "ipvlan20" }] });
 * await driver.createSandbox({ name: "c2", connections: [{ network: "ipvlan20" }] });
 * await driver.exec("c1", ["ping", "-c", "1", "c2"]).spawn().status;
 * ```
 */
export class Driver implements AsyncDisposable {
  /** Sentences for the user about changes on opening: file modes that let other users in. */
  readonly notices: readonly string[];

  /**
   * Use {@linkcode Driver.open}.
   *
   * @param owns Whether it was opened, and not made by {@linkcode Driver.withSignal}.
   * @ignore
   */
  constructor(
    /** @ignore */
    protected readonly calls: Calls,
    private readonly owns = true,
  ) {
    this.notices = calls.base.notices;
  }

  /**
   * Opens the driver on a state folder.
   *
   * @throws {"store-unusable"} The folder cannot be used.
   * @throws {"missing-rights"} The caller may not write there.
   */
  // deno-lint-ignore require-await
  static async open(options: DriverOptions = {}): Promise<Driver> {
    return new Driver(Calls.open(options));
  }

  /**
   * Returns the same driver with another signal for its calls, or with none. Disposing of it does
   * nothing: dispose of the driver that was opened.
   *
   * When the signal is aborted, each call that waits or makes something fails with the signal's reason
   * and has changed nothing. A call that is removing something finishes that. A program that does not
   * end is killed.
   *
   * @example
   * ```ts
   * import { Driver } from "@ipvlan/kit";
   *
   * await using driver = await Driver.open();
   * const hurried = driver.withSignal(AbortSignal.timeout(10_000));
   * await hurried.createNetwork({ name: "ipvlan20", parent: "eth0.20" });
   * ```
   */
  withSignal(signal?: AbortSignal): Driver {
    return new Driver(this.calls.withSignal(signal), false);
  }

  /** Finds all problems of networks to create, next to each other too. Changes nothing. */
  async problemsOf(specs: readonly NetworkSpec[]): Promise<readonly IpvlanError[]> {
    return await this.calls.problems(specs.map((spec) => settle(requireSpec(networkSpec, spec))));
  }

  /** Finds why the next endpoint of a network would get no address, or would reach nothing. */
  async problemsOfNext(network: string): Promise<readonly IpvlanError[]> {
    const { pools, store, namespaces } = this.calls.parts;
    const found = findNetwork(store, network);
    const problems = pools.problems(found);
    if (networkParent(found).kind !== "host") return problems;
    const problem = cutOffProblem(found, byLinkName(await namespaces.host().link.show()));
    return problem ? [problem, ...problems] : problems;
  }

  /**
   * Counts the addresses of each of a network's subnets, in their order. Addresses that other networks
   * of the parent have given away are not free, nor are those that other hosts are known to have.
   *
   * @returns An empty list if the network does not give the addresses itself.
   */
  addressUsage(network: string): PoolUsage[] {
    const { pools, store } = this.calls.parts;
    return pools.usage(findNetwork(store, network));
  }

  /**
   * Creates a network. A missing parent named `link.vlan` is made, and a network without a parent gets
   * a dummy link. The driver tests whether the kernel takes an ipvlan link on the parent.
   */
  async createNetwork(spec: NetworkSpec): Promise<Outcome<Network>> {
    return await this.calls.createNetwork(settle(requireSpec(networkSpec, spec)));
  }

  /**
   * Changes options of a network, while its sandboxes run. What an option does not touch goes on without
   * a break. `dad` and `probe` count for endpoints that are made from now on.
   *
   * @param options The options that change; one that is `undefined` gets its default.
   * @throws {"invalid-option"} Also for an option that only a new network can have.
   */
  async updateNetwork(name: string, options: Partial<NetworkOptions>): Promise<Outcome<Network>> {
    return await this.calls.exclusive((parts) => updateNetwork(parts, name, options));
  }

  /**
   * Removes a network, and the links that the driver made for it if no other network needs them.
   *
   * @throws {"network-in-use"} Sandboxes are connected to it.
   */
  async removeNetwork(name: string): Promise<void> {
    await this.calls.exclusive(({ store, unstoppable }) =>
      removeNetwork(unstoppable, findNetwork(store, name))
    );
  }

  /**
   * Removes the networks without sandboxes. If a network cannot be removed, the call does not throw: it
   * lists the network in {@linkcode PruneReport.failed} and, unless its signal was aborted, goes on.
   *
   * @param matches Selects networks to remove; by default all.
   */
  async pruneNetworks(matches: (network: Network) => boolean = () => true): Promise<PruneReport> {
    return await this.calls.exclusive((parts) => pruneNetworks(parts, matches));
  }

  /**
   * Lists the routes of networks that advertise, and whether the host has them. Routes with the
   * driver's marks that are on no record come last.
   */
  async advertisedRoutes(): Promise<AdvertisedRoute[]> {
    return await listAdvertised(this.calls.parts);
  }

  /** All networks, by name. */
  listNetworks(): Network[] {
    return this.calls.networks();
  }

  /** One network; `undefined` if there is none with this name. */
  findNetwork(name: string): Network | undefined {
    const network = this.calls.parts.store.network(name);
    return network && isReady(network) ? withoutState(network) : undefined;
  }

  /** A network with its endpoints. */
  inspectNetwork(name: string): NetworkDetails {
    const { store } = this.calls.parts;
    return store.transaction(() => {
      const network = findNetwork(store, name);
      const endpoints = store.endpoints({ network: network.id }).filter(isReady)
        .map((endpoint) => toEndpoint({ network, endpoint }, findReady(store, endpoint.sandbox)));
      return { ...network, endpoints };
    });
  }

  /** Creates a sandbox, and connects it to networks. */
  async createSandbox(spec: SandboxSpec): Promise<Outcome<MadeSandbox>> {
    const { name, connections, labels } = requireSpec(sandboxSpec, spec);
    const request = { name, connections, labels, ...settingsOf(spec) };
    return await this.calls.createSandbox(request, "made");
  }

  /**
   * Makes a sandbox from an existing namespace, and connects it to networks. The namespace is that of a
   * process, or the one with the sandbox's name. It outlives the sandbox.
   */
  async adoptSandbox(spec: AdoptSpec): Promise<Outcome<MadeSandbox>> {
    const { pid } = requireSpec(adoptSpec, spec);
    return await this.calls.createSandbox(spec, pid === undefined ? "found" : "attached");
  }

  /**
   * Removes a sandbox: disconnects it from its networks and deletes its namespace. The kernel deletes
   * the links in the namespace a moment later. A call that needs one of their addresses waits for that.
   *
   * @param name Its name; or its id, which never removes a later sandbox of the same name.
   * @param busy The treatment of processes in the sandbox: leave them without a network (`leave`),
   * throw (`refuse`), or kill them and those that they start meanwhile (`kill`).
   * @throws {"sandbox-in-use"} Processes are in it, and `busy` is `refuse`.
   * @throws {"invalid-option"} This process is in it, and `busy` is `kill`.
   */
  async removeSandbox(name: string, busy: "leave" | "refuse" | "kill" = "leave"): Promise<void> {
    const { store, output, unstoppable } = this.calls.parts;
    const networks = await this.calls.shared(async () => {
      const sandbox = findSandbox(store, name);
      const networks = findPresent(store, sandbox.name).map(({ network }) => network);
      const pids = busy === "leave" ? [] : await this.processes(sandbox.id);
      if (busy === "refuse" && pids.length > 0) {
        throw new IpvlanError("sandbox-in-use", { sandbox: sandbox.name, pids });
      }
      await this.#kill(sandbox.name, pids, "SIGKILL");
      await removeSandbox(unstoppable, sandbox.id, busy === "kill");
      output.remove(sandbox.id);
      return networks;
    });
    await this.calls.removeTransient(networks);
  }

  /** The ids of the processes in a sandbox, without its DHCP clients. */
  async processes(sandbox: string): Promise<number[]> {
    const { store, processes, dhcp } = this.calls.parts;
    const { id, name, path } = findSandbox(store, sandbox);
    const [all, clients] = await Promise.all([
      processes.in(name, path),
      dhcp.pids(store.endpoints({ sandbox: name })),
    ]);
    const pids = all.filter((pid) => !clients.includes(pid));
    // If the id has changed, they may be the processes of a later sandbox of this name.
    if (store.sandbox(name)?.id === id) return pids;
    throw new IpvlanError("sandbox-not-found", { sandbox, known: [] });
  }

  /**
   * Finds a process in the network namespace of a file, such as one that a container engine has
   * mounted. {@linkcode Driver.adoptSandbox} needs a process if the namespace has no name.
   *
   * @throws {"invalid-option"} The file does not exist, is no namespace, or no process is in it.
   */
  async processAt(path: string): Promise<number> {
    return await this.calls.parts.processes.at(path);
  }

  /** Lists the names of sandboxes with a namespace. After a restart of the host, none has one. */
  async runningSandboxes(): Promise<string[]> {
    const { namespaces } = this.calls.parts;
    const present = new Set(await namespaces.caller().netns.list());
    return this.listSandboxes().map(({ name }) => name).filter((name) => present.has(name));
  }

  /** All sandboxes with their endpoints, by name. */
  listSandboxes(): SandboxDetails[] {
    const { store } = this.calls.parts;
    return store.transaction(() => {
      const present = withNetworks(store, store.endpoints().filter(isReady));
      const bySandbox = Map.groupBy(present, ({ endpoint }) => endpoint.sandbox);
      return store.sandboxes().filter(isReady).map(withoutState).map((sandbox) => {
        const all = bySandbox.get(sandbox.name) ?? [];
        return { ...sandbox, endpoints: all.map((each) => toEndpoint(each, all)) };
      });
    });
  }

  /**
   * Reads sandboxes with their endpoints, and their state in the kernel. This starts a process for each
   * sandbox with a namespace.
   *
   * @param names The names of the sandboxes; by default all, in order of name.
   */
  async seeSandboxes(names?: readonly string[]): Promise<SeenSandbox[]> {
    const sandboxes = names?.map((name) => this.inspectSandbox(name)) ?? this.listSandboxes();
    return await seeSandboxes(this.calls.parts, sandboxes);
  }

  /** A sandbox with its endpoints. */
  inspectSandbox(name: string): SandboxDetails {
    const { store } = this.calls.parts;
    return store.transaction(() => {
      const sandbox = findSandbox(store, name);
      const all = findReady(store, sandbox.name);
      return { ...sandbox, endpoints: all.map((each) => toEndpoint(each, all)) };
    });
  }

  /**
   * Connects a sandbox to a network: makes an ipvlan link on the network's parent, with addresses
   * and routes, and adds the sandbox's names to the hosts files of the network's sandboxes.
   */
  async connect(
    network: string,
    sandbox: string,
    options: ConnectOptions = {},
  ): Promise<Outcome<MadeEndpoint>> {
    const connections = [{ ...requireSpec(connectOptions, options), network }];
    const { endpoints, notices } = await this.calls.attach({ name: sandbox, connections });
    return { value: endpoints[0]!, notices };
  }

  /**
   * Makes the parent of a network again if the driver made it before and it is gone, as after a restart
   * of the machine.
   *
   * @throws {IpvlanError} The parent cannot be made.
   */
  async restoreNetwork(name: string): Promise<void> {
    await this.calls.exclusive((parts) => restoreParent(parts, findNetwork(parts.store, name)));
  }

  /**
   * Disconnects a sandbox from a network. Its addresses there are free again.
   *
   * @param ifname The link's name, if an engine has connected the sandbox more than once.
   * @throws {"not-connected"} It is not connected.
   */
  async disconnect(network: string, sandbox: string, ifname?: string): Promise<void> {
    const { store, unstoppable } = this.calls.parts;
    const target = store.network(network);
    await this.calls.shared(() => disconnect(unstoppable, network, sandbox, ifname));
    if (target) await this.calls.removeTransient([target]);
  }

  /**
   * Reserves an address of a network for the sandbox of a name, which need not exist. No automatic choice
   * and no other sandbox gets it. The sandbox gets it when it connects without asking for an address.
   * In a pool of etcd it is kept on all hosts, for the sandbox of the name on any of them.
   *
   * @param address The address; left out, one of each family: that of the sandbox, or the next free one.
   * @param seconds The time to its end, up to 100 years; only in etcd. Who uses the address then keeps it.
   * @returns The new reservations. They last until they are released, or the network is removed; in
   * etcd, on its last host.
   * @throws {"address-held" | "address-in-use" | "reserved-address" | "outside-subnet"}
   */
  async reserveAddress(
    network: string,
    name: string,
    address?: string,
    seconds?: number,
  ): Promise<ReservedAddress[]> {
    return await this.calls.shared((parts) =>
      reserveAddress(parts, network, name, address, seconds)
    );
  }

  /**
   * Releases the addresses that a network reserves for a name. Resolves to them. A network that an
   * engine made for its containers goes with the last one, if none of them is left.
   */
  async releaseReservations(network: string, name: string): Promise<ReservedAddress[]> {
    const { store } = this.calls.parts;
    // Afterwards, another call may remove it with its last container.
    const found = findNetwork(store, network);
    const gone = await this.calls.shared((parts) => releaseReservations(parts, network, name));
    await this.calls.removeTransient([found]);
    return gone;
  }

  /** Lists what is reserved on networks, given by name; without names, on all. It asks etcd. */
  async listReservations(
    networks: readonly string[] = [],
  ): Promise<(ReservedAddress & { network: string })[]> {
    return await this.calls.shared((parts) => listReservations(parts, networks));
  }

  /** Replaces the labels of networks and sandboxes. */
  async label(labellings: readonly Labelling[]): Promise<void> {
    await this.calls.shared(({ store }) => {
      // One transaction, because the disk takes a while to write each.
      store.transaction(() => {
        for (const { kind, name, labels } of labellings) {
          if (kind === "network") {
            store.putNetwork({ ...findSettled(store, name), labels }, "ready");
          } else store.putSandbox({ ...findSandbox(store, name), labels }, "ready");
        }
      });
      return Promise.resolve();
    });
  }

  /**
   * Prepares a command that runs in a sandbox: `ip netns exec`. It has this machine's files, and
   * the network and the hosts file of the sandbox. The signal of the driver ends it (SIGTERM).
   *
   * @throws {"sandbox-gone"} Its namespace is gone.
   */
  exec(sandbox: string, words: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
    const [program, ...args] = this.#wordsInside(sandbox, words);
    const { signal } = this.calls.parts.wait;
    return new Deno.Command(program!, { signal, ...options, args });
  }

  /**
   * Starts a command in a sandbox in the background, without input. It may outlive this program.
   * Resolves when its process is in the sandbox or has already ended.
   *
   * @throws {"sandbox-gone"} Its namespace is gone.
   */
  async start(
    sandbox: string,
    words: readonly string[],
    options: BackgroundOptions = {},
  ): Promise<void> {
    const { store, output, wait } = this.calls.parts;
    const { id } = findSandbox(store, sandbox);
    const inside = this.#wordsInside(id, words);
    const folder = options.keepOutput ? output.begin(id) : undefined;
    await startInBackground(inside, options, folder, () => this.processes(id), wait.signal);
  }

  /** Reads the output of the command last started with `keepOutput`, at most its last megabyte. */
  output(sandbox: string): Uint8Array<ArrayBuffer> {
    const { id } = findSandbox(this.calls.parts.store, sandbox);
    return this.calls.parts.output.read(id);
  }

  /** Yields the same in one piece, and then all further output until the command has ended. */
  followOutput(sandbox: string): AsyncIterable<Uint8Array<ArrayBuffer>> {
    const { id } = findSandbox(this.calls.parts.store, sandbox);
    const isBusy = async () => (await this.processes(id)).length > 0;
    return this.calls.parts.output.follow(id, isBusy, this.calls.parts.wait.signal);
  }

  /** Keeps the exit status of a command that {@linkcode exec} has run, as {@linkcode start} does. */
  keepExitStatus(sandbox: string, status: number): void {
    this.calls.parts.output.keepStatus(findSandbox(this.calls.parts.store, sandbox).id, status);
  }

  /**
   * The exit status of the command that was last started with `keepOutput` and has ended;
   * `undefined` if there was none, 255 if the machine was restarted before its end.
   */
  async exitStatus(sandbox: string): Promise<number | undefined> {
    const { id } = findSandbox(this.calls.parts.store, sandbox);
    return await this.calls.parts.output.status(id);
  }

  /**
   * Sends a signal to all processes in a sandbox.
   *
   * @returns The ids of the processes that were there.
   * @throws {"invalid-option"} This process is one of them.
   */
  async signal(sandbox: string, signal: Deno.Signal): Promise<number[]> {
    const { id, name } = findSandbox(this.calls.parts.store, sandbox);
    const pids = await this.processes(id);
    await this.#kill(name, pids, signal);
    return pids;
  }

  /**
   * Restores everything on record in the kernel, with the same addresses, after a restart of the host
   * or a crash. It repairs differences from the record, such as an address or a route that was deleted
   * by hand; additions stay. A failure is reported and does not stop the rest. An address that another
   * host has by now gets no link.
   *
   * @param seconds The time to wait for parents that do not exist yet.
   */
  async restore(seconds = 0): Promise<RestoreReport> {
    return await restoreUntil(seconds, this.calls.parts, async () => {
      // Ask etcd who holds the addresses before any link comes up.
      const said = await this.calls.reconcile();
      const report = await this.calls.exclusive(restoreAll);
      const notices = [...said, ...report.notices ?? []];
      return notices.length > 0 ? { ...report, notices } : report;
    });
  }

  /** All hosts that share address pools with this one, by prefix and name. */
  async listHosts(access?: EtcdAccess): Promise<ListedHost[]> {
    return await listHosts(this.calls.parts, access);
  }

  /** Returns a sentence for each damaged key in etcd that calls have ignored, each once. */
  async damagedKeys(access?: EtcdAccess): Promise<string[]> {
    const { store, openShared } = this.calls.parts;
    if (!access && !hasShared(store)) return [];
    return (await openShared())?.damaged() ?? [];
  }

  /**
   * Lists the names of the hosts that share address pools with this one, or the ids of hosts with the
   * same name. Unlike {@linkcode Driver.listHosts}, it does not read their addresses.
   */
  async hostNames(access?: EtcdAccess): Promise<string[]> {
    return await hostNames(this.calls.parts, access);
  }

  /**
   * Removes a host that is gone for good from the pools, and frees its addresses.
   *
   * @param idOrName Its id, or its name if no other host has the same.
   * @param force Whether the host is known to be off. If it still runs, addresses are given away twice.
   * @throws {"host-alive"} It runs, or holds addresses and may run.
   * @throws {"host-not-found"} There is no such host, or several have the name.
   */
  async removeHost(idOrName: string, access?: EtcdAccess, force = false): Promise<RemovedHost[]> {
    return await removeHost(this.calls.parts, idOrName, access, force);
  }

  /**
   * Runs the agent of this host until the driver's signal is aborted: it restores what stands on a
   * parent as soon as that is back, and so at its start. For shared pools, it keeps the host's lease in
   * etcd, gives addresses to other hosts that need them, writes the names of their sandboxes into hosts
   * files, and reports pending changes to etcd when it is reachable again. Without an agent, names are
   * as old as the last call that connected a sandbox.
   *
   * @throws {"agent-runs"} Another one runs on this state folder.
   */
  async runAgent(options: AgentOptions = {}): Promise<void> {
    const { parts, base } = this.calls;
    await runAgent(parts, base.agentLock, options, async (signal) => {
      const driver = this.withSignal(signal);
      await watchParents(driver.calls.parts, () => driver.restore(), options, signal);
    });
  }

  /** Removes what a crash left half made or half removed. Resolves to a sentence for each. */
  async recover(): Promise<string[]> {
    const undone = await this.calls.exclusive((_parts, { undone }) => Promise.resolve(undone));
    return [...undone, ...await this.calls.reconcile()];
  }

  /**
   * Runs a function that makes several calls. Of all processes on this state folder, only one runs such
   * a function at a time. Calls outside of such functions are not blocked.
   */
  async sequence<T>(run: () => Promise<T>): Promise<T> {
    return await this.calls.base.sequences.exclusive(run, this.calls.parts.wait);
  }

  /** Ends the driver's processes and closes its store, once. Networks and sandboxes stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.owns) await this.calls.base.close();
  }

  /** Builds the command line that runs a command in a sandbox. */
  #wordsInside(sandbox: string, words: readonly string[]): string[] {
    const { name, hostname, path } = findSandbox(this.calls.parts.store, sandbox);
    if (path !== undefined) return ["nsenter", `--net=${path}`, ...words];
    if (!namespaceExists(name)) throw new IpvlanError("sandbox-gone", { sandbox: name });
    return ["ip", "netns", "exec", name, ...withHostname(hostname, words)];
  }

  /** Kills processes; on a dry run, reports the commands. */
  async #kill(sandbox: string, pids: readonly number[], signal: Deno.Signal): Promise<void> {
    const { parts: { isRehearsal, processes }, base: { report } } = this.calls;
    // This program itself may run in a sandbox.
    if (pids.includes(Deno.pid)) {
      throw invalidOption("sandbox", sandbox, "this program is in it itself");
    }
    pids.forEach((pid) => report?.(`kill -s ${signal.slice("SIG".length)} ${pid}`));
    if (!isRehearsal) await processes.kill(pids, signal);
  }
}

/** Removes stale sandboxes of engines, and restores the rest. */
async function restoreAll(parts: DriverParts, recovery: Recovery): Promise<RestoreReport> {
  const { store, unstoppable, wait } = parts;
  const stale = await removeStale(unstoppable, store.sandboxes());
  await removeTransient(unstoppable, store.networks());
  const undone = stale.map((name) => `The namespace of "${name}" was gone`);
  const report = await restore(parts, { ...recovery, undone: [...recovery.undone, ...undone] });
  // After the signal, every step has failed, and the report would only list that.
  wait.signal?.throwIfAborted();
  return report;
}
