import { assertEquals } from "@std/assert";
import { linkIndex } from "../../../lib/driver/endpoint/steps.ts";
import { diagnose } from "../../../lib/doctor/diagnose.ts";
import type { DoctorFacts, ParentFacts, StateFacts } from "../../../lib/doctor/facts.ts";
import {
  endpoint,
  endpointRecord,
  link,
  network,
  sandbox,
  view,
  vlanInfo,
} from "../../kit/values.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";

const STATE: StateFacts = {
  ...{ folder: "/state", networks: [], endpoints: [], sandboxes: [], made: [], halfDone: [] },
  owned: [],
};
const WELL: DoctorFacts = {
  release: "6.1.0-18-amd64",
  ip: "ip utility, iproute2-6.1.0, libbpf 1.1.2",
  transport: {},
  links: { ipvlan: undefined, vlan: undefined, dummy: undefined },
  modulesOnDisk: ["8021q"],
  machine: { vendor: "QEMU", product: "Standard PC", assetTag: "" },
  firewall: [],
  hostsFile: true,
  plugins: [],
  ipv6: "on",
  state: STATE,
  view: view([link("lo", { linkType: "loopback" }), link("eth0")]),
  held: [],
  routingDaemons: [],
  shared: [],
  parents: [],
};
const DOWN = { up: false, flags: ["BROADCAST", "MULTICAST"] };
const NO_CARRIER = { flags: ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP"] };

/** A parent that is examined, with nothing particular about it. */
function parent(name: string, more: Partial<ParentFacts> = {}): ParentFacts {
  return { name, wireless: [], addresses: [], ...more };
}

/** Facts on one parent among these links, and on the networks that are on it. */
function examined(
  name: string,
  links: Parameters<typeof view>[0],
  networks: StateFacts["networks"] = [],
  more: Partial<ParentFacts> = {},
  others: Parameters<typeof view>[1] = [],
): Partial<DoctorFacts> {
  return {
    view: view(links, others),
    state: { ...STATE, networks },
    parents: [parent(name, more)],
  };
}

const WEB = network("web");

/** Hosts that share a pool: this one, and one that has stopped without a word. */
const [HERE, GONE] = [
  { id: "a1", name: "here", isAlive: true, copies: [], addresses: 3 },
  { id: "b2", name: "gone", isAlive: false, copies: [], addresses: 7 },
];
const SHARED = { prefix: "/ipvlan", untold: 0, lost: [], ownId: "a1", hosts: [HERE!, GONE!] };
const ROUTED = network("far", { mode: "l3", advertise: "subnet" });

/** What differs from a machine where all is well, and what is said of it besides the good. */
const CASES: [name: string, facts: Partial<DoctorFacts>, said: string[]][] = [
  ["all is well", { parents: [parent("eth0")] }, []],
  ["a network that advertises, with a routing daemon", {
    state: { ...STATE, networks: [ROUTED] },
    routingDaemons: ["zebra"],
  }, []],
  ["a network that advertises, and no routing daemon", {
    state: { ...STATE, networks: [WEB, ROUTED] },
  }, [
    "warning routes: These networks advertise routes, and nobody announces them: far. Neither " +
    "zebra (FRR) nor bird runs in this network namespace → start one of them with what " +
    '"ipvlan advertise --config frr" or "bird" prints, or leave this to another program that ' +
    "announces the routes of the main table",
  ]],
  ["a shared pool, and no other host that is gone", {
    shared: [{ ...SHARED, hosts: [HERE!, { ...GONE!, addresses: 0 }] }],
  }, []],
  ["hosts without agents, of which none is known to be gone", {
    shared: [{ ...SHARED, hosts: [{ ...HERE!, isAlive: false }, GONE!] }],
  }, [
    "warning etcd /ipvlan: No agent runs here: names of other hosts' sandboxes are those of the " +
    "last command → ipvlan agent install writes a systemd unit",
  ]],
  ["a host that is gone, and something that etcd does not know", {
    shared: [{ ...SHARED, untold: 2 }],
  }, [
    "warning etcd /ipvlan: It lacks 2 change(s) of this host → ipvlan restore; the " +
    "agent does it by itself",
    'warning etcd /ipvlan: The host "gone" holds 7 address(es), and no agent runs there → start ' +
    "the agent there; or if it is gone for good: ipvlan host rm --yes b2",
  ]],
  ["one change that etcd does not know, and one address on a host that is gone", {
    shared: [{ ...SHARED, untold: 1, hosts: [HERE!, { ...GONE!, addresses: 1 }] }],
  }, [
    "warning etcd /ipvlan: It lacks 1 change(s) of this host → ipvlan restore; the " +
    "agent does it by itself",
    'warning etcd /ipvlan: The host "gone" holds 1 address(es), and no agent runs there → start ' +
    "the agent there; or if it is gone for good: ipvlan host rm --yes b2",
  ]],
  ["a host without an agent that shares a pool with no other", {
    shared: [{ ...SHARED, hosts: [{ ...HERE!, isAlive: false }] }],
  }, []],
  ["a parent, and nothing that could be seen of the kernel", {
    ...{ view: undefined, parents: [parent("eth0")] },
  }, []],
  ["one network that is half done, and nothing else", {
    state: { ...STATE, halfDone: ['network "web"'] },
  }, [
    'warning state folder: A command is running or was killed: half done is network "web" → ' +
    "ipvlan restore",
  ]],
  ["a copy of a host", {
    shared: [{ ...SHARED, hosts: [{ ...HERE!, copies: ["clone"] }] }],
  }, [
    'warning etcd /ipvlan: The host "clone" is a copy of "here", and was refused → remove the ' +
    "networks of one of them",
  ]],
  ["addresses that another host has by now, one of which a link here has", {
    shared: [{
      ...SHARED,
      hosts: [HERE!],
      lost: [
        { address: "10.0.0.5", sandbox: "c1", host: "b" },
        { address: "10.0.0.6", sandbox: "c2", host: "b" },
      ],
    }],
    held: [{
      address: "10.0.0.5",
      holder: 'the link "eth0" in the namespace "c1"',
      parent: "eth0",
      names: ["c1"],
    }],
  }, [
    'broken etcd /ipvlan: The host "b" has the address 10.0.0.5 of "c1", and the link "eth0" in ' +
    'the namespace "c1" has it → remove one of them, and then: ipvlan restore',
    'broken etcd /ipvlan: The host "b" has the address 10.0.0.6 of "c2", and no link here has it → ' +
    "remove one of them, and then: ipvlan restore",
  ]],
  ["a host that was removed", { shared: [{ ...SHARED, hosts: [], refused: "This host is not" }] }, [
    "broken etcd /ipvlan: This host is not",
  ]],
  ["etcd out of reach", {
    shared: [{ ...SHARED, hosts: [], problem: "etcd is out of reach" }],
  }, [
    "broken etcd /ipvlan: etcd is out of reach → start it, or check the network between; running " +
    "sandboxes work on, and new addresses come from what this host keeps",
  ]],
  ["an old kernel", {
    release: "4.1.52",
    links: {
      ipvlan: new IpvlanError("kernel-too-old", { release: "4.1.52" }),
      vlan: undefined,
      dummy: undefined,
    },
  }, [
    "broken kernel: 4.1.52, and ipvlan needs 4.2 or later → use a newer kernel",
  ]],
  ["no ip", { ip: undefined, links: undefined, view: undefined }, [
    'broken ip: The program "ip" is not on PATH → install iproute2 5.0 or later (the package ' +
    "iproute2 or iproute)",
  ]],
  ["busybox's ip", { ip: "ip: unrecognized option: V" }, [
    'broken ip: The program "ip" is not iproute2\'s: ip: unrecognized option: V → install ' +
    "iproute2 5.0 or later (the package iproute2 or iproute)",
  ]],
  ["an old snapshot of ip", { ip: "ip utility, iproute2-ss190107" }, [
    "broken ip: ip utility, iproute2-ss190107 is older than iproute2 5.0 → install iproute2 5.0 " +
    "or later (the package iproute2 or iproute)",
  ]],
  ["the oldest ip", { ip: "ip utility, iproute2-ss190319" }, []],
  ["an ip from a repository", { ip: "ip utility, iproute2-v5.7.0-77-gb687d1067169" }, []],
  ["an ip that ends", {
    ipProblem: new IpvlanError("session-closed", { session: "ip", reason: "exit status 1" }),
  }, [
    'broken ip: The session "ip" has ended: exit status 1',
  ]],
  ["no rights", {
    links: {
      ipvlan: new IpvlanError("missing-rights", {
        reason: "mkdir /run/netns failed: Permission denied",
      }),
      vlan: new IpvlanError("missing-rights", {
        reason: "mkdir /run/netns failed: Permission denied",
      }),
      dummy: new IpvlanError("missing-rights", {
        reason: "mkdir /run/netns failed: Permission denied",
      }),
    },
  }, [
    "broken rights: Links and namespaces cannot be made (mkdir /run/netns failed: Permission " +
    "denied) → run as root: sudo ipvlan …",
  ]],
  ["no modules", {
    links: {
      ipvlan: new IpvlanError("missing-module", { module: "ipvlan" }),
      vlan: new IpvlanError("missing-module", { module: "8021q" }),
      dummy: new IpvlanError("missing-module", { module: "dummy" }),
    },
  }, [
    "broken module ipvlan: The kernel does not have it → install a kernel, or its package of " +
    "extra modules, that has ipvlan",
    "warning module 8021q: The kernel does not have it → modprobe 8021q",
    "warning module dummy: The kernel does not have it → install a kernel, or its package of " +
    "extra modules, that has dummy",
  ]],
  ["no 8021q where it is needed", {
    links: {
      ipvlan: undefined,
      vlan: new IpvlanError("missing-module", { module: "8021q" }),
      dummy: undefined,
    },
    parents: [parent("eth0.20")],
  }, ["broken module 8021q: The kernel does not have it → modprobe 8021q"]],
  ["addresses of a network that other links hold", {
    ...examined("eth0", [link("eth0")]),
    state: {
      ...STATE,
      networks: [WEB],
      endpoints: [
        endpointRecord("c1", WEB, { ip: "192.168.1.2" }),
        endpointRecord("c2", WEB, { id: "c2", ip: "192.168.1.3" }),
      ],
      sandboxes: [],
    },
    held: [
      { address: "192.168.1.2", holder: "the link A", parent: "eth0", names: ["alias", "c1"] },
      { address: "192.168.1.3", holder: "the link B", parent: "eth0", names: ["c1"] },
      { address: "192.168.1.4", holder: "the link C", parent: "eth0", names: [] },
      { address: "192.168.1.5", holder: "the link D", parent: "eth1", names: [] },
      { address: "10.0.0.1", holder: "the link E", parent: "eth0", names: [] },
    ],
  }, [
    'broken parent eth0: 192.168.1.3 is that of "c2" on the network "web", and the link B holds ' +
    "it → take it away from that link, then: ipvlan restore",
    'warning parent eth0: 192.168.1.4 of the network "web" is held by the link C, so no sandbox ' +
    "gets it → take it away from that link, or make the network with --aux-address " +
    "taken=192.168.1.4",
  ]],
  ["no dummy where one is on record", {
    links: {
      ipvlan: undefined,
      vlan: undefined,
      dummy: new IpvlanError("missing-module", { module: "dummy" }),
    },
    modulesOnDisk: ["dummy"],
    state: { ...STATE, made: [{ type: "dummy", name: "di-1" }] },
  }, ["broken module dummy: The kernel does not have it → modprobe dummy"]],
  [
    "a state folder that cannot be used",
    { state: { ...STATE, problem: "Read-only file system" } },
    [
      "broken state folder: /state cannot be used: Read-only file system → run as root, or name a " +
      "folder that can be written in IPVLAN_STATE_DIR",
    ],
  ],
  ["half-done records and lost sandboxes", {
    state: { ...STATE, halfDone: ['network "web"'], sandboxes: ["c1", "c2"] },
    view: view([], [sandbox("c1", "eth0", "web", [])]),
  }, [
    'warning state folder: A command is running or was killed: half done is network "web" ' +
    "→ ipvlan restore",
    "warning state folder: On record but not there, as after a restart: c2 → ipvlan restore",
  ]],
  ["what an engine has left", {
    state: {
      ...STATE,
      owned: [
        { name: "cni:a", path: "/proc/7/ns/net" },
        { name: "cni:b", path: "/var/run/netns/b" },
        { name: "cni:c" },
        ...[..."abcde"].map((letter) => ({
          name: `docker:${letter}`,
          path: `/var/run/docker/netns/${letter}`,
        })),
      ],
      endpoints: [..."abcde"].map((letter, index) =>
        endpointRecord(`docker:${letter}`, WEB, {
          id: letter.repeat(12),
          ip: `192.168.1.${index}`,
          handOver: true,
        })
      ),
    },
    // The links of a in the host, of b in its container, of c in a namespace that only the search
    // finds, and of d nowhere. Nobody may look into e.
    view: {
      ...view(
        [link("eth0"), link("e-a", { index: linkIndex({ id: "a".repeat(12), ordinal: 0 }) })],
        [
          sandbox("b", "eth0", "web", []),
          { ...sandbox("x", "eth0", "web", []), netns: "../../var/run/docker/netns/a" },
          {
            ...view([link("eth0", { index: linkIndex({ id: "b".repeat(12), ordinal: 0 }) })]).host,
            netns: "../../var/run/docker/netns/b",
          },
        ],
      ),
      closed: [{ netns: "../../var/run/docker/netns/e", reason: "Permission denied" }],
    },
    held: [{ address: "192.168.1.2", holder: "the link F", parent: "eth0", names: [] }],
  }, [
    "warning state folder: An engine ended without cleaning up, and left on record: cni:a, " +
    "docker:d → ipvlan restore",
    "warning state folder: An engine has not moved the links of these into a container: docker:a → " +
    'wait if it is starting one; otherwise start "ipvlan docker serve" again, which asks Docker',
  ]],
  ["two networks of a subnet", {
    ...examined("eth0", [link("eth0")]),
    state: {
      ...STATE,
      networks: [WEB, network("www")],
      endpoints: [
        endpointRecord("docker:a", network("www"), { ip: "192.168.1.2" }),
        endpointRecord("c1", network("www"), { ip: "192.168.1.3" }),
      ],
    },
    held: [
      { address: "192.168.1.2", holder: "the link A", parent: "eth0", names: [] },
      { address: "192.168.1.3", holder: "the link B", parent: "eth0", names: [] },
    ],
  }, [
    'broken parent eth0: 192.168.1.3 is that of "c1" on the network "www", and the link B holds ' +
    "it → take it away from that link, then: ipvlan restore",
  ]],
  ["no IPv6", { ipv6: "not in the kernel" }, [
    "warning IPv6: The kernel has no IPv6: networks can have IPv4 subnets only → boot without " +
    "ipv6.disable=1, or: modprobe ipv6",
  ]],
  ["no IPv6 where it is needed", {
    ipv6: "off in new namespaces",
    state: {
      ...STATE,
      networks: [
        network("six", {
          parent: "di-1",
          subnets: [{ subnet: "2001:db8::/64", auxAddresses: {} }],
        }),
        network("four", { parent: "di-2", subnets: [{ subnet: "10.0.0.0/24", auxAddresses: {} }] }),
      ],
    },
  }, [
    "broken IPv6: IPv6 is disabled in new namespaces, and these networks have an IPv6 subnet: six " +
    "→ sysctl -w net.core.devconf_inherit_init_net=0; without ipv6.disable_ipv6=1 on the kernel's " +
    "command line",
  ]],
  ["a machine without /etc/hosts", { hostsFile: false }, [
    "warning names: There is no /etc/hosts, so sandboxes do not find each other by name → " +
    "touch /etc/hosts",
  ]],
  ["a CNI plugin that starts Deno for each call", {
    plugins: [{ engine: "cni", what: "Each call starts Deno", fix: "x" }],
  }, [
    "warning CNI: Each call starts Deno → x",
  ]],
  ["no right to call the C library", { transport: { reason: "R", fix: "F" } }, [
    'warning transport: The program "ip" runs for each change, which takes longer: R → F',
  ]],
  ["a wish for the program", { transport: { reason: "IPVLAN_TRANSPORT asks for it" } }, []],
  ["plugins, one with its server", {
    plugins: [
      { engine: "cni", what: "Calls ask the server" },
      { engine: "netavark", what: "Each call starts Deno", fix: "y" },
    ],
  }, [
    "warning Podman: Each call starts Deno → y",
  ]],
  ["a cloud", { machine: { vendor: "Hetzner", product: "vServer", assetTag: "" } }, [
    "warning cloud: This is a machine of Hetzner Cloud, whose network drops what comes " +
    "from or goes to an address that was not assigned to the NIC → assign the sandboxes' addresses " +
    "to the NIC (l2), or route their subnet to this machine and turn the NIC's source and " +
    "destination check off (l3)",
  ]],
  ["Google", { machine: { vendor: "Google", product: "Google Compute Engine", assetTag: "" } }, [
    "warning cloud: This is a machine of Google Compute Engine, whose network drops what comes " +
    "from or goes to an address that was not assigned to the NIC → assign the sandboxes' addresses " +
    "to the NIC (l2: gcloud compute instances network-interfaces update MACHINE --aliases " +
    "ADDRESS/32), or route their subnet to this machine and turn the NIC's source and destination " +
    "check off (l3: gcloud compute instances create MACHINE --can-ip-forward)",
  ]],
  ["a parent that is not there", examined("eth9", [link("eth0")]), [
    'broken parent eth9: There is no link "eth9" to be the parent: make it first, or name it ' +
    "LINK.VLAN (such as eth0.20) to have it made",
  ]],
  ["a parent that would be made", examined("eth0.20", [link("eth0")]), []],
  ["a parent on record that is gone", examined("eth9", [], [network("web", { parent: "eth9" })]), [
    "broken parent eth9: It is not there, and these networks are on it: web → make the link " +
    '"eth9" as it was made before',
  ]],
  ["a sub-interface made by hand that is gone", {
    ...examined("eth0.20", [link("eth0")], [network("web", { parent: "eth0.20" })]),
  }, [
    "broken parent eth0.20: It is not there, and these networks are on it: web → ip link add " +
    "link eth0 name eth0.20 up type vlan id 20",
  ]],
  ["a sub-interface made by the driver that is gone", {
    ...examined("eth0.20", [link("eth0")]),
    state: {
      ...STATE,
      networks: [network("web", { parent: "eth0.20" })],
      made: [{ type: "vlan", name: "eth0.20", link: "eth0", id: 20 }],
    },
  }, [
    "broken parent eth0.20: It is not there, and these networks are on it: web → ipvlan restore",
  ]],
  ["lo", examined("lo", [link("lo", { linkType: "loopback" })]), [
    'broken parent lo: The link "lo" cannot be a parent: it is the loopback, which sends no ' +
    "packet out; name another link, or none for a dummy",
  ]],
  [
    "a port of a bond",
    examined("eth0", [link("eth0", { master: "bond0", masterKind: "bond" })]),
    [
      'broken parent eth0: The link "eth0" cannot be a parent: it is a port of the bond "bond0"; ' +
      'use "bond0" instead → ip link set dev eth0 nomaster',
    ],
  ],
  [
    "a macvlan link on it",
    examined("eth0", [
      link("eth0"),
      link("eth1"),
      link("sub0", { info: vlanInfo(5), link: "eth0" }),
      link("mv1", { info: { type: "macvlan", mode: "bridge" }, link: "eth1" }),
      link("mv0", { info: { type: "macvlan", mode: "bridge" }, link: "eth0" }),
    ]),
    [
      'broken parent eth0: The link "eth0" cannot be a parent: it carries the macvlan link "mv0", ' +
      "and macvlan and ipvlan cannot share a parent; remove that, or use another link → ip link " +
      "del dev mv0",
    ],
  ],
  [
    "a macvlan link on it that cannot be seen",
    examined("eth0", [link("eth0")], [], {
      problem: new IpvlanError("invalid-parent", { parent: "eth0", reason: "it is busy" }),
    }),
    ['broken parent eth0: The link "eth0" cannot be a parent: it is busy'],
  ],
  ["a parent that is down", examined("eth0", [link("eth0", DOWN)]), [
    "broken parent eth0: It is down, so nothing passes → ip link set dev eth0 up",
  ]],
  [
    "a parent that is down, and whose name a shell would run",
    examined("a$(id)", [
      link("a$(id)", DOWN),
    ]),
    ["broken parent a$(id): It is down, so nothing passes → ip link set dev 'a$(id)' up"],
  ],
  ["a veth that is down", {
    ...examined("eth0", [
      link("eth0", { info: { type: "veth" }, link: "eth1" }),
      link("eth1", { info: { type: "veth" }, link: "eth0", ...DOWN }),
    ]),
  }, []],
  [
    "the link below it is down",
    examined("eth0.20", [
      link("eth0", DOWN),
      link("eth0.20", { info: vlanInfo(20), link: "eth0", ...NO_CARRIER }),
    ]),
    [
      'broken parent eth0.20: The link "eth0" below it is down, so nothing passes → ip link set ' +
      "dev eth0 up",
    ],
  ],
  ["no carrier", examined("eth0", [link("eth0", NO_CARRIER)]), [
    "broken parent eth0: It has no carrier, so nothing leaves → check the cable, the switch's " +
    "port, or the other end",
  ]],
  ["wireless", examined("eth0", [link("eth0")], [], { wireless: ["eth0"] }), [
    'warning parent eth0: The link "eth0" is wireless: an access point passes ipvlan\'s frames, as ' +
    "all have the one MAC address that it knows, but some keep to one IP address for each → try " +
    "it, or use a wired link",
  ]],
  [
    "another mode in the kernel",
    examined("eth0", [link("eth0")], [network("web", { parent: "eth0", mode: "l3" })], {}, [
      sandbox("c1", "eth0", "web", []),
    ]),
    [
      'broken parent eth0: The network "web" has mode l3, flag bridge, and the kernel mode l2, flag ' +
      "bridge for all links on it: the last change of a link applies to all → ip -n c1 link set dev " +
      "eth0 type ipvlan mode l3 bridge",
    ],
  ],
  [
    "the same mode in the kernel",
    examined("eth0", [link("eth0")], [network("web", { parent: "eth0" })], {}, [
      sandbox("c1", "eth0", "web", []),
    ]),
    [],
  ],
  [
    "an MTU that the parent has not",
    examined("eth0", [link("eth0")], [network("web", { parent: "eth0", mtu: 9000 })]),
    [
      'broken parent eth0: Its MTU is 1500 and that of the network "web" is 9000: larger ' +
      "packets are dropped → ip link set dev eth0 mtu 9000",
    ],
  ],
  [
    "an MTU that was overwritten",
    examined("eth0", [link("eth0")], [network("web", { parent: "eth0", mtu: 1400 })], {}, [
      sandbox("c1", "eth0", "web", []),
      { ...sandbox("c2", "eth0", "web", []), links: [endpoint("eth0", "web", { mtu: 1400 })] },
      sandbox("c3", "eth0", "other", []),
    ]),
    [
      'warning parent eth0: The MTU of eth0 in "c1" is 1500, not the 1400 of the network "web": a ' +
      "change of the parent's MTU sets that of the links on it → ip -n c1 link set dev eth0 mtu 1400",
    ],
  ],
  [
    "addresses that others have",
    examined("eth0", [link("eth0")], [], {
      addresses: [
        { address: "10.0.0.2", network: "web", sandbox: "c1", answer: { mac: "02::1" } },
        { address: "10.0.0.3", network: "web", sandbox: "c2", answer: "none" },
        { address: "10.0.0.4", network: "web", answer: { mac: "02::2" } },
        { address: "2001:db8::4", network: "web", answer: "unknown" },
      ],
    }),
    [
      'broken parent eth0: 10.0.0.2 is that of "c1" on the network "web", and the machine 02::1 ' +
      "has it → ipvlan network disconnect web c1, then connect it with another --ip",
      'broken parent eth0: 10.0.0.4 is the next that the network "web" would give, and the machine ' +
      "02::2 has it → make the network with --ip-range, or with --aux-address taken=10.0.0.4",
      "warning parent eth0: Cannot find out whether another machine has one of these: " +
      "2001:db8::4 → give the parent a link-local address for IPv6; without netlink, install " +
      "iproute2 5.16",
    ],
  ],
];

for (const [name, facts, said] of CASES) {
  Deno.test(`diagnose: ${name}`, () => {
    const diagnoses = diagnose({ ...WELL, ...facts });
    assertEquals(
      diagnoses.filter(({ level }) => level !== "ok").map(({ level, subject, what, fix }) =>
        `${level} ${subject}: ${what}${fix === undefined ? "" : ` → ${fix}`}`
      ),
      said,
    );
  });
}

Deno.test("diagnose: checks that passed are reported, too", () => {
  const diagnoses = diagnose({
    ...WELL,
    ...examined("eth0", [link("eth0")], [], {}, [sandbox("c1", "eth0", "web", [])]),
  });
  assertEquals(diagnoses.map(({ subject, what }) => `${subject}: ${what}`), [
    "kernel: 6.1.0-18-amd64, and ipvlan needs 4.2 or later",
    "ip: ip utility, iproute2-6.1.0, libbpf 1.1.2",
    "transport: netlink, without a program",
    "rights: Links and namespaces can be made",
    "module ipvlan: The kernel has it",
    "module 8021q: The kernel has it",
    "module dummy: The kernel has it",
    "state folder: /state: 0 network(s), 0 sandbox(es)",
    "IPv6: Sandboxes have it",
    "parent eth0: It carries ipvlan links; mode l2, flag bridge go for all on it",
  ]);
});

Deno.test("diagnose: a parent or a shared pool without a fault is said to be so", () => {
  const eth0 = link("eth0");
  const sub = link("eth0.5", { info: vlanInfo(5), link: "eth0", linkIndex: eth0.index });
  const refused = new IpvlanError("missing-module", { module: "ipvlan" });
  const able = { ipvlan: undefined, vlan: undefined, dummy: undefined };
  const table: [Partial<DoctorFacts>, string][] = [
    [{}, "parent eth0: It can carry ipvlan links"],
    [{ links: { ...able, ipvlan: refused } }, "parent eth0: Nothing else prevents ipvlan links"],
    [{ shared: [{ ...SHARED, hosts: [HERE!] }] }, "etcd /ipvlan: It answers, and has 1 host(s)"],
  ];
  for (const [facts, said] of table) {
    const diagnoses = diagnose({ ...WELL, ...examined("eth0", [eth0, sub]), ...facts });
    const ok = diagnoses.filter(({ level }) => level === "ok");
    assertEquals(ok.some(({ subject, what }) => `${subject}: ${what}` === said), true, said);
  }
  const same = network("web", { mtu: 1500 });
  const found = diagnose({ ...WELL, ...examined("eth0", [eth0], [same]) });
  assertEquals(found.filter(({ level }) => level !== "ok"), []);
});

const MARKS: [string, Partial<DoctorFacts["machine"]>][] = [
  ["Amazon EC2", { vendor: "Amazon EC2" }],
  ["Microsoft Azure", { assetTag: "7783-7084-3265-9085-8269-3286-77" }],
  ["Oracle Cloud", { assetTag: "OracleCloud.com" }],
  ["OpenStack", { product: "OpenStack Nova" }],
  ["Hetzner Cloud", { vendor: "Hetzner" }],
];

for (const [cloud, mark] of MARKS) {
  Deno.test(`diagnose: a machine of ${cloud}`, () => {
    const machine = { vendor: "", product: "", assetTag: "", ...mark };
    const found = diagnose({ ...WELL, machine }).find(({ subject }) => subject === "cloud");
    assertEquals(found?.what.startsWith(`This is a machine of ${cloud},`), true);
    const program = { "Amazon EC2": "aws ec2 ", "Microsoft Azure": "az network nic " }[cloud];
    assertEquals(found?.fix?.split(program ?? "(l").length, 3);
  });
}

Deno.test("the sandboxes of engines are counted, and need no name in the kernel", () => {
  const owned = [{ name: "netavark:a" }, { name: "docker:b" }];
  const state = { ...STATE, networks: [WEB], owned };
  const found = diagnose({ ...WELL, state }).filter(({ subject }) => subject === "state folder");
  assertEquals(found.map(({ what }) => what), ["/state: 1 network(s), 2 sandbox(es)"]);
});
