import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { toSvg, toText } from "../../../lib/graph/mod.ts";
import { buildWorld } from "../../../lib/graph/world.ts";
import {
  addr,
  endpoint,
  fiveVlans,
  link,
  network,
  route,
  sandbox,
  view,
  vlanInfo,
} from "../../kit/values.ts";

/** A host with a network on its one on a VLAN, and an isolated one without sandboxes. */
function small() {
  const seen = view(
    [
      link("eth0"),
      link("eth0.20", { info: vlanInfo(20), link: "eth0" }),
      link("di-1", { info: { type: "dummy" } }),
    ],
    [
      sandbox("c1", "eth0", "db_net", ["192.168.1.2/24"], [
        route("eth0", "default", "192.168.1.1"),
      ]),
      sandbox("c2", "eth0", "db_net", ["192.168.1.3/24"]),
      {
        ...sandbox("c3", "eth0.20", "web", ["192.168.20.2/24", "2001:db8::2/64"]),
        links: [endpoint("eth0.20", "web", { up: false })],
      },
    ],
    {
      addrs: [addr("eth0", "192.168.1.250/24")],
      routes: [route("eth0", "default", "192.168.1.1")],
    },
  );
  seen.closed.push({ netns: "other", reason: "it is gone" });
  return buildWorld(seen, [
    network("isolated", { parent: "di-1", subnets: [] }),
    network("old", { parent: "eth9", subnets: [] }),
  ]);
}

Deno.test("text: a tree of links, networks and sandboxes", () => {
  assertEquals(
    toText(small(), 80),
    `\
eth0  device, up  mtu 1500  192.168.1.250/24  default via 192.168.1.1
├─ db_net  l2 bridge  192.168.1.0/24  default via 192.168.1.1
│  ├─ c1 eth0  192.168.1.2/24
│  └─ c2 eth0  192.168.1.3/24  no way out
└─ eth0.20  VLAN 20, up  mtu 1500
   └─ web  l2 bridge  192.168.20.0/24  2001:db8::/64
      └─ c3 eth0  192.168.20.2/24  2001:db8::2/64  down
di-1  dummy, up  mtu 1500
└─ isolated  l2 bridge
The network old is on record, but its parent eth9 is not there
The namespace other cannot be seen: it is gone
3 networks, 3 sandboxes`,
  );
});

Deno.test("text: a hundred sandboxes fit a screen", () => {
  const { view, networks } = fiveVlans();
  const lines = toText(buildWorld(view, networks), 100).split("\n");
  // A line that is too long takes two.
  const rows = lines.reduce((sum, { length }) => sum + Math.ceil(length / 100), 0);
  assert(rows <= 50, `${rows} rows`);
  assertEquals(lines.slice(0, 5), [
    "eth0  device, up  mtu 1500  192.168.1.250/24  default via 192.168.1.1",
    "├─ eth0.10  VLAN 10, up  mtu 1500",
    "│  └─ vlan10  l2 bridge  10.1.10.0/24  2001:db8:10::/64  default via 10.1.10.1  ::/0 via 2001:db8:10::1",
    "│     ├─ web10-1 .2 ::2     web10-2 .3 ::3     web10-3 .4 ::4     web10-4 .5 ::5",
    "│     ├─ web10-5 .6 ::6     web10-6 .7 ::7     web10-7 .8 ::8     web10-8 .9 ::9",
  ]);
});

Deno.test("text: from six sandboxes on they are side by side, in what the tree leaves of the width", () => {
  const lines = (count: number, width: number) => {
    const inside = Array.from(
      { length: count },
      (_, index) => sandbox(`c${index}`, "eth0.20", "web", [`10.0.0.${index}/24`]),
    );
    const links = [link("eth0"), link("eth0.20", { info: vlanInfo(20), link: "eth0" })];
    return toText(buildWorld(view(links, inside), []), width).split("\n");
  };
  assertEquals(lines(1, 80).at(-1), "1 network, 1 sandbox");
  assertEquals([lines(5, 80).length, lines(6, 80).length], [9, 5]);
  // Six cells of five characters with two columns between them, behind nine of the tree.
  const whole = "      └─ c0 .0  c1 .1  c2 .2  c3 .3  c4 .4  c5 .5";
  assertEquals([lines(6, whole.length)[3], whole.length], [whole, 49]);
  assertEquals(lines(6, whole.length - 1)[3], "      ├─ c0 .0  c1 .1  c2 .2  c3 .3  c4 .4");
});

