import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { IpvlanError } from "../../lib/base/errors.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { lookAround, lookInto } from "../../lib/iproute2/view.ts";
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
    ]
  ) await ip(line);

  const seen = await lookInto(ns.name, { links: true, addrs: true, routes: "all" });
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
