import { assertEquals, assertRejects } from "@std/assert";
import { IpCommandError } from "../../lib/iproute2/errors.ts";
import {
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  type LinkInfo,
  type LinkSpec,
} from "../../lib/iproute2/link.ts";
import { freshNetns } from "./netns.ts";

/** What every kind takes. An ipvlan link has its parent's address. */
const EVERYTHING = { mtu: 1300, group: 77, up: true } as const;
const MAC = "02:00:00:00:00:01";

const KINDS: [LinkSpec, LinkInfo][] = [
  [{ type: "dummy", name: "x", address: MAC, ...EVERYTHING }, { type: "dummy" }],
  [
    { type: "vlan", name: "d0.20", link: "d0", id: 20, address: MAC, ...EVERYTHING },
    { type: "vlan", id: 20, protocol: "802.1Q" },
  ],
  [
    { type: "vlan", name: "s", link: "d0", id: 4094, protocol: "802.1ad", ...EVERYTHING },
    { type: "vlan", id: 4094, protocol: "802.1ad" },
  ],
  ...IPVLAN_MODES.flatMap((mode) =>
    IPVLAN_FLAGS.map((flag): [LinkSpec, LinkInfo] => [
      { type: "ipvlan", name: "x", link: "d0", mode, flag, ...EVERYTHING },
      { type: "ipvlan", mode, flag },
    ])
  ),
  [
    { type: "ipvlan", name: "x", link: "d0", mode: "l2", ...EVERYTHING },
    { type: "ipvlan", mode: "l2", flag: "bridge" },
  ],
  [
    { type: "macvlan", name: "x", link: "d0", address: MAC, ...EVERYTHING },
    { type: "macvlan", mode: "bridge" },
  ],
  [
    { type: "veth", name: "x", peer: { name: "y" }, address: MAC, ...EVERYTHING },
    { type: "veth" },
  ],
  [
    { type: "bridge", name: "x", address: MAC, ...EVERYTHING },
    { type: "bridge", vlanFiltering: false, vlanStats: false },
  ],
  [
    { type: "bridge", name: "x", vlanFiltering: true, vlanStats: true, ...EVERYTHING },
    { type: "bridge", vlanFiltering: true, vlanStats: true },
  ],
];

Deno.test("each kind of link is read back with everything it was given", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  for (const [spec, info] of KINDS) {
    // A new parent each time: mode and flag are the parent's, and kinds do not share one.
    await link.add({ type: "dummy", name: "d0", up: true });
    await link.add(spec);
    const shown = await link.show(spec.name);
    assertEquals(shown.info, info);
    assertEquals(
      [shown.name, shown.mtu, shown.group, shown.up],
      [spec.name, 1300, "77", true],
      JSON.stringify(spec),
    );
    if (spec.address) assertEquals(shown.address, MAC, JSON.stringify(spec));
    if ("link" in spec) assertEquals(shown.link, "d0", JSON.stringify(spec));
    await link.del(spec.name);
    await link.del("d0");
  }
  assertEquals((await link.show()).map(({ name }) => name), ["lo"]);
});

Deno.test("a customer tag is stacked on a service tag", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "dummy", name: "d0" });
  await link.add({ type: "vlan", name: "outer", link: "d0", id: 100, protocol: "802.1ad" });
  await link.add({ type: "vlan", name: "inner", link: "outer", id: 100 });
  const [outer, inner] = [await link.show("outer"), await link.show("inner")];
  assertEquals([outer.link, outer.info], ["d0", { type: "vlan", id: 100, protocol: "802.1ad" }]);
  assertEquals([inner.link, inner.info], ["outer", { type: "vlan", id: 100, protocol: "802.1Q" }]);
  assertEquals([inner.linkIndex, inner.linkNetnsid], [outer.index, undefined]);
});

Deno.test("the last writer's mode and flag are those of every ipvlan link on the parent", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "dummy", name: "d0" });
  await link.add({ type: "ipvlan", name: "a", link: "d0", mode: "l2" });
  await link.add({ type: "ipvlan", name: "b", link: "d0", mode: "l3", flag: "vepa" });
  assertEquals((await link.show("a")).info, { type: "ipvlan", mode: "l3", flag: "vepa" });
});

Deno.test("a veth's other end and an ipvlan link are made in another namespace", async () => {
  await using ns = await freshNetns();
  await using other = await freshNetns();
  await ns.ip.link.add({ type: "veth", name: "a", peer: { name: "b", netns: other.name } });
  await ns.ip.link.add({ type: "ipvlan", name: "c", link: "a", mode: "l3s", netns: other.name });
  const [a, b, c] = [
    await ns.ip.link.show("a"),
    await other.ip.link.show("b"),
    await other.ip.link.show("c"),
  ];
  assertEquals([a.info, a.link, b.info, b.link], [{ type: "veth" }, undefined, {
    type: "veth",
  }, undefined]);
  assertEquals([c.info, c.link], [{ type: "ipvlan", mode: "l3s", flag: "bridge" }, undefined]);
  // Each end has the other's index, and ids are a namespace's own: each has given its first one.
  assertEquals([a.linkIndex, a.linkNetnsid], [b.index, 0]);
  assertEquals([b.linkIndex, b.linkNetnsid], [a.index, 0]);
  assertEquals([c.linkIndex, c.linkNetnsid], [a.index, 0]);
  assertEquals((await ns.ip.link.show()).map(({ name }) => name), ["lo", "a"]);
});

