import { assertEquals, assertThrows } from "@std/assert";
import { EarlierClaims } from "../../../../lib/engine/docker/earlier_claims.ts";
import {
  auxiliaryUsers,
  claimUsers,
  containerOf,
  hasItsNetworks,
  readContainer,
  readContainerIds,
  readDockerNetwork,
  readDockerNetworks,
  usedAddresses,
} from "../../../../lib/engine/docker/users.ts";
import type { AddressPoolDetails } from "../../../../lib/driver/mod.ts";
import { IpvlanError } from "../../../../lib/base/errors.ts";

const ID = "20639362eefc7862f974ba7b1442aa695dab04d69669c1968117cbc7f403112e";

/** A plugin that has no etcd of its own. */
const PLACE = { environment: {} };

/** A container as Docker shows it, with only the fields that are read. */
function container(fields: Record<string, unknown> = {}, labels: Record<string, string> = {}) {
  const lan = {
    NetworkID: "net1",
    EndpointID: "e1",
    IPAddress: "192.168.1.20",
    GlobalIPv6Address: "",
    Aliases: ["www", ID.slice(0, 12)],
    ...fields,
  };
  return {
    Id: ID,
    Name: "/c1",
    Config: { Labels: labels },
    NetworkSettings: { Networks: { lan } },
  };
}

/** A network as Docker shows it. */
function network(ipam: Record<string, unknown> = {}, fields: Record<string, unknown> = {}) {
  const Config = [{ Subnet: "192.168.1.0/24", AuxiliaryAddresses: { nas: "192.168.1.9" } }];
  const Options = { endpoints: "http://10.0.0.1:2379" };
  return {
    Id: "net1",
    Name: "lan",
    Driver: "ipvlan-kit",
    Scope: "local",
    ConfigOnly: false,
    IPAM: { Driver: "ipvlan-kit", Options, Config, ...ipam },
    ...fields,
  };
}

Deno.test("a container has its name, its aliases, and that of its service; and no short id", () => {
  const service = { "com.docker.swarm.service.name": "web" };
  assertEquals(readContainer(container({}, service)), {
    name: "c1",
    endpoints: [{
      id: "e1",
      networkId: "net1",
      addresses: ["192.168.1.20"],
      names: ["c1", "www", "web", "c1.lan"],
    }],
  });
  // One that does not run, as Docker 20.10 and 26.1 show it.
  const stopped = container({ IPAddress: "", Aliases: null });
  assertEquals(readContainer(stopped).endpoints[0]!.addresses, []);
  const both = container({ GlobalIPv6Address: "2001:db8::2" });
  assertEquals(readContainer(both).endpoints[0]!.addresses, ["192.168.1.20", "2001:db8::2"]);
});

Deno.test("a network has a prefix if its IPAM options say where etcd is", () => {
  const prefix = (body: unknown) => readDockerNetwork(body, PLACE).prefix;
  assertEquals(prefix(network()), "/ipvlan");
  const options = { endpoints: "http://10.0.0.1:2379", prefix: "/rack-7" };
  assertEquals(prefix(network({ Options: options })), "/rack-7");
  assertEquals(prefix(network({ Options: null })), undefined);
  assertEquals(prefix(network({ Driver: "default" })), undefined);
  assertEquals(prefix(network({ Driver: "other", Options: { x: "y" } })), undefined);
});

Deno.test("a network without IPAM options has those of the plugin, unless it is another driver's", () => {
  const place = { ...PLACE, etcd: { endpoints: ["http://10.0.0.9:2379"], prefix: "/all" } };
  const prefix = (ipam: Record<string, unknown>) => readDockerNetwork(network(ipam), place).prefix;
  assertEquals(prefix({ Options: null }), "/all");
  assertEquals(prefix({ Options: null, Driver: "default" }), undefined);
  assertEquals(prefix({ Options: null, Driver: "null" }), undefined);
  // One of before goes on where it is.
  assertEquals(prefix({}), "/ipvlan");
});

