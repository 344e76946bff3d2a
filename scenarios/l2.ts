/**
 * Ipvlan L2 mode: the network `db_net`.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { hasMac, routesEqual } from "./kit/machines/lines.ts";
import { macsLearned } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const l2 = scenario("l2", "Ipvlan L2 mode: containers on eth0's own segment", async (tour) => {
  await using world = await tour.world({
    host: { eth0: ["192.168.1.250/24"] },
    router: { eth0: ["192.168.1.1/24"] },
    lan: { pc: { addresses: ["192.168.1.100/24"] } },
  });
  const { driver } = world.host;

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

  tour.step("docker run --net=db_net -it --rm alpine /bin/sh");
  await world.host.run("c1", "db_net");
  await world.host.run("c2", "db_net");
  await tour.show("ip", "-n", "c1", "route");
  await tour.holds(
    "L2-1",
    reaches("c1", "192.168.1.1"),
    reaches("c1", "192.168.1.100"),
    reaches("lab-pc", "192.168.1.2"),
    reaches("lab-router", "192.168.1.2"),
  );
  await tour.holds(
    "L2-2",
    doesNotReach("c1", "192.168.1.250", { control: "lab-pc", reaches: "192.168.1.100" }),
    doesNotReach("lab-host", "192.168.1.2", { control: "lab-pc", reaches: "192.168.1.100" }),
  );
  await tour.holds("L2-6", reaches("c1", "c2"), reaches("c2", "c1"));
  const { address: mac = "" } = await world.host.ip.link.show("eth0");
  await tour.holds(
    "L2-8",
    hasMac("c1", "eth0", mac),
    hasMac("c2", "eth0", mac),
    macsLearned("lab-switch", "host-eth0", [mac]),
  );
  await tour.holds(
    "L2-4",
    routesEqual("c1", 4, [
      "default via 192.168.1.1 dev eth0",
      "192.168.1.0/24 dev eth0 src 192.168.1.2",
    ]),
  );
});

export default l2;
if (import.meta.main) Deno.exit(await main([l2], Deno.args));
