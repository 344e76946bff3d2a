import { assertEquals, assertThrows } from "@std/assert";
import type { Network, SeenSandbox } from "../../../../lib/driver/mod.ts";
import type { Link } from "../../../../lib/iproute2/link_types.ts";
import type { Route } from "../../../../lib/iproute2/route_types.ts";
import {
  cniError,
  CODE,
  errorAnswer,
  ipamFailure,
  toCniErrors,
} from "../../../../lib/engine/cni/errors.ts";
import { readGiven } from "../../../../lib/engine/cni/delegate.ts";
import { formatResult, type Result } from "../../../../lib/engine/cni/result.ts";
import {
  attachmentsOf,
  changesOf,
  type CniRequest,
  isValid,
  parentOf,
  planLink,
  readRequest,
  resultOf,
} from "../../../../lib/engine/cni/translate.ts";
import { endpointOn } from "../../../kit/values.ts";
import { assertThrowsError } from "../../../kit/errors.ts";
import { errorOf, invalidOption, IpvlanError } from "../../../../lib/base/errors.ts";

const ENVIRONMENT = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "default-c1",
  CNI_NETNS: "/proc/806/ns/net",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};

function request(conf: unknown, more: Record<string, string> = {}): CniRequest {
  return readRequest({ ...ENVIRONMENT, ...more }, JSON.stringify(conf));
}

const OWN = {
  cniVersion: "1.0.0",
  name: "lan",
  type: "ipvlan-kit",
  master: "eth0",
  mode: "l2",
  subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }],
};

const HOST_LOCAL = {
  ...{ cniVersion: "1.0.0", name: "std", type: "ipvlan-kit", master: "eth0" },
  ipam: { type: "host-local" },
};

/** What host-local prints, of Debian's containernetworking-plugins 1.1.1. */
const GIVEN = {
  cniVersion: "1.0.0",
  ips: [{ address: "192.168.1.80/24", gateway: "192.168.1.1" }],
  routes: [{ dst: "0.0.0.0/0" }],
  dns: {},
};

function given(value: unknown = GIVEN): Result {
  return readGiven({ type: "host-local" }, value);
}

/** The network of {@linkcode OWN} on record. */
const NETWORK = {
  ...{ id: "0".repeat(64), created: "2026-11-25T00:00:00Z", name: "cni:lan", labels: {} },
  ...{ parent: "eth0", mode: "l2", flag: "bridge", internal: false, ipv4: true, isolated: false },
  subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1", auxAddresses: {} }],
} as Network;

const ENDPOINT = endpointOn(NETWORK, "cni:default-c1", { ip: "192.168.20.2" });

const SANDBOX = {
  id: "0123",
  name: "cni:default-c1",
  created: "",
  namespace: "borrowed",
  path: "/proc/806/ns/net",
  owner: { engine: "cni", id: "default-c1" },
  labels: { "cni/eth0": "lan" },
} as const;

Deno.test("subnets of the configuration become a network of the driver's", () => {
  const asked = request(OWN, { CNI_ARGS: "IgnoreUnknown=1;IP=192.168.20.9" });
  const { connection, ...sandbox } = planLink(asked, undefined);
  assertEquals(asked.settled?.spec, {
    name: "cni:lan",
    owner: { engine: "cni", id: "lan" },
    parent: "eth0",
    transient: true,
    mode: "l2",
    ipv4: true,
    subnets: asked.conf.source.kind === "subnets" ? asked.conf.source.subnets : [],
  });
  assertEquals(sandbox, {
    name: "cni:default-c1",
    owner: { engine: "cni", id: "default-c1" },
    path: "/proc/806/ns/net",
    labels: { "cni/eth0": "lan" },
  });
  assertEquals(connection, {
    ifname: "eth0",
    ip: "192.168.20.9",
    routes: undefined,
  });
});

Deno.test("addresses of an IPAM plugin are used as they are, and its routes take its gateway", () => {
  const value = {
    cniVersion: "0.3.1",
    ips: [
      { version: "4", address: "10.0.0.5/8", gateway: "10.0.0.1" },
      { version: "6", address: "fd00::5/64" },
    ],
    routes: [
      { dst: "0.0.0.0/0" },
      { dst: "172.16.9.9/12", gw: "10.0.0.9" },
      { dst: "::/0" },
      { dst: "10.1.0.0/16", priority: 7, table: 100, mtu: 1400, advmss: 1300, scope: 0 },
      { dst: "10.2.0.0/16", scope: 253 },
    ],
  };
  const asked = request(HOST_LOCAL);
  const { connection } = planLink(asked, given(value));
  assertEquals(asked.settled?.spec, {
    name: "cni:std",
    owner: { engine: "cni", id: "std" },
    parent: "eth0",
    transient: true,
    foreignAddresses: true,
  });
  assertEquals(connection, {
    ifname: "eth0",
    ip: "10.0.0.5/8",
    ip6: "fd00::5/64",
    routes: [
      { dst: "0.0.0.0/0", via: "10.0.0.1" },
      { dst: "172.16.0.0/12", via: "10.0.0.9" },
      { dst: "::/0" },
      {
        ...{ dst: "10.1.0.0/16", via: "10.0.0.1", metric: 7, table: 100, scope: "global" },
        ...{ mtu: 1400, advmss: 1300 },
      },
      { dst: "10.2.0.0/16", scope: "link" },
    ],
  });
});

