import { attempt, type ErrorCode } from "../../../../lib/base/errors.ts";
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import {
  linkAddresses,
  linkRoutes,
  type NetworkEndpoint,
  routedSubnets,
  type Siblings,
  siblingsOf,
  toEndpoint,
} from "../../../../lib/driver/endpoint/routes.ts";
import { decideEndpoint } from "../../../../lib/driver/endpoint/decide.ts";
import {
  endpointSteps,
  linkIndex,
  rerouteSteps,
  routingOf,
  sandboxSteps,
} from "../../../../lib/driver/endpoint/steps.ts";
import type { HeldAddress } from "../../../../lib/driver/addresses/held_addresses.ts";
import { subnetsOf } from "../../../../lib/driver/model/subnets.ts";
import { CALLER, type Step } from "../../../../lib/driver/run/plan.ts";
import type { EndpointRecord } from "../../../../lib/driver/store/records.ts";
import type {
  ConnectOptions,
  EndpointRoute,
  Network,
  NetworkSpec,
} from "../../../../lib/driver/model/types.ts";
import { settle } from "../../../../lib/driver/network/settle.ts";
import { formatAddress, parsePrefix, Pools } from "../../../../lib/ipam/mod.ts";
import { firstUsable } from "../../../../lib/ipam/prefix.ts";
import { network, plainSteps } from "../../../kit/values.ts";
import { assertError } from "../../../kit/errors.ts";
import { ipCommandError } from "../../../../lib/iproute2/errors.ts";

const ID = "e1e2e3e4e5e6";

const DUAL = network("dual", {
  subnets: [
    { subnet: "192.168.140.0/24", gateway: "192.168.140.1", auxAddresses: {} },
    { subnet: "192.168.142.0/24", gateway: "192.168.142.254", auxAddresses: {} },
    { subnet: "2001:db8:abc9::/64", gateway: "2001:db8:abc9::22", auxAddresses: {} },
  ],
});

function endpoint(changes: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    ...{ id: ID, network: DUAL.id, sandbox: "c1", ifname: "eth0", ordinal: 0, aliases: [] },
    ...changes,
  };
}

function decide(options: ConnectOptions, facts: {
  network?: Network;
  taken?: string[];
  present?: NetworkEndpoint[];
  neighbours?: EndpointRecord[];
  parentAddresses?: string[];
  held?: HeldAddress[];
} = {}) {
  const { network = DUAL, taken = [], ...others } = facts;
  const pools = Pools.of(subnetsOf(network), taken);
  return decideEndpoint(options, ID, {
    network,
    pools,
    sandbox: "c1",
    present: [],
    neighbours: [],
    parentAddresses: [],
    held: [],
    holderElsewhere: () => undefined,
    ...others,
  });
}

function decided(...args: Parameters<typeof decide>) {
  const decision = decide(...args);
  assert(decision.ok, JSON.stringify(decision));
  return decision;
}

function problems(...args: Parameters<typeof decide>) {
  const decision = decide(...args);
  assert(!decision.ok);
  return decision.problems;
}

Deno.test("an endpoint gets the next address of each family, and its link the next name", () => {
  const { endpoint: first, pools } = decided({});
  assertEquals(
    first,
    endpoint({ ip: "192.168.140.2", ip6: "2001:db8:abc9::1" }),
  );
  assertEquals(pools.takeNext(4).address, "192.168.140.3");
  assertEquals(pools.takeNext(6).address, "2001:db8:abc9::2");
  // Without IPv6 there is no such field, not an undefined one.
  assertEquals(decided({}, { network: network("v4") }).endpoint, {
    ...endpoint({ network: network("v4").id }),
    ip: "192.168.1.2",
  });
});

Deno.test("addresses that are asked for are given, those of the second subnet too", () => {
  const { endpoint: given } = decided({ ip: "192.168.142.10", ip6: "2001:DB8:abc9::0:10" });
  assertEquals([given.ip, given.ip6], ["192.168.142.10", "2001:db8:abc9::10"]);
  assertEquals(linkAddresses(DUAL, given), [
    { address: "192.168.142.10/24", gateway: "192.168.142.254" },
    { address: "2001:db8:abc9::10/64", gateway: "2001:db8:abc9::22" },
  ]);
  assertEquals(shown({ network: DUAL, endpoint: given }), {
    network: "dual",
    sandbox: "c1",
    ifname: "eth0",
    ip: "192.168.142.10/24",
    ip6: "2001:db8:abc9::10/64",
    gateway: "192.168.142.254",
    gateway6: "2001:db8:abc9::22",
    routes: [
      { dst: "0.0.0.0/0", via: "192.168.142.254" },
      { dst: "::/0", via: "2001:db8:abc9::22" },
    ],
    defaultRoute: true,
    defaultRoute6: true,
    names: ["c1", "c1.dual"],
    aliases: [],
    parent: "eth0",
  });
});

const SEVERAL = {
  ip: "192.168.142.10",
  ip6: "2001:db8:abc9::10",
  moreAddresses: ["2001:db8:abc9::11", "192.168.142.9", "192.168.140.10"],
};

