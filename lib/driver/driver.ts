import { adoptSpec, connectOptions, networkSpec, requireSpec, sandboxSpec } from "./model/specs.ts";
import type { EtcdAccess, RemovedHost } from "../claims/types.ts";
import { type Decision, invalidOption, IpvlanError, isIpvlanError } from "../base/errors.ts";
import type { PoolUsage } from "../ipam/mod.ts";
import { engineOf, isOwned, networkParent } from "./model/names.ts";
import { type AgentOptions, runAgent } from "./addresses/shared/agent.ts";
import { listAdvertised } from "./network/advertised.ts";
import { attach, type Attached, takenNamespace } from "./endpoint/attach.ts";
import type { AttachRequest } from "./endpoint/attach_request.ts";
import { type BackgroundOptions, startInBackground } from "./sandbox/background.ts";
import { type ClaimPlace, nameClaims, releaseClaims } from "./addresses/shared/claim_users.ts";
import { listPools, requestPool } from "./addresses/claims.ts";
import { createNetwork, newIdentity, withSharedSettings } from "./network/create.ts";
import { toEndpoint } from "./endpoint/decide.ts";
import { factsFor, hostFacts, linkFacts } from "./network/facts.ts";
import { findNetwork, findSandbox, networksOf } from "./store/find.ts";
import { lateSignal } from "./run/programs.ts";
import { rehearsed, watched, type WrapRunner } from "./run/namespaces.ts";
import { type DecidedNetwork, decideNetwork } from "./network/decide.ts";
import { type DriverBase, type DriverOptions, makeParts, openBase } from "./open.ts";
import type { DriverParts } from "./addresses/parts.ts";
import { namespaceExists } from "./sandbox/processes.ts";
import { recover, type Recovery } from "./restore/recover.ts";
import {
  disconnect,
  pruneNetworks,
  removeNetwork,
  removeSandbox,
  removeTransient,
} from "./endpoint/remove.ts";
import { restoreParent } from "./network/restore_parents.ts";
import { settle, type Settlement } from "./network/settle.ts";
import { restore } from "./restore/restore.ts";
import { restoreUntil } from "./restore/wait.ts";
import { lookForParents } from "./endpoint/sandbox_parent.ts";
import { seeSandboxes } from "./restore/see.ts";
import { settingsOf } from "./model/settings.ts";
import { withHostname } from "./sandbox/settings.ts";
import { hasShared, reconcile } from "./addresses/shared/pools.ts";
import {
  claimAddress,
  claimGateway,
  releaseAddress,
  releasePool,
} from "./addresses/shared/claims.ts";
import { hostNames, type ListedHost, listHosts, removeHost } from "./addresses/shared/hosts.ts";
import { inTheWay, removeStale } from "./restore/stale.ts";
import { isReady, withoutState } from "./store/store.ts";
import type {
  AddressPool,
  AddressPoolDetails,
  AdoptSpec,
  AdvertisedRoute,
  ClaimRequest,
  ClaimUser,
  ConnectOptions,
  EngineName,
  MadeEndpoint,
  MadeSandbox,
  Network,
  NetworkDetails,
  NetworkSpec,
  Outcome,
  PoolRequest,
  PruneReport,
  RestoreReport,
  Sandbox,
  SandboxDetails,
  SandboxSpec,
  SeenSandbox,
  SubnetPoolRequest,
} from "./model/types.ts";
import type { WaitOptions } from "../base/waiting.ts";