Deno.test("a link has all addresses of an IPAM plugin, and routes the first gateway of their family", () => {
  const ips = [
    { address: "fd00::5/64", interface: 0 },
    { address: "10.0.0.5/8", interface: 0 },
    { address: "192.168.1.5/24", gateway: "192.168.1.1", interface: 0 },
    { address: "fd00:2::5/64", gateway: "fd00:2::1", interface: 0 },
    { address: "172.16.0.5/12", gateway: "172.16.0.1", interface: 0 },
  ];
  const value = given({
    cniVersion: "1.0.0",
    ips,
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  });
  const { connection } = planLink(request(HOST_LOCAL), value);
  assertEquals(connection, {
    ifname: "eth0",
    ip: "10.0.0.5/8",
    ip6: "fd00::5/64",
    moreAddresses: ["192.168.1.5/24", "fd00:2::5/64", "172.16.0.5/12"],
    routes: [{ dst: "0.0.0.0/0", via: "192.168.1.1" }, { dst: "::/0", via: "fd00:2::1" }],
  });
  const { ip, ip6, moreAddresses } = connection;
  const result = resultOf(request(HOST_LOCAL), { ...ENDPOINT, ip, ip6, moreAddresses }, value);
  // In the order of the IPAM plugin: some runtimes take the first one for the container's own.
  assertEquals(result.ips, value.ips);
});

Deno.test("addresses that are asked for are those of the link, and have the gateway of their subnet", () => {
  const runtimeConfig = { ips: ["192.168.20.9", "192.168.20.7/24"] };
  const asked = request({ ...OWN, runtimeConfig });
  const { connection: { ip, moreAddresses } } = planLink(asked, undefined);
  assertEquals([ip, moreAddresses], ["192.168.20.9", ["192.168.20.7"]]);
  const endpoint = { ...ENDPOINT, moreAddresses: ["192.168.20.7/24", "10.9.0.7/24"] };
  assertEquals(
    resultOf(asked, endpoint, undefined).ips.map(({ address, gateway }) => [address, gateway]),
    [
      [ENDPOINT.ip, ENDPOINT.gateway],
      ["192.168.20.7/24", ENDPOINT.gateway],
      ["10.9.0.7/24", undefined],
      [ENDPOINT.ip6, ENDPOINT.gateway6],
    ].filter(([address]) => address !== undefined),
  );
});

Deno.test("what an IPAM plugin gives and a link cannot have is refused", () => {
  assertThrowsError(() => planLink(request(HOST_LOCAL), given({})), "cni", "IPAM plugin");
  const ip6 = given({ ips: [{ address: "fd00::5/64" }] });
  assertEquals(planLink(request(HOST_LOCAL), ip6).connection.ip6, "fd00::5/64");
  const routes = [{ dst: "10.0.0.0/8", priority: -5 }];
  assertThrows(() => given({ routes }), Error, "routes[0].priority is -5");
  assertThrows(() => given({ ips: [{ address: "10.0.0.5" }] }), Error, "ips[0].address");
  assertThrows(() => given([]), Error, "should be an object");
});

Deno.test("the parent is the master, the default route's link, or a VLAN on either", () => {
  assertEquals(parentOf({ master: "eth1" }, "eth0"), "eth1");
  assertEquals(parentOf({ vlan: 20 }, "eth0"), "eth0.20");
  assertEquals(parentOf({ master: "eth1", vlan: 20 }, undefined), "eth1.20");
  assertThrowsError(() => parentOf({}, undefined), "cni", "no default route");
});

Deno.test("a network of ipvlan's own is named, and not made", () => {
  const web = { cniVersion: "1.0.0", name: "n", type: "ipvlan-kit", network: "web", routes: [] };
  const asked = request(web);
  assertEquals([asked.settled, planLink(asked, undefined).connection.routes], [undefined, []]);
});

