/**
 * Netlink does and reads the same as `ip`: random plans in two equal worlds, one by each.
 *
 * `NETLINK_RUNS=1000` draws that many plans.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { isIpvlanError } from "../../lib/base/errors.ts";
import { addrAdd, addrDel, type AddrSpec } from "../../lib/iproute2/addr.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { linkAdd, linkDel, linkSet } from "../../lib/iproute2/link.ts";
import type { LinkChanges, LinkSpec, LinkType } from "../../lib/iproute2/link_types.ts";
import { KINDS } from "../../lib/iproute2/link_types.ts";
import { runnerIn } from "../../lib/iproute2/netlink_runner.ts";
import { routeChange, routeFlush } from "../../lib/iproute2/route.ts";
import type { Route, RouteSpec } from "../../lib/iproute2/route_types.ts";
import { ruleChange, type RuleSpec } from "../../lib/iproute2/rule.ts";
import { type Change, make, type Runner } from "../../lib/iproute2/runner.ts";
import type { RunProgram } from "../../lib/iproute2/shell.ts";
import { look } from "../../lib/iproute2/view.ts";
import type { Link } from "../../lib/iproute2/link_types.ts";
import { openLibc } from "../../lib/netlink/libc.ts";
import { anySpec, BELOW } from "../kit/arbitraries.ts";
import { Eyes } from "../kit/look.ts";
import { freshNetns } from "../kit/worlds.ts";

const { libc } = openLibc();
assert(libc, "no netlink here");

/** Netlink alone. It fails for what only `ip` can do, so that nothing is compared with itself. */
function byNetlink(netns: string | undefined): Ip {
  const run: RunProgram = (_command, input) => Promise.reject(new Error(`only ip can: ${input}`));
  return new Ip(runnerIn({ netlink: libc, netns, force: true, run }));
}

Deno.test("each kind of link is read the same, and is made the same where netlink can", async () => {
  await using one = await freshNetns();
  await using two = await freshNetns();
  const kinds = Object.keys(KINDS) as LinkType[];
  for (const type of kinds) {
    await fc.assert(
      fc.asyncProperty(anySpec(type, "x"), async (spec) => {
        const below = {
          type: "dummy",
          name: BELOW,
          up: true,
          address: "02:00:00:00:00:01",
        } as const;
        const worlds = [one, two];
        for (const { ip } of worlds) await ip.link.add(below);
        const { send, line } = linkAdd({ ...spec, address: undefined });
        const results = await Promise.allSettled([
          one.ip.session.change(line),
          make(send ? byNetlink(two.name).session : two.ip.session, { line, send }),
        ]);
        assertEquals(...results.map(outcome) as [unknown, unknown], line);
        const seen = await Promise.all(
          worlds.map(({ name, ip }) =>
            Promise.all([
              ip.link.show(),
              byNetlink(name).link.show(),
              byNetlink(name).link.find("x"),
            ])
          ),
        );
        for (const [program, netlink, found] of seen) {
          assertEquals(netlink, program, line);
          assertEquals(found, netlink.find(({ name }) => name === "x"), line);
        }
        const [first, second] = seen.map(([, links]) => links.map(withoutChance));
        assertEquals(second, first, line);
        for (const { ip } of worlds) {
          await Promise.allSettled(["x", BELOW].map((name) => ip.link.del(name)));
        }
      }),
      { numRuns: 4, endOnFailure: true },
    );
  }
});

/** Leaves out what the kernel draws. */
function withoutChance({ address: _address, ...link }: Link) {
  return link;
}

/** A change that failed, or not, in the words of the error without the namespace's name. */
function outcome(result: PromiseSettledResult<unknown>): unknown {
  if (result.status === "fulfilled") return "done";
  const { reason } = result;
  if (!isIpvlanError(reason, "ip-command")) return `${reason}`.replaceAll(/test-\w+/g, "NS");
  return {
    errno: reason.errno,
    reason: reason.reason.replaceAll(/test-\w+/g, "NS")
      .replace(/Error: argument .* is wrong: Device does not exist/, "Cannot find device")
      // If two links are missing, the error may name either.
      .replace(/^(Cannot find device) ".*"$/, "$1"),
  };
}

