import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DRIVER_OPTIONS } from "../../../../lib/driver/model/options.ts";
import {
  createEndpointAnswer,
  joinAnswer,
  readCreateEndpoint,
  readCreateNetwork,
  readEndpoint,
  readJoin,
  readNetwork,
} from "../../../../lib/engine/docker/translate.ts";
import type { EndpointRoute, Network, NetworkSubnet } from "../../../../lib/driver/model/types.ts";
import { IpvlanError } from "../../../../lib/base/errors.ts";
import { endpointOn } from "../../../kit/values.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const NETWORK_ID = "3f2b8c1d9e7a".padEnd(64, "0");
const ENDPOINT_ID = "a1b2c3d4e5f6".padEnd(64, "9");

/** CreateNetwork as Docker 20.10 and 26.1 sent it, with other fields in place of some. */
function createNetwork(
  fields: object = {},
  generic: object = { ipvlan_mode: "l2", parent: "eth0" },
) {
  return {
    NetworkID: NETWORK_ID,
    Options: {
      "com.docker.network.enable_ipv6": false,
      "com.docker.network.generic": generic,
    },
    IPv4Data: [
      { AddressSpace: "LocalDefault", Gateway: "192.168.1.1/24", Pool: "192.168.1.0/24" },
    ],
    IPv6Data: [],
    ...fields,
  };
}

function createEndpoint(address: object = {}, options: object = {}) {
  return {
    NetworkID: NETWORK_ID,
    EndpointID: ENDPOINT_ID,
    Interface: { Address: "192.168.1.2/24", AddressIPv6: "", MacAddress: "", ...address },
    Options: {
      "com.docker.network.endpoint.exposedports": [],
      "com.docker.network.portmap": [],
      ...options,
    },
  };
}

Deno.test("a network of Docker's becomes a request to the driver", () => {
  assertEquals(readCreateNetwork(createNetwork()), {
    spec: {
      name: "docker:3f2b8c1d9e7a",
      owner: { engine: "docker", id: NETWORK_ID },
      parent: "eth0",
      mode: "l2",
      internal: false,
      ipv4: true,
      subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: {} }],
    },
    problems: [],
  });
});

Deno.test("a network's internal switch, second family, auxiliary addresses and MTU come along", () => {
  const { spec, problems } = readCreateNetwork({
    NetworkID: NETWORK_ID,
    Options: {
      "com.docker.network.enable_ipv6": true,
      "com.docker.network.internal": true,
      "com.docker.network.generic": { "com.docker.network.driver.mtu": "1400" },
    },
    IPv4Data: [{
      AddressSpace: "iklocal",
      Gateway: "192.168.1.1/24",
      Pool: "192.168.1.0/24",
      AuxAddresses: { a: "192.168.1.70/24" },
    }],
    IPv6Data: [{ AddressSpace: "iklocal", Gateway: "2001:db8::1/64", Pool: "2001:db8::/64" }],
  });
  assertEquals(problems, []);
  assertEquals([spec.internal, spec.ipv4, spec.mtu], [true, true, 1400]);
  assertEquals(spec.subnets, [
    { subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: { a: "192.168.1.70" } },
    { subnet: "2001:db8::/64", gateway: "2001:db8::1", auxAddresses: {} },
  ]);
});

Deno.test("without options, and with null for a list, a network is read all the same", () => {
  const { spec, problems } = readCreateNetwork(createNetwork({ Options: null, IPv6Data: null }));
  assertEquals(problems, []);
  assertEquals([spec.parent, spec.internal], [undefined, false]);
});

Deno.test("a network has IPv4 only if Docker gives it a pool of that family", () => {
  const IPv6Data = [{ Pool: "fd00::/64" }];
  const ipv4 = (fields: object) => readCreateNetwork(createNetwork(fields)).spec.ipv4;
  assertEquals([ipv4({}), ipv4({ IPv4Data: [], IPv6Data })], [true, false]);
});

Deno.test("an option that cannot act on a link of Docker's is refused, with what to do instead", () => {
  const refused = (generic: Record<string, string>) =>
    readCreateNetwork(createNetwork({}, { parent: "eth0", ...generic })).problems
      .map(({ message }) => message);
  for (const ipv6 of ["off", "static", "slaac"]) {
    assertEquals(refused({ ipv6 }), [
      `The IPv6 addresses "${ipv6}" is not valid: Docker itself decides on the IPv6 of its ` +
      "containers; give them --sysctl net.ipv6.conf.eth0.accept_ra=0 for none of a router's " +
      "addresses",
    ]);
  }
  assertEquals(refused({ dad: "optimistic" }), [
    'The duplicate address detection "optimistic" is not valid: Docker itself adds IPv6 ' +
    "addresses, without it; choose on",
  ]);
  assertEquals(refused({ dad: "on", probe: "gateway" }), []);
});

