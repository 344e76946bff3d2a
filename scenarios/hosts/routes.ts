/**
 * The guide's figure of L3 mode: two hosts, a top-of-rack router, and BGP.
 *
 * @module
 */
import { doesNotReach, type Finding, reaches } from "../../lib/check/mod.ts";
import type { Family } from "../../lib/ipam/address.ts";
import type { RoutingDaemon } from "../../lib/routing/config.ts";
import type { Bird } from "../kit/bird.ts";
import { failsWith, shows } from "../kit/engine_checks.ts";
import type { Frr } from "../kit/frr.ts";
import { engineScenario, type Scenario, type StatementId, type Tour } from "../kit/mod.ts";
import type { RouteChange } from "../kit/route_monitor.ts";
import { LAN, LAN_ADDRESS, type RoutedHost, RoutedHosts, TOR } from "../kit/routed_hosts.ts";

/** What differs between the families. */
const FAMILIES = {
  4: {
    options: "",
    subnets: ["10.1.0.0/24", "10.2.0.0/24"],
    addresses: ["10.1.0.2", "10.2.0.2", "10.2.0.3"],
  },
  6: {
    options: "--ipv4=false ",
    subnets: ["fd01::/64", "fd02::/64"],
    addresses: ["fd01::2", "fd02::2", "fd02::3"],
  },
} as const;

/** Starts a routing daemon on a host, with the configuration that `ipvlan` prints for it. */
export async function startDaemon(
  tour: Tour,
  world: RoutedHosts,
  host: RoutedHost,
  daemon: RoutingDaemon,
): Promise<Frr | Bird> {
  const { asn, router, under } = host;
  const neighbors = `--neighbor ${router[4]} --neighbor ${router[6]}`;
  const line = `ipvlan advertise --config ${daemon} --asn ${asn} ${neighbors}`;
  const config = await tour.perform(line, under);
  return daemon === "frr"
    ? await world.startFrr(host, config)
    : await world.startBird(host, config);
}

/**
 * Checks that one change follows another within a second.
 *
 * @param command What shows the changes.
 */
export function withinASecond(
  sentence: string,
  first: RouteChange,
  then: RouteChange,
  command = "ip monitor route",
): Finding {
  const after = Math.round(then.at - first.at);
  const output = [`here at 0 ms: ${first.line}`, `there at ${after} ms: ${then.line}`];
  return {
    sentence: `${sentence} within a second: after ${after} ms`,
    held: after < 1000,
    evidence: [{ command, output: output.join("\n") }],
  };
}

/** An expression for a text in a line. */
export function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/**
 * Announces the networks of two hosts. Proves a statement.
 *
 * @param daemon What runs on the first host. The other one and the router have FRR.
 */
