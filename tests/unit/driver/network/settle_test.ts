import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { IPVLAN_FLAGS, IPVLAN_MODES } from "../../../../lib/iproute2/kinds/ipvlan.ts";
import { formatAddress, formatPrefix, Pools } from "../../../../lib/ipam/mod.ts";
import { parseRoutes } from "../../../../lib/driver/model/routes.ts";
import { subnetsOf } from "../../../../lib/driver/model/subnets.ts";
import {
  besideOthers,
  settle,
  settleAll,
  type Settlement,
  toSettled,
} from "../../../../lib/driver/network/settle.ts";
import type { EngineNetworkSpec, SettledNetwork } from "../../../../lib/driver/model/types.ts";
import { prefix } from "../../../kit/arbitraries.ts";
import { IDENTITY, network } from "../../../kit/values.ts";

function settled(spec: EngineNetworkSpec, networks: SettledNetwork[] = []) {
  const [settlement] = settleAll([spec], networks);
  assertEquals(settlement!.problems, []);
  return settlement!;
}

Deno.test("a parent that is found later is no isolation", () => {
  const spec = { name: "n", mode: "l3", advertise: "subnet", subnets: ["10.0.0.0/24"] } as const;
  assertEquals(wrong(spec), [["invalid-option", "advertise"]]);
  const later = settle(spec, false);
  assertEquals(later.problems, []);
});

/** What is wrong: the error, and the field that it is about. */
function wrong(spec: EngineNetworkSpec, networks: SettledNetwork[] = []): unknown[] {
  return settleAll([spec], networks)[0]!.problems.map(({ code, field }) => [code, ...field]);
}

Deno.test("settle() needs no machine, except to choose a default pool", () => {
  assertEquals(settled({ name: "n" }), {
    spec: { name: "n" },
    network: {
      name: "n",
      mode: "l2",
      flag: "bridge",
      internal: false,
      ipv4: true,
      subnets: [],
      labels: {},
    },
    notices: [],
    problems: [],
  });
  assertEquals(
    settled({ name: "n", parent: "eth0", subnets: ["10.0.0.7/24"], mtu: 1400 }).network,
    {
      name: "n",
      parent: "eth0",
      mode: "l2",
      flag: "bridge",
      mtu: 1400,
      internal: false,
      ipv4: true,
      subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", auxAddresses: {} }],
      labels: {},
    },
  );
});

Deno.test("a gateway that no route would lead to is on record only if it was asked for", () => {
  const gateways = (spec: Partial<EngineNetworkSpec>) => {
    const subnets = ["10.0.0.0/24", { subnet: "10.1.0.0/24", gateway: "10.1.0.1" }, "fd00::/64"];
    const { network } = settled({ name: "n", parent: "eth0", subnets, ...spec });
    // Each is reserved all the same.
    assertEquals(
      subnetsOf(network).map(({ gateway }) => gateway && formatAddress(gateway)),
      ["10.0.0.1", "10.1.0.1", "fd00::1"],
    );
    return network.subnets.map(({ gateway }) => gateway);
  };
  assertEquals(gateways({}), ["10.0.0.1", "10.1.0.1", "fd00::1"]);
  const without: Partial<EngineNetworkSpec>[] = [
    { mode: "l3" },
    { mode: "l3s" },
    { parent: undefined },
    { internal: true },
  ];
  for (const spec of without) assertEquals(gateways(spec), [undefined, "10.1.0.1", undefined]);
});

Deno.test("an internal network ignores its parent, and a notice says so", () => {
  const { network, notices } = settled({ name: "n", internal: true, parent: "eth0" });
  assert(!Object.hasOwn(network, "parent"));
  assertEquals(notices, [
    'The parent "eth0" is not used, as an internal network has a dummy of its own',
  ]);
});

Deno.test("a network is compared with the others on its parent, and each problem has its field", () => {
  const old = network("old");
  const spec: EngineNetworkSpec = { name: "n", parent: "eth0" };
  assertEquals(wrong({ ...spec, subnets: ["10.0.0.0/8", "192.168.0.0/16"], mode: "l3" }, [old]), [
    ["parent-conflict", "parent"],
    ["subnet-in-use", "subnets", 1],
  ]);
  assertEquals(wrong({ ...spec, name: "old", subnets: ["10.0.0.0/8"] }, [old]), [
    ["network-exists", "name"],
  ]);
  // Neither of those has to do with the parent.
  assertEquals(wrong({ name: "n", mode: "l3", subnets: ["192.168.1.0/24"] }, [old]), []);
  assertEquals(wrong({ ...spec, internal: true, subnets: ["192.168.1.0/24"] }, [old]), []);
});

