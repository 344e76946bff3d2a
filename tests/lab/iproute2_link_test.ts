import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { IpvlanError } from "../../lib/base/errors.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES } from "../../lib/iproute2/kinds/ipvlan.ts";
import {
  KINDS,
  type LinkChanges,
  type LinkInfo,
  type LinkSpec,
  type LinkType,
} from "../../lib/iproute2/link_types.ts";
import { anySpec, BELOW, DRAWN, type SpecOf } from "../kit/arbitraries.ts";
import { vlanInfo } from "../kit/values.ts";
import { freshNetns } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

/** What every kind takes. */
const EVERYTHING = { mtu: 1300, txqlen: 70, group: 77, up: true } as const;
const MAC = "02:00:00:00:00:01";
/** How many links of a kind are drawn for each of its attributes: enough for each to occur. */
const DRAWN_PER_ATTRIBUTE = 3;

/** Each kind with nothing but what it needs, and what is read back of it. */
const PLAIN: { [Type in LinkType]: [SpecOf<Type>, LinkInfo] } = {
  dummy: [{ type: "dummy", name: "x" }, { type: "dummy" }],
  veth: [{ type: "veth", name: "x", peer: { name: "y" } }, { type: "veth" }],
  vlan: [{ type: "vlan", name: "x", link: BELOW, id: 20 }, vlanInfo(20)],
  ipvlan: [
    { type: "ipvlan", name: "x", link: BELOW, mode: "l2" },
    { type: "ipvlan", mode: "l2", flag: "bridge" },
  ],
  ipvtap: [
    { type: "ipvtap", name: "x", link: BELOW, mode: "l3" },
    { type: "ipvtap", mode: "l3", flag: "bridge" },
  ],
  macvlan: [{ type: "macvlan", name: "x", link: BELOW }, { type: "macvlan", mode: "bridge" }],
  macvtap: [{ type: "macvtap", name: "x", link: BELOW }, { type: "macvtap", mode: "bridge" }],
  bridge: [
    { type: "bridge", name: "x" },
    { type: "bridge", vlanFiltering: false, vlanProtocol: "802.1Q", vlanStats: false },
  ],
  vrf: [{ type: "vrf", name: "x", table: 100 }, { type: "vrf", table: 100 }],
};

/** A namespace with the link that others are made on: a bridge, as a VLAN flag needs one. */
async function namespaceWithLink() {
  const ns = await freshNetns();
  await ns.ip.link.add({ type: "bridge", name: BELOW, up: true });
  return ns;
}

for (const type of Object.keys(KINDS) as LinkType[]) {
  Deno.test(`a link of kind ${type} is read back with all that it was given`, async () => {
    await using ns = await namespaceWithLink();
    const { link } = ns.ip;
    const below = await link.show(BELOW);

    const [plain, info] = PLAIN[type];
    const takesAddress = type !== "ipvlan" && type !== "ipvtap";
    await link.add({ ...plain, ...EVERYTHING, ...(takesAddress && { address: MAC }) });
    const { mtu, txqlen, group, up, ...shown } = await link.show("x");
    await link.del("x");
    assertEquals({ mtu, txqlen, group: Number(group), up }, EVERYTHING);
    assertEquals([shown.info, shown.address], [info, takesAddress ? MAC : below.address]);

    const drawn = new Set<string>();
    const addAndShow = async (spec: LinkSpec) => {
      await link.add(spec);
      const shown = await link.show("x");
      await link.del("x");
      assertReadBack(shown.info, spec);
      if (type !== "veth") {
        const on = "link" in spec ? spec.link : "dev" in spec ? spec.dev : undefined;
        assertEquals([shown.link, shown.linkIndex], [on, on === undefined ? on : below.index]);
      }
      for (const name of Object.keys(spec)) drawn.add(name);
    };
    const attributes = Object.keys(DRAWN[type]);
    const numRuns = Math.max(1, DRAWN_PER_ATTRIBUTE * attributes.length);
    const options = { seed: 8, numRuns, endOnFailure: true };
    await fc.assert(fc.asyncProperty(anySpec(type, "x"), addAndShow), options);
    assertEquals([...drawn].sort(), ["type", "name", ...attributes].sort(), "not all were drawn");
  });
}

