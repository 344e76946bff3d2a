import { assertEquals } from "@std/assert";
import {
  aliasOf,
  chooseParent,
  conflictProblem,
  explainIpvlanAdd,
  LINK_GROUP,
  possibleParents,
} from "../../../../lib/driver/network/parent.ts";
import type { Link, LinkInfo, LinkSpec } from "../../../../lib/iproute2/link_types.ts";
import type { ErrorCode } from "../../../../lib/base/errors.ts";
import { link, LO, network, vlanInfo } from "../../../kit/values.ts";
import { assertError } from "../../../kit/errors.ts";
import { ipCommandError } from "../../../../lib/iproute2/errors.ts";

const ETH0 = link("eth0");

type VlanInfo = Extract<LinkInfo, { type: "vlan" }>;

Deno.test("a parent that exists is used as it is", () => {
  const own = link("eth0.20", { link: "eth0", info: vlanInfo(20) });
  const vrf = link("eth2", { master: "red", masterKind: "vrf" });
  for (const parent of [ETH0, own, vrf, link("foo")]) {
    const choice = chooseParent(parent.name, [LO, ETH0, own, vrf, link("foo")]);
    assertEquals(choice, { make: [], carrier: parent, notices: [], problems: [] });
  }
});

Deno.test("a missing link.vlan is made, with both tags where there are two", () => {
  const made = (name: string, below: string, id: number, protocol: string) =>
    ({ type: "vlan", name, link: below, id, protocol, group: LINK_GROUP, up: true }) as LinkSpec;
  assertEquals(chooseParent("eth0.20", [LO, ETH0]), {
    make: [made("eth0.20", "eth0", 20, "802.1Q")],
    carrier: ETH0,
    notices: [],
    problems: [],
  });
  assertEquals(chooseParent("eth0.20.30", [LO, ETH0]).make, [
    made("eth0.20", "eth0", 20, "802.1ad"),
    made("eth0.20.30", "eth0.20", 30, "802.1Q"),
  ]);
  const service = link("eth0.20", {
    link: "eth0",
    info: vlanInfo(20, "802.1ad"),
  });
  assertEquals(chooseParent("eth0.20.30", [LO, ETH0, service]).make, [
    made("eth0.20.30", "eth0.20", 30, "802.1Q"),
  ]);
});

Deno.test("a tag that differs from a link's name is said, and one that the driver made is refused", () => {
  const vlan = (name: string, below: string, info: VlanInfo, isOurs = false) =>
    link(name, { link: below, info, group: isOurs ? String(LINK_GROUP) : "default" });
  const chosen = (parent: string, ...links: Link[]) => {
    const { notices, problems } = chooseParent(parent, [LO, ETH0, ...links]);
    return [...notices, ...problems.map(({ message }) => message)];
  };
  const other = vlan("eth0.41", "eth0", vlanInfo(99));
  assertEquals(chosen("eth0.41", other), [
    'The link "eth0.41" has VLAN 99 (802.1Q), and not VLAN 41 (802.1Q) as its name says',
  ]);
  const byHand = vlan("eth0.20", "eth0", vlanInfo(20, "802.1ad"));
  assertEquals(chosen("eth0.20", byHand), [
    'The link "eth0.20" has VLAN 20 (802.1ad), and not VLAN 20 (802.1Q) as its name says',
  ]);
  const service = vlan("eth0.20", "eth0", vlanInfo(20, "802.1ad"), true);
  const inner = vlan("eth0.20.30", "eth0.20", vlanInfo(30), true);
  assertEquals(chosen("eth0.20", service, inner), [
    'The link "eth0.20" cannot be a parent: it has the service VLAN 20 (802.1ad) for ' +
    '"eth0.20.30", and not VLAN 20 (802.1Q); make a link of another name for that, and use it: ' +
    '"ip link add link eth0 name NAME type vlan id 20"',
  ]);
  // The outer one of two tags is of 802.1ad, unless there is one of 802.1Q already.
  assertEquals(chosen("eth0.20.40", service, inner), []);
  assertEquals(chosen("eth0.20.30", service, inner), []);
  const customer = vlan("eth0.20", "eth0", vlanInfo(20));
  assertEquals(chosen("eth0.20.30", customer), [
    'The link "eth0.20" has VLAN 20 (802.1Q), so "eth0.20.30" has no outer tag of 802.1ad',
  ]);
  const made = vlan("eth0.20", "eth0", vlanInfo(20), true);
  assertEquals(chosen("eth0.20.30", made), [
    'The link "eth0.20.30" cannot be a parent: its outer tag must be of 802.1ad, and "eth0.20" has ' +
    "VLAN 20 (802.1Q) for another network; use another VLAN for one of them",
  ]);
  assertEquals(chosen("eth0.20", customer), []);
  // A name that says nothing of a tag, or of one on another link.
  assertEquals(chosen("foo", vlan("foo", "eth0", vlanInfo(7))), []);
  assertEquals(chosen("eth1.5", vlan("eth1.5", "eth0", vlanInfo(7))), []);
});

