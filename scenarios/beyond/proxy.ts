/**
 * An L3 network in the LAN's own subnet, which the LAN reaches with no route set anywhere.
 *
 * @module
 */
import { doesNotReach, type Finding, reaches } from "../../lib/check/mod.ts";
import { routesEqual } from "../kit/machines/lines.ts";
import type { ErrorCode } from "../../lib/base/errors.ts";
import { run } from "../kit/command.ts";
import type { Endpoint, NetworkSpec } from "../../lib/driver/mod.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";
import { writeSysctls } from "../kit/machines/in_netns.ts";

/** The network of each L3 mode, on a parent of its own, and a machine of its LAN. */
const NEAR = {
  name: "near",
  parent: "eth0",
  mode: "l3s",
  proxy: true,
  subnets: [
    { subnet: "192.168.1.0/24", ipRange: "192.168.1.64/27" },
    { subnet: "fd00:1::/64", ipRange: "fd00:1::40/122" },
  ],
} as const satisfies NetworkSpec;
const NEAR20 = {
  name: "near20",
  parent: "eth0.20",
  mode: "l3",
  proxy: true,
  ipv4: false,
  subnets: [{ subnet: "fd00:20::/64", ipRange: "fd00:20::40/122" }],
} as const satisfies NetworkSpec;

const proxy: Scenario = beyondScenario(
  "proxy",
  "L3 networks in the LAN's own subnet",
  async (tour) => {
    await using world = await tour.world({
      // From its link-local addresses, a host asks the LAN for the machines that its sandboxes look for.
      host: {
        eth0: ["192.168.1.250/24", "fd00:1::250/64", "fe80::250/64"],
        "eth0.20": ["fd00:20::250/64", "fe80::250/64"],
      },
      router: {
        eth0: ["192.168.1.1/24", "fd00:1::1/64"],
        "eth0.20": ["fd00:20::1/64"],
        "eth0.50": ["192.168.50.1/24", "fd00:50::1/64"],
      },
      lan: {
        pc: { addresses: ["192.168.1.100/24", "fd00:1::100/64"] },
        pc20: { addresses: ["fd00:20::100/64"], vlan: 20 },
        beyond: {
          addresses: ["192.168.50.100/24", "fd00:50::100/64"],
          gateways: ["192.168.50.1", "fd00:50::1"],
          vlan: 50,
        },
      },
    });
    const { host } = world;
    const { driver } = host;
    for (const via of ["192.168.1.1", "fd00:1::1"]) {
      await host.ip.route.add({ dst: via.includes(":") ? "::/0" : "default", via });
    }
    const refused = (what: string, more: Partial<NetworkSpec>, code: ErrorCode = WRONG) =>
      isRefused(what, () => driver.createNetwork({ ...NEAR, ...more }), code);
    const before = await stateOf(host.netns);
    tour.step("ipvlan network create --subnet=192.168.1.0/24 -o parent=eth0 -o ipvlan_mode=l3s …");
    const subnets = ["192.168.1.0/24"];
    await tour.holds(
      "ASK-3",
      refused("the LAN's subnet without proxy", { proxy: false, subnets }, "parent-subnet"),
      refused("proxy of IPv4 in L3", { mode: "l3" }),
      refused("proxy in L2", { mode: "l2" }),
      refused("proxy of an internal network", { internal: true }),
      refused("proxy of routes that are announced", { advertise: "address" }),
    );

    tour.step(
      "ipvlan network create --subnet=192.168.1.0/24 --ip-range=192.168.1.64/27 " +
        "--subnet=fd00:1::/64 --ip-range=fd00:1::40/122 -o parent=eth0 -o ipvlan_mode=l3s " +
        "-o proxy=true near",
    );
    await driver.createNetwork(NEAR);
    tour.step(
      "ipvlan network create --ipv4=false --subnet=fd00:20::/64 --ip-range=fd00:20::40/122 " +
        "-o parent=eth0.20 -o ipvlan_mode=l3 -o proxy=true near20",
    );
    await driver.createNetwork(NEAR20);
    tour.step("ipvlan run -d --net=near --name=c1 …; … --name=c2 …; … --net=near20 --name=c3 …");
    const c1 = await host.run("c1", "near");
    const c2 = await host.run("c2", "near");
    const c3 = await host.run("c3", "near20");
    const inLan = () => [
      ...bothWays("lab-pc", ["192.168.1.100", "fd00:1::100"], c1),
      ...bothWays("lab-pc20", ["fd00:20::100"], c3),
    ];
    const everywhere = () => [
      ...inLan(),
      ...bothWays("lab-beyond", ["192.168.50.100", "fd00:50::100"], c1),
      ...addressesOf(c2).map((address) => reaches("c1", address)),
    ];
    await tour.show("ip", "-n", host.netns, "neigh", "show", "proxy");
    await tour.holds(
      "ASK-3",
      routesEqual("lab-pc", 4, ["192.168.1.0/24 dev eth0 src 192.168.1.100"]),
      routesEqual("lab-pc", 6, ["fd00:1::/64 dev eth0"]),
      routesEqual("lab-pc20", 6, ["fd00:20::/64 dev eth0"]),
      ...everywhere(),
      isEqual("the states of the sandboxes", await states(), ["up", "up", "up"]),
    );

    tour.step("ip neigh del proxy … (by hand); sysctl -w net.ipv6.conf.eth0.proxy_ndp=0");
    for (const dst of addressesOf(c1)) {
      await host.ip.neigh.del({ dst, dev: "eth0", proxy: true });
    }
    const forgets = () => world.ip("lab-pc").session.change("neigh flush dev eth0");
    await forgets();
    // The kernel lets up to 0.8 s pass before it answers for another one.
    const warm = await Promise.all(addressesOf(c2).map((address) => reaches("lab-pc", address)));
    const silent = await Promise.all(
      addressesOf(c1).map((address, index) =>
        doesNotReach("lab-pc", address, { control: "c2", reaches: addressesOf(c2)[index]! })
      ),
    );
    await set("ipv6/conf/eth0/proxy_ndp", "0");
    const seen = await states();
    await driver.restore();
    await tour.holds(
      "ASK-3",
      isEqual("the states of the sandboxes", seen, ["incomplete", "incomplete", "up"]),
      ...warm,
      ...silent,
      isEqual("the states after ipvlan restore", await states(), ["up", "up", "up"]),
      ...inLan(),
    );

    tour.step("ipvlan rm c1");
    await driver.removeSandbox("c1");
    const left = (await host.ip.neigh.show({ proxy: true })).map(({ dst }) => dst).toSorted();
    await tour.holds(
      "ASK-3",
      isEqual("the entries left", left, [...addressesOf(c2), ...addressesOf(c3)].toSorted()),
    );
    await host.run("c1", "near", { ip: addressesOf(c1)[0], ip6: addressesOf(c1)[1] });

    tour.step("the host restarts; ipvlan restore");
    const { missing } = await host.restart();
    await forgets();
    await world.ip("lab-pc20").session.change("neigh flush dev eth0");
    // The MAC address of the host is a new one.
    for (const dev of ["eth0", "eth0.20"]) {
      await world.ip("lab-router").session.change(`neigh flush dev ${dev}`);
    }
    await tour.holds(
      "ASK-3",
      isEqual("what is not restored", missing, []),
      ...inLan(),
    );
    tour.step("ipvlan rm c1 …; ipvlan network rm near near20");
    for (const name of ["c1", "c2", "c3"]) await host.driver.removeSandbox(name);
    for (const name of ["near", "near20"]) await host.driver.removeNetwork(name);
    const after = await stateOf(host.netns);
    await tour.holds(
      "ASK-3",
      isEqual("what is left in the host", after.filter((line) => !before.includes(line)), []),
      isEqual(
        "what is gone in the host, but for the default route",
        before.filter((line) => !after.includes(line) && !line.startsWith("default")),
        [],
      ),
    );

    tour.step("(on the router) radvd advertises itself as the default router");
    await world.advertise("eth0", "fd00:1::/64", 1800);
    const hasRoute = async (ip = host.ip) =>
      (await ip.route.show(6)).some(({ dst, protocol }) => dst === "default" && protocol === "ra");
    const pc = world.ip("lab-pc");
    while (!await hasRoute() || !await hasRoute(pc));
    const blind = await refusedNow();
    tour.step("sysctl -w net.ipv6.conf.eth0.accept_ra=2; ipvlan network create …; … network rm …");
    await set("ipv6/conf/eth0/accept_ra", "2");
    await host.driver.createNetwork(NEAR20);
    const isKept = await hasRoute();
    await host.driver.removeNetwork("near20");
    tour.step("(on pc, to compare) sysctl -w net.ipv6.conf.lo.forwarding=1");
    await writeSysctls("lab-pc", ["net/ipv6/conf/lo/forwarding"], "1");
    await tour.holds(
      "ASK-3",
      blind,
      isEqual("whether the host has kept its default route then", isKept, true),
      isEqual("whether pc, which has accept_ra=1, has kept its", await hasRoute(pc), false),
    );

    function refusedNow(): Promise<Finding> {
      const create = () => host.driver.createNetwork(NEAR20);
      return isRefused("proxy where the host has its default route from a router", create, WRONG);
    }

    async function set(setting: string, value: string): Promise<void> {
      await writeSysctls(host.netns, [`net/${setting}`], value);
    }

    async function states(): Promise<string[]> {
      return (await host.driver.seeSandboxes()).map(({ state }) => state);
    }
  },
);

