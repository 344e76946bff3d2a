import { settleAll } from "../../../../lib/driver/network/settle.ts";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { newIdentity, unneededLinks } from "../../../../lib/driver/network/create.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import type { HostFacts } from "../../../../lib/driver/model/facts.ts";
import { subnetsOf } from "../../../../lib/driver/model/subnets.ts";
import { decideNetwork, networkSteps } from "../../../../lib/driver/network/decide.ts";
import { LINK_GROUP } from "../../../../lib/driver/network/parent.ts";
import type { Network, NetworkSpec } from "../../../../lib/driver/model/types.ts";
import { formatAddress, formatPrefix } from "../../../../lib/ipam/mod.ts";
import type { IpvlanMode } from "../../../../lib/iproute2/kinds/ipvlan.ts";
import { addr, host, IDENTITY, link, LO, network, plainSteps, route } from "../../../kit/values.ts";
import { assertError } from "../../../kit/errors.ts";

function decide(spec: NetworkSpec, networks: Network[] = [], facts: HostFacts = host()) {
  return decideNetwork(settleAll([spec], networks)[0]!, IDENTITY, networks, facts);
}

function decided(spec: NetworkSpec, networks: Network[] = [], facts: HostFacts = host()) {
  const decision = decide(spec, networks, facts);
  assert(decision.ok, "ok" in decision ? JSON.stringify(decision) : "");
  return decision;
}

function problems(spec: NetworkSpec, networks: Network[] = [], facts: HostFacts = host()) {
  const decision = decide(spec, networks, facts);
  assert(!decision.ok);
  return decision.problems;
}

Deno.test("every default is settled, and nothing is left undefined", () => {
  const { network, links, notices } = decided({
    name: "db_net",
    parent: "eth0",
    subnets: ["192.168.1.0/24"],
  });
  assertEquals(network, {
    ...IDENTITY,
    name: "db_net",
    parent: "eth0",
    isolated: false,
    internal: false,
    ipv4: true,
    mode: "l2",
    flag: "bridge",
    subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: {} }],
    labels: {},
  });
  // What is returned equals what is read from the store, where JSON has no `undefined`.
  assertEquals(JSON.parse(JSON.stringify(network)), network);
  assertEquals([links, notices], [[], []]);
});

Deno.test("a network has all values that were asked for", () => {
  const { network } = decided({
    name: "n",
    parent: "eth0",
    mode: "l3s",
    flag: "vepa",
    subnets: [
      {
        subnet: "10.0.0.0/16",
        gateway: "10.0.0.9",
        ipRange: "10.0.4.0/24",
        auxAddresses: { ntp: "10.0.0.5" },
      },
      { subnet: "2001:db8::/64", gateway: "2001:db8::22" },
    ],
    ipv6: true,
    mtu: 1400,
    labels: { stage: "test" },
  });
  assertEquals(network, {
    ...IDENTITY,
    name: "n",
    parent: "eth0",
    isolated: false,
    internal: false,
    ipv4: true,
    mode: "l3s",
    flag: "vepa",
    mtu: 1400,
    subnets: [
      {
        subnet: "10.0.0.0/16",
        gateway: "10.0.0.9",
        ipRange: "10.0.4.0/24",
        auxAddresses: { ntp: "10.0.0.5" },
      },
      { subnet: "2001:db8::/64", gateway: "2001:db8::22", auxAddresses: {} },
    ],
    labels: { stage: "test" },
  });
  const [v4, v6] = subnetsOf(network);
  assertEquals([v4!, v6!].map(({ prefix }) => formatPrefix(prefix)), [
    "10.0.0.0/16",
    "2001:db8::/64",
  ]);
  assertEquals(formatPrefix(v4!.range!), "10.0.4.0/24");
  assertEquals(formatAddress(v4!.reserved.get("ntp")!), "10.0.0.5");
  assertEquals(formatAddress(v6!.gateway!), "2001:db8::22");
});

Deno.test("a subnet too small for a gateway has none", () => {
  const { network } = decided({ name: "n", parent: "eth0", subnets: ["10.0.0.0/31"] });
  assertEquals(network.subnets, [{ subnet: "10.0.0.0/31", auxAddresses: {} }]);
});

Deno.test("a network without a parent, and an internal one, get a dummy link of their own", () => {
  const dummy = {
    type: "dummy" as const,
    name: "di-0123456789ab",
    mtu: undefined,
    group: LINK_GROUP,
    up: true,
  };
  const none = decided({ name: "n" });
  assertEquals([none.network.parent, none.network.isolated, none.network.internal], [
    dummy.name,
    true,
    false,
  ]);
  assertEquals([none.links, none.notices], [[dummy], []]);
  const internal = decided({ name: "n", internal: true });
  assertEquals(internal.network, { ...none.network, internal: true });
  const unused = decided({ name: "n", internal: true, parent: "lo", mtu: 9000 });
  assertEquals(unused.network, { ...none.network, internal: true, mtu: 9000 });
  assertEquals(unused.links, [{ ...dummy, mtu: 9000 }]);
  assertEquals(unused.notices, [
    'The parent "lo" is not used, as an internal network has a dummy of its own',
  ]);
});

