import { assert, assertEquals } from "@std/assert";
import { stringify } from "@std/yaml";
import fc from "fast-check";
import { subnetsOf } from "../../../lib/driver/model/subnets.ts";
import { settleAll } from "../../../lib/driver/network/settle.ts";
import type { Network, NetworkSpec, SandboxDetails } from "../../../lib/driver/model/types.ts";
import { addressFields } from "../../../lib/ipam/address.ts";
import { type Family, formatPrefix, Pools } from "../../../lib/ipam/mod.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES } from "../../../lib/iproute2/kinds/ipvlan.ts";
import { parseSite } from "../../../lib/site/desired.ts";
import { asDesired, exportSite, type Records } from "../../../lib/site/records.ts";
import { isOwnLabel, siteLabels } from "../../../lib/site/labels.ts";
import { makePlan } from "../../../lib/site/plan.ts";
import { nameProblem } from "../../../lib/driver/model/names.ts";
import { anySettings, prefix } from "../../kit/arbitraries.ts";
import { IDENTITY, network, plainEndpoint, sandboxRecord } from "../../kit/values.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const NAME = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,9}$/);
const TEXT = fc.string({ unit: "binary", maxLength: 12 }).filter((text) => text.isWellFormed());
/** A word of a command, which NUL would end. */
const WORD = TEXT.filter((text) => !text.includes("\0"));
const LABELS = fc.dictionary(TEXT.filter((text) => !isOwnLabel(text)), TEXT, { maxKeys: 3 });

const SPEC = fc.record({
  mode: fc.constantFrom(...IPVLAN_MODES),
  flag: fc.constantFrom(...IPVLAN_FLAGS),
  mtu: fc.integer({ min: 1280, max: 65535 }),
  internal: fc.boolean(),
  isolated: fc.boolean(),
  labels: LABELS,
  prefixes: fc.uniqueArray(fc.oneof(prefix(4, 4, 12), prefix(6, 4, 64)), {
    selector: formatPrefix,
    maxLength: 3,
  }),
}, { requiredKeys: ["labels", "prefixes"] });

/** What is on record of a site "demo", as the driver would have it. */
const RECORDS: fc.Arbitrary<Records> = fc.record({
  networks: fc.uniqueArray(fc.tuple(NAME, SPEC), { selector: ([name]) => name, maxLength: 4 }),
  sandboxes: fc.uniqueArray(
    fc.record({
      name: NAME.filter((name) => nameProblem("sandbox", name) === undefined),
      labels: LABELS,
      command: fc.array(WORD, { maxLength: 3 }).map((words) => words.length ? ["/", ...words] : []),
      on: fc.shuffledSubarray([0, 1, 2, 3]),
      aliases: fc.array(NAME.filter((name) => nameProblem("alias", name) === undefined), {
        maxLength: 2,
      }),
      first: fc.nat(2),
      counts: fc.record({ 4: fc.integer({ min: 1, max: 3 }), 6: fc.integer({ min: 1, max: 3 }) }),
      extras: fc.record({
        linkLocalAddresses: fc.constantFrom(["169.254.7.1"], ["169.254.7.1", "fe80::7"]),
        gatewayPriority: fc.integer({ min: -1000, max: 1000 }).filter((priority) => priority !== 0),
        moreRoutes: fc.constantFrom([{ dst: "10.0.0.0/8", via: "192.168.1.9" }, {
          dst: "fd01::/16",
        }]),
      }, { requiredKeys: [] }),
      settings: anySettings,
    }),
    { selector: ({ name }) => name, maxLength: 4 },
  ),
}).map(({ networks: drawn, sandboxes }) => {
  const specs = drawn.map(([name, { isolated, prefixes, labels, ...options }], index) => {
    const subnets = prefixes.map(formatPrefix);
    const spec: NetworkSpec = {
      ...options,
      name,
      subnets,
      labels: siteLabels({ name: "demo" }, labels),
    };
    if (!isolated) spec.parent = `eth${index}`;
    return spec;
  });
  const networks = settleAll(specs, []).filter(({ problems }) => problems.length === 0)
    .map(({ network }): Network => ({
      ...network,
      ...IDENTITY,
      parent: network.parent ?? "di-0123456789ab",
      isolated: network.parent === undefined,
    }));
  const pools = new Map(networks.map((network) => [network.name, Pools.of(subnetsOf(network))]));
  return {
    networks,
    sandboxes: sandboxes.map(({ name, labels, command, on, first, counts, extras, ...more }) => ({
      ...more.settings,
      id: name,
      name,
      created: IDENTITY.created,
      namespace: "made" as const,
      labels: siteLabels({ name: "demo" }, labels, command.length > 0 ? command : undefined),
      endpoints: on.flatMap((index) => networks[index] ?? []).map((network, index) => {
        const ifname = `eth${index + first}`;
        const endpoint = plainEndpoint(name, network.name, {
          ...extras,
          ifname,
          aliases: more.aliases,
        });
        const addresses: string[] = [];
        for (const family of [4, 6] as const) {
          for (let count = 0; count < counts[family]; count++) {
            addresses.push(...take(pools, network.name, family));
          }
        }
        return { ...endpoint, ...addressFields(addresses) };
      }),
    })),
  };
});

