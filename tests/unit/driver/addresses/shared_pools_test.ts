// What is decided about addresses that hosts share. A stand-in for the pools gives 10.9.0.2, .3, ….
import { assertEquals } from "@std/assert";
import type { SharedPools } from "../../../../lib/claims/shared_pools.ts";
import { type Held, type Holder, ownHolder, type Unsettled } from "../../../../lib/claims/types.ts";
import { hexOf, Keys } from "../../../../lib/claims/keys.ts";
import { poolId } from "../../../../lib/claims/pool_key.ts";
import { newUse } from "../../../../lib/claims/local.ts";
import type { AddressRecord } from "../../../../lib/claims/records.ts";
import type { HeldAddresses } from "../../../../lib/driver/addresses/held_addresses.ts";
import { KnownPools, usedPrefixes } from "../../../../lib/driver/addresses/pools.ts";
import {
  accesses,
  doubtsAbout,
  hasShared,
  isShared,
  leavePools,
  pooledAddresses,
  releaseUnused,
  tell,
} from "../../../../lib/driver/addresses/shared/pools.ts";
import { type AttachRequest, decide } from "../../../../lib/driver/endpoint/attach_request.ts";
import { reservedOf } from "../../../../lib/driver/addresses/shared/network.ts";
import type { EndpointRecord } from "../../../../lib/driver/store/records.ts";
import { GATEWAY } from "../../../../lib/driver/addresses/claims.ts";
import type { Parts } from "../../../../lib/driver/addresses/parts.ts";
import { nameClaims } from "../../../../lib/driver/addresses/shared/claims.ts";
import {
  networkIds,
  remoteNames,
  sharedSubnets,
} from "../../../../lib/driver/addresses/shared/names.ts";
import { takeShared } from "../../../../lib/driver/endpoint/take.ts";
import type { Connection, Network } from "../../../../lib/driver/model/types.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import { formatPrefix, parseAddress } from "../../../../lib/ipam/mod.ts";
import { addr, endpointRecord, host, network, route, sandboxRecord } from "../../../kit/values.ts";
import { IpvlanError } from "../../../../lib/base/errors.ts";

const access = { endpoints: ["http://10.0.0.1:2379"] };
const ipam = { driver: "etcd" as const, access };
const SUBNET = "10.9.0.0/24";
const POOL = poolId(access, SUBNET);
const six = { subnet: "fd09::/64", auxAddresses: {} };
const NET = network("net", {
  ipam,
  subnets: [{ subnet: SUBNET, gateway: "10.9.0.1", auxAddresses: {} }, six],
}) as Network & { ipam: typeof ipam };
const PLAIN = network("plain", { parent: "eth1" });
/** The pool that an engine has asked for, and its network. */
const OWNER = { engine: "docker" as const, id: "local" };
const ENGINE = network("docker:n", {
  owner: OWNER,
  parent: "eth2",
  subnets: [{ subnet: "10.8.0.0/24", auxAddresses: {} }],
});
const ENGINE_POOL = { id: "docker:p", subnet: "10.8.0.0/24", owner: OWNER, ipam, requests: 1 };
const ENGINE_SHARED = poolId(access, "10.8.0.0/24");

/** This host under the prefix of etcd. */
const HOST = {
  ...{ prefix: "/ipvlan", id: "aa", number: 1, token: "t", value: "", asked: undefined },
  ...{ refused: undefined, agent: false, lease: "", heard: 0 },
};

/** A store with all three networks and the pool, each with one endpoint of the sandbox `c1`. */
function open(): Store {
  const store = Store.copy("/nowhere");
  for (const each of [NET, PLAIN, ENGINE]) store.putNetwork(each, "ready");
  store.putPool(ENGINE_POOL);
  store.putSandbox(sandboxRecord("c1"), "ready");
  const ips = [[NET, "10.9.0.9"], [PLAIN, "192.168.1.9"], [ENGINE, "10.8.0.9"]] as const;
  for (const [ordinal, [net, ip]] of ips.entries()) {
    const id = String(ordinal).repeat(12);
    store.putEndpoint(
      endpointRecord("c1", net, { id, ordinal, ifname: `eth${ordinal}`, ip }),
      "ready",
    );
  }
  store.putClaim({ pool: ENGINE_POOL.id, address: "10.8.0.9", holder: "c1" });
  return store;
}

/** A reader of an etcd without keys. */
const NOTHING = { keys: new Keys("/ipvlan"), etcd: { async *values() {} } };

