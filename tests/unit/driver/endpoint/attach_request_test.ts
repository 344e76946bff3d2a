// What is decided of a request, by the records of a store in memory.
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  borrowedOf,
  downNotices,
  giveWay,
  reserve,
  takenNamespace,
} from "../../../../lib/driver/endpoint/attach.ts";
import type { Siblings } from "../../../../lib/driver/endpoint/routes.ts";
import type { State } from "../../../../lib/driver/store/records.ts";
import { parentLink } from "../../../../lib/driver/endpoint/sandbox_parent.ts";
import { type AttachRequest, decide } from "../../../../lib/driver/endpoint/attach_request.ts";
import { KnownPools } from "../../../../lib/driver/addresses/pools.ts";
import type {
  HeldAddress,
  HeldAddresses,
} from "../../../../lib/driver/addresses/held_addresses.ts";
import { attempt } from "../../../../lib/base/errors.ts";
import { IN_SANDBOX } from "../../../../lib/driver/model/names.ts";
import type { HostFacts } from "../../../../lib/driver/model/facts.ts";
import type { Network, Owner } from "../../../../lib/driver/model/types.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import {
  addr,
  endpointRecord,
  host,
  link,
  network,
  route,
  sandboxRecord,
} from "../../../kit/values.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const DOCKER: Owner = { engine: "docker", id: "local" };
const LAN = network("lan");
const BACK = network("back", {
  parent: "eth1",
  subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", auxAddresses: {} }],
});
/** A second network with the subnet of the first one, as engines may have it. */
const TWIN = network("docker:twin", { owner: DOCKER });

/** A store with these networks, the sandbox `c1` without an endpoint, and what a test adds. */
function open(networks: Network[] = [LAN, BACK, TWIN]): Store {
  const store = Store.copy("/nowhere");
  for (const each of networks) store.putNetwork(each, "ready");
  store.putSandbox(sandboxRecord("c1", { namespace: "found" }), "ready");
  return store;
}

/** What is decided: of each endpoint its network, number, link and address; or all that is wrong. */
function outcome(
  store: Store,
  request: Partial<AttachRequest>,
  { facts = host(), held = [] }: { facts?: HostFacts; held?: HeldAddress[] } = {},
): { planned: string[]; notices: string[] } | string[] {
  const whole = { name: "c2", connections: [{ network: "lan" }], ...request };
  const holders = {
    on: (parent: string) => held.filter((each) => each.parent === parent),
  } as unknown as HeldAddresses;
  const parts = { store, pools: new KnownPools(store) };
  const decided = attempt(() => store.transaction(() => decide(parts, whole, facts, holders)));
  if (!decided.ok) return decided.problems.flatMap(({ message }) => message.split("\n"));
  const { planned, notices } = decided.value;
  return {
    planned: planned.map(({ network, endpoint }) =>
      `${network.name} ${endpoint.ordinal} ${endpoint.ifname} ${endpoint.ip}`
    ),
    notices,
  };
}

Deno.test("endpoints are decided one after another: each has the next name, and another address", () => {
  using store = open();
  const connections = [{ network: "lan" }, { network: "back" }];
  assertEquals(outcome(store, { namespace: "made", connections }), {
    planned: ["lan 0 eth0 192.168.1.2", "back 1 eth1 10.0.0.2"],
    notices: [],
  });
  // An engine may connect a sandbox to two networks of one parent, or twice to one.
  const owned = { name: "docker:c", owner: DOCKER, path: "/x", namespace: "borrowed" as const };
  const twice = [{ network: "lan" }, { network: "docker:twin" }, { network: "lan" }];
  assertEquals(outcome(store, { ...owned, connections: twice }), {
    planned: [
      "lan 0 eth0 192.168.1.2",
      "docker:twin 1 eth1 192.168.1.3",
      "lan 2 eth2 192.168.1.4",
    ],
    notices: [],
  });
  const asked = [{ network: "lan", ip: "192.168.1.9" }, {
    network: "docker:twin",
    ip: "192.168.1.9",
  }];
  assertEquals(outcome(store, { ...owned, connections: asked }), [
    'The address 192.168.1.9 is held by the sandbox "docker:c": give another one, or take it away ' +
    "from there",
  ]);
  // On another parent, the same address is another one.
  using other = open([LAN, network("far", { parent: "eth1" })]);
  const far = [{ network: "lan", ip: "192.168.1.9" }, { network: "far", ip: "192.168.1.9" }];
  assertEquals(outcome(other, { ...owned, connections: far }), {
    planned: ["lan 0 eth0 192.168.1.9", "far 1 eth1 192.168.1.9"],
    notices: [],
  });
});

