// The requests are those of Podman 5.4.2 with netavark 1.14.0.
import { assertEquals, assertObjectMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { IpvlanError } from "../../../lib/base/errors.ts";
import type { Network, NetworkSubnet } from "../../../lib/driver/model/types.ts";
import {
  createAnswer,
  infoOf,
  isAskedFor,
  readCreate,
  readSetup,
  readTeardown,
  setupAnswer,
} from "../../../lib/engine/netavark/translate.ts";
import { endpointOn } from "../../kit/values.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const ID = "ff22e3a978602c1a6cd63462295b4f3dbb85d500a4288c14c45de2ced00c19ce";
const CONTAINER = "8fb5d13892e3cadad7297c8d535674f12a9dde5f256ec92b95a0efa3369fdc01";

/** What `podman network create` sends for `l2net`. */
const CREATE = {
  name: "l2net",
  id: ID,
  driver: "ipvlan-kit",
  created: "0001-01-01T00:00:00Z",
  subnets: [{
    subnet: "192.168.1.0/24",
    gateway: "192.168.1.1",
    lease_range: { start_ip: "192.168.1.65", end_ip: "192.168.1.95" },
  }],
  ipv6_enabled: false,
  internal: false,
  dns_enabled: true,
  labels: { a: "b" },
  options: { parent: "eth0" },
};

/** What `podman run --network l2net:ip=192.168.1.77,interface_name=net7,alias=web` sends. */
const SETUP = {
  container_id: CONTAINER,
  container_name: "foo",
  port_mappings: [
    { container_port: 80, host_ip: "", host_port: 8080, protocol: "tcp", range: 1 },
  ],
  network: {
    dns_enabled: true,
    driver: "ipvlan-kit",
    id: ID,
    internal: false,
    ipv6_enabled: false,
    name: "l2net",
    network_interface: "eth0",
    options: { parent: "eth0" },
    ipam_options: null,
    subnets: [{
      gateway: "192.168.1.1",
      lease_range: { end_ip: "192.168.1.95", start_ip: "192.168.1.65" },
      subnet: "192.168.1.0/24",
    }],
    routes: null,
    network_dns_servers: null,
  },
  network_options: {
    aliases: ["web", "8fb5d13892e3"],
    interface_name: "net7",
    static_ips: ["192.168.1.77"],
    static_mac: null,
    options: null,
  },
};

const create = (change: Record<string, unknown> = {}) =>
  readCreate(JSON.stringify({ ...CREATE, ...change }));

const setup = (
  network: Record<string, unknown> = {},
  options: Record<string, unknown> = {},
) =>
  readSetup(
    JSON.stringify({
      ...SETUP,
      network: { ...SETUP.network, ...network },
      network_options: { ...SETUP.network_options, ...options },
    }),
    "/run/netns/netns-1",
  );

Deno.test("create reads a network, and answers with the parent as its interface", () => {
  const request = create();
  assertEquals(request.spec, {
    name: "netavark:l2net",
    owner: { engine: "netavark", id: ID },
    parent: "eth0",
    transient: true,
    internal: false,
    subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1" }],
    ipv4: true,
    ipv6: undefined,
  });
  assertEquals(createAnswer(request), { ...CREATE, network_interface: "eth0" });
});

Deno.test("the options are those of ipvlan network create, and others are refused", () => {
  const options = { parent: "eth0.20", ipvlan_mode: "l3s", ipvlan_flag: "vepa", mtu: "1400" };
  const { spec } = create({ options });
  assertObjectMatch(spec, { parent: "eth0.20", mode: "l3s", flag: "vepa", mtu: 1400 });
  assertThrowsError(() => create({ options: { mode: "l3" } }), "invalid-option", "mode=l3");
});

Deno.test("--interface-name names the parent too, and may not name another one", () => {
  const { spec } = create({ options: null, network_interface: "eth0" });
  assertEquals(spec.parent, "eth0");
  const differ = () => create({ network_interface: "eth1" });
  assertThrowsError(
    differ,
    "invalid-option",
    'The parent "eth0" is not valid: the interface is "eth1"',
  );
});

Deno.test("a network has any number of subnets, and is not internal if nothing is said", () => {
  const subnets = ["10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64", "fd00:2::/64"]
    .map((subnet) => ({ subnet }));
  const { spec } = create({ internal: null, subnets });
  assertEquals([spec.internal, spec.subnets?.length], [false, 4]);
});

Deno.test("an equal request is one for the same network and the same addresses", () => {
  const request = setup({}, { static_ips: ["192.168.1.77", "fd00::7"] });
  const endpoint = { network: "netavark:l2net", ip: "192.168.1.77/24", ip6: "fd00::7/64" };
  assertEquals(isAskedFor(endpoint, request), true);
  const others = [{ network: "netavark:other" }, { ip: "192.168.1.7/24" }, { ip6: undefined }];
  for (const other of others) assertEquals(isAskedFor({ ...endpoint, ...other }, request), false);
  const several = setup({}, { static_ips: ["192.168.1.77", "fd00::7", "10.2.0.7"] });
  const more = { ...endpoint, moreAddresses: ["10.2.0.7/24"] };
  assertEquals([isAskedFor(more, several), isAskedFor(more, request)], [true, false]);
  assertEquals(isAskedFor(endpoint, several), false);
});

Deno.test("a network without a parent is isolated, and has no interface", () => {
  const request = create({ options: null });
  assertEquals(request.spec.parent, undefined);
  assertEquals("network_interface" in createAnswer(request), false);
});

Deno.test("Podman gives no container the reserved address of an internal network", () => {
  // Podman sends no gateway for such a network.
  const subnets = [{ subnet: "10.1.0.0/24" }, { subnet: "fd00:1::/64" }];
  const answer = createAnswer(create({ internal: true, subnets }));
  assertEquals(answer.subnets, [
    { subnet: "10.1.0.0/24", lease_range: { start_ip: "10.1.0.2" } },
    { subnet: "fd00:1::/64", lease_range: { start_ip: "fd00:1::2" } },
  ]);
  const range = { subnet: "10.1.0.0/24", lease_range: { start_ip: "10.1.0.64" } };
  assertEquals(createAnswer(create({ internal: true, subnets: [range] })).subnets, [range]);
  // A subnet of two addresses has none to reserve.
  const small = { subnet: "10.1.0.0/31" };
  assertEquals(createAnswer(create({ internal: true, subnets: [small] })).subnets, [small]);
});

Deno.test("create refuses what Podman's own choice of addresses does not go with", () => {
  const refused = (change: Record<string, unknown>, message: string) =>
    assertThrowsError(() => create(change), "invalid-option", message);
  refused({ subnets: null }, "give one with --subnet");
  refused({ ipam_options: { driver: "none" } }, 'The IPAM driver "none"');
  refused({ ipam_options: { driver: "dhcp" } }, 'The IPAM driver "dhcp"');
  const route = { destination: "10.9.0.0/16", gateway: "192.168.1.5", metric: 200 };
  refused({ routes: [route] }, "a route here has no metric");
  // All that is wrong is said at once.
  assertThrowsError(() => create({ subnets: null, options: { a: "b" } }), "problems");
});

Deno.test("only IPv6: the network has no pool that Podman does not know of", () => {
  const { spec } = create({ subnets: [{ subnet: "fd00:2::/64" }], ipv6_enabled: true });
  assertObjectMatch(spec, { ipv4: false, ipv6: true, subnets: [{ subnet: "fd00:2::/64" }] });
});

Deno.test("setup connects a container by its namespace, with the address that Podman chose", () => {
  const { network, attachment, nameServers } = setup();
  assertEquals(network, create().spec);
  assertEquals(attachment, {
    name: `netavark:${CONTAINER}`,
    owner: { engine: "netavark", id: CONTAINER },
    path: "/run/netns/netns-1",
    connection: {
      ifname: "net7",
      ip: "192.168.1.77",
      macAddress: undefined,
      aliases: ["web", "8fb5d13892e3"],
      moreRoutes: [],
    },
  });
  assertEquals(nameServers, []);
});

Deno.test("setup takes all addresses, a MAC address, and name servers", () => {
  const { attachment, nameServers } = setup(
    { network_dns_servers: ["9.9.9.9"] },
    { static_ips: ["fd00:1::2", "10.1.0.9"], static_mac: "02:00:00:00:00:01" },
  );
  const { ip, ip6, macAddress } = attachment.connection;
  assertEquals([ip, ip6, macAddress], ["10.1.0.9", "fd00:1::2", "02:00:00:00:00:01"]);
  assertEquals(nameServers, ["9.9.9.9"]);
  const two = setup({}, { static_ips: ["10.1.0.9", "10.2.0.9"] }).attachment.connection;
  assertEquals([two.ip, two.moreAddresses], ["10.1.0.9", ["10.2.0.9"]]);
});

Deno.test("the routes of a network come besides those that the driver makes", () => {
  const routes = [{ destination: "10.9.0.0/16", gateway: "192.168.1.5", metric: null }];
  const route = { dst: "10.9.0.0/16", via: "192.168.1.5" };
  const { connection } = setup({ routes }).attachment;
  assertEquals([connection.routes, connection.moreRoutes], [undefined, [route]]);
  // Podman wants a next hop, where a link in an L3 mode has none.
  const options = { parent: "eth0", ipvlan_mode: "l3" };
  assertEquals(setup({ routes, options }).attachment.connection.moreRoutes, [
    { dst: "10.9.0.0/16" },
  ]);
});

Deno.test("a network of Podman's has no gateway if it is to have no default route", () => {
  const gateways = (value: string) =>
    setup({ options: { parent: "eth0", no_default_route: value } }).network.subnets!
      .map((subnet) => (subnet as NetworkSubnet).gateway);
  assertEquals(gateways("true"), gateways("1"));
  assertEquals(gateways("1").every((gateway) => gateway === "none"), true);
  assertEquals(gateways("0").includes("none"), false);
  assertThrowsError(() => gateways("yes"), "invalid-option", "write true or false");
});

Deno.test("setup answers with the link, its addresses and its gateways", () => {
  const network: Network = {
    id: "1",
    name: "netavark:l2net",
    created: "",
    parent: "eth0",
    isolated: false,
    mode: "l2",
    flag: "bridge",
    internal: false,
    ipv4: true,
    labels: {},
    subnets: [
      { subnet: "10.1.0.0/24", gateway: "10.1.0.1", auxAddresses: {} },
      { subnet: "fd00:1::/64", gateway: "fd00:1::1", auxAddresses: {} },
      { subnet: "10.2.0.0/24", gateway: "10.2.0.1", auxAddresses: {} },
    ],
  };
  const mac = "02:00:00:00:00:01";
  const made = (network: Network) => ({
    ...endpointOn(network, `netavark:${CONTAINER}`, { ip: "10.1.0.9", ip6: "fd00:1::2" }),
    mac,
  });
  assertEquals(setupAnswer(made(network), ["9.9.9.9"]), {
    dns_server_ips: ["9.9.9.9"],
    dns_search_domains: [],
    interfaces: {
      eth0: {
        mac_address: mac,
        subnets: [
          { ipnet: "10.1.0.9/24", gateway: "10.1.0.1" },
          { ipnet: "fd00:1::2/64", gateway: "fd00:1::1" },
        ],
      },
    },
  });
  const moreAddresses = ["10.1.0.8", "10.2.0.9"];
  const ips = { ip: "10.1.0.9", moreAddresses };
  const two = endpointOn(network, `netavark:${CONTAINER}`, ips);
  // The default route is that of the first address.
  assertEquals(setupAnswer(two, []).interfaces.eth0!.subnets, [
    { ipnet: "10.1.0.9/24", gateway: "10.1.0.1" },
    { ipnet: "10.1.0.8/24", gateway: "10.1.0.1" },
    { ipnet: "10.2.0.9/24" },
  ]);
  const { interfaces } = setupAnswer(made({ ...network, mode: "l3" }), []);
  assertEquals(interfaces.eth0!.subnets, [{ ipnet: "10.1.0.9/24" }, { ipnet: "fd00:1::2/64" }]);
});

Deno.test("teardown needs the names alone", () => {
  const network = { name: "l2net", options: { nonsense: "1" }, subnets: [{}] };
  const options = { interface_name: "net7", static_ips: "nonsense" };
  const text = JSON.stringify({ container_id: CONTAINER, network, network_options: options });
  assertEquals(readTeardown(text), {
    sandbox: `netavark:${CONTAINER}`,
    network: "netavark:l2net",
    ifname: "net7",
  });
});

Deno.test("a request that is not as it should be is an error that says where", () => {
  assertThrowsError(() => readCreate("nonsense"), "invalid-request", "is not JSON");
  assertThrowsError(
    () => create({ name: 5 }),
    "invalid-request",
    '"name" is 5, and should be a text',
  );
  assertThrowsError(() => create({ subnets: [{}] }), "invalid-request", '"subnets[0].subnet"');
  assertThrowsError(() => setup({ id: null }), "invalid-request", '"network.id" is null');
  assertThrowsError(() => setup({}, { static_ips: [5] }), "invalid-request", "static_ips[0]");
  assertThrowsError(() => readTeardown("{}"), "problems", '"container_id" is missing');
  const text = JSON.stringify({ ...SETUP, more: "x".repeat(2 ** 20) });
  assertThrowsError(() => readSetup(text, "/run/netns/n"), "invalid-request", "it is longer than");
  const path = "/run/netns/n\0";
  assertThrows(() => readSetup(JSON.stringify(SETUP), path), IpvlanError, "network namespace file");
});

Deno.test("info names the versions", () => {
  assertEquals(infoOf("0.1.0"), { version: "0.1.0", api_version: "1.0.0" });
});

/** Values as engines send them, and as they do not. */
const ANY = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom("eth0", "10.1.0.0/24", "fd00::/64", "10.1.0.300", "__proto__", "", "l3", null),
);

/** A request in which some fields have other values. */
function mutated<T extends object>(request: T): fc.Arbitrary<string> {
  const fields = (value: object): fc.Arbitrary<unknown> =>
    fc.record(Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        key,
        fc.oneof(
          { weight: 8, arbitrary: isPlainObject(each) ? fields(each) : fc.constant(each) },
          { weight: 1, arbitrary: ANY },
        ),
      ]),
    ));
  return fields(request).map((value) => JSON.stringify(value));
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

Deno.test("whatever a request has in its fields, it is read or gives an error of the project's own", () => {
  const reads: [read: (text: string) => unknown, request: object][] = [
    [readCreate, CREATE],
    [(text) => readSetup(text, "/run/netns/x"), SETUP],
    [readTeardown, SETUP],
  ];
  for (const [read, request] of reads) {
    fc.assert(
      fc.property(fc.oneof(mutated(request), fc.json()), (text) => {
        try {
          read(text);
        } catch (error) {
          if (!(error instanceof IpvlanError)) throw error;
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
  }
});
