/**
 * One L3 subnet over two hosts: each address has a route of its own, and moves with its sandbox.
 *
 * @module
 */
import { countIncoming } from "../kit/machines/checks.ts";
import { type Finding, reaches } from "../../lib/check/mod.ts";
import type { Family } from "../../lib/ipam/address.ts";
import type { RoutingDaemon } from "../../lib/driver/model/routing_config.ts";
import { run } from "../kit/command.ts";
import { engineScenario, type Scenario, type StatementId, type Tour } from "../kit/mod.ts";
import type { RoutedHost } from "../kit/hosts/routed_host.ts";
import { LAN, LAN_ADDRESS, RoutedHosts, TOR } from "../kit/hosts/routed_hosts.ts";
import { literal, startDaemon, withinASecond } from "./routes.ts";

/** The parameters of each family. */
const FAMILIES = {
  4: {
    options: "--subnet=10.3.0.0/24",
    subnet: "10.3.0.0/24",
    ranges: ["10.3.0.64/27", "10.3.0.128/27"],
    addresses: ["10.3.0.64", "10.3.0.128"],
    moved: "--ip=10.3.0.9",
    address: "10.3.0.9",
    unused: "10.3.0.99/32",
  },
  6: {
    options: "--ipv4=false --subnet=fd03::/64",
    subnet: "fd03::/64",
    ranges: ["fd03::64:0/112", "fd03::128:0/112"],
    addresses: ["fd03::64:0", "fd03::128:0"],
    moved: "--ip6=fd03::9",
    address: "fd03::9",
    unused: "fd03::99/128",
  },
} as const;

/** More frames than the router gets for one packet without a loop, in addition to BGP. */
const LOOP = 20;

/**
 * Moves a sandbox from one host to the other. Proves a statement.
 *
 * @param daemon The routing daemon of the first host. The other host and the router run FRR.
 */
export async function move(
  tour: Tour,
  family: Family,
  id: StatementId,
  daemon: RoutingDaemon = "frr",
): Promise<void> {
  await using world = await RoutedHosts.start();
  const { tor, torRoutes } = world;
  const [one, two] = world.hosts;
  const { options, subnet, ranges, addresses, moved, address, unused } = FAMILIES[family];
  await startDaemon(tour, one, daemon);
  await startDaemon(tour, two, "frr");
  const create = `ipvlan network create -d ipvlan ${options} -o parent=eth0 -o ipvlan_mode=l3 ` +
    "-o advertise=address";
  await tour.perform(`${create} --ip-range=${ranges[0]} each`, one);
  await tour.perform(`${create} --ip-range=${ranges[1]} each`, two);
  await tour.perform("ipvlan run -d --net=each --name=s1", one);
  await tour.perform("ipvlan run -d --net=each --name=s2", two);
  const runMoved = `ipvlan run -d --net=each ${moved} --name=m`;
  await tour.perform(runMoved, one);
  const isRoute = new RegExp(`^(unreachable )?${literal(address)} `);
  await torRoutes.until(isRoute);
  await two.untilRoute(isRoute);
  await one.untilRoute(new RegExp(`^${literal(addresses[1])} `));
  await tour.show("ip", "-n", TOR!, `-${family}`, "route");
  await tour.holds(
    id,
    reaches("s1", addresses[1]),
    reaches("s2", addresses[0]),
    reaches("s2", address),
    reaches(LAN, addresses[0]),
    reaches(LAN, addresses[1]),
    reaches(LAN, address),
    reaches("m", LAN_ADDRESS[family]),
    {
      sentence: "The subnet itself is not announced",
      held: (await tor.route.show(family)).every(({ dst }) => dst !== subnet),
      evidence: [await run("ip", "-n", TOR!, `-${family}`, "route")],
    },
  );

  await tour.perform("ipvlan rm m", one);
  await torRoutes.until(new RegExp(`^Deleted ${literal(address)} `));
  torRoutes.forget();
  for (const host of world.hosts) await host.forgetRoutes();
  await tour.perform(runMoved, two);
  const here = await two.untilRoute(new RegExp(`^unreachable ${literal(address)} `));
  const there = await torRoutes.until(isRoute);
  const other = await one.untilRoute(isRoute);
  await tour.holds(
    id,
    withinASecond("The router knows where the sandbox is now", here, there),
    withinASecond("The other host knows it", here, other),
    reaches(LAN, address),
    reaches("s1", address),
    reaches("s2", address),
    reaches("m", LAN_ADDRESS[family]),
  );

  tour.note("The router has a route to an unused address, as just before a route is withdrawn");
  const [, via] = /via (\S+)/.exec(viaLine(await tor.route.show(family), addresses[0])) ?? [];
  await tor.route.add({ dst: unused, via: via!, dev: "host1" });
  const cover = `unreachable ${subnet} proto kernel metric 118`;
  await tour.holds(id, loops(false, one, unused));
  await tour.perform(`ip -${family} route del ${cover}`, one);
  await tour.holds(id, loops(true, one, unused));
  await tour.perform("ipvlan restore", one);
  await tour.holds(id, loops(false, one, unused));
}

/** Formats the next hop of a route: `via 172.16.1.2`. */
function viaLine(routes: readonly { dst: string; via?: string }[], dst: string): string {
  return `via ${routes.find((route) => route.dst === dst)?.via}`;
}

/** Checks whether a packet for an unused address loops between the router and a host. */
async function loops(expected: boolean, host: RoutedHost, unused: string): Promise<Finding> {
  const [address = ""] = unused.split("/");
  const port = host.netns.replace("lab-", "");
  const { counts, evidence } = await countIncoming(
    TOR!,
    port,
    [],
    () => run("ip", "netns", "exec", LAN!, "ping", "-c", "1", "-W", "1", address),
  );
  const without = expected ? "Without the host's route to the subnet, a" : "A";
  return {
    sentence: `${without} packet for an unused address ${expected ? "loops" : "does not loop"}`,
    held: counts.untagged >= LOOP === expected,
    evidence: [evidence],
  };
}

const moves: Scenario[] = engineScenario(
  "moves",
  "One L3 subnet over two hosts, and a sandbox that moves with its address",
  [["frr"], ["bird", "frr"]],
  (tour, bundles) => move(tour, 4, "HOSTS-5", bundles.includes("bird") ? "bird" : "frr"),
);

export default moves;
