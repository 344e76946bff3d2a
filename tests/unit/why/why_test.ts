import { assertEquals } from "@std/assert";
import { findFix, stepText, why, type WhyView, World } from "../../../lib/why/mod.ts";
import { findRoute, sourceFor } from "../../../lib/why/route.ts";
import { RULES } from "../../../lib/why/rules.ts";
import { readIptables } from "../../../lib/why/ruleset.ts";
import { readPage } from "../../kit/pages.ts";
import { type Link, link, node, RULE, twoSandboxes } from "./views.ts";

function ask(view: WhyView, from: string | undefined, dst: string) {
  const world = new World(view);
  const answer = why(world, world.nodes.find(({ netns }) => netns === from)!, { dst });
  return { ...answer, end: [...answer.there, ...answer.back].at(-1)!.code };
}

Deno.test("the mode and the flag of a parent decide who reaches whom", () => {
  const ends = (mode: "l2" | "l3" | "l3s", flag: "bridge" | "private" | "vepa") => {
    const view = twoSandboxes(mode, flag);
    const pairs = [["c1", "192.168.1.3"], ["c1", "192.168.1.250"], [
      undefined,
      "192.168.1.2",
    ]] as const;
    return pairs.map(([from, dst]) => {
      const { verdict, end } = ask(view, from, dst);
      return verdict === "yes" ? verdict : `${verdict} ${end}`;
    });
  };
  assertEquals(ends("l2", "bridge"), ["yes", "no host-apart", "no host-apart"]);
  assertEquals(ends("l2", "private"), ["no private", "no host-apart", "no host-apart"]);
  assertEquals(ends("l2", "vepa"), ["leaves wire", "no host-apart", "no host-apart"]);
  assertEquals(ends("l3", "bridge"), ["yes", "no host-apart", "no host-apart"]);
  assertEquals(ends("l3", "private"), ["no private", "no host-apart", "no host-apart"]);
  assertEquals(ends("l3s", "bridge"), ["yes", "no host-apart", "no host-apart"]);
});

Deno.test("an address that nobody in view has is on the wire of the parent", () => {
  for (const mode of ["l2", "l3", "l3s"] as const) {
    const { verdict, end } = ask(twoSandboxes(mode, "bridge"), "c1", "192.168.1.9");
    assertEquals([verdict, end], ["leaves", "wire"]);
  }
});

Deno.test("what is not part of the model is named, and no verdict is given", () => {
  const view = twoSandboxes("l2", "bridge");
  view.others[0]!.rules[1]!.others = { ipproto: "tcp" };
  const { verdict, there } = ask(view, "c1", "192.168.1.3");
  assertEquals([verdict, there.at(-1)], [
    "unknown",
    { code: "unknown", netns: "c1", about: "rule 32766 looks at more" },
  ]);
});

Deno.test("an answer of IPv6 leaves by the link that was asked, if two routes are equal", () => {
  const route = (dev: string) => ({ family: 6 as const, dst: "fd00::/64", dev, metric: 256 });
  const both = node("c1", [[link(7, "eth0")], [link(8, "eth1")]], [route("eth0"), route("eth1")]);
  both.rules.push({ ...RULE, family: 6, priority: 32766, table: "main" });
  const dev = (preferred?: string) => findRoute(both, { dst: "fd00::9", preferred }).route?.dev;
  assertEquals([dev(), dev("eth0"), dev("eth1"), dev("lo")], ["eth0", "eth0", "eth1", "eth0"]);
});

Deno.test("a frame that comes in by a part of a bond is not followed", () => {
  const veth = (index: number, linkIndex: number, more: Partial<Link> = {}) =>
    link(index, `eth${index}`, { info: { type: "veth" }, linkIndex, linkNetnsid: 0, ...more });
  const view = (more: Partial<Link>): WhyView => ({
    host: node(undefined, [[veth(2, 3), "192.168.1.1"]]),
    others: [node("c1", [[veth(3, 2, more), "192.168.1.2"], [link(9, "bond0")]])],
    closed: [],
  });
  const end = (more: Partial<Link>) => ask(view(more), undefined, "192.168.1.2");
  assertEquals(end({}).verdict, "yes");
  const { verdict, there } = end({ master: "bond0", masterKind: "bond" });
  assertEquals([verdict, there.at(-1)!.about], ["unknown", "it is a part of a bond"]);
});

