import { assertEquals } from "@std/assert";
import { judge, type Passing } from "../../../lib/why/firewall.ts";
import { type Chain, readIptables, readNft } from "../../../lib/why/ruleset.ts";

/** An echo request from 10.0.0.1 to 10.0.0.2 that comes in by eth0. */
const ECHO: Passing = {
  hook: "INPUT",
  family: 4,
  from: "10.0.0.1",
  to: "10.0.0.2",
  iif: "eth0",
  type: 8,
  state: "new",
};

/** What becomes of it: `drop`, `unknown`, or `pass`. */
function fate(chains: readonly Chain[], passing: Passing = ECHO): string {
  const { drop, unknown } = judge(chains, passing);
  return drop !== undefined ? "drop" : unknown !== undefined ? "unknown" : "pass";
}

function iptables(rules: readonly string[], policy = "ACCEPT"): Chain[] {
  const heads = [`:INPUT ${policy} [0:0]`, ":OUTPUT DROP [0:0]", ":OWN - [0:0]"];
  const text = ["# Generated", "*filter", ...heads, ...rules.map((rule) => `-A ${rule}`), "COMMIT"];
  return readIptables(text.join("\n"), 4);
}

const IPTABLES: Record<string, [fate: string, rules: string[]][]> = {
  "the first rule that matches decides": [
    ["pass", []],
    ["drop", ["INPUT -j DROP"]],
    ["drop", ["INPUT -s 10.0.0.0/24 -j REJECT --reject-with icmp-port-unreachable"]],
    ["pass", ["INPUT -s 10.0.0.1/32 -j ACCEPT", "INPUT -j DROP"]],
    ["drop", ["INPUT ! -s 10.9.0.0/16 -j DROP"]],
    ["pass", ["INPUT -d 10.0.0.3/32 -j DROP"]],
    ["pass", ["OUTPUT -j DROP"]],
  ],
  "links, protocols, types, states and marks are known": [
    ["drop", ["INPUT -i eth0 -j DROP"]],
    ["drop", ["INPUT -i eth+ -j DROP"]],
    ["pass", ["INPUT ! -i eth0 -j DROP"]],
    ["pass", ["INPUT -p tcp -m tcp --dport 22 -j DROP"]],
    ["drop", ["INPUT -p icmp -m icmp --icmp-type 8 -j DROP"]],
    ["pass", ["INPUT -p icmp -m icmp --icmp-type 0 -j DROP"]],
    ["pass", ["INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j DROP"]],
    ["drop", ["INPUT -m conntrack ! --ctstate ESTABLISHED -j DROP"]],
    ["pass", ["INPUT -m mark --mark 0x4000/0x4000 -j DROP"]],
    ["drop", ['INPUT -m comment --comment "not -s 9.9.9.9" -j DROP']],
  ],
  "a rule that is not understood may match": [
    ["unknown", ["INPUT -m set --match-set bad src -j DROP"]],
    ["unknown", ["INPUT -m set --match-set good src -j ACCEPT", "INPUT -j DROP"]],
    ["pass", ["INPUT -m set --match-set good src -j ACCEPT"]],
    ["pass", ["INPUT -p udp -m set --match-set bad src -j DROP"]],
    ["unknown", ["INPUT -j NFQUEUE --queue-num 0"]],
    ["pass", ["INPUT -m limit --limit 5/min -j LOG"]],
  ],
  "chains of one's own lead back, or not": [
    ["drop", ["INPUT -j OWN", "OWN -j DROP"]],
    ["drop", ["INPUT -j OWN", "OWN -j RETURN", "OWN -j ACCEPT", "INPUT -j DROP"]],
    ["pass", ["INPUT -g OWN", "OWN -j RETURN", "INPUT -j DROP"]],
    ["pass", ["INPUT -j OWN", "OWN -j ACCEPT", "INPUT -j DROP"]],
    ["unknown", ["INPUT -m set --match-set x src -g OWN", "INPUT -j DROP"]],
  ],
};

for (const [name, cases] of Object.entries(IPTABLES)) {
  Deno.test(`iptables: ${name}`, () => {
    for (const [wanted, rules] of cases) {
      assertEquals([rules, fate(iptables(rules))], [rules, wanted]);
    }
  });
}

Deno.test("iptables: what no rule decides on is for the policy", () => {
  const { drop } = judge(iptables([], "DROP"), ECHO);
  assertEquals(drop, "ip filter INPUT policy drop");
  assertEquals(fate(iptables(["INPUT -s 10.0.0.1/32 -j ACCEPT"], "DROP")), "pass");
  assertEquals(fate(iptables(["INPUT -j RETURN", "INPUT -j ACCEPT"], "DROP")), "drop");
});

