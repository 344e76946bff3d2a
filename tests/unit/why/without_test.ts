import { assertEquals } from "@std/assert";
import { type Node, why, type WhyView, without, World } from "../../../lib/why/mod.ts";
import { link, node, twoSandboxes } from "./views.ts";

function ask(view: WhyView, from: string, dst: string): string {
  const world = new World(view);
  const { verdict, there, back } = why(
    world,
    world.nodes.find(({ netns }) => netns === from)!,
    { dst },
  );
  return `${verdict} ${[...there, ...back].at(-1)!.code}`;
}

Deno.test("a link that is set down has no routes, and nobody reaches it", () => {
  const view = twoSandboxes("l2", "bridge");
  const before = structuredClone(view);
  const after = without(view, { netns: "c2", dev: "eth0" }, "7.2.7")!;
  assertEquals(view, before);
  assertEquals(ask(view, "c1", "192.168.1.3"), "yes accepted");
  assertEquals(ask(after, "c1", "192.168.1.3"), "no link-down");
  assertEquals(ask(after, "c2", "192.168.1.2"), "no no-route");
  // IPv4 keeps the address.
  assertEquals(ask(after, "c2", "192.168.1.3"), "yes own-address");
});

Deno.test("what becomes of siblings without their parent depends on the kernel", () => {
  const end = (release: string) =>
    ask(without(twoSandboxes("l2", "bridge"), { dev: "eth0" }, release)!, "c1", "192.168.1.3");
  assertEquals(["5.19.0", "6.9.12"].map(end), ["yes accepted", "yes accepted"]);
  assertEquals(["6.10.0-rc1", "7.2.7"].map(end), ["no no-carrier", "no no-carrier"]);
});

/** A switch with a cable to a router that has a VLAN, on which a sandbox stands. */
function cable(): WhyView {
  const veth = (peer: number) =>
    ({ info: { type: "veth" }, linkIndex: peer, linkNetnsid: 0 }) as const;
  const bridge = link(3, "br0", { info: { type: "bridge" } as never });
  const port = link(4, "p", { ...veth(14), master: "br0", masterKind: "bridge" });
  const eth0 = link(14, "eth0", { ...veth(4), address: "02:00:00:00:00:02" });
  const vlan = link(15, "eth0.20", {
    ...{ linkIndex: 14, address: "02:00:00:00:00:02" },
    info: { type: "vlan", id: 20, protocol: "802.1Q" } as never,
  });
  const info = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const own = link(20, "eth0", {
    linkIndex: 15,
    linkNetnsid: 1,
    address: "02:00:00:00:00:02",
    info,
  });
  return {
    host: node(undefined, []),
    others: [
      node("sw", [[bridge, "10.0.0.9"], [port]]),
      node("r", [[eth0, "10.0.0.1", "fd00::1/64"], [vlan, "10.20.0.1"]]),
      node("c", [[own, "10.20.0.2"]]),
    ],
    closed: [],
  };
}

const linksOf = ({ others }: WhyView) =>
  others.map(({ netns, links }: Node) =>
    `${netns}: ${links.map(({ name, flags }) => [name, ...flags].join(" ")).join(", ")}`
  );

Deno.test("a link takes what stands on it down, and the other end of its cable has no carrier", () => {
  const end = (netns: string, dev?: string) => linksOf(without(cable(), { netns, dev }, "7.2.7")!);
  assertEquals(end("r", "eth0"), ["sw: br0 UP, p UP", "r: eth0, eth0.20", "c: eth0 UP"]);
  assertEquals(end("sw", "p"), ["sw: br0 UP, p", "r: eth0 UP, eth0.20 UP", "c: eth0 UP"]);
  const { others } = without(cable(), { netns: "r", dev: "eth0" }, "7.2.7")!;
  assertEquals(others[1]!.addrs.map(({ address }) => address), ["10.0.0.1", "10.20.0.1"]);
  assertEquals(others[1]!.routes.map(({ type, dst }) => `${type} ${dst}`), [
    "local 10.0.0.1",
    "local 10.20.0.1",
  ]);
});

Deno.test("with a namespace, its cables and all that stands on its links are gone", () => {
  const after = without(cable(), { netns: "r" }, "7.2.7")!;
  assertEquals(linksOf(after), ["sw: br0 UP", "c: "]);
  assertEquals(after.others[1]!.routes, []);
});