Deno.test("a namespace answers as a proxy if it forwards, and IPv4 only for what is by another link", () => {
  const veth = (index: number, linkIndex: number) =>
    link(index, `eth${index}`, { info: { type: "veth" }, linkIndex, linkNetnsid: 0 });
  const end = (how: "entry" | "setting" | "none", forwarding = 1, dev = "eth4") => {
    const proxy = node("c1", [[veth(3, 2), "192.168.1.2"], [veth(4, 5)]], [
      { dst: "192.168.1.9", dev },
    ], {
      "net/ipv4/conf/eth3/forwarding": forwarding,
      ...how === "setting" && { "net/ipv4/conf/all/proxy_arp": 1 },
    });
    const entry = { dst: "192.168.1.9", dev: "eth3", state: "NONE", proxy: true } as const;
    if (how === "entry") proxy.neighs.push(entry);
    const others = [
      proxy,
      node("c2", [[veth(5, 4), "192.168.1.9"]], [
        { dst: "192.168.1.1", dev: "eth5", via: "192.168.1.2" },
      ]),
    ];
    const view = { host: node(undefined, [[veth(2, 3), "192.168.1.1"]]), others, closed: [] };
    return ask(view, undefined, "192.168.1.9").there.map(({ code }) => code);
  };
  assertEquals(end("entry").slice(0, 3), ["route", "neighbour", "forwarded"]);
  assertEquals(end("setting").slice(0, 3), ["route", "neighbour", "forwarded"]);
  const silent = ["route", "no-answer"];
  assertEquals([end("none"), end("entry", 0), end("entry", 1, "eth3")], [silent, silent, silent]);
});

/** A namespace in the middle that forwards, between the host and the sandbox c2. */
function routed(middle: Partial<Link>, far: Partial<Link> = {}): WhyView {
  const veth = (index: number, linkIndex: number, more: Partial<Link> = {}) => {
    const address = `02:00:00:00:00:0${index}`;
    return link(index, `eth${index}`, {
      ...{ info: { type: "veth" }, linkIndex, linkNetnsid: 0, address, ...more },
    });
  };
  const forwards = Object.fromEntries(
    ["eth3", "eth4"].map((dev) => [`net/ipv4/conf/${dev}/forwarding`, 1]),
  );
  const near = { dst: "10.1.0.2", dev: "eth2", via: "10.0.0.2" };
  const back = { dst: "10.0.0.1", dev: "eth5", via: "10.1.0.1" };
  return {
    host: node(undefined, [[veth(2, 3), "10.0.0.1"]], [near]),
    others: [
      node("c1", [[veth(3, 2), "10.0.0.2"], [veth(4, 5, middle), "10.1.0.1"]], [], forwards),
      node("c2", [[veth(5, 4, far), "10.1.0.2"]], [back]),
    ],
    closed: [],
  };
}

Deno.test("a packet that is too large ends where a link is too small for it, a reply is cut there", () => {
  const end = (size: number, middle: number, far = 1500) => {
    const view = routed({ mtu: middle }, { mtu: far });
    const world = new World(view);
    const flow = { dst: "10.1.0.2", size };
    const answer = why(world, view.host, flow);
    const { code, netns, link, about } = [...answer.there, ...answer.back].at(-1)!;
    if (answer.verdict === "yes") return "yes";
    return [code, netns, link, about, findFix(view, undefined, flow, answer)];
  };
  assertEquals(end(1500, 1500), "yes");
  // One command does not help: c1's other link and that of c2 are too small, too.
  assertEquals(end(1600, 1600), ["too-big", undefined, "eth2", "1500", undefined]);
  assertEquals(end(1500, 1499), [
    "too-big",
    "c1",
    "eth4",
    "1499",
    "ip -n c1 link set eth4 mtu 1500",
  ]);
  // The other end of a wire keeps its MTU.
  assertEquals(end(1500, 1495, 1495), ["too-big", "c1", "eth4", "1495", undefined]);
  // The receiver's link takes four bytes more. It cuts the reply.
  assertEquals(end(1500, 1500, 1496), "yes");
  assertEquals(end(1500, 1500, 1495), [
    "too-big",
    "c2",
    "eth5",
    "1495",
    "ip -n c2 link set eth5 mtu 1500",
  ]);
});

