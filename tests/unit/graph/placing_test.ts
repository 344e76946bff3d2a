// Where the SVG picture has its boxes and texts, in worlds of every size.
import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import "../../kit/seed.ts";
import { buildWorld, toSvg, toText, type WorldPath } from "../../../lib/graph/mod.ts";
import { allOf, boxOf } from "../../../lib/graph/boxes.ts";
import { COLOURS } from "../../../lib/graph/svg.ts";
import { addr, endpoint, link, network, route, sandbox, view, vlanInfo } from "../../kit/values.ts";

/** A box or a text, where it is in the picture. */
interface Place {
  kind: string;
  x: number;
  y: number;
  right: number;
  bottom: number;
}

/** The boxes and texts of a picture, its size first. The width of a text is that of the font. */
function read(svg: string) {
  const [, width = 0, height = 0] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
  const boxes = [
    ...svg.matchAll(/<rect class="([^"]+)" x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)"/g),
  ].map(([, kind = "", ...numbers]): Place => {
    const [x = 0, y = 0, wide = 0, high = 0] = numbers.map(Number);
    return { kind, x, y, right: x + wide, bottom: y + high };
  });
  const texts = [...svg.matchAll(/<text class="([^"]+)" x="(\S+)" y="(\S+)">([^<]*)/g)]
    .map(([, , x, y, shown = ""]): Place => {
      const text = shown.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
      const wide = [...text].reduce((sum, each) => sum + (each > "\u2e7f" ? 2 : 1), 0) * 7.23;
      return {
        kind: text,
        x: Number(x),
        y: Number(y) - 11,
        right: Number(x) + wide,
        bottom: Number(y) + 3,
      };
    });
  return { page: { kind: "page", x: 0, y: 0, right: width, bottom: height }, boxes, texts };
}

function isIn(inner: Place, outer: Place): boolean {
  return inner.x >= outer.x && inner.y >= outer.y && inner.right <= outer.right &&
    inner.bottom <= outer.bottom;
}

function meet(a: Place, b: Place): boolean {
  return a.x < b.right && b.x < a.right && a.y < b.bottom && b.y < a.bottom;
}

/** What is wrong with a picture: boxes and texts that meet, or are not within another or outside it. */
function faults(svg: string): string[] {
  const { page, boxes, texts } = read(svg);
  const pairs = (list: Place[]) =>
    list.flatMap((a, index) => list.slice(index + 1).map((b) => [a, b] as const));
  return [
    ...[...boxes, ...texts].filter((each) => !isIn(each, page)).map(({ kind }) =>
      `${kind} is outside`
    ),
    ...pairs(boxes).filter(([a, b]) => meet(a, b) && !isIn(a, b) && !isIn(b, a))
      .map(([a, b]) => `the boxes ${a.kind} and ${b.kind} meet`),
    ...pairs(boxes).filter(([a, b]) => a.kind.split(" ")[0] === b.kind.split(" ")[0] && meet(a, b))
      .map(([a]) => `two boxes ${a.kind} meet`),
    ...pairs(texts).filter(([a, b]) => meet(a, b)).map(([a, b]) => `${a.kind} meets ${b.kind}`),
    ...texts.flatMap((text) =>
      boxes.filter((box) => meet(text, box) && !isIn(text, box))
        .map((box) => `${text.kind} meets the border of ${box.kind}`)
    ),
  ];
}

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
  fc.constantFrom(
    "</text><script>",
    "&amp;\"'",
    "x".repeat(120),
    "容器".repeat(30),
    "\u202e\x1b[2J",
  ),
);

const address = fc.constantFrom(
  ...["10.0.0.2/24", "2001:db8::2/64", "2001:db8:1111:2222:3333:4444:5555:6666/128"],
);

/** A random host: links with a VLAN each, networks, sandboxes and neighbours of any number and name. */
const worlds = fc.array(
  fc.record({
    vlan: fc.boolean(),
    state: fc.constantFrom("up", "down"),
    sandboxes: fc.array(
      fc.record({
        name,
        addresses: fc.array(address, { maxLength: 12 }),
        up: fc.boolean(),
        via: fc.boolean(),
      }),
      { maxLength: 40 },
    ),
    neighbours: fc.array(fc.integer({ min: 1, max: 254 }), { maxLength: 12 }),
  }),
  { minLength: 1, maxLength: 4 },
).map((specs) => {
  const cards = specs.flatMap(({ vlan, state }, index) => [
    link(`eth${index}`, { up: state === "up" }),
    ...vlan ? [link(`eth${index}.5`, { info: vlanInfo(5), link: `eth${index}` })] : [],
  ]);
  const inside = specs.flatMap(({ vlan, sandboxes }, index) => {
    const parent = vlan ? `eth${index}.5` : `eth${index}`;
    return sandboxes.map((each) => ({
      ...sandbox(each.name, parent, `net${index}`, each.addresses, [
        ...each.via ? [route("eth0", "default", "10.0.0.1")] : [],
      ]),
      links: [endpoint(parent, `net${index}`, { up: each.up })],
    }));
  });
  const neighs = specs.flatMap(({ neighbours }, index) =>
    neighbours.map((last) => ({
      dst: `192.168.${index}.${last}`,
      dev: `eth${index}`,
      address: `02:00:00:00:00:${last.toString(16).padStart(2, "0")}`,
      state: "STALE" as const,
    }))
  );
  return buildWorld(view(cards, inside, { neighs }), [network("gone", { parent: "no9" })]);
});

