// The watch over Docker, with a Docker that only answers its API and a driver that only has pools.
import { assertEquals } from "@std/assert";
import { createServer, type ServerResponse } from "node:http";
import { IpvlanError } from "../../../../lib/base/errors.ts";
import type { AddressPoolDetails, ClaimUser, EngineDriver } from "../../../../lib/driver/mod.ts";
import { DockerWatch } from "../../../../lib/engine/docker/watch.ts";
import { temporaryFolder } from "../../../kit/worlds.ts";

const ENDPOINT = "a1b2c3d4e5f6".padEnd(64, "9");
const ACCESS = { endpoints: ["http://10.0.0.1:2379"] };

/** An address pool with claims, of one subnet each. */
function pool(subnet: string, addresses: string[], more = {}): AddressPoolDetails {
  return {
    id: `docker:local/${subnet}`,
    subnet,
    owner: { engine: "docker", id: "local" },
    requests: 1,
    claims: addresses.map((address) => ({ address, holder: "" })),
    ...more,
  };
}

/** A network of Docker with a subnet of this plugin's. */
function network(Id: string, Subnet: string, more = {}) {
  const Options = { endpoints: ACCESS.endpoints[0] };
  const IPAM = { Driver: "ipvlan-kit", Options, Config: [{ Subnet }] };
  return { Id, Name: Id, Driver: "ipvlan-kit", IPAM, ...more };
}

function container(Id: string, IPAddress: string, NetworkID = "lan") {
  const lan = { NetworkID, EndpointID: ENDPOINT, IPAddress, Aliases: [] };
  return { Id, Name: `/${Id}`, NetworkSettings: { Networks: { lan } } };
}

/** Docker and the driver, as a test has put them, and what the watch has done with them. */
class World implements AsyncDisposable {
  containers: Record<string, { Id: string }> = {};
  networks: { Id: string }[] = [network("lan", "10.0.0.0/24")];
  pools: AddressPoolDetails[] = [pool("10.0.0.0/24", ["10.0.0.2", "10.0.0.3"])];
  sandboxes: string[] = [];
  /** Whether the etcd of pools answers. */
  isSilent = false;
  /** What the next attempts to read the pools end with. */
  unreadable: Error[] = [];
  /** What the reports to etcd end with. */
  failure: Error | undefined;
  sentences: string[] = [];
  readonly said: string[] = [];
  /** What the containers ask for, by each answer of Docker. */
  readonly kept: string[] = [];
  /** Whether Docker does not list containers, as while it starts them. */
  isStarting = false;
  readonly #done: string[] = [];
  #news = Promise.withResolvers<void>();
  readonly #control = new AbortController();
  #events: ServerResponse | undefined;
  #watching: Promise<void> | undefined;
  watch!: DockerWatch;