const NAMES = ["d0", "d1", "v0", "i0", "i1"] as const;
const anyName = fc.constantFrom(...NAMES);
const anyAddress = fc.constantFrom(
  ...["10.0.0.1/24", "10.0.0.2/24", "10.0.0.2/32", "10.1.0.1/16", "127.0.0.9/8", "192.0.2.1/31"],
  ...["fd00::1/64", "fd00::2/64", "fd01::1/128", "fe80::77/64", "::ffff:10.0.0.9/128"],
);
const anyVia = fc.constantFrom("10.0.0.254", "10.1.0.254", "fd00::ff", "fe80::ff", "8.8.8.8");
const anyPrefix = fc.constantFrom(
  ...["default", "::/0", "10.2.0.0/16", "10.3.0.7/32", "fd02::/64", "10.3.0.7", "fd03::7"],
);

const anyLink: fc.Arbitrary<LinkSpec> = fc.record({
  type: fc.constantFrom("dummy", "vlan", "ipvlan", "macvlan", "ipvtap"),
  name: anyName,
  link: anyName,
  id: fc.integer({ min: 1, max: 5 }),
  mode: fc.constantFrom("l2", "l3", "l3s"),
  flag: fc.option(fc.constantFrom("bridge", "private", "vepa"), { nil: undefined }),
  mtu: fc.option(fc.constantFrom(576, 1300, 1500), { nil: undefined }),
  up: fc.option(fc.boolean(), { nil: undefined }),
  group: fc.option(fc.constantFrom(0, 7), { nil: undefined }),
  index: fc.option(fc.integer({ min: 100, max: 103 }), { nil: undefined }),
  txqlen: fc.option(fc.constant(7), { nil: undefined }),
  last: fc.integer({ min: 1, max: 9 }),
}).map(({ type, link, id, mode, flag, last, ...base }) => {
  const address = `02:00:00:00:00:0${last}`;
  switch (type) {
    case "dummy":
      return { type, address, ...base };
    case "vlan":
      return { type, link, id, ...base };
    case "macvlan":
      return { type, link, address, ...base };
    default:
      return { type, link, mode, flag, ...base };
  }
});

// None that the kernel passes on to the VLANs on a link a moment later: down, or a smaller MTU.
const anyChanges: fc.Arbitrary<LinkChanges> = fc.record({
  name: anyName,
  mtu: fc.constant(9000),
  txqlen: fc.constant(9),
  group: fc.constantFrom(0, 7, "default"),
  address: fc.constant("02:00:00:00:00:aa"),
  alias: fc.constantFrom("a b", null, "it's 桥"),
  master: fc.constantFrom("d0", null),
  addrgenmode: fc.constantFrom("none", "eui64"),
  up: fc.constant(true),
}, { requiredKeys: [] });

const anyRoute: fc.Arbitrary<RouteSpec> = fc.record({
  dst: anyPrefix,
  via: anyVia,
  dev: anyName,
  type: fc.constantFrom("unicast", "blackhole", "unreachable", "local"),
  table: fc.constantFrom("main", 100, 1000),
  metric: fc.constantFrom(0, 7, 1024),
  protocol: fc.constantFrom("static", 117),
  src: fc.constantFrom("10.0.0.1", "fd00::1"),
  scope: fc.constantFrom("link", "global"),
  onlink: fc.boolean(),
  mtu: fc.constant(1400),
  advmss: fc.constant(1300),
}, { requiredKeys: ["dst"] }).map((route) => route as RouteSpec);