/** A stand-in for the pools of this host, which says what it is asked for. */
function standIn(held: Held[] = []) {
  const said: string[] = [];
  let [last, last6] = [1, 1];
  const pools = {
    pools: () => [{ id: POOL }, { id: ENGINE_SHARED }, { id: "other" }],
    join: (_access: unknown, subnet: string) => Promise.resolve(said.push(`join ${subnet}`)),
    claimOwn: () => Promise.resolve(),
    leave: (id: string) => Promise.resolve(said.push(`leave ${id}`)),
    held: () => held,
    reader: () => NOTHING,
    release: (_pool: string, address: string) => said.push(`release ${address}`),
    take: (id: string, _holder: unknown, { address }: { address?: string } = {}) => {
      const taken = address ?? (id === POOL ? `10.9.0.${++last}` : `fd09::${++last6}`);
      if (last + last6 > 40) {
        return Promise.reject(
          new IpvlanError("shared-pool-exhausted", { range: SUBNET, keepers: [] }),
        );
      }
      said.push(`take ${taken}`);
      return Promise.resolve(taken);
    },
  };
  return { said, pools: pools as unknown as SharedPools };
}

Deno.test("nobody gets the gateway or an auxiliary address of a shared pool, in any spelling", () => {
  const subnet = {
    subnet: "FD09:0::/64",
    gateway: "fd09:0::1",
    auxAddresses: { ntp: "fd09:0::5" },
  };
  assertEquals(reservedOf(subnet), { "fd09::1": "gateway", "fd09::5": "auxiliary address ntp" });
  // Without one that was given, the first address is the gateway.
  assertEquals(reservedOf(six), { "fd09::1": "gateway" });
  assertEquals(reservedOf({ subnet: "10.0.0.0/31", auxAddresses: {} }), {});
});

Deno.test("shared are networks with a driver of addresses, and pools of engines with one", () => {
  using store = open();
  assertEquals([NET, PLAIN, ENGINE, ENGINE_POOL].map(isShared), [true, false, false, true]);
  assertEquals(hasShared(store), true);
  assertEquals([...accesses(store)], [["/ipvlan", access]]);
  using none = Store.copy("/nowhere");
  assertEquals([hasShared(none), accesses(none).size], [false, 0]);
  none.putPool(ENGINE_POOL);
  assertEquals([hasShared(none), accesses(none).size], [true, 1]);
});

Deno.test("the shared networks of a prefix are known with their subnets, and found by their names", () => {
  using store = open();
  store.putNetwork(
    network("far", { ipam: { ...ipam, access: { ...access, prefix: "/other" } }, parent: "eth5" }),
    "ready",
  );
  const subnets = (prefix: string) =>
    [...sharedSubnets(store, prefix)].map(([name, own]) => [name, ...own.map(formatPrefix)]);
  assertEquals(subnets("/ipvlan"), [["net", SUBNET, six.subnet]]);
  assertEquals(subnets("/other"), [["far", "192.168.1.0/24"]]);
  assertEquals(networkIds(store, "/ipvlan", ["net", "plain", "far"]), [NET.id]);
  assertEquals(networkIds(store, "/ipvlan", ["plain"]), []);
});

Deno.test("a pool is left when nothing else has addresses of it", async () => {
  using store = open();
  const left = async (subnet: string, user: string) => {
    const { said, pools } = standIn();
    await leavePools({ store }, pools, [poolId(access, subnet)], user);
    return said;
  };
  assertEquals(await left(SUBNET, NET.id), [`leave ${POOL}`]);
  assertEquals(await left(SUBNET, PLAIN.id), []);
  assertEquals(await left("10.8.0.0/24", ENGINE_POOL.id), [`leave ${ENGINE_SHARED}`]);
  assertEquals(await left("10.8.0.0/24", NET.id), []);
  // One that this host has not joined.
  assertEquals(await left("10.7.0.0/24", NET.id), []);
});

Deno.test("with an endpoint go its addresses in the pools of its network, and no other one's", () => {
  using store = open();
  const addresses = (...endpoints: EndpointRecord[]) =>
    endpoints.flatMap((each) => pooledAddresses(store, each)).map(({ pool, address }) =>
      `${address} of ${pool}`
    );
  const own = [`10.9.0.9 of ${POOL}`, `fd09::9 of ${poolId(access, six.subnet)}`];
  assertEquals(addresses(...store.endpoints()), own.slice(0, 1));
  assertEquals(
    addresses(endpointRecord("c", NET, { ip: "10.1.1.1", ip6: "fd09::9" })),
    own.slice(1),
  );
});

