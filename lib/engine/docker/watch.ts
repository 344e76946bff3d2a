// Asks Docker's API for what Docker does not tell a plugin: whose an address is, what it lost when
// it was killed, which answers did not reach it. Never during a call, which may hold a lock.
import { engineOf } from "../../driver/model/names.ts";
import type { ClaimPlace, EngineDriver } from "../../driver/mod.ts";
import { atOnce, Coalescer, orAbort, pause } from "../../base/waiting.ts";
import { attempt, IpvlanError, problemIn } from "../../base/errors.ts";
import { shortName } from "../owners.ts";
import { follow, get, LISTING } from "./api.ts";
import { EarlierClaims } from "./earlier_claims.ts";
import type { SharedPlace } from "./ipam.ts";
import { ACTIVATE } from "./handlers.ts";
import { endpointNamed } from "./translate.ts";
import {
  auxiliaryUsers,
  claimUsers,
  type Container,
  containerOf,
  type DockerNetwork,
  hasItsNetworks,
  readAskedAddresses,
  readContainer,
  readContainerIds,
  readDockerNetwork,
  readDockerNetworks,
  usedAddresses,
} from "./users.ts";

/** Removes endpoints that Docker has lost. @param isForgotten Whether it will not take its link. */
export async function removeLost(
  driver: EngineDriver,
  notify: (sentence: string) => void,
  isForgotten?: (sandbox: string) => boolean,
): Promise<void> {
  const removed = (await driver.removeStale("docker", isForgotten)).map(shortName);
  for (const name of removed) notify(`Docker has lost the endpoint ${name}: it is removed`);
}

/** The events after which a container may have other addresses or names. */
const EVENTS = `/events?filters=${
  encodeURIComponent(JSON.stringify({
    type: ["container", "network"],
    event: ["connect", "disconnect", "start", "die", "rename", "create", "destroy"],
  }))
}`;

/** How long to wait before another attempt to reach Docker, in milliseconds. */
const INTERVAL = 1000;

/** How long to wait before the next report to etcd, in milliseconds. */
const TELL_AGAIN = 5000;

/** How long Docker may take to show a container, in milliseconds. It does so only after the start. */
const PATIENCE = 30_000;

const AT_ONCE = 8;

interface WatchOptions {
  driver: EngineDriver;
  socket: string;
  place: SharedPlace;
  notify: (sentence: string) => void;
  signal: AbortSignal;
}

/** Watches Docker through all of its restarts. */
export class DockerWatch {
  readonly #containers = new Map<string, Container>();
  /** The ids of running containers that Docker did not show. */
  readonly #unseen = new Set<string>();
  readonly #looks = new Map<string, Coalescer<void>>();
  readonly #naming = new Coalescer(() => this.#name());
  readonly #sweeping = new Coalescer(() => this.#sweep());
  readonly #keeping = new Coalescer(() => this.#keep());
  /** Whether Docker has not answered since it was last followed, as while it starts containers. */
  #isSilent = false;
  /** The claims and requests of the daemon before this one. */
  #earlier: EarlierClaims | undefined;
  /** The claims from before this process. Docker may not have received all the answers. */
  #unheard: EarlierClaims | undefined;
  /** The sandbox names of the endpoints from before this process. */
  readonly #unheardEndpoints = new Set<string>();
  #isFollowing = false;
  #poolRequested = Promise.withResolvers<void>();
  /** The sentences of the last report to etcd, so that they are not repeated. */
  #told = "";

  constructor(private readonly options: WatchOptions) {}

  /** Must be called before each call of Docker is answered. */
  before(method: string, body: string): void {
    if (method === ACTIVATE) this.#unheardEndpoints.clear();
    // A daemon makes this call first: an earlier daemon has made all present claims.
    if (method === "IpamDriver.GetCapabilities") {
      this.#earlier = this.#remember();
      this.#unheard = undefined;
    }
    this.#earlier?.forget(method, body);
    this.#unheard?.forget(method, body);
    // A network is being made or removed. Some earlier claims may be its auxiliary addresses.
    if (/^IpamDriver\.(Request|Release)Pool$/.test(method)) this.#unheard = undefined;
  }

  after(method: string): void {
    if (method === "IpamDriver.RequestPool") this.#poolRequested.resolve();
    if (method === "IpamDriver.GetCapabilities") this.#soon(this.#sweepLater());
  }