  async start(): Promise<void> {
    const folder = await temporaryFolder();
    const socket = `${folder.path}/docker.sock`;
    const server = createServer(({ url = "" }, response) => {
      if (url.startsWith("/events")) {
        this.#events = response;
        return response.writeHead(200).flushHeaders();
      }
      const [, kind, id] = /^\/(containers|networks)\/?([^/?]*)/.exec(url)!;
      if (this.isStarting) return void response.writeHead(503).end();
      const isList = id === "" || id === "json";
      const list = kind === "networks" ? this.networks : Object.values(this.containers);
      const body = isList ? list : list.find((each) => each.Id === id);
      response.writeHead(body ? 200 : 404);
      response.end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen({ path: socket }, resolve));
    this.watch = new DockerWatch({
      driver: this.#driver(),
      socket,
      place: { environment: {} },
      notify: (sentence) => {
        this.said.push(sentence);
        this.#note(sentence);
      },
      signal: this.#control.signal,
    });
    this.#watching = this.watch.run().finally(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await folder[Symbol.asyncDispose]();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.abort();
    await this.#watching;
  }

  /** Docker tells an event. */
  tell(Type: string, ID: string, Attributes = {}): void {
    const event = { Type, Action: "start", Actor: { ID, Attributes } };
    this.#events!.write(`${JSON.stringify(event)}\n`);
  }

  /** Resolves when the watch has done something, which counts once. */
  async until(what: string): Promise<void> {
    for (;;) {
      const index = this.#done.findIndex((each) => each.startsWith(what));
      if (index >= 0) return void this.#done.splice(index, 1);
      await this.#news.promise;
    }
  }

  #note(what: string): void {
    this.#done.push(what);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  #driver(): EngineDriver {
    return {
      listPools: () => {
        const unreadable = this.unreadable.shift();
        if (unreadable) throw unreadable;
        return this.pools;
      },
      listSandboxes: () => this.sandboxes.map((name) => ({ name })),
      removeStale: (_engine: string, isForgotten: (name: string) => boolean) => {
        const removed = this.sandboxes.filter(isForgotten);
        this.sandboxes = this.sandboxes.filter((name) => !isForgotten(name));
        return Promise.resolve(removed);
      },
      nameClaims: (_engine: string, users: ClaimUser[]) => {
        if (this.failure) {
          this.#note("failed");
          return Promise.reject(this.failure);
        }
        this.#note(`named ${users.map(({ name, address }) => `${name} ${address}`).join(", ")}`);
        return Promise.resolve(this.sentences);
      },
      releaseClaims: (
        _engine: string,
        isUnused: (claim: { pool: string; address: string }) => boolean,
      ) => {
        const released: { address: string }[] = [];
        for (const each of this.pools) {
          const unused = each.claims.filter(({ address }) => isUnused({ pool: each.id, address }));
          each.claims = each.claims.filter((claim) => !unused.includes(claim));
          released.push(...unused);
        }
        this.#note("swept");
        return Promise.resolve(released);
      },
      keepAddresses: (_engine: string, addresses: string[]) => {
        this.kept.push(addresses.join(" "));
      },
      releasePool: (id: string) => {
        this.#note(`released ${id}`);
        return Promise.resolve();
      },
      hostNames: () => {
        const error = new IpvlanError("etcd-unreachable", { reasons: {} });
        return this.isSilent ? Promise.reject(error) : Promise.resolve([]);
      },
    } as unknown as EngineDriver;
  }
}

Deno.test("what no container or network of Docker has is released, if it is from before the plugin", async () => {
  await using world = new World();
  world.containers = { c1: container("c1", "10.0.0.2") };
  world.sandboxes = [`docker:${ENDPOINT}`, "docker:lost", "web"];
  await world.start();
  await world.until("named c1 10.0.0.2");
  await world.until("Docker does not know of the address 10.0.0.3: it is released");
  assertEquals(world.said, [
    "Docker has lost the endpoint docker:lost: it is removed",
    "Docker does not know of the address 10.0.0.3: it is released",
  ]);
  assertEquals(world.sandboxes, [`docker:${ENDPOINT}`, "web"]);
});

Deno.test("what a daemon that ended had claimed and requested is released when the next one starts", async () => {
  await using world = new World();
  const silent = { id: "/p@10.7.0.0/24", ipam: { driver: "etcd", access: ACCESS } };
  world.pools = [
    pool("10.0.0.0/24", ["10.0.0.2", "10.0.0.3"], { requests: 3 }),
    pool("10.7.0.0/24", ["10.7.0.2"], silent),
  ];
  world.containers = { c1: container("c1", "10.0.0.2") };
  // A pool is requested, so the claims of before may be auxiliary addresses of a new network.
  await world.start();
  world.watch.before("IpamDriver.RequestPool", "{}");
  await world.until("named c1 10.0.0.2");
  world.isSilent = true;
  world.tell("container", "c1");
  await world.until("named c1 10.0.0.2");
  assertEquals(world.said, []);
  world.watch.before("IpamDriver.GetCapabilities", "");
  world.watch.after("IpamDriver.GetCapabilities");
  await world.until("Docker has lost the address 10.0.0.3: it is released");
  // One network is left of three requests.
  await world.until("released docker:local/10.0.0.0/24");
  await world.until("released docker:local/10.0.0.0/24");
  assertEquals(world.said.length, 1);
  // An etcd that does not answer keeps its claims.
  assertEquals(world.pools.map(({ claims }) => claims.map(({ address }) => address)), [
    ["10.0.0.2"],
    ["10.7.0.2"],
  ]);
});

