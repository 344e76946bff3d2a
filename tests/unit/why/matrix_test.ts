import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import "../../kit/seed.ts";
import {
  differs,
  FORMATS,
  type Matrix,
  matrixOf,
  type Node,
  why,
  type WhyView,
  World,
} from "../../../lib/why/mod.ts";
import { addressOf } from "../../../lib/why/route.ts";
import { readIptables } from "../../../lib/why/ruleset.ts";
import { link, node, twoSandboxes } from "./views.ts";

/** What some sandboxes on one or both networks of a host have in common. */
const KIND = {
  nets: fc.constantFrom<("lan" | "vlan")[]>(["lan"], ["lan"], ["vlan"], ["lan", "vlan"]),
  length: fc.constantFrom(24, 24, 24, 16, 26, 32),
  /** How many IPv6 addresses it has on each link. */
  six: fc.constantFrom(0, 1, 1, 1, 2),
  by: fc.constantFrom("router", "router", "other", "none"),
  isDown: fc.constantFrom(false, false, false, false, false, true),
  rpFilter: fc.constantFrom(0, 0, 0, 1),
  /** Whether it drops what comes from the second IPv6 address of the router. */
  drops: fc.constantFrom(true, true, false),
};
const kind = fc.record(KIND);

/** Two of them that differ in at most one thing. */
const kinds = fc.record({ kind, other: kind, change: fc.constantFrom(...Object.keys(KIND)) })
  .map((
    { kind, other, change },
  ) => [kind, { ...kind, [change]: other[change as keyof typeof kind] }]);

const world = fc.record({
  mode: fc.constantFrom("l2", "l2", "l2", "l3", "l3s"),
  flag: fc.constantFrom("bridge", "bridge", "bridge", "private", "vepa"),
  kinds,
  /** The last part of their addresses: some are in 10.n.0.64/26 and fd00:n::40/122. */
  parts: fc.uniqueArray(fc.integer({ min: 60, max: 70 }), { minLength: 2, maxLength: 6 }),
  forwards: fc.boolean(),
  /** Routes of the router, by the host's address. */
  routes: fc.subarray(["10.1.0.64/26", "10.1.0.61", "10.1.0.62", "fd00:1::40/122", "fd00:1::3d"]),
  /** Addresses that the router has, too. */
  own: fc.constantFrom([], ["10.1.0.62"], ["fd00:1::4f/64"], ["fd00:1::4f/64"]),
  neighs: fc.subarray(["10.1.0.61", "10.1.0.65"]),
  drops: fc.subarray(["10.1.0.61", "10.1.0.62", "10.1.0.64/26", "10.2.0.0/24"]),
});

const on = (index: number, more: object) => ({ linkIndex: index, linkNetnsid: 0, ...more });