Deno.test("networks that are settled together are compared with each other", () => {
  const settlements = settleAll([
    { name: "a", parent: "eth0", subnets: ["10.0.0.0/24"], mtu: 9 },
    { name: "b", parent: "eth0", subnets: ["10.0.0.0/25"] },
    { name: "a", parent: "eth1", subnets: ["10.0.0.0/25"] },
    { name: "c", subnets: ["10.0.0.0/25"] },
  ], [network("old", { parent: "eth1" })]);
  assertEquals(settlements.map(({ problems }) => problems.map(({ code }) => code)), [
    ["invalid-option"],
    ["subnet-in-use"],
    ["network-exists"],
    [],
  ]);
});

Deno.test("a network has the same problems beside many others as beside each of them", () => {
  const subnets = ["10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16", "fd00::/8"];
  const networks = fc.array(
    fc.record({
      name: fc.constantFrom("a", "b", "c", "cni:a", "cni:b"),
      parent: fc.constantFrom("eth0", "eth1", undefined),
      mode: fc.constantFrom(...IPVLAN_MODES),
      flag: fc.constantFrom("bridge", "private"),
      advertise: fc.constantFrom("subnet", undefined),
      subnets: fc.subarray(subnets.map((subnet) => ({ subnet, auxAddresses: {} }))),
    }).map((changes): SettledNetwork => ({ ...network("n"), ...changes })),
    { minLength: 1, maxLength: 6 },
  );
  const said = ({ problems }: Settlement) =>
    problems.map(({ code, field, message }) => [code, ...field, message].join(" "));
  const beside = (others: SettledNetwork[], ...wanted: SettledNetwork[]) =>
    besideOthers(
      wanted.map((network) => ({ spec: network, network, notices: [], problems: [] })),
      others,
    ).map(said);
  const codes = new Set<string>();
  fc.assert(
    fc.property(networks, networks, (existing, wanted) => {
      for (const [index, found] of beside(existing, ...wanted).entries()) {
        const others = [...existing, ...wanted.slice(0, index)];
        assertEquals([found], beside(others, wanted[index]!));
        // Only this one names several networks.
        const isConflict = (text: string) => text.startsWith("parent-conflict");
        const each = others.flatMap((other) => beside([other], wanted[index]!).flat());
        assertEquals(found.some(isConflict), each.some(isConflict));
        const [one, other] = [found, each].map((all) => all.filter((text) => !isConflict(text)));
        assertEquals(new Set(one), new Set(other));
        for (const text of found) codes.add(text.split(" ")[0]!);
      }
    }),
    { seed: 8 },
  );
  const all = ["invalid-option", "network-exists", "parent-conflict", "subnet-in-use"];
  assertEquals([...codes].sort(), all);
});

Deno.test("settling a settled network, or its record, changes nothing", () => {
  const subnets = fc.uniqueArray(fc.oneof(prefix(4, 3, 12), prefix(6, 3, 64)), {
    selector: formatPrefix,
    maxLength: 3,
  });
  const specs = fc.record({
    name: fc.constant("n"),
    parent: fc.constantFrom("eth0", "eth0.20"),
    mode: fc.constantFrom(...IPVLAN_MODES),
    flag: fc.constantFrom(...IPVLAN_FLAGS),
    internal: fc.boolean(),
    mtu: fc.integer({ min: 1280, max: 65535 }),
    subnets: subnets.map((prefixes) => prefixes.map(formatPrefix)),
  }, { requiredKeys: ["name"] });
  fc.assert(
    fc.property(specs, (spec) => {
      const { network, problems: [problem] } = settle(spec);
      // Only the subnets can be wrong: they overlap, or are of addresses that no host may have.
      if (problem) {
        assert(["subnets-overlap", "invalid-prefix"].includes(problem.code));
        return;
      }
      assertEquals(settled(network).network, network);
      const isolated = network.parent === undefined;
      const record = { ...network, ...IDENTITY, isolated, parent: network.parent ?? "di-0" };
      assertEquals(toSettled(record), network);
      // What is returned equals what is read from the store, where JSON has no `undefined`.
      assertEquals(JSON.parse(JSON.stringify(network)), network);
    }),
    { seed: 8 },
  );
});