Deno.test("every unknown option of a network is named", () => {
  const generic = { parent: "eth0", ipvlan_mod: "l3", "com.docker.network.bridge.name": "br0" };
  assertEquals(
    readCreateNetwork(createNetwork({}, generic)).problems.map(({ message }) => message),
    ([
      ["ipvlan_mod=l3", ' (did you mean "ipvlan_mode"?)'],
      ["com.docker.network.bridge.name=br0", ""],
    ] as const).map(([word, hint]) =>
      `The driver option "${word}" is not valid: choose one of ${DRIVER_OPTIONS.join(", ")}${hint}`
    ),
  );
});

Deno.test("everything that is wrong with a body is said, with its field and its value", () => {
  const error = assertThrowsError(
    () =>
      readCreateNetwork({
        NetworkID: 7,
        IPv4Data: [{ Pool: "10.0.0.0/8" }, { Pool: 1, AuxAddresses: { a: true } }, "x"],
        Options: { "com.docker.network.generic": { parent: {} } },
      }),
    "problems",
  );
  const reasons = [
    '"NetworkID" is 7, and should be an id of letters and digits, 12 at least',
    '"IPv4Data[1].Pool" is 1, and should be a text',
    '"IPv4Data[1].AuxAddresses.a" is true, and should be a text',
    '"IPv4Data[2]" is "x", and should be an object',
    '"Options.com.docker.network.generic.parent" is {}, and should be a text',
  ];
  const sentences = reasons.map((reason) => `The engine's request cannot be read: ${reason}`);
  assertEquals(error.message.split("\n"), sentences);
});

Deno.test("a body that is no object, or an id that is missing, is an error", () => {
  assertThrowsError(() => readCreateNetwork(undefined), "missing-request", "The body is missing");
  for (const body of [null, 1, "x", []]) {
    assertThrowsError(() => readCreateNetwork(body), "invalid-request", "it is ");
  }
  assertThrows(() => readNetwork({}), IpvlanError, '"NetworkID" is missing');
  assertThrows(
    () => readEndpoint({ NetworkID: NETWORK_ID, EndpointID: "../../x" }),
    IpvlanError,
    '"EndpointID" is "../../x"',
  );
});

Deno.test("no body gives anything but a request or an error for the user", () => {
  const readers = [
    readCreateNetwork,
    readNetwork,
    readCreateEndpoint,
    readEndpoint,
    readJoin,
  ];
  const bodies = fc.oneof(
    fc.jsonValue(),
    fc.record({
      NetworkID: fc.oneof(fc.constant(NETWORK_ID), fc.jsonValue()),
      EndpointID: fc.oneof(fc.constant(ENDPOINT_ID), fc.jsonValue()),
      SandboxKey: fc.jsonValue(),
      Interface: fc.jsonValue(),
      IPv4Data: fc.oneof(fc.array(fc.record({ Pool: fc.jsonValue() })), fc.jsonValue()),
      Options: fc.oneof(
        fc.record({ "com.docker.network.generic": fc.jsonValue() }),
        fc.jsonValue(),
      ),
    }, { requiredKeys: [] }),
  );
  fc.assert(
    fc.property(bodies, fc.constantFrom(...readers), (body, read) => {
      try {
        read(body);
      } catch (error) {
        if (!(error instanceof IpvlanError)) throw error;
      }
    }),
    { seed: 10, numRuns: 2000 },
  );
});

Deno.test("an endpoint of Docker's becomes a sandbox whose link Docker takes over", () => {
  assertEquals(readCreateEndpoint(createEndpoint()), {
    name: `docker:${ENDPOINT_ID}`,
    owner: { engine: "docker", id: ENDPOINT_ID },
    connections: [{
      network: "docker:3f2b8c1d9e7a",
      ip: "192.168.1.2",
      ip6: undefined,
      macAddress: undefined,
      handOver: true,
    }],
  });
});

