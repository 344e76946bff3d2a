// The options that say what a network takes from its LAN, and what it asks there.
import { assertEquals } from "@std/assert";
import { askSteps } from "../../../../lib/driver/endpoint/ask.ts";
import { endpointSteps } from "../../../../lib/driver/endpoint/steps.ts";
import { endAlike, interfaceToken } from "../../../../lib/driver/model/lan_options.ts";
import type { EngineNetworkSpec, Network } from "../../../../lib/driver/model/types.ts";
import { decideNetwork } from "../../../../lib/driver/network/decide.ts";
import { settle } from "../../../../lib/driver/network/settle.ts";
import { endpointRecord, host, IDENTITY, link, network } from "../../../kit/values.ts";

const [V4, V6] = ["10.0.0.0/24", "fd00::/64"];

/** The rules against a network on `eth0`, in the kernel that the flag says. */
function rules(spec: Partial<EngineNetworkSpec>, hasOptimisticDad = false): string[] {
  const settled = settle({ name: "n", parent: "eth0", subnets: [V4], ...spec });
  const facts = { ...host({ links: [link("eth0")] }), hasOptimisticDad };
  const decision = decideNetwork(settled, IDENTITY, [], facts);
  return decision.ok
    ? []
    : decision.problems.map(({ field, message }) =>
      `${field}: ${message.replace(/^.* is not valid: /, "")}`
    );
}

Deno.test("IPv6 as one says fits the subnets, the mode and the parent, or is refused", () => {
  const both = { subnets: [V4, V6] };
  const foreign = { name: "cni:n", owner: { engine: "cni", id: "n" }, subnets: [] } as const;
  assertEquals(rules({ ipv6Mode: "off" }), []);
  assertEquals(rules({ ipv6Mode: "slaac" }), []);
  for (const ipv6Mode of ["static", "slaac"] as const) {
    assertEquals(rules({ ipv6Mode, ...both }), []);
    assertEquals(rules({ ipv6Mode, ...foreign, foreignAddresses: true }), []);
  }
  assertEquals(rules({ ipv6Mode: "static", mode: "l3", ...both }), []);
  assertEquals(rules({ ipv6Mode: "off", ...both }), [
    "ipv6Mode: an IPv6 subnet is given: leave one of the two out",
  ]);
  assertEquals(rules({ ipv6Mode: "static" }), ["ipv6Mode: no IPv6 subnet is given: give one"]);
  assertEquals(rules({ ipv6Mode: "slaac", mode: "l3s" }), [
    "ipv6Mode: the mode is l3s, where the kernel gives no router's advertisement to a link; " +
    "choose l2",
  ]);
  for (const alone of [{ parent: undefined }, { internal: true }]) {
    assertEquals(rules({ ipv6Mode: "slaac", ...alone }), [
      "ipv6Mode: the network is isolated, so no router reaches it; give it a parent",
    ]);
  }
});

Deno.test("what nobody on the LAN could answer is not asked", () => {
  const alone = "the network is isolated, so no other machine is there; give it a parent";
  const l3 = (mode: string) =>
    `the mode is ${mode}, where a link neither asks nor answers by ARP or its like for IPv6; ` +
    "choose l2";
  assertEquals(rules({ dad: "on" }), []);
  assertEquals(rules({ dad: "off", mode: "l3" }), []);
  assertEquals(rules({ dad: "off", parent: undefined }), []);
  assertEquals(rules({ dad: "on", parent: undefined }), [`dad: ${alone}`]);
  assertEquals(rules({ dad: "on", mode: "l3" }), [`dad: ${l3("l3")}`]);
  assertEquals(rules({ probe: "gateway" }), []);
  assertEquals(rules({ probe: "gateway", internal: true }), [`probe: ${alone}`]);
  assertEquals(rules({ probe: "gateway", mode: "l3s" }), [`probe: ${l3("l3s")}`]);
  const foreign = { name: "cni:n", owner: { engine: "cni", id: "n" }, foreignAddresses: true };
  assertEquals(rules({ ...foreign, subnets: [], probe: "gateway" } as EngineNetworkSpec), [
    "probe: the network knows no gateway of its subnets",
  ]);
  const optimistic = { dad: "optimistic", subnets: [V4, V6] } as const;
  assertEquals(rules(optimistic, true), []);
  assertEquals(rules(optimistic), ["dad: this kernel cannot do it; choose on"]);
  assertEquals(rules({ dad: "optimistic" }, true), [
    "dad: it is for IPv6, and no IPv6 subnet is given",
  ]);
});

