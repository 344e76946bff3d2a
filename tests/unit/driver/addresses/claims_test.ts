import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  addClaim,
  addGateway,
  findPool,
  holderElsewhere,
  keepAddresses,
  listPools,
  removeClaim,
  removeRequest,
  requestPool,
} from "../../../../lib/driver/addresses/claims.ts";
import { decideEndpoint } from "../../../../lib/driver/endpoint/decide.ts";
import { KnownPools } from "../../../../lib/driver/addresses/pools.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import type {
  AddressPool,
  Network,
  Owner,
  SubnetPoolRequest,
} from "../../../../lib/driver/model/types.ts";
import { attempt, isIpvlanError } from "../../../../lib/base/errors.ts";
import { IDENTITY, network, route } from "../../../kit/values.ts";
import "../../../kit/seed.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const DOCKER: Owner = { engine: "docker", id: "local" };
const CNI: Owner = { engine: "cni", id: "lan" };
const LAN = { owner: DOCKER, subnet: "192.168.1.0/24" };

/** The parts of a driver that claims need, over one store. */
class Parts implements Disposable {
  readonly store: Store;
  readonly pools: KnownPools;

  /** @param folder The state folder; without one, the store is in memory. */
  constructor(folder?: string) {
    this.store = folder === undefined ? Store.copy("/nowhere") : Store.open(folder);
    this.pools = new KnownPools(this.store);
  }

  /** Gives a new endpoint an address of a network, as connecting a sandbox does. */
  give(network: Network, ip?: string): string {
    const { store, pools } = this;
    return store.transaction(() => {
      const id = crypto.randomUUID().slice(0, 8);
      const sandbox = {
        id,
        name: id,
        created: IDENTITY.created,
        labels: {},
        namespace: "made" as const,
      };
      const decision = decideEndpoint({ ip }, id, {
        network,
        pools: pools.of(network),
        sandbox: id,
        present: [],
        neighbours: [],
        parentAddresses: [],
        held: [],
        holderElsewhere: (address) => holderElsewhere(store, network, address),
      });
      if (!decision.ok) throw decision.problems[0];
      store.putSandbox(sandbox, "ready");
      store.putEndpoint(decision.endpoint, "making");
      return decision.endpoint.ip!;
    });
  }

  /** Takes an address of a network back. */
  takeBack(network: Network, ip: string): void {
    const found = this.store.endpoints({ network: network.id }).find((each) => each.ip === ip);
    this.store.deleteEndpoint(found!.id);
  }

  claim(pool: AddressPool | SubnetPoolRequest, address?: string, holder?: string): string {
    const place = "id" in pool ? pool.id : pool;
    const claim = () => addClaim(this, findPool(this, place), { address, holder });
    return this.store.transaction(claim).address;
  }

  claimGateway(id: string, address?: string): string {
    return this.store.transaction(() => addGateway(this, findPool(this, id), address)).address;
  }

  /** Releases an address, and returns the addresses whose claims are gone. */
  release(id: string, address: string): string[] {
    return this.store.transaction(() => removeClaim(this.store, id, address))
      .map((claim) => claim.address);
  }

  /** Takes back one request for a pool, and returns the addresses whose claims are gone. */
  releasePool(id: string): string[] {
    return this.store.transaction(() => removeRequest(this.store, id))
      .map(({ address }) => address);
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }
}

/** The pools with their claims, in short: `{ "docker:local/…": "192.168.1.2 c1, …" }`. */
function content({ store }: Parts): Record<string, string> {
  return Object.fromEntries(
    listPools(store).map(({ id, claims }) => [
      id,
      claims.map(({ address, holder }) => `${address} ${holder}`.trim()).join(", "),
    ]),
  );
}

Deno.test("the same request gets the same pool, until it is released as often as requested", () => {
  using parts = new Parts();
  const pool = requestPool(parts, LAN);
  assertEquals(pool, { ...LAN, id: "docker:local/192.168.1.0/24", requests: 1 });
  const again = requestPool(parts, { ...LAN, subnet: "192.168.1.77/24" });
  assertEquals(again, { ...pool, requests: 2 });
  parts.claim(pool);
  parts.releasePool(pool.id);
  assertEquals(content(parts), { [pool.id]: "192.168.1.1" });
  parts.releasePool(pool.id);
  assertEquals(content(parts), {});
  parts.releasePool(pool.id);
  assertThrowsError(() => parts.claim(pool), "pool-not-found", pool.id);
});