Deno.test("the default pool is the first that no network and no route has", () => {
  const pool = (networks: Network[], dsts: string[], spec: Partial<NetworkSpec> = {}) =>
    decided(
      { name: "n", ...spec },
      networks,
      host({ routes: dsts.map((dst) => route("eth0", dst)) }),
    )
      .network.subnets.map(({ subnet }) => subnet);
  const other = network("o", { subnets: [{ subnet: "172.18.0.0/16", auxAddresses: {} }] });
  assertEquals(pool([], []), ["172.18.0.0/16"]);
  assertEquals(pool([], ["default", "10.0.0.0/8"]), ["172.18.0.0/16"]);
  assertEquals(pool([other], []), ["172.19.0.0/16"]);
  assertEquals(pool([other], ["172.19.255.1", "172.20.4.0/24"]), ["172.21.0.0/16"]);
  // It comes last, and also where only IPv6 was given.
  assertEquals(pool([other], [], { subnets: ["fd00::/64"] }), ["fd00::/64", "172.19.0.0/16"]);
  assertEquals(pool([], [], { subnets: ["10.0.0.0/24"] }), ["10.0.0.0/24"]);
});

Deno.test("host bits of a subnet are masked, and a notice says so", () => {
  const { network, notices } = decided({ name: "n", subnets: ["172.16.50.0/22"] });
  assertEquals(network.subnets[0]?.subnet, "172.16.48.0/22");
  assertEquals(notices.length, 1);
  assert(notices[0]!.includes("172.16.50.0/22") && notices[0]!.includes("172.16.48.0/22"));
});

Deno.test("subnets may not overlap those of the parent's other networks", () => {
  const spec = { name: "n", parent: "eth0", subnets: ["192.168.0.0/16"] };
  const [problem, ...rest] = problems(spec, [network("old")]);
  assertError(problem, "subnet-in-use");
  assertEquals(rest, []);
  assertEquals(
    problem.message,
    "Pool overlaps with other one on this address space: 192.168.0.0/16, and 192.168.1.0/24 of " +
      'network "old" on the same parent "eth0"; choose another subnet or parent, or remove that ' +
      "network",
  );
  decided({ ...spec, parent: "eth0.20" }, [network("old")]);
});

Deno.test("in the L3 modes a subnet may not overlap an address of the parent", () => {
  const facts = host({
    addrs: [
      addr("eth0", "192.168.1.250/24"),
      addr("eth0", "fe80::1/64", "link"),
      addr("eth1", "10.0.0.1/8"),
    ],
  });
  const spec = (mode: IpvlanMode) => ({
    name: "n",
    parent: "eth0",
    mode,
    subnets: ["192.168.1.0/25", "10.0.0.0/24"],
  });
  decided(spec("l2"), [], facts);
  for (const mode of ["l3", "l3s"] as const) {
    const [problem, ...rest] = problems(spec(mode), [], facts);
    assertError(problem, "parent-subnet");
    assertEquals(rest, []);
    assertEquals(
      problem.message,
      `The subnet 192.168.1.0/25 overlaps 192.168.1.250/24 of the parent "eth0", which cannot be ` +
        `in ${mode} mode, as the parent routes between them: choose another subnet, or have the host ` +
        "answer for the sandboxes with proxy=true",
    );
  }
});

Deno.test("an MTU is neither below the family's least nor above the link's that carries it", () => {
  const wrong = (mtu: number, spec: Partial<NetworkSpec> = {}) =>
    problems({ name: "n", parent: "eth0", mtu, ...spec }).map(({ message }) => message);
  assertEquals(wrong(67), ['The MTU "67" is not valid: give a whole number from 68 to 65535']);
  assertEquals(wrong(1279, { subnets: ["fd00::/64"] }), [
    'The MTU "1279" is not valid: give a whole number from 1280 to 65535',
  ]);
  // What is no MTU at all is not compared with the link's.
  for (const mtu of [NaN, 1400.5, 9000.5, 65536]) {
    const [problem, ...others] = wrong(mtu);
    assert(problem!.includes("give a whole number"), String(mtu));
    assertEquals(others, []);
  }
  const tooLarge =
    'The MTU "1501" is not valid: the link "eth0" has 1500, and drops larger packets';
  assertEquals(wrong(1501), [tooLarge]);
  // Also where the parent is yet to be made on that link.
  assertEquals(wrong(1501, { parent: "eth0.20" }), [tooLarge]);
  assertEquals(decided({ name: "n", parent: "eth0.20", mtu: 1500 }).network.mtu, 1500);
});