Deno.test("no two boxes or texts meet, and all are within the picture, in random worlds", () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const svg = toSvg(world);
      assertEquals(faults(svg), []);
      assertEquals(/<script|\p{C}/u.exec(svg.replaceAll("\n", ""))?.[0], undefined);
    }),
    { numRuns: 60 },
  );
});

/** A host with sandboxes on four VLANs, of which the last of each is down. */
function crowd(count: number) {
  const ids = [10, 20, 30, 40];
  const links = ids.map((id) => link(`eth0.${id}`, { info: vlanInfo(id), link: "eth0" }));
  const inside = Array.from({ length: count }, (_, index) => {
    const id = ids[index % 4]!;
    const ways = [route("eth0", "default", `10.1.${id}.${index === 4 ? 9 : 1}`)];
    const made = sandbox(`c${index}`, `eth0.${id}`, `v${id}`, [
      `10.1.${id + (index >> 8)}.${index % 256}/20`,
    ], ways);
    if (index >= count - 4) made.links = [endpoint(`eth0.${id}`, `v${id}`, { up: false })];
    return made;
  });
  const host = { addrs: [addr("eth0", "192.168.1.250/24")] };
  return view([link("eth0"), ...links], inside, host);
}

Deno.test("with 5, 50 and 500 sandboxes the picture folds what is usual, and keeps what is odd", () => {
  const drawn = [5, 50, 500].map((count) => toSvg(buildWorld(crowd(count), [])));
  assertEquals(drawn.map(faults), [[], [], []]);
  const boxes = (svg: string, kind: string) =>
    read(svg).boxes.filter((box) => box.kind === kind).length;
  assertEquals(drawn.map((svg) => boxes(svg, "sandbox off")), [4, 4, 4]);
  assertEquals(drawn.map((svg) => boxes(svg, "sandbox")), [1, 46, 4 * 20]);
  const [, , svg = ""] = drawn;
  assertEquals([...svg.matchAll(/>\+ (\d+) more</g)].map(([, more]) => more), Array(4).fill("105"));
  assertMatch(svg, /default via 10\.1\.10\.9</);
});

Deno.test("many machines of a wire fold, and one with several addresses is one", () => {
  const neighs = Array.from({ length: 40 }, (_, index) => ({
    dst: `192.168.1.${index + 10}`,
    dev: "eth0",
    address: `02:00:00:00:00:${(10 + Math.floor(index / 2))}`,
    state: "REACHABLE" as const,
  }));
  const host = {
    neighs: [...neighs, { ...neighs[0]!, dst: "192.168.1.2", address: "02:00:00:00:00:aa" }],
    routes: [route("eth0", "default", "192.168.1.40")],
  };
  const card = link("eth0", { address: "02:00:00:00:00:aa" });
  const c1 = sandbox("c1", "eth0", "n", []);
  c1.links = [endpoint("eth0", "n", { address: card.address })];
  const world = buildWorld(view([card], [c1], host), []);
  const machines = world.links[0]!.wire!.machines;
  assertEquals(machines.length, 20);
  assertEquals(machines[0], {
    role: "gateway",
    addresses: ["192.168.1.40", "192.168.1.41"],
    mac: "02:00:00:00:00:25",
  });
  assertEquals(
    [toSvg(world), toText(world, 80)].map((text) => /\+ 16 more/.test(text)),
    [true, true],
  );
});

Deno.test("a machine has the name of the namespace that has its address and its MAC address", () => {
  const named = (...others: [netns: string, address: string][]) => {
    const neighs = ["192.168.1.1", "fe80::1"].map((dst) => ({
      ...{ dst, dev: "eth0", address: "02:00:00:00:00:01", state: "STALE" as const },
    }));
    const spaces = others.map(([netns, address]) => ({
      netns,
      links: [link("up0", { address })],
      addrs: [addr("up0", "192.168.1.1/24"), addr("up0", "fe80::1/64", "link")],
      routes: [],
      neighs: [],
    }));
    const c1 = sandbox("c1", "eth0", "n", []);
    const seen = view([link("eth0")], [c1, ...spaces], { neighs });
    const [machine] = buildWorld(seen, []).links[0]!.wire!.machines;
    return [machine!.netns, machine!.ifname];
  };
  assertEquals(named(["lan", "02:00:00:00:00:01"]), ["lan", "up0"]);
  assertEquals(named(["lan", "02:00:00:00:00:02"]), [undefined, undefined]);
  assertEquals(named(["lan", "02:00:00:00:00:02"], ["b", "02:00:00:00:00:01"]), ["b", "up0"]);
});