const DUAL = network("n", {
  subnets: [
    { subnet: V4!, gateway: "10.0.0.1", auxAddresses: {} },
    { subnet: V6!, gateway: "fd00::1", auxAddresses: {} },
  ],
});

/** The settings and the lines that make an endpoint in its sandbox, and what is asked before. */
function steps(options: Partial<Network>, handOver?: true) {
  const own = { ...DUAL, ...options };
  const endpoint = endpointRecord("c", own, { ip: "10.0.0.2", ip6: "fd00::2", handOver });
  const made = endpointSteps(own, endpoint, "none");
  return {
    asked: askSteps([{ network: own, endpoint }]).map(({ line }) => line),
    settings: made.flatMap(({ settings = [] }) => settings.map((each) => each.split("/").at(-1))),
    lines: made.map(({ line }) => line).filter((line) => /addr|token|neigh/.test(line)),
    awaited: made.filter(({ awaits }) => awaits).map(({ line }) => line.split(" ").slice(0, 2)),
  };
}

Deno.test("each option has its settings before the link comes up, and its lines", () => {
  const addrs = (flag = "") => [
    "addr add 10.0.0.2/24 dev eth0",
    `addr add fd00::2/64 dev eth0${flag}`,
  ];
  const usual = ["arp_notify=1", "ndisc_notify=1"];
  const plain = { asked: [], settings: usual, lines: addrs(" nodad"), awaited: [] };
  assertEquals(steps({}), plain);
  assertEquals(steps({ dad: "off" }), plain);
  assertEquals(steps({ ipv6Mode: "static" }), { ...plain, settings: ["accept_ra=0", ...usual] });
  const token = interfaceToken(endpointRecord("c", DUAL, {}));
  assertEquals(steps({ ipv6Mode: "slaac" }), {
    ...plain,
    settings: ["disable_ipv6=0", "accept_ra=2", ...usual],
    lines: [...addrs(" nodad"), `token set ${token} dev eth0`],
  });
  const asked = (address: string) => [
    `neigh flush to ${address} dev eth0`,
    `neigh add ${address} dev eth0 nud none use`,
    `neigh flush to ${address} dev eth0`,
  ];
  assertEquals(steps({ dad: "on" }), {
    asked: asked("10.0.0.2"),
    settings: ["accept_dad=1", "dad_transmits=1", ...usual],
    lines: addrs(),
    awaited: [["link", "set"]],
  });
  assertEquals(steps({ dad: "optimistic" }), {
    ...plain,
    settings: ["optimistic_dad=1", ...usual],
    lines: addrs(" optimistic"),
  });
  const gateways = ["10.0.0.1", "fd00::1"]
    .map((address) => `neigh replace ${address} dev eth0 nud none use`);
  assertEquals(steps({ probe: "gateway" }), {
    ...plain,
    lines: [...addrs(" nodad"), ...gateways],
    awaited: [["neigh", "replace"], ["neigh", "replace"]],
  });
  // Docker takes the link away, so all is asked before.
  assertEquals(steps({ dad: "on", probe: "gateway" }, true).asked, [
    ...["10.0.0.2", "fd00::2", "10.0.0.1", "fd00::1"].map((each) => asked(each)[0]!),
    ...["10.0.0.2", "fd00::2", "10.0.0.1", "fd00::1"].map((each) => asked(each)[1]!),
    ...["10.0.0.2", "fd00::2", "10.0.0.1", "fd00::1"].map((each) => asked(each)[2]!),
  ]);
});

Deno.test("the last half of an address by SLAAC comes from the id, and is never an IPv4-mapped one", () => {
  assertEquals(interfaceToken({ id: "e1e2e3e4e5e6" }), "::1:e1e2:e3e4:e5e6");
  assertEquals(interfaceToken({ id: "ffff01020304" }), "::1:ffff:102:304");
  assertEquals(endAlike("2001:db8::1:e1e2:e3e4:e5e6", "::1:e1e2:e3e4:e5e6"), true);
  assertEquals(endAlike("2001:db8::e1e2:e3e4:e5e6", "::1:e1e2:e3e4:e5e6"), false);
});