Deno.test("who releases gets the claims that are gone, but not the gateway's", () => {
  using parts = new Parts();
  const pool = requestPool(parts, LAN);
  requestPool(parts, LAN);
  parts.claimGateway(pool.id);
  for (const holder of ["c1", "c2"]) parts.claim(pool, undefined, holder);
  assertEquals(parts.release(pool.id, "192.168.1.2"), ["192.168.1.2"]);
  assertEquals(parts.release(pool.id, "192.168.1.9"), []);
  assertEquals(parts.release(pool.id, "192.168.1.1"), []);
  assertEquals(parts.releasePool(pool.id), []);
  assertEquals(parts.releasePool(pool.id), ["192.168.1.3"]);
  assertEquals(parts.releasePool(pool.id), []);
});

Deno.test("pools of other ranges, or of other owners, are pools of their own", () => {
  using parts = new Parts();
  const low = requestPool(parts, { ...LAN, ipRange: "192.168.1.64/27" });
  const high = requestPool(parts, { ...LAN, ipRange: "192.168.1.96/27" });
  const other = requestPool(parts, { ...LAN, owner: CNI });
  const six = requestPool(parts, { owner: CNI, subnet: "2001:DB8::/64" });
  assertEquals([low, high, other, six].map(({ id }) => id), [
    "docker:local/192.168.1.0/24/192.168.1.64/27",
    "docker:local/192.168.1.0/24/192.168.1.96/27",
    "cni:lan/192.168.1.0/24",
    "cni:lan/2001:db8::/64",
  ]);
  const given = [low, high, other, six, low].map((pool) => parts.claim(pool));
  assertEquals(given, [
    "192.168.1.64/24",
    "192.168.1.96/24",
    "192.168.1.1/24",
    "2001:db8::1/64",
    "192.168.1.65/24",
  ]);
});

Deno.test("a request without a subnet gets one that no network, pool or route uses", () => {
  using parts = new Parts();
  parts.store.putNetwork(
    network("n", { subnets: [{ subnet: "172.18.0.0/24", auxAddresses: {} }] }),
    "ready",
  );
  const routes = [route("eth0", "172.19.0.0/16"), route("eth0", "default", "192.168.0.1")];
  const subnets = [1, 2].map(() => requestPool(parts, { owner: DOCKER }, routes).subnet);
  assertEquals(subnets, ["172.20.0.0/16", "172.21.0.0/16"]);
  assertThrowsError(() => requestPool(parts, { owner: DOCKER, ipv6: true }), "missing-pool-subnet");
  const ranged = { owner: DOCKER, ipRange: "172.22.0.0/24" };
  assertThrowsError(() => requestPool(parts, ranged), "outside-subnet", "give the subnet too");
});

Deno.test("what cannot be a pool is refused, and nothing is kept of it", () => {
  using parts = new Parts();
  const refuse = (request: Partial<typeof LAN> & { ipRange?: string; gateway?: string }) =>
    attempt(() => requestPool(parts, { ...LAN, ...request }));
  const refusals = [
    refuse({ subnet: "192.168.1.0" }),
    refuse({ subnet: "127.0.0.0/8" }),
    refuse({ ipRange: "10.0.0.0/24" }),
    refuse({ gateway: "10.0.0.1" }),
    refuse({ gateway: "192.168.1.255" }),
  ].map((result) => result.ok ? "accepted" : result.problems[0]!.code);
  assertEquals(refusals, [
    "invalid-prefix",
    "invalid-prefix",
    "outside-subnet",
    "outside-subnet",
    "unusable-address",
  ]);
  const shared = (access: { endpoints: string[]; ca?: string }) => {
    const pool = attempt(() => requestPool(parts, { ...LAN, ipam: { driver: "etcd", access } }));
    return pool.ok ? "" : pool.problems[0]!.message;
  };
  const endpoints = ["https://10.0.0.1:2379"];
  assertMatch(shared({ endpoints: [] }), /endpoint/);
  assertMatch(shared({ endpoints, ca: "no-such" }), /give its path from \/ on$/);
  assertMatch(shared({ endpoints, ca: "/no/such" }), /there is no such file$/);
  assertEquals(content(parts), {});
});