Deno.test("text: only sandboxes that differ from their neighbours have a line of their own", () => {
  const others = Array.from(
    { length: 7 },
    (_, index) => sandbox(`c${index + 1}`, "eth0", "web", [`10.0.${index % 2}.${index + 2}/24`]),
  );
  others[2]!.links[0]!.up = false;
  others[4]!.routes = [route("eth0", "default", "10.0.0.9")];
  const text = (subnets: string[]) =>
    toText(
      buildWorld(view([link("eth0")], others), [
        network("web", {
          parent: "eth0",
          subnets: subnets.map((subnet) => ({ subnet, auxAddresses: {} })),
        }),
      ]),
      44,
    ).split("\n").slice(2, -1);
  assertEquals(text(["10.0.0.0/24"]), [
    "   ├─ c1 .2        c2 10.0.1.3  c4 10.0.1.5",
    "   ├─ c6 10.0.1.7  c7 .8",
    "   ├─ c3 eth0  10.0.0.4/24  down",
    "   └─ c5 eth0  10.0.0.6/24  default via 10.0.0.9",
  ]);
  assertEquals(
    text(["10.0.0.0/24", "10.0.1.0/24"])[0],
    "   ├─ c1 10.0.0.2  c2 10.0.1.3  c4 10.0.1.5",
  );
});

Deno.test("text: without networks and sandboxes, the text says so", () => {
  assertEquals(toText(buildWorld(view([link("eth0")]), []), 80), "0 networks, 0 sandboxes");
});

Deno.test("svg: a name cannot end its label or become markup", () => {
  const world = buildWorld(
    view([link("eth0")], [sandbox('<b>"#`', "eth0", "web", ["10.0.0.2/24"])]),
    [],
  );
  const svg = toSvg(world);
  assertStringIncludes(svg, "&#60;b&#62;&#34;#`");
  assert(!svg.includes("<b>"));
});

Deno.test("svg: every name and address is in it, in boxes that lie within the picture", () => {
  const { view, networks } = fiveVlans();
  const svg = toSvg(buildWorld(view, networks));
  const [, width = 0, height = 0] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)?.map(Number) ?? [];
  const boxes = [
    ...svg.matchAll(/<rect class="(\w+)" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"/g),
  ]
    .map(([, kind = "", ...numbers]) => {
      const [x = 0, y = 0, wide = 0, high = 0] = numbers.map(Number);
      return { kind, x, y, right: x + wide, bottom: y + high };
    });
  const count = (kind: string) => boxes.filter((box) => box.kind === kind).length;
  assertEquals([count("link"), count("network"), count("sandbox")], [6, 5, 100]);
  assertEquals(boxes.filter((box) => box.right > width || box.bottom > height), []);
  const chips = boxes.filter(({ kind }) => kind === "sandbox");
  const overlapping = chips.filter((a) =>
    chips.some((b) => b !== a && a.x < b.right && b.x < a.right && a.y < b.bottom && b.y < a.bottom)
  );
  assertEquals(overlapping, []);
  assertStringIncludes(svg, ">web50-20 eth0</text>");
  assertStringIncludes(svg, ">2001:db8:50::15/64</text>");
  assertStringIncludes(svg, "prefers-color-scheme: dark");
});

Deno.test("svg: links that are down or missing are marked", () => {
  const svg = toSvg(small());
  assertStringIncludes(svg, 'class="sandbox off"');
  assertStringIncludes(svg, ">down</text>");
  assertStringIncludes(svg, "its parent eth9 is not there");
});

Deno.test("svg: each box and text is where the golden pictures have it", () => {
  const golden = new URL("golden.svg.txt", import.meta.url);
  const inside = Array.from(
    { length: 12 },
    (_, index) =>
      sandbox(`web-${index}`, "eth0", "web", [`10.0.0.${index}/24`, `2001:db8::${index}/64`]),
  );
  const drawn = (...names: string[]) => {
    const sandboxes = names.map((name) => sandbox(name, "eth0", "web", []));
    return buildWorld(view([link("eth0")], sandboxes), []);
  };
  const many = buildWorld(view([link("eth0")], inside), []);
  const long = network("x".repeat(200), { parent: "y".repeat(200) });
  const wide = drawn("z".repeat(200), "c1");
  const pictures = [small(), many, drawn("a", "b"), wide, buildWorld(view([]), [long])].map(toSvg);
  const shown = pictures.map((svg) => svg.replace(/<style>[^]*<\/style>/, "")).join("\n\n");
  if (Deno.env.get("UPDATE_GOLDEN")) Deno.writeTextFileSync(golden, `${shown}\n`);
  assertEquals(shown.split("\n"), Deno.readTextFileSync(golden).trimEnd().split("\n"));
});