Deno.test("only the networks of Docker's own IPAM drivers are foreign", () => {
  const isForeign = (Driver: string) => readDockerNetwork(network({ Driver }), PLACE).isForeign;
  assertEquals(["default", "null", "ipvlan-kit", "other"].map(isForeign), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("a network of a swarm, or a description of one, is not kept through a restart", () => {
  const kept = readDockerNetworks([
    network(),
    network({}, { Scope: "swarm" }),
    network({}, { ConfigOnly: true }),
  ], PLACE);
  assertEquals(kept.map(({ isKept }) => isKept), [true, false, false]);
  assertEquals(kept[0]!.auxiliary, { nas: "192.168.1.9" });
  assertEquals(auxiliaryUsers(kept[0]!), [{
    ...{ prefix: "/ipvlan", address: "192.168.1.9", network: "lan", names: [] },
    name: "lan, auxiliary address nas",
  }]);
  assertEquals(auxiliaryUsers({ ...kept[0]!, prefix: undefined }), []);
  assertEquals(readDockerNetworks(null, PLACE), []);
});

Deno.test("who uses an address is said with the network's name and prefix", () => {
  const known = new Map([["net1", readDockerNetwork(network(), PLACE)]]);
  const users = claimUsers(readContainer(container()), known);
  assertEquals(users, [{
    prefix: "/ipvlan",
    address: "192.168.1.20",
    name: "c1",
    network: "lan",
    names: ["c1", "www", "c1.lan"],
  }]);
  assertEquals(claimUsers(readContainer(container()), new Map()), []);
  const own = readDockerNetwork(network({ Options: {} }), PLACE);
  assertEquals(claimUsers(readContainer(container()), new Map([[own.id, own]])), []);
});

Deno.test("Docker makes no network of a pool if it shows as many as have requested it", () => {
  const access = { endpoints: ["http://10.0.0.1:2379"] };
  const pool = (requests: number, id = "local"): AddressPoolDetails => ({
    id: `docker:${id}/192.168.1.0/24@/ipvlan`,
    subnet: "192.168.1.0/24",
    owner: { engine: "docker", id },
    ipam: { driver: "etcd", access },
    requests,
    claims: [],
  });
  const has = (requests: number, ...networks: unknown[]) =>
    hasItsNetworks(
      pool(requests),
      [pool(requests)],
      networks.map((each) => readDockerNetwork(each, PLACE)),
    );
  assertEquals([has(0), has(1), has(1, network()), has(2, network())], [true, false, true, false]);
  // One that is another plugin's, of another subnet, or a description.
  const [subnet, managed] = [[{ Subnet: "10.0.0.0/24" }], { Driver: "ipvlan-kit:latest" }];
  const others = [network({ Driver: "other" }), network({ Config: subnet })];
  assertEquals(has(1, ...others, network({}, { ConfigOnly: true })), false);
  assertEquals(has(1, network(managed)), true);
  // A swarm's is there if it has an endpoint.
  const ends = { x: { IPv4Address: "192.168.1.2/24", IPv6Address: "" } };
  assertEquals(has(1, network({}, { Scope: "swarm" })), false);
  assertEquals(has(1, network({}, { Scope: "swarm", Containers: ends })), true);
  // Docker does not show in which etcd its pool is, if the plugin has said that.
  assertEquals(has(1, network({ Options: null })), true);
  // The pools of one subnet count together.
  const both = [pool(1), pool(1, "global")];
  assertEquals(hasItsNetworks(both[0]!, both, [readDockerNetwork(network(), PLACE)]), false);
});

Deno.test("addresses and subnets are compared in the form of the claims, whatever Docker writes", () => {
  const Config = [{ Subnet: "FD00::0/64", AuxiliaryAddresses: { nas: "FD00:0::9" } }, {
    Subnet: "no subnet",
  }];
  const Containers = { x: { IPv4Address: "192.168.1.4/24", IPv6Address: "" } };
  const lan = readDockerNetwork(network({ Config }, { Containers }), PLACE);
  assertEquals(lan.subnets, ["fd00::/64", "no subnet"]);
  const used = usedAddresses([readContainer(container({ GlobalIPv6Address: "FD00::2" }))], [lan]);
  assertEquals([...used], ["192.168.1.20", "fd00::2", "fd00::9", "192.168.1.4"]);
  assertEquals([...usedAddresses([readContainer(container({ IPAddress: "x" }))], [])], ["x"]);
});

Deno.test("an event is about a container, or a container's network", () => {
  const event = (Type: string, Attributes: Record<string, string>) =>
    containerOf({ Type, Action: "connect", Actor: { ID: "x", Attributes } });
  assertEquals(event("container", {}), "x");
  assertEquals(event("network", { container: "c" }), "c");
  assertEquals(event("network", {}), undefined);
});

Deno.test("an answer that is not Docker's is an error", () => {
  for (const body of [undefined, null, 7, "x", [], {}]) {
    assertThrows(() => readContainer(body), IpvlanError);
    assertThrows(() => readDockerNetwork(body, PLACE), IpvlanError);
    assertThrows(() => containerOf(body), IpvlanError);
  }
  assertThrows(() => readContainerIds([{ Id: 7 }]), IpvlanError);
});

Deno.test("what Docker releases and claims again is not an earlier claim", () => {
  const [pool, address] = ["docker:local/10.0.0.0/24", "10.0.0.2"];
  const earlier = new EarlierClaims([{
    id: pool,
    subnet: "10.0.0.0/24",
    owner: { engine: "docker", id: "local" },
    requests: 3,
    claims: [{ address, holder: "" }, { address: "10.0.0.3", holder: "" }],
  }]);
  assertEquals([earlier.has(pool, address), earlier.has(pool, "10.0.0.4")], [true, false]);
  const release = "IpamDriver.ReleaseAddress";
  for (const body of ["", "null", "[]", "{", '{"PoolID":7}']) earlier.forget(release, body);
  earlier.forget(release, JSON.stringify({ PoolID: pool }));
  earlier.forget("IpamDriver.RequestAddress", JSON.stringify({ PoolID: pool, Address: address }));
  assertEquals(earlier.has(pool, address), true);
  earlier.forget(release, JSON.stringify({ PoolID: pool, Address: address }));
  assertEquals([earlier.has(pool, address), earlier.has(pool, "10.0.0.3")], [false, true]);
  // One of three requests is taken back, one network is there: one is a surplus.
  earlier.forget("IpamDriver.ReleasePool", JSON.stringify({ PoolID: pool }));
  assertEquals([earlier.takeRequest(pool, 1), earlier.takeRequest(pool, 1)], [true, false]);
  assertEquals(earlier.takeRequest("another", 0), false);
});