/** What `link.set` takes of a spec: what the kernel changes. */
function changesOf(spec: LinkSpec): LinkChanges {
  const fixed: readonly string[] = ["name", "link", ...KINDS[spec.type].fixed];
  return Object.fromEntries(Object.entries(spec).filter(([name]) => !fixed.includes(name)));
}

for (const type of Object.keys(KINDS) as LinkType[]) {
  // Of a link of a kind that is left out, nothing can be changed.
  if (["dummy", "veth", "vrf"].includes(type)) continue;
  Deno.test(`a link of kind ${type} is changed, and read back with what it was given`, async () => {
    await using ns = await namespaceWithLink();
    const { link } = ns.ip;
    const [plain] = PLAIN[type];
    const changed = async (spec: LinkSpec) => {
      await link.add(plain);
      const changes = changesOf(spec);
      await link.set("x", changes);
      const { info } = await link.show("x");
      await link.del("x");
      assertReadBack(info, changes);
    };
    // The kernel does not change whether a macvlan link is alone on its parent.
    const specs = anySpec(type, "x").filter((spec) => !JSON.stringify(spec).includes("passthru"));
    await fc.assert(fc.asyncProperty(specs, changed), { seed: 8, numRuns: 20, endOnFailure: true });
  });
}

Deno.test("a change of a kind takes effect with one of the link, and only on its own kind", async () => {
  await using ns = await namespaceWithLink();
  const { link } = ns.ip;
  await link.set(BELOW, { mtu: 1400, type: "bridge", vlanFiltering: true, up: false });
  const { mtu, up, info } = await link.show(BELOW);
  assertEquals([mtu, up], [1400, false]);
  assertEquals(info, {
    ...{ type: "bridge", vlanFiltering: true, vlanProtocol: "802.1Q", vlanStats: false },
  });
  // A bridge has no mode.
  const error = await assertRejectsError(
    () => link.set(BELOW, { type: "macvlan", mode: "vepa" }),
    "ip-command",
  );
  assertEquals(error.errno, "EOPNOTSUPP");
  await assertRejects(() => link.set("none", { type: "bridge", vlanFiltering: true }), IpvlanError);
  await assertRejects(
    () => link.set(BELOW, { type: "vlan", id: 7 } as LinkChanges),
    IpvlanError,
    'The vlan id "7" is not valid: the kernel does not change it: delete the link and make it again',
  );
});

/** What a spec has besides its attributes. A veth's other end is `Link.link`. */
const ELSEWHERE = ["name", "link", "peer"];

function assertReadBack(info: LinkInfo, spec: LinkSpec | LinkChanges) {
  const given = Object.entries(spec).filter(([name]) => !ELSEWHERE.includes(name));
  const read = new Map<string, unknown>(Object.entries(info));
  assertEquals(
    Object.fromEntries(given.map(([name]) => [name, read.get(name)])),
    Object.fromEntries(given),
  );
}

Deno.test("an ipvlan link has each mode with each flag", async () => {
  await using ns = await namespaceWithLink();
  const { link } = ns.ip;
  for (const mode of IPVLAN_MODES) {
    for (const flag of IPVLAN_FLAGS) {
      await link.add({ type: "ipvlan", name: "x", link: BELOW, mode, flag });
      assertEquals((await link.show("x")).info, { type: "ipvlan", mode, flag });
      await link.del("x");
    }
  }
});