Deno.test("a MAC address goes to the driver, which refuses it", () => {
  const { connections } = readCreateEndpoint(createEndpoint({ MacAddress: "02:42:00:00:00:01" }));
  assertEquals(connections?.[0]?.macAddress, "02:42:00:00:00:01");
});

Deno.test("an option that a user gave for an endpoint is refused by name", () => {
  assertThrows(
    () => readCreateEndpoint(createEndpoint({}, { speed: "fast" })),
    IpvlanError,
    'The driver option "speed" is not valid: an endpoint has no options',
  );
});

Deno.test("Docker is told the addresses that it has not chosen, and no others", () => {
  const endpoint = { ip: "192.168.1.2/24", ip6: "2001:db8::2/64" };
  const answer = (address: object) =>
    JSON.stringify(
      createEndpointAnswer(readCreateEndpoint(createEndpoint(address)), endpoint),
    );
  assertEquals(answer({}), '{"Interface":{"AddressIPv6":"2001:db8::2/64"}}');
  assertEquals(answer({ AddressIPv6: "2001:db8::2/64" }), '{"Interface":{}}');
});

Deno.test("a Join names the container's namespace", () => {
  const path = "/var/run/docker/netns/3e458d0718ee";
  const body = { NetworkID: NETWORK_ID, EndpointID: ENDPOINT_ID, SandboxKey: path, Options: {} };
  assertEquals(readJoin(body).path, path);
  const long = `/run/netns/${"x".repeat(256)}`;
  for (const SandboxKey of ["netns/x", "", `${path}\0`, "/run/netns/../x", "/run/a b", long]) {
    assertThrows(
      () => readJoin({ ...body, SandboxKey }),
      IpvlanError,
      "and should be the absolute path of a network namespace",
    );
  }
});

const NETWORK: Network = {
  name: "docker:3f2b8c1d9e7a",
  id: NETWORK_ID,
  created: "2026-11-25T00:00:00.000Z",
  parent: "eth0",
  isolated: false,
  mode: "l2",
  flag: "bridge",
  internal: false,
  ipv4: true,
  subnets: [
    { subnet: "192.168.1.0/24", gateway: "192.168.1.1", auxAddresses: {} },
    { subnet: "2001:db8::/64", gateway: "2001:db8::1", auxAddresses: {} },
  ],
  labels: {},
};

const ENDPOINT = { ifname: "e-1", ip: "192.168.1.2" };
const DUAL = { ...ENDPOINT, ip6: "2001:db8::2" };

/** What Docker is answered to a Join, as JSON has it. */
function answerTo(
  network: Network,
  endpoint: { ifname: string; ip: string; ip6?: string } = DUAL,
  present: EndpointRoute[] = [],
): unknown {
  const answer = joinAnswer(endpointOn(network, "docker:1", endpoint), present);
  const { InterfaceName, ...rest } = JSON.parse(JSON.stringify(answer));
  assertEquals(InterfaceName, { SrcName: "e-1", DstPrefix: "eth" });
  return rest;
}

Deno.test("an L2 network gives a gateway of each family that the endpoint has", () => {
  const answer = { Gateway: "192.168.1.1", StaticRoutes: [], DisableGatewayService: false };
  assertEquals(answerTo(NETWORK, ENDPOINT), answer);
  assertEquals(answerTo(NETWORK), { ...answer, GatewayIPv6: "2001:db8::1" });
});

const [IPV4, IPV6] = [
  { Destination: "0.0.0.0/0", RouteType: 1 },
  { Destination: "::/0", RouteType: 1 },
];

Deno.test("a network in an L3 mode gives default routes without a next hop", () => {
  for (const mode of ["l3", "l3s"] as const) {
    const answer = { StaticRoutes: [IPV4, IPV6], DisableGatewayService: true };
    assertEquals(answerTo({ ...NETWORK, mode }), answer);
  }
});

Deno.test("static routes have their next hops, and the first network of a container has its own", () => {
  const routes = [
    { dst: "10.9.0.0/16", via: "192.168.1.9" },
    { dst: "fd09::/16", via: "fe80::1" },
  ];
  const [one, other] = [
    { Destination: "10.9.0.0/16", RouteType: 0, NextHop: "192.168.1.9" },
    { Destination: "fd09::/16", RouteType: 0, NextHop: "fe80::1" },
  ];
  const answer = { Gateway: "192.168.1.1", DisableGatewayService: false };
  assertEquals(answerTo({ ...NETWORK, routes }, ENDPOINT), { ...answer, StaticRoutes: [one] });
  const present = [{ dst: "10.9.0.0/16", via: "10.0.0.1" }];
  assertEquals(answerTo({ ...NETWORK, routes }, DUAL, present), {
    ...answer,
    GatewayIPv6: "2001:db8::1",
    StaticRoutes: [other],
  });
});

