import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { ipvlan, succeeds } from "../kit/command.ts";
import { commandHost } from "../kit/worlds.ts";
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
eth0  veth  up  mtu 1500  192.168.1.250/24
├─ db_net  l2 bridge  192.168.1.0/24  default via 192.168.1.1
│  └─ c1  eth0  192.168.1.2/24
├─ not of this driver  l2 bridge
│  └─ other  ipvl7  (down)
└─ eth0.20  VLAN 20  up  mtu 1500
   └─ fabric  l3 bridge  10.3.0.0/24  2001:db8:3::/64  default on the link  ::/0 on the link
      ├─ c1  eth1  10.3.0.2/24  2001:db8:3::2/64
      └─ c2  eth0  10.3.0.3/24  10.3.0.99/24  2001:db8:3::3/64  (default on the link, 192.0.2.0/24 via 10.3.0.7, ::/0 on the link)
2 networks, 3 sandboxes`,
  );
  assertMatch((await ipvlan("graph", "--format", "mermaid")).out, /^flowchart LR\n/);
  assertMatch((await ipvlan("graph", "--format=svg")).out, /^<svg [^]*>c2 eth0<[^]*<\/svg>$/);
  const { links: [eth0] } = JSON.parse((await ipvlan("graph", "--json")).out);
  assertEquals([eth0.name, eth0.subInterfaces[0].name], ["eth0", "eth0.20"]);

  const refused = await ipvlan("graph", "--format", "png");
  assertEquals(refused.status, 1);
  assertStringIncludes(refused.err, 'The format "png" is not valid');
});

Deno.test("the picture in the README is what graph draws of that site file", async () => {
  const file = new URL("../../docs/trunk.svg", import.meta.url);
  assertEquals(`${await drawTrunk()}\n`, await Deno.readTextFile(file));
});
