/**
 * IPv6 in L2 mode: the network `v6ipvlan139`.
 *
 * @module
 */
import { reaches } from "./kit/machines/predicted.ts";
import { addressesEqual, hasMac, routesEqual } from "./kit/machines/lines.ts";
import { Ip } from "../lib/iproute2/ip.ts";
import { isEqual, isRefused } from "./kit/machines/checks.ts";
import { main, type Scenario, scenario } from "./kit/mod.ts";

/** The network `v6ipvlan139`: IPv6 on a VLAN. */
const v6: Scenario = scenario("v6", "IPv6 only, on VLAN 139", async (tour) => {
  await using world = await tour.world({
    router: { "eth0.139": ["2001:db8:abc2::22/64"] },
    vlans: [139],
  });
  const { host } = world;

  tour.step(
    "docker network create -d ipvlan --subnet=2001:db8:abc2::/64 --gateway=2001:db8:abc2::22 " +
      "-o parent=eth0.139 v6ipvlan139",
  );
  await host.driver.createNetwork({
    name: "v6ipvlan139",
    subnets: [{ subnet: "2001:db8:abc2::/64", gateway: "2001:db8:abc2::22" }],
    parent: "eth0.139",
  });

  tour.step("docker run --net=v6ipvlan139 -it --rm alpine /bin/sh");
  await host.run("c1", "v6ipvlan139");
  const first = await addressesEqual("c1", "eth0", ["172.18.0.2/16", "2001:db8:abc2::1/64 nodad"]);
  await tour.show("ip", "-n", "c1", "-6", "route");
  tour.step("docker run --net=v6ipvlan139 -it --rm alpine /bin/sh");
  await host.run("c2", "v6ipvlan139");
  const second = await addressesEqual("c2", "eth0", ["172.18.0.3/16", "2001:db8:abc2::2/64 nodad"]);

  tour.step("docker network create … --ip-range=2001:db8:abc2::22/127 skips_gateway");
  await host.driver.createNetwork({
    name: "skips_gateway",
    subnets: [{
      subnet: "2001:db8:abc2::/64",
      gateway: "2001:db8:abc2::22",
      ipRange: "2001:db8:abc2::22/127",
    }],
  });
  const c3 = await host.run("c3", "skips_gateway");
  await tour.holds(
    "V6-1",
    first,
    second,
    isEqual(
      "the first address of a range that begins with the gateway",
      c3.ip6,
      "2001:db8:abc2::23/64",
    ),
    isRefused(
      "--ip6=2001:db8:abc2::22",
      () => host.run("c4", "v6ipvlan139", { ip6: "2001:db8:abc2::22" }),
      "reserved-address",
    ),
  );
  await tour.holds("V6-3", first, second);
  tour.step("ping6 2001:db8:abc2::1");
  const routes = [
    "2001:db8:abc2::/64 dev eth0 metric 256",
    "default via 2001:db8:abc2::22 dev eth0 metric 1024",
  ];
  await tour.holds(
    "V6-2",
    routesEqual("c1", 6, routes),
    routesEqual("c2", 6, routes),
    reaches("c2", "2001:db8:abc2::1"),
    reaches("c1", "2001:db8:abc2::2"),
    reaches("c1", "2001:db8:abc2::22"),
  );

  tour.step("(on the router) radvd advertises 2001:db8:abc4::/64 on eth0.139");
  await world.advertise("eth0.139", "2001:db8:abc4::/64");
  const [own1, own2] = await Promise.all([
    waitForAdvertised("c1"),
    waitForAdvertised("c2"),
  ]);
  await tour.show("ip", "-n", "c1", "-6", "addr", "show", "dev", "eth0");
  await tour.show("ip", "-n", "c2", "-6", "addr", "show", "dev", "eth0");
  tour.note(
    "the kernel makes different addresses, although the links share a MAC: instead of ff:fe, the " +
      "middle of the address has the link's number (/sys/class/net/eth0/dev_id; see " +
      "addrconf_ifid_eui48 in include/net/addrconf.h). The guide's kernel was older and gave all " +
      "links the same address, hence dadfailed",
  );
  const { address: mac = "" } = await host.ip.link.show("eth0.139");
  await tour.holds(
    "V6-4",
    hasMac("c1", "eth0", mac),
    hasMac("c2", "eth0", mac),
    isEqual("the number of different addresses of the two", new Set([own1, own2]).size, 2),
    addressesEqual("c1", "eth0", ["172.18.0.2/16", "2001:db8:abc2::1/64", `${own1}/64 dynamic`]),
    addressesEqual("c2", "eth0", ["172.18.0.3/16", "2001:db8:abc2::2/64", `${own2}/64 dynamic`]),
    reaches("c2", own1),
    reaches("c1", own2),
  );
});

/**
 * Waits for the address that a container makes from an advertised prefix, until duplicate address
 * detection (RFC 4862, section 5.4) is over.
 */
async function waitForAdvertised(netns: string): Promise<string> {
  await using ip = await Ip.open({ netns });
  const deadline = AbortSignal.timeout(30_000);
  while (true) {
    const addrs = await ip.addr.show({ dev: "eth0" });
    const own = addrs.find(({ flags }) => flags.includes("dynamic"));
    if (own?.flags.includes("dadfailed") || own?.flags.includes("tentative") === false) {
      return own.address;
    }
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export default v6;
if (import.meta.main) Deno.exit(await main([v6], Deno.args));
