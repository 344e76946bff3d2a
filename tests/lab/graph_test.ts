import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { ipvlan, succeeds } from "../kit/command.ts";
import { commandHost, lanOf, shell } from "../kit/worlds.ts";
import { drawTrunk } from "./picture.ts";

Deno.test("graph shows what the kernel has, whoever made it", async () => {
  await using host = await commandHost();
  await using undo = new AsyncDisposableStack();
  await host.ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await succeeds("network", "create", "--subnet=192.168.1.0/24", "-o", "parent=eth0", "db_net");
  await succeeds(
    ...["network", "create", "--subnet=10.3.0.0/24", "--subnet=2001:db8:3::/64"],
    ...["-o", "parent=eth0.20", "-o", "ipvlan_mode=l3", "fabric"],
  );
  await succeeds("run", "-d", "--net", "db_net", "--net", "fabric", "--name", "c1");
  await succeeds("run", "-d", "--net", "fabric", "--name", "c2");

  // What others have done since, of which nothing is on record.
  await host.ip.netns.add("other");
  undo.defer(() => host.ip.netns.del("other"));
  await host.ip.link.add({
    ...{ type: "ipvlan", name: "ipvl7", link: "eth0", netns: "other" },
    ...{ mode: "l2", flag: "bridge" },
  });
  await using c2 = await Ip.open({ netns: "c2" });
  await c2.addr.add({ dev: "eth0", address: "10.3.0.99/24" });
  await c2.route.add({ dst: "192.0.2.0/24", via: "10.3.0.7", dev: "eth0" });

  const { status, out, err } = await ipvlan("graph");
  assertEquals([status, err], [0, ""]);
  assertEquals(
    out,
    `\
eth0  veth, up  mtu 1500  192.168.1.250/24
├─ db_net  l2 bridge  192.168.1.0/24  default via 192.168.1.1
│  └─ c1 eth0  192.168.1.2/24
├─ not of this driver  l2 bridge
│  └─ other ipvl7  down
└─ eth0.20  VLAN 20, up  mtu 1500
   └─ fabric  l3 bridge  10.3.0.0/24  2001:db8:3::/64  default on the link  ::/0 on the link
      ├─ c1 eth1  10.3.0.2/24  2001:db8:3::2/64
      └─ c2 eth0  10.3.0.3/24  10.3.0.99/24  2001:db8:3::3/64  default on the link  192.0.2.0/24 via 10.3.0.7  ::/0 on the link
2 networks, 3 sandboxes`,
  );
  assertMatch((await ipvlan("graph", "--format=svg")).out, /^<svg [^]*>c2 eth0<[^]*<\/svg>$/);
  const { links: [eth0] } = JSON.parse((await ipvlan("graph", "--json")).out);
  assertEquals([eth0.name, eth0.subInterfaces[0].name], ["eth0", "eth0.20"]);

  const refused = await ipvlan("graph", "--format", "mermaid");
  assertEquals(refused.status, 1);
  assertStringIncludes(refused.err, 'The format "mermaid" is not valid');
});

Deno.test("graph shows the machines on the wires, and the way of a packet to where it ends", async () => {
  await using host = await commandHost();
  await using _lan = await lanOf(host);
  await shell(
    "ip route add 10.9.0.0/16 via 192.168.1.8",
    "ip neigh replace 192.168.1.9 lladdr 02:00:00:00:00:09 dev eth0",
    "ip -6 neigh replace fe80::9 lladdr 02:00:00:00:00:09 dev eth0",
  );
  for (const [name, vlan, parent] of [["web", 1, "eth0"], ["v20", 20, "eth0.20"]]) {
    const subnet = `--subnet=192.168.${vlan}.0/24`;
    await succeeds("network", "create", subnet, "-o", `parent=${parent}`, `${name}`);
    await succeeds("run", "-d", `--net=${name}`, "--name", `c${vlan}`);
  }
  const draw = async (...words: string[]) => await succeeds("graph", ...words);
  const machines = async () => {
    const { links: [eth0] } = JSON.parse(await draw("--json"));
    return [eth0, ...eth0.subInterfaces].map(({ wire }) => wire);
  };
  assertEquals(await machines(), [{
    tags: [],
    machines: [
      { role: "gateway", addresses: ["192.168.1.1"] },
      { role: "router", addresses: ["192.168.1.8"] },
      {
        role: "machine",
        addresses: ["192.168.1.9", "fe80::9"],
        mac: "02:00:00:00:00:09",
      },
    ],
  }, { tags: ["VLAN 20"], machines: [{ role: "gateway", addresses: ["192.168.20.1"] }] }]);

  const marked = (text: string) =>
    text.split("\n").flatMap((line) =>
      /^[├└─│ ]*(\S+) .*([●✗])$/.exec(line)?.slice(1).join(" ") ?? []
    );
  const stopped = await draw("--path", "c1", "c20");
  assertEquals(marked(stopped), ["eth0 ●", "lan ✗", "web ●", "c1 ●"]);
  assertStringIncludes(
    stopped,
    "\nc1 does not reach c20 (192.168.20.2): lan eth0: has no address 192.168.20.2, and forwards no " +
      "packets [not-forwarding]\nthere:\n",
  );
  const svg = await draw("--path", "--format=svg", "c1", "c20");
  assertMatch(svg, /<rect class="machine on stop" [^]*>✗ lan \(gateway\)<\/text>/);
  assertMatch(svg, /<rect class="sandbox on" [^]*>● c1 eth0<\/text>/);

  await shell("ip netns exec lan sysctl -w net.ipv4.ip_forward=1");
  const passed = await draw("--path", "c1", "c20");
  assertEquals(marked(passed), [
    ...["eth0 ●", "lan ●", "web ●", "c1 ●", "eth0.20 ●", "lan ●", "v20 ●", "c20 ●"],
  ]);
  await shell("ip netns exec c1 ping -c1 -W5 192.168.20.2");
  const mac = (await host.ip.link.find("eth0"))!.address;
  const [{ machines: [gateway] }, { machines: [gateway20] }] = await machines();
  assertEquals([gateway.netns, gateway.ifname, gateway20.ifname], ["lan", "eth0", "eth0.20"]);
  assertEquals([gateway.mac, gateway.mac === mac], [gateway20.mac, false]);

  const away = JSON.parse(await draw("--json", "--path", "host:eth0", "192.168.1.9"));
  assertEquals(away.path.verdict, "no");
  for (const words of [["c1", "c20"], ["--path", "c1"], ["--path"]]) {
    const { status, err } = await ipvlan("graph", ...words);
    assertEquals(status, 2);
    assertStringIncludes(err, "Give FROM and TO with --path: ipvlan graph --path c1 c2");
  }
  assertEquals((await ipvlan("graph", "--path", "c9", "c1")).status, 1);
});

Deno.test("the picture in the README is what graph draws of that site file", async () => {
  const file = new URL("../../docs/trunk.svg", import.meta.url);
  assertEquals(`${await drawTrunk()}\n`, await Deno.readTextFile(file));
});