Deno.test("several addresses of a family are given, and the default routes are those of the first", () => {
  const { endpoint: given, pools } = decided({
    ...SEVERAL,
    moreAddresses: ["2001:DB8:abc9::0:11", ...SEVERAL.moreAddresses.slice(1)],
  });
  assertEquals(given, endpoint(SEVERAL));
  // They are taken, for the next endpoint.
  for (const address of SEVERAL.moreAddresses) {
    assertEquals(attempt(() => pools.take(address)).ok, false, address);
  }
  assertEquals(lines(DUAL, given).slice(2, -1), [
    "-n c1 addr add 192.168.142.10/24 dev eth0",
    "-n c1 addr add 192.168.142.9/24 dev eth0",
    "-n c1 addr add 192.168.140.10/24 dev eth0",
    "-n c1 addr add 2001:db8:abc9::10/64 dev eth0 nodad",
    "-n c1 addr add 2001:db8:abc9::11/64 dev eth0 nodad",
    "-n c1 link set dev eth0 up",
    "-n c1 route add default via 192.168.142.254 dev eth0",
    "-n c1 route add ::/0 via 2001:db8:abc9::22 dev eth0",
  ]);
  assertEquals(
    linkRoutes({ ...DUAL, mode: "l3" }, given, "none").map(({ dst }) => dst),
    ["default", "::/0"],
  );
  const { ip, ip6, moreAddresses, gateway, gateway6 } = shown({ network: DUAL, endpoint: given });
  assertEquals({ ip, ip6, moreAddresses }, {
    ip: "192.168.142.10/24",
    ip6: "2001:db8:abc9::10/64",
    moreAddresses: ["192.168.142.9/24", "192.168.140.10/24", "2001:db8:abc9::11/64"],
  });
  assertEquals([gateway, gateway6], ["192.168.142.254", "2001:db8:abc9::22"]);
  const { rules, routes } = routingOf({ ...DUAL, policyRoutes: true }, given, "none");
  assertEquals(rules.map(({ src }) => src), linkAddresses(DUAL, given).map(bare));
  assertEquals(routes.filter(({ table }) => table !== undefined).map(({ dst }) => dst), [
    "192.168.142.0/24",
    "192.168.140.0/24",
    "2001:db8:abc9::/64",
    "default",
    "::/0",
  ]);
});

Deno.test("a further address has a first one of its family, is given once, and is nobody else's", () => {
  const sentences = (options: ConnectOptions, facts?: Parameters<typeof decide>[1]) =>
    problems(options, facts).map(({ message }) => message);
  const ip = "192.168.140.5";
  assertEquals(sentences({ ip, moreAddresses: ["192.168.140.6", "192.168.140.6", ip] }), [
    'The address "192.168.140.6" is not valid: it is given twice',
    `The address "${ip}" is not valid: it is given twice`,
  ]);
  assertEquals(sentences({ ip, moreAddresses: ["2001:db8:abc9::5"] }), [
    'The address "2001:db8:abc9::5" is not valid: the first IPv6 address is missing: give it as ip6',
  ]);
  assertEquals(sentences({ moreAddresses: [ip] }), [
    `The address "${ip}" is not valid: the first IPv4 address is missing: give it as ip`,
  ]);
  const more = { ip, moreAddresses: ["192.168.140.6", "192.168.140.7", "10.0.0.1", "x"] };
  const held = [{ address: "192.168.140.7", holder: "the link x", parent: "eth0", names: [] }];
  const [taken, other, outside, nonsense, ...rest] = problems(more, {
    taken: ["192.168.140.6"],
    held,
  });
  assertError(taken, "address-in-use");
  assertError(other, "address-held");
  assertError(outside, "outside-subnet");
  assertError(nonsense, "invalid-address");
  assertEquals(rest, []);
});

function bare({ address }: { address: string }): string {
  return address.split("/")[0]!;
}

/** An endpoint as users see it, in a sandbox without another one. */
function shown(only: NetworkEndpoint) {
  return toEndpoint(only, [only]);
}

Deno.test("the routes of an endpoint follow those of its network, and win over them", () => {
  const subnets = [{ subnet: "192.168.1.0/24" }, { subnet: "192.168.2.0/24" }];
  const of = (spec: Partial<NetworkSpec>, moreRoutes: EndpointRoute[], ordinal = 0) => {
    const settled = settle({ name: "n", parent: "eth0", subnets, ...spec });
    assertEquals(settled.problems, []);
    const on = network("n", settled.network);
    const { endpoint } = decided({ moreRoutes, ip: "192.168.1.10" }, { network: on });
    return linkRoutes(on, { ...endpoint, ordinal }, "none")
      .map(({ dst, via, metric }) => [dst, via, ...metric === undefined ? [] : [metric]].join(" "));
  };
  const routes = [
    { dst: "10.8.0.0/16", via: "192.168.1.5" },
    { dst: "10.9.0.0/16", via: "192.168.1.5" },
    // It is on the other subnet.
    { dst: "10.7.0.0/16", via: "192.168.2.5" },
  ];
  const [, nine] = routes;
  assertEquals(of({}, [nine!]), ["default 192.168.1.1", "10.9.0.0/16 192.168.1.5"]);
  assertEquals(of({ routes }, [{ ...nine!, via: "192.168.1.6" }]), [
    "default 192.168.1.1",
    "10.8.0.0/16 192.168.1.5",
    "10.9.0.0/16 192.168.1.6",
  ]);
  assertEquals(of({ routes: [nine!] }, [], 2).slice(1), ["10.9.0.0/16 192.168.1.5 1026"]);
  assertEquals(of({ mode: "l3" }, [{ dst: "10.9.0.0/16" }]), ["default ", "10.9.0.0/16 "]);
  // Without a default route, the other subnet of an L3 network needs one.
  const none = subnets.map((subnet) => ({ ...subnet, gateway: "none" }));
  assertEquals(of({ subnets: none }, [nine!]), ["10.9.0.0/16 192.168.1.5"]);
  assertEquals(of({ subnets: none, mode: "l3" }, []), ["192.168.2.0/24  1024"]);
  assertEquals("moreRoutes" in decided({ moreRoutes: [] }).endpoint, false);
  assertEquals(decided({ routes: [] }).endpoint.routes, []);
});

Deno.test("engines see the route to the host where a network has host access", () => {
  const subnets = [{ subnet: "192.168.1.0/24", auxAddresses: {} }];
  const on = network("n", { parent: "eth0", subnets });
  const seen = (more: Partial<Network>) => {
    const { endpoint } = decided({ handOver: true }, { network: { ...on, ...more } });
    return shown({ network: { ...on, ...more }, endpoint }).routes.map(({ dst }) => dst);
  };
  assertEquals(seen({ hostAccess: true }), [...seen({}), "169.254.77.1/32"]);
});