Deno.test("a parent that is down gives a notice, and a new sub-interface on such a link is refused", () => {
  const down = link("eth0", { up: false });
  assertEquals(chooseParent("eth0", [down]).notices, [
    'The parent "eth0" is down, so nothing passes: "ip link set eth0 up"',
  ]);
  assertEquals(chooseParent("eth0.20", [down]).problems.map(({ message }) => message), [
    'The link "eth0" cannot be a parent: it is down, and no sub-interface on it can be set ' +
    'up: "ip link set eth0 up"',
  ]);
});

Deno.test("a link that cannot be a parent is refused with the reason", () => {
  const port = link("eth1", { master: "br0", masterKind: "bridge" });
  const slave = link("eth2", { master: "bond0", masterKind: "bond" });
  const macvlan = link("mv0", { link: "eth3", info: { type: "macvlan", mode: "bridge" } });
  const ipvlan = link("iv0", {
    link: "eth4",
    info: { type: "ipvlan", mode: "l2", flag: "bridge" },
  });
  const twin = link("foo", { link: "eth0", info: vlanInfo(40) });
  const links = [LO, ETH0, port, slave, link("eth3"), macvlan, link("eth4"), ipvlan, twin];
  const cases: [string, ErrorCode, string][] = [
    [
      "lo",
      "invalid-parent",
      'The link "lo" cannot be a parent: it is the loopback, which sends no packet out; name ' +
      "another link, or none for a dummy",
    ],
    [
      "lo.20",
      "invalid-parent",
      'The link "lo" cannot be a parent: it is the loopback, which sends no packet out; name ' +
      "another link, or none for a dummy",
    ],
    [
      "eth1",
      "invalid-parent",
      'The link "eth1" cannot be a parent: it is a port of the bridge "br0"; use "br0" instead',
    ],
    [
      "eth2",
      "invalid-parent",
      'The link "eth2" cannot be a parent: it is a port of the bond "bond0"; use "bond0" instead',
    ],
    [
      "eth3",
      "invalid-parent",
      'The link "eth3" cannot be a parent: it carries the macvlan link "mv0", and macvlan and ' +
      "ipvlan cannot share a parent; remove that, or use another link",
    ],
    [
      "iv0",
      "invalid-parent",
      'The link "iv0" cannot be a parent: it is an ipvlan link itself, and the kernel would use ' +
      '"eth4"; name that instead',
    ],
    [
      "eth0.40",
      "invalid-parent",
      'The link "eth0.40" cannot be a parent: "eth0" has VLAN 40 already, as the link "foo": use ' +
      "that as the parent",
    ],
    [
      "eth9",
      "parent-not-found",
      'There is no link "eth9" to be the parent: make it first, or name it LINK.VLAN (such as ' +
      "eth0.20) to have it made",
    ],
    [
      "eth9.20",
      "parent-not-found",
      'There is no link "eth9" to make the sub-interface "eth9.20" on: make it first',
    ],
    [
      "eth0.0",
      "invalid-option",
      'The parent "eth0.0" is not valid: the VLAN id 0 is not from 1 to 4094',
    ],
    [
      "eth0.4095",
      "invalid-option",
      'The parent "eth0.4095" is not valid: the VLAN id 4095 is not from 1 to 4094',
    ],
    ["", "invalid-word", 'The parent "" is not valid: it is empty'],
    [
      "a-name-of-17-char",
      "invalid-word",
      'The parent "a-name-of-17-char" is not valid: it is longer than 15 bytes',
    ],
    [
      "a-name-of-15-ch.20",
      "invalid-option",
      'The parent "a-name-of-15-ch.20" is not valid: a link\'s name has at most 15 characters; ' +
      "make the link under a shorter name and use that",
    ],
  ];
  for (const [parent, type, message] of cases) {
    const { problems } = chooseParent(parent, links);
    assertEquals(problems.map((problem) => problem.message), [message], parent);
    assertError(problems[0], type);
  }
});

Deno.test("a kind of link that the kernel makes no ipvlan link on is refused in our own words", () => {
  const vrf = link("red", { info: { type: "vrf", table: 10 } });
  const macvtap = link("tap0", { info: { type: "macvtap", mode: "bridge" } });
  const sit = link("sit1", { linkType: "sit", info: { type: "other", kind: "sit" } });
  const wireguard = link("wg0", { linkType: "none", info: { type: "other", kind: "wireguard" } });
  const links = [ETH0, vrf, macvtap, sit, wireguard];
  const said = (name: string) => chooseParent(name, links).problems.map(({ message }) => message);
  assertEquals(links.flatMap(({ name }) => said(name)), [
    'The link "red" cannot be a parent: it is a VRF, which takes no ipvlan link; use one of its ' +
    "ports instead",
    'The link "tap0" cannot be a parent: it is a macvtap link, which takes no ipvlan link; use the ' +
    "link below it instead",
    'The link "sit1" cannot be a parent: it is of the type sit, and ipvlan needs Ethernet; use ' +
    "another link",
    'The link "wg0" cannot be a parent: it is of the type none, and ipvlan needs Ethernet; use ' +
    "another link",
  ]);
  assertEquals(possibleParents([LO, ...links]), ["eth0"]);
  // The dummies of isolated networks are the driver's own.
  const dummy: LinkInfo = { type: "dummy" };
  const group = String(LINK_GROUP);
  const own = [
    link("di-1", { info: dummy, group }),
    link("eth0.20", { link: "eth0", info: vlanInfo(20), group }),
  ];
  assertEquals(possibleParents([ETH0, ...own, link("dummy0", { info: dummy })]), [
    "eth0",
    "eth0.20",
    "dummy0",
  ]);
});