Deno.test("a subnet of addresses that no host may have is refused, with their purpose", () => {
  const specialBySubnet = {
    "0.0.0.0/0": "0.0.0.0/8",
    "0.1.0.0/16": "0.0.0.0/8",
    "127.0.0.0/8": "127.0.0.0/8",
    "224.0.0.0/4": "224.0.0.0/4",
    "239.1.0.0/16": "224.0.0.0/4",
    "255.255.255.0/24": "255.255.255.255/32",
    "::/0": "::/127",
    "fe80::/64": "fe80::/10",
    "ff00::/8": "ff00::/8",
  };
  for (const [subnet, special] of Object.entries(specialBySubnet)) {
    const [problem, ...others] = settle({ name: "n", subnets: [subnet] }).problems;
    assertEquals([problem?.code, others], ["invalid-prefix", []]);
    assertStringIncludes(problem!.message, `it overlaps ${special}, which`);
    assertEquals(problem!.field, ["subnets", 0, "subnet"]);
  }
  const usual = ["169.254.0.0/16", "240.0.0.0/8", "2001:db8::/32", "fd00::/8"];
  assertEquals(settle({ name: "n", subnets: usual }).problems, []);
});

Deno.test("one cause is one problem: a name that is taken, and a mode that there is not", () => {
  const spec: EngineNetworkSpec = { name: "n", parent: "eth0", subnets: ["10.0.0.0/24"] };
  const { network } = settled(spec);
  for (const more of [{}, { mode: "l3" } as const]) {
    assertEquals(wrong({ ...spec, ...more }, [network]), [["network-exists", "name"]]);
  }
  const other = { ...spec, name: "m", subnets: ["10.1.0.0/24"], mode: "l4" as "l3" };
  assertEquals(wrong(other, [network]), [["invalid-option", "mode"]]);
  // What is wrong besides is said, too.
  assertEquals(wrong({ ...other, subnets: ["10.0.0.0/16"] }, [network]), [
    ["invalid-option", "mode"],
    ["subnet-in-use", "subnets", 0],
  ]);
});

Deno.test("what a network is compared with may be long: neighbours, subnets, auxiliary addresses", () => {
  const count = 5_000;
  const subnets = (first: number) =>
    Array.from({ length: count }, (_, n) => `${first}.${n >> 8}.${n & 255}.0/24`);
  const spec: EngineNetworkSpec = { name: "n", parent: "eth0", mode: "l3", advertise: "subnet" };
  const { network } = settled({ ...spec, subnets: subnets(10) });
  const elsewhere = { ...network, name: "e", parent: "eth1" };
  settled({ ...spec, name: "m", subnets: subnets(11) }, [network, elsewhere]);
  assertEquals(wrong({ ...spec, name: "m", subnets: subnets(10) }, [network]).length, count);
  assertEquals(wrong({ ...spec, name: "m", subnets: subnets(10) }, [elsewhere]).length, count);
  const same = Array.from({ length: count }, () => "10.0.0.0/8");
  assertEquals(wrong({ ...spec, subnets: same }).length, count - 1);
  const auxAddresses = Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`a${n}`, `10.1.${n >> 8}.${n & 255}`]),
  );
  const aux = settled({ ...spec, subnets: [{ subnet: "10.0.0.0/8", auxAddresses }] });
  assertEquals(Object.keys(aux.network.subnets[0]!.auxAddresses).length, count);
});

