/**
 * Ipvlan L2 mode, two subnets on one parent: the network `ipvlan114`.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { isEqual } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const vlan114 = scenario("vlan114", "Ipvlan L2 mode: two subnets on one parent", async (tour) => {
  await using world = await tour.world({ host: { eth0: [] }, vlans: [114] });
  const { driver } = world.host;

  tour.step(
    "docker network create -d ipvlan --subnet=192.168.114.0/24 --subnet=192.168.116.0/24 " +
      "--gateway=192.168.114.254 --gateway=192.168.116.254 -o parent=eth0.114 " +
      "-o ipvlan_mode=l2 ipvlan114",
  );
  await driver.createNetwork({
    name: "ipvlan114",
    subnets: [
      { subnet: "192.168.114.0/24", gateway: "192.168.114.254" },
      { subnet: "192.168.116.0/24", gateway: "192.168.116.254" },
    ],
    parent: "eth0.114",
    mode: "l2",
  });
  const containers = {
    c1: "192.168.114.10",
    c2: "192.168.114.11",
    c3: "192.168.116.10",
    c4: "192.168.116.11",
  };
  for (const [name, ip] of Object.entries(containers)) {
    tour.step(`docker run --net=ipvlan114 --ip=${ip} --name=${name} -it --rm alpine /bin/sh`);
  }
  await Promise.all(
    Object.entries(containers).map(([name, ip]) => world.host.run(name, "ipvlan114", { ip })),
  );
  await tour.holds(
    "VLAN-9",
    reaches("c1", "192.168.114.11"),
    reaches("c2", "192.168.114.10"),
    doesNotReach("c1", "192.168.116.10", { control: "c4", reaches: "c2" }),
    doesNotReach("c3", "192.168.114.10", { control: "c2", reaches: "c4" }),
  );

  tour.step("A router, with the first gateway on that VLAN");
  await world.addRouter({ "eth0.114": ["192.168.114.254/24"] });
  await tour.holds(
    "VLAN-9",
    reaches("c1", "192.168.114.254"),
    doesNotReach("c1", "192.168.116.10", { control: "c4", reaches: "c2" }),
  );

  tour.step("ip addr add 192.168.116.254/24 dev eth0.114 (the router's second gateway there)");
  await world.ip("lab-router").addr.add({ dev: "eth0.114", address: "192.168.116.254/24" });
  // Only the first packets go through the router. It then tells both ends of a shorter way (ICMP
  // redirect).
  const firstPing = await reaches("c1", "192.168.116.10");
  const ttl = /ttl=(\d+)/.exec(firstPing.evidence[0]!.output)?.[1];
  await tour.holds(
    "VLAN-9",
    firstPing,
    isEqual("the time to live of the answer (64 minus one router)", ttl, "63"),
    reaches("c3", "192.168.114.10"),
  );
});

export default vlan114;
if (import.meta.main) Deno.exit(await main([vlan114], Deno.args));
