import { assertEquals, assertThrows } from "@std/assert";
import { IpvlanError, isIpvlanError } from "../../../lib/base/errors.ts";
import { parseSite } from "../../../lib/site/desired.ts";

/** What is said of a file, one problem per line. */
function said(text: string, file = "demo.yaml"): string[] {
  const error = assertThrows(() => parseSite(file, text), IpvlanError);
  return isIpvlanError(error, "problems")
    ? error.problems.map(({ message }) => message)
    : [error.message];
}

Deno.test("a site file is read, under our keys", () => {
  const site = parseSite(
    "sites/demo.yaml",
    `
networks:
  web: { parent: eth0.20, subnets: [192.168.20.0/24], gateways: [192.168.20.1], labels: { a: b } }
  fabric:
    mode: l3
    flag: private
    parent: eth1
    subnets: [10.1.214.0/24, "2001:db8:214::/64"]
    ip_ranges: [10.1.214.128/25]
    aux_addresses: { printer: 10.1.214.5 }
    mtu: 1400
    ipv6: true
  alone:
sandboxes:
  nginx:
    networks: { web: { ip: 192.168.20.10, aliases: [www], ifname: web0 } }
    command: [nginx, -g, daemon off;]
    labels: { tier: front }
  probe: { networks: { web: {}, fabric: { ip6: "2001:DB8:214::7" }, alone: }, command: sleep 60 }
  idle:
checks:
  - probe reaches nginx
  - fabric probe does not reach 192.168.20.1 by ip
`,
  );
  assertEquals(site.name, "demo");
  assertEquals(site.networks.slice(0, 2), [
    {
      name: "web",
      parent: "eth0.20",
      subnets: [{ subnet: "192.168.20.0/24", gateway: "192.168.20.1" }],
      labels: { a: "b" },
    },
    {
      name: "fabric",
      parent: "eth1",
      mode: "l3",
      flag: "private",
      subnets: [
        {
          subnet: "10.1.214.0/24",
          ipRange: "10.1.214.128/25",
          auxAddresses: { printer: "10.1.214.5" },
        },
        { subnet: "2001:db8:214::/64" },
      ],
      ipv6: true,
      mtu: 1400,
      labels: {},
    },
  ]);
  assertEquals(site.sandboxes, [
    {
      name: "nginx",
      connections: [{ network: "web", ip: "192.168.20.10", aliases: ["www"], ifname: "web0" }],
      command: ["nginx", "-g", "daemon off;"],
      labels: { tier: "front" },
    },
    {
      name: "probe",
      connections: [
        { network: "web" },
        { network: "fabric", ip6: "2001:DB8:214::7" },
        { network: "alone" },
      ],
      command: ["sleep", "60"],
      labels: {},
    },
    { name: "idle", connections: [], command: [], labels: {} },
  ]);
  assertEquals(site.checks, [
    { sentence: "probe reaches nginx", from: "probe", reaches: true, target: "nginx" },
    {
      sentence: "fabric probe does not reach 192.168.20.1 by ip",
      ...{ network: "fabric", from: "probe", reaches: false, target: "192.168.20.1", family: 4 },
    },
  ]);
});

Deno.test("the same site is read under the keys of compose.yaml", () => {
  const compose = parseSite(
    "compose.yaml",
    `
x-endpoint: &endpoint { ipv4_address: 192.168.20.10, aliases: [www] }
networks:
  web:
    driver: ipvlan
    driver_opts: { parent: eth0.20, ipvlan_mode: l3, ipvlan_flag: vepa, mtu: 1400 }
    enable_ipv6: true
    ipam:
      driver: default
      config:
        - subnet: 192.168.20.0/24
          gateway: 192.168.20.1
          ip_range: 192.168.20.0/25
          aux_addresses: { printer: 192.168.20.5 }
        - subnet: 2001:db8:20::/64
services:
  nginx:
    networks: { web: { <<: *endpoint, ipv6_address: "2001:db8:20::10", interface_name: web0,
                       link_local_ips: [169.254.7.1], gw_priority: -1 } }
  probe:
    networks: [web]
`,
  );
  const ours = parseSite(
    "compose.yaml",
    `
networks:
  web:
    { parent: eth0.20, mode: l3, flag: vepa, mtu: 1400, ipv6: true,
      subnets: [192.168.20.0/24, "2001:db8:20::/64"], gateways: [192.168.20.1],
      ip_ranges: [192.168.20.0/25], aux_addresses: { printer: 192.168.20.5 } }
sandboxes:
  nginx:
    networks:
      web: { ip: 192.168.20.10, ip6: "2001:db8:20::10", aliases: [www], ifname: web0,
             link_local_ips: [169.254.7.1], gw_priority: -1 }
  probe: { networks: { web: {} } }
`,
  );
  assertEquals(compose, ours);
});

