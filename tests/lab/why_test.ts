import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import "../kit/seed.ts";
import { ipvlan, succeeds } from "../kit/command.ts";
import { pingAll } from "../../lib/netlink/ping.ts";
import { blocks } from "../kit/pages.ts";
import { run } from "../kit/processes.ts";
import { commandHost, lanOf, shell } from "../kit/worlds.ts";
import { counts, differences } from "../why/compare.ts";
import { worlds } from "../why/worlds.ts";

Deno.test("in random worlds, a ping comes back where the model says so, and nowhere else", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (spec) => assertEquals(await differences(spec), [])),
    { numRuns: 15, endOnFailure: true },
  );
  assertEquals([counts.worlds, counts.leaves], [15, 0]);
  assert(counts.fixes > 0 && counts.losses === 15);
});

/** What people do wrong: lines that make it so, who asks whom, the rule that stops it, and the fix. */
const MISTAKES: Record<
  string,
  {
    lines?: string[];
    from: string;
    to: string;
    rule: string;
    fix?: string;
    verdict?: "unknown";
    size?: number;
  }
> = {
  "a host and its own sandbox": { from: "host", to: "c1", rule: "host-apart" },
  "a router that does not forward": {
    from: "c1",
    to: "c20",
    rule: "not-forwarding",
    fix: "ip netns exec lan sysctl -w net.ipv4.ip_forward=1",
  },
  "no way back to an L3 network": {
    from: "c3",
    to: "192.168.1.1",
    rule: "no-route",
    fix: "ip -n lan route replace 10.3.0.2 via 192.168.1.250 dev eth0",
  },
  "a mask that is too wide": {
    lines: [
      "ip netns exec lan sysctl -w net.ipv4.ip_forward=1",
      "ip -n c1 route add 192.168.0.0/16 dev eth0",
    ],
    from: "c1",
    to: "c20",
    rule: "no-answer",
    fix: "ip -n c1 route replace 192.168.20.2 via 192.168.1.1 dev eth0",
  },
  "the flag private": {
    lines: ["ip -n c1 link set eth0 type ipvlan mode l2 private"],
    from: "c1",
    to: "c2",
    rule: "private",
    fix: "ip -n c1 link set eth0 type ipvlan mode l2 bridge",
  },
  "a default route by a gateway that is not there": {
    lines: [
      "ip netns exec lan sysctl -w net.ipv4.ip_forward=1",
      "ip -n c1 route replace default via 192.168.1.99",
    ],
    from: "c1",
    to: "c20",
    rule: "no-answer",
    fix: "ip -n c1 route replace default via 192.168.1.1 dev eth0",
  },
  "a parent that is down": {
    lines: ["ip link set eth0 down"],
    from: "c1",
    to: "192.168.1.1",
    rule: "no-carrier",
    fix: "ip link set eth0 up",
  },
  "a sandbox's link that is down": {
    lines: ["ip -n c2 link set eth0 down"],
    from: "c1",
    to: "c2",
    rule: "link-down",
    fix: "ip -n c2 link set eth0 up",
  },
  "one's own link that is down": {
    lines: ["ip -n c1 link set eth0 down"],
    from: "c1",
    to: "192.168.1.3",
    rule: "no-route",
    fix: "ip -n c1 link set eth0 up",
  },
  "a strict check of the source": {
    lines: [
      "ip netns exec c1 sysctl -w net.ipv4.conf.eth0.rp_filter=1",
      "ip -n c1 link add d0 type dummy",
      "ip -n c1 link set d0 up",
      "ip -n c1 route add 192.168.1.3 dev d0",
    ],
    from: "c2",
    to: "c1",
    rule: "rp-filter",
  },
  "an address that a machine of the LAN has, too": {
    lines: ["ip -n lan addr add 192.168.1.3/24 dev eth0"],
    from: "c1",
    to: "c2",
    rule: "duplicate",
    fix: "ip -n lan addr del 192.168.1.3/24 dev eth0",
    verdict: "unknown",
  },
  "a gateway whose link is too small": {
    lines: [
      "ip netns exec lan sysctl -w net.ipv4.ip_forward=1",
      "ip -n lan link set eth0.20 mtu 1400",
    ],
    from: "c1",
    to: "c20",
    rule: "too-big",
    fix: "ip -n lan link set eth0.20 mtu 1500",
    size: 1500,
  },
  "no answers to echo requests": {
    lines: ["ip netns exec c2 sysctl -w net.ipv4.icmp_echo_ignore_all=1"],
    from: "c1",
    to: "c2",
    rule: "echo-ignored",
    fix: "ip netns exec c2 sysctl -w net.ipv4.icmp_echo_ignore_all=0",
  },
};

