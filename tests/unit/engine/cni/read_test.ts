import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { type CniRequest, readRequest } from "../../../../lib/engine/cni/translate.ts";
import "../../../kit/seed.ts";
import { attempt, type IpvlanErrorOf } from "../../../../lib/base/errors.ts";
import { toCniErrors } from "../../../../lib/engine/cni/errors.ts";

/** The environment of ADD, as `ctr run --cni` of containerd 1.6 has it. */
const CTR = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "default-c1",
  CNI_NETNS: "/proc/806/ns/net",
  CNI_ARGS: "",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};

/** The environment of ADD, as Podman 4.3 has it. */
const PODMAN = {
  ...CTR,
  CNI_CONTAINERID: "4bd0c0ccd6e3bf0a15d92af1a2d0b0d2b3a5bd1d2d8b4a3f6c4f3a8d2b1e0f99",
  CNI_NETNS: "/run/netns/netns-4c7b1e7a-9a0a-54a4-7a4e-1f5a4e1e8b57",
  CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAME=foo;IP=192.168.1.77",
  CNI_PATH: "/opt/cni/bin:/usr/lib/cni",
};

/** A configuration of the reference plugin, with only its type changed. */
const REFERENCE = {
  cniVersion: "1.0.0",
  name: "std",
  type: "ipvlan-kit",
  master: "eth0",
  mode: "l2",
  ipam: {
    type: "host-local",
    subnet: "192.168.1.0/24",
    rangeStart: "192.168.1.80",
    gateway: "192.168.1.1",
    routes: [{ dst: "0.0.0.0/0" }],
  },
};

/** A configuration with subnets of its own. */
const OWN = {
  cniVersion: "1.1.0",
  name: "lan",
  type: "ipvlan-kit",
  master: "eth0.20",
  subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }, "2001:db8:20::/64"],
};

function accepted(variables: Record<string, string>, conf: unknown): CniRequest {
  return readRequest(variables, JSON.stringify(conf));
}

function refused(
  variables: Record<string, string>,
  conf: unknown,
): readonly IpvlanErrorOf<"cni">[] {
  const text = typeof conf === "string" ? conf : JSON.stringify(conf);
  const read = attempt(() => readRequest(variables, text));
  return read.ok ? [] : read.problems.flatMap(toCniErrors);
}

/** The codes of what is wrong, with the sentences. */
function codes(variables: Record<string, string>, conf: unknown): string[] {
  return refused(variables, conf).map(({ status, message }) => `${status} ${message}`);
}

Deno.test("the reference plugin's configuration is read, and its ipam section is left to its plugin", () => {
  const { conf } = accepted(CTR, REFERENCE);
  assertEquals(conf.master, "eth0");
  assertEquals(conf.source, { kind: "ipam", type: "host-local" });
  assertEquals(conf.options, { mode: "l2" });
});

Deno.test("empty values are none, as for the reference plugin", () => {
  const { conf } = accepted(CTR, {
    ...REFERENCE,
    master: "",
    mode: "",
    mtu: 0,
    linkInContainer: false,
    prevResult: null,
  });
  assertEquals(conf.master, undefined);
  assertEquals(conf.options, {});
  assertEquals(conf.previous, undefined);
});