export async function announce(
  tour: Tour,
  family: Family,
  id: StatementId,
  daemon: RoutingDaemon = "frr",
): Promise<void> {
  await using world = await RoutedHosts.start();
  const { torRoutes } = world;
  const [one, two] = world.hosts;
  const { options, subnets, addresses } = FAMILIES[family];
  const [a1, b1, b2] = addresses;
  const create = (subnet: string, mode: string, advertise: string) =>
    `ipvlan network create -d ipvlan ${options}--subnet=${subnet} -o parent=eth0 ` +
    `-o ipvlan_mode=${mode} -o advertise=${advertise}`;
  tour.note("host1 announces its whole subnet, and host2, in mode l3s, each address");
  await tour.perform(`${create(subnets[0], "l3", "subnet")} net1`, one.under);
  await tour.perform(`${create(subnets[1], "l3s", "address")} net2`, two.under);
  await tour.perform("ipvlan run -d --net=net1 --name=a1", one.under);
  await tour.perform("ipvlan run -d --net=net1 --name=a2", one.under);
  await tour.perform("ipvlan run -d --net=net2 --name=b1", two.under);
  await tour.perform("ipvlan run -d --net=net2 --name=b2", two.under);
  const under = one.under.join(" ");
  await tour.holds(
    id,
    failsWith(
      "Without a routing daemon, the LAN does not reach a1",
      `ip netns exec ${LAN} ping -c 1 -W 1 ${a1}`,
      /100% packet loss|unreachable/,
    ),
    shows("ipvlan advertise lists the route", `${under} ipvlan advertise`, subnets[0]),
    shows("ipvlan doctor says that nobody listens", `${under} ipvlan doctor; true`, "nobody"),
  );

  await using first = await startDaemon(tour, world, one, daemon);
  await using _second = await startDaemon(tour, world, two, "frr");
  await torRoutes.until(new RegExp(`^${literal(subnets[0])} .*via ${literal(viaOf(one, family))}`));
  await torRoutes.until(new RegExp(`^${literal(b1)} `));
  await torRoutes.until(new RegExp(`^${literal(b2)} `));
  // The router tells the other host.
  await one.routes.until(new RegExp(`^${literal(b2)} `));
  await two.routes.until(new RegExp(`^${literal(subnets[0])} `));
  await tour.show("ip", "-n", TOR!, `-${family}`, "route");
  const statics = (netns: string) =>
    shows(
      `${netns} has no static route`,
      `ip -n ${netns} -${family} route show proto static; ` +
        `ip -n ${netns} -${family} route show proto boot`,
      /^$/,
    );
  await tour.holds(
    id,
    reaches("a1", b1),
    reaches("b1", a1),
    reaches("a1", LAN_ADDRESS[family]),
    reaches("b1", LAN_ADDRESS[family]),
    reaches(LAN, a1),
    reaches(LAN, b1),
    // What it costs.
    doesNotReach(one.netns, a1, { control: LAN }),
    doesNotReach(two.netns, b1, { control: LAN }),
    statics(TOR!),
    statics(one.netns),
    statics(two.netns),
    failsWith(
      "ipvlan doctor has no complaint about routes any more",
      `${under} ipvlan doctor | grep nobody`,
    ),
  );

  torRoutes.forget();
  two.routes.forget();
  await tour.perform("ipvlan rm b2", two.under);
  const gone = new RegExp(`^Deleted (unreachable )?${literal(b2)} `);
  const [here, there] = [await two.routes.until(gone), await torRoutes.until(gone)];
  await tour.holds(
    id,
    withinASecond("The router's route to a sandbox that goes is withdrawn", here, there),
    reaches(LAN, b1),
  );

  tour.step(`kill -KILL of ${daemon === "frr" ? "zebra and bgpd" : "bird"} on host1`);
  torRoutes.forget();
  await first.kill();
  await torRoutes.until(new RegExp(`^Deleted ${literal(subnets[0])} `));
  await tour.holds(
    id,
    doesNotReach(LAN, a1, { control: "a2" }),
    reaches(LAN, b1),
  );
  await tour.perform("ipvlan rm a1 a2", one.under);
  await tour.perform("ipvlan rm b1", two.under);
  await tour.perform("ipvlan network rm net1", one.under);
  await tour.perform("ipvlan network rm net2", two.under);
  const left = (netns: string) =>
    shows(
      `No route is left on ${netns}`,
      `ip -n ${netns} -${family} route show type unreachable metric 117; ` +
        `ip -n ${netns} -${family} route show type unreachable metric 118`,
      /^$/,
    );
  await tour.holds(id, left(one.netns), left(two.netns));
}

/** What the router's routes to a host begin their next hop with. */
function viaOf({ address }: RoutedHost, family: Family): string {
  // FRR takes the link-local address of an IPv6 neighbor.
  return family === 4 ? address[4] : "f";
}

const routes: Scenario[] = engineScenario(
  "routes",
  "Two L3 hosts, a top-of-rack router, and BGP",
  [["frr"], ["bird", "frr"]],
  (tour, bundles) => announce(tour, 4, "HOSTS-4", bundles.includes("bird") ? "bird" : "frr"),
);

export default routes;
