/**
 * Networks of every kind, and a macvlan link, side by side on one host.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { linkShows } from "./kit/machines/lines.ts";
import { Ip } from "../lib/iproute2/ip.ts";
import { isRefused } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** Networks of every kind side by side. */
const mixed: Scenario = scenario(
  "mixed",
  "L2, L3, VLAN, isolated and macvlan side by side",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"], eth1: [], eth2: [] },
      lan: {
        pc: { addresses: ["192.168.1.100/24"] },
        nas: { addresses: ["192.168.20.100/24"], vlan: 20 },
      },
    });
    const { host } = world;
    const { driver } = host;

    tour.step("docker network create -d ipvlan --subnet=192.168.1.0/24 -o parent=eth0 db_net");
    await driver.createNetwork({ name: "db_net", subnets: ["192.168.1.0/24"], parent: "eth0" });
    tour.step(
      "docker network create -d ipvlan --subnet=192.168.20.0/24 -o parent=eth0.20 ipvlan20",
    );
    await driver.createNetwork({
      name: "ipvlan20",
      subnets: ["192.168.20.0/24"],
      parent: "eth0.20",
    });
    tour.step(
      "docker network create -d ipvlan --subnet=192.168.214.0/24 --subnet=10.1.214.0/24 " +
        "-o ipvlan_mode=l3 -o parent=eth1 ipnet210",
    );
    await driver.createNetwork({
      name: "ipnet210",
      subnets: ["192.168.214.0/24", "10.1.214.0/24"],
      mode: "l3",
      parent: "eth1",
    });
    tour.step("docker network create -d ipvlan --subnet=192.168.10.0/24 isolated1");
    await driver.createNetwork({ name: "isolated1", subnets: ["192.168.10.0/24"] });
    await Promise.all([
      host.run("l2-a", "db_net", { ip: "192.168.1.2" }),
      host.run("l2-b", "db_net", { ip: "192.168.1.3" }),
      host.run("vlan-a", "ipvlan20", { ip: "192.168.20.2" }),
      host.run("vlan-b", "ipvlan20", { ip: "192.168.20.3" }),
      host.run("l3-a", "ipnet210", { ip: "192.168.214.10" }),
      host.run("l3-b", "ipnet210", { ip: "10.1.214.10" }),
      host.run("isolated-a", "isolated1", { ip: "192.168.10.2" }),
      host.run("isolated-b", "isolated1", { ip: "192.168.10.3" }),
      driver.createSandbox({ name: "macvlan-a" }),
    ]);
    tour.step("ip link add link eth2 name mv0 netns macvlan-a type macvlan mode bridge");
    await host.ip.link.add({ type: "macvlan", link: "eth2", name: "mv0", netns: "macvlan-a" });
    await using macvlanIp = await Ip.open({ netns: "macvlan-a" });
    await macvlanIp.link.set("mv0", { up: true });
    await macvlanIp.addr.add({ dev: "mv0", address: "192.168.1.9/24" });

    await tour.holds(
      "GEN-5",
      linkShows("l2-a", "eth0", "ipvlan mode l2"),
      linkShows("vlan-a", "eth0", "ipvlan mode l2"),
      linkShows("l3-a", "eth0", "ipvlan mode l3"),
      linkShows("macvlan-a", "mv0", "macvlan mode bridge"),
      reaches("l2-a", "l2-b"),
      reaches("l2-a", "192.168.1.100"),
      reaches("vlan-a", "vlan-b"),
      reaches("vlan-a", "192.168.20.100"),
      reaches("l3-a", "10.1.214.10"),
      reaches("isolated-a", "isolated-b"),
      reaches("macvlan-a", "192.168.1.100"),
      doesNotReach("l2-a", "192.168.20.3", { control: "vlan-a", reaches: "l2-b" }),
      doesNotReach("l3-a", "192.168.1.3", { control: "l2-a", reaches: "l3-b" }),
      doesNotReach("l2-a", "192.168.214.10", { control: "l3-b", reaches: "l2-b" }),
      doesNotReach("isolated-a", "192.168.1.3", { control: "l2-a", reaches: "isolated-b" }),
    );

    tour.step("docker network create … with another mode on eth0, and with any mode on eth2");
    const onParent = (parent: string, mode: "l2" | "l3") => () =>
      driver.createNetwork({ name: "refused", subnets: ["10.9.0.0/24"], mode, parent });
    await tour.holds(
      "GEN-5",
      isRefused(
        "L3 on eth0, which would change db_net to L3,",
        onParent("eth0", "l3"),
        "parent-conflict",
      ),
      isRefused("eth2, which macvlan uses,", onParent("eth2", "l2"), "invalid-parent"),
    );

    tour.step("docker rm -f …; docker network rm ipnet210 isolated1");
    await Promise.all(
      ["l3-a", "l3-b", "isolated-a", "isolated-b"].map((name) => driver.removeSandbox(name)),
    );
    await driver.removeNetwork("ipnet210");
    await driver.removeNetwork("isolated1");
    await tour.holds(
      "GEN-5",
      linkShows("l2-a", "eth0", "ipvlan mode l2"),
      reaches("l2-b", "192.168.1.100"),
      reaches("vlan-b", "192.168.20.100"),
      reaches("macvlan-a", "192.168.1.100"),
    );
  },
);

export default mixed;
if (import.meta.main) Deno.exit(await main([mixed], Deno.args));