Deno.test("a claim that is made again by its holder gives the same address", () => {
  using parts = new Parts();
  const pool = requestPool(parts, LAN);
  assertEquals(parts.claim(pool, undefined, "c1"), "192.168.1.1/24");
  assertEquals(parts.claim(pool, undefined, "c1"), "192.168.1.1/24");
  assertEquals(parts.claim(pool, "192.168.1.77", "c1"), "192.168.1.77/24");
  assertEquals(parts.claim(pool, "192.168.1.77", "c1"), "192.168.1.77/24");
  assertEquals(content(parts), { [pool.id]: "192.168.1.1 c1, 192.168.1.77 c1" });
  // An engine that does not say who holds an address gets another one each time.
  assertEquals([1, 2].map(() => parts.claim(pool)), ["192.168.1.2/24", "192.168.1.3/24"]);
  assertThrowsError(() => parts.claim(pool, "192.168.1.2"), "address-held", pool.id);
});

Deno.test("an address that is asked for is refused if it is taken, with who has it", () => {
  using parts = new Parts();
  const { store } = parts;
  const [own, cni] = [network("own"), network("cni:lan", { owner: CNI })];
  [own, cni].forEach((each) => store.putNetwork(each, "ready"));
  const pool = requestPool(parts, LAN);
  parts.claimGateway(pool.id);
  parts.claim(pool, "192.168.1.9", "c9");
  const sandbox = (ip: string) => store.endpoints().find((each) => each.ip === ip)!.sandbox;
  parts.give(own, "192.168.1.5");
  const held = (run: () => unknown) => assertThrowsError(run, "address-held").holder;
  assertEquals(held(() => parts.give(own, "192.168.1.9")), `"c9" in the address pool "${pool.id}"`);
  assertEquals(
    held(() => parts.give(cni, "192.168.1.5")),
    `the sandbox "${sandbox("192.168.1.5")}"`,
  );
  assertEquals(
    held(() => parts.claim(pool, "192.168.1.5")),
    `the sandbox "${sandbox("192.168.1.5")}"`,
  );
  assertEquals(
    held(() => parts.claim(pool, "192.168.1.9")),
    `"c9" in the address pool "${pool.id}"`,
  );
  assertEquals(
    held(() => parts.claim(pool, "192.168.1.1")),
    `the gateway of the address pool "${pool.id}"`,
  );
  assertThrowsError(() => parts.claim(pool, "192.168.1.0"), "unusable-address");
  assertThrowsError(() => parts.claim(pool, "10.0.0.5"), "outside-subnet");
});

Deno.test("an engine's claim does not keep an endpoint of the same engine from the address", () => {
  using parts = new Parts();
  const docker = network("docker:0123456789ab", { owner: { engine: "docker", id: "0123" } });
  parts.store.putNetwork(docker, "ready");
  const pool = requestPool(parts, LAN);
  assertEquals(parts.claim(pool, "192.168.1.2"), "192.168.1.2/24");
  assertEquals(parts.give(docker, "192.168.1.2"), "192.168.1.2");
  // When the endpoint is gone, the claim is still there, and the other way round.
  parts.takeBack(docker, "192.168.1.2");
  assertEquals(parts.give(docker), "192.168.1.3");
  assertEquals(parts.give(docker, "192.168.1.2"), "192.168.1.2");
  parts.release(pool.id, "192.168.1.2");
  assertEquals(parts.claim(pool), "192.168.1.4/24");
});

Deno.test("networks on different parents may have one address, and a pool has none of them", () => {
  using parts = new Parts();
  const [here, there] = [network("here"), network("there", { parent: "eth1", owner: CNI })];
  [here, there].forEach((each) => parts.store.putNetwork(each, "ready"));
  assertEquals([here, there].map((each) => parts.give(each)), ["192.168.1.2", "192.168.1.2"]);
  const pool = requestPool(parts, LAN);
  // The gateway of a network is not for a pool either.
  assertEquals(parts.claim(pool), "192.168.1.3/24");
  parts.give(there, "192.168.1.4");
  assertEquals([here, there].map((each) => parts.give(each)), ["192.168.1.4", "192.168.1.5"]);
});

Deno.test("an address that an engine brings is refused if it is taken, and is given to nobody else", () => {
  using parts = new Parts();
  const foreign = network("cni:foreign", { owner: CNI, subnets: [], foreignAddresses: true });
  const own = network("own");
  [foreign, own].forEach((each) => parts.store.putNetwork(each, "ready"));
  const [docker, cni] = [DOCKER, CNI].map((owner) => requestPool(parts, { ...LAN, owner }));
  assertEquals(parts.give(foreign, "192.168.1.2/24"), "192.168.1.2");
  assertEquals([parts.give(own), parts.claim(docker!)], ["192.168.1.3", "192.168.1.4/24"]);
  for (const taken of ["192.168.1.3", "192.168.1.4"]) {
    assertThrowsError(() => parts.give(foreign, `${taken}/24`), "address-held");
  }
  // What the engine's own plugin has claimed, the engine brings.
  assertEquals(parts.claim(cni!, "192.168.1.9"), "192.168.1.9/24");
  assertEquals(parts.give(foreign, "192.168.1.9/24"), "192.168.1.9");
});

