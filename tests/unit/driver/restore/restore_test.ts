import { assert, assertEquals, assertMatch } from "@std/assert";
import { IN_SANDBOX } from "../../../../lib/driver/model/names.ts";
import { byLinkName, LINK_GROUP } from "../../../../lib/driver/network/parent.ts";
import { parentsPlan } from "../../../../lib/driver/network/create.ts";
import { isUntaken, namespacePlan, toReport } from "../../../../lib/driver/restore/restore.ts";
import type { SeenNamespace } from "../../../../lib/driver/model/facts.ts";
import type { Link, LinkSpec } from "../../../../lib/iproute2/link_types.ts";
import type { Sandbox } from "../../../../lib/driver/model/types.ts";
import { linkIndex } from "../../../../lib/driver/endpoint/steps.ts";
import { endpointRecord, link, LO, network, sandboxRecord, vlanInfo } from "../../../kit/values.ts";
import { assertError } from "../../../kit/errors.ts";

const GROUP = String(LINK_GROUP);
const TAGS = network("tags", { parent: "eth0.20.30" });
const ETH0 = link("eth0");

function vlan(name: string, below: string, id: number): LinkSpec {
  return { type: "vlan", name, link: below, id, group: LINK_GROUP, up: true };
}

/** A link that the driver made, as the kernel shows it. */
function there(made: LinkSpec, changes: Partial<Link> = {}): Link {
  assert(made.type === "vlan");
  const info = vlanInfo(made.id);
  return link(made.name, { group: GROUP, up: true, link: made.link, info, ...changes });
}

const MADE = [vlan("eth0.20", "eth0", 20), vlan("eth0.20.30", "eth0.20", 30)];

function parent(net = TAGS, links: Link[] = [ETH0], made: LinkSpec[] = MADE) {
  const plan = parentsPlan([net], byLinkName(made), links);
  assertEquals(plan.problems.size, 0);
  return { foreign: plan.foreign, lines: plan.levels.flatMap(linesOf) };
}

function linesOf(links: { steps: { line: string }[] }[]): string[] {
  return links.flatMap(({ steps }) => steps).map(({ line }) => line);
}

function missing(net = TAGS, links: Link[] = [], made: LinkSpec[] = MADE): string {
  const plan = parentsPlan([net], byLinkName(made), links);
  const problem = plan.problems.get(net.id);
  assertError(problem, "parent-not-found");
  assertEquals(plan.levels, []);
  return problem.message;
}

Deno.test("missing links of a parent are made again, the lowest first, with their aliases", () => {
  assertEquals(parent(), {
    foreign: [],
    lines: [
      "link add link eth0 name eth0.20 group 6910070 up type vlan protocol 802.1Q id 20",
      'link set dev eth0.20 alias "ipvlan-kit tags"',
      "link add link eth0.20 name eth0.20.30 group 6910070 up type vlan protocol 802.1Q id 30",
      'link set dev eth0.20.30 alias "ipvlan-kit tags"',
    ],
  });
});

Deno.test("links that exist are not made", () => {
  const [lower, upper] = MADE.map((made) => there(made));
  assertEquals(parent(TAGS, [ETH0, lower!, upper!]), { foreign: [], lines: [] });
  assertEquals(parent(TAGS, [ETH0, lower!]).lines.length, 2);
});

Deno.test("a link that somebody else has made since is foreign, and is not made", () => {
  const { foreign, lines } = parent(TAGS, [ETH0, there(MADE[0]!, { group: "default" })]);
  assertEquals(foreign, ["eth0.20"]);
  assertEquals(lines.length, 2);
});

Deno.test("a parent that the driver did not make is never made", () => {
  const manual = network("manual", { parent: "eth0.40" });
  assertEquals(parent(manual, [ETH0, link("eth0.40")], []), { foreign: [], lines: [] });
  assert(missing(manual, [ETH0], []).includes('"eth0.40"'));
});

