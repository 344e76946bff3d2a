/**
 * What Docker does not tell a plugin: for which container it claims an address, and what it has
 * forgotten after it was killed. The plugin asks Docker's own API for it. It never does so within a call
 * of Docker's, which may hold what the API waits for.
 *
 * @module
 */
import { prefixOf } from "../../claims/access.ts";
import type { Environment } from "../../driver/ipam_options.ts";
import type { Driver } from "../../driver/mod.ts";
import { Together } from "../../driver/run/together.ts";
import { pause } from "../../driver/run/wait.ts";
import { attempt, IpvlanError } from "../../errors.ts";
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from "../../ipam/mod.ts";
import { follow, get } from "./api.ts";
import { Earlier } from "./earlier.ts";
import {
  auxiliaryUsers,
  claimUsers,
  type Container,
  type DockerNetwork,
  readContainer,
  readContainerIds,
  readEvent,
  readNetwork,
  readNetworks,
} from "./users.ts";

/** The events after which a container may have other addresses or names. */
const EVENTS = `/events?filters=${
  encodeURIComponent(JSON.stringify({
    type: ["container", "network"],
    event: ["connect", "disconnect", "start", "die", "rename", "create", "destroy"],
  }))
}`;

/** How long to wait before another attempt to reach Docker, in milliseconds. */
const INTERVAL = 1000;

/** How long to wait before etcd is told again, in milliseconds. */
const TELL_AGAIN = 5000;

/** How long Docker may take to show a container, in milliseconds. It shows none that it is starting. */
const PATIENCE = 30_000;

/** How many containers are asked for at a time. */
const AT_ONCE = 8;

/** What a watch needs. */
export interface WatchOptions {
  /** The driver. */
  driver: Driver;
  /** The path of Docker's socket. */
  socket: string;
  /** Says what the IPAM options of a network leave out. */
  environment: Environment;
  /** Gets sentences for the log. */
  notify: (sentence: string) => void;
  /** Ends the watch. */
  signal: AbortSignal;
}

/** Watches one Docker, through all of its restarts. */
export class DockerWatch {
  readonly #options: WatchOptions;
  /** The containers that run, by id. */
  readonly #containers = new Map<string, Container>();
  /** The ids of those that Docker did not show. */
  readonly #unseen = new Set<string>();
  readonly #networks = new Map<string, DockerNetwork>();
  readonly #looks = new Map<string, Together<void>>();
  readonly #naming = new Together(() => this.#name());
  readonly #sweeping = new Together(() => this.#sweep());
  /** What a Docker daemon had claimed that does not run any more. */
  #earlier: Earlier | undefined;
  #isFollowing = false;
  #poolRequested = Promise.withResolvers<void>();
  /** The sentences of the last attempt to tell etcd, which are not repeated. */
  #told = "";

  /** Makes a watch, which begins with {@linkcode DockerWatch.run}. */
  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** To be called before each call of Docker's is answered. */
  before(method: string, body: string): void {
    // The first such call of a daemon: whatever is claimed now is claimed by an earlier one.
    if (method === "IpamDriver.GetCapabilities") this.#remember();
    if (method === "IpamDriver.ReleaseAddress") this.#earlier?.released(body);
    if (method === "IpamDriver.ReleasePool") this.#earlier?.poolReleased(body);
  }

