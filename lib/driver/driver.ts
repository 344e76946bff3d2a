import type { IpvlanError } from "../errors.ts";
import { Pools } from "../ipam/mod.ts";
import { Ip } from "../iproute2/ip.ts";
import { explainLinkAdd } from "../iproute2/kernel.ts";
import { decideEndpoint, endpointSteps, sandboxSteps, toEndpoint } from "./endpoint.ts";
import { dropEndpoint, dropNetwork, dropSandbox } from "./drop.ts";
import {
  NetworkInUseError,
  NetworkNotFoundError,
  NotConnectedError,
  SandboxExistsError,
  SandboxInUseError,
  SandboxNotFoundError,
  throwProblems,
} from "./errors.ts";
import { HostsFiles } from "./hosts.ts";
import { StateLock } from "./lock.ts";
import { LinkMonitor } from "./monitor.ts";
import { nameProblem } from "./names.ts";
import { Namespaces, type OpenIp, rehearsed, watched } from "./namespaces.ts";
import { aliasSteps, decideNetwork, type HostFacts, networkSteps, subnetsOf } from "./network.ts";
import { globalAddrs, standsOn } from "./parent.ts";
import { recover, restore } from "./restore.ts";
import { type EndpointRecord, isReady, SqliteStore, type Store, withoutState } from "./store.ts";
import type {
  ConnectOptions,
  Endpoint,
  Network,
  NetworkDetails,
  NetworkSpec,
  Outcome,
  RestoreReport,
  Sandbox,
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
   * What opens a session on a namespace, in place of {@linkcode Ip.open}: to have a line fail.
   *
   * @default {undefined}
   */
  open?: OpenIp;
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

/** What the parts of the driver share. */
export interface DriverParts {
  /** What is on record. */
  store: Store;
  /** The sessions. */
  namespaces: Namespaces;
  /** The hosts files. */
  hosts: HostsFiles;
}

/**
 * The ipvlan driver: networks, and sandboxes connected to them, kept in a store.
 *
 * Every call does all that it was asked or nothing, and says everything that is wrong with a
 * request at once ({@linkcode ProblemsError}). Any number of drivers, in any number of processes,
 * may work on one state folder.
 *
 * @example Two sandboxes on a VLAN
 * ```ts no-assert ignore
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
  #facts: Promise<HostFacts> | undefined;
  #pools = new Map<string, { version: number; pools: Pools }>();

  private constructor(host: string | undefined, parts: DriverParts, lock: StateLock) {
    this.#host = host;
    this.#parts = parts;
    this.#lock = lock;
  }

  /**
   * Opens the driver on a state folder.
   *
   * @throws {StoreError} The folder cannot be used.
   * @throws {MissingRightsError} The caller may not write there.
   */
  // deno-lint-ignore require-await
  static async open(options: DriverOptions = {}): Promise<Driver> {
    const folder = options.stateDir ?? Deno.env.get("IPVLAN_STATE_DIR") ?? "/var/lib/ipvlan";
    const { host, verbose, dryRun } = options;
    let open: OpenIp = options.open ?? ((netns) => Ip.open({ netns }));
    if (verbose) open = watched(open, verbose);
    if (dryRun) {
      const store = SqliteStore.copy(folder);
      const namespaces = new Namespaces(host, rehearsed(open, dryRun));
      return new Driver(host, { store, namespaces, hosts: new HostsFiles(store) }, new StateLock());
    }
    const store = SqliteStore.open(folder);
    const namespaces = new Namespaces(host, open);
    const hosts = new HostsFiles(store, `${folder}/hosts.lock`);
    return new Driver(host, { store, namespaces, hosts }, new StateLock(`${folder}/lock`));
  }

  /** Everything that is wrong with a network that one would create. Nothing is changed. */
  async problemsOf(spec: NetworkSpec): Promise<readonly IpvlanError[]> {
    const identity = { id: randomHex(32), created: new Date().toISOString() };
    const decision = decideNetwork(spec, identity, this.listNetworks(), await this.#hostFacts());
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
      if (!decision.ok) throwProblems(decision.problems);
      const { network, links, notices } = decision as typeof decision & { ok: true };
      store.transaction(() => {
        store.putNetwork(network, "making");
        for (const link of links) store.putLink(link);
      });
      const made = store.links();
      const serving = made.filter(({ name }) => standsOn(network.parent, name, made));
      try {
        await namespaces.apply([
          ...networkSteps(network, links),
          ...aliasSteps(serving, [...existing, network], made),
        ]);
      } catch (error) {
        store.transaction(() => {
          store.deleteNetwork(network.id);
          for (const link of links) store.deleteLink(link.name);
        });
        throw explainLinkAdd(error);
      }
      store.putNetwork(network, "ready");
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
        const network = this.#network(name);
        const users = store.endpoints({ network: network.id }).map(({ sandbox }) => sandbox);
        if (users.length > 0) throw new NetworkInUseError(name, users);
        store.putNetwork(network, "removing");
        return network;
      });
      try {
        await dropNetwork(this.#parts, network);
      } catch (error) {
        store.putNetwork(network, "ready");
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
    const network = this.#network(name);
    const endpoints = this.#parts.store.endpoints({ network: network.id }).filter(isReady)
      .map((endpoint) => toEndpoint(network, endpoint));
    return { ...network, endpoints };
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
  ): Promise<Outcome<SandboxDetails>> {
    const problem = nameProblem("sandbox", name);
    if (problem) throw problem;
    return await this.#lock.shared(async () => {
      const { store, namespaces } = this.#parts;
      const sandbox: Sandbox = { name, created: new Date().toISOString() };
      if (store.sandbox(name)) throw new SandboxExistsError(name, false);
      const present = await (await namespaces.caller()).netns.list();
      if (present.includes(name)) throw new SandboxExistsError(name, true);
      const { endpoints, notices } = await this.#attach(sandbox, connections, true);
      return { value: { ...sandbox, endpoints }, notices };
    });
  }

  /**
   * Removes a sandbox: disconnects it from its networks and deletes its namespace. Processes that
   * are in it are left without a network, or else are a reason to refuse (`"refuse"`), or are killed
   * (`"kill"`).
   *
   * @throws {SandboxNotFoundError} There is no such sandbox.
   * @throws {SandboxInUseError} Processes are in it, and it was to be refused then.
   */
  async removeSandbox(name: string, busy: "leave" | "refuse" | "kill" = "leave"): Promise<void> {
    await this.#lock.shared(async () => {
      this.#sandbox(name);
      const pids = busy === "leave" ? [] : await this.processes(name);
      if (busy === "refuse" && pids.length > 0) throw new SandboxInUseError(name, pids);
      for (const pid of pids) killIfThere(pid);
      const { store } = this.#parts;
      const networks = store.transaction(() => {
        const sandbox = this.#sandbox(name);
        store.putSandbox(sandbox, "removing");
        const endpoints = store.endpoints({ sandbox: name });
        for (const endpoint of endpoints) store.putEndpoint(endpoint, "removing");
        return endpoints.map(({ network }) => network);
      });
      await dropSandbox(this.#parts, name);
      for (const network of networks) this.#pools.delete(network);
      await this.#parts.hosts.refresh(networks);
    });
  }

  /** The ids of the processes in a sandbox. @throws {SandboxNotFoundError} There is no such sandbox. */
  async processes(name: string): Promise<number[]> {
    this.#sandbox(name);
    // It prints plain lines, even with `-json`, so it cannot be a line of a session.
    const { stdout } = await new Deno.Command("ip", {
      args: ["netns", "pids", name],
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map(Number);
  }

  /** The names of the sandboxes whose namespaces are there: after a restart, only those restored. */
  async runningSandboxes(): Promise<string[]> {
    const present = new Set(await (await this.#parts.namespaces.caller()).netns.list());
    return this.listSandboxes().map(({ name }) => name).filter((name) => present.has(name));
  }

  /** All sandboxes with their endpoints, by name. */
  listSandboxes(): SandboxDetails[] {
    return this.#parts.store.sandboxes().filter(isReady).map(({ name }) =>
      this.inspectSandbox(name)
    );
  }

  /** A sandbox with its endpoints. @throws {SandboxNotFoundError} There is no such sandbox. */
  inspectSandbox(name: string): SandboxDetails {
    const { store } = this.#parts;
    const networks = new Map(store.networks().map((network) => [network.id, network]));
    const endpoints = store.endpoints({ sandbox: name }).filter(isReady)
      .map((endpoint) => toEndpoint(networks.get(endpoint.network)!, endpoint));
    return { ...this.#sandbox(name), endpoints };
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
    return await this.#lock.shared(async () => {
      const connection = { ...options, network };
      const { endpoints, notices } = await this.#attach(
        this.#sandbox(sandbox),
        [connection],
        false,
      );
      return { value: endpoints[0]!, notices };
    });
  }

  /**
   * Disconnects a sandbox from a network; its addresses there are free again.
   *
   * @throws {NotConnectedError} It is not connected.
   */
  async disconnect(network: string, sandbox: string): Promise<void> {
    await this.#lock.shared(async () => {
      const { store, hosts } = this.#parts;
      const { id } = this.#network(network);
      this.#sandbox(sandbox);
      const endpoint = store.transaction(() => {
        const [endpoint] = store.endpoints({ network: id, sandbox }).filter(isReady);
        if (!endpoint) throw new NotConnectedError(sandbox, network);
        store.putEndpoint(endpoint, "removing");
        return endpoint;
      });
      await dropEndpoint(this.#parts, endpoint);
      this.#pools.delete(id);
      await hosts.refresh([id]);
    });
  }

  /**
   * A command to be run in a sandbox, with this machine's files and the sandbox's network and
   * names: `ip netns exec`.
   *
   * @throws {SandboxNotFoundError} There is no such sandbox.
   */
  exec(sandbox: string, words: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
    this.#sandbox(sandbox);
    return new Deno.Command("ip", { ...options, args: ["netns", "exec", sandbox, ...words] });
  }

  /**
   * Brings everything on record back into the kernel, with the same addresses, after a restart of
   * the host or a crash. What is there already is left as it is.
   *
   * @param wait How many seconds to wait for parents that are not there yet.
   */
  async restore(wait = 0): Promise<RestoreReport> {
    if (wait === 0) return await this.#alone((parts, undone) => restore(parts, undone));
    // Listened to from before the first try on, so that no link comes unnoticed.
    await using links = new LinkMonitor(this.#host);
    const deadline = AbortSignal.timeout(wait * 1000);
    for (;;) {
      const report = await this.#alone((parts, undone) => restore(parts, undone));
      // After the time is up there is one last try, for what came before anybody listened.
      if (report.missing.length === 0 || deadline.aborted) return report;
      await links.changed(deadline);
    }
  }

  /** Ends the driver's session and closes its store. What it made stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.namespaces[Symbol.asyncDispose]();
    this.#parts.store[Symbol.dispose]();
  }

  /** Runs a function while no other call is under way, after what a crash left has been undone. */
  async #alone<T>(run: (parts: DriverParts, undone: string[]) => Promise<T>): Promise<T> {
    return await this.#lock.alone(async () => {
      const undone = await recover(this.#parts);
      this.#pools.clear();
      return await run(this.#parts, undone);
    });
  }

  /** Reserves addresses, makes the links, and records them; or does nothing. */
  async #attach(
    sandbox: Sandbox,
    connections: readonly (ConnectOptions & { network: string })[],
    isNew: boolean,
  ): Promise<{ endpoints: Endpoint[]; notices: string[] }> {
    const { store, namespaces, hosts } = this.#parts;
    const facts = connections.length > 0 ? await this.#hostFacts() : undefined;
    const placed = this.#reserve(sandbox, connections, isNew, facts);
    const networks = placed.map(({ network }) => network.id);
    let made = false;
    try {
      await namespaces.apply([
        ...(isNew ? sandboxSteps(sandbox.name) : []),
        ...placed.flatMap(({ network, endpoint }) => endpointSteps(network, endpoint)),
      ]);
      made = true;
      if (isNew) await hosts.create(sandbox.name);
      await hosts.refresh(networks);
    } catch (error) {
      for (const network of networks) this.#pools.delete(network);
      if (isNew && made) await dropSandbox(this.#parts, sandbox.name);
      for (const { endpoint } of placed) {
        if (made && !isNew) await dropEndpoint(this.#parts, endpoint);
        else store.deleteEndpoint(endpoint.id);
      }
      if (isNew) store.deleteSandbox(sandbox.name);
      throw explainLinkAdd(error);
    }
    store.transaction(() => {
      store.putSandbox(sandbox, "ready");
      for (const { endpoint } of placed) store.putEndpoint(endpoint, "ready");
    });
    return {
      endpoints: placed.map(({ network, endpoint }) => toEndpoint(network, endpoint)),
      notices: placed.flatMap(({ network }) => {
        const parent = facts!.links.find(({ name }) => name === network.parent);
        return parent && !parent.up
          ? [`The parent "${parent.name}" is down, so nothing passes`]
          : [];
      }),
    };
  }

  #reserve(
    sandbox: Sandbox,
    connections: readonly (ConnectOptions & { network: string })[],
    isNew: boolean,
    facts: HostFacts | undefined,
  ): { network: Network; endpoint: EndpointRecord }[] {
    const { store } = this.#parts;
    const pools = new Map<string, Pools>();
    const placed = store.transaction(() => {
      if (isNew) {
        if (store.sandbox(sandbox.name)) throw new SandboxExistsError(sandbox.name, false);
        store.putSandbox(sandbox, "making");
      } else {
        this.#sandbox(sandbox.name);
      }
      const problems: IpvlanError[] = [];
      const placed: { network: Network; endpoint: EndpointRecord }[] = [];
      for (const { network: name, ...options } of connections) {
        let network: Network;
        try {
          network = this.#network(name);
        } catch (error) {
          problems.push(error as NetworkNotFoundError);
          continue;
        }
        const decision = decideEndpoint(options, randomHex(6), {
          network,
          pools: pools.get(network.id) ?? this.#poolsOf(network),
          sandbox: sandbox.name,
          endpoints: store.endpoints({ sandbox: sandbox.name }),
          parentAddresses: globalAddrs(network.parent, facts!.addrs).map(({ address }) => address),
        });
        if (!decision.ok) {
          problems.push(...decision.problems);
          continue;
        }
        store.putEndpoint(decision.endpoint, "making");
        pools.set(network.id, decision.pools);
        placed.push({ network, endpoint: decision.endpoint });
      }
      throwProblems(problems);
      return placed;
    });
    const version = store.version();
    for (const [id, value] of pools) this.#pools.set(id, { version, pools: value });
    return placed;
  }

  /** The pools of a network; those kept from the last call where nobody else has written since. */
  #poolsOf(network: Network): Pools {
    const { store } = this.#parts;
    const kept = this.#pools.get(network.id);
    if (kept?.version === store.version()) return kept.pools;
    const taken = store.endpoints({ network: network.id })
      .flatMap(({ ip, ip6 }) => [ip, ip6].filter((address) => address !== undefined));
    return Pools.of(subnetsOf(network), taken);
  }

  /** What the kernel shows of the host. Calls of one burst share one answer. */
  #hostFacts(): Promise<HostFacts> {
    return this.#facts ??= (async () => {
      let ip: Ip;
      try {
        ip = await this.#parts.namespaces.host();
      } finally {
        // From here on the answer may be older than a call that asks now.
        this.#facts = undefined;
      }
      const [links, addrs, routes, routes6] = await Promise.all([
        ip.link.show(),
        ip.addr.show(),
        ip.route.show(4),
        ip.route.show(6),
      ]);
      return { release: Deno.osRelease(), links, addrs, routes: [...routes, ...routes6] };
    })();
  }

  /** A network by its name, its id, or the beginning of its id, as long as that is no other's. */
  #network(name: string): Network {
    const { store } = this.#parts;
    const byId = () =>
      store.networks().filter(({ id }) => /^[0-9a-f]{2}/.test(name) && id.startsWith(name));
    const network = store.network(name) ?? (byId().length === 1 ? byId()[0] : undefined);
    if (!network || !isReady(network)) throw new NetworkNotFoundError(name);
    return withoutState(network);
  }

  #sandbox(name: string): Sandbox {
    const sandbox = this.#parts.store.sandbox(name);
    if (!sandbox || !isReady(sandbox)) throw new SandboxNotFoundError(name);
    return withoutState(sandbox);
  }
}

/** So many random bytes, as hexadecimal digits. */
function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended meanwhile.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