Deno.test("a result has the form of the version", () => {
  const own = resultOf(request(OWN), { ...ENDPOINT, mac: "02:00:00:00:00:01" }, undefined);
  const rest = {
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/proc/806/ns/net" }],
    routes: [{ dst: "0.0.0.0/0", gw: "192.168.20.1" }],
  };
  const ip = { interface: 0, address: "192.168.20.2/24", gateway: "192.168.20.1" };
  for (const cniVersion of ["0.3.1", "0.4.0"] as const) {
    assertEquals(formatResult(own, cniVersion), {
      cniVersion,
      ...rest,
      ips: [{ version: "4", ...ip }],
    });
  }
  for (const cniVersion of ["1.0.0", "1.1.0"] as const) {
    assertEquals(formatResult(own, cniVersion), { cniVersion, ...rest, ips: [ip] });
  }
});

Deno.test("the result in L3 has a route without a gateway, and name servers of the configuration", () => {
  const dns = { nameservers: ["192.168.20.53"], search: ["example.com"] };
  const others = ["fd20::/64", "192.168.30.0/24"].map((subnet) => ({ subnet, auxAddresses: {} }));
  const l3 = { ...NETWORK, mode: "l3" as const, subnets: [...NETWORK.subnets, ...others] };
  const dual = (network: Network) =>
    endpointOn(network, "cni:default-c1", { ip: "192.168.20.2", ip6: "fd20::2" });
  const result = resultOf(request({ ...OWN, dns }), dual(l3), undefined);
  assertEquals(result.ips.map(({ gateway }) => gateway), [undefined, undefined]);
  assertEquals(result.routes, [{ dst: "0.0.0.0/0" }, { dst: "::/0" }]);
  assertEquals(result.dns, dns);
  const internal = resultOf(request(OWN), dual({ ...l3, internal: true }), undefined);
  assertEquals(internal.routes, [{ dst: "192.168.30.0/24" }]);
});

Deno.test("the result has the gateway and the routes of the IPAM plugin, as it gave them", () => {
  const endpoint = { ...ENDPOINT, ip: "192.168.1.80/24" };
  const result = resultOf(request(HOST_LOCAL), endpoint, given());
  assertEquals(result.ips, [{ interface: 0, ...GIVEN.ips[0]! }]);
  assertEquals(result.routes, GIVEN.routes);
});

Deno.test("GC leaves what is valid, and what other configurations have made", () => {
  const sandboxes = [
    { ...SANDBOX, endpoints: [ENDPOINT, { ...ENDPOINT, ifname: "eth1" }] },
    {
      ...SANDBOX,
      name: "netavark:default-c1",
      owner: { engine: "netavark" as const, id: "default-c1" },
      endpoints: [ENDPOINT],
    },
  ];
  assertEquals(attachmentsOf({ name: "lan" }, sandboxes), [
    { containerId: "default-c1", ifname: "eth0" },
  ]);
  assertEquals(attachmentsOf({ name: "other" }, sandboxes), []);
  const valid = [{ containerID: "default-c1", ifname: "eth0" }];
  const { conf } = request(
    { ...OWN, cniVersion: "1.1.0", "cni.dev/valid-attachments": valid },
    { CNI_COMMAND: "GC" },
  );
  assertEquals(isValid(conf, { containerId: "default-c1", ifname: "eth0" }), true);
  assertEquals(isValid(conf, { containerId: "default-c1", ifname: "eth1" }), false);
});

