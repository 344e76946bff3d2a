/**
 * Ipvlan L2 mode on two hosts of one segment: the figure "Multiple Ipvlan Hosts".
 *
 * @module
 */
import { reaches } from "./kit/machines/predicted.ts";
import { hasMac } from "./kit/machines/lines.ts";
import { macsLearned } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const twoHosts = scenario("two-hosts", "Ipvlan L2 mode: two hosts on a segment", async (tour) => {
  await using world = await tour.world({
    host: { eth0: ["192.168.1.250/24"] },
    host2: { eth0: ["192.168.1.251/24"] },
    router: { eth0: ["192.168.1.1/24"] },
  });
  const { host, host2 } = world;
  const dbNet = (ipRange: string) => ({
    name: "db_net",
    subnets: [{ subnet: "192.168.1.0/24", ipRange }],
    parent: "eth0",
  });

  tour.note(
    "The hosts choose addresses independently, so each needs its own --ip-range (the guide has " +
      "none, and both hosts would start at 192.168.1.2)",
  );
  const create = "docker network create -d ipvlan --subnet=192.168.1.0/24";
  tour.step(`host:  ${create} --ip-range=192.168.1.32/27 -o parent=eth0 db_net`);
  await host.driver.createNetwork(dbNet("192.168.1.32/27"));
  tour.step(`host2: ${create} --ip-range=192.168.1.64/27 -o parent=eth0 db_net`);
  await host2.driver.createNetwork(dbNet("192.168.1.64/27"));

  tour.step("docker run --net=db_net -it --rm alpine /bin/sh (two on each host)");
  await Promise.all([
    ...["a1", "a2"].map((name) => host.run(name, "db_net")),
    ...["b1", "b2"].map((name) => host2.run(name, "db_net")),
  ]);
  await tour.holds(
    "L2-7",
    reaches("a1", "192.168.1.64"),
    reaches("a2", "192.168.1.65"),
    reaches("b1", "192.168.1.32"),
    reaches("b2", "192.168.1.33"),
    reaches("a1", "192.168.1.1"),
    reaches("b1", "192.168.1.1"),
    reaches("lab-router", "192.168.1.32"),
    reaches("lab-router", "192.168.1.64"),
  );
  const [{ address: mac = "" }, { address: mac2 = "" }] = await Promise.all([
    host.ip.link.show("eth0"),
    host2.ip.link.show("eth0"),
  ]);
  await tour.holds(
    "L2-8",
    hasMac("a1", "eth0", mac),
    hasMac("a2", "eth0", mac),
    hasMac("b1", "eth0", mac2),
    hasMac("b2", "eth0", mac2),
    macsLearned("lab-switch", "host-eth0", [mac]),
    macsLearned("lab-switch", "host2-eth0", [mac2]),
  );
});

export default twoHosts;
if (import.meta.main) Deno.exit(await main([twoHosts], Deno.args));