Deno.test("after a crash, an address without an endpoint or a claim is released, and no other one", () => {
  using store = open();
  const held = (pool: string, address: string, sandbox = "c1"): Held => ({
    pool,
    address,
    sandbox,
  });
  const released = (...all: Held[]) => {
    const { said, pools } = standIn(all);
    const addresses = releaseUnused({ store }, pools).map(({ address }) => address);
    assertEquals(said, addresses.map((address) => `release ${address}`));
    return addresses;
  };
  assertEquals(released(held(POOL, "10.9.0.9"), held(ENGINE_SHARED, "10.8.0.9")), []);
  assertEquals(released(held(POOL, "10.9.0.7"), held(ENGINE_SHARED, "10.8.0.7")), [
    "10.9.0.7",
    "10.8.0.7",
  ]);
  // The same address on another network, or in another pool, is another one.
  assertEquals(released(held("other", "10.9.0.9"), held("other", "10.8.0.9")).length, 2);
  assertEquals(released(held(POOL, "192.168.1.9")).length, 1);
  assertEquals(released(held(POOL, "10.9.0.8", ownHolder("a").sandbox)), []);
});

Deno.test("an endpoint gets no link while its address may be another host's", () => {
  // A pool that this host has not joined says nothing.
  using fresh = open();
  assertEquals(doubtsAbout(fresh, fresh.endpoints()).size, 0);
  const POOL6 = poolId(access, six.subnet);
  const subnets = [[POOL, SUBNET], [POOL6, six.subnet], [ENGINE_SHARED, "10.8.0.0/24"]] as const;
  const doubt = (
    pool: string,
    address: string,
    changes: Partial<AddressRecord>,
    refused?: string,
  ) => {
    using store = open();
    return store.transaction(() => {
      const { shared } = store;
      shared.putHost({ ...HOST, refused });
      if (pool === POOL6) {
        const [endpoint] = store.endpoints({ network: NET.id });
        store.deleteEndpoint(endpoint!.id);
        store.putEndpoint({ ...endpoint!, ip6: address }, "ready");
      }
      for (const [id, subnet] of subnets) {
        shared.putPool({
          ...{ id, subnet, reserved: {}, access, prefix: "/ipvlan", revision: 1 },
          ...{ next: undefined, leaving: false },
        });
      }
      const use = newUse(pool, hexOf(parseAddress(address)), {
        holder: { sandbox: "c1" },
        since: "",
      });
      shared.putAddress({ ...use, ...changes });
      const doubts = doubtsAbout(store, store.endpoints());
      return [...doubts].map(([{ ip }, { message }]) => `${ip}: ${message}`.slice(0, 60));
    });
  };
  const LOST = { state: "lost", host: "b", told: 1, revision: 4 } as const;
  assertEquals(doubt(POOL, "10.9.0.9", { revision: 4 }), []);
  assertEquals(doubt(POOL, "10.9.0.9", LOST), [
    '10.9.0.9: The address 10.9.0.9 is held by the host "b": give',
  ]);
  assertEquals(doubt(ENGINE_SHARED, "10.8.0.9", LOST).length, 1);
  assertEquals(doubt(POOL6, "fd09::9", LOST), [
    '10.9.0.9: The address fd09::9 is held by the host "b": give ',
  ]);
  // In no block and without a claim, it may be anybody's.
  const unclaimed = doubt(POOL, "10.9.0.9", { revision: 0 });
  assertEquals(unclaimed.length, 1);
  assertEquals(unclaimed[0]!.includes("10.9.0.9"), true);
  assertEquals(doubt(POOL, "10.9.0.9", { revision: 0, block: "0a090000" }), []);
  assertEquals(doubt(POOL, "10.9.0.9", { revision: 0, state: "freed" }), []);
  assertEquals(doubt(POOL, "10.9.0.5", LOST), []);
  assertEquals(doubt(POOL, "10.9.0.9", { revision: 4 }, "removed").length, 2);
});