Deno.test("every change of a link is read back, and taken back", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "bridge", name: "br" });
  await link.add({ type: "dummy", name: "d" });
  const changes = {
    ...{ mtu: 1400, group: 9, address: MAC, master: "br", addrgenmode: "none", up: true } as const,
    alias: "it's the net – 桥",
  };
  await link.set("d", changes);
  const set = await link.show("d");
  assertEquals(
    {
      ...{ mtu: set.mtu, group: Number(set.group), address: set.address, master: set.master },
      ...{ addrgenmode: set.addrgenmode, up: set.up, alias: set.alias },
    } as typeof changes,
    changes,
  );
  assertEquals([set.masterKind, set.flags.includes("UP")], ["bridge", true]);
  await link.set("d", { alias: null, master: null, up: false, group: 0 });
  const back = await link.show("d");
  assertEquals(
    [back.alias, back.master, back.masterKind, back.up, back.group],
    [undefined, undefined, undefined, false, "default"],
  );
});

Deno.test("a link is renamed, in one line with being set up, and moved to a namespace", async () => {
  await using ns = await freshNetns();
  await using other = await freshNetns();
  await ns.ip.link.add({ type: "dummy", name: "tmp1" });
  await ns.ip.link.set("tmp1", { name: "eth0", up: true });
  assertEquals((await ns.ip.link.show("eth0")).up, true);
  await assertRejects(() => ns.ip.link.show("tmp1"), IpCommandError, "tmp1");
  await ns.ip.link.set("eth0", { netns: other.name });
  assertEquals((await other.ip.link.show("eth0")).info, { type: "dummy" });
  await assertRejects(() => ns.ip.link.show("eth0"), IpCommandError, "eth0");
});

Deno.test("links are shown by group, kind and bridge", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "bridge", name: "br" });
  await link.add({ type: "dummy", name: "d1", group: 5 });
  await link.add({ type: "dummy", name: "d2" });
  await link.add({ type: "veth", name: "v1", group: 5, peer: { name: "v2" } });
  await link.set("d1", { master: "br" });
  await link.set("v2", { master: "br" });
  const names = async (filter?: Parameters<typeof link.show>[0]) =>
    (await link.show(filter as { group?: number })).map(({ name }) => name).sort();
  assertEquals(await names(), ["br", "d1", "d2", "lo", "v1", "v2"]);
  assertEquals(await names({ group: 5 }), ["d1", "v1"]);
  assertEquals(await names({ type: "dummy" }), ["d1", "d2"]);
  assertEquals(await names({ master: "br" }), ["d1", "v2"]);
  assertEquals(await names({ master: "br", type: "veth" }), ["v2"]);
  assertEquals(await names({ group: 6 }), []);
  assertEquals(await names({ type: "nosuchkind" }), []);
});

Deno.test("many links are shown whole and deleted as a group", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "dummy", name: "d0" });
  const names = Array.from({ length: 500 }, (_, i) => `i${i}`);
  await Promise.all(
    names.map((name) => link.add({ type: "ipvlan", name, link: "d0", mode: "l2", group: 42 })),
  );
  const shown = await link.show({ type: "ipvlan" });
  assertEquals(shown.map(({ name }) => name).sort(), [...names].sort());
  await link.del({ group: 42 });
  assertEquals((await link.show()).map(({ name }) => name), ["lo", "d0"]);
});

Deno.test("what the kernel refuses is sorted by errno", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "dummy", name: "d0" });
  await link.add({ type: "macvlan", name: "m", link: "d0" });
  const table: [() => Promise<unknown>, string][] = [
    [() => link.add({ type: "dummy", name: "d0" }), "EEXIST"],
    [() => link.add({ type: "ipvlan", name: "i", link: "d0", mode: "l2" }), "EBUSY"],
    [() => link.add({ type: "ipvlan", name: "i", link: "lo", mode: "l2" }), "EINVAL"],
    [() => link.add({ type: "ipvlan", name: "i", link: "none", mode: "l2" }), "ENODEV"],
    [() => link.show("none"), "ENODEV"],
    [() => link.set("none", { up: true }), "ENODEV"],
    [() => link.del("none"), "ENODEV"],
    [() => link.del("lo"), "EOPNOTSUPP"],
    [() => ns.ip.session.change("link add name n type nosuchkind"), "EOPNOTSUPP"],
  ];
  for (const [call, errno] of table) {
    const error = await assertRejects(call, IpCommandError);
    assertEquals(error.errno, errno, error.message);
  }
});

Deno.test("a name that the kernel refuses is one that linkName() refuses", async () => {
  await using ns = await freshNetns();
  for (const name of ["à", "a:b", ".", ".."]) {
    await assertRejects(
      () => ns.ip.session.change(`link add name ${name} type dummy`),
      IpCommandError,
    );
    await assertRejects(() => ns.ip.link.add({ type: "dummy", name }), Error, "is not valid");
  }
  for (const name of ["é", "桥", "it's", "a;b", "$(x)", "up", "fifteen-bytes-1"]) {
    await ns.ip.link.add({ type: "dummy", name });
    assertEquals((await ns.ip.link.show(name)).name, name);
  }
});