Deno.test("a path marks what frames pass, from one of its namespaces to the next", () => {
  const seen = crowd(5);
  const marked = (verdict: WorldPath["verdict"], ...steps: WorldPath["steps"]) => {
    const world = buildWorld(seen, [], [], { verdict, steps, text: ["the verdict", "a step"] });
    return allOf(boxOf(world)).flatMap(({ kind, lines: [title = ""], mark }) => {
      const name = kind === "wire" ? title : title.replace(" eth0", "");
      return mark === "stop" ? [`${name}!`] : mark ? [name] : [];
    });
  };
  const at = (netns: string, code = "route") => ({ code, netns, link: "eth0" });
  assertEquals(marked("yes", at("c0"), at("c4")), ["v10", "c0", "c4"]);
  assertEquals(marked("no", at("c0"), at("c1")), [
    "eth0",
    "eth0.10",
    "v10",
    "c0",
    "eth0.20",
    "v20",
    "c1!",
  ]);
  assertEquals(marked("leaves", at("c0"), { code: "wire", link: "eth0" }), [
    ...["eth0", "eth0.10", "VLAN 10", "v10", "c0"],
  ]);
  assertEquals(marked("yes", at("c0"), at("elsewhere"), at("c1")), [
    ...[
      "eth0",
      "eth0.10",
      "VLAN 10",
      "v10",
      "c0",
      "eth0.20",
      "VLAN 20",
      "v20",
      "c1",
    ],
  ]);
  assertEquals(marked("no", { code: "no-route", netns: "c2" }), ["c2!"]);
  // Within the host, a packet goes from link to link without a frame.
  assertEquals(
    marked("yes", { code: "route", link: "eth0.10" }, { code: "route", link: "eth0.20" }),
    [
      ...["eth0.10", "eth0.20"],
    ],
  );
});

Deno.test("a wire shows its tags from the inside out, and what stands on a dummy has none", () => {
  const vlan = (name: string, id: number, below: string) =>
    link(name, { info: vlanInfo(id), link: below });
  const cards = [
    ...[link("eth0"), vlan("eth0.10", 10, "eth0"), vlan("eth0.10.20", 20, "eth0.10")],
    ...[link("d0", { info: { type: "dummy" } }), vlan("d0.30", 30, "d0")],
  ];
  const parents = ["eth0.10.20", "d0.30"].map((parent) => network(parent, { parent }));
  const wires = allOf(boxOf(buildWorld(view(cards), parents))).filter(({ kind }) =>
    kind === "wire"
  );
  assertEquals(wires.map(({ lines }) => lines), [
    ["untagged"],
    ["VLAN 10"],
    ["VLAN 20 in VLAN 10"],
  ]);
});

Deno.test("a path by a link that is not drawn marks its namespace, but no wire", () => {
  const seen = crowd(5);
  const steps = [{ code: "route", netns: "c0", link: "veth0" }, {
    code: "accepted",
    link: "veth1",
  }];
  const world = buildWorld(seen, [], [], { verdict: "yes", steps, text: ["yes"] });
  const marked = allOf(boxOf(world)).filter(({ mark }) => mark).map(({ lines }) => lines[0]);
  assertEquals(marked, ["this host", "c0 eth0"]);
});

Deno.test("the text of a picture can be read: by contrast, and by a screen reader", () => {
  const light = (colour: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) =>
      parseInt(colour.slice(at, at + 2), 16) / 255
    )
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string) => {
    const [low = 0, high = 0] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  for (const theme of [2, 3] as const) {
    const colour = (name: string, part = "fill") =>
      COLOURS.find(([names, of]) => names.split(", ").includes(name) && of === part)![theme];
    const boxes = [".host", ".link", ".network", ".sandbox", ".machine"];
    for (const back of [".page", ...boxes].map((name) => colour(name))) {
      for (const front of [colour("text"), colour(".dim")]) {
        assert(contrast(back, front) >= 4.5, `${front} on ${back}`);
      }
    }
    assert(contrast(colour(".page"), colour(".bad")) >= 4.5);
    for (const front of [...boxes, ".wire", ".off", ".on", ".stop"]) {
      assert(contrast(colour(".host"), colour(front, "stroke")) >= 3, front);
    }
  }
  const svg = toSvg(buildWorld(crowd(5), []));
  assertMatch(
    svg,
    /^<svg [^>]*role="img"[^>]*>\n<title>[^<]+<\/title>\n<desc>eth0 {2}device, up[^<]*<\/desc>/,
  );
});