Deno.test("a gateway is claimed once, may be that of several pools, and stays with its pool", () => {
  using parts = new Parts();
  const gateway = (id: string, address?: string) => parts.claimGateway(id, address);
  const [one, two] = [requestPool(parts, LAN), requestPool(parts, { ...LAN, owner: CNI })];
  assertEquals(gateway(one.id), "192.168.1.1/24");
  assertEquals(gateway(one.id), "192.168.1.1/24");
  assertEquals(gateway(two.id, "192.168.1.1"), "192.168.1.1/24");
  parts.release(one.id, "192.168.1.1");
  assertEquals(parts.claim(one), "192.168.1.2/24");
  // A second network with the same pool may have another router.
  assertEquals(gateway(one.id, "192.168.1.254"), "192.168.1.254/24");
  assertThrowsError(() => parts.claimGateway(two.id, "192.168.1.2"), "address-held");
  const range = requestPool(parts, { ...LAN, ipRange: "192.168.1.64/27" });
  assertEquals(gateway(range.id), "192.168.1.1/24");
  // Without an address, it is the one that the pool has, also if that is not the first one.
  const high = requestPool(parts, { owner: DOCKER, subnet: "10.5.0.0/24" });
  assertEquals(gateway(high.id, "10.5.0.254"), "10.5.0.254/24");
  assertEquals(gateway(high.id), "10.5.0.254/24");
  const small = requestPool(parts, { owner: DOCKER, subnet: "10.0.0.0/31" });
  assertEquals(gateway(small.id), "10.0.0.0/31");
});

Deno.test("a pool that is only claimed in goes with its last claim", () => {
  using parts = new Parts();
  const request = { owner: CNI, subnet: "192.168.1.0/24", gateway: "192.168.1.1" };
  const id = "cni:lan/192.168.1.0/24";
  const claim = (holder: string) => parts.claim(request, undefined, holder);
  assertEquals(["a", "b", "a"].map(claim), ["192.168.1.2/24", "192.168.1.3/24", "192.168.1.2/24"]);
  assertEquals(content(parts), {
    [id]: "192.168.1.1 gateway, 192.168.1.2 a, 192.168.1.3 b",
  });
  for (const address of ["192.168.1.2", "192.168.1.2", "192.168.1.1", "10.0.0.1"]) {
    parts.release(id, address);
  }
  assertEquals(content(parts), { [id]: "192.168.1.1 gateway, 192.168.1.3 b" });
  parts.release(id, "192.168.1.3");
  assertEquals(content(parts), {});
});

Deno.test("a full pool is refused, and has an address again when one is released", () => {
  using parts = new Parts();
  const pool = requestPool(parts, { owner: DOCKER, subnet: "10.0.0.0/29" });
  parts.claimGateway(pool.id);
  const given = [1, 2, 3, 4, 5].map(() => parts.claim(pool));
  assertEquals(given.at(-1), "10.0.0.6/29");
  assertThrowsError(() => parts.claim(pool), "pool-exhausted");
  assertThrowsError(() => parts.claim(pool, "10.0.0.6"), "address-held");
  assertThrowsError(() => parts.pools.ofPool(pool).take("10.0.0.6"), "address-in-use");
  parts.release(pool.id, "10.0.0.4");
  assertEquals(parts.claim(pool), "10.0.0.4/29");
});

Deno.test("an address that was undone in a transaction is free, and one released there is not", () => {
  using parts = new Parts();
  const pool = requestPool(parts, LAN);
  parts.claim(pool);
  const failing = (run: () => void) =>
    assertThrows(() =>
      parts.store.transaction(() => {
        run();
        parts.pools.ofPool(pool);
        throw new Error("undone");
      })
    );
  failing(() => parts.store.putClaim({ pool: pool.id, address: "192.168.1.2", holder: "" }));
  failing(() => parts.store.deleteClaim({ pool: pool.id, address: "192.168.1.1" }));
  assertEquals(parts.claim(pool), "192.168.1.2/24");
});

/** What one has: an address on a parent, or of a pool. */
interface Held {
  address: string;
  engine: string | undefined;
  where: Network | AddressPool;
}