Deno.test("a sandbox has one address of a family, or a list of them", () => {
  const connectionsOf = (networks: string) =>
    parseSite(
      "demo.yaml",
      `networks: { n: { parent: eth0, subnets: [10.0.0.0/24, "fd00::/64"] } }
sandboxes: { c: { networks: { n: ${networks} } } }`,
    ).sandboxes[0]!.connections;
  assertEquals(
    connectionsOf(`{ ip: [10.0.0.9, 10.0.0.8], ipv6_address: ["fd00::9", "fd00::8"] }`),
    [{
      ...{ network: "n", ip: "10.0.0.9", ip6: "fd00::9" },
      moreAddresses: ["10.0.0.8", "fd00::8"],
    }],
  );
  assertEquals(connectionsOf("{ ip: [10.0.0.9] }"), connectionsOf("{ ip: 10.0.0.9 }"));
  assertEquals(connectionsOf("{ ip: [] }"), [{ network: "n" }]);
  assertEquals(
    said(`networks: { n: { parent: eth0, subnets: [10.0.0.0/24] } }
sandboxes:
  a: { networks: { n: { ip: [10.0.0.9, 10.0.0.9, 10.1.0.1] } } }
  b: { networks: { n: { ip: [10.0.0.8, "fd00::1"] } } }
  c: { networks: { n: { ip: [10.0.0.7, 10.0.0.9] } } }
`),
    [
      "demo.yaml:3: sandboxes.a.networks.n.ip: " +
      'The address 10.0.0.9 is that of "a" already: choose another',
      "demo.yaml:3: sandboxes.a.networks.n.ip: " +
      "Address 10.1.0.1 is outside subnet 10.0.0.0/24: give one inside it",
      "demo.yaml:4: sandboxes.b.networks.n.ip[1]: " +
      'The IPv4 address "fd00::1" is not valid: it is an IPv6 address',
      "demo.yaml:5: sandboxes.c.networks.n.ip: " +
      'The address 10.0.0.9 is that of "a" already: choose another',
    ],
  );
});

Deno.test("options of a subnet may be written in the subnet or in the network", () => {
  const [beside, within] = [
    `{ subnets: [10.0.0.0/24, 10.0.1.0/24], gateways: [10.0.1.9], ip_ranges: [10.0.1.128/25],
       aux_addresses: { printer: 10.0.1.5 } }`,
    `{ subnets: [10.0.0.0/24, { subnet: 10.0.1.0/24, gateway: 10.0.1.9, ip_range: 10.0.1.128/25,
       aux_addresses: { printer: 10.0.1.5 } }] }`,
  ].map((network) => parseSite("demo.yaml", `networks: { web: ${network} }`));
  assertEquals(beside, within);
  assertEquals(said("networks: { web: { subnets: [{ gateway: 10.0.0.1 }] } }"), [
    "demo.yaml:1: networks.web.subnets[0]: Missing key: subnet",
  ]);
});

Deno.test("the order of a sandbox's networks is the file's, also where their names are numbers", () => {
  const { sandboxes } = parseSite(
    "demo.yaml",
    "networks: {30: {}, 20: {}, a: {}}\nsandboxes: {s: {networks: {30: {}, a: {}, 20: {}}}}",
  );
  assertEquals(sandboxes[0]!.connections.map(({ network }) => network), ["30", "a", "20"]);
});

Deno.test("the settings of a sandbox are read; a kernel setting may be a number", () => {
  const { sandboxes } = parseSite(
    "demo.yaml",
    `
sandboxes:
  all:
    hostname: web.example.com
    hosts: [{ name: db.lan, address: 192.0.2.9 }, { name: db.lan, address: "2001:db8::9" }]
    dns: { servers: [192.0.2.53], search: [a.example, .], options: [ndots:2] }
    sysctls: { net.ipv4.ip_forward: 1, net.ipv4.ip_local_port_range: 1024 2048 }
  no-servers: { dns: { servers: [] } }
  none: { hosts: [], dns:, sysctls: }
`,
  );
  const plain = { connections: [], command: [], labels: {} };
  assertEquals(sandboxes, [
    {
      ...plain,
      name: "all",
      hostname: "web.example.com",
      hosts: [
        { name: "db.lan", address: "192.0.2.9" },
        { name: "db.lan", address: "2001:db8::9" },
      ],
      dns: { servers: ["192.0.2.53"], search: ["a.example", "."], options: ["ndots:2"] },
      sysctls: { "net.ipv4.ip_forward": "1", "net.ipv4.ip_local_port_range": "1024 2048" },
    },
    { ...plain, name: "no-servers", dns: { servers: [] } },
    { ...plain, name: "none" },
  ]);
});