Deno.test("where two machines have one address, no verdict is given, and one of them may go", () => {
  const view = twoSandboxes("l2", "bridge");
  const info = { type: "veth" } as const;
  const address = "02:00:00:00:00:02";
  const lan = link(9, "eth0", { info, linkIndex: 2, linkNetnsid: 1, address });
  Object.assign(view.host.links[0]!, { info, linkIndex: 9, linkNetnsid: 1 });
  view.others.push(node("lan", [[lan, "192.168.1.3"]]));
  const { verdict, ...answer } = ask(view, "c1", "192.168.1.3");
  assertEquals([verdict, ...answer.there.slice(1).map(stepText)], [
    "unknown",
    "c1 eth0: learns that 192.168.1.3 is at 02:00:00:00:00:01, eth0 of c2",
    "c1 eth0: learns that 192.168.1.3 is at 02:00:00:00:00:02, eth0 of lan",
    "c1 eth0: several answer for 192.168.1.3",
  ]);
  const fix = findFix(view, "c1", { dst: "192.168.1.3" }, { verdict, ...answer });
  assertEquals(fix, "ip -n lan addr del 192.168.1.3/24 dev eth0");
});

Deno.test("what a sandbox of an L3 mode sends to its host passes the host's lo", () => {
  const view = twoSandboxes("l3s", "bridge");
  const end = () => ask(view, "c1", "192.168.1.250").there.at(-1)!;
  assertEquals(end().code, "accepted");
  view.host.links.push(link(1, "lo", { up: false, flags: [] }));
  assertEquals(end(), { code: "link-down", netns: undefined, link: "lo", about: undefined });
});

Deno.test("a command is offered only if the packet arrives with it", () => {
  const view = twoSandboxes("l2", "private");
  const flow = { dst: "192.168.1.3" };
  const fix = () => {
    const world = new World(view);
    return findFix(view, "c1", flow, why(world, world.nodes[1]!, flow));
  };
  assertEquals(fix(), "ip -n c1 link set eth0 type ipvlan mode l2 bridge");
  // It would not help alone.
  view.others[1]!.sysctls["net/ipv4/icmp_echo_ignore_all"] = 1;
  assertEquals(fix(), undefined);
});

Deno.test("a VLAN goes up with its parent, so the command names the parent", () => {
  const eth0 = link(2, "eth0", { up: false, flags: [] });
  const vlan = link(3, "eth0.20", {
    ...{ linkIndex: 2, up: false, flags: [] },
    info: { type: "vlan", id: 20, protocol: "802.1Q" } as Link["info"],
  });
  const above = (index: number) =>
    link(index, "eth0", {
      ...{ linkIndex: 3, linkNetnsid: 0, flags: ["UP"] },
      info: { type: "ipvlan", mode: "l2", flag: "bridge" },
    });
  const others = [node("c1", [[above(4), "192.168.1.2"]]), node("c2", [[above(5), "192.168.1.3"]])];
  const view = { host: node(undefined, [[eth0], [vlan]]), others, closed: [] };
  const flow = { dst: "192.168.1.3" };
  const fix = findFix(view, "c1", flow, why(new World(view), others[0]!, flow));
  assertEquals(fix, "ip link set eth0 up");
});

Deno.test("what leaves by lo for another machine ends there", () => {
  const host = node(undefined, [[link(1, "lo")], [link(2, "eth0"), "192.168.1.1"]], [
    { dst: "192.168.1.9", dev: "lo" },
  ]);
  const { verdict, there } = ask({ host, others: [], closed: [] }, undefined, "192.168.1.9");
  assertEquals([verdict, there.map(({ code }) => code)], ["no", ["dead-end"]]);
});