/** A host with a link and a VLAN on it, each with a network, and a router on its wire. */
function viewOf(spec: typeof world extends fc.Arbitrary<infer Spec> ? Spec : never): WhyView {
  const { mode, flag, forwards } = spec;
  const sandboxes = spec.parts.map((part, index) => ({
    ...spec.kinds[index % spec.kinds.length]!,
    part,
  }));
  const wire = (peer: number) => ({
    info: { type: "veth" } as const,
    linkIndex: peer,
    linkNetnsid: 1,
  });
  const lans = (index: number, mac: string, peer: number) => [
    link(index, "eth0", { ...wire(peer), address: mac }),
    link(index + 1, "eth0.20", {
      ...{ address: mac, linkIndex: index },
      info: { type: "vlan", id: 20, protocol: "802.1Q" } as never,
    }),
  ];
  const [eth0, vlan] = lans(2, "02:00:00:00:00:01", 42);
  const [lan, tagged] = lans(42, "02:00:00:00:00:02", 2);
  const sysctls: Node["sysctls"] = forwards
    ? {
      "net/ipv4/conf/eth0/forwarding": 1,
      "net/ipv4/conf/eth0.20/forwarding": 1,
      "net/ipv6/conf/all/forwarding": 1,
    }
    : {};
  const router = node(
    "router",
    [[lan!, "10.1.0.1", "fd00:1::1/64", ...spec.own], [tagged!, "10.2.0.1", "fd00:2::1/64"]],
    spec.routes.map((dst) => ({
      dst,
      via: dst.includes(":") ? "fd00:1::fa" : "10.1.0.250",
      dev: "eth0",
    })),
    sysctls,
  );
  router.neighs = spec.neighs.map((dst) => ({
    ...{ dst, dev: "eth0", address: "02:00:00:00:00:01", state: "PERMANENT" as const },
  }));
  router.firewall = readIptables(
    [
      "*filter",
      ":FORWARD ACCEPT [0:0]",
      ":INPUT ACCEPT [0:0]",
      ...spec.drops.map((each) => `-A FORWARD -s ${each} -j DROP`),
      ...spec.drops.map((each) => `-A INPUT -s ${each} -j DROP`),
      "COMMIT\n",
    ].join("\n"),
    4,
  );
  return {
    host: node(
      undefined,
      [[eth0!, "10.1.0.250", "fd00:1::fa/64"], [vlan!, "10.2.0.250"]],
      [{ dst: "default", via: "10.1.0.1", dev: "eth0" }],
    ),
    others: [
      ...sandboxes.map((each, index): Node => {
        const links = each.nets.map((net, nth): Parameters<typeof node>[1][number] => {
          const n = net === "lan" ? 1 : 2;
          const six = [0, 16].slice(0, each.six)
            .map((more) => `fd00:${n}::${(each.part + more).toString(16)}/64`);
          const down = each.isDown ? { up: false, flags: [] } : {};
          const flags = mode === "l2" ? ["UP", "LOWER_UP"] : ["UP", "LOWER_UP", "NOARP"];
          return [
            link(100 + 2 * index + nth, `eth${nth}`, {
              ...on(n + 1, { info: { type: "ipvlan", mode, flag } }),
              flags,
              ...down,
            }),
            `10.${n}.0.${each.part}/${each.length}`,
            ...six,
          ];
        });
        const n = each.nets[0] === "lan" ? 1 : 2;
        const part = each.by === "router" ? 1 : sandboxes[0]!.part;
        const routes = each.by === "none" ? [] : [
          { via: `10.${n}.0.${part}`, dev: "eth0" },
          { via: `fd00:${n}::${part.toString(16)}`, dev: "eth0" },
        ];
        const sysctls = { "net/ipv4/conf/all/rp_filter": each.rpFilter };
        const rules = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s fd00:1::4f -j DROP\nCOMMIT\n";
        const made = node(`c${index}`, links, routes, sysctls);
        return each.drops ? { ...made, firewall: readIptables(rules, 6) } : made;
      }),
      router,
    ],
    closed: [],
  };
}

function matrixIn(view: WhyView, family: 4 | 6): Matrix {
  const members = [view.host, ...view.others]
    .map((node) => ({ name: node.netns ?? "host", node }));
  return matrixOf(new World(view), members, { families: [family] });
}

const show = (format: string, matrix: Matrix) => [...FORMATS[format]!(matrix)].join("\n");

Deno.test("a matrix says of each pair what the walk of that pair alone says", () => {
  let [alike, pairs] = [0, 0];
  fc.assert(
    fc.property(world, (spec) => {
      const view = viewOf(spec);
      const world = new World(view);
      for (const family of [4, 6] as const) {
        const matrix = matrixIn(view, family);
        alike += matrix.members.length - matrix.groups.length;
        for (const [from, { node }] of matrix.members.entries()) {
          for (const [to, target] of matrix.members.entries()) {
            const addrs = target.node.addrs.filter((each) => each.family === family);
            const dst = from === to ? undefined : addressOf({ addrs }, node);
            const pair = matrix.rows.flat().find((each) =>
              each.from === (node.netns ?? "host") && each.to === (target.node.netns ?? "host")
            );
            assertEquals(pair?.address, dst);
            if (!pair) continue;
            pairs++;
            const answer = why(world, node, { dst: pair.address });
            const { netns = "host", link, code } = [...answer.there, ...answer.back].at(-1)!;
            const place = link === undefined ? netns : `${netns} ${link}`;
            assertEquals(
              [pair.verdict, pair.code, pair.place],
              [answer.verdict, code, place],
              `${pair.from} to ${pair.to}`,
            );
          }
        }
      }
    }),
    { numRuns: 300 },
  );
  // Without groups, the test would prove nothing.
  assert(alike > 100 && pairs > 5000, `${alike} ${pairs}`);
});