/**
 * The ipvlan driver: networks, and sandboxes connected to them, kept in a store.
 *
 * A call does everything it is asked for, or nothing. If several things are wrong with a request,
 * it throws them all at once, as the `problems` of one error. Any number of drivers, in any number
 * of processes, may use one state folder.
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
  /** What opening it has changed and the user should know: modes that let others in. */
  readonly notices: readonly string[];
  readonly #base: DriverBase;
  /** Ends what only tells etcd what has been done. */
  readonly #telling: AbortSignal | undefined;
  readonly #parts: DriverParts;

  private constructor(base: DriverBase, wait: WaitOptions, telling: AbortSignal | undefined) {
    this.notices = base.notices;
    this.#base = base;
    this.#telling = telling;
    this.#parts = makeParts(base, wait, telling);
  }

  /**
   * Opens the driver on a state folder.
   *
   * @throws {"store-unusable"} The folder cannot be used.
   * @throws {"missing-rights"} The caller may not write there.
   */
  // deno-lint-ignore require-await
  static async open(options: DriverOptions = {}): Promise<Driver> {
    const { verbose, dryRun } = options;
    const wrap = dryRun ? rehearsed(dryRun) : verbose ? watched(verbose) : undefined;
    return Driver.openWrapped(options, wrap);
  }

  /**
   * Opens the driver with a wrapper around the runner of each namespace. Only tests use this, to
   * make lines fail.
   *
   * @ignore
   */
  static openWrapped(options: DriverOptions, wrap?: WrapRunner): Driver {
    const { signal, waiting } = options;
    return new Driver(openBase(options, wrap), { signal, waiting }, signal);
  }

  /**
   * The same driver, with another signal for its calls or none. Dispose only of the driver that was
   * opened.
   *
   * When the signal is aborted, each call that waits, or that makes something, fails with the
   * signal's reason and has changed nothing. A call that is removing something does so to its end.
   * A program that does not end is killed.
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
    // What undoes the work of an interrupted call does not wait long for etcd, either.
    const telling = signal ?? lateSignal(this.#telling);
    return new Driver(this.#base, { ...this.#parts.wait, signal }, telling);
  }

  /** Finds everything that is wrong with a network to create. Changes nothing. */
  async problemsOf(spec: NetworkSpec): Promise<readonly IpvlanError[]> {
    const decision = await this.#decide(settle(requireSpec(networkSpec, spec)));
    return decision.ok ? [] : decision.problems;
  }

  async #decide(settled: Settlement): Promise<Decision<DecidedNetwork>> {
    const facts = await hostFacts(this.#parts);
    return decideNetwork(settled, newIdentity(), this.listNetworks(), facts);
  }

  /**
   * Finds why the next endpoint of a network would get no address, or reach nothing.
   *
   * @throws {"network-not-found"} There is no such network.
   */
  async problemsOfNext(network: string): Promise<readonly IpvlanError[]> {
    const { pools, store, namespaces } = this.#parts;
    const found = findNetwork(store, network);
    const parent = networkParent(found);
    const problems = pools.problems(found);
    if (parent.kind !== "host") return problems;
    const link = (await namespaces.hostLook().link.show()).find(({ name }) => name === parent.link);
    return link?.up ? problems : [
      new IpvlanError("network-cut-off", {
        network: found.name,
        parent: parent.link,
        state: link ? "down" : "missing",
      }),
      ...problems,
    ];
  }

  /**
   * Finds the same of a network that is made with its first endpoint. Only engines use this.
   *
   * @ignore
   */
  async problemsOfFirst(settled: Settlement): Promise<readonly IpvlanError[]> {
    const decision = await this.#decide(settled);
    return decision.ok ? this.#parts.pools.problems(decision.network) : decision.problems;
  }

  /**
   * Counts the addresses of a network's subnets, in their order. Those that other networks of the parent
   * have given away are not free, nor those of other hosts that are known here.
   *
   * @returns Nothing if the network does not give the addresses itself.
   * @throws {"network-not-found"} There is no such network.
   */
  addressUsage(network: string): PoolUsage[] {
    const { pools, store } = this.#parts;
    return pools.usage(findNetwork(store, network));
  }

  /**
   * Creates a network. A parent named `link.vlan` is made if it does not exist, and a network
   * without a parent gets a dummy link. The kernel is asked whether it takes an ipvlan link on the
   * parent.
   *
   * @throws {IpvlanError} Its code says what is wrong.
   * @throws {"problems"} Several things are wrong.
   */
  async createNetwork(spec: NetworkSpec): Promise<Outcome<Network>> {
    return await this.createSettled(settle(requireSpec(networkSpec, spec)));
  }

  /**
   * Creates a network that was settled before, as an engine's is. Only engines use this.
   *
   * @ignore
   */
  async createSettled(settled: Settlement): Promise<Outcome<Network>> {
    return await this.#exclusive(async (parts) => {
      const lookAgain = () => hostFacts(parts);
      const whole = await withSharedSettings(parts, settled);
      // In a dry run, and with a transient network, the kernel does not say what is in the way.
      const isNotAsked = this.#base.isRehearsal || whole.network.transient;
      const facts = isNotAsked ? await lookAgain() : await factsFor(parts, whole.network);
      return await createNetwork(parts, whole, facts, lookAgain);
    });
  }

  /**
   * Removes a network, and the links that the driver made for it and that no other network needs.
   *
   * @throws {"network-not-found"} There is no such network.
   * @throws {"network-in-use"} Sandboxes are connected to it.
   */
  async removeNetwork(name: string): Promise<void> {
    await this.#exclusive(({ unstoppable }) => removeNetwork(unstoppable, name));
  }

  /**
   * Removes the networks that no sandbox is connected to. If one of them cannot be removed, it goes
   * on with the others, unless its signal was aborted, and does not throw: look at
   * {@linkcode PruneReport.failed}.
   *
   * @param matches Which of them to remove; by default all.
   */
  async pruneNetworks(matches: (network: Network) => boolean = () => true): Promise<PruneReport> {
    return await this.#exclusive((parts) => pruneNetworks(parts, matches));
  }

  /**
   * The routes of the networks that advertise, and whether the host has them. Routes with the driver's
   * marks that are on no record come last.
   */
  async advertisedRoutes(): Promise<AdvertisedRoute[]> {
    return await listAdvertised(this.#parts);
  }

  /** All networks, by name. */
  listNetworks(): Network[] {
    return this.#parts.store.networks().filter(isReady).map(withoutState);
  }

  /** One network; `undefined` if there is none with this name. */
  findNetwork(name: string): Network | undefined {
    const network = this.#parts.store.network(name);
    return network && isReady(network) ? withoutState(network) : undefined;
  }

  /** A network with its endpoints. @throws {"network-not-found"} There is no such network. */
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
   * Creates a sandbox, and connects it to networks.
   *
   * @throws {IpvlanError} Its code says what is wrong.
   * @throws {"problems"} Several things are wrong.
   */
  async createSandbox(spec: SandboxSpec): Promise<Outcome<MadeSandbox>> {
    const { name, connections, labels } = requireSpec(sandboxSpec, spec);
    const request = { name, connections, labels, ...settingsOf(spec) };
    return await this.#createSandbox(request, "made");
  }

  /**
   * Makes a sandbox of a namespace that exists, and connects it to networks. The namespace is that
   * of a process, the one that has the sandbox's name, or an engine's. It outlives the sandbox.
   *
   * If a sandbox of an engine has the name, or an address that is asked for, and its namespace is
   * gone, then that sandbox is removed first.
   *
   * @throws {IpvlanError} Its code says what is wrong.
   * @throws {"problems"} Several things are wrong.
   */
  async adoptSandbox(spec: AdoptSpec): Promise<Outcome<MadeSandbox>> {
    const { owner, pid } = requireSpec(adoptSpec, spec);
    const namespace = owner ? "borrowed" : pid === undefined ? "found" : "attached";
    return await this.#createSandbox(spec, namespace);
  }

  /**
   * Removes a sandbox: disconnects it from its networks and deletes its namespace. The kernel
   * deletes what is in the namespace a moment later. A call that needs one of its addresses waits
   * for that.
   *
   * @param name Its name, or its id: then a later sandbox of the same name is left alone.
   * @param busy What to do if processes are in the sandbox: leave them without a network (`leave`),
   * throw (`refuse`), or kill them, also those that they start meanwhile (`kill`).
   * @throws {"sandbox-not-found"} There is no such sandbox.
   * @throws {"sandbox-in-use"} Processes are in it, and `busy` is `refuse`.
   * @throws {"invalid-option"} This process is in it, and `busy` is `kill`.
   */
  async removeSandbox(name: string, busy: "leave" | "refuse" | "kill" = "leave"): Promise<void> {
    const { store, output, unstoppable } = this.#parts;
    const networks = await this.#shared(async () => {
      const sandbox = findSandbox(store, name);
      const networks = networksOf(store, store.endpoints({ sandbox: sandbox.name }));
      const pids = busy === "leave" ? [] : await this.processes(sandbox.id);
      if (busy === "refuse" && pids.length > 0) {
        throw new IpvlanError("sandbox-in-use", { sandbox: sandbox.name, pids });
      }
      await this.#kill(sandbox.name, pids, "SIGKILL");
      await removeSandbox(unstoppable, sandbox.id, busy === "kill");
      output.remove(sandbox.id);
      return networks;
    });
    await this.#removeTransient([...networks.values()]);
  }

  /**
   * The ids of the processes in a sandbox.
   *
   * @param sandbox Its name, or its id.
   * @throws {"sandbox-not-found"} There is no such sandbox.
   */
  async processes(sandbox: string): Promise<number[]> {
    const { store, processes } = this.#parts;
    const { id, name, path } = findSandbox(store, sandbox);
    const pids = await processes.in(name, path);
    // Otherwise, they may be those of a later sandbox of this name.
    if (store.sandbox(name)?.id === id) return pids;
    throw new IpvlanError("sandbox-not-found", { sandbox, known: [] });
  }

  /**
   * Finds a process in the network namespace of a file, such as one that a container engine has
   * mounted. {@linkcode Driver.adoptSandbox} needs a process if the namespace has no name.
   *
   * @returns The process's id.
   * @throws {"invalid-option"} The file does not exist, it is no namespace, or no process is in
   * it.
   */
  async processAt(path: string): Promise<number> {
    return await this.#parts.processes.at(path);
  }

  /** The names of the sandboxes whose namespaces exist. After a restart of the host, none does. */
  async runningSandboxes(): Promise<string[]> {
    const { namespaces } = this.#parts;
    const present = new Set(await namespaces.caller().netns.list());
    return this.listSandboxes().map(({ name }) => name).filter((name) => present.has(name));
  }

  /** All sandboxes with their endpoints, by name. */
  listSandboxes(): SandboxDetails[] {
    const { store } = this.#parts;
    return store.transaction(() => {
      const all = store.endpoints().filter(isReady);
      const endpoints = Map.groupBy(all, ({ sandbox }) => sandbox);
      const networks = networksOf(store, all);
      return store.sandboxes().filter(isReady).map(withoutState).map((sandbox) => ({
        ...sandbox,
        endpoints: (endpoints.get(sandbox.name) ?? [])
          .map((endpoint) => toEndpoint(networks.get(endpoint.network)!, endpoint)),
      }));
    });
  }

  /**
   * Sandboxes with their endpoints, and what the kernel has of them. It takes a process for each
   * sandbox that has a namespace.
   *
   * @param names Which ones; by default all, by name.
   * @throws {"sandbox-not-found"} There is no such sandbox.
   */
  async seeSandboxes(names?: readonly string[]): Promise<SeenSandbox[]> {
    const sandboxes = names?.map((name) => this.inspectSandbox(name)) ?? this.listSandboxes();
    return await seeSandboxes(this.#parts, sandboxes);
  }

  /** A sandbox with its endpoints. @throws {"sandbox-not-found"} There is no such sandbox. */
  inspectSandbox(name: string): SandboxDetails {
    const { store } = this.#parts;
    return store.transaction(() => {
      const sandbox = findSandbox(store, name);
      const endpoints = store.endpoints({ sandbox: sandbox.name }).filter(isReady);
      const networks = networksOf(store, endpoints);
      return {
        ...sandbox,
        endpoints: endpoints.map((each) => toEndpoint(networks.get(each.network)!, each)),
      };
    });
  }

  /**
   * Connects a sandbox to a network: makes an ipvlan link on the network's parent, with addresses
   * and routes, and adds the sandbox's names to the hosts files of the network's sandboxes.
   *
   * @throws {IpvlanError} Its code says what is wrong.
   * @throws {"problems"} Several things are wrong.
   */
  async connect(
    network: string,
    sandbox: string,
    options: ConnectOptions = {},
  ): Promise<Outcome<MadeEndpoint>> {
    const connections = [{ ...requireSpec(connectOptions, options), network }];
    const { endpoints, notices } = await this.#attach({ name: sandbox, connections });
    return { value: endpoints[0]!, notices };
  }

  /**
   * Says which namespace an engine takes the links of a sandbox into. The namespace need not be there
   * yet: Docker makes it later.
   *
   * @param path The file of the namespace.
   * @throws {"sandbox-not-found"} There is no such sandbox.
   * @throws {"invalid-option"} It is not an engine's, or the file is not of a namespace.
   * @throws {"invalid-word"} The path cannot be that of a namespace.
   */
  async setSandboxPath(name: string, path: string): Promise<void> {
    await this.#shared(async () => {
      const { store, borrowed } = this.#parts;
      await borrowed.identify(path, true);
      store.transaction(() => {
        const { namespaceId: _, ...sandbox } = findSandbox(store, name);
        if (!isOwned(sandbox.name)) {
          throw invalidOption("sandbox", name, "it is not an engine's");
        }
        store.putSandbox({ ...sandbox, path }, "ready");
      });
    });
  }

  /**
   * Makes the parent of a network again, if the driver made it and it is gone, as after a restart of
   * the machine.
   *
   * @throws {"network-not-found"} There is no such network.
   * @throws {IpvlanError} The parent cannot be made.
   */
  async restoreNetwork(name: string): Promise<void> {
    await this.#exclusive((parts) => restoreParent(parts, findNetwork(parts.store, name)));
  }

  /**
   * Removes the sandboxes of engines whose namespaces are gone, and the networks that go with the last
   * of their sandboxes.
   *
   * @param engine Only those of this engine.
   * @param isForgotten Whether the engine will not take a link of the sandbox that is still in the host's
   * namespace. By default, it may take any.
   * @returns The names of the sandboxes.
   */
  async removeStale(
    engine?: EngineName,
    isForgotten?: (sandbox: string) => boolean,
  ): Promise<string[]> {
    const { store, unstoppable } = this.#parts;
    const all = () =>
      store.sandboxes().filter(({ name }) => engine === undefined || engineOf(name) === engine);
    const removed = await this.#shared(() => removeStale(unstoppable, all(), isForgotten));
    await this.#removeTransient(store.networks());
    return removed;
  }

  /**
   * Disconnects a sandbox from a network. Its addresses there are free again.
   *
   * @param ifname The link's name, if an engine has connected the sandbox more than once.
   * @throws {"network-not-found"} There is no such network.
   * @throws {"sandbox-not-found"} There is no such sandbox.
   * @throws {"not-connected"} It is not connected.
   */
  async disconnect(network: string, sandbox: string, ifname?: string): Promise<void> {
    const { store, unstoppable } = this.#parts;
    const target = store.network(network);
    await this.#shared(() => disconnect(unstoppable, network, sandbox, ifname));
    if (target) await this.#removeTransient([target]);
  }

  /** Replaces a network's labels. @throws {"network-not-found"} There is no such network. */
  async labelNetwork(name: string, labels: Record<string, string>): Promise<void> {
    await this.#shared(() => {
      const { store } = this.#parts;
      store.transaction(() => store.putNetwork({ ...findNetwork(store, name), labels }, "ready"));
      return Promise.resolve();
    });
  }

  /** Replaces a sandbox's labels. @throws {"sandbox-not-found"} There is no such sandbox. */
  async labelSandbox(name: string, labels: Record<string, string>): Promise<void> {
    await this.#shared(() => {
      const { store } = this.#parts;
      store.transaction(() => store.putSandbox({ ...findSandbox(store, name), labels }, "ready"));
      return Promise.resolve();
    });
  }

  /**
   * Prepares a command that runs in a sandbox: `ip netns exec`. It has this machine's files, and
   * the network and the hosts file of the sandbox.
   *
   * @throws {"sandbox-not-found"} There is no such sandbox.
   * @throws {"sandbox-gone"} Its namespace is gone.
   */
  exec(sandbox: string, words: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
    const [program, ...args] = this.#wordsInside(sandbox, words);
    return new Deno.Command(program!, { ...options, args });
  }

  /**
   * Starts a command in a sandbox in the background, without input. It may outlive this program.
   * Resolves when its process is in the sandbox, or has ended already.
   *
   * @throws {"sandbox-not-found"} There is no such sandbox.
   * @throws {"sandbox-gone"} Its namespace is gone.
   */
  async start(
    sandbox: string,
    words: readonly string[],
    options: BackgroundOptions = {},
  ): Promise<void> {
    const { store, output, wait } = this.#parts;
    const { id } = findSandbox(store, sandbox);
    const inside = this.#wordsInside(id, words);
    const folder = options.keepOutput ? output.begin(id) : undefined;
    await startInBackground(inside, options, folder, () => this.processes(id), wait.signal);
  }

  /**
   * Reads what the command has printed that was last started with `keepOutput`: the end of it, up
   * to a megabyte.
   *
   * @throws {"sandbox-not-found"} There is no such sandbox.
   */
  output(sandbox: string): Uint8Array<ArrayBuffer> {
    const { id } = findSandbox(this.#parts.store, sandbox);
    return this.#parts.output.read(id);
  }

  /**
   * Reads the same as one piece, and then what is printed until the command has ended.
   *
   * @param signal Ends it.
   * @throws {"sandbox-not-found"} There is no such sandbox.
   */
  followOutput(sandbox: string, signal?: AbortSignal): AsyncIterable<Uint8Array<ArrayBuffer>> {
    const { id, name, path } = findSandbox(this.#parts.store, sandbox);
    const isBusy = async () => (await this.#parts.processes.in(name, path)).length > 0;
    return this.#parts.output.follow(id, isBusy, signal);
  }

  /** Keeps the exit status of a command that {@linkcode exec} has run, as {@linkcode start} does. */
  keepExitStatus(sandbox: string, status: number): void {
    this.#parts.output.keepStatus(findSandbox(this.#parts.store, sandbox).id, status);
  }

  /**
   * The exit status of the command that was last started with `keepOutput` and has ended;
   * `undefined` if there was none, 255 if the machine was restarted before its end.
   *
   * @throws {"sandbox-not-found"} There is no such sandbox.
   */
  async exitStatus(sandbox: string): Promise<number | undefined> {
    const { id } = findSandbox(this.#parts.store, sandbox);
    return await this.#parts.output.status(id);
  }

  /**
   * Sends a signal to all processes in a sandbox.
   *
   * @returns The ids of the processes that were there.
   * @throws {"sandbox-not-found"} There is no such sandbox.
   * @throws {"invalid-option"} This process is one of them.
   */
  async signal(sandbox: string, signal: Deno.Signal): Promise<number[]> {
    const { id, name } = findSandbox(this.#parts.store, sandbox);
    const pids = await this.processes(id);
    await this.#kill(name, pids, signal);
    return pids;
  }

  /**
   * Brings everything on record back into the kernel, with the same addresses, after a restart of
   * the host or a crash. What differs from the record is repaired, such as an address or a route
   * that was deleted by hand; what was added stays. What cannot be brought back is reported, and
   * keeps nothing else from it. An address that another host has by now gets no link.
   *
   * @param seconds How long to wait for parents that do not exist yet.
   */
  async restore(seconds = 0): Promise<RestoreReport> {
    return await restoreUntil(seconds, this.#parts, async () => {
      // No link comes up before etcd was asked whose the addresses are.
      const notices = await this.#reconcile();
      const report = await this.#exclusive(restoreAll);
      return notices.length > 0 ? { ...report, notices } : report;
    });
  }

  /**
   * Requests an address pool, from which an engine gives addresses to links of its own. Two requests
   * of one engine with the same subnet and range get the same pool. It stays until it is released as
   * often as it was requested.
   *
   * No address of it is given away twice. An automatic address of a network or of a pool
   * is none that another one on an overlapping subnet has given away.
   *
   * @throws {"missing-pool-subnet"} It is to have IPv6, and has no subnet.
   * @throws {IpvlanError} Its code says what else is wrong.
   */
  async requestPool(request: PoolRequest): Promise<AddressPool> {
    if (request.subnet !== undefined) return requestPool(this.#parts, request);
    // With the lock, as a network that is being created may get the same default pool.
    return await this.#exclusive(async (parts) => {
      const routes = await parts.namespaces.host().route.show(4);
      return requestPool(parts, request, routes);
    });
  }

  /**
   * Takes back one request for an address pool. With the last one, the pool and its claims are gone.
   * It is no error if there is no such pool.
   */
  async releasePool(id: string): Promise<void> {
    await this.#shared(() => releasePool(this.#parts, id));
  }

  /**
   * Claims an address in an address pool. If several hosts share the pool, none of them has it.
   *
   * @param pool The pool's id. Or a request: then the pool is there as long as it has claims.
   * @returns The address with its prefix length: `192.168.1.2/24`.
   * @throws {"pool-not-found"} There is no such pool.
   * @throws {"pool-exhausted"} No address is free.
   * @throws {"address-held"} Another one has the address.
   * @throws {IpvlanError} Its code says what else is wrong with the address.
   */
  async claimAddress(
    pool: string | SubnetPoolRequest,
    claim: ClaimRequest,
  ): Promise<{ address: string }> {
    return await this.#shared(() => claimAddress(this.#parts, pool, claim));
  }

  /**
   * Claims the gateway of an address pool. It stays claimed as long as the pool is there, and several
   * pools may have one gateway.
   *
   * @param address The address. By default that which was claimed before, or the first usable one.
   * @returns The address with its prefix length.
   * @throws {"pool-not-found"} There is no such pool.
   * @throws {"address-held"} Another one has the address.
   * @throws {IpvlanError} Its code says what else is wrong with the address.
   */
  async claimGateway(pool: string, address?: string): Promise<{ address: string }> {
    return await this.#shared(() => claimGateway(this.#parts, pool, address));
  }

  /** Releases an address of an address pool. It is no error if it is not claimed. */
  async releaseAddress(pool: string, address: string): Promise<void> {
    await this.#shared(() => releaseAddress(this.#parts, pool, address));
  }

  /**
   * Says who uses the addresses that an engine has claimed in pools that hosts share. A user is found by
   * its names from sandboxes on networks of that name, on all hosts. Claims that no user has are found by
   * no name.
   *
   * @param users All users that the engine has now.
   * @returns Sentences for the user, if etcd or a hosts file could not be changed.
   */
  async nameClaims(engine: EngineName, users: readonly ClaimUser[]): Promise<string[]> {
    return await this.#shared(() => nameClaims(this.#parts, engine, users));
  }

  /**
   * Releases claims of an engine that nobody uses any more, as after a crash of the engine.
   *
   * @param isUnused Says of a claim whether nobody uses it. No other call changes the claim between that
   * and its release.
   * @returns Those that were released.
   */
  async releaseClaims(
    engine: EngineName,
    isUnused: (claim: ClaimPlace) => boolean,
  ): Promise<ClaimPlace[]> {
    return await this.#shared(() => releaseClaims(this.#parts, engine, isUnused));
  }

  /** All address pools with their claims, by id. */
  listPools(): AddressPoolDetails[] {
    return listPools(this.#parts.store);
  }

  /**
   * All hosts that share address pools with this one, by prefix and name.
   *
   * @param access How to reach etcd; by default as the networks and address pools on record do.
   * @throws {"etcd-unreachable"} etcd does not answer.
   */
  async listHosts(access?: EtcdAccess): Promise<ListedHost[]> {
    return await listHosts(this.#parts, access);
  }

  /**
   * A sentence for each key in etcd that calls have passed over, as it is damaged. Each comes once.
   *
   * @param access How etcd was reached, if not as the networks and address pools on record do.
   */
  async damagedKeys(access?: EtcdAccess): Promise<string[]> {
    const { store, openShared } = this.#parts;
    if (!access && !hasShared(store)) return [];
    return (await openShared())?.damaged() ?? [];
  }

  /**
   * What the hosts that share address pools with this one are called: their names, or their ids where
   * several have one name. It does not read what they hold, as {@linkcode Driver.listHosts} does.
   *
   * @param access How to reach etcd; by default as the networks and address pools on record do.
   * @throws {"etcd-unreachable"} etcd does not answer.
   */
  async hostNames(access?: EtcdAccess): Promise<string[]> {
    return await hostNames(this.#parts, access);
  }

  /**
   * Removes a host that is gone for good from the pools, and frees its addresses.
   *
   * @param idOrName Its id, or its name if no other host has that.
   * @param access How to reach etcd; by default as the networks and address pools on record do.
   * @param force Whether it is known to be switched off: otherwise it gives its addresses twice.
   * @throws {"host-alive"} It runs, or holds addresses and may run.
   * @throws {"host-not-found"} There is no such host, or several have the name.
   * @throws {"etcd-unreachable"} etcd does not answer.
   */
  async removeHost(idOrName: string, access?: EtcdAccess, force = false): Promise<RemovedHost[]> {
    return await removeHost(this.#parts, idOrName, access, force);
  }

  /**
   * Runs the agent of this host until its signal is aborted: it keeps the host alive in etcd, answers
   * other hosts that need addresses, writes the names of their sandboxes into hosts files, and tells
   * etcd what it does not know when it is back. Without one, names are those of the last call that
   * connected a sandbox.
   *
   * @throws {"agent-runs"} Another one runs on this state folder.
   */
  async runAgent(options: AgentOptions): Promise<void> {
    await runAgent(this.#parts, this.#base.agentLock, options);
  }

  /**
   * Whether something is half made or half removed: another call is at it, or a crash left it. Then
   * {@linkcode Driver.recover} waits for such a call, and removes what a crash left.
   *
   * @param only A sandbox with its connections, and a network; by default all.
   */
  hasUnfinished(only?: { sandbox: string; network: string }): boolean {
    const { store } = this.#parts;
    return store.transaction(() =>
      store.networks({ unready: true }).some(({ name }) => !only || name === only.network) ||
      store.sandboxes({ unready: true }).some(({ name }) => !only || name === only.sandbox) ||
      store.endpoints({ unready: true }).some(({ sandbox }) => !only || sandbox === only.sandbox)
    );
  }

  /** Removes what a crash left half made or half removed. Resolves to a sentence for each. */
  async recover(): Promise<string[]> {
    const undone = await this.#exclusive((_parts, { undone }) => Promise.resolve(undone));
    return [...undone, ...await this.#reconcile()];
  }

  /**
   * Runs a function that makes several calls. Of all processes on this state folder, only one runs
   * such a function at a time. Calls outside of such functions are not blocked.
   */
  async sequence<T>(run: () => Promise<T>): Promise<T> {
    return await this.#base.sequences.exclusive(run, this.#parts.wait);
  }

  /** Ends the driver's processes and closes its store. Networks and sandboxes stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#base.programs[Symbol.asyncDispose]();
    await this.#base.kept?.[Symbol.asyncDispose]();
    await this.#base.closeShared();
    this.#base.hosts[Symbol.dispose]();
    this.#base.store[Symbol.dispose]();
  }

  /** Runs a function with the exclusive lock, after removing what a crash left half done. */
  async #exclusive<T>(run: (parts: DriverParts, recovery: Recovery) => Promise<T>): Promise<T> {
    const { wait } = this.#parts;
    return await this.#base.lock.exclusive(async () => {
      const recovery = await recover(this.#parts);
      wait.signal?.throwIfAborted();
      return await run(this.#parts, recovery);
    }, wait);
  }

  /**
   * Runs a function with the shared lock. If it needs something that is half done, it runs again
   * with the exclusive lock. By then, other calls have ended, and what a crash left has been
   * removed.
   */
  async #shared<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await this.#base.lock.shared(run, this.#parts.wait);
    } catch (error) {
      if (!isIpvlanError(error, "half-done")) throw error;
      return await this.#exclusive(run);
    }
  }

  /** Brings what this host has on record of shared pools together with etcd, if that answers. */
  async #reconcile(): Promise<string[]> {
    const { store, openShared } = this.#parts;
    const pools = hasShared(store) ? await openShared() : undefined;
    return pools ? await reconcile(this.#parts, pools) : [];
  }

  /** The words of a command that runs another one in a sandbox. */
  #wordsInside(sandbox: string, words: readonly string[]): string[] {
    const { name, hostname, path } = findSandbox(this.#parts.store, sandbox);
    if (path !== undefined) return ["nsenter", `--net=${path}`, ...words];
    if (!namespaceExists(name)) throw new IpvlanError("sandbox-gone", { sandbox: name });
    return ["ip", "netns", "exec", name, ...withHostname(hostname, words)];
  }

  /** Removes those of some networks that go with their last endpoint, if they have none. */
  async #removeTransient(networks: readonly Network[]): Promise<void> {
    const { store } = this.#parts;
    const isUnused = ({ id, transient }: Network) =>
      transient && store.endpoints({ network: id }).length === 0;
    if (!networks.some(isUnused)) return;
    await this.#exclusive(({ unstoppable }) => removeTransient(unstoppable, networks));
  }

  async #createSandbox(
    spec: AdoptSpec,
    namespace: Sandbox["namespace"],
  ): Promise<Outcome<MadeSandbox>> {
    const request = { ...spec, connections: spec.connections ?? [], namespace };
    const { sandbox, endpoints, notices } = await this.#attach(request);
    return { value: { ...sandbox, endpoints }, notices };
  }

  async #attach(request: AttachRequest): Promise<Attached> {
    return await this.#shared(async () => {
      const { store, borrowed, unstoppable } = this.#parts;
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
        connections.length > 0 ? linkFacts(this.#parts) : undefined,
      ]);
      // Only a namespace that was identified is entered.
      const seen = facts && {
        ...facts,
        ...await lookForParents(this.#parts, connections, path),
      };
      return await attach(this.#parts, { ...request, namespaceId, isHost }, seen);
    });
  }

  /** Kills processes; on a dry run, reports the commands. */
  async #kill(sandbox: string, pids: readonly number[], signal: Deno.Signal): Promise<void> {
    const { report, isRehearsal } = this.#base;
    // The caller may run this program in a sandbox.
    if (pids.includes(Deno.pid)) {
      throw invalidOption("sandbox", sandbox, "this program is in it itself");
    }
    pids.forEach((pid) => report?.(`kill -s ${signal.slice("SIG".length)} ${pid}`));
    if (!isRehearsal) await this.#parts.processes.kill(pids, signal);
  }
}

/** Removes what engines have left, and restores the rest. */
async function restoreAll(parts: DriverParts, recovery: Recovery): Promise<RestoreReport> {
  const { store, unstoppable, wait } = parts;
  const stale = await removeStale(unstoppable, store.sandboxes());
  await removeTransient(unstoppable, store.networks());
  const undone = stale.map((name) => `The namespace of "${name}" was gone`);
  const report = await restore(parts, { ...recovery, undone: [...recovery.undone, ...undone] });
  // After the signal, everything was refused, and the report says so of each.
  wait.signal?.throwIfAborted();
  return report;
}