Deno.test("rules are about their own family", () => {
  const six: Passing = { ...ECHO, family: 6, from: "fd00::1", to: "fd00::2", type: 128 };
  const rules = ["INPUT -j DROP"];
  assertEquals(fate(iptables(rules), six), "pass");
  const text = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p ipv6-icmp -j DROP\nCOMMIT\n";
  assertEquals(fate(readIptables(text, 6), six), "drop");
  assertEquals(fate(readIptables(text, 6)), "pass");
});

/** A chain of nftables on input, with a policy and rules. */
function nft(family: string, rules: readonly unknown[][], policy = "accept"): Chain[] {
  const place = { family, table: "t" };
  return readNft(JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6" } },
      { chain: { ...place, name: "in", hook: "input", policy } },
      { chain: { ...place, name: "own" } },
      ...rules.map((expr, handle) => ({ rule: { ...place, chain: "in", handle, expr } })),
      { rule: { ...place, chain: "own", handle: 99, expr: [{ drop: null }] } },
    ],
  }));
}

const payload = (protocol: string, field: string, right: unknown, op = "==") => ({
  match: { op, left: { payload: { protocol, field } }, right },
});
const meta = (key: string, right: unknown) => ({
  match: { op: "==", left: { meta: { key } }, right },
});
const state = (right: unknown) => ({ match: { op: "in", left: { ct: { key: "state" } }, right } });
const DROP = { drop: null };
const byState = (...set: [state: string, verdict: unknown][]) => ({
  vmap: { key: { ct: { key: "state" } }, data: { set } },
});

Deno.test("nftables: the same questions, and the same answers", () => {
  const net = { prefix: { addr: "10.0.0.0", len: 24 } };
  const cases: [string, unknown[]][] = [
    ["drop", [payload("ip", "saddr", net), DROP]],
    ["drop", [payload("ip", "saddr", { set: [net, "10.9.0.1"] }), DROP]],
    ["pass", [payload("ip", "saddr", net, "!="), DROP]],
    ["pass", [payload("ip6", "saddr", "fd00::1"), DROP]],
    ["unknown", [payload("ip", "saddr", "@bad"), DROP]],
    ["unknown", [payload("ip", "saddr", { range: ["10.0.0.1", "10.0.0.9"] }), DROP]],
    ["pass", [payload("tcp", "dport", 22), DROP]],
    ["drop", [payload("icmp", "type", "echo-request"), DROP]],
    ["pass", [payload("icmpv6", "type", "echo-request"), DROP]],
    ["drop", [meta("iifname", "eth*"), DROP]],
    ["pass", [meta("l4proto", { set: ["tcp", "udp"] }), DROP]],
    ["drop", [meta("l4proto", "icmp"), { counter: { packets: 0, bytes: 0 } }, DROP]],
    ["unknown", [meta("skuid", 0), DROP]],
    ["pass", [state(["established", "related"]), DROP]],
    ["drop", [state("new"), { log: null }, DROP]],
    ["unknown", [{ limit: { rate: 1, per: "second" } }, DROP]],
    ["unknown", [{ vmap: { key: { ct: { key: "state" } }, data: "@states" } }]],
    ["drop", [byState(["established", { accept: null }], ["new", { jump: { target: "own" } }])]],
    ["pass", [byState(["established", { accept: null }], ["invalid", DROP])]],
    ["drop", [meta("iif", "eth0"), DROP]],
    ["pass", [meta("iif", "lo"), DROP]],
    ["pass", [meta("nfproto", "ipv6"), DROP]],
    ["drop", [meta("nfproto", "ipv4"), DROP]],
    ["unknown", [{ mangle: { key: { meta: { key: "mark" } }, value: 1 } }, { accept: null }]],
    ["drop", [{ jump: { target: "own" } }]],
    ["unknown", [{ queue: null }]],
    ["pass", [{ counter: null }]],
  ];
  for (const [wanted, rule] of cases) {
    assertEquals([rule, fate(nft("inet", [rule]))], [rule, wanted]);
  }
  assertEquals(judge(nft("ip", [[DROP]]), ECHO), { drop: "ip t in handle 0" });
  assertEquals(fate(nft("ip6", [[DROP]])), "pass");
  assertEquals(fate(nft("inet", [[{ accept: null }]], "drop")), "pass");
  assertEquals(fate(nft("inet", [], "drop")), "drop");
});