Deno.test("a route that takes a part of another network of the sandbox is refused", () => {
  const on = (name: string, subnet: string, more: Partial<NetworkSpec> = {}) =>
    network(name, settle({ name, parent: "eth0", subnets: [subnet], ...more }).network);
  const one = on("one", "192.168.1.0/24");
  const to = (dst: string) =>
    on("two", "192.168.2.0/24", {
      routes: [{ dst, via: "192.168.2.9" }],
    });
  const codes = (first: Network, second: Network) => {
    const present = [{ network: first, endpoint: decided({}, { network: first }).endpoint }];
    const decision = decide({}, { network: second, present });
    return decision.ok ? [] : decision.problems.map(({ code }) => code);
  };
  for (const dst of ["192.168.1.0/24", "192.168.1.128/25"]) {
    assertEquals(codes(one, to(dst)), ["route-overlap"]);
    assertEquals(codes(to(dst), one), ["route-overlap"]);
  }
  for (const dst of ["192.168.0.0/16", "192.168.3.0/24"]) {
    assertEquals([codes(one, to(dst)), codes(to(dst), one)], [[], []]);
  }
});

Deno.test("the parent's own addresses are never given", () => {
  const parentAddresses = ["192.168.140.2", "192.168.140.3", "10.0.0.1"];
  assertEquals(decided({}, { parentAddresses }).endpoint.ip, "192.168.140.4");
  const [problem] = problems({ ip: "192.168.140.3" }, { parentAddresses });
  assertError(problem, "address-held");
  assertEquals(
    problem.message,
    'The address 192.168.140.3 is held by the parent "eth0" of the host: give another one, or ' +
      "take it away from there",
  );
});

Deno.test("addresses that are meant for others are passed over, and stay free for them", () => {
  const except = ["192.168.140.2", "192.168.140.3", "2001:db8:abc9::1"];
  const { endpoint, pools } = decided({ except });
  assertEquals([endpoint.ip, endpoint.ip6], ["192.168.140.4", "2001:db8:abc9::2"]);
  for (const address of except) assertEquals(pools.take(address).address, address);
});

Deno.test("where a subnet is full, the next one gives the address, and that is said", () => {
  const small = network("small", {
    subnets: ["10.0.0.0/30", "fd00::/64", "10.0.1.0/30", "10.0.2.0/30"].map((subnet) => ({
      subnet,
      auxAddresses: {},
    })),
  });
  const { endpoint: first, notices } = decided({}, { network: small });
  assertEquals([first.ip, notices], ["10.0.0.2", []]);
  const later = decided({}, { network: small, taken: ["10.0.0.2"] });
  assertEquals([later.endpoint.ip, later.notices], ["10.0.1.2", [
    "The address 10.0.1.2 is of the subnet 10.0.1.0/30, as those before it are full",
  ]]);
  // Addresses that others hold or will ask for are taken as well.
  const last = decided({ except: ["10.0.1.2"] }, {
    network: small,
    held: [{ address: "10.0.0.2", holder: "the link X", parent: "eth0", names: [] }],
  });
  assertEquals([last.endpoint.ip, last.notices], ["10.0.2.2", [
    "The address 10.0.0.2 was passed over: the link X has it",
    "The address 10.0.2.2 is of the subnet 10.0.2.0/30, as those before it are full",
  ]]);
  assertEquals(last.pools.take("10.0.1.2").address, "10.0.1.2");
  const full = { network: small, taken: ["10.0.0.2", "10.0.1.2", "10.0.2.2"] };
  assertError(problems({}, full)[0], "pool-exhausted");
  assertEquals(decided({ ip: "10.0.2.2" }, { network: small }).notices, []);
});

Deno.test("an address that cannot be used is refused with the reason", () => {
  const v4 = network("v4");
  const aux = network("aux", {
    subnets: [{
      subnet: "10.0.0.0/24",
      gateway: "10.0.0.1",
      auxAddresses: { ntp: "10.0.0.5" },
    }],
  });
  const cases: [ConnectOptions, Network, ErrorCode, string][] = [
    [{ ip: "10.0.0.1" }, v4, "outside-subnet", "10.0.0.1"],
    [{ ip: "192.168.1.0" }, v4, "unusable-address", "192.168.1.0"],
    [{ ip: "192.168.1.255" }, v4, "unusable-address", "192.168.1.255"],
    [{ ip: "192.168.1.1" }, v4, "reserved-address", "192.168.1.1"],
    [{ ip: "10.0.0.5" }, aux, "reserved-address", "ntp"],
    [{ ip: "192.168.1.7" }, v4, "address-in-use", "192.168.1.7"],
    [{ ip: "192.168.1.007" }, v4, "invalid-address", "192.168.1.007"],
    [{ ip: "192.168.1.7/24" }, v4, "invalid-address", "192.168.1.7/24"],
    [{ ip: "" }, v4, "invalid-address", '""'],
    [{ ip: "2001:db8:abc9::5" }, DUAL, "invalid-option", '"2001:db8:abc9::5"'],
    [{ ip6: "192.168.140.9" }, DUAL, "invalid-option", '"192.168.140.9"'],
    [{ ip6: "2001:db8:abc9::" }, DUAL, "unusable-address", "2001:db8:abc9::"],
    [{ ip6: "2001:db8:abc9::22" }, DUAL, "reserved-address", "2001:db8:abc9::22"],
    [{ ip6: "2001:db8::5" }, v4, "outside-subnet", "2001:db8::5"],
  ];
  for (const [options, network, type, value] of cases) {
    const taken = network === v4 ? ["192.168.1.7"] : [];
    const [problem, ...rest] = problems(options, { network, taken });
    assertEquals(rest, [], value);
    assertError(problem, type, value);
  }
});