Deno.test("rules for answers are refused, as Docker itself sets the addresses", () => {
  const options = (policy_routes: string) => ({
    Options: { "com.docker.network.generic": { parent: "eth0", policy_routes } },
  });
  assertEquals(readCreateNetwork(createNetwork(options("false"))).problems, []);
  for (const value of ["true", "auto"]) {
    const { problems } = readCreateNetwork(createNetwork(options(value)));
    assertEquals(problems.map(({ message }) => message), [
      `The policy routes "${value}" is not valid: Docker itself sets the addresses of a container, ` +
      "and no rules for them: leave it out",
    ]);
  }
});

Deno.test("a network of Docker's may have no gateway, which only an option can say", () => {
  const asked = (gateway: string) =>
    readCreateNetwork(createNetwork({
      Options: { "com.docker.network.generic": { parent: "eth0", gateway } },
    }));
  const { spec, problems } = asked("none");
  assertEquals(problems, []);
  assertEquals(spec.subnets!.map((subnet) => (subnet as NetworkSubnet).gateway), ["none"]);
  assertEquals(asked("10.0.0.1").problems.map(({ message }) => message), [
    'The driver option "gateway=10.0.0.1" is not valid: write gateway=none, or give an address ' +
    "with --gateway",
  ]);
  const [four, six] = NETWORK.subnets.map((subnet) => ({ ...subnet, gateway: "none" }));
  assertEquals(answerTo({ ...NETWORK, subnets: [four!, six!] }), NO_DEFAULT);
  assertEquals(answerTo({ ...NETWORK, mode: "l3", subnets: [four!, NETWORK.subnets[1]!] }), {
    StaticRoutes: [IPV6],
    DisableGatewayService: true,
  });
});

const NO_DEFAULT = { StaticRoutes: [], DisableGatewayService: true };

Deno.test("an internal network, and an isolated one in L2 mode, give no default route", () => {
  for (const mode of ["l2", "l3"] as const) {
    assertEquals(answerTo({ ...NETWORK, mode, isolated: true, internal: true }), NO_DEFAULT);
  }
  assertEquals(answerTo({ ...NETWORK, isolated: true }), NO_DEFAULT);
});

Deno.test("in the L3 modes, an internal network gives routes to its other subnets", () => {
  const other = { subnet: "10.2.0.0/24", auxAddresses: {} };
  const subnets = [...NETWORK.subnets, other];
  for (const mode of ["l3", "l3s"] as const) {
    const network = { ...NETWORK, subnets, mode, isolated: true, internal: true };
    assertEquals(answerTo(network), {
      ...NO_DEFAULT,
      StaticRoutes: [{ Destination: "10.2.0.0/24", RouteType: 1 }],
    });
    // Docker could not add it.
    assertEquals(answerTo(network, DUAL, [{ dst: "10.2.0.0/24" }]), NO_DEFAULT);
  }
});

Deno.test("Docker chooses among gateways by itself", () => {
  const present = [{ dst: "0.0.0.0/0", via: "192.168.7.1" }];
  assertEquals(answerTo(NETWORK, DUAL, present), answerTo(NETWORK));
});

Deno.test("beside another default route, one without a next hop is left out, by family", () => {
  const l3 = { ...NETWORK, mode: "l3" } as const;
  for (const via of ["192.168.7.1", undefined]) {
    const answer = { StaticRoutes: [IPV6], DisableGatewayService: true };
    assertEquals(answerTo(l3, DUAL, [{ dst: "0.0.0.0/0", via }]), answer);
  }
  assertEquals(answerTo(l3, DUAL, endpointOn(NETWORK, "docker:1", DUAL).routes), NO_DEFAULT);
});

Deno.test("beside a default route without a next hop, a gateway is left out, by family", () => {
  assertEquals(answerTo(NETWORK, DUAL, [{ dst: "::/0" }]), answerTo(NETWORK, ENDPOINT));
  assertEquals(answerTo(NETWORK, DUAL, [{ dst: "0.0.0.0/0" }]), {
    GatewayIPv6: "2001:db8::1",
    ...NO_DEFAULT,
  });
});