Deno.test("what a sandbox has on record counts, but nothing of a new one of the same name", () => {
  using store = open();
  store.putEndpoint(endpointRecord("c1", BACK, { ip: "10.0.0.7" }), "ready");
  const owned = { name: "docker:c", owner: DOCKER, namespaceId: "7" };
  store.putSandbox(
    sandboxRecord("docker:c", { owner: DOCKER, path: "/x", namespaceId: "7" }),
    "ready",
  );
  store.putEndpoint(
    endpointRecord("docker:c", BACK, { id: "b".repeat(12), ip: "10.0.0.2" }),
    "ready",
  );
  assertEquals(outcome(store, owned), { planned: ["lan 1 eth1 192.168.1.2"], notices: [] });
});

Deno.test("an address of the parent, or that a link on it has, is passed over or refused", () => {
  using store = open();
  const facts = host({ addrs: [addr("eth0", "192.168.1.2/24"), addr("eth1", "192.168.1.3/24")] });
  const holder = 'the link "x" in the namespace "y"';
  const held = [
    { address: "192.168.1.3", holder, parent: "eth0", names: [] },
    { address: "192.168.1.4", holder, parent: "eth1", names: [] },
  ];
  assertEquals(outcome(store, { namespace: "made" }, { facts, held }), {
    planned: ["lan 0 eth0 192.168.1.4"],
    notices: [`The address 192.168.1.3 was passed over: ${holder} has it`],
  });
  const wanted = (ip: string) =>
    outcome(store, { namespace: "made", connections: [{ network: "lan", ip }] }, { facts, held });
  for (const ip of ["192.168.1.2", "192.168.1.3"]) {
    assertEquals((wanted(ip) as string[]).length, 1, ip);
  }
});

Deno.test("an alias is compared with the names of the network's other sandboxes, also the longer ones", () => {
  using store = open();
  store.putSandbox(sandboxRecord("db"), "ready");
  store.putEndpoint(endpointRecord("db", LAN, { aliases: ["c2"] }), "ready");
  const found = (name: string, ...aliases: string[]) =>
    (outcome(store, {
      name,
      namespace: "made",
      connections: [{ network: "lan", aliases }],
    }) as string[]).map?.((message) => message.replace(/ is .*/, ""));
  assertEquals(found("c3", "db"), ['The alias "db"']);
  assertEquals(found("c3", "db.lan"), ['The alias "db.lan"']);
  assertEquals(found("c3", "web", "db.back"), undefined);
  store.putSandbox(sandboxRecord("plain"), "ready");
  store.putEndpoint(
    endpointRecord("plain", LAN, { id: "b".repeat(12), ip: "192.168.1.9" }),
    "ready",
  );
  assertEquals(found("c3", "plain.lan"), ['The alias "plain.lan"']);
});

Deno.test("everything that is wrong with all connections is said at once", () => {
  using store = open();
  const connections = [
    { network: "none" },
    { network: "lan", ip: "10.0.0.1" },
    { network: "back", macAddress: "02:00:00:00:00:01", parent: "eth0" },
  ];
  const found = outcome(store, { namespace: "made", connections, hostname: "-" }) as string[];
  const beginnings = [
    "network none not found",
    "Address 10.0.0.1 is outside",
    'The MAC address "02:00:00:00:00:01"',
    'The parent "eth0"',
    'The host name "-"',
  ];
  assertEquals(found.length, beginnings.length, found.join("\n"));
  for (const beginning of beginnings) {
    assert(found.some((message) => message.startsWith(beginning)), `${beginning}: ${found}`);
  }
});