Deno.test("all problems of a network are reported at once", () => {
  const spec: NetworkSpec = {
    name: "a/b",
    parent: "lo",
    mode: "l4" as IpvlanMode,
    flag: "hairpin" as "vepa",
    subnets: ["10.0.0.0/33"],
    mtu: 1,
    ipv6: true,
  };
  const found = problems(spec, [network("a/b")], host({ release: "3.16.0" }));
  assertEquals(found.map(({ code, field }) => [code, ...field]), [
    ["kernel-too-old"],
    ["network-exists", "name"],
    ["invalid-name", "name"],
    ["invalid-option", "mode"],
    ["invalid-option", "flag"],
    ["invalid-option", "mtu"],
    ["missing-subnet", "ipv6"],
    ["invalid-prefix", "subnets", 0, "subnet"],
    ["invalid-parent", "parent"],
  ]);
  const messages = found.map(({ message }) => message);
  assertEquals(messages.slice(3, 5), [
    'The ipvlan mode "l4" is not valid: choose one of l2, l3, l3s',
    'The ipvlan flag "hairpin" is not valid: choose one of bridge, private, vepa',
  ]);
  for (const message of messages) {
    // Docker's own words begin with a small letter.
    assert(/^([A-Z]|network )/.test(message) && !message.endsWith("."), message);
  }
});

Deno.test("the lines of a network make its links, note whom they are for, and try the parent", () => {
  const { network, links } = decided({ name: "q", parent: "eth0.20.30", mode: "l3", flag: "vepa" });
  const probe = "p-0123456789ab";
  assertEquals(plainSteps(networkSteps(network, links)), [
    {
      line: "link add link eth0 name eth0.20 group 6910070 up type vlan protocol 802.1ad id 20",
      undo: { line: "link del dev eth0.20" },
    },
    { line: 'link set dev eth0.20 alias "ipvlan-kit q"' },
    {
      line:
        "link add link eth0.20 name eth0.20.30 group 6910070 up type vlan protocol 802.1Q id 30",
      undo: { line: "link del dev eth0.20.30" },
    },
    { line: 'link set dev eth0.20.30 alias "ipvlan-kit q"' },
    {
      line: `link add link eth0.20.30 name ${probe} group 6910070 type ipvlan mode l3 vepa`,
      undo: { line: `link del dev ${probe}` },
    },
    { line: `link del dev ${probe}` },
  ]);
});

Deno.test("a dummy has the MTU that was asked for, and a parent that exists is left alone", () => {
  const isolated = decided({ name: "n", mtu: 1400 });
  assertEquals(networkSteps(isolated.network, isolated.links).map(({ line }) => line), [
    "link add name di-0123456789ab mtu 1400 group 6910070 up type dummy",
    'link set dev di-0123456789ab alias "ipvlan-kit n"',
    "link add link di-0123456789ab name p-0123456789ab group 6910070 type ipvlan mode l2 bridge",
    "link del dev p-0123456789ab",
  ]);
  const own = decided(
    { name: "n", parent: "eth0", mtu: 1400 },
    [],
    host({
      links: [LO, link("eth0")],
    }),
  );
  assertEquals(networkSteps(own.network, own.links).map(({ line }) => line), [
    "link add link eth0 name p-0123456789ab group 6910070 type ipvlan mode l2 bridge",
    "link del dev p-0123456789ab",
  ]);
});

Deno.test("no pool is chosen for a network whose subnets are wrong", () => {
  const routes = ["172.16.0.0/12", "192.168.0.0/16"].map((dst) => route("eth1", dst));
  const facts = host({ links: [link("eth0")], routes });
  const codes = (spec: Partial<NetworkSpec>) =>
    problems({ name: "n", parent: "eth0", ...spec }, [], facts).map(({ code }) => code);
  assertEquals(codes({}), ["pools-exhausted"]);
  assertEquals(codes({ subnets: ["10.0.0.0/33"] }), ["invalid-prefix"]);
});

Deno.test("a network's links go from the highest to the lowest, as far as nothing else needs them", () => {
  using store = Store.copy("/nowhere");
  const vlan = { type: "vlan", group: LINK_GROUP, up: true } as const;
  store.putLink({ ...vlan, name: "eth0.20", link: "eth0", id: 20 });
  store.putLink({ ...vlan, name: "eth0.20.30", link: "eth0.20", id: 30 });
  store.putLink({ ...vlan, name: "eth0.20.31", link: "eth0.20", id: 31 });
  const made = (name: string, parent: string) => {
    const each = network(name, { parent });
    store.putNetwork(each, "ready");
    return each;
  };
  const [one, twin, far] = [
    made("one", "eth0.20.30"),
    made("twin", "eth0.20.30"),
    made("f", "eth1"),
  ];
  assertEquals(unneededLinks(store, far), []);
  assertEquals(unneededLinks(store, one), []);
  store.deleteNetwork(twin.id);
  assertEquals(unneededLinks(store, one), ["eth0.20.30"]);
  store.deleteLink("eth0.20.31");
  assertEquals(unneededLinks(store, one), ["eth0.20.30", "eth0.20"]);
  made("low", "eth0.20");
  assertEquals(unneededLinks(store, one), ["eth0.20.30"]);
});

Deno.test("the id of a new network has 64 hexadecimal digits, and no other one's", () => {
  const [one, other] = [newIdentity(), newIdentity()];
  assertMatch(one.id, /^[0-9a-f]{64}$/);
  assertNotEquals(one.id, other.id);
});
