/**
 * Dual stack in L3 mode: the network `ipnet110`.
 *
 * @module
 */
import { reaches } from "./kit/machines/predicted.ts";
import { addressesEqual, routesEqual } from "./kit/machines/lines.ts";
import { isEqual, isRefused } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** The network `ipnet110`: both families in L3. */
const dualStackL3: Scenario = scenario(
  "dual-stack-l3",
  "IPv4 and IPv6 in L3 mode",
  async (tour) => {
    await using world = await tour.world({ host: { eth0: ["192.168.1.250/24"] } });
    const { host } = world;

    tour.step(
      "docker network create -d ipvlan --subnet=192.168.110.0/24 --subnet=192.168.112.0/24 " +
        "--subnet=2001:db8:abc6::/64 -o parent=eth0 -o ipvlan_mode=l3 ipnet110",
    );
    tour.note('the guide\'s title says "Vlan Tag:118", but its command has the untagged eth0');
    await host.driver.createNetwork({
      name: "ipnet110",
      subnets: ["192.168.110.0/24", "192.168.112.0/24", "2001:db8:abc6::/64"],
      parent: "eth0",
      mode: "l3",
    });

    tour.step("docker run --net=ipnet110 -it --rm alpine /bin/sh");
    await host.run("c1", "ipnet110");
    tour.step("docker run --net=ipnet110 --ip6=2001:db8:abc6::10 -it --rm alpine /bin/sh");
    await host.run("c2", "ipnet110", { ip6: "2001:db8:abc6::10" });
    tour.step("docker run --net=ipnet110 --ip=192.168.112.50 -it --rm alpine /bin/sh");
    await host.run("c3", "ipnet110", { ip: "192.168.112.50" });
    tour.step(
      "docker run --net=ipnet110 --ip6=2001:db8:abc6::50 --ip=192.168.112.50 -it --rm alpine /bin/sh",
    );
    const ip6 = "2001:db8:abc6::50";
    const twice = await isRefused(
      "192.168.112.50 for a second container",
      () => host.run("c4", "ipnet110", { ip6, ip: "192.168.112.50" }),
      "address-in-use",
    );
    tour.note(
      "the guide gives 192.168.112.50 to two containers; here, the second gets another one",
    );
    tour.step(
      "docker run --net=ipnet110 --ip6=2001:db8:abc6::50 --ip=192.168.112.51 -it --rm alpine /bin/sh",
    );
    await host.run("c4", "ipnet110", { ip6, ip: "192.168.112.51" });
    await tour.holds(
      "V6-8",
      twice,
      addressesEqual("c1", "eth0", ["192.168.110.2/24", "2001:db8:abc6::2/64 nodad"]),
      addressesEqual("c2", "eth0", ["192.168.110.3/24", "2001:db8:abc6::10/64 nodad"]),
      addressesEqual("c3", "eth0", ["192.168.112.50/24", "2001:db8:abc6::3/64 nodad"]),
      addressesEqual("c4", "eth0", ["192.168.112.51/24", "2001:db8:abc6::50/64 nodad"]),
      reaches("c1", "192.168.110.3"),
      reaches("c1", "2001:db8:abc6::10"),
      reaches("c1", "192.168.112.50"),
      reaches("c1", "2001:db8:abc6::3"),
      reaches("c1", "192.168.112.51"),
      reaches("c1", "2001:db8:abc6::50"),
      reaches("c2", "192.168.112.50"),
      reaches("c2", "2001:db8:abc6::3"),
      reaches("c2", "192.168.112.51"),
      reaches("c2", "2001:db8:abc6::50"),
      reaches("c3", "192.168.112.51"),
      reaches("c3", "2001:db8:abc6::50"),
    );

    await tour.show("ip", "-n", "c2", "route");
    await tour.show("ip", "-n", "c2", "-6", "route");
    tour.note(
      "the guide shows 192.168.112.2 for this container; but without --ip, the address comes from " +
        "the first subnet, 192.168.110.0/24",
    );
    await tour.holds(
      "V6-9",
      routesEqual("c2", 4, [
        "default dev eth0 scope link",
        "192.168.110.0/24 dev eth0 proto kernel scope link src 192.168.110.3",
      ]),
      routesEqual("c2", 6, [
        "2001:db8:abc6::/64 dev eth0 proto kernel metric 256",
        "default dev eth0 metric 1024",
      ]),
    );

    tour.step("docker rm -f c2; docker run --net=ipnet110 --ip6=2001:db8:abc6::10 …");
    await host.driver.removeSandbox("c2");
    const c5 = await host.run("c5", "ipnet110", { ip6: "2001:db8:abc6::10" });
    await tour.holds(
      "V6-10",
      isEqual("the IPv6 address of c5", c5.ip6, "2001:db8:abc6::10/64"),
      reaches("c1", "2001:db8:abc6::10"),
    );
  },
);

export default dualStackL3;
if (import.meta.main) Deno.exit(await main([dualStackL3], Deno.args));