Deno.test("whether a sandbox can be made or connected depends on its name, record and namespace", () => {
  using store = open();
  const rule = (request: Partial<AttachRequest>) => {
    const found = outcome(store, request);
    return Array.isArray(found) ? found.join() : "";
  };
  const owned = { owner: DOCKER, name: "docker:c" };
  store.putSandbox(
    sandboxRecord("docker:old", { owner: DOCKER, path: "/x", namespaceId: "7" }),
    "ready",
  );
  store.putSandbox(sandboxRecord("docker:pathless", { owner: DOCKER }), "ready");
  const NAME = "a-name-of-no-namespace";
  store.putSandbox(sandboxRecord(`${NAME}-2`), "ready");
  const cases: [Partial<AttachRequest>, RegExp][] = [
    [{ name: NAME }, /^There is no sandbox /],
    [{ name: `${NAME}-2` }, /^The network namespace of sandbox .* is gone/],
    [{ name: "a b", namespace: "made" }, /^The sandbox name "a b" is not valid/],
    [{ name: `${NAME}-2`, namespace: "made" }, /is already in use/],
    [{ name: NAME, namespace: "found" }, /^There is no network namespace/],
    [{ name: NAME, namespace: "found", isHost: true }, /namespace .* is that of the host/],
    [{ name: NAME, namespace: "attached", isHost: true, pid: 1 }, /process id "1".* of the host/],
    [{ name: NAME, namespace: "made" }, /^$/],
    [owned, /^There is no sandbox /],
    [{ name: "docker:old", namespaceId: "7" }, /^$/],
    [{ name: "docker:old", namespaceId: "8" }, /is gone/],
    [{ name: "docker:old" }, /is gone/],
    [{ name: "docker:pathless", namespaceId: "8" }, /^$/],
    [{ ...owned, namespace: "borrowed", path: "/x" }, /^$/],
    [{ ...owned, namespace: "borrowed" }, /its path is needed/],
    [{ ...owned, namespace: "borrowed", name: "cni:c", path: "/x" }, /is not valid/],
    [{ ...owned, namespace: "borrowed", name: "docker:old", path: "/x" }, /is already in use/],
    [{
      ...owned,
      namespace: "borrowed",
      connections: [{ network: "lan", handOver: true }],
    }, /^$/],
    [{
      ...owned,
      namespace: "borrowed",
      connections: [{ network: "lan", handOver: true }, { network: "back" }],
    }, /its path is needed/],
  ];
  for (const [request, expected] of cases) assertMatch(rule(request), expected);
});

Deno.test("a network whose parent is in the sandbox has the parent that was seen there", () => {
  using store = open([network("vf", { parent: IN_SANDBOX }), BACK]);
  const inside = {
    links: [link("lo"), link("eth0"), link("net1")],
    addrs: [],
    routes: [route("lo", "10.0.0.0/8"), route("net1", "default", "192.168.0.1")],
  };
  const connections = [{ network: "vf" }, { network: "back" }];
  const decided = (facts: HostFacts) =>
    outcome(store, { name: "c9", namespace: "made", connections }, { facts });
  assertEquals(decided(host({ inside })), {
    // The default route of the other program is the first one, so these come after it.
    planned: ["vf 1 eth0 192.168.1.2", "back 2 eth1 10.0.0.2"],
    notices: [],
  });
  assertEquals((decided(host()) as string[]).length, 1);
});

Deno.test("a next hop that is a sandbox on the parent is said, as it gets only its own packets", () => {
  using store = open([LAN, network("far", { parent: "eth1" })]);
  store.putSandbox(sandboxRecord("router"), "ready");
  store.putEndpoint(endpointRecord("router", LAN, { ip: "192.168.1.9" }), "ready");
  const notices = (network: string, ...hops: (string | undefined)[]) => {
    const routes = hops.map((via, index) => ({ dst: `10.${index}.0.0/16`, via }));
    const connections = [{ network, routes }];
    return (outcome(store, { namespace: "made", connections }) as { notices: string[] }).notices;
  };
  const said =
    'The next hop 192.168.1.9 is the sandbox "router", and ipvlan carries to a sandbox ' +
    "only what is sent to its own addresses";
  assertEquals(notices("lan", "192.168.1.1", undefined, "192.168.1.9", "192.168.1.9"), [said]);
  assertEquals(notices("far", "192.168.1.9"), []);
});