Deno.test("what is not known of a link that cannot be a parent is told without a name", () => {
  const ipvlan = link("iv0", { info: { type: "ipvlan", mode: "l2", flag: "bridge" } });
  const port = link("p0", { master: "x0" });
  const service = link("eth0.20", {
    link: "eth0",
    info: vlanInfo(20, "802.1ad"),
    group: String(LINK_GROUP),
  });
  const said = (name: string) =>
    chooseParent(name, [ETH0, ipvlan, port, service]).problems.map(({ message }) =>
      message.replace(/^.* cannot be a parent: /, "").replace(/;.*/, "")
    );
  assertEquals(said("iv0"), [
    "it is an ipvlan link itself, and the kernel would use the link below it",
  ]);
  assertEquals(said("p0"), ['it is a port of the master "x0"']);
  assertEquals(said("eth0.20"), [
    "it has the service VLAN 20 (802.1ad) for two tags, and not VLAN 20 (802.1Q)",
  ]);
});

Deno.test("a VLAN of a link is in use by one with its id and its protocol, on that link", () => {
  const twin = (changes: Partial<Link>) =>
    link("foo", { link: "eth0", info: vlanInfo(40), ...changes });
  const count = (changes: Partial<Link>) =>
    chooseParent("eth0.40", [ETH0, link("eth1"), twin(changes)]).problems.length;
  assertEquals(count({}), 1);
  assertEquals(count({ link: "eth1" }), 0);
  assertEquals(count({ info: vlanInfo(41) }), 0);
  assertEquals(count({ info: vlanInfo(40, "802.1ad") }), 0);
  assertEquals(count({ info: { type: "macvlan", mode: "bridge" } }), 1);
});

Deno.test("all who use the parent with the same other mode and flag are named", () => {
  const asked = { mode: "l2", flag: "bridge" } as const;
  const users = [
    network("a", { mode: "l3" }),
    network("b", { mode: "l2", flag: "vepa" }),
    network("c", { mode: "l3" }),
  ];
  const problem = conflictProblem("eth0", asked, users, []);
  assertEquals(problem?.message.match(/by (.*), and mode/)?.[1], '"a", "c"');
  assertEquals(
    conflictProblem("eth0", asked, users.slice(1, 2), [])?.current,
    "mode l2, flag vepa",
  );
});

Deno.test("all problems of a parent are reported at once", () => {
  const { problems } = chooseParent("lo.0.4095", [LO]);
  assertEquals(problems.length, 3);
});

Deno.test("mode and flag have to agree with the networks and the links on the parent", () => {
  const asked = { mode: "l2", flag: "bridge" } as const;
  const l3 = network("other", { mode: "l3" });
  const vepa: Link = link("x", {
    link: "eth0",
    info: { type: "ipvlan", mode: "l2", flag: "vepa" },
  });
  assertEquals(conflictProblem("eth0", asked, [network("same")], []), undefined);
  assertEquals(conflictProblem("eth1", asked, [l3], [vepa]), undefined);
  const byNetwork = conflictProblem("eth0", asked, [network("same"), l3], []);
  assertError(byNetwork, "parent-conflict");
  assertEquals(
    byNetwork.message,
    'The parent "eth0" is used with mode l3, flag bridge by "other", and mode and flag ' +
      "belong to the parent: ask for those instead of mode l2, flag bridge, or take another parent",
  );
  assertEquals(conflictProblem("eth0", asked, [], [vepa])?.current, "mode l2, flag vepa");
});

Deno.test("the note on a link names its network, as far as the kernel keeps it", () => {
  assertEquals(aliasOf("a"), "ipvlan-kit a");
  assertEquals(new TextEncoder().encode(aliasOf("cni:".padEnd(255, "x"))).length, 255);
});

Deno.test("a refused ipvlan link says what is wrong with the parent, the kernel or the caller", () => {
  const refused = (said: string) => explainIpvlanAdd(ipCommandError("ip …", said), "eth0");
  const busy = refused("RTNETLINK answers: Device or resource busy");
  assertError(busy, "invalid-parent");
  assertEquals(busy.parent, "eth0");
  assertError(refused("RTNETLINK answers: Operation not permitted"), "missing-rights");
  const unknown = refused("Error: Unknown device type");
  assertError(unknown, "missing-module");
  assertEquals(unknown.module, "ipvlan");
  assertError(refused("RTNETLINK answers: Invalid argument"), "ip-command");
});
