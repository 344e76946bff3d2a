// How a switch with VLANs is shown to the model, and what the model says then.
import { assertEquals } from "@std/assert";
import { type Node, nodeOf, why, type WhyView, World } from "../../../lib/why/mod.ts";
import {
  type PortVlans,
  switchesIn,
  withPlainSwitch,
} from "../../../scenarios/kit/machines/plain_switch.ts";

type Link = Node["links"][number];

function link(index: number, name: string, more: Partial<Link>): Link {
  const mac = `02:00:00:00:00:${index.toString(16).padStart(2, "0")}`;
  const flags = ["UP", "LOWER_UP"];
  return { index, name, flags, up: true, mtu: 1500, address: mac, ...more } as Link;
}

/** A namespace with an IPv4 address on one of its links. */
function node(netns: string | undefined, links: Link[], dev?: string, address?: string): Node {
  const common = { family: 4, dev, nexthops: [], flags: [] };
  const addr = { dev, address, prefixLength: 24, family: 4, flags: [], scope: "global" };
  const rule = { family: 4, not: false, action: "lookup", others: {} };
  return {
    netns,
    links,
    addrs: address === undefined ? [] : [addr],
    routes: address === undefined ? [] : [
      { ...common, table: "local", type: "local", dst: address },
      { ...common, table: "main", type: "unicast", dst: "10.0.0.0/24" },
    ],
    rules: [
      { ...rule, priority: 0, table: "local" },
      { ...rule, priority: 32766, table: "main" },
    ],
    neighs: [],
    sysctls: {},
  } as unknown as Node;
}

/** A PC on an access port of VLAN 20, and a host with eth0.20 and eth0.30 on a trunk port. */
function lan(dev: string): WhyView {
  const veth = (other: number) => ({
    info: { type: "veth" } as const,
    linkIndex: other,
    linkNetnsid: 0,
  });
  const port = (index: number, name: string, other: number) =>
    link(index, name, { ...veth(other), master: "br0", masterKind: "bridge" });
  const vlan = (index: number, id: number) =>
    link(index, `eth0.${id}`, {
      linkIndex: 22,
      link: "eth0",
      info: { type: "vlan", id } as Link["info"],
    });
  const bridge = { type: "bridge", vlanFiltering: true } as Link["info"];
  return {
    host: node(undefined, []),
    others: [
      node("host", [link(22, "eth0", veth(12)), vlan(23, 20), vlan(24, 30)], dev, "10.0.0.2"),
      node("pc", [link(21, "eth0", veth(11))], "eth0", "10.0.0.1"),
      node("switch", [
        link(10, "br0", { info: bridge }),
        port(11, "to-pc", 21),
        port(12, "to-host", 22),
      ]),
    ],
    closed: [],
  };
}

const VLANS: PortVlans = new Map([
  ["to-pc", [{ id: 20, pvid: true }]],
  ["to-host", [{ id: 1, pvid: true }, { id: 20, pvid: false }]],
]);

function ask(view: WhyView): string {
  return why(new World(view), nodeOf(view, "pc")!, { dst: "10.0.0.2" }).verdict;
}

Deno.test("the model reads no VLANs of ports, but follows frames through a switch shown as plain", () => {
  const view = lan("eth0.20");
  assertEquals(switchesIn(view), [{ netns: "switch", ports: ["to-pc", "to-host"] }]);
  assertEquals(ask(view), "unknown");
  assertEquals(ask(withPlainSwitch(view, "switch", VLANS)), "yes");
  assertEquals(ask(view), "unknown");
});

Deno.test("a switch passes no frame to another VLAN, and none of a VLAN that the port is not in", () => {
  // eth0.30 is not carried, and untagged frames on the trunk are of VLAN 1.
  for (const dev of ["eth0.30", "eth0"]) {
    assertEquals([dev, ask(withPlainSwitch(lan(dev), "switch", VLANS))], [dev, "no"]);
  }
  const carried = new Map([...VLANS, ["to-host", [{ id: 30, pvid: false }]] as const]);
  assertEquals(ask(withPlainSwitch(lan("eth0.20"), "switch", carried)), "no");
  assertEquals(ask(withPlainSwitch(lan("eth0.30"), "switch", carried)), "no");
});