Deno.test("two parents are never alike, as each has sandboxes of its own", () => {
  const info = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const others = [2, 3].flatMap((index) => [
    node(`p${index}`, [[link(index, "d0"), `10.0.0.${index}`]]),
    node(`c${index}`, [[link(7, "eth0", on(index, { info })), `10.0.0.1${index}`]]),
  ]);
  const matrix = matrixIn({ host: node(undefined, []), others, closed: [] }, 4);
  assertEquals(matrix.groups.length, 5);
});

/** Many sandboxes on one parent, without an address of the host. */
function manySandboxes(count: number): WhyView {
  const info = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  return {
    host: node(undefined, [[link(2, "eth0")]]),
    others: Array.from({ length: count }, (_, index) => {
      const eth0 = link(100 + index, "eth0", on(2, { info }));
      return node(`c${index}`, [[
        eth0,
        `10.1.${index >> 8}.${index & 255}/16`,
        `fd00:1::${index + 1}/64`,
      ]]);
    }),
    closed: [],
  };
}

const table = (view: WhyView) => show("text", matrixIn(view, 4));

Deno.test("a thousand sandboxes are one row, and only two of them are followed", () => {
  const view = manySandboxes(1000);
  assertEquals(matrixIn(view, 6).groups.map(({ length }) => length), [1, 1000]);
  assertEquals(
    table(view),
    [
      "IPv4                      1 2",
      "1 host                      a",
      "2 c0, c1, c2 and 997 more   +",
      "+ yes, 999000 pairs",
      "a no: has no route to … [no-route], 1000 pairs",
    ].join("\n"),
  );
});

Deno.test("up to 30 sandboxes have a row each, and more are folded by what is said of them", () => {
  assertEquals(table(manySandboxes(30)).split("\n").length, 1 + 31 + 2);
  const view = manySandboxes(40);
  Object.assign(view.others[7]!.links[0]!, { up: false, flags: [] });
  assertEquals(
    table(view),
    [
      "IPv4                     1 2 3",
      "1 host                     a a",
      "2 c0, c1, c2 and 36 more   + b",
      "3 c7                       a",
      "+ yes, 1482 pairs",
      "a no: has no route to … [no-route], 79 pairs",
      "b no: the link is down [link-down], 39 pairs",
    ].join("\n"),
  );
});

Deno.test("pairs of which the kernel says otherwise are marked, and counted", () => {
  const matrix = matrixIn(twoSandboxes("l2", "private"), 4);
  matrix.rows[1]![0]!.ping = false;
  matrix.rows[1]![1]!.ping = true;
  assertEquals(
    show("text", matrix),
    [
      "IPv4   1 2 3",
      "1 host   a a",
      "2 c1   a   b!",
      "3 c2   a c",
      "+ yes, 0 pairs",
      "a no: a host and the sandboxes on its parent never hear each other's questions, here for … [host-apart], 4 pairs",
      "b! no: the flag private keeps the links of a parent apart [private]; the kernel says otherwise, 1 pair",
      "c no: the flag private keeps the links of a parent apart [private], 1 pair",
    ].join("\n"),
  );
  const pairs = matrix.rows[1]!;
  assertEquals(pairs.map(differs), [false, true]);
  const lines = show("csv", { ...matrix, rows: [[pairs[1]!]] }).split("\n");
  assertEquals(lines, [
    "from,to,family,address,verdict,code,place,ping",
    "c1,c2,4,192.168.1.3,no,private,c1 eth0,true",
  ]);
});

Deno.test("names are escaped in HTML, and quoted in CSV", () => {
  const { host, others } = twoSandboxes("l2", "bridge");
  const members = [{ name: '<b>&"', node: host }, { name: 'a,"b"', node: others[0]! }];
  const matrix = matrixOf(new World({ host, others, closed: [] }), members, { families: [4] });
  const html = show("html", matrix);
  assertStringIncludes(html, "<th>1 &#60;b&#62;&#38;&#34;");
  assertStringIncludes(html, "<th>2 a,&#34;b&#34;");
  assertStringIncludes(
    show("csv", matrix),
    '"a,""b""","<b>&""",4,192.168.1.250,no,host-apart',
  );
});