  /** Records which addresses containers ask for. Must be called before one is chosen. */
  async keep(): Promise<void> {
    // A daemon answers only when it has started its containers. Until then, the record counts.
    if (!this.#isSilent) await this.#keeping.request();
  }

  async #keep(): Promise<void> {
    const problem = await problemIn(async () => {
      const body = await this.#get("/containers/json?all=true", AbortSignal.timeout(LISTING));
      this.options.driver.keepAddresses("docker", readAskedAddresses(body));
    });
    this.#isSilent = problem !== undefined;
  }

  /** Watches until the signal. Must be called before the first call of Docker is answered. */
  async run(): Promise<void> {
    const { signal } = this.options;
    this.#unheard = this.#remember();
    for (const { name } of this.options.driver.listSandboxes()) {
      if (engineOf(name) === "docker") this.#unheardEndpoints.add(name);
    }
    while (!signal.aborted) {
      // It ends with a problem if Docker does not run, or has just ended.
      await problemIn(async () => {
        // Without an address pool, there is nothing to ask Docker for.
        if (this.#pools().length === 0 && this.#unheardEndpoints.size === 0) {
          await orAbort(this.#poolRequested.promise, signal).catch(() => {});
        }
        this.#poolRequested = Promise.withResolvers();
        await this.#follow();
      });
      await pause(INTERVAL, signal);
    }
  }

  #remember(): EarlierClaims | undefined {
    const pools = attempt(() => this.#pools());
    // If the store cannot be read, the answers to calls say so.
    return pools.ok ? new EarlierClaims(pools.value) : undefined;
  }

  #pools() {
    return this.options.driver.listPools().filter(({ owner }) => owner.engine === "docker");
  }

  async #follow(): Promise<void> {
    const { socket, signal } = this.options;
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    try {
      const events = await follow(socket, EVENTS, ended);
      await this.#keeping.request();
      // A change meanwhile comes as an event afterwards.
      await this.#lookAtAll();
      await this.#naming.request();
      this.#isFollowing = true;
      if (this.#earlier) await this.#sweeping.request();
      // This waits for containers that Docker is starting, whose events come meanwhile.
      if (this.#unheard || this.#unheardEndpoints.size > 0) this.#soon(this.#sweepUnheard(ended));
      for await (const event of events) {
        const container = containerOf(event);
        const look = container === undefined ? Promise.resolve() : this.#look(container);
        this.#soon(look.then(() => this.#naming.request()));
        this.#soon(this.#keeping.request());
      }
    } finally {
      this.#isFollowing = false;
      stop.abort();
    }
  }

  async #lookAtAll(): Promise<void> {
    const ids = readContainerIds(await this.#get("/containers/json"));
    const running = new Set(ids);
    for (const id of this.#containers.keys()) if (!running.has(id)) this.#forget(id);
    this.#unseen.clear();
    await atOnce(AT_ONCE, ids, (id) => this.#look(id));
  }

  async #listNetworks(): Promise<DockerNetwork[]> {
    return readDockerNetworks(await this.#get("/networks"), this.options.place);
  }

  /** Asks Docker for a container. Calls that come during a request share the next one. */
  #look(id: string): Promise<void> {
    const look = this.#looks.get(id) ?? new Coalescer(() => this.#lookNow(id));
    this.#looks.set(id, look);
    return look.request();
  }

  async #lookNow(id: string): Promise<void> {
    const problem = await problemIn(async () => {
      const container = await this.#container(id);
      if (!container) return this.#forget(id);
      this.#containers.set(id, container);
      this.#unseen.delete(id);
    });
    if (problem) this.#unseen.add(id);
  }

  #forget(id: string): void {
    this.#containers.delete(id);
    this.#looks.delete(id);
    this.#unseen.delete(id);
  }

