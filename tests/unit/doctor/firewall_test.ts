import { assertEquals } from "@std/assert";
import { diagnoseFirewall } from "../../../lib/doctor/firewall.ts";
import { type Chain, readIptables, readNft } from "../../../lib/why/ruleset.ts";
import type { IpvlanMode } from "../../../mod.ts";
import { network } from "../../kit/values.ts";

/** The rules of `iptables-save` that doctor warns of, on a network with 10.1.0.9 and fd00:10::9. */
function warned(mode: IpvlanMode, ...rules: string[]): string[] {
  const chains = new Set(rules.map((rule) => /^-A (\S+)/.exec(rule)![1]));
  const heads = [...chains].map((chain) => `:${chain} ACCEPT [0:0]`);
  const text = ["*filter", ...heads, ...rules, "COMMIT"].join("\n");
  return warnings(mode, readIptables(text, 4));
}

function warnings(mode: IpvlanMode, rules: Chain[]): string[] {
  const subnets = [{ subnet: "10.1.0.0/24", auxAddresses: {} }, {
    subnet: "fd00:10::/64",
    auxAddresses: {},
  }];
  const networks = [network("web", { mode, subnets })];
  return diagnoseFirewall(rules, networks, () => ["10.1.0.9", "fd00:10::9"])
    .map(({ what }) => /^The rule "(.*)" (?:does nothing|breaks)/.exec(what)![1]!);
}

const OF = {
  forward: "-A FORWARD -d 10.1.0.9/32 -j DROP",
  forwardFrom: "-A FORWARD -s fd00:10::9/128 -j DROP",
  input: "-A INPUT -d 10.1.0.9/32 -p tcp -j DROP",
  inputFrom: "-A INPUT -s 10.1.0.9/32 -j DROP",
  output: "-A OUTPUT -s 10.1.0.9/32 -j DROP",
  outputTo: "-A OUTPUT -d 10.1.0.9/32 -j DROP",
  masquerade: "-A POSTROUTING -s 10.1.0.9/32 -j MASQUERADE",
  dnat: "-A PREROUTING -d 10.1.0.9/32 -j DNAT --to-destination 10.2.0.1",
};

const CASES: [mode: IpvlanMode, warned: (keyof typeof OF)[]][] = [
  ["l2", ["forward", "forwardFrom", "input", "output", "masquerade", "dnat"]],
  ["l3", ["forward", "forwardFrom", "input", "masquerade", "dnat"]],
  ["l3s", ["forward", "forwardFrom"]],
];

for (const [mode, names] of CASES) {
  Deno.test(`in ${mode}, doctor warns of the rules in chains that see nothing, and of no other`, () => {
    assertEquals(warned(mode, ...Object.values(OF)), names.map((name) => OF[name]));
  });
}

Deno.test("a rule about more than sandboxes, or about others, is none to warn of", () => {
  const others = [
    "-A FORWARD -s 10.0.0.0/8 -j ACCEPT",
    "-A FORWARD -j DROP",
    "-A FORWARD -d 10.9.0.9/32 -j DROP",
    "-A FORWARD ! -s 10.1.0.9/32 -j DROP",
    "-A FORWARD -m set --match-set x src -j DROP",
  ];
  assertEquals(warned("l3", ...others), []);
  const part = "-A FORWARD -s 10.1.0.0/28 -j DROP";
  assertEquals([warned("l3", part), warned("l3s", part)], [[part], [part]]);
  // In L2, the subnet is the LAN's.
  assertEquals(warned("l2", part), []);
});

Deno.test("a chain of one's own counts for the hooks that it is reached from", () => {
  const rule = "-A DOCKER-USER -d 10.1.0.9/32 -j DROP";
  const deep = ["-A FORWARD -j USER", "-A USER -j DOCKER-USER", "-A DOCKER-USER -j USER"];
  assertEquals(warned("l3s", ...deep, rule), [rule]);
  assertEquals(warned("l3s", "-A INPUT -j DOCKER-USER", ...deep, rule), []);
  // No packet reaches it at all.
  assertEquals(warned("l3s", rule), []);
});

Deno.test("the rules of nftables are read where iptables has not printed them", () => {
  const chain = (name: string, hook?: string) => ({
    chain: { family: "inet", table: "fw", name, hook },
  });
  const match = (field: string, right: unknown) => ({
    match: { op: "==", left: { payload: { protocol: "ip", field } }, right },
  });
  let handle = 0;
  const rule = (chain: string, ...expr: unknown[]) => ({
    rule: { family: "inet", table: "fw", chain, handle: ++handle, expr },
  });
  const printed = JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6" } },
      chain("fwd", "forward"),
      chain("nat", "postrouting"),
      chain("own"),
      rule("fwd", { jump: { target: "own" } }),
      rule("own", match("daddr", "10.1.0.9"), { drop: null }),
      rule("nat", match("saddr", { prefix: { addr: "10.1.0.0", len: 24 } }), { masquerade: null }),
      rule("fwd", match("saddr", { set: ["10.1.0.9"] }), { drop: null }),
      rule("fwd", { counter: { packets: 0, bytes: 0 } }, { drop: null }),
    ],
  });
  const rules = readNft(printed);
  const dead = ["inet fw fwd handle 4", "inet fw own handle 2"];
  assertEquals(warnings("l3", rules), dead.toSpliced(1, 0, "inet fw nat handle 3"));
  assertEquals(warnings("l3s", rules), dead);
  const ofIptables = printed.replaceAll('"inet"', '"ip"');
  assertEquals(readNft(ofIptables, ["fw"]), []);
});
