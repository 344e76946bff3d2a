import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { IpvlanError } from "../../lib/base/errors.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { writeSysctls } from "../../lib/iproute2/sysctl.ts";
import { EVERYTHING, lookAround, lookInto } from "../../lib/iproute2/view.ts";
import type { SeenLink, View } from "../../lib/iproute2/view_types.ts";
import { hangingProgram } from "../kit/hanging_program.ts";
import { inEnv, run } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";

/** Namespaces of a test's own, and `ip` in the caller's. */
async function namespaces<Name extends string>(...names: Name[]) {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(await Ip.open());
  const made: Record<string, string> = {};
  for (const name of names) {
    const { name: unique } = undo.use(await freshNetns());
    made[name] = unique;
  }
  const kept = undo.move();
  return {
    host,
    names: made as Record<Name, string>,
    /** Has something done at the end, before the namespaces are deleted. */
    defer: (last: () => Promise<unknown>) => kept.defer(async () => void await last()),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Runs a program, which has to succeed. Resolves to what it printed. */
async function done(...words: [program: string, ...args: string[]]): Promise<string> {
  const { code, stdout, stderr } = await run(...words);
  assertEquals(code, 0, `${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** The links of a view by `NAMESPACE LINK`, and likewise what is below them. */
function belowOf(
  { host, others }: View<{ netns?: string; links: SeenLink[] }>,
  names: Record<string, string>,
): Record<string, string | undefined> {
  const nameOf = (netns?: string) =>
    Object.keys(names).find((name) => names[name] === netns) ?? netns ?? "host";
  const all = [host, ...others].flatMap(({ netns, links }) =>
    links.map((link) => ({ netns, link, title: `${nameOf(netns)} ${link.name}` }))
  );
  const title = ({ below }: SeenLink) =>
    below &&
    all.find(({ netns, link }) => netns === below.netns && link.index === below.index)?.title;
  return Object.fromEntries(all.map(({ link, title: own }) => [own, title(link)]));
}

Deno.test("the link below is found in whichever namespace it is", async () => {
  await using world = await namespaces("c1", "c2", "a", "b", "c", "d", "nameless");
  const { host, names } = world;
  const { c1, c2, nameless } = names;
  await host.link.add({ type: "veth", name: "eth0", peer: { name: "eth0-peer" }, up: true });
  world.defer(() => host.link.del("eth0"));
  await host.link.add({ type: "vlan", name: "eth0.20", link: "eth0", id: 20 });
  const ipvlan = { type: "ipvlan", mode: "l2" } as const;
  await host.link.add({ ...ipvlan, name: "i0", link: "eth0", netns: c1 });
  await host.link.add({ ...ipvlan, name: "i20", link: "eth0.20", netns: c1 });
  await host.link.add({ type: "vlan", name: "v30", link: "eth0", id: 30, netns: c2 });
  await host.link.add({ type: "veth", name: "to-c1", peer: { name: "up", netns: c1 } });
  const veth = (one: string, other: string) =>
    host.link.add({ type: "veth", name: "x", netns: one, peer: { name: "x", netns: other } });
  await veth(c1, c2);
  // Two pairs with the same indexes, so that each end could be of either.
  await veth(names.a, names.b);
  await veth(names.c, names.d);
  await host.link.add({ ...ipvlan, name: "lost", link: "eth0", netns: nameless });
  await host.link.add({ type: "veth", name: "to-it", peer: { name: "it", netns: nameless } });
  // The namespace stays as long as a process is in it.
  const inside = new Deno.Command("ip", {
    args: ["netns", "exec", nameless, "cat"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await using _end = {
    [Symbol.asyncDispose]: async () => {
      await inside.stdin.close();
      await inside.output();
    },
  };
  const writer = inside.stdin.getWriter();
  await writer.write(new TextEncoder().encode("x"));
  writer.releaseLock();
  const reader = inside.stdout.getReader();
  await reader.read();
  reader.releaseLock();
  await host.netns.del(nameless);
  world.defer(() => host.netns.add(nameless));

  const view = await lookAround({ links: true });
  const below = belowOf(view, names);
  for (
    const [link, expected] of Object.entries({
      "host eth0": "host eth0-peer",
      "host eth0.20": "host eth0",
      "c1 i0": "host eth0",
      "c1 i20": "host eth0.20",
      "c2 v30": "host eth0",
      "host to-c1": "c1 up",
      "c1 up": "host to-c1",
      "c1 x": "c2 x",
      "c2 x": "c1 x",
      "a x": "b x",
      "b x": "a x",
      "c x": "d x",
      "d x": "c x",
      "host to-it": undefined,
      "host lo": undefined,
    })
  ) {
    assert(link in below, link);
    assertEquals(below[link], expected, link);
  }
  assertEquals(Object.keys(below).filter((link) => link.endsWith(" lost")), []);
  // What was read from JSON is the same to whoever reads it.
  assertEquals(belowOf(JSON.parse(JSON.stringify(view)), names), below);
});

Deno.test("the view of a namespace shows what ip shows there, also what others made", async () => {
  await using ns = await freshNetns();
  const ip = (words: string) => done("ip", "-n", ns.name, ...words.split(" "));
  await ns.ip.link.add({ type: "dummy", name: "d0", address: "02:00:00:00:00:07", up: true });
  const alias = `one\ntwo\x1b[2J\x01 it's "q" \\ t\tx`;
  await done("ip", "-n", ns.name, "link", "set", "d0", "alias", alias);
  await done("ip", "-n", ns.name, "link", "add", "x\x1by", "type", "dummy");
  for (
    const line of [
      "addr add 10.0.0.1/24 dev d0",
      "addr add 2001:db8::1/64 dev d0 nodad",
      "route add default via 10.0.0.9 dev d0 onlink",
      "route add 10.5.0.0/16 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3",
      "route add blackhole 10.6.0.0/16",
      "route add 10.8.0.0/16 dev d0 table 100",
      "route add unreachable 2001:db8:6::/48",
      "route add 2001:db8:5::/48 nexthop via 2001:db8::2 nexthop via 2001:db8::3",
      "neigh add 10.0.0.5 lladdr 02:00:00:00:00:05 dev d0",
      "neigh add 2001:db8::5 lladdr 02:00:00:00:00:05 dev d0",
      "rule add from 10.1.0.0/16 table 100 pref 50",
      "rule add not fwmark 7 iif d0 to 10.9.9.9 blackhole pref 51",
      "-6 rule add from 2001:db8::/64 table 100 pref 60",
    ]
  ) await ip(line);
  await writeSysctls(ns.name, ["net/ipv4/conf/d0/rp_filter"], "2");

  const seen = await lookInto(ns.name, EVERYTHING);
  assertEquals(seen.netns, ns.name);
  assertEquals(seen.links.map(({ name, alias }) => [name, alias]), [
    ["lo", undefined],
    ["d0", alias],
    ["x\x1by", undefined],
  ]);
  assertEquals(
    seen.addrs.filter(({ scope }) => scope === "global").map(({ address }) => address),
    ["10.0.0.1", "2001:db8::1"],
  );
  const words = seen.routes.filter(({ dst, table }) => table !== "local" && !dst.startsWith("fe80"))
    .map(({ family, type, dst, via, dev, table, nexthops, flags }) =>
      [
        ...[family, type, dst, via, dev, table, flags.join()],
        ...nexthops.map((hop) => `${hop.via} ${hop.dev} ${hop.weight}`),
      ].filter((word) => word !== undefined && word !== "").join(" ")
    );
  assertEquals(words.sort(), [
    "4 blackhole 10.6.0.0/16 main",
    "4 unicast 10.0.0.0/24 d0 main",
    "4 unicast 10.5.0.0/16 main 10.0.0.2 d0 2 10.0.0.3 d0 1",
    "4 unicast 10.8.0.0/16 d0 100",
    "4 unicast default 10.0.0.9 d0 main onlink",
    "6 unicast 2001:db8:5::/48 main 2001:db8::2 d0 1 2001:db8::3 d0 1",
    "6 unicast 2001:db8::/64 d0 main",
    "6 unreachable 2001:db8:6::/48 main",
  ]);
  const local = seen.routes.filter(({ table }) => table === "local").map(({ dst }) => dst);
  assert(local.includes("10.0.0.1") && local.includes("2001:db8::1"), local.join());
  assertEquals(
    seen.neighs.map(({ dst, dev, address }) => `${dst} ${dev} ${address}`).sort(),
    ["10.0.0.5 d0 02:00:00:00:00:05", "2001:db8::5 d0 02:00:00:00:00:05"],
  );
  assertEquals(
    seen.rules.filter(({ protocol }) => protocol !== "kernel").map((rule) =>
      JSON.stringify({ ...rule, protocol: undefined })
    ),
    [
      '{"family":4,"priority":50,"not":false,"src":"10.1.0.0/16","action":"lookup","table":"100","others":{}}',
      '{"family":4,"priority":51,"not":true,"dst":"10.9.9.9","iif":"d0","fwmark":"0x7","action":"blackhole","others":{}}',
      '{"family":6,"priority":60,"not":false,"src":"2001:db8::/64","action":"lookup","table":"100","others":{}}',
    ],
  );
  assertEquals(seen.sysctls["net/ipv4/conf/d0/rp_filter"], 2);
  const keys = Object.keys(seen.sysctls);
  for (const link of ["all", "default", "lo", "d0", "x\x1by"]) {
    for (const key of ["ipv4/conf/LINK/rp_filter", "ipv6/conf/LINK/disable_ipv6"]) {
      assert(keys.includes(`net/${key.replace("LINK", link)}`), `${key} of ${link}`);
    }
  }
  const files = keys.map((key) => `/proc/sys/${key}`);
  const values = await done("ip", "netns", "exec", ns.name, "cat", ...files);
  assertEquals(Object.values(seen.sysctls).map(String), values.trim().split(/\s+/));
  assertEquals(JSON.stringify(JSON.parse(JSON.stringify(seen))), JSON.stringify(seen));
});

/** An `ip` before which, or after which, a namespace goes as somebody deletes it just then. */
async function deletingIp(
  before: string,
  midway: string,
): Promise<AsyncDisposable & { path: string }> {
  const folder = await Deno.makeTempDir();
  const text = `#!/bin/sh
PATH=\${PATH#*:}
case "$*" in
  *"-n ${before} "*) ip netns del ${before} ;;
  *"-n ${midway} "*)
    # What ip netns del does, in two steps.
    umount -l /run/netns/${midway}
    ip "$@"
    status=$?
    rm /run/netns/${midway}
    exit $status ;;
esac
exec ip "$@"
`;
  await Deno.writeTextFile(`${folder}/ip`, text, { mode: 0o755 });
  return {
    path: `${folder}:${Deno.env.get("PATH")}`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("a namespace that cannot be read, or is deleted meanwhile, hides no other one", async () => {
  await using world = await namespaces("before", "midway", "other");
  const { host, names } = world;
  await using deleting = await deletingIp(names.before, names.midway);
  world.defer(() => Promise.all([host.netns.add(names.before), host.netns.add(names.midway)]));
  const plain = [`plain-${names.other}`, `not a name ${names.other}`];
  for (const name of plain) await Deno.writeTextFile(`/run/netns/${name}`, "");
  world.defer(() => Promise.all(plain.map((name) => Deno.remove(`/run/netns/${name}`))));
  {
    using _path = inEnv("PATH", deleting.path);
    using _transport = inEnv("IPVLAN_TRANSPORT", "ip");
    const { host: own, others, closed } = await lookAround({ links: true });
    assert(own.links.some(({ name }) => name === "lo"));
    assertEquals(others.map(({ netns }) => netns), [names.other]);
    assertEquals(others[0]!.links.map(({ name }) => name), ["lo"]);
    assertEquals(closed.map(({ netns }) => netns), plain.toSorted());
    assertMatch(closed[0]!.reason, /not a name .* is not valid/);
    assertMatch(closed[1]!.reason, /^setting the network namespace .* failed: Invalid argument/);
  }
});

Deno.test("a signal ends a look, with its own reason", async () => {
  await using ns = await freshNetns();
  await using hanging = await hangingProgram("ip", `*"-n ${ns.name} "*`);
  using _path = inEnv("PATH", hanging.path);
  using _transport = inEnv("IPVLAN_TRANSPORT", "ip");
  const looks = [
    (signal: AbortSignal) => lookAround({ links: true }, { signal }),
    (signal: AbortSignal) => lookInto(ns.name, { links: true }, { signal }),
  ];
  for (const look of looks) {
    const abort = new AbortController();
    const looked = look(abort.signal);
    await hanging.hangs();
    // Such an error also says why a namespace cannot be looked into.
    const reason = new IpvlanError("interrupted");
    abort.abort(reason);
    assertStrictEquals(await assertRejects(() => looked), reason);
  }
});