Deno.test("routes: the longest prefix, then the lowest metric, then the next rule", () => {
  const eth0 = link(2, "eth0");
  const routes = [
    { via: "10.0.0.1", dev: "eth0", metric: 20 },
    { via: "10.0.0.2", dev: "eth0", metric: 10 },
    { dst: "10.9.0.0/16", type: "throw" as const },
    { dst: "10.8.0.0/16", via: "10.0.0.3", dev: "eth0" },
  ];
  const at = node("c1", [[eth0, "10.0.0.5"]], routes);
  const via = (dst: string) => findRoute(at, { dst }).route?.via;
  assertEquals([via("192.0.2.1"), via("10.8.0.1"), via("10.9.0.1")], [
    "10.0.0.2",
    "10.0.0.3",
    undefined,
  ]);
  assertEquals(findRoute(at, { dst: "10.0.0.5" }).route?.type, "local");
  assertEquals(findRoute({ ...at, links: [{ ...eth0, up: false }] }, { dst: "192.0.2.1" }), {});
  const route = findRoute(at, { dst: "192.0.2.1" }).route!;
  assertEquals(sourceFor(at, route, "192.0.2.1"), "10.0.0.5");
  assertEquals(sourceFor(at, { ...route, src: "10.0.0.9" }, "192.0.2.1"), "10.0.0.9");
});

Deno.test("a step in words says where, and what it is about", () => {
  const { there } = ask(twoSandboxes("l2", "bridge"), "c1", "192.168.1.250");
  assertEquals(there.map(stepText), [
    "c1 eth0: takes the route 192.168.1.2/24 dev eth0",
    "c1 eth0: a host and the sandboxes on its parent never hear each other's questions, " +
    "here for 192.168.1.250",
  ]);
});

Deno.test("the page has each rule with its code, its words and its source", () => {
  const rows = readPage("docs/why.md").split("\n").filter((line) => /^\| `/.test(line))
    .map((line) => line.split("|").slice(1, 4).map((cell) => cell.trim()));
  const rules = Object.entries(RULES).map(([code, { says, source }]) => [
    `\`${code}\``,
    says.replace("{}", "…"),
    source.replace(/^-$/, ""),
  ]);
  assertEquals(rows, rules);
});

Deno.test("in L3S, packets from outside pass the host's INPUT, and in L2 none of its hooks", () => {
  const end = (mode: "l2" | "l3s", netns: string | undefined, hook: string) => {
    const view = twoSandboxes(mode, "bridge");
    // The machine of the LAN is at the other end of the host's link.
    const info = { type: "veth" } as const;
    const lan = link(9, "eth0", {
      info,
      linkIndex: 2,
      linkNetnsid: 1,
      address: "02:00:00:00:00:02",
    });
    Object.assign(view.host.links[0]!, { info, linkIndex: 9, linkNetnsid: 1 });
    view.others.push(node("lan", [[lan, "192.168.1.9"]]));
    const text = `*filter\n:${hook} DROP [0:0]\nCOMMIT\n`;
    const at = netns === undefined ? view.host : view.others.find((each) => each.netns === netns)!;
    at.firewall = readIptables(text, 4);
    if (mode === "l3s") {
      view.others[0]!.links[0]!.flags.push("NOARP");
      const via = { dst: "192.168.1.2", via: "192.168.1.250", dev: "eth0" };
      view.others[2]!.routes.unshift({ ...view.others[2]!.routes[1]!, ...via });
    }
    const { verdict, end } = ask(view, "lan", "192.168.1.2");
    return verdict === "yes" ? verdict : end;
  };
  assertEquals(["INPUT", "OUTPUT", "FORWARD"].map((hook) => end("l3s", undefined, hook)), [
    "firewall",
    "firewall",
    "yes",
  ]);
  assertEquals(["INPUT", "OUTPUT"].map((hook) => end("l3s", "c1", hook)), ["yes", "firewall"]);
  assertEquals(["INPUT", "OUTPUT"].map((hook) => end("l2", undefined, hook)), ["yes", "yes"]);
  assertEquals(["INPUT", "OUTPUT"].map((hook) => end("l2", "c1", hook)), ["firewall", "firewall"]);
});