/** A change, made as late as its words are checked. */
const anyChange: fc.Arbitrary<() => Change> = fc.oneof(
  { weight: 4, arbitrary: anyLink.map((spec) => () => linkAdd(spec)) },
  {
    weight: 3,
    arbitrary: fc.tuple(anyName, anyChanges).map(([name, changes]) => () => linkSet(name, changes)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom("i0", "v0", "d0"),
      fc.constantFrom<LinkChanges[]>(
        { type: "ipvlan", mode: "l3s" },
        { type: "ipvlan", flag: "private" },
        { type: "ipvlan", mode: "l2", flag: "vepa" },
        { type: "vlan", gvrp: true, looseBinding: true },
        { type: "vlan", reorderHdr: false },
        { type: "macvlan", mode: "vepa" },
      ),
    ).map(([name, changes]) => () => linkSet(name, changes)),
  },
  { weight: 1, arbitrary: anyName.map((name) => () => linkDel(name)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 100, max: 103 }).map((index) => () => linkDel({ index })),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      dev: anyName,
      address: anyAddress,
      nodad: fc.constant(true),
      noprefixroute: fc.boolean(),
      scope: fc.option(fc.constantFrom("link", "host"), { nil: undefined }),
    }).map((spec) => () => addrAdd(spec as AddrSpec)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(anyName, anyAddress).map(([dev, address]) => () =>
      addrDel({ dev, address })
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom("add", "replace", "del"), anyRoute)
      .map(([verb, route]) => () => routeChange(verb, route)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(anyPrefix, anyName, fc.constantFrom(0, 7, 1024))
      .map(([dst, dev, metric]) => () => routeFlush(dst, dev, metric)),
  },
);

Deno.test("random changes in two equal worlds end in equal worlds, and fail alike", async () => {
  await using eyes = new Eyes();
  const numRuns = Number(Deno.env.get("NETLINK_RUNS") ?? 60);
  await fc.assert(
    fc.asyncProperty(fc.array(anyChange, { minLength: 4, maxLength: 16 }), async (drawn) => {
      // A value that has no words is another test's.
      const changes = drawn.flatMap((change) => {
        try {
          return [change()];
        } catch (error) {
          assert(isIpvlanError(error, "invalid-word"), `${error}`);
          return [];
        }
      });
      await using program = await freshNetns();
      await using netlink = await freshNetns();
      const worlds = [program.ip, byNetlink(netlink.name)];
      const start = [
        linkSet("lo", { up: true }),
        linkAdd({ type: "dummy", name: "d0", up: true, address: "02:00:00:00:00:01" }),
        linkAdd({ type: "vlan", name: "v0", link: "d0", id: 9, up: true }),
        addrAdd({ dev: "d0", address: "10.0.0.1/24" }),
        addrAdd({ dev: "d0", address: "fd00::1/64", nodad: true }),
      ];
      const all = [...start, ...changes];
      const [one, two] = await Promise.all(worlds.map(({ session }) => outcomesIn(session, all)));
      const lines = all.map(({ line }) => line);
      // Of some texts of `ip`, the number of the error is not known.
      const isUnknown = one!.map((each) => (each as { errno?: string }).errno === "unknown");
      const paired = (outcomes: unknown[]) =>
        lines.map((line, index) => [
          line,
          isUnknown[index] ? (outcomes[index] as { reason: string }).reason : outcomes[index],
        ]);
      assertEquals(paired(two!), paired(one!), lines.join("\n"));
      const seenBy = async (ip: Ip, netns: string) => {
        const wanted = { links: true, addrs: true, routes: "all" } as const;
        const [neighs, { netns: _, ...seen }] = await Promise.all([
          ip.neigh.show(),
          look({ netns, ip }, wanted),
        ]);
        // The kernel gives a link its own addresses and their routes a moment after it is up.
        const isOwn = ({ dst, protocol }: Route) =>
          protocol === "kernel" && (dst.startsWith("fe80:") || dst === "ff00::/8");
        return settled({
          ...seen,
          neighs,
          addrs: seen.addrs.filter(({ address }) => !/^fe80:(?!:77$)/.test(address)),
          routes: seen.routes.filter((route) => !isOwn(route)),
        });
      };
      const here = await seenBy(eyes.in(program.name), program.name);
      const there = await seenBy(eyes.in(netlink.name), netlink.name);
      assertEquals(there, here, lines.join("\n"));
      assertEquals(await seenBy(byNetlink(netlink.name), netlink.name), there, lines.join("\n"));
    }),
    { numRuns, endOnFailure: true },
  );
});