Deno.test("what a family, an MTU and the source of the addresses need is said, each with its field", () => {
  const [four, six] = ["10.0.0.0/24", "fd00::/64"];
  const ipam = (...endpoints: string[]) => ({ driver: "etcd" as const, access: { endpoints } });
  const at = "http://10.0.0.1:2379";
  const cases: [Partial<EngineNetworkSpec>, unknown[]][] = [
    [{ ipv4: false, subnets: [four] }, [["invalid-option", "ipv4"]]],
    [{ ipv4: false }, [["missing-subnet", "ipv6"]]],
    [{ ipv6: true }, [["missing-subnet", "ipv6"]]],
    [{ ipv6: true, subnets: [four] }, [["missing-subnet", "ipv6"]]],
    [{ ipv6: false }, []],
    [{ ipv6: false, subnets: [four] }, []],
    [{ ipv6: false, subnets: [six] }, [["invalid-option", "ipv6"]]],
    [{ ipv6: true, subnets: [{ subnet: six }] }, []],
    [{ ipv4: false, subnets: [six] }, []],
    [{ ipv4: true, subnets: [six] }, []],
    [{ mtu: 1279, subnets: [six] }, [["invalid-option", "mtu"]]],
    [{ mtu: 68, subnets: [six] }, [["invalid-option", "mtu"]]],
    [{ mtu: 67, subnets: [six] }, [["invalid-option", "mtu"]]],
    [{ mtu: 99.5, subnets: [six] }, [["invalid-option", "mtu"]]],
    [{ mtu: 1280, subnets: [six] }, []],
    [{ mtu: 1279, subnets: [four] }, []],
    [{ foreignAddresses: true }, []],
    [{ foreignAddresses: true, subnets: [four, { subnet: six }] }, [
      ["invalid-option", "subnets", 0],
      ["invalid-option", "subnets", 1],
    ]],
    [{ ipam: ipam(at), subnets: [four] }, []],
    [{ ipam: ipam(at), foreignAddresses: true }, [["invalid-option", "ipam"]]],
    [{ ipam: ipam("x"), subnets: [four] }, [["etcd-option", "ipam"]]],
  ];
  for (const [spec, problems] of cases) {
    assertEquals(wrong({ name: "n", parent: "eth0", ...spec }), problems, JSON.stringify(spec));
  }
});

Deno.test("networks may share a subnet of their parent if their ranges are apart", () => {
  const subnet = "192.168.1.0/24";
  const old = network("old", {
    subnets: [{ subnet, ipRange: "192.168.1.64/27", auxAddresses: {} }],
  });
  const codes = (subnets: EngineNetworkSpec["subnets"], more: Partial<EngineNetworkSpec> = {}) =>
    settleAll([{ name: "n", parent: "eth0", subnets, ...more }], [old])[0]!.problems
      .map(({ code }) => code);
  assertEquals(codes([{ subnet, ipRange: "192.168.1.96/27" }]), []);
  assertEquals(codes([{ subnet, ipRange: "192.168.1.0/26" }]), []);
  for (const ipRange of ["192.168.1.64/27", "192.168.1.64/26", "192.168.1.95/32", undefined]) {
    assertEquals(codes([{ subnet, ipRange }]), ["subnet-in-use"], ipRange);
  }
  // Another subnet is another segment for its gateway, and etcd knows of no range of this host.
  assertEquals(codes([{ subnet: "192.168.1.128/25", ipRange: "192.168.1.128/26" }]), [
    "subnet-in-use",
  ]);
  const apart = [{ subnet, ipRange: "192.168.1.96/27" }];
  assertEquals(codes(apart, { ipam: { driver: "etcd", access: { endpoints: ["http://a:1"] } } }), [
    "subnet-in-use",
  ]);
});