const WRONG = "invalid-option";

function addressesOf({ ip, ip6 }: Endpoint): string[] {
  return [ip, ip6].flatMap((address) => address?.replace(/\/.*/, "") ?? []);
}

/** Pings from a machine to each address of a sandbox, and from the sandbox to those of the machine. */
function bothWays(
  machine: string,
  addresses: readonly string[],
  endpoint: Endpoint,
): Promise<Finding>[] {
  return [
    ...addressesOf(endpoint).map((address) => reaches(machine, address)),
    ...addresses.map((address) => reaches(endpoint.sandbox, address)),
  ];
}

/** The routes, the proxy entries and the settings of a host, in lines. */
async function stateOf(netns: string): Promise<string[]> {
  const settings = "cd /proc/sys/net && grep -r . ipv[46]/conf/eth0*/forwarding " +
    "ipv6/conf/eth0*/proxy_ndp";
  const shown = await Promise.all([
    run("ip", "-n", netns, "route", "show"),
    run("ip", "-n", netns, "-6", "route", "show", "proto", "kernel"),
    run("ip", "-n", netns, "neigh", "show", "proxy"),
    run("ip", "netns", "exec", netns, "sh", "-c", settings),
  ]);
  return shown.flatMap(({ output }) => output.split("\n"));
}

export default proxy;