/** Takes the next address of a network with its prefix length; none where it has no such subnet. */
function take(pools: Map<string, Pools>, network: string, family: Family): string[] {
  try {
    const taken = pools.get(network)!.takeNext(family);
    pools.set(network, taken.pools);
    return [`${taken.address}/${formatPrefix(taken.subnet.prefix).split("/")[1]}`];
  } catch {
    return [];
  }
}

function exported(records: Records): string {
  return stringify(exportSite(records).value);
}

Deno.test("a site is exported with the keys of a site file, without defaults", () => {
  const network: Network = {
    ...IDENTITY,
    name: "web",
    parent: "eth0.20",
    isolated: false,
    internal: false,
    ipv4: true,
    mode: "l2",
    flag: "private",
    subnets: [
      { subnet: "192.168.20.0/24", gateway: "192.168.20.1", auxAddresses: { a: "192.168.20.9" } },
      { subnet: "2001:db8::/127", ipRange: "2001:db8::1/128", auxAddresses: {} },
    ],
    labels: siteLabels({ name: "demo" }, { tier: "front" }),
  };
  const sandbox: SandboxDetails = {
    id: "0123",
    name: "c",
    created: "",
    namespace: "made",
    labels: siteLabels({ name: "demo" }, {}, ["sleep", "1000"]),
    hostname: "c.example",
    hosts: [{ name: "db", address: "192.0.2.9" }],
    dns: { servers: [], options: ["ndots:2"] },
    sysctls: { "net.ipv4.ip_forward": "1" },
    endpoints: [plainEndpoint("c", "web", { ip: "192.168.20.2/24", ip6: "2001:db8::1/127" })],
  };
  const other: SandboxDetails = {
    ...sandbox,
    name: "found",
    namespace: "found",
    labels: {},
  };
  const isolated = { ...network, name: "alone", parent: "di-1", isolated: true, labels: {} };
  assertEquals(exportSite({ networks: [network], sandboxes: [sandbox, other] }), {
    value: {
      name: "demo",
      networks: {
        web: {
          parent: "eth0.20",
          flag: "private",
          subnets: [
            {
              subnet: "192.168.20.0/24",
              gateway: "192.168.20.1",
              aux_addresses: { a: "192.168.20.9" },
            },
            { subnet: "2001:db8::/127", ip_range: "2001:db8::1/128" },
          ],
          labels: { tier: "front" },
        },
      },
      sandboxes: {
        c: {
          networks: { web: { ip: "192.168.20.2", ip6: "2001:db8::1" } },
          hostname: "c.example",
          hosts: [{ name: "db", address: "192.0.2.9" }],
          dns: { servers: [], options: ["ndots:2"] },
          sysctls: { "net.ipv4.ip_forward": "1" },
          command: ["sleep", "1000"],
        },
      },
    },
    notices: [
      'The sandbox "found" is left out: a site file makes namespaces, and this one was there before',
    ],
  });
  // A field that a newer program has written to a record is left out.
  const newer = { ...network, subnets: network.subnets.map((each) => ({ ...each, new: null })) };
  const of = (one: Network) => exportSite({ networks: [one], sandboxes: [] });
  assertEquals(of(newer), of(network));
  // Where not all belongs to one site, there is no name.
  const both = exportSite({ networks: [network, isolated], sandboxes: [] }).value;
  assertEquals(Object.keys(both), ["networks"]);
  assert(!("parent" in (both.networks as Record<string, object>).alone!));
});