Deno.test("a subnet that overlaps another of the sandbox is refused with both routes", () => {
  const on = (subnet: string): NetworkEndpoint[] => {
    const ip = formatAddress(firstUsable(parsePrefix(subnet).prefix));
    const lan = network("lan", { subnets: [{ subnet, auxAddresses: {} }] });
    const addresses = ip.includes(":") ? { ip6: ip } : { ip };
    const other = endpoint({ ...addresses, network: lan.id, ifname: "eth1", ordinal: 1 });
    return [{ network: lan, endpoint: other }];
  };
  const overlapping = ["192.168.140.0/24", "192.168.140.0/25", "192.168.0.0/16", "2001:db8::/32"];
  for (const subnet of overlapping) {
    const [problem, ...rest] = problems({}, { present: on(subnet) });
    assertEquals(rest, [], subnet);
    assertError(problem, "route-overlap");
    const own = subnet.includes(":") ? "2001:db8:abc9::/64" : "192.168.140.0/24";
    assertEquals(
      problem.message,
      `The sandbox "c1" cannot be connected to network "dual": the route ${own} dev eth0 would ` +
        `overlap ${subnet} dev eth1 of network "lan", and packets would take the wrong one: ` +
        "disconnect it from that network, or use another subnet",
    );
  }
  // It gets no address of the network's second subnet, so it gets no route to it either.
  decided({}, { present: on("192.168.142.0/25") });
  problems({ ip: "192.168.142.10" }, { present: on("192.168.142.0/25") });
});

Deno.test("an alias is not the name of another sandbox on the network, in either order", () => {
  const found = (aliases: string[], sandbox: string, theirs: string[] = []) => {
    const neighbours = [endpoint({ sandbox, aliases: theirs })];
    const decision = decide({ aliases }, { neighbours });
    return decision.ok ? [] : decision.problems.map((problem) => {
      assertError(problem, "name-in-use");
      return problem.message;
    });
  };
  const rule = "choose another one, as only one of them would be found by it";
  assertEquals(found(["db", "web"], "db"), [
    `The alias "db" is the name of the sandbox "db" on network "dual": ${rule}`,
  ]);
  assertEquals(found(["DB", "db.dual"], "db"), [
    `The alias "DB" is the name of the sandbox "db" on network "dual": ${rule}`,
    `The alias "db.dual" is the name of the sandbox "db" on network "dual": ${rule}`,
  ]);
  assertEquals(found([], "db", ["x", "C1", "c1.dual"]), [
    `The sandbox name "c1" is an alias of the sandbox "db" on network "dual": ${rule}`,
    `The sandbox name "c1.dual" is an alias of the sandbox "db" on network "dual": ${rule}`,
  ]);
  // Several sandboxes may share an alias, and one's own name is no other's.
  assertEquals(found(["web", "c1", "db.other"], "db", ["web"]), []);
});

Deno.test("all problems of an endpoint are reported at once", () => {
  const found = problems({
    ip: "1.2.3.4",
    ip6: "::1",
    macAddress: "02:00:00:00:00:01",
    aliases: ["ok", "not ok", ""],
    ifname: "eth0",
  }, { present: [{ network: DUAL, endpoint: endpoint() }] });
  assertEquals(found.map((problem) => problem.code), [
    "already-connected",
    "mac-address",
    "invalid-name",
    "invalid-name",
    "link-exists",
    "outside-subnet",
    "outside-subnet",
  ]);
  assertEquals(found.slice(0, 5).map(({ message }) => message), [
    "endpoint with name c1 already exists in network dual",
    'The MAC address "02:00:00:00:00:01" cannot be used: every ipvlan link has the MAC address of ' +
    "its parent",
    'The alias name "not ok" is not valid: letters and digits, and after the first also _ . and -',
    'The alias name "" is not valid: letters and digits, and after the first also _ . and -',
    'The sandbox "c1" has a link "eth0" already: choose another name',
  ]);
});

Deno.test("a link's name and place are the first that are free", () => {
  const at = (...taken: [number, string][]) => {
    const present = taken.map(([ordinal, ifname]) => {
      const other = network(`other${ordinal}`);
      return { network: other, endpoint: endpoint({ network: other.id, ordinal, ifname }) };
    });
    const { ordinal, ifname } = decided({}, { present }).endpoint;
    return [ordinal, ifname];
  };
  assertEquals(at(), [0, "eth0"]);
  assertEquals(at([0, "eth0"]), [1, "eth1"]);
  assertEquals(at([0, "eth0"], [2, "eth2"]), [1, "eth1"]);
  assertEquals(at([1, "eth1"]), [0, "eth0"]);
  assertEquals(at([0, "eth1"]), [1, "eth2"]);
  assertEquals(decided({ ifname: "lan0" }).endpoint.ifname, "lan0");
  assertError(problems({ ifname: "lo" })[0], "link-exists");
  for (const ifname of ["", "a b", "sixteen-letters-", "-x", "a/b"]) {
    assertError(problems({ ifname })[0], "invalid-word", ifname);
  }
});

