import { assertEquals } from "@std/assert";
import type { Link } from "../../../lib/iproute2/link_types.ts";
import { buildWorld, countOf, WANTED } from "../../../lib/graph/world.ts";
import {
  addr,
  endpoint,
  fiveVlans,
  link,
  network,
  on,
  route,
  sandbox,
  view,
  vlanInfo,
} from "../../kit/values.ts";

Deno.test("only links that lead to a network are shown, the lowest with those on it", () => {
  const seen = view([
    link("lo"),
    link("eth0"),
    link("eth1"),
    link("eth0.20", { info: vlanInfo(20), link: "eth0", up: false }),
    link("eth0.30", { info: vlanInfo(30), link: "eth0" }),
  ], [sandbox("c1", "eth0.20", "web", ["10.0.0.2/24"])]);
  const { links, absent } = buildWorld(seen, [network("gone", { parent: "eth9", subnets: [] })]);
  assertEquals(links.map(({ name }) => name), ["eth0"]);
  assertEquals(links[0]!.networks, []);
  assertEquals(links[0]!.subInterfaces.map(({ name, kind, state }) => [name, kind, state]), [
    ["eth0.20", "VLAN 20", "down"],
  ]);
  assertEquals(absent, [{ network: "gone", parent: "eth9" }]);
});

Deno.test("the picture shows the kernel, not the store", () => {
  const info = { type: "ipvlan", mode: "l3", flag: "vepa" } as const;
  const c1 = sandbox("c1", "eth0", "web", ["10.0.0.2/24"], [route("eth0", "default")]);
  c1.links = [endpoint("eth0", "web", { info, up: false })];
  const { links } = buildWorld(view([link("eth0")], [c1]), [
    network("web", { parent: "eth0", subnets: [{ subnet: "10.0.0.0/16", auxAddresses: {} }] }),
    network("empty", { parent: "eth0", mode: "l3s", subnets: [] }),
  ]);
  assertEquals(links[0]!.networks, [
    {
      ...{ name: "web", mode: "l3", flag: "vepa", subnets: ["10.0.0.0/16"] },
      routes: ["default on the link"],
      endpoints: [{
        ...{ sandbox: "c1", ifname: "eth0", up: false },
        ...{ addresses: ["10.0.0.2/24"], routes: ["default on the link"] },
      }],
    },
    {
      ...{ name: "empty", mode: "l3s", flag: "bridge", subnets: [], routes: [], endpoints: [] },
    },
  ]);
});

Deno.test("ipvlan links that others made are shown as such, also those of the host itself", () => {
  const info = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const foreign = link("ipvl0", { info, ...on("eth0"), alias: "ipvlan-kit forged" });
  const host = { addrs: [addr("ipvl0", "10.0.0.9/24"), addr("ipvl0", "fe80::1/64", "link")] };
  const { links } = buildWorld(view([link("eth0"), foreign], [], host), []);
  assertEquals(links[0]!.networks, [{
    ...{ mode: "l2", flag: "bridge", subnets: ["10.0.0.0/24"], routes: [] },
    endpoints: [{ ifname: "ipvl0", up: true, addresses: ["10.0.0.9/24"], routes: [] }],
  }]);
});

Deno.test("routes that the kernel makes are left out, and the common ones are the network's", () => {
  const ways = (via: string) => [
    route("eth0", "default", via),
    { ...route("eth0", "10.0.0.0/24"), protocol: "kernel" },
    { ...route("eth0", "ff00::/8"), type: "multicast" as const },
    route("eth1", "10.9.0.0/24", "10.9.9.9"),
  ];
  const seen = view([link("eth0")], [
    sandbox("c10", "eth0", "web", [], ways("10.0.0.1")),
    sandbox("c2", "eth0", "web", [], ways("10.0.0.99")),
    sandbox("c1", "eth0", "web", [], ways("10.0.0.1")),
  ]);
  const [web] = buildWorld(seen, []).links[0]!.networks;
  assertEquals(web!.routes, ["default via 10.0.0.1"]);
  assertEquals(web!.endpoints.map(({ sandbox, routes }) => [sandbox, ...routes]), [
    ["c1", "default via 10.0.0.1"],
    ["c2", "default via 10.0.0.99"],
    ["c10", "default via 10.0.0.1"],
  ]);
});