Deno.test("a network, connection or sandbox that is not ready yet is refused as such", () => {
  using store = open();
  const refused = (request: Partial<AttachRequest>) =>
    assertThrowsError(
      () =>
        decide(
          { store, pools: new KnownPools(store) },
          { name: "c2", connections: [{ network: "lan" }], namespace: "made", ...request },
          host(),
          { on: () => [] as HeldAddress[] } as unknown as HeldAddresses,
        ),
      "half-done",
    ).message.replace(/ is .*/, "");
  store.putNetwork(network("half", { parent: "eth7" }), "making");
  assertEquals(refused({ connections: [{ network: "half" }] }), 'The network "half"');
  store.putSandbox(sandboxRecord("c3"), "removing");
  assertEquals(refused({ name: "c3" }), 'The sandbox "c3"');
  store.putEndpoint(endpointRecord("c1", LAN), "removing");
  assertEquals(refused({ name: "c1" }), 'The connection of "c1" to "lan"');
});

Deno.test("a new sandbox takes over the namespace with its name, or that of a process", () => {
  const taken = (namespace: AttachRequest["namespace"], name = "c1") =>
    takenNamespace({ name, namespace, pid: 7 });
  assertEquals(taken("found"), "/run/netns/c1");
  assertEquals(taken("found", "../x"), undefined);
  assertEquals(taken("attached"), "/proc/7/ns/net");
  assertEquals([taken("made"), taken("borrowed"), taken(undefined)], [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("the parent of an endpoint is a link of the host, or of the sandbox if it is in there", () => {
  const facts = host({
    links: [link("eth0"), link("net1", { index: 77 })],
    inside: {
      links: [link("eth0", { index: 5 }), link("net1", { index: 6 })],
      addrs: [],
      routes: [],
    },
  });
  const index = (parent: string, own?: string, seen: HostFacts | undefined = facts) => {
    const endpoint = endpointRecord("c1", LAN, { parent: own });
    return parentLink({ network: network("n", { parent }), endpoint }, seen)?.index;
  };
  assertEquals(index("net1"), 77);
  assertEquals(index("none"), undefined);
  assertEquals(index(IN_SANDBOX, "net1"), 6);
  assertEquals(index(IN_SANDBOX, "none"), undefined);
  assertEquals(index(IN_SANDBOX, "net1", host()), undefined);
  const { network: net, endpoint } = { network: LAN, endpoint: endpointRecord("c1", LAN) };
  assertEquals(parentLink({ network: net, endpoint }, undefined), undefined);
});

Deno.test("the default routes that a sandbox has give way to others, unless its connections change just now", () => {
  const lines = (state: State, siblings: Siblings, gatewayPriority?: number) => {
    const endpoint = { ...endpointRecord("c1", LAN, { gatewayPriority }), state };
    const steps = attempt(() => giveWay([{ network: LAN, endpoint }], siblings));
    return steps.ok ? steps.value.map(({ line }) => line) : steps.problems[0]!.code;
  };
  assertEquals(lines("ready", "equal"), []);
  assertEquals(lines("ready", "ranked"), [
    "route flush table main exact 0.0.0.0/0 dev eth0 metric 0",
    "route replace default via 192.168.1.1 dev eth0 metric 200000",
  ]);
  assertEquals(lines("making", "ranked"), "half-done");
  assertEquals(lines("making", "equal"), []);
});

Deno.test("on record of an engine's namespace are its owner, its path and its identity, if there are any", () => {
  const of = (request: Partial<AttachRequest>) =>
    borrowedOf({ name: "c", connections: [], ...request });
  assertEquals(of({}), {});
  assertEquals(of({ owner: DOCKER }), { owner: DOCKER });
  assertEquals(of({ path: "/x", namespaceId: "7" }), { path: "/x", namespaceId: "7" });
  assertEquals(of({ namespaceId: "7" }), {});
});

Deno.test("a parent that is down is said", () => {
  const said = (up: boolean) =>
    downNotices(
      [{ network: LAN, endpoint: endpointRecord("c", LAN) }],
      host({ links: [link("eth0", { up })] }),
    );
  assertEquals(said(true), []);
  assertEquals(said(false), ['The parent "eth0" is down, so nothing passes']);
  assertEquals(downNotices([{ network: BACK, endpoint: endpointRecord("c", BACK) }], host()), []);
});

Deno.test("a new sandbox is recorded and made with its endpoints, and one on record only gets more", () => {
  using store = open();
  const parts = { store, pools: new KnownPools(store) };
  const held = { on: () => [] } as unknown as HeldAddresses;
  const reserved = (request: AttachRequest) => reserve(parts, request, host(), held);
  const lines = ({ steps }: ReturnType<typeof reserve>) =>
    steps.map(({ line }) => line).filter((line) => /^(netns|link add|route)/.test(line))
      .map((line) => line.replace(/ index .*/, ""));
  const made = reserved({
    name: "a-name-of-no-namespace",
    namespace: "made",
    connections: [{ network: "lan" }],
    hostname: "web",
    labels: { tier: "front" },
  });
  const { id, created, ...sandbox } = made.sandbox;
  assertMatch(id, /^[0-9a-f]{64}$/);
  assertEquals(new Date(created).toISOString(), created);
  assertEquals(sandbox, {
    name: "a-name-of-no-namespace",
    namespace: "made",
    hostname: "web",
    labels: { tier: "front" },
  });
  const endpoint = made.planned[0]!.endpoint;
  assertEquals(lines(made), [
    "netns add a-name-of-no-namespace",
    `link add link eth0 name e-${endpoint.id} netns a-name-of-no-namespace`,
    "route add default via 192.168.1.1 dev eth0",
  ]);
  assertEquals(made.records, { sandbox: made.sandbox, endpoints: [endpoint] });
  assertEquals(store.sandboxes({ unready: true }), [{ ...made.sandbox, state: "making" }]);
  assertEquals(store.endpoints({ unready: true }), [{ ...endpoint, state: "making" }]);
  // A second network with a priority takes the default route of the first one.
  const owned = sandboxRecord("docker:c", { owner: DOCKER, path: "/x", namespaceId: "7" });
  store.putSandbox(owned, "ready");
  const first = endpointRecord("docker:c", LAN, { id: "b".repeat(12), ip: "192.168.1.9" });
  store.putEndpoint(first, "ready");
  const more = reserved({
    name: "docker:c",
    namespaceId: "7",
    connections: [{ network: "back", gatewayPriority: 1 }],
  });
  const second = more.planned[0]!.endpoint;
  assertEquals(lines(more), [
    `link add link eth1 name e-${second.id} netns /x`,
    "route flush table main exact 0.0.0.0/0 dev eth0 metric 0",
    "route replace default via 192.168.1.1 dev eth0 metric 200000",
    "route add default via 10.0.0.1 dev eth1 metric 199901",
  ]);
  assertEquals(more.records, { endpoints: [second] });
  assertEquals([more.sandbox, more.present.map(({ endpoint }) => endpoint.id)], [owned, [
    first.id,
  ]]);
});

/** All orders of some items. */
function orders<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((first) =>
    orders(items.filter((each) => each !== first)).map((rest) => [first, ...rest])
  );
}

Deno.test("in every order of their start, services get the addresses that are reserved for them", () => {
  const reservations = [
    // The next address that the network would give.
    { name: "db", address: "192.168.1.2" },
    { name: "web", address: "192.168.1.4" },
  ];
  const services = ["db", "web", "cache", "mail", "dns"];
  const holders = { on: () => [] } as unknown as HeldAddresses;
  using store = open([{ ...LAN, reservations }]);
  const parts = { store, pools: new KnownPools(store) };
  for (const order of orders(services)) {
    const start = (name: string, ip?: string) => {
      const request = { name, namespace: "made", connections: [{ network: "lan", ip }] } as const;
      const { planned } = reserve(parts, request, host(), holders);
      for (const { endpoint } of planned) store.putEndpoint(endpoint, "ready");
      return planned[0]!.endpoint.ip;
    };
    // This service asks for an address that nobody has reserved, so it starts before the others.
    const first = start("ntp", "192.168.1.3");
    const given = Object.fromEntries(order.map((name) => [name, start(name)]));
    const wanted = ["192.168.1.5", "192.168.1.6", "192.168.1.7"];
    const others = order.filter((name) => name !== "db" && name !== "web");
    assertEquals([first, given.db, given.web, ...others.map((name) => given[name])], [
      ...["192.168.1.3", "192.168.1.2", "192.168.1.4"],
      ...wanted,
    ], order.join());
    // Nobody else gets them, also while their own are not there.
    const stop = (name: string) => {
      for (const { id } of store.endpoints({ sandbox: name })) store.deleteEndpoint(id);
      store.deleteSandbox(name);
    };
    stop("db");
    assertThrowsError(() => start("thief", "192.168.1.2"), "address-held");
    assertEquals([start("late"), start("db")], ["192.168.1.8", "192.168.1.2"]);
    for (const { name } of store.sandboxes()) stop(name);
  }
});
