import { assertEquals } from "@std/assert";
import { linkAddresses, linkIndex } from "../../../../lib/driver/endpoint/decide.ts";
import type { SeenNamespace } from "../../../../lib/driver/model/facts.ts";
import { endpointRepair } from "../../../../lib/driver/restore/repair.ts";
import { type Link, linkDel } from "../../../../lib/iproute2/link.ts";
import { addr, endpoint, endpointRecord, link, LO, network, route } from "../../../kit/values.ts";

const NET = network("n", {
  subnets: [
    { subnet: "10.0.0.0/24", gateway: "10.0.0.1", auxAddresses: {} },
    { subnet: "fd00::/64", gateway: "fd00::1", auxAddresses: {} },
  ],
});
const RECORD = endpointRecord("c", NET, { ip: "10.0.0.2", ip6: "fd00::2" });
const PARENT = link("eth0", { index: 7 });

/** A sandbox that has everything, but for the given changes of its link. */
function whole(changes: Partial<Link> = {}): SeenNamespace {
  return {
    links: [LO, endpoint("eth0", "n", { linkIndex: 7, ...changes })],
    addrs: linkAddresses(NET, RECORD).map(({ address }) => addr("eth0", address)),
    routes: [
      route("eth0", "default", "10.0.0.1"),
      { ...route("eth0", "default", "fd00::1"), metric: 1024 },
    ],
  };
}

function repair(seen: SeenNamespace | undefined) {
  const { state, remove, make } = endpointRepair(NET, RECORD, {
    seen,
    parent: PARENT,
    siblings: "none",
  });
  const lines = [...remove, ...make].map(({ line }) => line);
  return { state, lines };
}

Deno.test("an endpoint of which the kernel has everything is up, and stays as it is", () => {
  assertEquals(repair(whole()), { state: "up", lines: [] });
  const more = whole();
  const added = {
    ...more,
    addrs: [...more.addrs, addr("eth0", "10.0.0.99/24")],
    routes: [...more.routes, route("eth0", "10.9.0.0/16", "10.0.0.1")],
  };
  assertEquals(repair(added), { state: "up", lines: [] });
});

Deno.test("each address and each route is compared", () => {
  const seen = whole();
  const [ip, ip6] = seen.addrs;
  const [, way6] = seen.routes;
  assertEquals(repair({ ...seen, addrs: [ip!], routes: [way6!] }), {
    state: "changed",
    lines: [
      "addr add fd00::2/64 dev eth0 nodad",
      "route replace default via 10.0.0.1 dev eth0",
    ],
  });
  assertEquals(repair({ ...seen, addrs: [{ ...ip!, prefixLength: 32 }, ip6!] }).lines, [
    "addr del 10.0.0.2/32 dev eth0",
    "addr add 10.0.0.2/24 dev eth0",
  ]);
  const worse = seen.routes.map((each) => ({ ...each, metric: 2000 }));
  assertEquals(repair({ ...seen, routes: worse }).lines, [
    "route replace default via 10.0.0.1 dev eth0",
    "route replace ::/0 via fd00::1 dev eth0",
  ]);
});

Deno.test("the options of a link are repaired in place", () => {
  const info = { type: "ipvlan", mode: "l3", flag: "vepa" } as const;
  const set = `link set dev if${
    String(linkIndex(RECORD)).padStart(24, "0")
  } type ipvlan mode l2 bridge`;
  assertEquals(repair(whole({ index: linkIndex(RECORD), info })).lines, [set]);
  // Of a link that was handed over, nothing else is changed, whatever root there has called it.
  const { links } = whole({ index: linkIndex(RECORD), name: "$(x)", info, up: false });
  const seen = { links, addrs: [], routes: [] };
  const handedOver = { ...RECORD, handOver: true as const };
  const { state, changes, make } = endpointRepair(NET, handedOver, { seen, siblings: "none" });
  assertEquals([state, make.map(({ line }) => line)], ["changed", [set]]);
  assertEquals(changes, [
    "The mode of the link $(x) is l3 instead of l2",
    "The flag of the link $(x) is vepa instead of bridge",
  ]);
  assertEquals(repair(whole({ group: "default" })).lines, ["link set dev eth0 group 6910070"]);
  assertEquals(repair(whole({ up: false })), {
    state: "changed",
    lines: [
      "link set dev eth0 up",
      "addr add fd00::2/64 dev eth0 nodad",
      "route replace default via 10.0.0.1 dev eth0",
      "route replace ::/0 via fd00::1 dev eth0",
    ],
  });
});

Deno.test("a link with another name or another parent is made anew", () => {
  for (const changes of [{ name: "x" }, { linkIndex: 8 }]) {
    const { state, lines } = repair(whole(changes));
    assertEquals([state, lines[0]], ["missing", linkDel({ index: 2 })]);
    assertEquals(lines.at(-1), 'link set dev eth0 alias "ipvlan-kit n"');
  }
});

Deno.test("an endpoint without a link or a namespace is missing, and another's link stays", () => {
  const theirs = { ...whole(), links: [LO, link("eth0")] };
  for (const seen of [undefined, theirs]) {
    const { state, lines } = repair(seen);
    assertEquals(state, "missing");
    assertEquals(lines.filter((line) => line.startsWith("link del")), []);
  }
});
