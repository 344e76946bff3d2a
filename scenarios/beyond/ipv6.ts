/**
 * IPv6 as one says: none, only the addresses of the subnets, or those that a router advertises.
 *
 * @module
 */
import { reaches } from "../../lib/check/mod.ts";
import { addressesEqual, routesEqual } from "../kit/machines/lines.ts";
import type { Addr } from "../../lib/iproute2/mod.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const NAMES = ["s1", "s2", "s3"];

const ipv6: Scenario = beyondScenario(
  "ipv6",
  "IPv6 as one says, where a router advertises",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64"] },
    });
    const { host } = world;
    const create = (name: string, ipv6Mode: "off" | "static" | "slaac", ...subnets: string[]) =>
      host.driver.createNetwork({ name, parent: "eth0", ipv6Mode, subnets });
    tour.step("ipvlan network create -o parent=eth0 -o ipv6=off --subnet=192.168.2.0/24 without");
    await create("without", "off", "192.168.2.0/24");
    tour.step("ipvlan network create -o ipv6=static --subnet=fd00:3::/64 … fixed");
    await create("fixed", "static", "192.168.3.0/24", "fd00:3::/64");
    tour.step("ipvlan network create -o ipv6=slaac --subnet=192.168.4.0/24 … auto");
    await create("auto", "slaac", "192.168.4.0/24");
    await host.run("c1", "without");
    await host.run("c2", "fixed");
    for (const name of NAMES) await host.run(name, "auto");
    tour.step("(on the router) radvd advertises fd00:1::/64 and itself as the default router");
    await world.advertise("eth0", "fd00:1::/64", 1800);
    const before = await advertised(({ flags }) => !flags.includes("tentative"));
    await tour.show("ip", "-n", "s1", "-6", "addr", "show", "dev", "eth0");
    await tour.holds(
      "ASK-4",
      isEqual("the number of different addresses of the three", new Set(before).size, 3),
      ...NAMES.map((name) => reaches(name, "fd00:1::1")),
      reaches("s1", before[1]!),
      addressesEqual("s1", "eth0", ["192.168.4.2/24", `${before[0]}/64`]),
      // The others have had the same time.
      addressesEqual("c1", "eth0", ["192.168.2.2/24"]),
      routesEqual("c1", 6, []),
      addressesEqual("c2", "eth0", ["192.168.3.2/24", "fd00:3::2/64 nodad"]),
      routesEqual("c2", 6, ["fd00:3::/64 dev eth0", "default via fd00:3::1 dev eth0"]),
      isRefused("ipv6=off with an IPv6 subnet", () => create("x", "off", "fd00:9::/64"), WRONG),
      isRefused("ipv6=static without one", () => create("x", "static", "10.9.0.0/24"), WRONG),
      isRefused("ipv6=slaac in L3", () =>
        host.driver.createNetwork({
          ...{ name: "x", parent: "eth0.9", mode: "l3", ipv6Mode: "slaac" },
          subnets: ["10.9.0.0/24"],
        }), WRONG),
    );
    // In another order, as after a restart of the machine.
    tour.step("ip netns del …; ipvlan restore");
    for (const name of [...NAMES].reverse()) await host.ip.netns.del(name);
    const { missing } = await host.driver.restore();
    await world.advertise("eth0", "fd00:1::/64", 1800);
    await tour.holds(
      "ASK-4",
      isEqual("what could not be restored", missing, []),
      isEqual("the addresses after that", await advertised(() => true), before),
    );
  },
);

const WRONG = "invalid-option";

/** Waits until each has an address from the router's advertisement, and returns them. */
async function advertised(isReady: (addr: Addr) => boolean): Promise<string[]> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    const seen = await Promise.all(NAMES.map((name) => lookInto(name, { addrs: true })));
    const own = seen.flatMap(({ addrs }) =>
      addrs.find((addr) => addr.address.startsWith("fd00:1::") && isReady(addr)) ?? []
    );
    if (own.length === NAMES.length) return own.map(({ address }) => address);
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export default ipv6;
