/**
 * Ipvlan L3 mode on `eth0`, and a remote host (figure "Docker Ipvlan L3 Mode").
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { groupDoesNotPass, groupPasses } from "./kit/machines/group.ts";
import { linkShows } from "./kit/machines/lines.ts";
import { isRefused } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** L3 on `eth0`, and the route that a remote host needs. */
const l3Remote: Scenario = scenario(
  "l3-remote",
  "Ipvlan L3 mode: remote hosts need a route",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"] },
      router: { eth0: ["192.168.1.1/24"], "eth0.50": ["192.168.50.1/24"] },
      lan: {
        remote: { addresses: ["192.168.1.100/24"] },
        beyond: { addresses: ["192.168.50.100/24"], gateways: ["192.168.50.1"], vlan: 50 },
      },
    });
    const { host } = world;
    const { driver } = host;
    await host.ip.route.add({ dst: "default", via: "192.168.1.1" });

    tour.step(
      "docker network create -d ipvlan --subnet=192.168.1.0/24 -o parent=eth0 -o ipvlan_mode=l3 …",
    );
    const onSubnet = (subnet: string) => () =>
      driver.createNetwork({ name: "refused", subnets: [subnet], mode: "l3", parent: "eth0" });
    await tour.holds(
      "L3-7",
      isRefused("eth0's own subnet", onSubnet("192.168.1.0/24"), "parent-subnet"),
      isRefused("a wider subnet", onSubnet("192.168.0.0/16"), "parent-subnet"),
      isRefused(
        "a smaller subnet with eth0's address",
        onSubnet("192.168.1.248/29"),
        "parent-subnet",
      ),
    );

    tour.step(
      "docker network create -d ipvlan --subnet=192.168.214.0/24 -o ipvlan_mode=l3 -o parent=eth0 " +
        "ipnet210",
    );
    const onEth0 = { mode: "l3", parent: "eth0" } as const;
    await driver.createNetwork({ name: "ipnet210", subnets: ["192.168.214.0/24"], ...onEth0 });
    tour.step(
      "docker network create -d ipvlan --subnet=10.1.214.0/24 -o ipvlan_mode=l3 -o parent=eth0 " +
        "ipnet211",
    );
    await driver.createNetwork({ name: "ipnet211", subnets: ["10.1.214.0/24"], ...onEth0 });
    await Promise.all([
      host.run("c1", "ipnet210", { ip: "192.168.214.10" }),
      host.run("c2", "ipnet210", { ip: "192.168.214.9" }),
      host.run("c3", "ipnet211", { ip: "10.1.214.10" }),
    ]);
    await tour.holds("L3-3", reaches("c1", "10.1.214.10"), reaches("c3", "192.168.214.10"));

    tour.step("docker network create -d ipvlan --subnet=192.168.10.0/24 l2_for_comparison");
    await driver.createNetwork({ name: "l2_for_comparison", subnets: ["192.168.10.0/24"] });
    await Promise.all([
      host.run("c4", "l2_for_comparison", { ip: "192.168.10.10" }),
      host.run("c5", "l2_for_comparison", { ip: "192.168.10.9" }),
    ]);
    const [inL3, inL2] = [
      { netns: "c2", address: "192.168.214.9" },
      { netns: "c5", address: "192.168.10.9" },
    ];
    await tour.holds(
      "L3-6",
      groupDoesNotPass("broadcast", "c1", inL3),
      groupDoesNotPass("multicast", "c1", inL3),
      linkShows("c1", "eth0", "BROADCAST,MULTICAST,NOARP,UP"),
      groupPasses("broadcast", "c4", inL2),
      groupPasses("multicast", "c4", inL2),
      linkShows("c4", "eth0", "BROADCAST,MULTICAST,UP"),
    );

    tour.step("(on the remote host) ping 192.168.214.10");
    const withoutRoute = await Promise.all([
      doesNotReach("lab-remote", "192.168.214.10", { control: "c2", reaches: "192.168.1.1" }),
      doesNotReach("c1", "192.168.1.100", { control: host.netns, reaches: "c2" }),
      doesNotReach("lab-beyond", "192.168.214.10", { control: "c2", reaches: "192.168.50.1" }),
      doesNotReach("c1", "192.168.50.100", { control: host.netns, reaches: "c2" }),
    ]);
    tour.step("(on the remote host) ip route add 192.168.214.0/24 via 192.168.1.250");
    tour.step("(on the router) ip route add 192.168.214.0/24 via 192.168.1.250");
    for (const netns of ["lab-remote", "lab-router"]) {
      await world.ip(netns).route.add({ dst: "192.168.214.0/24", via: "192.168.1.250" });
    }
    await tour.holds(
      "L3-8",
      ...withoutRoute,
      reaches("lab-remote", "192.168.214.10"),
      reaches("c1", "192.168.1.100"),
      reaches("lab-beyond", "192.168.214.10"),
      reaches("c1", "192.168.50.100"),
    );
  },
);

export default l3Remote;
if (import.meta.main) Deno.exit(await main([l3Remote], Deno.args));