Deno.test("a route of a network leads beyond its subnets, by a next hop where the mode asks for one", () => {
  const subnets = ["192.168.1.0/24", "fd00:1::/64"];
  const rules = (words: string, more: Partial<EngineNetworkSpec> = {}) => {
    const routes = parseRoutes(words);
    const { network, problems } = settle({ name: "n", parent: "eth0", subnets, routes, ...more });
    if (problems.length === 0) assertEquals(network.routes!.length, routes.length);
    assertEquals(problems.map(({ field }) => field[0]), problems.map(() => "routes"), words);
    return problems.map(({ message }) => message.replace(/.*?: /, ""));
  };
  for (
    const words of [
      "10.0.0.0/8=192.168.1.254,10.1.0.0/16=192.168.1.253,192.168.0.0/16=192.168.1.1",
      "10.0.0.1=192.168.1.254,fd01::/16=fd00:1::254,fd02::/16=fe80::1",
    ]
  ) assertEquals(rules(words), []);
  assertEquals(rules("10.0.0.0/8,fd01::/16", { mode: "l3" }), []);
  const cases: [string, string, Partial<EngineNetworkSpec>?][] = [
    ["10.0.0.1/8=192.168.1.254", "it has host bits set: write 10.0.0.0/8"],
    ["10.0.0.0/8=fd00:1::1", "its next hop is of the other family"],
    ["10.0.0.0/8=192.168.1.9,10.0.0.0/8=192.168.1.9", "its destination is given twice"],
    [
      "0.0.0.0/0=192.168.1.9",
      "the gateway of a subnet decides on the default route: give that, or none",
    ],
    ["::/0=fd00:1::9", "the gateway of a subnet decides on the default route: give that, or none"],
    [
      "192.168.1.0/25=192.168.1.9",
      "it is in the subnet 192.168.1.0/24, which the link reaches itself",
    ],
    ["fd00:1::/64=fd00:1::9", "it is in the subnet fd00:1::/64, which the link reaches itself"],
    ["10.0.0.0/8", "name its next hop: 10.0.0.0/8=ADDRESS"],
    ...["192.168.2.1", "192.168.1.255", "192.168.1.0"].map((via): [string, string] => [
      `10.0.0.0/8=${via}`,
      "its next hop is in no subnet of the link: 192.168.1.0/24, fd00:1::/64",
    ]),
    ["fd01::/16=fe80::1", "its next hop is in no subnet of the link: 192.168.1.0/24", {
      subnets: subnets.slice(0, 1),
    }],
    ["10.0.0.0/8=192.168.1.9", "in l3 mode a link asks for no next hop: write 10.0.0.0/8", {
      mode: "l3",
    }],
    ["fd01::/16", "the network has no IPv6", { mode: "l3s", subnets: subnets.slice(0, 1) }],
    ["10.0.0.0/8=192.168.1.9", "nothing is behind an isolated network: give it a parent", {
      internal: true,
      parent: undefined,
    }],
    ["10.0.0.0/8=192.168.1.9", "nothing is behind an isolated network: give it a parent", {
      parent: undefined,
    }],
  ];
  for (const [words, rule, more] of cases) assertEquals(rules(words, more), [rule], words);
  for (const words of ["", "=", "a=b", "10.0.0.0/33=192.168.1.9", "10.0.0.0/8=", "10.0.0.0/8=a"]) {
    assertEquals(rules(words).length, 1, words);
  }
  for (const routes of [7, ["10.0.0.0/8"], [{ dst: "10.0.0.0/8", gw: "192.168.1.9" }]]) {
    const spec = { name: "n", parent: "eth0", subnets, routes } as unknown as EngineNetworkSpec;
    assertEquals(wrong(spec, []), [["invalid-option", "routes"]]);
  }
  assertEquals(
    settle({ name: "n", parent: "eth0", subnets, routes: [] }).network.routes,
    undefined,
  );
});

Deno.test("a subnet may have no gateway, and no address is kept for one", () => {
  const subnets = [{ subnet: "192.168.1.0/24", gateway: "none" }, "fd00:1::/64"];
  const { network: settled, problems } = settle({ name: "n", parent: "eth0", subnets });
  assertEquals(problems, []);
  assertEquals(settled.subnets.map(({ gateway }) => gateway), ["none", "fd00:1::1"]);
  assertEquals(settle(settled).network, settled);
  assertEquals(Pools.of(subnetsOf(settled)).takeNext(4).address, "192.168.1.1");
  // A next hop is kept, also where it would be the first one.
  const routes = [{ dst: "10.0.0.0/8", via: "192.168.1.1" }];
  const pools = Pools.of(subnetsOf({ ...settled, routes }));
  assertEquals(pools.takeNext(4).address, "192.168.1.2");
  assertThrows(() => pools.take("192.168.1.1"), Error, "route to 10.0.0.0/8");
});

Deno.test("an engine may have the very subnet of another network on the parent, and none that overlaps", () => {
  const owner = { engine: "docker" as const, id: "local" };
  const spec: EngineNetworkSpec = { name: "n", parent: "eth0", subnets: ["192.168.1.0/24"] };
  const owned = { ...spec, name: "docker:n", owner };
  const inUse = [["subnet-in-use", "subnets", 0]];
  assertEquals(wrong(spec, [network("old")]), inUse);
  assertEquals(wrong(owned, [network("old")]), []);
  assertEquals(wrong(spec, [network("docker:old", { owner })]), []);
  for (const subnet of ["192.168.0.0/16", "192.168.1.0/25"]) {
    assertEquals(wrong({ ...owned, subnets: [subnet] }, [network("old")]), inUse);
  }
  // A name is an engine's, or of the driver's own.
  assertEquals(wrong({ ...owned, name: "n2" }, []), [["invalid-name", "name"]]);
  assertEquals(wrong({ ...spec, name: "docker:n" }, []), [["invalid-name", "name"]]);
});