Deno.test("applying an exported site changes nothing", () => {
  fc.assert(
    fc.property(RECORDS, (records) => {
      const current = { ...records, down: [] };
      const desired = parseSite("demo.yaml", exported(records));
      assertEquals(makePlan(desired, current).changes, []);
      // And with the names that links get by themselves, it says all that a rollback goes by.
      const { networks, sandboxes } = asDesired("demo", current);
      const settled = (specs: readonly NetworkSpec[]) =>
        settleAll(specs, []).map(({ network }) => network).sort((a, b) => a.name < b.name ? -1 : 1);
      assertEquals(settled(desired.networks), settled(networks));
      for (const { connections } of desired.sandboxes) {
        for (const [index, each] of connections.entries()) {
          each.ifname ??= `eth${index}`;
          each.aliases ??= [];
        }
      }
      assertEquals(desired.sandboxes, sandboxes);
    }),
    { seed: 8, numRuns: 300 },
  );
});

Deno.test("a sandbox brings its networks, and a name that is not on record is refused", () => {
  const [records] = fc.sample(
    RECORDS.filter(({ sandboxes, networks }) =>
      networks.length > 1 && sandboxes.some(({ endpoints }) => endpoints.length === 1)
    ),
    { seed: 8, numRuns: 1 },
  );
  const { networks, sandboxes } = records!;
  const one = sandboxes.find(({ endpoints }) => endpoints.length === 1)!;
  const network = one.endpoints[0]!.network;
  const namesOf = (names: string[]) => {
    const { value } = exportSite(records!, names);
    return [
      value.name,
      ...[value.networks, value.sandboxes].map((each) => Object.keys(each ?? {})),
    ];
  };
  assertEquals(namesOf([one.name]), [undefined, [network], [one.name]]);
  assertEquals(namesOf([network]), [undefined, [network], []]);
  // Only all of a site has its name: applying a part would remove the rest.
  const all = [...networks, ...sandboxes].map(({ name }) => name);
  assertEquals(namesOf(all)[0], "demo");
  const error = assertThrowsError(() => exportSite(records!, ["no such", network]), "unknown-name");
  assert(error.message.startsWith('There is no network or sandbox "no such"'));
});

Deno.test("what belongs to engines is left out of a site file", () => {
  const owner = { engine: "docker" as const, id: "3e45" };
  const records = {
    networks: [network("web"), { ...network("n"), name: "docker:3e45", owner }],
    sandboxes: [{ ...sandboxRecord("n"), name: "docker:1", owner, endpoints: [] }],
  };
  const { value, notices } = exportSite(records);
  assertEquals(Object.keys(value.networks as object), ["web"]);
  assertEquals(value.sandboxes, undefined);
  const sentence =
    "Networks and sandboxes of engines are left out, 2 in all: the engines make them again";
  assertEquals(notices, [sentence]);
  assertEquals(exportSite(records, ["docker:3e45"]).value, {});
});