Deno.test("CHECK reports what is missing or changed, also against the result of ADD", () => {
  const result = formatResult(resultOf(request(OWN), ENDPOINT, undefined), "1.0.0") as {
    interfaces: unknown[];
    routes: unknown[];
  };
  const link = { name: "eth0", address: "02:00:00:00:00:01", mtu: 1500 } as unknown as Link;
  const found = { ...ENDPOINT, mac: link.address, mtu: link.mtu };
  const route = { dst: "default", family: 4, via: "192.168.20.1", dev: "eth0" } as Route;
  const seen = (changes: string[], more: Partial<SeenSandbox> = {}, previous = {}) => {
    const prevResult = { ...result, ...previous };
    return changesOf(request({ ...OWN, prevResult }, { CNI_COMMAND: "CHECK" }), {
      ...SANDBOX,
      state: "up",
      endpoints: [{ ...found, state: changes.length > 0 ? "changed" : "up", changes }],
      seen: { links: [link], routes: [route] },
      ...more,
    }).map(({ status, message }) => `${status} ${message}`);
  };
  assertEquals(seen([]), []);
  assertEquals(seen(["The link eth0 is missing"]), ["101 The link eth0 is missing"]);
  assertEquals(seen(["one", "two"]), ["101 one", "101 two"]);
  assertEquals(seen(["The link eth0 is missing"], { state: "down", seen: undefined }), [
    "101 The network namespace /proc/806/ns/net of the container is gone",
  ]);
  const other = { ...ENDPOINT, ip: "192.168.20.3/24", state: "up" as const, changes: [] };
  assertEquals(seen([], { endpoints: [other] }), [
    "101 The link eth0 does not have the address 192.168.20.2/24 of prevResult",
  ]);
  const own = { name: "eth0", sandbox: ENVIRONMENT.CNI_NETNS };
  const missing = `101 prevResult does not have the link eth0 in ${ENVIRONMENT.CNI_NETNS}`;
  const route10 = { dst: "10.0.0.0/8", gw: "192.168.20.1" };
  const cases: [previous: Record<string, unknown>, expected: string[]][] = [
    [{ interfaces: [] }, [missing]],
    [{ interfaces: [{ ...own, name: "eth1" }] }, [missing]],
    [{ interfaces: [{ name: "eth0" }] }, [missing]],
    [{ interfaces: [{ ...own, sandbox: "/proc/1/ns/net" }] }, [missing]],
    [{ interfaces: [{ ...own, mac: link.address, mtu: 1500 }] }, []],
    [{ interfaces: [{ ...own, mac: "02:00:00:00:00:02" }] }, [
      "101 The MAC of the link eth0 is 02:00:00:00:00:01 instead of 02:00:00:00:00:02",
    ]],
    [{ interfaces: [{ ...own, mtu: 1400 }] }, [
      "101 The MTU of the link eth0 is 1500 instead of 1400",
    ]],
    [{ interfaces: [{ name: "veth1" }, own], ips: [] }, []],
    [{ routes: [...result.routes, route10] }, [
      "101 The container does not have the route to 10.0.0.0/8 of prevResult",
    ]],
    [{ routes: [{ dst: "0.0.0.0/0", gw: "192.168.20.9" }] }, [
      "101 The container does not have the route to 0.0.0.0/0 of prevResult",
    ]],
  ];
  for (const [previous, expected] of cases) assertEquals(seen([], {}, previous), expected);
  // Of several links, one has the default route; all have their other routes.
  const second = { ...found, ifname: "eth1", state: "up" as const, changes: [] };
  const both = { endpoints: [{ ...found, state: "up" as const, changes: [] }, second] };
  const lost = { routes: [{ dst: "0.0.0.0/0", gw: "192.168.20.9" }, route10] };
  assertEquals(seen([], both, lost), [
    "101 The container does not have the route to 10.0.0.0/8 of prevResult",
  ]);
  // A changed link has lost its routes.
  assertEquals(seen(["one"], {}, lost), ["101 one"]);
  // A plugin after this one may have added a route.
  const added = { ...route, dst: "10.0.0.0/8", dev: "veth1" };
  const single = { ...added, dst: "10.7.7.7" };
  const more = { seen: { links: [link], routes: [single, route, added] } };
  assertEquals(seen([], more, { routes: [...result.routes, route10] }), []);
});

Deno.test("the codes are those of CNI 1.1, and from 100 on the plugin's own", () => {
  const { version, unsupported, container, environment, io, decoding, conf, tryAgain } = CODE;
  const known = [version, unsupported, container, environment, io, decoding, conf, tryAgain];
  assertEquals(known, [1, 2, 3, 4, 5, 6, 7, 11]);
  const { notAvailable, limited, refused, changed, left, ipam } = CODE;
  assertEquals([notAvailable, limited, refused, changed, left, ipam], [50, 51, 100, 101, 102, 103]);
});

Deno.test("an IPAM plugin that fails gives its code and message, or its exit status", () => {
  const cases: [unknown, string][] = [
    [{ code: 11, msg: "busy", details: "" }, '11 The IPAM plugin "x" has failed: busy'],
    [{ msg: "busy", details: "more" }, '103 The IPAM plugin "x" has failed: busy; more'],
    [{ code: 11, msg: 5 }, '103 The IPAM plugin "x" ended with status 2'],
    [undefined, '103 The IPAM plugin "x" ended with status 2'],
  ];
  for (const [answer, expected] of cases) {
    const { status, message } = ipamFailure("x", 2, answer);
    assertEquals(`${status} ${message}`, expected);
  }
});

Deno.test("an error of the driver's has the code that it means to the runtime", () => {
  const netns = invalidOption("namespace", "/x", "there is no such file");
  const errors = toCniErrors(
    errorOf([netns, new IpvlanError("half-done", { what: "sandbox" }), cniError(7, "seven")]),
  );
  assertEquals(errors.map(({ status }) => status), [4, 11, 7]);
  assertEquals(errorAnswer("1.0.0", errors), {
    cniVersion: "1.0.0",
    code: 4,
    msg: 'CNI_NETNS: The namespace "/x" is not valid: there is no such file',
    details: `${errors[1]!.message}\nseven`,
  });
  assertEquals(toCniErrors(new TypeError("a bug"))[0]?.status, 100);
  assertEquals(toCniErrors(invalidOption("mtu", "1", "it is too small"))[0]?.status, 100);
});