Deno.test("link-local addresses and a priority are checked, and recorded if there are any", () => {
  const { endpoint: plain } = decided({ linkLocalAddresses: [], gatewayPriority: 0 });
  assertEquals(["linkLocalAddresses" in plain, "gatewayPriority" in plain], [false, false]);
  const { endpoint: given } = decided({
    linkLocalAddresses: ["169.254.7.1", "FE80:0::7"],
    gatewayPriority: -3,
  });
  assertEquals([given.linkLocalAddresses, given.gatewayPriority], [["169.254.7.1", "fe80::7"], -3]);
  const one = decided({ linkLocalAddresses: ["fe80::7"] }).endpoint;
  assertEquals([one.linkLocalAddresses, "gatewayPriority" in one], [["fe80::7"], false]);
  const rule = (options: ConnectOptions, network?: Network) =>
    problems(options, { network }).map(({ message }) => message.replace(/.* is not valid: /, ""));
  assertEquals(rule({ linkLocalAddresses: ["10.0.0.1", "fec0::1", "x", "169.254.7.1/16"] }), [
    "give one of 169.254.0.0/16 or of fe80::/10",
    "give one of 169.254.0.0/16 or of fe80::/10",
    'Invalid address "x": write it like 192.168.1.10 or 2001:db8::10',
    'Invalid address "169.254.7.1/16": it has a prefix length; write the address alone',
  ]);
  assertEquals(rule({ linkLocalAddresses: ["fe80::1", "fe80:0::1"] }), ["it is given twice"]);
  const v4 = network("v4", { subnets: DUAL.subnets.slice(0, 1) });
  assertEquals(rule({ linkLocalAddresses: ["fe80::1"] }, v4), [
    'the network "v4" has no IPv6 subnet, so its links have no IPv6',
  ]);
  for (const gatewayPriority of [1001, -1001, 0.5, NaN]) {
    assertEquals(rule({ gatewayPriority }), ["give a whole number from -1000 to 1000"]);
  }
});

Deno.test("an address that an engine brings is taken with its length, and in its usual form", () => {
  const network = { ...DUAL, subnets: [], foreignAddresses: true as const };
  const { endpoint: given } = decided({ ip: "10.0.0.5/8", ip6: "FD00:0::5/64" }, { network });
  assertEquals([given.ip, given.ip6, given.prefixLengths], ["10.0.0.5", "fd00::5", {
    "10.0.0.5": 8,
    "fd00::5": 64,
  }]);
  assertEquals(linkAddresses(network, given), [{ address: "10.0.0.5/8" }, {
    address: "fd00::5/64",
  }]);
  // An earlier version recorded the lengths by family.
  assertEquals(
    linkAddresses(network, { ...given, prefixLengths: { ip: 8, ip6: 64 } }),
    linkAddresses(network, given),
  );
  const moreAddresses = ["10.0.0.6/16", "172.16.0.1/12"];
  const { endpoint: three } = decided({ ip: "10.0.0.5/8", moreAddresses }, { network });
  assertEquals(linkAddresses(network, three).map(({ address }) => address), [
    "10.0.0.5/8",
    ...moreAddresses,
  ]);
  assertEquals(
    problems({ ip: "10.0.0.5/8", moreAddresses: ["10.0.0.5/16"] }, { network }).length,
    1,
  );
  const { endpoint: none } = decided({}, { network });
  assertEquals([none.ip, none.ip6, none.prefixLengths], [undefined, undefined, {}]);
  for (const ip of ["10.0.0.5", "fd00::5/64", "10.0.0.5/33", "x/8"]) {
    assertEquals(problems({ ip }, { network }).length, 1, ip);
  }
});

Deno.test("a link that is handed over keeps its temporary name, and its record says so", () => {
  const { endpoint: given } = decided({ handOver: true, ifname: "eth7" });
  assertEquals([given.handOver, given.ifname], [true, `e-${ID}`]);
  assertEquals("handOver" in decided({}).endpoint, false);
  // The engine gives the link its name, its addresses and its routes.
  assertEquals(lines(DUAL, given).map((line) => line.replace(/ (index|type) .*/, "")), [
    `link add link eth0 name e-${ID}`,
    `link set dev e-${ID} alias "ipvlan-kit dual"`,
  ]);
});

/** The lines of an endpoint, and what undoes those that are undone. */
function lines(
  network: Network,
  record: EndpointRecord,
  siblings: Siblings = "none",
): string[] {
  return endpointSteps(network, record, siblings).map(({ netns, line }) =>
    typeof netns === "string" ? `-n ${netns} ${line}` : line
  );
}

const ADDRESSES = { ip: "192.168.140.2", ip6: "2001:db8:abc9::1" };

Deno.test("in L2 the default routes are by way of the gateways", () => {
  assertEquals(lines(DUAL, endpoint(ADDRESSES)), [
    "link add link eth0 name e-e1e2e3e4e5e6 netns c1 index 1088545507 group 6910070 type ipvlan mode l2 bridge",
    "-n c1 link set dev e-e1e2e3e4e5e6 name eth0",
    "-n c1 addr add 192.168.140.2/24 dev eth0",
    "-n c1 addr add 2001:db8:abc9::1/64 dev eth0 nodad",
    "-n c1 link set dev eth0 up",
    "-n c1 route add default via 192.168.140.1 dev eth0",
    "-n c1 route add ::/0 via 2001:db8:abc9::22 dev eth0",
    '-n c1 link set dev eth0 alias "ipvlan-kit dual"',
  ]);
});

Deno.test("in the L3 modes the default routes are the link itself", () => {
  for (const mode of ["l3", "l3s"] as const) {
    const l3 = { ...DUAL, mode, flag: "private" as const, mtu: 1400 };
    assertEquals(lines(l3, endpoint(ADDRESSES)), [
      "link add link eth0 name e-e1e2e3e4e5e6 netns c1 index 1088545507 mtu 1400 group 6910070 type ipvlan " +
      `mode ${mode} private`,
      "-n c1 link set dev e-e1e2e3e4e5e6 name eth0",
      "-n c1 addr add 192.168.140.2/24 dev eth0",
      "-n c1 addr add 2001:db8:abc9::1/64 dev eth0 nodad",
      "-n c1 link set dev eth0 up",
      "-n c1 route add default dev eth0",
      "-n c1 route add ::/0 dev eth0",
      '-n c1 link set dev eth0 alias "ipvlan-kit dual"',
    ]);
  }
});

Deno.test("IPv6 is disabled on the link of an IPv4 endpoint, and an isolated one has no L2 route", () => {
  const isolated = network("iso", { parent: "di-1", isolated: true });
  assertEquals(lines(isolated, endpoint({ network: isolated.id, ip: "192.168.1.2" })), [
    "link add link di-1 name e-e1e2e3e4e5e6 netns c1 index 1088545507 group 6910070 type ipvlan mode l2 bridge",
    "-n c1 link set dev e-e1e2e3e4e5e6 name eth0",
    "-n c1 addr add 192.168.1.2/24 dev eth0",
    "-n c1 link set dev eth0 up",
    '-n c1 link set dev eth0 alias "ipvlan-kit iso"',
  ]);
});