const FAMILY = [
  { name: "own", parent: "eth0", subnet: "10.0.0.0/28", owner: undefined },
  { name: "docker:n", parent: "eth0", subnet: "10.0.0.0/28", owner: DOCKER },
  // An engine may have two networks with one subnet.
  { name: "docker:m", parent: "eth0", subnet: "10.0.0.0/28", owner: DOCKER },
  { name: "cni:n", parent: "eth0", subnet: "10.0.0.0/27", owner: CNI },
  { name: "far", parent: "eth1", subnet: "10.0.0.0/28", owner: undefined },
];

const NETWORKS = FAMILY.map(({ name, parent, subnet, owner }) =>
  network(name, {
    id: name.replace(":", "-").padEnd(64, "0"),
    parent,
    owner,
    subnets: [{ subnet, gateway: "10.0.0.1", auxAddresses: {} }],
  })
);

const REQUESTS = [
  { owner: DOCKER, subnet: "10.0.0.0/28" },
  { owner: DOCKER, subnet: "10.0.0.0/28", ipRange: "10.0.0.8/29" },
  { owner: CNI, subnet: "10.0.0.0/29" },
];

/** What one process does. */
type Deed = { kind: "give" | "claim" | "release"; which: number; last?: number; process: 0 | 1 };

const deed: fc.Arbitrary<Deed> = fc.record({
  kind: fc.constantFrom("give", "give", "claim", "claim", "release"),
  which: fc.nat(14),
  last: fc.option(fc.nat(31), { nil: undefined, freq: 2 }),
  process: fc.constantFrom(0, 1),
});