Deno.test("settings that a sandbox cannot have are refused with line and key", () => {
  assertEquals(
    said(`sandboxes:
  a:
    hostname: a b
    hosts:
      - { name: db, address: 192.0.2.9, port: 5 }
      - { name: d b, address: host-gateway }
      - { name: db, address: 192.0.2 }
      - { address: 192.0.2.9 }
      - db=192.0.2.9
      - { name: 7, address: "::1" }
    dns:
      servers: [192.0.2.53, dns.example.com]
      search: [a.example, a b]
      options: [ndots:2, 5, a b]
      server: 192.0.2.53
    sysctls:
      kernel.shmmax: 1
      net.ipv4.x: "1; id"
      net.ipv4.y: 1.5
      net.ipv4.z: true
  b: { dns: [192.0.2.53], sysctls: [net.ipv4.ip_forward=1], extra_hosts: [] }
`),
    [
      '3: sandboxes.a.hostname: The host name "a b" is not valid: ' +
      "give at most 64 letters, digits, - and .",
      "5: sandboxes.a.hosts[0].port: There is no such key; there are name, address",
      '6: sandboxes.a.hosts[1].name: The host name "d b" is not valid: ' +
      "give letters, digits, - and .",
      '6: sandboxes.a.hosts[1].address: The address "host-gateway" is not valid: ' +
      "a sandbox does not reach this machine over its parent",
      '7: sandboxes.a.hosts[2].address: Invalid address "192.0.2": ' +
      "write it like 192.168.1.10 or 2001:db8::10",
      "8: sandboxes.a.hosts[3]: Missing key: name",
      '9: sandboxes.a.hosts[4]: "db=192.0.2.9" is where a mapping belongs',
      '10: sandboxes.a.hosts[5].name: 7 is where a host name belongs: write it as "7"',
      '12: sandboxes.a.dns.servers[1]: Invalid address "dns.example.com": ' +
      "write it like 192.168.1.10 or 2001:db8::10",
      '13: sandboxes.a.dns.search[1]: The search domain "a b" is not valid: ' +
      "give letters, digits, - and ., or . alone for none",
      "14: sandboxes.a.dns.options[1]: 5 is where an option belongs: " +
      'write it as "5"',
      '14: sandboxes.a.dns.options[2]: The DNS option "a b" is not valid: ' +
      "write it as in resolv.conf(5)",
      '15: sandboxes.a.dns.server: There is no such key (did you mean "servers"?)',
      '17: sandboxes.a.sysctls.kernel.shmmax: The sysctl "kernel.shmmax" is not valid: ' +
      "only net.… belongs to a sandbox: set others for the whole machine",
      '18: sandboxes.a.sysctls.net.ipv4.x: The sysctl value "1; id" is not valid: ' +
      "give letters, digits, spaces, and _ . , : / + -",
      "19: sandboxes.a.sysctls.net.ipv4.y: 1.5 is not valid: give a whole number from " +
      "-9007199254740991 to 9007199254740991",
      "20: sandboxes.a.sysctls.net.ipv4.z: true is where a text or a whole number belongs: " +
      'write it as "true"',
      "21: sandboxes.b.dns: A list is where a mapping belongs",
      "21: sandboxes.b.sysctls: A list is where a mapping belongs",
      "21: sandboxes.b.extra_hosts: There is no such key; there are networks, hostname, hosts, " +
      "dns, sysctls, command, labels",
    ].map((line) => `demo.yaml:${line}`),
  );
});