Deno.test("before the line that renames a link, its settings are made, and before no other", () => {
  const link = "e-e1e2e3e4e5e6";
  const settings = (mode: "l2" | "l3", record: EndpointRecord) =>
    endpointSteps({ ...DUAL, mode }, record, "none").map((step) => step.settings);
  const [only4, both] = [endpoint({ ip: "192.168.140.2" }), endpoint(ADDRESSES)];
  const [add, rename, ...others] = settings("l2", only4);
  assertEquals([add, ...others].filter((each) => each !== undefined), []);
  assertEquals(rename, [
    `net/ipv6/conf/${link}/disable_ipv6=1`,
    `net/ipv4/conf/${link}/arp_notify=1`,
  ]);
  assertEquals(settings("l2", both)[1], [
    `net/ipv4/conf/${link}/arp_notify=1`,
    `net/ipv6/conf/${link}/ndisc_notify=1`,
  ]);
  assertEquals(settings("l3", only4)[1], [`net/ipv6/conf/${link}/disable_ipv6=1`]);
  assertEquals(settings("l3", both)[1], []);
});

Deno.test("an engine's own routes take the place of the network's, and a second endpoint's are worse", () => {
  const routes = [{ dst: "10.9.0.0/16", via: "192.168.140.7" }, { dst: "fd09::/64" }];
  const made = (ordinal: number) =>
    lines(DUAL, endpoint({ ...ADDRESSES, ordinal, routes })).filter((line) =>
      line.includes("route")
    );
  assertEquals(made(0), [
    "-n c1 route add 10.9.0.0/16 via 192.168.140.7 dev eth0",
    "-n c1 route add fd09::/64 dev eth0",
  ]);
  assertEquals(made(2), [
    "-n c1 route add 10.9.0.0/16 via 192.168.140.7 dev eth0 metric 1026",
    "-n c1 route add fd09::/64 dev eth0 metric 1026",
  ]);
});

Deno.test("a network without a gateway gives no default route", () => {
  const small = network("small", { subnets: [{ subnet: "10.0.0.0/31", auxAddresses: {} }] });
  const routes = lines(small, endpoint({ network: small.id, ip: "10.0.0.0" }))
    .filter((line) => line.includes("route"));
  assertEquals(routes, []);
});

Deno.test("the default routes of a sandbox's second network are worse than the first's", () => {
  const second = endpoint({ ...ADDRESSES, ordinal: 1, ifname: "eth1" });
  assertEquals(lines(DUAL, second).filter((line) => line.includes("route")), [
    "-n c1 route add default via 192.168.140.1 dev eth1 metric 1025",
    "-n c1 route add ::/0 via 2001:db8:abc9::22 dev eth1 metric 1025",
  ]);
});

Deno.test("default routes that lead nowhere are the worst, unless the sandbox has no other", () => {
  const nowhere = { ...DUAL, mode: "l3" as const, isolated: true };
  const routes = (record: EndpointRecord, siblings: Siblings) =>
    lines(nowhere, record, siblings).filter((line) => line.includes("route"));
  assertEquals(routes(endpoint({ ...ADDRESSES, ordinal: 1 }), "none"), [
    "-n c1 route add default dev eth0",
    "-n c1 route add ::/0 dev eth0",
  ]);
  assertEquals(routes(endpoint({ ...ADDRESSES, ordinal: 2 }), "equal"), [
    "-n c1 route add default dev eth0 metric 1000002",
    "-n c1 route add ::/0 dev eth0 metric 1000002",
  ]);
  assertEquals(
    reroute(nowhere, "none", "equal").map(({ line, undo }) => [line, undo?.line]),
    [
      ["-6 route flush table main exact ::/0 dev eth0 metric 1024", "route replace ::/0 dev eth0"],
      [
        "route flush table main exact 0.0.0.0/0 dev eth0 metric 0",
        "route replace default dev eth0",
      ],
      [
        "route replace default dev eth0 metric 1000000",
        "route flush table main exact 0.0.0.0/0 dev eth0 metric 1000000",
      ],
      [
        "route replace ::/0 dev eth0 metric 1000000",
        "-6 route flush table main exact ::/0 dev eth0 metric 1000000",
      ],
    ],
  );
});