Deno.test("whatever several owners ask for in two processes, no address is given twice", () => {
  fc.assert(
    fc.property(fc.array(deed, { minLength: 10, maxLength: 40 }), (deeds) => {
      const folder = Deno.makeTempDirSync();
      try {
        using one = new Parts(folder);
        using two = new Parts(folder);
        NETWORKS.forEach((each) => one.store.putNetwork(each, "ready"));
        const pools = REQUESTS.map((request) => requestPool(two, request));
        const held: Held[] = [];
        for (const { kind, which, last, process } of deeds) {
          const parts = [one, two][process]!;
          const given = last === undefined ? undefined : `10.0.0.${last}`;
          if (kind === "release") {
            const [gone] = held.splice(which % Math.max(held.length, 1), 1);
            if (gone && "parent" in gone.where) parts.takeBack(gone.where, gone.address);
            else if (gone) parts.release(gone.where.id, gone.address);
            continue;
          }
          const where = kind === "give" ? NETWORKS[which % 5]! : pools[which % 3]!;
          const result = attempt(() =>
            "parent" in where ? parts.give(where, given) : parts.claim(where, given)
          );
          const engine = where.owner?.engine;
          // On another parent, an address is another one. An engine asks for what it has claimed.
          const isAllowed = (other: Held) =>
            "parent" in where &&
            ("parent" in other.where
              ? other.where.parent !== where.parent
              : given !== undefined && other.engine === engine);
          const clashes = (address: string) =>
            held.filter((other) => other.address === address && !isAllowed(other));
          if (result.ok) {
            const address = result.value.split("/")[0]!;
            assertEquals(clashes(address), [], `${address} for ${where.id}`);
            held.push({ address, engine, where });
          } else if (given !== undefined && clashes(given).length === 0) {
            const [problem] = result.problems;
            const isUnfit = isIpvlanError(
              problem,
              "outside-subnet",
              "reserved-address",
              "unusable-address",
            );
            assert(isUnfit, `${problem} for ${where.id}`);
          }
        }
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("the claims of a pool are read once, however many are made and released", () => {
  using parts = new Parts();
  const pool = requestPool(parts, { owner: DOCKER, subnet: "10.0.0.0/8" });
  const { store } = parts;
  const claims = store.claims.bind(store);
  let readings = 0;
  store.claims = (selection) => {
    if (Object.keys(selection).join() === "pool") readings++;
    return claims(selection);
  };
  const given = Array.from({ length: 3000 }, () => parts.claim(pool).split("/")[0]!);
  for (const address of given.slice(1000, 2000)) {
    parts.release(pool.id, address);
    assertEquals(parts.claim(pool), `${address}/8`);
  }
  assertEquals(readings, 1);
});

Deno.test("a network counts what others on its parent have given of its subnet", () => {
  using parts = new Parts();
  const { store, pools } = parts;
  const subnets = [{ subnet: "10.20.0.0/29", auxAddresses: {} }];
  const [one, two] = ["one", "two"].map((name) =>
    network(`cni:${name}`, { owner: { engine: "cni", id: name }, subnets })
  ) as [Network, Network];
  store.transaction(() => {
    for (const each of [one, two]) store.putNetwork(each, "ready");
  });
  for (let count = 0; count < 4; count++) parts.give(one);
  assertEquals(pools.usage(two), [{ used: 3n, free: 1n }]);
  assertEquals(pools.usage(one), [{ used: 7n, free: 1n }]);
  assertEquals(pools.problems(two), []);
  parts.give(two);
  assertEquals(pools.usage(one).map(({ free }) => free), [0n]);
  assertEquals(pools.problems(one).map(({ message }) => message), [
    "Subnet 10.20.0.0/29 has no free address: release one, or ask for an address elsewhere",
  ]);
  // What is taken back is free for both.
  const [{ ip } = { ip: "" }] = store.endpoints({ network: one.id });
  parts.takeBack(one, ip!);
  assertEquals([one, two].map((each) => pools.usage(each)[0]!.free), [1n, 1n]);
  assertEquals(parts.give(two), ip);
  assertEquals(pools.problems(one).length, 1);
  // Of these, only an engine or etcd knows.
  assertEquals(pools.problems({ ...one, foreignAddresses: true }), []);
  const ipam = { driver: "etcd", access: { endpoints: ["http://10.9.9.9:2379"] } } as const;
  assertEquals(pools.problems({ ...one, ipam }), []);
});

Deno.test("no pool chooses an address that a container asks for, and the container gets it", () => {
  using parts = new Parts();
  const { store } = parts;
  const six = requestPool(parts, { owner: DOCKER, subnet: "fd00::/64" });
  const pool = requestPool(parts, LAN);
  addGateway(parts, pool);
  addGateway(parts, six);
  const near = requestPool(parts, { owner: CNI, subnet: "192.168.0.0/16" });
  const keep = (...addresses: string[]) => keepAddresses(store, "docker", addresses);
  const claim = (id = pool.id, address?: string) =>
    addClaim(parts, findPool(parts, id), { address }).address;
  keep("192.168.1.3", "fd00::2", "10.0.0.1", "192.168.1.2");
  assertEquals(store.pools().map(({ id, kept }) => [id, kept]), [
    [near.id, undefined],
    [pool.id, ["192.168.1.2", "192.168.1.3"]],
    [six.id, ["fd00::2"]],
  ]);
  assertEquals([claim(), claim(six.id)], ["192.168.1.4/24", "fd00::3/64"]);
  assertEquals([claim(pool.id, "192.168.1.2"), claim(six.id, "fd00::2")], [
    "192.168.1.2/24",
    "fd00::2/64",
  ]);
  // It stops, and is asked for again.
  removeClaim(store, pool.id, "192.168.1.2");
  assertEquals([claim(), claim(pool.id, "192.168.1.2")], ["192.168.1.5/24", "192.168.1.2/24"]);
  // The container of 192.168.1.3 is removed.
  keep("192.168.1.2");
  assertEquals(claim(), "192.168.1.3/24");
  keep();
  assertEquals(store.pools().flatMap(({ kept }) => kept ?? []), []);
});

Deno.test("five services get the same addresses in each order in which they start", () => {
  const services = [["a"], ["b", "192.168.1.3"], ["c"], ["d", "192.168.1.2"], ["e"]] as const;
  const orders = (left: readonly (typeof services)[number][]): (typeof services)[number][][] =>
    left.length === 0
      ? [[]]
      : left.flatMap((one) =>
        orders(left.filter((each) => each !== one)).map((all) => [one, ...all])
      );
  for (const order of orders(services)) {
    using parts = new Parts();
    const pool = requestPool(parts, LAN);
    addGateway(parts, pool);
    keepAddresses(parts.store, "docker", ["192.168.1.3", "192.168.1.2"]);
    const given = new Map(order.map(([name, address]) => [
      name,
      addClaim(parts, findPool(parts, pool.id), { address }).address,
    ]));
    assertEquals([given.get("b"), given.get("d")], ["192.168.1.3/24", "192.168.1.2/24"]);
    const others = ["a", "c", "e"].map((name) => given.get(name as "a")!).toSorted();
    assertEquals(others, ["192.168.1.4/24", "192.168.1.5/24", "192.168.1.6/24"]);
  }
});