Deno.test("all problems of a site file are reported at once, with line and key", () => {
  assertEquals(
    said(`networks:
  web: { parent: eth0/20, mode: l9, subnets: 192.168.20.0/24 }
  "fab ric":
    subnet: [10.0.0.0/8]
    mtu: 9
    gateways: [10.0.0.300]
    internal: no way
  same: { mode: l2, driver_opts: { ipvlan_mode: l3 }, driver: macvlan }
sandboxes:
  nginx:
    networks: { wbe: {} }
    command: [sleep, 60]
  probe:
    image: alpine
    command: sleep 60 && true
    labels: { ipvlan.site: x, n: 1 }
  "7": {}
services: {}
checks:
  - probe pings nginx
  - prob reaches nginx
  - same probe reaches ngnix by ip6
`),
    [
      'demo.yaml:2: networks.web.parent: The parent "eth0/20" is not valid: ' +
      'it is "." or "..", starts with "-", or has white space or one of / : %',
      'demo.yaml:2: networks.web.mode: "l9" is not valid: choose one of l2, l3, l3s',
      'demo.yaml:2: networks.web.subnets: "192.168.20.0/24" is where a list belongs',
      'demo.yaml:3: networks.fab ric: The network name "fab ric" is not valid: ' +
      "letters and digits, and after the first also _ . and -",
      'demo.yaml:4: networks.fab ric.subnet: There is no such key (did you mean "subnets"?)',
      "demo.yaml:5: networks.fab ric.mtu: 9 is not valid: give a whole number from 68 to 65535",
      'demo.yaml:6: networks.fab ric.gateways[0]: Invalid address "10.0.0.300": ' +
      "write it like 192.168.1.10 or 2001:db8::10",
      'demo.yaml:7: networks.fab ric.internal: "no way" is where true or false belongs',
      'demo.yaml:8: networks.same.driver: "macvlan" is not valid: choose ipvlan',
      "demo.yaml:8: networks.same.driver_opts.ipvlan_mode: " +
      'It says the same as "mode": give one of them',
      "demo.yaml:11: sandboxes.nginx.networks.wbe: " +
      'There is no network "wbe" in this file (did you mean "web"?)',
      "demo.yaml:12: sandboxes.nginx.command[1]: 60 is where a word belongs: " +
      'write it as "60"',
      "demo.yaml:14: sandboxes.probe.image: " +
      "There is no such key; there are networks, hostname, hosts, dns, sysctls, command, labels",
      "demo.yaml:15: sandboxes.probe.command: " +
      "There is no shell to read it: write it as a list of words",
      'demo.yaml:16: sandboxes.probe.labels.ipvlan.site: The label "ipvlan.site" is not valid: ' +
      "those that begin with ipvlan.site say what a site made",
      "demo.yaml:16: sandboxes.probe.labels.n: 1 is where a text belongs: " +
      'write it as "1"',
      'demo.yaml:17: sandboxes.7: The sandbox name "7" is not valid: ' +
      "ip takes digits alone for a process id",
      'demo.yaml:18: services: It says the same as "sandboxes": give one of them',
      'demo.yaml:20: checks[0]: The check "probe pings nginx" is not valid: ' +
      "write [NETWORK] FROM reaches|does not reach TARGET [by ip|ip6]",
      "demo.yaml:21: checks[1]: " +
      'There is no sandbox "prob" in this file (did you mean "probe"?)',
      'demo.yaml:22: checks[2]: The sandbox "probe" is not on a network "same"',
      'demo.yaml:22: checks[2]: "ngnix" is no sandbox, alias or address (did you mean "nginx"?)',
    ],
  );
});

Deno.test("an item that is an alias has its own line, too", () => {
  const text =
    "x-a: &a web\nx-c: &c a reaches b\nsandboxes:\n  a:\n    networks:\n      - *a\nchecks:\n" +
    "  - *c\n";
  assertEquals(said(text), [
    'demo.yaml:6: sandboxes.a.networks[0]: There is no network "web" in this file',
    'demo.yaml:8: checks[0]: "b" is no sandbox, alias or address',
  ]);
});