Deno.test("an address that is free in etcd is passed over if this host has it, or means it for another", async () => {
  using store = open();
  const taken = async (
    connection: Partial<Connection>,
    on: { parent?: string[]; held?: string[] } = {},
    more: Connection[] = [],
  ) => {
    const { said, pools } = standIn();
    const facts = host({
      addrs: (on.parent ?? []).map((address) => addr("eth0", `${address}/24`)),
    });
    const held = {
      on: (parent: string) =>
        (on.held ?? []).map((address) => ({ address, holder: "x", parent, names: [] })),
    } as unknown as HeldAddresses;
    const parts = {
      store,
      pools: new KnownPools(store),
      openShared: () => Promise.resolve(pools),
    };
    const request: AttachRequest = {
      name: "c2",
      namespace: "made",
      connections: [{ network: "net", ...connection }, ...more],
    };
    const result = await takeShared(
      parts,
      request,
      facts,
      held,
      () => void decide(parts, request, facts, held),
      (connections) => connections,
    );
    const [{ ip, ip6 } = { ip: "", ip6: "" }] = result.value;
    return [
      ip,
      ip6,
      ...said.filter((each) => each.startsWith("release")).map((each) => each.slice(8)),
    ];
  };
  assertEquals(await taken({}), ["10.9.0.2", "fd09::2"]);
  assertEquals(await taken({ ip: "10.9.0.77", ip6: "fd09::77" }), ["10.9.0.77", "fd09::77"]);
  const passed = ["10.9.0.3", "fd09::2", "10.9.0.2"];
  assertEquals(await taken({}, { parent: ["10.9.0.2"] }), passed);
  assertEquals(await taken({}, { held: ["10.9.0.2"] }), passed);
  assertEquals(await taken({ except: ["10.9.0.2"] }), passed);
  // A later connection asks for it.
  assertEquals(await taken({}, {}, [{ network: "plain", ip: "192.168.1.2" }]), [
    "10.9.0.2",
    "fd09::2",
  ]);
  // It may be named by the beginning of its id.
  store.putNetwork({ ...NET, id: "ab12cd", name: "other", parent: "eth3" }, "ready");
  assertEquals(await taken({ network: "ab12" }), ["10.9.0.2", "fd09::2"]);
  // The engine's network is on another parent; its pool is on none.
  store.putClaim({ pool: ENGINE_POOL.id, address: "10.9.0.2", holder: "x" });
  assertEquals(await taken({}), passed);
});

Deno.test("on a shared network are found other hosts' sandboxes, and an engine's with addresses of it", () => {
  using store = open();
  const docker = { ...ENGINE_POOL, id: "docker:q", subnet: SUBNET };
  const elsewhere = { ...ipam, access: { ...access, prefix: "/other" } };
  store.putPool(docker);
  store.putPool({ ...docker, id: "docker:other", ipam: elsewhere });
  const prefix = "/ipvlan";
  const found = store.transaction(() => {
    const { shared } = store;
    shared.putHost(HOST);
    for (const subnet of [SUBNET, "10.8.0.0/24"]) {
      shared.putPool({
        ...{ id: poolId(access, subnet), subnet, reserved: {}, access, prefix, revision: 1 },
        ...{ next: undefined, leaving: false },
      });
    }
    const claim = (pool: string, address: string, network?: string, changes = {}) => {
      store.putClaim({ pool, address, holder: "" });
      const of = pool === docker.id ? POOL : ENGINE_SHARED;
      const holder = { sandbox: "docker:c", network, names: [`n${address.split(".")[3]}`] };
      const use = newUse(of, hexOf(parseAddress(address)), { holder, since: "" });
      shared.putAddress({ ...use, ...changes });
    };
    claim(docker.id, "10.9.0.20", "net");
    claim(docker.id, "10.9.0.21", "plain");
    claim(docker.id, "10.9.0.22", "net", { state: "freed" });
    claim(docker.id, "10.9.0.25", "net", { holder: { sandbox: "docker:c", network: "net" } });
    // An address of another subnet is none of the network's.
    claim(ENGINE_POOL.id, "10.8.0.23", "net");
    store.putClaim({ pool: "docker:other", address: "10.9.0.24", holder: "" });
    const theirs = { prefix, network: "net", names: ["theirs"] };
    for (const address of ["10.9.0.30", "10.1.0.30"]) store.putSharedName({ ...theirs, address });
    store.putSharedName({ ...theirs, network: "plain", address: "10.9.0.31" });
    return remoteNames(store, NET.id).map(({ address, names }) => `${address} ${names}`);
  });
  assertEquals(found, ["10.9.0.30 theirs", "10.9.0.20 n20"]);
  assertEquals([remoteNames(store, PLAIN.id), remoteNames(store, "none")], [[], []]);
});