for (const [mistake, { lines = [], from, to, rule, fix, ...more }] of Object.entries(MISTAKES)) {
  Deno.test(`the model names ${mistake}, and its advice helps`, async () => {
    const { verdict = "no", size = 0 } = more;
    await using host = await commandHost();
    await using _lan = await lanOf(host);
    const create = (name: string, subnet: string, ...more: string[]) =>
      succeeds("network", "create", `--subnet=${subnet}`, ...more, name);
    const run = (name: string, net: string) =>
      succeeds("run", "-d", `--net=${net}`, "--name", name);
    await create("lan", "192.168.1.0/24", "-o", "parent=eth0");
    await create("v20", "192.168.20.0/24", "-o", "parent=eth0.20");
    await run("c1", "lan");
    await run("c2", "lan");
    await run("c20", "v20");
    if (from === "c3") {
      await succeeds("rm", "-f", "c1", "c2");
      await succeeds("network", "rm", "lan");
      await create("l3", "10.3.0.0/24", "-o", "parent=eth0", "-o", "ipvlan_mode=l3");
      await run("c3", "l3");
    }
    await shell(...lines);
    const ask = async () => {
      const { status, out, err } = await ipvlan("why", `--size=${size}`, "--json", from, to);
      assertEquals(err, "");
      return { status, ...JSON.parse(out) };
    };
    const answer = await ask();
    assertEquals([...answer.there, ...answer.back].at(-1).code, rule);
    assertEquals([answer.status, answer.verdict, answer.fix], [
      verdict === "no" ? 1 : 3,
      verdict,
      fix,
    ]);
    const ping = [...from === "host" ? [] : ["ip", "netns", "exec", from], "ping", "-c1", "-W2"];
    // Not every ping can forbid that a packet is cut.
    const isAnswered = async (expected: boolean) =>
      size === 0 ? await reaches([...ping, answer.to]) : (await pingAll([{
        path: `/run/netns/${from}`,
        dst: answer.to,
        size,
        isExpected: expected,
      }]))[0];
    if (verdict === "no") assertEquals(await isAnswered(false), false);
    if (fix === undefined) return;
    await shell(fix);
    // The kernel may be about to give a question up that it asked before.
    await shell(`ip -n ${from} neigh flush all`);
    assertEquals(await isAnswered(true), true);
    const then = await ask();
    assertEquals([then.status, then.verdict], [0, "yes"]);
  });
}

Deno.test("ipvlan why says the same in words, from a link of the host, and refuses what is nothing", async () => {
  await using _host = await commandHost();
  await succeeds("network", "create", "--subnet=192.168.1.0/24", "-o", "parent=eth0", "lan");
  for (const name of ["c1", "c2"]) await succeeds("run", "-d", "--net=lan", "--name", name);
  await shell("ip addr add 192.168.1.250/24 dev eth0", "ip -n c2 link set eth0 down");
  const why = async (...words: string[]) => {
    const { status, out, err } = await ipvlan("why", ...words);
    return [status, out || err];
  };
  const [down = ""] = blocks("docs/why.md", "text");
  assertEquals(await why("c1", "c2"), [1, down.trimEnd()]);
  await shell("ip -n c1 rule add ipproto icmp lookup main priority 9");
  assertEquals(await why("c1", "192.168.1.9"), [
    3,
    "c1 may or may not reach 192.168.1.9: c1: what happens here is not known: rule 9 looks at more " +
    "[unknown]\nthere:\n ✗ c1: what happens here is not known: rule 9 looks at more",
  ]);
  const [status, text] = await why("host:eth0", "c1");
  assertEquals([status, `${text}`.split("\n")[0]], [
    1,
    "host:eth0 does not reach c1 (192.168.1.2): the host eth0: a host and the sandboxes on its " +
    "parent never hear each other's questions, here for 192.168.1.2 [host-apart]",
  ]);
  for (
    const words of [["c9", "c1"], ["c1", "nobody"], ["host:eth9", "c1"], ["c1", "::1::"], [
      "c1",
      "c2",
      "--size=1.5",
    ]]
  ) {
    const [status, said] = await why(...words);
    assertEquals([status, `${said}`.split("\n").length], [1, 1], `${said}`);
  }
});