Deno.test("a sub-interface is not made without the link below it, and a dummy needs none", () => {
  assert(missing().includes('no link "eth0" to make the sub-interface "eth0.20.30" on'));
  const isolated = network("iso", { parent: "di-1", isolated: true });
  const dummy: LinkSpec = { type: "dummy", name: "di-1", group: LINK_GROUP, up: true };
  assertEquals(parent(isolated, [], [dummy]).lines.length, 2);
});

Deno.test("a link of the driver's that is down is set up, and another's is not", () => {
  const [lower, upper] = MADE.map((made) => there(made, { up: false }));
  assertEquals(parent(TAGS, [ETH0, lower!, upper!]).lines, [
    "link set dev eth0.20 up",
    "link set dev eth0.20.30 up",
  ]);
  const theirs = there(MADE[0]!, { up: false, group: "default" });
  assertEquals(parent(TAGS, [ETH0, theirs, there(MADE[1]!)]).lines, []);
});

Deno.test("a sub-interface with another tag than on record is a problem, and is not touched", () => {
  const other = there(MADE[0]!, { info: vlanInfo(99) });
  const plan = parentsPlan([TAGS], byLinkName(MADE), [ETH0, other]);
  const problem = plan.problems.get(TAGS.id);
  assertError(problem, "invalid-parent");
  assertMatch(problem.message, /"eth0.20" is not VLAN 20 \(802.1Q\) of "eth0" any more/);
  assertEquals([plan.levels, plan.foreign], [[], []]);
});

Deno.test("a sub-interface stands on a link that is up, and on none that another program set down", () => {
  const down = (changes: Partial<Link>) =>
    parentsPlan([TAGS], byLinkName(MADE), [ETH0, there(MADE[0]!, { up: false, ...changes })]);
  const { problems, levels } = down({ group: "default" });
  assertEquals(problems.get(TAGS.id)?.message.includes('"eth0.20"'), true);
  assertEquals(levels, []);
  assertEquals(down({}).levels.flatMap(linesOf).slice(0, 2), [
    "link set dev eth0.20 up",
    "link add link eth0.20 name eth0.20.30 group 6910070 up type vlan protocol 802.1Q id 30",
  ]);
  // That a link is down does not matter where nothing is made on it.
  const theirs = there(MADE[1]!, { up: false, group: "default" });
  assertEquals(parent(TAGS, [ETH0, there(MADE[0]!), theirs]).lines, []);
});

Deno.test("each part of a sub-interface's tag counts: its id, its protocol, and the link below", () => {
  const problem = (spec: Partial<LinkSpec>, changes: Partial<Link>) => {
    const made = [{ ...MADE[0]!, ...spec } as LinkSpec];
    const net = network("tag", { parent: "eth0.20" });
    const links = [ETH0, there(MADE[0]!, changes)];
    return parentsPlan([net], byLinkName(made), links).problems
      .get(net.id)?.message.match(/is not (.*) any more/)?.[1];
  };
  const ad = { protocol: "802.1ad" } as const;
  const as = (info: Link["info"]) => ({ info });
  assertEquals(problem({}, {}), undefined);
  assertEquals(problem(ad, as(vlanInfo(20, "802.1ad"))), undefined);
  assertEquals(problem(ad, {}), 'VLAN 20 (802.1ad) of "eth0"');
  assertEquals(problem({}, as(vlanInfo(20, "802.1ad"))), 'VLAN 20 (802.1Q) of "eth0"');
  assertEquals(problem({}, as({ type: "other", kind: "dummy" })), 'VLAN 20 (802.1Q) of "eth0"');
  assertEquals(problem({}, { link: "eth1" }), 'VLAN 20 (802.1Q) of "eth0"');
});

Deno.test("a parent in the sandboxes is nobody's to restore", () => {
  const inner = network("inner", { parent: IN_SANDBOX });
  assertEquals(parent(inner, []), { foreign: [], lines: [] });
});

Deno.test("a link that several networks need is made once, and each link before those on it", () => {
  const both = [network("lower", { parent: "eth0.20" }), TAGS];
  const { levels } = parentsPlan(both, byLinkName(MADE), [ETH0]);
  assertEquals(levels.map((links) => links.map(({ name }) => name)), [["eth0.20"], ["eth0.20.30"]]);
  assertEquals(linesOf(levels[0]!)[1], 'link set dev eth0.20 alias "ipvlan-kit lower"');
});