Deno.test("an endpoint answers by its own link, by rules and a table of its own", () => {
  const on = (policyRoutes: Network["policyRoutes"], more: Partial<Network> = {}) => ({
    network: { ...DUAL, policyRoutes, ...more },
    endpoint: endpoint({ ...ADDRESSES, ordinal: 1 }),
  });
  const { network: always, endpoint: own } = on(true);
  const table = linkIndex(own);
  const routes = [
    `192.168.140.0/24 dev eth0 table ${table}`,
    `2001:db8:abc9::/64 dev eth0 table ${table}`,
    `default via 192.168.140.1 dev eth0 table ${table} metric 1025`,
    `::/0 via 2001:db8:abc9::22 dev eth0 table ${table} metric 1025`,
  ];
  const rules = [
    `rule VERB from 192.168.140.2 priority 20000 table ${table}`,
    `-6 rule VERB from 2001:db8:abc9::1 priority 20000 table ${table}`,
  ];
  const verb = (verb: string) => rules.map((line) => line.replace("VERB", verb));
  const steps = endpointSteps(always, own, "none").slice(-7, -1);
  assertEquals(steps.map(({ line }) => line), [
    ...routes.map((route) => `route add ${route}`),
    ...verb("add"),
  ]);
  assertEquals(steps.map(({ undo }) => undo?.line), [
    ...routes.map(() => undefined),
    ...verb("del"),
  ]);
  const size = (network: Network, siblings: Siblings, more: Partial<EndpointRecord> = {}) =>
    routingOf(network, { ...own, ...more }, siblings).rules.length;
  const auto = on("auto").network;
  assertEquals([size(DUAL, "equal"), size(auto, "none"), size(auto, "ranked")], [0, 0, 2]);
  assertEquals(size(always, "equal", { handOver: true }), 0);
  // `auto` follows the number of the sandbox's networks.
  const change = (before: Siblings, after: Siblings, network = auto) =>
    rerouteSteps({ network, endpoint: own }, before, after).map(({ line }) => line);
  assertEquals(change("none", "equal"), [
    ...routes.map((route) => `route replace ${route}`),
    ...verb("add"),
  ]);
  assertEquals(change("equal", "none"), [
    ...verb("del"),
    ...routes.toReversed().map((route) => `route del ${route}`),
  ]);
  assertEquals(change("none", "equal", always), []);
  // The table has no metrics of its own.
  assert(change("equal", "ranked").every((line) => !line.includes(`${table}`)));
  // A route that was given for another table stays there.
  const given = [{ dst: "10.0.0.0/8", table: 7 }, { dst: "10.1.0.0/16", via: "192.168.140.9" }];
  const answers = routingOf(always, { ...own, routes: given }, "none").routes
    .filter((route) => route.table === linkIndex(own));
  assertEquals(answers.map(({ dst }) => dst).slice(2), ["10.1.0.0/16"]);
});

/** The steps that change the default routes of an endpoint when others come or go. */
function reroute(network: Network, before: Siblings, after: Siblings): Step[] {
  return rerouteSteps({ network, endpoint: endpoint(ADDRESSES) }, before, after);
}

Deno.test("of networks without priorities, only default routes that lead nowhere give way", () => {
  for (const isolated of [true, false]) {
    for (const internal of [true, false]) {
      for (const mode of ["l2", "l3", "l3s"] as const) {
        const steps = reroute({ ...DUAL, isolated, internal, mode }, "none", "equal");
        assertEquals(steps.length > 0, isolated && !internal && mode !== "l2");
      }
    }
  }
});

Deno.test("where a network has a priority, all default routes of the sandbox have another metric", () => {
  const routes = reroute(DUAL, "equal", "ranked").map(({ line }) => line);
  assertEquals(routes, [
    "-6 route flush table main exact ::/0 dev eth0 metric 1024",
    "route flush table main exact 0.0.0.0/0 dev eth0 metric 0",
    "route replace default via 192.168.140.1 dev eth0 metric 200000",
    "route replace ::/0 via 2001:db8:abc9::22 dev eth0 metric 200000",
  ]);
  assertEquals(reroute(DUAL, "ranked", "none").length, 4);
  assertEquals(reroute(DUAL, "ranked", "ranked"), []);
  // An engine's own routes have nothing to do with it.
  const own = { ...endpoint(ADDRESSES), routes: [] };
  assertEquals(rerouteSteps({ network: DUAL, endpoint: own }, "equal", "ranked"), []);
});

Deno.test("the endpoints of a sandbox are ranked if one of several has a priority", () => {
  const of = (...priorities: (number | undefined)[]) =>
    siblingsOf(priorities.map((gatewayPriority) => endpoint({ gatewayPriority })));
  assertEquals([of(), of(undefined), of(5)], ["none", "none", "none"]);
  assertEquals([of(undefined, undefined), of(0, undefined)], ["equal", "equal"]);
  for (const priority of [1, -1, 1000]) assertEquals(of(undefined, priority), "ranked");
});

Deno.test("the highest priority has the default route; of equal ones, the lowest number", () => {
  const priority = fc.integer({ min: -1000, max: 1000 });
  fc.assert(
    fc.property(fc.array(priority, { minLength: 2, maxLength: 20 }), (priorities) => {
      const records = priorities.map((gatewayPriority, ordinal) =>
        endpoint({ ...ADDRESSES, ordinal, ifname: `eth${ordinal}`, gatewayPriority })
      );
      const siblings = siblingsOf(records);
      const metric = (record: EndpointRecord) => {
        const [route] = linkRoutes(DUAL, record, siblings);
        return route!.metric ?? 0;
      };
      const byMetric = records.toSorted((one, other) => metric(one) - metric(other));
      const byPriority = records.toSorted((one, other) =>
        other.gatewayPriority! - one.gatewayPriority! || one.ordinal - other.ordinal
      );
      assertEquals(byMetric, byPriority);
    }),
    { seed: 28 },
  );
});

Deno.test("an endpoint says whether the default route of its sandbox is its own, for each family", () => {
  const v4 = { ip: "192.168.140.2" };
  const nowhere = { ...DUAL, mode: "l3" as const, isolated: true };
  const internal = { ...DUAL, internal: true };
  /** The winners of both families, by their places; with the network of each endpoint. */
  const winners = (...all: [Partial<EndpointRecord>, Network?][]) => {
    const present = all.map(([changes, network = DUAL], ordinal) => ({
      network,
      endpoint: endpoint({ id: `${ordinal}`, ordinal, ifname: `eth${ordinal}`, ...changes }),
    }));
    const endpoints = present.map((each) => toEndpoint(each, present));
    return (["defaultRoute", "defaultRoute6"] as const).map((field) =>
      endpoints.flatMap((each, place) => each[field] ? [place] : [])
    );
  };
  assertEquals(winners([ADDRESSES]), [[0], [0]]);
  assertEquals(winners([v4], [ADDRESSES]), [[0], [1]]);
  assertEquals(winners([ADDRESSES], [{ ...ADDRESSES, gatewayPriority: 1 }]), [[1], [1]]);
  assertEquals(winners([{ ...ADDRESSES, gatewayPriority: -1 }], [v4]), [[1], [0]]);
  // One that leads nowhere has it only if there is no other.
  assertEquals(winners([ADDRESSES, nowhere]), [[0], [0]]);
  assertEquals(winners([ADDRESSES, nowhere], [v4]), [[1], [0]]);
  assertEquals(winners([ADDRESSES, internal]), [[], []]);
  assertEquals(winners([ADDRESSES, internal], [v4]), [[1], []]);
  // Routes that were given count as well, and what an engine gives a link is not known.
  assertEquals(winners([{ ...ADDRESSES, routes: [] }]), [[], []]);
  assertEquals(winners([{ ...ADDRESSES, routes: [{ dst: "0.0.0.0/0" }] }]), [[0], []]);
  assertEquals(winners([{ ...ADDRESSES, routes: [{ dst: "0.0.0.0/1" }] }]), [[], []]);
  assertEquals(winners([{ ...ADDRESSES, handOver: true }]), [[], []]);
});