/** Makes changes in bursts, and returns what came of each. */
async function outcomesIn(runner: Runner, changes: readonly Change[]): Promise<unknown[]> {
  const results: PromiseSettledResult<void>[] = [];
  for (const rest = [...changes]; rest.length > 0;) {
    // `ip` remembers the names of links, also of those that are renamed or gone.
    const last = rest.findIndex(({ line }) => /^link (del|set .* name) /.test(line));
    const burst = rest.splice(0, last < 0 ? rest.length : last + 1);
    results.push(...await Promise.allSettled(burst.map((change) => make(runner, change))));
  }
  return results.map(outcome);
}

/** Leaves out what the kernel changes by itself a moment later: whether there is a carrier. */
function settled<T>(seen: T): unknown {
  return JSON.parse(JSON.stringify(seen, (key, value) => {
    if (key === "state" || key === "onlink" && value === undefined) return undefined;
    if (key !== "flags") return value;
    return (value as string[]).filter((flag) =>
      !["NO-CARRIER", "LOWER_UP", "linkdown", "tentative", "dadfailed"].includes(flag)
    );
  }));
}

Deno.test("names of namespaces are read the same, and made and deleted", async () => {
  await using one = await freshNetns();
  await using two = await freshNetns();
  await one.ip.link.add({ type: "dummy", name: "d0" });
  await one.ip.link.add({ type: "ipvlan", name: "i0", link: "d0", mode: "l2", netns: two.name });
  for (const netns of [undefined, one.name, two.name]) {
    const program = one.eyes.in(netns).netns;
    const { netns: netlink } = byNetlink(netns);
    assertEquals(await netlink.list(), await program.list());
  }
  const name = `${one.name}-x`;
  const { netns } = byNetlink(undefined);
  await netns.add(name);
  const failures = [
    [() => netns.add(name), () => one.eyes.in().netns.add(name)],
    [() => netns.del("nosuch"), () => one.eyes.in().netns.del("nosuch")],
    [() => netns.attach("n9", 4_000_000), () => one.eyes.in().netns.attach("n9", 4_000_000)],
    [() => netns.attach(name, 1), () => one.eyes.in().netns.attach(name, 1)],
  ];
  for (const [netlink, program] of failures) {
    const [here, there] = await Promise.allSettled([program!(), netlink!()]);
    assertEquals(outcome(there!), outcome(here!));
  }
  assertEquals((await one.eyes.in(name).link.show()).map(({ name }) => name), ["lo"]);
  await netns.del(name);
  assertEquals((await netns.list()).includes(name), false);
});

Deno.test("plain rules are added, deleted and read the same, and others are left to ip", async () => {
  await using program = await freshNetns();
  await using netlink = await freshNetns();
  const rules: RuleSpec[] = [
    { src: "10.0.0.1", table: "main", priority: 7 },
    { src: "10.0.0.0/24", table: 100 },
    { src: "fd00::1", table: 2 ** 30, priority: 20_000 },
    { src: "fd00::/64", table: "local", priority: 7 },
  ];
  // The second time, each is there already, or gone.
  const changes = (["add", "add", "del", "del"] as const)
    .flatMap((verb, index) =>
      rules.slice(index === 2 ? 1 : 0).map((rule) => ruleChange(verb, rule))
    );
  const byProgram = async (ip: Ip, some: readonly Change[]) => await outcomesIn(ip.session, some);
  for (const some of [changes.slice(0, 8), changes.slice(8)]) {
    assertEquals(
      await outcomesIn(byNetlink(netlink.name).session, some),
      await byProgram(program.ip, some),
    );
    const shown = await program.ip.rule.show();
    assertEquals(await byNetlink(netlink.name).rule.show(), shown);
    assertEquals(await byNetlink(program.name).rule.show(), shown);
  }
  await program.ip.rule.add({ iif: "lo", table: 100 });
  await assertRejects(() => byNetlink(program.name).rule.show(), Error, "only ip can");
});
