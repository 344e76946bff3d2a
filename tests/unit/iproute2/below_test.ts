import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Namespace, resolveBelow } from "../../../lib/iproute2/below.ts";
import type { LinkInfo } from "../../../lib/iproute2/link_types.ts";
import type { LinkRef, SeenLink, View } from "../../../lib/iproute2/view_types.ts";
import { link as ethernetCard, vlanInfo } from "../../kit/values.ts";

const KINDS: Record<string, LinkInfo> = {
  card: { type: "other", kind: "device" },
  ipvlan: { type: "ipvlan", mode: "l2", flag: "bridge" },
  vlan: vlanInfo(20),
  macvlan: { type: "macvlan", mode: "bridge" },
  veth: { type: "veth" },
};

/** A link as the kernel shows it: `on` is the index below it, and the id of that namespace. */
function link(
  kind: keyof typeof KINDS,
  index: number,
  address: string,
  on?: [index: number, id?: number],
): SeenLink {
  const [linkIndex, linkNetnsid] = on ?? [];
  return ethernetCard(`l${index}`, {
    index,
    address,
    info: KINDS[kind],
    ...(linkIndex !== undefined && { linkIndex }),
    ...(linkNetnsid !== undefined && { linkNetnsid }),
  });
}

/** A view of the host, whose ids are known, and of others. */
function viewOf(
  host: SeenLink[],
  others: Record<string, SeenLink[]>,
  netnsNames: Record<number, string> = {},
): View<Namespace> {
  return {
    host: { netnsNames, links: host },
    others: Object.entries(others).map(([netns, links]) => ({ netns, links })),
    closed: [],
  };
}

/** What is below each link: `c1 2: host 3`. */
function found({ host, others }: View<Namespace>): string[] {
  return [host, ...others].flatMap(({ netns = "host", links }) =>
    links!.flatMap(({ index, below }) =>
      below ? [`${netns} ${index}: ${below.netns ?? "host"} ${below.index}`] : []
    )
  );
}

Deno.test("an ipvlan link and a VLAN in a sandbox are on a link of the host", () => {
  const view = viewOf(
    [link("card", 2, "m1"), link("vlan", 3, "m1", [2])],
    {
      c1: [link("ipvlan", 2, "m1", [2, 0]), link("ipvlan", 3, "m1", [3, 0])],
      c2: [link("vlan", 2, "m1", [2, 5])],
    },
  );
  const { view: resolved, unsure } = resolveBelow(view);
  assertEquals(found(resolved), ["host 3: host 2", "c1 2: host 2", "c1 3: host 3", "c2 2: host 2"]);
  assertEquals(unsure, []);
});

Deno.test("all links that name a namespace by the same id must fit that namespace", () => {
  const { view } = resolveBelow(viewOf([link("card", 2, "m1"), link("card", 9, "m9")], {
    // A macvlan link tells nothing by itself, and c2's must be where its ipvlan link is.
    c1: [link("macvlan", 3, "m5", [9, 0])],
    c2: [link("macvlan", 3, "m6", [9, 4]), link("ipvlan", 4, "m1", [2, 4])],
    // There is no link 8 on the host.
    c3: [link("macvlan", 3, "m7", [8, 0]), link("ipvlan", 4, "m1", [2, 0])],
    // Without an id, each is for itself.
    c4: [link("macvlan", 3, "m8", [9, -1]), link("ipvlan", 4, "m1", [2, -1])],
  }));
  assertEquals(found(view), ["c2 3: host 9", "c2 4: host 2", "c4 4: host 2"]);
});

Deno.test("the ends of a veth pair find each other, by the host's ids where it has one", () => {
  const others = { c1: [link("veth", 2, "a", [5, 0])], c2: [link("veth", 2, "b", [6, 0])] };
  const host = [link("veth", 5, "c", [2, 0]), link("veth", 6, "d", [2, 1])];
  assertEquals(found(resolveBelow(viewOf(host, others, { 0: "c1", 1: "c2" })).view), [
    "host 5: c1 2",
    "host 6: c2 2",
    "c1 2: host 5",
    "c2 2: host 6",
  ]);
  // The host's ends are of namespaces without a name; that the indexes fit is by chance.
  assertEquals(found(resolveBelow(viewOf(host, others)).view), []);
});

Deno.test("the ends of a pair in one namespace are not ends of a link elsewhere", () => {
  const view = viewOf([], {
    c1: [link("veth", 5, "m1", [7, 0])],
    c2: [link("veth", 7, "m2", [5]), link("veth", 5, "m3", [7])],
  });
  assertEquals(found(resolveBelow(view).view), ["c2 7: c2 5", "c2 5: c2 7"]);
});

Deno.test("a link that fits no namespace keeps the others with its id from one", () => {
  const host = [link("card", 2, "m1"), link("card", 3, "m3"), link("card", 9, "m9")];
  for (const stranger of [link("ipvlan", 3, "m7", [3, 0]), link("veth", 3, "m8", [9, 0])]) {
    const view = viewOf(host, { c1: [link("vlan", 2, "m1", [2, 0]), stranger] });
    assertEquals(found(resolveBelow(view).view), []);
  }
});