Deno.test("a route with several next hops is shown at each link that it leaves by", () => {
  const hop = (via: string, dev: string) => ({ via, dev, weight: 1, flags: [] });
  const several = {
    ...route("", "default"),
    dev: undefined,
    nexthops: [hop("10.0.0.1", "eth0"), hop("10.0.0.3", "eth0"), hop("10.9.0.1", "eth1")],
  };
  const seen = view([link("eth0")], [sandbox("c1", "eth0", "web", [], [several])]);
  const [web] = buildWorld(seen, []).links[0]!.networks;
  assertEquals(web!.routes, ["default via 10.0.0.1", "default via 10.0.0.3"]);
});

Deno.test("an ipvlan link is drawn only where its parent is a link of the host", () => {
  const others: Partial<Link>[] = [
    { linkNetnsid: undefined },
    { linkIndex: undefined },
    { address: "02:00:00:00:00:07" },
    { info: { type: "other", kind: "macvlan" } },
  ];
  for (const other of others) {
    const links = [endpoint("eth0", "web", other)];
    const lost = { ...sandbox("c1", "eth0", "web", []), links };
    assertEquals(buildWorld(view([link("eth0")], [lost]), []).links, []);
  }
  const info = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const own = link("ipvl0", { info, ...on("eth0"), linkNetnsid: 3 });
  assertEquals(buildWorld(view([link("eth0"), own]), []).links, []);
  const twin = view([link("eth0", { info })], [sandbox("c1", "eth0", "web", [])]);
  assertEquals(buildWorld(twin, []).links, []);
});

Deno.test("a link that is no ipvlan link, or whose parent is unknown, is not drawn as one", () => {
  const info = { type: "ipvlan", mode: "l2", flag: "bridge" } as const;
  const links = [link("eth0"), link("ipvl0", { info }), link("veth0", on("eth0"))];
  assertEquals(buildWorld(view(links), []).links, []);
});

Deno.test("a name that somebody else gave cannot move the cursor", () => {
  const seen = view([link("eth0")], [sandbox("a\x1b[2Jb", "eth0", "web", [])]);
  const [web] = buildWorld(seen, []).links[0]!.networks;
  assertEquals(web!.endpoints[0]!.sandbox, "a?[2Jb");
});

Deno.test("a sandbox on several networks counts once", () => {
  const { view, networks } = fiveVlans();
  assertEquals(countOf(buildWorld(view, networks)), { networks: 5, sandboxes: 100 });
});

Deno.test("the namespaces of engines' sandboxes have the sandboxes' names", () => {
  const seen = view([link("eth0")], [
    sandbox("netns-1", "eth0", "netavark:lan", ["10.0.0.2/24"]),
    sandbox("../../proc/806/ns/net", "eth0", "netavark:lan", ["10.0.0.3/24"]),
    sandbox("c1", "eth0", "netavark:lan", ["10.0.0.4/24"]),
  ]);
  const [lan] = buildWorld(seen, [], [
    { name: "netavark:a", path: "/run/netns/netns-1" },
    { name: "cni:b", path: "/proc/806/ns/net" },
    { name: "c1" },
    { name: "docker:c" },
  ]).links[0]!.networks;
  assertEquals(lan!.name, "netavark:lan");
  assertEquals(lan!.endpoints.map(({ sandbox }) => sandbox), ["c1", "cni:b", "netavark:a"]);
});

Deno.test("the routes of a network are those that most of its endpoints have", () => {
  const via = (last: number) => route("eth0", "default", `10.0.0.${last}`);
  const inside = [[], [via(1)], [via(9)], [via(1)]].map((routes, index) =>
    sandbox(`c${index}`, "eth0", "web", [], routes)
  );
  const { links } = buildWorld(view([link("eth0")], inside), []);
  assertEquals(links[0]!.networks[0]!.routes, ["default via 10.0.0.1"]);
  const one = { ...via(7), dev: undefined, nexthops: [{ dev: "eth0", weight: 1, flags: [] }] };
  const [first] = buildWorld(
    view([link("eth0")], [sandbox("c1", "eth0", "web", [], [one])]),
    [],
  ).links;
  assertEquals(first!.networks[0]!.routes, ["default on the link"]);
  assertEquals(WANTED, { links: true, addrs: true, routes: "main", neighs: true });
});