  async #container(id: string, limit?: AbortSignal): Promise<Container | undefined> {
    const body = await this.#get(`/containers/${encodeURIComponent(id)}/json`, limit);
    return body === undefined ? undefined : readContainer(body);
  }

  async #network(id: string): Promise<DockerNetwork | undefined> {
    const body = await this.#get(`/networks/${encodeURIComponent(id)}`);
    return body === undefined ? undefined : readDockerNetwork(body, this.options.place);
  }

  async #get(path: string, limit = AbortSignal.timeout(PATIENCE)): Promise<unknown> {
    const { socket, signal } = this.options;
    return await get(socket, path, AbortSignal.any([signal, limit]));
  }

  /** Awaits something in the background. If Docker ends meanwhile, the next connection repeats it. */
  #soon(run: Promise<unknown>): void {
    const { notify, signal } = this.options;
    run.catch((error) => {
      if (signal.aborted || error instanceof IpvlanError) return;
      notify(`${(error as Error).stack}`);
    });
  }

  async #name(): Promise<void> {
    const { driver, notify, signal } = this.options;
    const networks = new Map((await this.#listNetworks()).map((each) => [each.id, each]));
    const users = [
      ...networks.values().flatMap(auxiliaryUsers),
      ...this.#containers.values().flatMap((each) => claimUsers(each, networks)),
    ];
    const sentences = await driver.nameClaims("docker", users);
    const told = sentences.join("\n");
    if (told !== this.#told) sentences.forEach(notify);
    this.#told = told;
    if (sentences.length === 0) return;
    const tellAgain = () => signal.aborted ? undefined : this.#naming.request();
    this.#soon(pause(TELL_AGAIN, signal).then(tellAgain));
  }

  /** Releases the claims of an earlier daemon that this one does not use. */
  async #sweep(): Promise<void> {
    const { driver, signal } = this.options;
    const earlier = this.#earlier;
    // A container that Docker did not show may have any address, so leave it to the next connection.
    if (!earlier || this.#unseen.size > 0) return;
    const networks = (await this.#listNetworks()).filter(({ isForeign }) => !isForeign);
    const used = usedAddresses([...this.#containers.values()], networks);
    const silent = await this.#silentPools();
    await this.#release(
      "has lost",
      ({ pool, address }) => !silent.has(pool) && earlier.has(pool, address) && !used.has(address),
    );
    for (const pool of this.#pools()) {
      if (silent.has(pool.id)) continue;
      const needed = networks.filter((network) =>
        network.isKept && network.subnets.includes(pool.subnet)
      ).length;
      while (earlier.takeRequest(pool.id, needed)) await driver.releasePool(pool.id);
    }
    if (silent.size > 0) this.#soon(pause(TELL_AGAIN, signal).then(() => this.#sweepLater()));
    else if (this.#earlier === earlier) this.#earlier = undefined;
  }

  async #release(what: string, isUnused: (claim: ClaimPlace) => boolean): Promise<void> {
    const { driver, notify } = this.options;
    for (const { address } of await driver.releaseClaims("docker", isUnused)) {
      notify(`Docker ${what} the address ${address}: it is released`);
    }
  }

  async #sweepLater(): Promise<void> {
    if (!this.#isFollowing) return;
    await this.#lookAtAll();
    await this.#sweeping.request();
  }

  /** Finds the pools whose etcd is silent. They keep their claims, as new ones need an etcd. */
  async #silentPools(): Promise<Set<string>> {
    const { driver } = this.options;
    const silent = new Set<string>();
    for (const { id, ipam } of this.#pools()) {
      if (ipam && await problemIn(() => driver.hostNames(ipam.access))) silent.add(id);
    }
    return silent;
  }

  /**
   * Releases the claims and removes the endpoints from before this process that no container or
   * network has: the plugin was killed before its answer reached Docker. Docker shows a container
   * only after its start or connection, so what no shown container has then is unused.
   */
  async #sweepUnheard(ended: AbortSignal): Promise<void> {
    const { driver, notify } = this.options;
    const unheard = this.#unheard;
    const all = readContainerIds(await this.#get("/containers/json?all=true"));
    const shown = await atOnce(AT_ONCE, all, (id) => this.#container(id, ended));
    const containers = shown.filter((container) => container !== undefined);
    for (const { endpoints } of containers) {
      for (const { id = "" } of endpoints) this.#unheardEndpoints.delete(endpointNamed(id).name);
    }
    await removeLost(driver, notify, (name) => this.#unheardEndpoints.has(name));
    this.#unheardEndpoints.clear();
    if (!unheard) return;
    const ours = (await this.#listNetworks()).filter(({ isForeign }) => !isForeign);
    const networks = (await atOnce(AT_ONCE, ours, ({ id }) => this.#network(id)))
      .filter((network) => network !== undefined);
    const used = usedAddresses(containers, networks);
    const pools = this.#pools();
    const whole = pools.filter((pool) => hasItsNetworks(pool, pools, networks)).map(({ id }) => id);
    await this.#release(
      "does not know of",
      ({ pool, address }) =>
        // A call of Docker may have made the earlier claims uncertain meanwhile.
        this.#unheard === unheard && unheard.has(pool, address) && whole.includes(pool) &&
        !used.has(address),
    );
    if (this.#unheard === unheard) this.#unheard = undefined;
  }
}