Deno.test("subnets of its own are read, as texts or with gateway, range and other addresses", () => {
  const { conf } = accepted(CTR, {
    ...OWN,
    subnets: ["10.0.0.0/8", {
      subnet: "fd00::/64",
      gateway: "fd00::ff",
      ipRange: "fd00::100/120",
      auxAddresses: { router: "fd00::2" },
    }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.9" }, { dst: "fd01::/16" }],
    flag: "private",
    vlan: 7,
  });
  assertEquals(conf.source, {
    kind: "subnets",
    subnets: [{ subnet: "10.0.0.0/8" }, {
      subnet: "fd00::/64",
      gateway: "fd00::ff",
      ipRange: "fd00::100/120",
      auxAddresses: { router: "fd00::2" },
    }],
  });
  assertEquals(conf.routes, [{ dst: "0.0.0.0/0", via: "10.0.0.9" }, { dst: "fd01::/16" }]);
});

Deno.test("an ipam section of our own type is the same as subnets", () => {
  const { subnets, ...rest } = OWN;
  const ipam = { type: "ipvlan-kit", subnets, routes: [] };
  const { conf } = accepted(CTR, { ...rest, ipam });
  assertEquals(conf.source, accepted(CTR, OWN).conf.source);
  assertEquals(conf.isIpam, false);
  assertEquals(conf.routes, []);
});

Deno.test("for another main plugin, only the ipam section is read", () => {
  const ipam = { type: "ipvlan-kit", subnets: ["10.1.0.0/16"] };
  const bridge = { cniVersion: "1.0.0", name: "br", type: "bridge", bridge: "cni0", ipam };
  const { conf } = accepted(CTR, { ...bridge, runtimeConfig: { mac: "00:11:22:33:44:55" } });
  assertEquals([conf.isIpam, conf.source.kind], [true, "subnets"]);
});

Deno.test("the address of CNI_ARGS is asked for, unless args has addresses", () => {
  assertEquals(accepted(PODMAN, OWN).conf.ips, ["192.168.1.77"]);
  const args = { cni: { ips: ["10.0.0.5/8"] } };
  assertEquals(accepted(PODMAN, { ...OWN, args }).conf.ips, ["10.0.0.5"]);
  const runtimeConfig = { ips: ["192.168.1.77/24", "2001:DB8:20::7"] };
  assertEquals(accepted(PODMAN, { ...OWN, runtimeConfig }).conf.ips, [
    "192.168.1.77",
    "2001:db8:20::7",
  ]);
  const [problem, ...others] = codes(CTR, { ...OWN, args: { cni: { ips: ["10.0.0.300"] } } });
  assertMatch(problem!, /^7 .*10\.0\.0\.300/);
  assertEquals(others, []);
  const several = { ...OWN, runtimeConfig: { ips: ["192.168.1.78", "192.168.1.77/24"] } };
  assertEquals(accepted(PODMAN, several).conf.ips, ["192.168.1.78", "192.168.1.77"]);
});

Deno.test("a MAC address is refused, however it is asked for", () => {
  const mac = "02:00:00:00:00:01";
  const [problem] = codes(CTR, { ...REFERENCE, runtimeConfig: { mac } });
  assertEquals(
    problem,
    `2 The key "runtimeConfig.mac" with the value "${mac}" is not supported: an ipvlan link has ` +
      "the MAC address of its parent",
  );
  assertMatch(codes({ ...CTR, CNI_ARGS: `MAC=${mac}` }, REFERENCE)[0]!, /^4 .*CNI_ARGS.*MAC/);
});

Deno.test("everything that is wrong is said at once, each with its code", () => {
  const said = codes({ ...CTR, CNI_IFNAME: "a/b", CNI_NETNS: "" }, {
    cniVersion: "9.0.0",
    name: "",
    type: "ipvlan-kit",
    mastre: "eth0",
    mode: "l4",
    mtu: "big",
    subnets: [{ subnet: "10.0.0.0/33", gatway: "10.0.0.1" }],
  });
  assertEquals(said.map((text) => text.slice(0, 2).trim()), [
    "4",
    "4",
    "1",
    "7",
    "2",
    "7",
    "2",
    "7",
    "7",
  ]);
  assertMatch(said.join("\n"), /"mastre" with the value "eth0".*did you mean "master"/);
  assertMatch(said.join("\n"), /"subnets\[0\]\.gatway".*did you mean "gateway"/);
});

Deno.test("what contradicts the network or the subnets is refused", () => {
  const web = { cniVersion: "1.0.0", name: "n", type: "ipvlan-kit", network: "web" };
  assertEquals(codes(CTR, web), []);
  assertEquals(codes(CTR, { ...web, master: "eth0", subnets: [] }), [
    '7 The key "master" does not go with "network": the network has it already',
    '7 The key "subnets" does not go with "network": the network has it already',
  ]);
  assertEquals(codes(CTR, { ...OWN, ipam: REFERENCE.ipam }), [
    '7 The key "subnets" does not go with "ipam": leave one of the two out',
  ]);
  assertMatch(codes(CTR, { ...REFERENCE, routes: [] })[0]!, /^7 The key "routes" needs/);
  const { subnets: _, ...none } = OWN;
  assertMatch(codes(CTR, none)[0]!, /^7 Nothing says where addresses come from/);
});

Deno.test("linkInContainer is read, and refused with what needs a parent of the host", () => {
  const inside = { ...REFERENCE, linkInContainer: true };
  assertEquals(accepted(CTR, inside).conf.linkInContainer, true);
  assertEquals(accepted(CTR, REFERENCE).conf.linkInContainer, false);
  assertEquals(codes(CTR, { ...inside, linkInContainer: 1 }), [
    "7 linkInContainer is 1, and should be true or false",
  ]);
  assertEquals(codes(CTR, { ...inside, vlan: 20, mode: "l3", advertise: "address" }), [
    '7 The key "vlan" does not go with "linkInContainer": make the VLAN link in the container ' +
    'first, and name it as the "master"',
    '7 The advertise "address" is not valid: its parents are links of the sandboxes, so no route ' +
    "of the host leads to it",
  ]);
  const web = { cniVersion: "1.0.0", name: "n", type: "ipvlan-kit", network: "web" };
  assertEquals(codes(CTR, { ...web, linkInContainer: true }), [
    '7 The key "network" does not go with "linkInContainer": the parent of that network is a ' +
    "link of the host",
  ]);
  assertEquals(codes(CTR, { ...web, linkInContainer: false }), []);
  // A key that does not go with it need not be right, too.
  assertEquals(codes(CTR, { ...web, mtu: "big" }), [
    '7 The key "mtu" does not go with "network": the network has it already',
  ]);
});

Deno.test("keepAddresses wants the names of a pod, for ADD only, and addresses that are ours", () => {
  const keeps = { ...OWN, keepAddresses: true };
  const pod = { ...CTR, CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=prod;K8S_POD_NAME=db-0" };
  assertEquals([OWN, keeps].map((conf) => accepted(pod, conf).conf.keepAddresses), [false, true]);
  assertEquals(accepted(pod, keeps).environment.pod, "prod/db-0");
  const missing = '4 The key "keepAddresses" needs the names of a pod: K8S_POD_NAMESPACE and ' +
    "K8S_POD_NAME in CNI_ARGS";
  for (const names of ["", "K8S_POD_NAME=db-0", "K8S_POD_NAMESPACE=a/b;K8S_POD_NAME=db-0"]) {
    assertEquals(codes({ ...CTR, CNI_ARGS: names }, keeps), [missing]);
    assertEquals(
      codes({ ...CTR, CNI_ARGS: names, CNI_COMMAND: "STATUS" }, {
        ...keeps,
        cniVersion: "1.1.0",
      }),
      [],
    );
  }
  assertEquals(codes(pod, { ...OWN, keepAddresses: "db" }), [
    '7 keepAddresses is "db", and should be true or false',
  ]);
  assertEquals(codes(pod, { ...REFERENCE, keepAddresses: true }), [
    '7 The key "keepAddresses" needs "subnets" or "network": other plugins keep their own addresses',
  ]);
  const etcd = { endpoints: ["http://10.0.0.1:2379"] };
  assertEquals(codes(pod, { ...keeps, etcd }), [
    '7 The key "etcd" does not go with "keepAddresses": a pod keeps addresses on one host only',
  ]);
});

Deno.test("a chained plugin takes the parent and the addresses of the plugin before", () => {
  const prevResult = {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0.7", mac: "02:00:00:00:00:07" }],
    ips: [{ address: "10.0.0.5/8", gateway: "10.0.0.1" }],
    dns: {},
  };
  const chained = { cniVersion: "1.0.0", name: "n", type: "ipvlan-kit", prevResult };
  const { conf } = accepted(CTR, chained);
  assertEquals([conf.master, conf.source], ["eth0.7", { kind: "previous" }]);
  const none = { ...prevResult, interfaces: [] };
  assertEquals(codes(CTR, { ...chained, prevResult: none }), [
    '7 The key "master" is missing, and prevResult has not exactly one interface',
  ]);
  // A master of its own, or a network that has one, needs no interface.
  assertEquals(codes(CTR, { ...chained, prevResult: none, master: "eth1" }), []);
  const { cniVersion, name, type } = chained;
  assertEquals(codes(CTR, { cniVersion, name, type, prevResult: none, network: "web" }), []);
  // Only ADD follows a result, and only one that can be read.
  assertEquals(codes(CTR, { ...chained, prevResult: 7 }), [
    "7 prevResult is 7, and should be an object",
  ]);
  assertEquals(codes({ CNI_COMMAND: "STATUS" }, { cniVersion: "1.1.0", name, type }), []);
});

Deno.test("a command that the version does not have is refused", () => {
  const valid = { "cni.dev/valid-attachments": [] };
  assertEquals(codes({ CNI_COMMAND: "GC" }, { ...OWN, ...valid }), []);
  assertMatch(codes({ CNI_COMMAND: "GC" }, { ...OWN, ...valid, cniVersion: "1.0.0" })[0]!, /^1 /);
  assertMatch(codes({ CNI_COMMAND: "STATUS" }, { ...OWN, cniVersion: "1.0.0" })[0]!, /^1 /);
  const { cniVersion: _, ...none } = OWN;
  assertMatch(codes(CTR, none)[0]!, /^1 The version "" of the configuration is not supported/);
  const check = { ...CTR, CNI_COMMAND: "CHECK" };
  assertMatch(codes(check, { ...OWN, cniVersion: "0.3.1", prevResult: {} })[0]!, /^1 /);
  assertEquals(codes(check, OWN), [
    '7 The key "prevResult" is missing: CHECK needs the result of ADD',
  ]);
});

Deno.test("GC takes null for no attachment, and a missing list for a mistake", () => {
  const key = "cni.dev/valid-attachments";
  const gc = { CNI_COMMAND: "GC", CNI_PATH: "/opt/cni/bin" };
  const valid = [{ containerID: "c1", ifname: "eth0" }];
  assertEquals(accepted(gc, { ...OWN, [key]: valid }).conf.valid, [
    { containerId: "c1", ifname: "eth0" },
  ]);
  assertEquals(accepted(gc, { ...OWN, [key]: null }).conf.valid, []);
  assertEquals(codes(gc, OWN).length, 1);
  assertEquals(codes(gc, { ...OWN, [key]: [{ containerID: "c1" }] }).length, 1);
});

Deno.test("DEL needs no namespace, and no sound configuration but its name", () => {
  const del = { ...CTR, CNI_COMMAND: "DEL", CNI_NETNS: "" };
  const { conf } = accepted(del, { ...REFERENCE, mode: "l9", bogus: true, prevResult: 7 });
  assertEquals(conf.source, { kind: "ipam", type: "host-local" });
  assertEquals(codes(del, { cniVersion: "1.0.0", type: "ipvlan-kit" }).length, 1);
  const gc = { CNI_COMMAND: "GC", CNI_PATH: "/opt/cni/bin" };
  const valid = { "cni.dev/valid-attachments": [] };
  assertEquals(accepted(del, OWN).settled, undefined);
  const ipam = { type: "ipvlan-kit", subnets: 7, later: true };
  assertEquals(codes(del, { ...REFERENCE, ipam }), []);
  assertEquals(accepted(gc, { ...OWN, ...valid }).settled, undefined);
});

Deno.test("an IPAM plugin needs CNI_PATH", () => {
  assertMatch(
    codes({ ...CTR, CNI_PATH: "" }, REFERENCE)[0]!,
    /^4 The variable CNI_PATH is missing/,
  );
  for (const type of ["../x", "x/y", ".x", 5]) {
    assertMatch(codes(CTR, { ...REFERENCE, ipam: { type } })[0]!, /^7 The type of "ipam"/);
  }
  // An empty section is none.
  for (const ipam of [{}, { type: "" }]) {
    assertEquals(accepted(CTR, { ...OWN, ipam }).conf.source.kind, "subnets");
  }
});

Deno.test("a call without a command has no request", () => {
  assertEquals(codes({}, OWN), [
    "4 The variable CNI_COMMAND is missing: give one of ADD, DEL, CHECK, GC, STATUS, VERSION",
  ]);
  assertEquals(codes({ CNI_COMMAND: "Add" }, OWN), [
    '4 The variable CNI_COMMAND is "Add": give one of ADD, DEL, CHECK, GC, STATUS, VERSION',
  ]);
});

Deno.test("nonsense on standard input is a problem and no exception", () => {
  for (const text of ["", "{", "[]", "7", "null", '"x"', "{}"]) {
    const [problem] = refused(CTR, text);
    assert(problem !== undefined, text);
  }
  fc.assert(
    fc.property(fc.constantFrom("ADD", "DEL", "CHECK", "GC", "STATUS"), fc.jsonValue(), (
      CNI_COMMAND,
      value,
    ) => {
      refused({ ...CTR, CNI_COMMAND }, value);
      const mixed = { ...OWN, ...(typeof value === "object" ? value : { ipam: value }) };
      refused({ ...CTR, CNI_COMMAND }, mixed);
    }),
  );
  const keys = [
    ...["cniVersion", "name", "type", "master", "vlan", "mode", "flag", "mtu", "subnets", "routes"],
    ...["network", "ipam", "prevResult", "dns", "runtimeConfig", "args", "linkInContainer"],
    "cni.dev/valid-attachments",
  ];
  fc.assert(
    fc.property(
      fc.constantFrom("ADD", "DEL", "CHECK", "GC", "STATUS"),
      fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()),
      (CNI_COMMAND, values) => {
        const problems = refused({ ...CTR, CNI_COMMAND }, { ...OWN, ...values });
        assert(problems.every(({ status }) => status > 0));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("hosts share the subnets of a configuration that says how to reach etcd", () => {
  const etcd = { endpoints: ["https://a:2379"], user: "u", passwordFile: "/pw" };
  const source = { kind: "subnets" as const, subnets: [{ subnet: "192.168.20.0/24" }], etcd };
  const subnets = ["192.168.20.0/24"];
  assertEquals(accepted(CTR, { ...OWN, subnets, etcd }).conf.source, source);
  const ipam = { type: "ipvlan-kit", subnets, etcd };
  const { cniVersion, name, type } = OWN;
  assertEquals(accepted(CTR, { cniVersion, name, type, master: "eth0", ipam }).conf.source, source);
  assertEquals(accepted(CTR, { cniVersion, name, type: "macvlan", ipam }).conf.source, source);
  const messages = (conf: unknown) => refused(CTR, conf).map(({ message }) => message);
  assertEquals(messages({ ...REFERENCE, etcd }), [
    'The key "etcd" needs "subnets": hosts share the addresses of these',
  ]);
  const { length } = messages({ ...OWN, etcd: { user: "u", passwordFile: "/pw" } });
  assertEquals(length, 1);
  const wrong = { endpoints: ["a:1"], password: "Secret7", ca: "ca.pem" };
  const said = messages({ ...OWN, etcd: wrong }).join("\n");
  assert(!said.includes("Secret7"), said);
  assertEquals(said.split("\n").map((line) => line.slice(0, 40)), [
    'The key "etcd.password" is not supported',
    'etcd: The etcd option endpoints "a:1" is',
    'etcd: The etcd option ca "ca.pem" is not',
  ]);
});

Deno.test("what no runtime sends is refused in a sentence, before anything is done with it", () => {
  const said = (variables: Record<string, string>, conf: unknown) =>
    refused(variables, conf).map(({ status, message }) => `${status} ${message}`);
  const subnets = Array.from({ length: 500_000 }, (_, n) => `10.${n >> 16}.${n >> 8}.0/24`);
  const nested = JSON.parse("[".repeat(100) + "]".repeat(100));
  const what = "6 The configuration on standard input";
  assertEquals(said(CTR, { ...OWN, subnets }), [`${what} is longer than 1048576 bytes`]);
  assertEquals(said(CTR, { ...OWN, subnets: subnets.slice(0, 40_000) }), [
    `${what} has more than 32768 values`,
  ]);
  assertEquals(said(CTR, { ...OWN, nested }), [`${what} is nested more than 64 times`]);
  for (const netns of ["netns", "/run/netns/x\0", "/run/netns/../x", `/run/${"x".repeat(256)}`]) {
    const [problem, ...others] = said({ ...CTR, CNI_NETNS: netns }, OWN);
    assertMatch(problem!, /^4 The variable CNI_NETNS is .*: give the absolute path of a network/);
    assertEquals(others, []);
  }
});