Deno.test("ipvlan matrix says who reaches whom as the kernel does, and marks what it does not know of", async () => {
  await using _host = await commandHost();
  await succeeds("network", "create", "--subnet=192.168.1.0/24", "-o", "parent=eth0", "lan");
  await succeeds("network", "create", "--subnet=192.168.20.0/24", "--internal", "v20");
  await shell("ip addr add 192.168.1.250/24 dev eth0");
  for (const [name, net] of [["c1", "lan"], ["c2", "lan"], ["c3", "v20"]] as const) {
    await succeeds("run", "-d", `--net=${net}`, "--name", name);
  }
  const matrix = async (...words: string[]) => {
    const { status, out, err } = await ipvlan("matrix", ...words);
    return [status, out || err] as const;
  };
  const [, said = ""] = blocks("docs/why.md", "text");
  assertEquals(await matrix("--ping"), [0, said.trimEnd()]);
  const [status, text] = await matrix("--ping", "--format=json", "--network=lan");
  const pairs = JSON.parse(text);
  assertEquals([status, pairs.length], [0, 6]);
  assertEquals(pairs.at(-1), {
    ...{ from: "c2", to: "c1", family: 4, address: "192.168.1.2" },
    ...{ verdict: "yes", code: "accepted", place: "c2 eth0", ping: true },
  });
  assertMatch((await matrix("--format", "html"))[1], /^<!DOCTYPE html>[^]*<\/pre>$/);
  assertMatch(
    (await matrix("--format=csv"))[1],
    /^from,to,[^]*\nc1,c2,4,192.168.1.3,yes,accepted,c1 eth0,$/m,
  );
  const [lost, without] = await matrix("--without=c2:eth0", "--without=c3");
  assertEquals([lost, without.match(/^. (c\d|host).*$/gm)], [0, [
    "1 host   a b",
    "2 c1   a   b",
    "3 c2   c c",
  ]]);
  // How often a namespace answers is no part of the model.
  await shell(
    "ip netns exec c2 sysctl -w net.ipv4.icmp_ratemask=1 net.ipv4.icmp_ratelimit=1000000000",
  );
  const [wrong, marked] = await matrix("--ping", "--network", "lan");
  assertEquals(wrong, 1);
  assertMatch(marked, /^2 c1 .* b!$[^]*^b! yes; the kernel says otherwise, 1 pair$/m);
  await shell("ip -n c1 rule add ipproto icmp lookup main priority 9");
  const [unknown, rule] = await matrix();
  assertEquals(unknown, 3);
  assertMatch(
    rule,
    /^\w unknown: what happens here is not known: rule 9 looks at more \[unknown\], \d pairs$/m,
  );
  for (
    const words of [
      ...[["--family=5"], ["--format=svg"], ["--network=none"], ["--without=c1:eth9"]],
      ...[["--without=host"], ["--without=c2", "--ping"]],
    ]
  ) {
    const [status, said] = await matrix(...words);
    assertEquals([status, said.split("\n").length], [1, 1], said);
  }
});

async function reaches([program = "", ...words]: string[]): Promise<boolean> {
  return (await run(program, ...words)).code === 0;
}