Deno.test("a container that starts or ends, and a network that changes, is reported", async () => {
  await using world = new World();
  world.containers = { c1: container("c1", "10.0.0.2") };
  await world.start();
  await world.until("named c1 10.0.0.2");
  world.containers.c2 = container("c2", "10.0.0.4", "later");
  world.networks.push(network("later", "10.0.0.0/24"));
  world.tell("container", "c2");
  await world.until("named c1 10.0.0.2, c2 10.0.0.4");
  delete world.containers.c1;
  world.tell("network", "lan", { container: "c1" });
  await world.until("named c2 10.0.0.4");
  // It is not of a shared pool any more.
  world.networks = [network("later", "10.0.0.0/24", { IPAM: { Driver: "default", Config: [] } })];
  world.tell("network", "later");
  await world.until("named ");
});

Deno.test("a report that fails is repeated, a bug is said, and a sentence is said once", async () => {
  await using world = new World();
  await world.start();
  await world.until("named");
  await world.until("swept");
  world.said.length = 0;
  world.failure = new IpvlanError("etcd-unreachable", { reasons: {} });
  world.tell("network", "lan");
  await world.until("failed");
  world.failure = new TypeError("x is undefined");
  world.tell("network", "lan");
  await world.until("TypeError: x is undefined");
  world.failure = undefined;
  world.sentences = ["etcd has no room"];
  for (let n = 0; n < 2; n++) {
    world.tell("network", "lan");
    await world.until("named");
  }
  await world.until("etcd has no room");
  assertEquals(world.said.map((text) => text.split("\n")[0]), [
    "TypeError: x is undefined",
    "etcd has no room",
  ]);
});

Deno.test("a daemon that starts keeps the endpoints of before, which it has not lost", async () => {
  await using world = new World();
  world.sandboxes = ["docker:kept"];
  await world.start();
  world.watch.before("Plugin.Activate", "{}");
  await world.until("swept");
  assertEquals(world.sandboxes, ["docker:kept"]);
});

Deno.test("without a pool, Docker is asked for nothing until it requests one", async () => {
  await using world = new World();
  const { pools } = world;
  world.pools = [];
  world.containers = { c1: container("c1", "10.0.0.2") };
  await world.start();
  world.pools = pools;
  world.watch.after("IpamDriver.RequestPool");
  await world.until("named c1 10.0.0.2");
  assertEquals(world.said, []);
});

Deno.test("where the pools cannot be read, no claim counts as one of before", async () => {
  await using world = new World();
  world.unreadable = [new IpvlanError("store-unusable", { folder: "/s", reason: "full" })];
  await world.start();
  await world.until("named");
  world.tell("network", "lan");
  await world.until("named");
  assertEquals(world.said, []);
});

Deno.test("what containers ask for is known before an address is chosen, but Docker is not asked while it starts", async () => {
  await using world = new World();
  const asking = (Id: string, IPv4Address: string) => {
    const made = container(Id, "");
    const IPAMConfig = { IPv4Address };
    return {
      ...made,
      NetworkSettings: { Networks: { lan: { ...made.NetworkSettings.Networks.lan, IPAMConfig } } },
    };
  };
  await world.start();
  await world.until("named");
  world.containers = { db: asking("db", "10.0.0.9") };
  await world.watch.keep();
  assertEquals(world.kept.at(-1), "10.0.0.9");
  world.isStarting = true;
  await world.watch.keep();
  const answers = world.kept.length;
  world.isStarting = false;
  await world.watch.keep();
  assertEquals(world.kept.length, answers);
  // An event says that Docker answers again.
  world.containers = {};
  world.tell("container", "db");
  await world.until("named");
  await world.watch.keep();
  assertEquals(world.kept.at(-1), "");
});