Deno.test("a default pool overlaps nothing of IPv4: no network, no pool, and no route but the default one", () => {
  const routes = [
    ...[route("eth0", "default", "10.0.0.1"), route("eth0", "172.16.0.0/12")],
    ...[route("eth0", "172.31.0.1"), route("eth0", "fd00::/64"), route("eth0", "fd00::1")],
  ];
  assertEquals(usedPrefixes([PLAIN], [ENGINE_POOL], routes).map(formatPrefix), [
    ...["192.168.1.0/24", "10.8.0.0/24", "172.16.0.0/12", "172.31.0.1/32"],
  ]);
});

Deno.test("a claim of an engine has the name that the engine tells, and no more names than count", async () => {
  using store = open();
  store.putClaim({ pool: ENGINE_POOL.id, address: "10.8.0.1", holder: GATEWAY });
  const known = new Map<string, Holder>();
  const told: [string, Holder][] = [];
  const refreshed: string[][] = [];
  const pools = {
    holder: (_pool: string, address: string) => known.get(address),
    describe(_pool: string, address: string, holder: Holder) {
      known.set(address, holder);
      told.push([address, holder]);
    },
    settle: () => Promise.resolve({ untold: 0, lost: [] }),
    damaged: () => [],
  } as unknown as SharedPools;
  const parts = {
    store,
    wait: {},
    openShared: () => Promise.resolve(pools),
    hosts: {
      refresh: (networks: string[]) => {
        refreshed.push(networks);
        return Promise.resolve(new Map());
      },
    } as unknown as Parts<"hosts">["hosts"],
  };
  const name = async (names: string[], address = "10.8.0.9") => {
    const user = { prefix: "/ipvlan", address, name: "web", network: "net", names };
    assertEquals(await nameClaims(parts, "docker", [user]), []);
    return told.splice(0);
  };
  // A claim that this host does not have in etcd is left alone.
  assertEquals(await name(["a"]), []);
  known.set("10.8.0.9", { sandbox: "docker:c1" });
  known.set("10.8.0.1", { sandbox: "docker:gateway" });
  const holder = { sandbox: "docker:web", network: "net", names: ["a", "b"] };
  assertEquals(await name(["a", "not a name", "b"]), [["10.8.0.9", holder]]);
  assertEquals(refreshed.splice(0), [[NET.id]]);
  assertEquals(await name(["a", "b"]), []);
  const many = Array.from({ length: 40 }, (_, index) => `n${index}`);
  assertEquals((await name(many))[0]![1].names, many.slice(0, 32));
  // Without a user, it has no names.
  assertEquals(await name(["a"], "10.8.0.10"), [["10.8.0.9", { sandbox: "docker:c1" }]]);
  assertEquals(await name(["a"], "nonsense"), []);
  // An engine without a shared pool has nothing to say.
  assertEquals(await nameClaims(parts, "cni", []), []);
});

Deno.test("what etcd was not told of, and which addresses were lost, is said in sentences", async () => {
  const lost = (sandbox: string) => ({ pool: POOL, address: "10.9.0.9", sandbox, host: "rack3" });
  const said = (settled: Partial<Unsettled> | Error) =>
    tell({
      settle: () =>
        settled instanceof Error
          ? Promise.reject(settled)
          : Promise.resolve({ untold: 0, lost: [], ...settled }),
      damaged: () => ["a damaged key"],
    } as unknown as SharedPools);
  assertEquals(await said({}), ["a damaged key"]);
  assertEquals(await said({ untold: 2 }), [
    "etcd has not been told 2 change(s) yet: a key is damaged",
    "a damaged key",
  ]);
  const [asleep] = await said({ untold: 1, reason: "it is asleep" });
  assertEquals(asleep, "etcd has not been told 1 change(s) yet: it is asleep");
  assertEquals((await said({ lost: [lost("c1"), lost(ownHolder("here").sandbox)] })).slice(1), [
    'The address 10.9.0.9 of "c1" is held by the host "rack3": remove one of them',
    'The address 10.9.0.9 of this host is for sandboxes of the host "rack3": remove the sandbox ' +
    "there, or run ipvlan agent there, and then ipvlan restore here",
  ]);
  const busy = new IpvlanError("host-busy");
  assertEquals(await said(busy), [`etcd could not be told of changes: ${busy.message}`]);
});
