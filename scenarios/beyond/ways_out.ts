/**
 * Ways out of a sandbox: no gateway, routes to single subnets, and the best of several networks.
 *
 * @module
 */
import { doesNotReach, reaches } from "../../lib/check/mod.ts";
import { addressesEqual, routesEqual } from "../kit/machines/lines.ts";
import { isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const waysOut: Scenario = beyondScenario(
  "ways-out",
  "No gateway, static routes, and the network with the default route",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: [] },
      router: {
        eth0: ["192.168.1.254/24", "10.9.0.1/16", "fd00:1::254/64", "fd09::1/16"],
        "eth0.20": ["192.168.20.1/24", "10.7.0.1/16", "fd00:20::1/64", "fd07::1/16"],
        "eth0.30": ["192.168.30.1/24", "fd00:30::1/64"],
      },
    });
    const { host } = world;
    const { driver } = host;
    const routes = [
      { dst: "10.9.0.0/16", via: "192.168.1.254" },
      { dst: "fd09::/16", via: "fd00:1::254" },
    ];
    tour.step(
      "ipvlan network create --subnet=192.168.1.0/24 --subnet=fd00:1::/64 --gateway=none " +
        "--route=10.9.0.0/16=192.168.1.254 --route=fd09::/16=fd00:1::254 -o parent=eth0 lan",
    );
    const subnets = ["192.168.1.0/24", "fd00:1::/64"]
      .map((subnet) => ({ subnet, gateway: "none" }));
    await driver.createNetwork({ name: "lan", parent: "eth0", subnets, routes });
    await host.run("c1", "lan");
    tour.step("ipvlan run -d --net=lan --route=10.7.0.0/16=192.168.1.254 … --name=c2 sleep 1000");
    const moreRoutes = [
      { dst: "10.7.0.0/16", via: "192.168.1.254" },
      // The router's own, as routers advertise it.
      { dst: "fd07::/16", via: "fe80::1" },
    ];
    await host.run("c2", "lan", { moreRoutes });
    const create = (name: string, via: string) =>
      driver.createNetwork({
        name,
        parent: "eth0",
        subnets: ["192.168.2.0/24"],
        routes: [{ dst: "10.9.0.0/16", via }],
      });
    await tour.holds(
      "ASK-7",
      addressesEqual("c1", "eth0", ["192.168.1.1/24", "fd00:1::1/64"]),
      routesEqual("c1", 4, [
        "10.9.0.0/16 via 192.168.1.254 dev eth0",
        "192.168.1.0/24 dev eth0 src 192.168.1.1",
      ]),
      routesEqual("c1", 6, ["fd00:1::/64 dev eth0", "fd09::/16 via fd00:1::254 dev eth0"]),
      reaches("c1", "10.9.0.1"),
      reaches("c1", "fd09::1"),
      reaches("c2", "fd09::1"),
      doesNotReach("c1", "10.7.0.1", { control: "c2", reaches: "10.9.0.1" }),
      doesNotReach("c1", "fd07::1", { control: "c2", reaches: "fd09::1" }),
      isRefused(
        "a sandbox with the address of the next hop",
        () => host.run("c4", "lan", { ip: "192.168.1.254" }),
        "reserved-address",
      ),
      isRefused(
        "a next hop on another subnet",
        () => create("far", "192.168.3.1"),
        "invalid-option",
      ),
    );

    for (const id of [20, 30]) {
      const pair = [`192.168.${id}.0/24`, `fd00:${id}::/64`];
      const words = pair.map((subnet) => `--subnet=${subnet}`).join(" ");
      tour.step(`ipvlan network create ${words} -o parent=eth0.${id} vlan${id}`);
      await driver.createNetwork({ name: `vlan${id}`, parent: `eth0.${id}`, subnets: pair });
    }
    tour.step("ipvlan run -d --net=vlan20 --net=name=vlan30,gw-priority=1 --name=c3 sleep 1000");
    await host.run("c3", "vlan20");
    await driver.connect("vlan30", "c3", { gatewayPriority: 1 });
    const link = (id: number, dev: string) => `192.168.${id}.0/24 dev ${dev} src 192.168.${id}.2`;
    // The second default route is there already when the link of the first one goes.
    await tour.holds(
      "ASK-7",
      routesEqual("c3", 4, [
        "default via 192.168.30.1 dev eth1 metric 199901",
        "default via 192.168.20.1 dev eth0 metric 200000",
        link(20, "eth0"),
        link(30, "eth1"),
      ]),
      reaches("c3", "10.9.0.1"),
    );
    tour.step("ipvlan network disconnect vlan30 c3");
    await driver.disconnect("vlan30", "c3");
    await tour.holds(
      "ASK-7",
      routesEqual("c3", 4, ["default via 192.168.20.1 dev eth0", link(20, "eth0")]),
      routesEqual("c3", 6, ["default via fd00:20::1 dev eth0", "fd00:20::/64 dev eth0"]),
      reaches("c3", "10.9.0.1"),
      reaches("c3", "fd09::1"),
    );
  },
);

export default waysOut;