Deno.test("a customer tag is stacked on a service tag", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "dummy", name: "d0" });
  await link.add({ type: "vlan", name: "outer", link: "d0", id: 100, protocol: "802.1ad" });
  await link.add({ type: "vlan", name: "inner", link: "outer", id: 100 });
  const [outer, inner] = [await link.show("outer"), await link.show("inner")];
  assertEquals([outer.link, outer.info], ["d0", vlanInfo(100, "802.1ad")]);
  assertEquals([inner.link, inner.info], ["outer", vlanInfo(100)]);
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
    ...{
      mtu: 1400,
      txqlen: 40,
      group: 9,
      address: MAC,
      master: "br",
      addrgenmode: "none",
      up: true,
    } as const,
    alias: "it's the net – 桥",
  };
  await link.set("d", changes);
  const set = await link.show("d");
  assertEquals(
    {
      ...{
        mtu: set.mtu,
        txqlen: set.txqlen,
        group: Number(set.group),
        address: set.address,
        master: set.master,
      },
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
  await assertRejectsError(() => ns.ip.link.show("tmp1"), "ip-command", "tmp1");
  await ns.ip.link.set("eth0", { netns: other.name });
  assertEquals((await other.ip.link.show("eth0")).info, { type: "dummy" });
  await assertRejectsError(() => ns.ip.link.show("eth0"), "ip-command", "eth0");
});

Deno.test("links are shown by kind", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "bridge", name: "br" });
  for (const name of ["d1", "d2"]) await link.add({ type: "dummy", name });
  const names = async (filter?: { type: string }) =>
    (await link.show(filter)).map(({ name }) => name).sort();
  assertEquals(await names(), ["br", "d1", "d2", "lo"]);
  assertEquals(await names({ type: "dummy" }), ["d1", "d2"]);
  assertEquals(await names({ type: "nosuchkind" }), []);
});

Deno.test("many links are made and shown whole", async () => {
  await using ns = await freshNetns();
  const { link } = ns.ip;
  await link.add({ type: "dummy", name: "d0" });
  const names = Array.from({ length: 500 }, (_, i) => `i${i}`);
  await Promise.all(
    names.map((name) => link.add({ type: "ipvlan", name, link: "d0", mode: "l2" })),
  );
  const shown = await link.show({ type: "ipvlan" });
  assertEquals(shown.map(({ name }) => name).sort(), [...names].sort());
});

/** Only a kernel of one's own can be told to load modules by another program. */
const ownKernel = Deno.env.get("IPVLAN_LAB") === "uml";

Deno.test({
  name: "no module is looked for over a link that is deleted by its index",
  ignore: !ownKernel,
}, async () => {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  const [program, log] = [`${folder}/modprobe`, `${folder}/log`];
  await Deno.writeTextFile(program, `#!/bin/sh\necho "$@" >> ${log}\n`, { mode: 0o755 });
  await Deno.writeTextFile(log, "");
  const loader = "/proc/sys/kernel/modprobe";
  const before = await Deno.readTextFile(loader);
  await Deno.writeTextFile(loader, program);
  undo.defer(() => Deno.writeTextFile(loader, before));
  await using ns = await freshNetns();
  const { link, session } = ns.ip;
  await link.add({ type: "dummy", name: "d0", index: 500 });
  await link.del({ index: 500 });
  assertEquals((await link.show()).map(({ name }) => name), ["lo"]);
  assertEquals(await Deno.readTextFile(log), "");
  // By a name that a link could have, one is looked for.
  await assertRejectsError(() => session.change("link del dev if500"), "ip-command");
  assertEquals(await Deno.readTextFile(log), "-q -- netdev-if500\n");
});

Deno.test("errors of the kernel have the errno as a name", async () => {
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
    const error = await assertRejectsError(call, "ip-command");
    assertEquals(error.errno, errno, error.message);
  }
});

Deno.test("a name that the kernel refuses is one that linkName() refuses", async () => {
  await using ns = await freshNetns();
  for (const name of ["à", "a:b", ".", ".."]) {
    await assertRejectsError(
      () => ns.ip.session.change(`link add name ${name} type dummy`),
      "ip-command",
    );
    await assertRejects(() => ns.ip.link.add({ type: "dummy", name }), Error, "is not valid");
  }
  for (const name of ["é", "桥", "it's", "a;b", "$(x)", "up", "fifteen-bytes-1"]) {
    await ns.ip.link.add({ type: "dummy", name });
    assertEquals((await ns.ip.link.show(name)).name, name);
  }
});