Deno.test("values that contradict each other are refused with their line", () => {
  assertEquals(
    said(`networks:
  a: { parent: eth0, subnets: [192.168.1.0/24], gateways: [192.168.2.1] }
  b: { parent: eth0, mode: l3, subnets: [10.0.0.0/8] }
  c: { parent: eth0, mode: l3, subnets: [10.1.0.0/16] }
  d: { parent: eth0, internal: true, subnets: [10.1.0.0/16] }
  e: { subnets: [10.9.0.0/24], ipv6: true }
  f: { subnets: [10.9.0.0/24, "2001:db8::/64"] }
  g: { subnets: ["2001:db8::/64"] }
services:
  one:
    networks:
      f: { ipv4_address: 10.9.0.7, interface_name: eth9 }
      g: { ip: 10.9.0.7, ifname: eth9 }
  two: { networks: { f: { ip: 10.9.0.7, ip6: "2001:DB8::7" } } }
  three: { networks: { f: { ip: 10.9.0.1, ip6: "2001:db8:0::7" } } }
  four: { networks: { f: { ipv6_address: 10.9.0.9 }, g: { ip6: "2001:db9::1" } } }
  five: { networks: [f, g, f] }
`),
    [
      "demo.yaml:2: networks.a.gateways[0]: " +
      "Gateway 192.168.2.1 is outside subnet 192.168.1.0/24: give one inside it",
      ...["3: networks.b.parent", "4: networks.c.parent"].map((place) =>
        `demo.yaml:${place}: The parent "eth0" is used with mode l2, flag bridge by "a", and ` +
        "mode and flag belong to the parent: ask for those instead of mode l3, flag bridge, or " +
        "take another parent"
      ),
      "demo.yaml:4: networks.c.subnets[0]: " +
      "Pool overlaps with other one on this address space: 10.1.0.0/16, and 10.0.0.0/8 of network " +
      '"b" on the same parent "eth0"; choose another subnet or parent, or remove that network',
      'demo.yaml:6: networks.e.ipv6: The network "e" is to have IPv6, but has no IPv6 subnet: ' +
      "give one, as there is no default pool for IPv6",
      'demo.yaml:11: services.one.networks: The link\'s name "eth9" is taken',
      "demo.yaml:14: services.two.networks.f.ip: " +
      'The address 10.9.0.7 is that of "one" already: choose another',
      "demo.yaml:15: services.three.networks.f.ip: " +
      "Address 10.9.0.1 is already the gateway of subnet 10.9.0.0/24: give another one",
      "demo.yaml:15: services.three.networks.f.ip6: " +
      'The address 2001:db8:0::7 is that of "two" already: choose another',
      "demo.yaml:16: services.four.networks.f.ipv6_address: " +
      'The IPv6 address "10.9.0.9" is not valid: it is an IPv4 address',
      "demo.yaml:17: services.five.networks[2]: It is given twice",
    ],
  );
});

Deno.test("values that the driver refuses are refused with line and key", () => {
  const lines = said(`
networks:
  small: { mtu: 1000, subnets: ["2001:db8:1::/64"] }
  compose:
    driver_opts: { mtu: 1000 }
    ipam:
      config:
        - subnet: 10.1.0.0/24
          gateway: 10.1.0.255
        - subnet: 2001:db8:2::/64
          ip_range: 2001:db8:3::/80
          aux_addresses: { a: "2001:db8:2::5", b: "2001:db8:2::5" }
  beside:
    subnets: [10.2.0.0/24, 10.2.0.0/25]
    gateways: [10.2.0.0]
    aux_addresses: { a: 10.2.0.255 }
  within:
    subnets:
      - 10.3.0.0/24
      - { subnet: 10.4.0.0/24, aux_addresses: { a: 10.4.0.1 } }
  other:
    parent: eth0
    driver_opts: { ipvlan_mode: l3 }
  last:
    driver_opts: { parent: eth0 }
`);
  // Where, and the beginning of what is said of it.
  assertEquals(lines.map((line) => /^demo.yaml:(\d+: \S+ \S+ \S+)/.exec(line)?.[1]), [
    "3: networks.small.mtu: The MTU",
    "5: networks.compose.driver_opts.mtu: The MTU",
    "9: networks.compose.ipam.config[0].gateway: Gateway 10.1.0.255",
    "11: networks.compose.ipam.config[1].ip_range: Ip-range 2001:db8:3::/80",
    "12: networks.compose.ipam.config[1].aux_addresses.b: Auxiliary address",
    "14: networks.beside.subnets[1]: Subnet 10.2.0.0/25",
    "15: networks.beside.gateways[0]: Gateway 10.2.0.0",
    "16: networks.beside.aux_addresses.a: Auxiliary address",
    "20: networks.within.subnets[1].aux_addresses.a: Auxiliary address",
    "25: networks.last.driver_opts.parent: The parent",
  ]);
});

Deno.test("what follows only from a subnet that is refused is not reported", () => {
  const text = "networks: { n: { parent: eth0, subnets: ['fd00::/64', 'fd00::/65'] } }\n" +
    "sandboxes: { a: { networks: { n: { ip6: 'fd00::5' } } } }\n";
  assertEquals(said(text).map((line) => line.split(" ")[1]), ["networks.n.subnets[1]:"]);
});