  /** To be called when a call of Docker's is answered. */
  after(method: string): void {
    if (method === "IpamDriver.RequestPool") this.#poolRequested.resolve();
    if (method === "IpamDriver.GetCapabilities" && this.#isFollowing) this.#sweepSoon();
  }

  /** Watches until the signal. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    while (!signal.aborted) {
      try {
        // Without an address pool, there is nothing to ask Docker for.
        if (this.#pools().length === 0) await Promise.race([this.#poolRequested.promise, ended]);
        this.#poolRequested = Promise.withResolvers();
        await this.#follow();
      } catch (error) {
        // Docker does not run, or it has just ended.
        if (!(error instanceof IpvlanError)) throw error;
      }
      await pause(INTERVAL, signal);
    }
  }

  #remember(): void {
    try {
      this.#earlier = new Earlier(this.#pools());
    } catch (error) {
      // The call itself will say that the store cannot be read.
      if (!(error instanceof IpvlanError)) throw error;
    }
  }

  #pools() {
    return this.#options.driver.listPools().filter(({ owner }) => owner.engine === "docker");
  }

  /** Follows Docker's events until it ends. */
  async #follow(): Promise<void> {
    const { socket, signal } = this.#options;
    const stop = new AbortController();
    try {
      const events = await follow(socket, EVENTS, AbortSignal.any([signal, stop.signal]));
      await this.#lookAtNetworks();
      // What changes meanwhile comes as an event afterwards.
      await this.#lookAtAll();
      await this.#naming.request();
      this.#isFollowing = true;
      if (this.#earlier) await this.#sweeping.request();
      for await (const event of events) {
        const { container, network } = readEvent(event);
        if (container !== undefined) this.#lookSoon(container);
        else if (network !== undefined) this.#lookAtNetworkSoon(network);
      }
    } finally {
      this.#isFollowing = false;
      stop.abort();
    }
  }

  /** Asks Docker for all containers that run. */
  async #lookAtAll(): Promise<void> {
    const ids = readContainerIds(await this.#get("/containers/json"));
    const running = new Set(ids);
    for (const id of this.#containers.keys()) if (!running.has(id)) this.#forget(id);
    this.#unseen.clear();
    const worker = async () => {
      for (let id = ids.shift(); id !== undefined; id = ids.shift()) await this.#look(id);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async #lookAtNetworks(): Promise<DockerNetwork[]> {
    const networks = readNetworks(await this.#get("/networks"), this.#options.environment);
    this.#networks.clear();
    for (const network of networks) this.#networks.set(network.id, network);
    return networks;
  }

  /** Asks Docker for a container. Calls while it does not answer share the next question. */
  #look(id: string): Promise<void> {
    const look = this.#looks.get(id) ?? new Together(() => this.#lookNow(id));
    this.#looks.set(id, look);
    return look.request();
  }

  async #lookNow(id: string): Promise<void> {
    try {
      const body = await this.#get(`/containers/${encodeURIComponent(id)}/json`);
      if (body === undefined) return this.#forget(id);
      const container = readContainer(body);
      for (const { networkId } of container.endpoints) await this.#networkOf(networkId);
      this.#containers.set(id, container);
      this.#unseen.delete(id);
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      this.#unseen.add(id);
    }
  }

  #forget(id: string): void {
    this.#containers.delete(id);
    this.#looks.delete(id);
    this.#unseen.delete(id);
  }

  async #networkOf(id: string): Promise<void> {
    if (id === "" || this.#networks.has(id)) return;
    const body = await this.#get(`/networks/${encodeURIComponent(id)}`);
    if (body !== undefined) this.#networks.set(id, readNetwork(body, this.#options.environment));
  }

  async #get(path: string): Promise<unknown> {
    const { socket, signal } = this.#options;
    return await get(socket, path, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]));
  }

  /** Looks at a container, and says what it is called, while other events come. */
  #lookSoon(id: string): void {
    this.#soon(this.#look(id).then(() => this.#naming.request()));
  }

  #lookAtNetworkSoon(id: string): void {
    this.#networks.delete(id);
    this.#soon(this.#networkOf(id).then(() => this.#naming.request()));
  }

  #sweepSoon(): void {
    this.#soon(this.#lookAtAll().then(() => this.#sweeping.request()));
  }

  /** Lets something go on by itself. If Docker ends meanwhile, the next connection does it again. */
  #soon(run: Promise<unknown>): void {
    const { notify, signal } = this.#options;
    run.catch((error) => {
      if (signal.aborted || error instanceof IpvlanError) return;
      notify((error as Error).stack ?? String(error));
    });
  }

  /** Says who uses the claims that hosts share. */
  async #name(): Promise<void> {
    const { driver, notify, signal } = this.#options;
    const users = [
      ...[...this.#networks.values()].flatMap(auxiliaryUsers),
      ...[...this.#containers.values()]
        .flatMap((container) => claimUsers(container, (id) => this.#networks.get(id))),
    ];
    const sentences = await driver.nameClaims("docker", users);
    const told = sentences.join("\n");
    if (told !== this.#told) sentences.forEach(notify);
    this.#told = told;
    if (sentences.length === 0) return;
    this.#soon(
      pause(TELL_AGAIN, signal).then(() => {
        if (!signal.aborted) return this.#naming.request();
      }),
    );
  }

  /** Releases what an earlier daemon had claimed and this one does not use. */
  async #sweep(): Promise<void> {
    const { driver, notify } = this.#options;
    const earlier = this.#earlier;
    // A container that Docker did not show may have any address. The next connection tries again.
    if (!earlier || this.#unseen.size > 0) return;
    const networks = (await this.#lookAtNetworks())
      .filter(({ isForeign }) => !isForeign);
    const containers = [...this.#containers.values()].flatMap(({ endpoints }) => endpoints);
    const used = new Set([
      ...containers.flatMap(({ addresses }) => addresses),
      ...networks.flatMap(({ auxiliary }) => Object.values(auxiliary)),
    ].map(canonical));
    const released = await driver.releaseClaims(
      "docker",
      ({ pool, address }) => earlier.has(pool, address) && !used.has(address),
    );
    for (const { address } of released) {
      notify(`Docker has lost the address ${address}: it is released`);
    }
    for (const pool of this.#pools()) {
      const needed = networks.filter((network) =>
        network.isKept && network.prefix === (pool.ipam && prefixOf(pool.ipam.access)) &&
        network.subnets.map(canonicalSubnet).includes(pool.subnet)
      ).length;
      while (earlier.takeRequest(pool.id, needed)) {
        await driver.releasePool(pool.id);
      }
    }
    if (this.#earlier === earlier) this.#earlier = undefined;
  }
}

/** An address as claims have it. */
function canonical(text: string): string {
  const address = attempt(() => formatAddress(parseAddress(text.split("/")[0]!)));
  return address.ok ? address.value : text;
}

/** A subnet as pools have it. */
function canonicalSubnet(text: string): string {
  const subnet = attempt(() => formatPrefix(parsePrefix(text).prefix));
  return subnet.ok ? subnet.value : text;
}