Deno.test("where several namespaces fit, the name of the id decides", () => {
  const pairs: Record<string, SeenLink[]> = Object.fromEntries(
    ["a", "b", "c", "d"].map((name) => [name, [link("veth", 2, name, [2, 0])]]),
  );
  const first = resolveBelow(viewOf([], pairs));
  assertEquals([found(first.view), first.unsure], [[], ["a", "b", "c", "d"]]);
  const names: Record<string, string> = { a: "c", b: "d", c: "a", d: "b" };
  const others = first.view.others.map((each) => ({
    ...each,
    netnsNames: { 0: names[each.netns!]! },
  }));
  const second = resolveBelow({ ...first.view, others });
  assertEquals(found(second.view), ["a 2: c 2", "b 2: d 2", "c 2: a 2", "d 2: b 2"]);
  assertEquals(second.unsure, []);
});

Deno.test("the host is preferred where it fits, and a namespace with two names is found once", () => {
  const vlan = [link("vlan", 2, "m1", [2, 0])];
  const { view, unsure } = resolveBelow(
    viewOf([link("card", 2, "m1")], { c1: [link("ipvlan", 4, "m1", [2, 1])], c2: vlan }),
  );
  assertEquals([found(view)[0], unsure], ["c1 4: host 2", []]);

  const twice = viewOf([], { c1: [link("ipvlan", 4, "m1", [2, 1])], c2: vlan, c3: vlan });
  for (const each of twice.others.slice(1)) each.inode = 7;
  const resolved = resolveBelow(twice);
  assertEquals([found(resolved.view), resolved.unsure], [["c1 4: c2 2"], []]);
});

Deno.test("a view can be written as JSON and read again, and nothing but below is new", () => {
  const view = viewOf([link("card", 2, "m1")], { c1: [link("ipvlan", 2, "m1", [2, 0])] });
  const read = JSON.parse(JSON.stringify(view)) as View<Namespace>;
  assertEquals(
    JSON.stringify(resolveBelow(read).view),
    JSON.stringify(resolveBelow(view).view),
  );
  assertEquals(resolveBelow({ ...view, host: {}, others: [{ netns: "c1" }] }).view.others, [
    { netns: "c1" },
  ]);
});

/** A kernel: cards, and links on them and on each other in any namespace. */
const kernels = fc.array(
  fc.record({
    kind: fc.constantFrom("card", "ipvlan", "vlan", "veth"),
    namespace: fc.nat(5),
    below: fc.nat(),
    other: fc.nat(5),
  }),
  { minLength: 1, maxLength: 25 },
);

Deno.test("in any kernel where all namespaces have names, all links below are found", () => {
  fc.assert(
    fc.property(kernels, fc.infiniteStream(fc.nat(9)), (made, skips) => {
      const names = [undefined, "a", "b", "c", "d", "e"];
      const links: SeenLink[][] = names.map(() => []);
      const truth: string[] = [];
      const say = (from: number, index: number, to: number, below: number) =>
        truth.push(`${names[from] ?? "host"} ${index}: ${names[to] ?? "host"} ${below}`);
      const free = (at: number) => (links[at]!.at(-1)?.index ?? 1) + 1 + skips.next().value!;
      const ids = names.map((_, from) => names.map((_, to) => (from * 7 + to * 5) % 11));
      const idOf = (from: number, to: number) => from === to ? undefined : ids[from]![to];
      let macs = 0;
      const lowest: { at: number; index: number; address: string }[] = [];
      for (const { kind, namespace: at, below, other } of made) {
        const index = free(at);
        const on = lowest[below % lowest.length];
        if (kind === "veth" && other !== at) {
          const end = free(other);
          links[at]!.push(link("veth", index, `m${++macs}`, [end, idOf(at, other)]));
          links[other]!.push(link("veth", end, `m${++macs}`, [index, idOf(other, at)]));
          say(at, index, other, end);
          say(other, end, at, index);
        } else if (kind !== "veth" && kind !== "card" && on) {
          // A VLAN with the index and the address of a card elsewhere could be taken for it.
          const taken = lowest.some((one) => one.index === index && one.address === on.address);
          if (kind === "vlan" && taken) continue;
          links[at]!.push(link(kind, index, on.address, [on.index, idOf(at, on.at)]));
          say(at, index, on.at, on.index);
          if (kind === "vlan") lowest.push({ at, index, address: on.address });
        } else {
          links[at]!.push(link("card", index, `m${++macs}`));
          lowest.push({ at, index, address: `m${macs}` });
        }
      }
      const namesAt = (from: number) =>
        Object.fromEntries(
          names.flatMap((name, to) => name && to !== from ? [[ids[from]![to], name]] : []),
        );
      const view: View<Namespace> = {
        host: { links: links[0], netnsNames: namesAt(0) },
        others: names.slice(1).map((netns, index) => ({ netns, links: links[index + 1] })),
        closed: [],
      };
      const first = resolveBelow(view);
      const others = first.view.others.map((each) => {
        const isAsked = first.unsure.includes(each.netns!);
        return isAsked ? { ...each, netnsNames: namesAt(names.indexOf(each.netns)) } : each;
      });
      assertEquals(found(resolveBelow({ ...first.view, others }).view).sort(), truth.sort());
      // What was found without the names is not wrong either.
      assert(found(first.view).every((each) => truth.includes(each)));
    }),
    { seed: 8, numRuns: 500 },
  );
});

Deno.test("a reference names the host by the absence of a name", () => {
  const { view } = resolveBelow(viewOf([link("card", 2, "m1"), link("vlan", 3, "m1", [2])], {}));
  const below: LinkRef | undefined = view.host.links![1]!.below;
  assertEquals(below, { index: 2 });
});