const NOTHING = { links: [LO], addrs: [], routes: [] };

function plan(
  seen: SeenNamespace = NOTHING,
  changes: Partial<Sandbox> = {},
) {
  const decision = namespacePlan(sandboxRecord("c", changes), seen, true);
  assert(decision.ok);
  const lines = (steps: typeof decision.make) => steps.map(({ line }) => line);
  return { remove: lines(decision.remove), make: lines(decision.make) };
}

Deno.test("nothing is done for a namespace that is there", () => {
  assertEquals(plan(), { remove: [], make: [] });
});

Deno.test("a namespace that is missing is made again", () => {
  const make = ["netns add c", "link set dev lo up"];
  const decide = (hasName: boolean) => {
    const decision = namespacePlan(sandboxRecord("c"), undefined, hasName);
    assert(decision.ok);
    return [decision.remove, decision.make].map((steps) => steps.map(({ line }) => line));
  };
  assertEquals(decide(false), [[], make]);
  // `umount` leaves a file with its name.
  assertEquals(decide(true), [["netns del c"], make]);
});

Deno.test("a missing namespace that the driver did not make is a problem", () => {
  for (const namespace of ["attached", "found"] as const) {
    const decision = namespacePlan(sandboxRecord("c", { namespace }), undefined, false);
    assert(!decision.ok);
    assertError(decision.problems[0], "sandbox-gone");
  }
});

Deno.test("a link without an alias is deleted, and one that is not the driver's is not", () => {
  const links = [LO, link("eth0", { group: GROUP }), link("other")];
  assertEquals(plan({ ...NOTHING, links }).remove, ["link del dev eth0"]);
});

Deno.test("the loopback is set up again only in a namespace that the driver made", () => {
  const seen = { ...NOTHING, links: [{ ...LO, up: false }] };
  assertEquals(plan(seen).make, ["link set dev lo up"]);
  assertEquals(plan(seen, { namespace: "found" }).make, []);
});

Deno.test("a report has each name once: restored, or missing with the reason", () => {
  const earlier = { kind: "sandbox", name: "half", reason: "It was left half made: x" } as const;
  assertEquals(
    toReport({ undone: ["u"], missing: [earlier] }, [
      { kind: "network", name: "n1", reasons: [] },
      { kind: "network", name: "n2", reasons: ["no parent"] },
      { kind: "sandbox", name: "c1", reasons: ["not connected", "no hosts file"] },
      { kind: "sandbox", name: "c2", reasons: [], holder: undefined },
      { kind: "sandbox", name: "c3", reasons: ["not connected"], holder: "rack3" },
    ]),
    {
      networks: ["n1"],
      sandboxes: ["c2"],
      missing: [
        earlier,
        { kind: "network", name: "n2", reason: "no parent" },
        { kind: "sandbox", name: "c1", reason: "not connected; no hosts file" },
        { kind: "sandbox", name: "c3", reason: "not connected", holder: "rack3" },
      ],
      undone: ["u"],
    },
  );
});

Deno.test("an engine has not taken the links of a sandbox while it has no path, or they are in the host", () => {
  const record = endpointRecord("docker:c", network("n"));
  const handedOver = { ...record, handOver: true as const };
  const indexes = new Set([linkIndex(record)]);
  const untaken = (changes: Partial<Sandbox>, endpoint = handedOver, seen = indexes) =>
    isUntaken(sandboxRecord("docker:c", changes), [endpoint], seen);
  assertEquals(untaken({}), true);
  assertEquals(untaken({ path: "/x" }), true);
  assertEquals(untaken({ path: "/x" }, handedOver, new Set()), false);
  assertEquals(untaken({ path: "/x" }, record as typeof handedOver), false);
  assertEquals(isUntaken(sandboxRecord("c", {}), [handedOver], indexes), false);
});
