/**
 * Ipvlan L2 mode with the defaults: the network `db_net_ipv`, which equals `db_net`.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { linkShows, routesEqual } from "./kit/machines/lines.ts";
import { Ip } from "../lib/iproute2/ip.ts";
import { isEqual, isRefused } from "./kit/machines/checks.ts";
import { type Host, main, scenario } from "./kit/mod.ts";

const defaults = scenario("defaults", "Ipvlan L2 mode with the defaults", async (tour) => {
  await using world = await tour.world({
    host: { eth0: ["192.168.1.250/24"] },
    // Only a default route leads to the second address.
    router: { eth0: ["192.168.1.1/24", "198.51.100.1/32"] },
  });
  const { driver } = world.host;
  const dbNetIpv = { name: "db_net_ipv", subnets: ["192.168.1.0/24"], parent: "eth0" };

  tour.step(
    "docker network create -d ipvlan --subnet=192.168.1.0/24 --gateway=192.168.1.1 " +
      "-o ipvlan_mode=l2 -o parent=eth0 db_net",
  );
  await driver.createNetwork({
    name: "db_net",
    subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1" }],
    mode: "l2",
    parent: "eth0",
  });
  const withOptions = await readSettings(world.host, "db_net");
  tour.note("db_net_ipv has the subnet of db_net, so the two cannot exist at once");
  const refusal = await isRefused(
    "db_net_ipv beside db_net",
    () => driver.createNetwork(dbNetIpv),
    "subnet-in-use",
  );

  tour.step("docker network rm db_net");
  await driver.removeNetwork("db_net");

  tour.step("docker network create -d ipvlan --subnet=192.168.1.0/24 -o parent=eth0 db_net_ipv");
  await driver.createNetwork(dbNetIpv);
  const withDefaults = await readSettings(world.host, "db_net_ipv");
  await tour.holds(
    "L2-5",
    {
      ...isEqual("the settings of db_net_ipv", withDefaults, withOptions),
      sentence: "db_net_ipv and db_net have the same settings, and so do their containers",
    },
    refusal,
  );

  tour.step("docker run --net=db_net_ipv --name=ipv1 -itd alpine /bin/sh");
  await world.host.run("ipv1", "db_net_ipv");
  tour.step("docker run --net=db_net_ipv --name=ipv2 -it --rm alpine /bin/sh");
  await world.host.run("ipv2", "db_net_ipv");
  await tour.holds("L2-3", linkShows("ipv1", "eth0", "ipvlan mode l2"));
  await tour.holds(
    "L2-4",
    routesEqual("ipv1", 4, [
      "default via 192.168.1.1 dev eth0",
      "192.168.1.0/24 dev eth0 src 192.168.1.2",
    ]),
    reaches("ipv1", "198.51.100.1"),
  );
  tour.step("ping -c 4 ipv1");
  await tour.holds("L2-6", reaches("ipv2", "ipv1"), reaches("ipv1", "ipv2"));
  await tour.holds(
    "L2-2",
    doesNotReach("ipv2", "192.168.1.250", { control: "lab-router", reaches: "ipv1" }),
  );
});

/** Reads every setting of a network, and the link, addresses and routes of a container on it. */
async function readSettings(host: Host, network: string): Promise<unknown> {
  const { id: _id, name: _name, created: _created, ...recorded } = host.driver.inspectNetwork(
    network,
  );
  await host.run("trial", network);
  try {
    await using ip = await Ip.open({ netns: "trial" });
    const [link, addrs, routes] = await Promise.all([
      ip.link.show("eth0"),
      ip.addr.show({ dev: "eth0" }),
      ip.route.show(4),
    ]);
    const { index: _index, alias: _alias, state: _state, flags: _flags, ...shown } = link;
    return { recorded, shown, addrs, routes };
  } finally {
    await host.driver.removeSandbox("trial");
  }
}

export default defaults;
if (import.meta.main) Deno.exit(await main([defaults], Deno.args));