Deno.test("link-local addresses come behind those of the network, with the scope of the link", () => {
  const record = endpoint({ ...ADDRESSES, linkLocalAddresses: ["169.254.7.1", "fe80::7"] });
  assertEquals(lines(DUAL, record).filter((line) => line.includes("addr")), [
    "-n c1 addr add 192.168.140.2/24 dev eth0",
    "-n c1 addr add 2001:db8:abc9::1/64 dev eth0 nodad",
    "-n c1 addr add 169.254.7.1/16 dev eth0 scope link",
    "-n c1 addr add fe80::7/64 dev eth0 scope link nodad",
  ]);
  assertEquals(shown({ network: DUAL, endpoint: record }).linkLocalAddresses, [
    "169.254.7.1",
    "fe80::7",
  ]);
});

Deno.test("an internal network gives no default route and no gateway, and in L3 its other subnets", () => {
  const more = { subnet: "2001:db8:abd9::/64", auxAddresses: {} };
  const internal = { ...DUAL, subnets: [...DUAL.subnets, more], internal: true, isolated: true };
  const routes = (mode: Network["mode"], record: EndpointRecord) =>
    lines({ ...internal, mode }, record).filter((line) => line.includes("route"));
  for (const mode of ["l2", "l3", "l3s"] as const) {
    const record = endpoint(ADDRESSES);
    assertEquals(
      routes(mode, record),
      mode === "l2" ? [] : [
        "-n c1 route add 192.168.142.0/24 dev eth0 metric 1024",
        "-n c1 route add 2001:db8:abd9::/64 dev eth0 metric 1024",
      ],
    );
    assertEquals(linkAddresses({ ...internal, mode }, record), [
      { address: "192.168.140.2/24" },
      { address: "2001:db8:abc9::1/64" },
    ]);
    assertEquals(routes(mode, { ...record, routes: [] }), []);
    assertEquals(reroute({ ...internal, mode }, "none", "equal"), []);
  }
  const second = endpoint({ ip: "192.168.142.9", ordinal: 1 });
  assertEquals(routes("l3", second), ["-n c1 route add 192.168.140.0/24 dev eth0 metric 1025"]);
  // They would hide addresses of another network of the sandbox.
  assertEquals(
    routedSubnets({ ...internal, mode: "l3" }, second),
    ["192.168.142.0/24", "192.168.140.0/24"],
  );
});

Deno.test("each line that makes a link or a namespace can be undone", () => {
  const undo = plainSteps(endpointSteps(DUAL, endpoint(ADDRESSES), "none")).map(({ undo }) => undo);
  assertEquals(undo, [
    { netns: "c1", line: "link del dev e-e1e2e3e4e5e6" },
    { netns: "c1", line: "link del dev eth0" },
    ...Array.from({ length: 6 }, () => undefined),
  ]);
  const up = { netns: "c1", line: "link set dev lo up" };
  assertEquals(plainSteps(sandboxSteps({ name: "c1", namespace: "made" })), [
    { netns: CALLER, line: "netns add c1", undo: { netns: CALLER, line: "netns del c1" } },
    up,
  ]);
  // The loopback of somebody else's namespace is left as it is.
  assertEquals(plainSteps(sandboxSteps({ name: "c1", namespace: "attached" }, 7)), [
    { netns: CALLER, line: "netns attach c1 7", undo: { netns: CALLER, line: "netns del c1" } },
  ]);
  assertEquals(sandboxSteps({ name: "c1", namespace: "found" }), []);
  // No namespace can have such a name, and an engine's has none.
  assertEquals(sandboxSteps({ name: "cni:c1", namespace: "borrowed" }), []);
});

Deno.test("a refused step says what its failure means", () => {
  const meaning = (steps: Step[], line: RegExp, said: string) => {
    const step = steps.find((step) => line.test(step.line))!;
    return step.explain!(ipCommandError("ip …", said));
  };
  const steps = endpointSteps(DUAL, endpoint(ADDRESSES), "none");
  const busy = meaning(steps, /^link add/, "RTNETLINK answers: Device or resource busy");
  assertError(busy, "invalid-parent");
  assertEquals(busy.parent, DUAL.parent);
  // Only where the link gets its final name does this say something of that name.
  const exists = meaning(steps, /^link add/, "RTNETLINK answers: File exists");
  assertError(exists, "ip-command");
  const taken = meaning(steps, /^link set .* name /, "RTNETLINK answers: File exists");
  assertError(taken, "link-exists");
  assertEquals([taken.sandbox, taken.link], ["c1", "eth0"]);
  const refused = "RTNETLINK answers: Operation not permitted";
  assertError(meaning(steps, /^link set .* up/, refused), "missing-rights");
  const attached = sandboxSteps({ name: "c1", namespace: "attached" }, 7);
  const gone = meaning(attached, /attach/, 'Cannot open "/proc/7/ns/net": No such file');
  assertError(gone, "process-not-found");
  assertEquals(gone.pid, 7);
  const denied = meaning(attached, /attach/, "bind failed: Operation not permitted");
  assertError(denied, "missing-rights");
});
