import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ParentNotFoundError, SandboxGoneError } from "../../../lib/driver/errors.ts";
import { LINK_GROUP } from "../../../lib/driver/parent.ts";
import {
  parentPlan,
  type SandboxFacts,
  sandboxPlan,
  toReport,
} from "../../../lib/driver/restore.ts";
import type { Link, LinkSpec } from "../../../lib/iproute2/link.ts";
import type { Sandbox } from "../../../lib/driver/types.ts";
import { endpointRecord, link, LO, network, sandboxRecord } from "../../kit/values.ts";

const GROUP = String(LINK_GROUP);
const TAGS = network("tags", { parent: "eth0.20.30" });
const ETH0 = link("eth0");

function vlan(name: string, below: string, id: number): LinkSpec {
  return { type: "vlan", name, link: below, id, group: LINK_GROUP, up: true };
}

const MADE = [vlan("eth0.20", "eth0", 20), vlan("eth0.20.30", "eth0.20", 30)];

function parent(net = TAGS, links: Link[] = [ETH0], made: LinkSpec[] = MADE) {
  const plan = parentPlan(net, { networks: [net], made, links });
  assert(plan.ok);
  return { foreign: plan.foreign, lines: plan.steps.map(({ line }) => line) };
}

function missing(net = TAGS, links: Link[] = [], made: LinkSpec[] = MADE): string {
  const plan = parentPlan(net, { networks: [net], made, links });
  assert(!plan.ok);
  assertInstanceOf(plan.problems[0], ParentNotFoundError);
  return plan.problems[0].message;
}

Deno.test("missing links of a parent are made again, the lowest first, with their aliases", () => {
  assertEquals(parent(), {
    foreign: [],
    lines: [
      "link add link eth0 name eth0.20 group 6910070 up type vlan protocol 802.1Q id 20",
      "link add link eth0.20 name eth0.20.30 group 6910070 up type vlan protocol 802.1Q id 30",
      'link set dev eth0.20 alias "ipvlan-kit tags"',
      'link set dev eth0.20.30 alias "ipvlan-kit tags"',
    ],
  });
});

Deno.test("links that exist are not made", () => {
  const [lower, upper] = MADE.map(({ name }) => link(name, { group: GROUP }));
  assertEquals(parent(TAGS, [ETH0, lower!, upper!]), { foreign: [], lines: [] });
  assertEquals(parent(TAGS, [ETH0, lower!]).lines.length, 2);
});

Deno.test("a link that somebody else has made since is foreign, and is not made", () => {
  const { foreign, lines } = parent(TAGS, [ETH0, link("eth0.20")]);
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

const N = network("n");

function plan(facts: Partial<SandboxFacts> = {}, changes: Partial<Sandbox> = {}) {
  const decision = sandboxPlan(sandboxRecord("c", changes), {
    endpoints: [endpointRecord("c", N)],
    networks: new Map([[N.id, N]]),
    links: [LO, link("eth0", { group: GROUP, alias: "ipvlan-kit n" })],
    ...facts,
  });
  assert(decision.ok);
  const lines = (steps: typeof decision.make) => steps.map(({ line }) => line);
  return { remove: lines(decision.remove), make: lines(decision.make) };
}

Deno.test("nothing is done for a sandbox that is complete", () => {
  assertEquals(plan(), { remove: [], make: [] });
});

Deno.test("a namespace that is missing is made again, with its links", () => {
  const { remove, make } = plan({ links: undefined });
  assertEquals(remove, []);
  assertEquals(make[0], "netns add c");
  assert(make.includes("link set dev lo up"));
  assert(make.some((line) => line.startsWith("link add link eth0 name e-")));
});

Deno.test("a missing namespace that the driver did not make is a problem", () => {
  for (const namespace of ["attached", "found"] as const) {
    const decision = sandboxPlan(sandboxRecord("c", { namespace }), {
      endpoints: [],
      networks: new Map(),
      links: undefined,
    });
    assert(!decision.ok);
    assertInstanceOf(decision.problems[0], SandboxGoneError);
  }
});

Deno.test("a link without an alias is deleted and made again", () => {
  const { remove, make } = plan({ links: [LO, link("eth0", { group: GROUP })] });
  assertEquals(remove, ["link del dev eth0"]);
  assertEquals(make.at(-1), 'link set dev eth0 alias "ipvlan-kit n"');
});

Deno.test("a link that is not the driver's is not deleted", () => {
  assertEquals(plan({ links: [LO, link("other")], endpoints: [] }), { remove: [], make: [] });
});

Deno.test("endpoints on networks that could not be restored are left out", () => {
  assertEquals(plan({ links: [LO], networks: new Map() }), { remove: [], make: [] });
});

Deno.test("the loopback is set up again only in a namespace that the driver made", () => {
  const links = [{ ...LO, up: false }];
  assertEquals(plan({ links, endpoints: [] }).make, ["link set dev lo up"]);
  assertEquals(plan({ links, endpoints: [] }, { namespace: "found" }).make, []);
});

Deno.test("a report has each name once: restored, or missing with the reason", () => {
  const earlier = { kind: "sandbox", name: "half", reason: "It was left half made: x" } as const;
  assertEquals(
    toReport({ undone: ["u"], missing: [earlier] }, [
      { kind: "network", name: "n1", failure: undefined },
      { kind: "network", name: "n2", failure: "no parent" },
      { kind: "sandbox", name: "c1", failure: "not connected" },
      { kind: "sandbox", name: "c2", failure: undefined },
    ]),
    {
      networks: ["n1"],
      sandboxes: ["c2"],
      missing: [
        earlier,
        { kind: "network", name: "n2", reason: "no parent" },
        { kind: "sandbox", name: "c1", reason: "not connected" },
      ],
      undone: ["u"],
    },
  );
});