Deno.test("every error in invalid YAML is reported with its line", () => {
  const table: [text: string, ...lines: string[]][] = [
    ["", " It is empty"],
    ["# a comment", " It is empty"],
    ["networks:\n\tweb: {}\n", "2: A tab cannot indent: use spaces"],
    [
      "networks: {}\nsandboxes: {}\nnetworks: {}\nsandboxes: {}",
      "3: networks: This key is given twice",
      "4: sandboxes: This key is given twice",
    ],
    [
      "networks:\n  web: { mode: l9, mode: l2 }\n  web: { mode: l8 }\nchecks: [{ a: 1, a: 2 }]\nfoo: 1",
      "2: networks.web.mode: This key is given twice",
      "3: networks.web: This key is given twice",
      '3: networks.web.mode: "l8" is not valid: choose one of l2, l3, l3s',
      "4: checks[0].a: This key is given twice",
      "4: checks[0]: A mapping is where a sentence belongs",
      "5: foo: There is no such key; there are name, networks, sandboxes, checks",
    ],
    [
      "x: 1\nx: 2\nnetworks: { web: *base }",
      "2: x: This key is given twice",
      '3: There is no anchor "&base" before it',
    ],
    ["networks: {}\n---\nnetworks: {}\n", "2: A second document begins here: a site is one"],
    [
      "networks:\n  web: *base\n  lan: *other",
      '2: There is no anchor "&base" before it',
      '3: There is no anchor "&other" before it',
    ],
    ["networks: !!foo {}\n", "1: This tag means nothing here: leave it out"],
    [`networks: ${"[".repeat(20_000)}`, "1: It is nested too deeply"],
    ["just words", '1: "just words" is where a mapping belongs'],
    ["- networks", "1: A list is where a mapping belongs"],
    ["? { a: 1 }\n: 2\n", "1: A key is a mapping, where a text belongs"],
    ["networks: &a {<<: *a}", '1: It is inside the value of "&a"'],
    ["networks:\n  a: &a [*a]", '2: It is inside the value of "&a"'],
    ["networks: {<<: *a}", '1: There is no anchor "&a" before it'],
    ["checks:\n  - a: 1\n    b: 2\n", "2: checks[0]: A mapping is where a sentence belongs"],
    ["x-a: &a b\n<<: 5", '2: "<<" needs a mapping, and this is not one'],
    ["x-a: &a b\nnetworks: {<<: *a}", '2: "<<" needs a mapping, and this is not one'],
    ["networks: {<<: [{ a: }, 5]}", '1: "<<" needs a mapping, and this is not one'],
    [
      'sandboxes: { a: { command: [sleep, "x\\0"] } }',
      '1: sandboxes.a.command[1]: The command "x\\u0000" is not valid: ' +
      "a word cannot have the character NUL",
    ],
    ["a: b: c", "1: Nested mappings are not allowed in compact mappings"],
    ["networks: 0x1F\n", "1: networks: 31 is where a mapping belongs"],
  ];
  assertEquals(
    table.map(([text]) => said(text)),
    table.map(([, ...lines]) => lines.map((line) => `demo.yaml:${line}`)),
  );
});

Deno.test("a YAML anchor bomb is refused before it is expanded", () => {
  const many = (count: number, item: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => item(index)).join(", ");
  const bomb = `
x-aliases: &aliases [${many(300, (index) => `a${index}`)}]
x-endpoint: &endpoint { aliases: *aliases }
x-networks: &networks { ${many(100, (index) => `n${index}: *endpoint`)} }
x-sandbox: &sandbox { networks: *networks }
sandboxes: { ${many(100, (index) => `s${index}: *sandbox`)} }
`;
  const started = said(bomb);
  assertEquals(started, [
    "demo.yaml:2: Its anchors expand to more than a million values",
  ]);
  // What nobody reads costs nothing, however often it is doubled.
  const unread = Array.from(
    { length: 60 },
    (_, index) => `x-${index + 1}: &b${index + 1} [*b${index}, *b${index}]`,
  );
  parseSite("demo.yaml", ["x-0: &b0 [boom]", ...unread].join("\n"));
});

Deno.test("a site needs a valid name", () => {
  assertEquals(parseSite("/a.b/c-1.site.yaml", "{}").name, "c-1.site");
  assertEquals(parseSite("c d.yaml", "name: cd").name, "cd");
  assertEquals(said("{}", "c d.yaml"), [
    "c d.yaml:1: The file's name cannot be a site's name: add one, such as \"name: web\"",
  ]);
});
