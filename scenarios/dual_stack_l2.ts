/**
 * Dual stack in L2 mode: the network `ipvlan140`.
 *
 * @module
 */
import { doesNotReach, reaches } from "./kit/machines/predicted.ts";
import { addressesEqual, routesEqual } from "./kit/machines/lines.ts";
import { isEqual } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** The network `ipvlan140`: both families in L2. */
const dualStackL2: Scenario = scenario(
  "dual-stack-l2",
  "IPv4 and IPv6 in L2 mode, VLAN 140",
  async (tour) => {
    await using world = await tour.world({ vlans: [140] });
    const { host } = world;

    tour.step(
      "docker network create -d ipvlan --subnet=192.168.140.0/24 --subnet=192.168.142.0/24 " +
        "--gateway=192.168.140.1 --gateway=192.168.142.1 --subnet=2001:db8:abc9::/64 " +
        "--gateway=2001:db8:abc9::22 -o parent=eth0.140 -o ipvlan_mode=l2 ipvlan140",
    );
    await host.driver.createNetwork({
      name: "ipvlan140",
      subnets: [
        { subnet: "192.168.140.0/24", gateway: "192.168.140.1" },
        { subnet: "192.168.142.0/24", gateway: "192.168.142.1" },
        { subnet: "2001:db8:abc9::/64", gateway: "2001:db8:abc9::22" },
      ],
      parent: "eth0.140",
      mode: "l2",
    });

    tour.step("docker run --net=ipvlan140 -it --rm alpine /bin/sh");
    tour.note(
      'the guide\'s command has "--net=v6ipvlan139 --ip6=2001:db8:abc2::51", but its output shows a ' +
        "container on ipvlan140 without --ip6. The output also shows a prefix that a router on that " +
        "VLAN advertised (2001:db8:abc4::/64). Here is no such router",
    );
    await host.run("c1", "ipvlan140");
    await tour.show("ip", "-n", "c1", "addr", "show", "dev", "eth0");
    await tour.holds(
      "V6-5",
      addressesEqual("c1", "eth0", ["192.168.140.2/24", "2001:db8:abc9::1/64 nodad"]),
      routesEqual("c1", 4, [
        "default via 192.168.140.1 dev eth0",
        "192.168.140.0/24 dev eth0 proto kernel scope link src 192.168.140.2",
      ]),
      routesEqual("c1", 6, [
        "2001:db8:abc9::/64 dev eth0 proto kernel metric 256",
        "default via 2001:db8:abc9::22 dev eth0 metric 1024",
      ]),
    );

    tour.step("docker run --net=ipvlan140 --ip=192.168.140.10 -it --rm alpine /bin/sh");
    tour.note('the guide\'s text says "--ip4", but the option is --ip, as in its command');
    const c2 = await host.run("c2", "ipvlan140", { ip: "192.168.140.10" });
    tour.step("docker run --net=ipvlan140 --ip6=2001:db8:abc9::51 -it --rm alpine /bin/sh");
    const c3 = await host.run("c3", "ipvlan140", { ip6: "2001:db8:abc9::51" });
    await tour.holds(
      "V6-6",
      isEqual("the IPv4 address of c2", c2.ip, "192.168.140.10/24"),
      isEqual("the IPv6 address of c3", c3.ip6, "2001:db8:abc9::51/64"),
      reaches("c1", "192.168.140.10"),
      reaches("c2", "192.168.140.2"),
      reaches("c1", "2001:db8:abc9::51"),
      reaches("c3", "2001:db8:abc9::1"),
    );

    tour.step("docker run --net=ipvlan140 --ip=192.168.142.10 -it --rm alpine /bin/sh");
    await host.run("c4", "ipvlan140", { ip: "192.168.142.10" });
    await host.run("c5", "ipvlan140", { ip: "192.168.142.11" });
    const apart = await Promise.all([
      doesNotReach("c1", "192.168.142.10", { control: "c5", reaches: "192.168.140.10" }),
      doesNotReach("c4", "192.168.140.2", { control: "c2", reaches: "192.168.142.11" }),
    ]);
    tour.step("(on a router) ip addr add 192.168.140.1/24, 192.168.142.1/24 on VLAN 140");
    tour.note(
      "the router forwards between its two subnets, so the guide's proxy ARP is not needed",
    );
    await world.addRouter({ "eth0.140": ["192.168.140.1/24", "192.168.142.1/24"] });
    await tour.holds(
      "V6-7",
      ...apart,
      reaches("c1", "192.168.142.10"),
      reaches("c4", "192.168.140.2"),
    );
  },
);

export default dualStackL2;
if (import.meta.main) Deno.exit(await main([dualStackL2], Deno.args));
