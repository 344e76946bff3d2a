/**
 * Ipvlan L3 mode: the network `ipnet210`, without a parent.
 *
 * @module
 */
import { reaches } from "./kit/machines/predicted.ts";
import { linkIsGone, linkShows, routesEqual } from "./kit/machines/lines.ts";
import { isEqual, isRefused } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** The network `ipnet210`: L3 without a parent. */
const l3: Scenario = scenario(
  "l3",
  "Ipvlan L3 mode: routing between subnets, no parent",
  async (tour) => {
    await using world = await tour.world({});
    const { host } = world;
    const { driver } = host;
    const subnets = ["192.168.214.0/24", "10.1.214.0/24"];

    tour.step(
      "docker network create -d ipvlan --subnet=192.168.214.0/24 --subnet=10.1.214.0/24 " +
        "-o ipvlan_mode=l3 ipnet210",
    );
    await driver.createNetwork({ name: "ipnet210", subnets, mode: "l3" });

    tour.step("docker run --net=ipnet210 --ip=192.168.214.10 -itd alpine /bin/sh");
    await host.run("c1", "ipnet210", { ip: "192.168.214.10" });
    tour.step("docker run --net=ipnet210 --ip=10.1.214.10 -itd alpine /bin/sh");
    await host.run("c2", "ipnet210", { ip: "10.1.214.10" });
    tour.step("docker run --net=ipnet210 --ip=192.168.214.9 -it --rm alpine ping -c 2 10.1.214.10");
    await host.run("c3", "ipnet210", { ip: "192.168.214.9" });
    tour.step("docker run --net=ipnet210 --ip=10.1.214.9 -it --rm alpine ping -c 2 192.168.214.10");
    await host.run("c4", "ipnet210", { ip: "10.1.214.9" });
    tour.note(
      'the guide says "192.168.212.0/24", but the subnet of this network is 192.168.214.0/24',
    );
    await tour.holds(
      "L3-2",
      reaches("c3", "10.1.214.10"),
      reaches("c4", "192.168.214.10"),
      reaches("c2", "192.168.214.9"),
      reaches("c1", "10.1.214.9"),
    );

    await tour.show("ip", "-n", "c1", "route");
    await tour.holds(
      "L3-4",
      routesEqual("c1", 4, ["default dev eth0", "192.168.214.0/24 dev eth0 src 192.168.214.10"]),
      routesEqual("c2", 4, ["default dev eth0", "10.1.214.0/24 dev eth0 src 10.1.214.10"]),
    );

    tour.step("docker network create -d ipvlan --subnet=192.168.218.0/24 l2_by_default");
    await driver.createNetwork({ name: "l2_by_default", subnets: ["192.168.218.0/24"] });
    await host.run("c5", "l2_by_default");
    await tour.holds(
      "L3-1",
      isEqual("the default mode", driver.inspectNetwork("l2_by_default").mode, "l2"),
      linkShows("c5", "eth0", "ipvlan mode l2"),
      linkShows("c1", "eth0", "ipvlan mode l3"),
    );

    tour.step(
      "docker network create -d ipvlan --subnet=192.168.120.0/24 --gateway=192.168.120.1 " +
        "-o ipvlan_mode=l3 ipnet120",
    );
    const { value: ipnet120 } = await driver.createNetwork({
      name: "ipnet120",
      subnets: [{ subnet: "192.168.120.0/24", gateway: "192.168.120.1" }],
      mode: "l3",
    });
    const c6 = await host.run("c6", "ipnet120");
    await tour.show("ip", "-n", "c6", "route");
    const c7 = await host.run("c7", "ipnet210");
    const runWith = (ip: string, network: string) => () => host.run("c8", network, { ip });
    await tour.holds(
      "L3-5",
      routesEqual("c6", 4, ["default dev eth0", "192.168.120.0/24 dev eth0 src 192.168.120.2"]),
      isEqual("the first address with --gateway", c6.ip, "192.168.120.2/24"),
      isEqual("the first address without --gateway", c7.ip, "192.168.214.2/24"),
      isRefused("--ip=192.168.120.1", runWith("192.168.120.1", "ipnet120"), "reserved-address"),
      isRefused("--ip=192.168.214.1", runWith("192.168.214.1", "ipnet210"), "reserved-address"),
    );

    const { index } = await host.ip.link.show(ipnet120.parent);
    const dummyInUse = await Promise.all([
      linkShows(host.netns, ipnet120.parent, "dummy", "UP"),
      linkShows("c6", "eth0", `eth0@if${index}:`),
    ]);
    tour.step("docker rm -f c6; docker network rm ipnet120");
    await driver.removeSandbox("c6");
    await driver.removeNetwork("ipnet120");
    await tour.holds("L3-9", ...dummyInUse, linkIsGone(host.netns, ipnet120.parent));
  },
);

export default l3;
if (import.meta.main) Deno.exit(await main([l3], Deno.args));
