/**
 * The guide's figure of L3 mode: two hosts, a top-of-rack router, and BGP.
 *
 * @module
 */
import { type CommandResult, run } from "../kit/command.ts";
import { doesNotReach, type Finding, reaches } from "../../lib/check/mod.ts";
import type { Family } from "../../lib/ipam/address.ts";
import type { RoutingDaemon } from "../../lib/driver/model/routing_config.ts";
import { failsWith, shows } from "../kit/engines/checks.ts";
import { engineScenario, type Scenario, type StatementId, type Tour } from "../kit/mod.ts";
import type { RouteChange } from "../kit/hosts/route_monitor.ts";
import type { RoutedHost } from "../kit/hosts/routed_host.ts";
import { LAN, LAN_ADDRESS, RoutedHosts, TOR } from "../kit/hosts/routed_hosts.ts";
import type { SecondKernel } from "../kit/machines/second_kernel.ts";

/** The parameters of each family. */
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
  host: RoutedHost,
  daemon: RoutingDaemon,
): Promise<void> {
  const neighbors = `--neighbor ${host.router[4]} --neighbor ${host.router[6]}`;
  const line = `ipvlan advertise --config ${daemon} --asn ${host.asn} ${neighbors}`;
  await host.startDaemon(daemon, await tour.perform(line, host));
}

/**
 * Checks that one change follows another within a second.
 *
 * @param command The command in the evidence, which shows the changes.
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

/** Escapes a text for a regular expression. */
export function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

/**
 * Announces the networks of two hosts. Proves a statement.
 *
 * @param daemon The routing daemon of the first host. The other host and the router run FRR.
 * @param second The kernel of the second host. By default, both hosts share this kernel.
 */
export async function announce(
  tour: Tour,
  family: Family,
  id: StatementId,
  daemon: RoutingDaemon = "frr",
  second?: SecondKernel,
): Promise<void> {
  await using world = await RoutedHosts.start(second);
  const { torRoutes } = world;
  const [one, two] = world.hosts;
  const { options, subnets, addresses } = FAMILIES[family];
  const [a1, b1, b2] = addresses;
  const create = (subnet: string, mode: string, advertise: string) =>
    `ipvlan network create -d ipvlan ${options}--subnet=${subnet} -o parent=eth0 ` +
    `-o ipvlan_mode=${mode} -o advertise=${advertise}`;
  tour.note("host1 announces its whole subnet, and host2, in mode l3s, each address");
  await tour.perform(`${create(subnets[0], "l3", "subnet")} net1`, one);
  await tour.perform(`${create(subnets[1], "l3s", "address")} net2`, two);
  await tour.perform("ipvlan run -d --net=net1 --name=a1", one);
  await tour.perform("ipvlan run -d --net=net1 --name=a2", one);
  await tour.perform("ipvlan run -d --net=net2 --name=b1", two);
  await tour.perform("ipvlan run -d --net=net2 --name=b2", two);
  await tour.holds(
    id,
    failsWith(
      "Without a routing daemon, the LAN does not reach a1",
      `ip netns exec ${LAN} ping -c 1 -W 1 ${a1}`,
      /100% packet loss|unreachable/,
    ),
    shows("ipvlan advertise lists the route", one.run("ipvlan advertise"), subnets[0]),
    shows("ipvlan doctor says that nobody listens", one.run("ipvlan doctor; true"), "nobody"),
  );

  await startDaemon(tour, one, daemon);
  await startDaemon(tour, two, "frr");
  await torRoutes.until(new RegExp(`^${literal(subnets[0])} .*via ${literal(viaOf(one, family))}`));
  await torRoutes.until(new RegExp(`^${literal(b1)} `));
  await torRoutes.until(new RegExp(`^${literal(b2)} `));
  // The router announces it to the other host.
  await one.untilRoute(new RegExp(`^${literal(b2)} `));
  await two.untilRoute(new RegExp(`^${literal(subnets[0])} `));
  await tour.show("ip", "-n", TOR!, `-${family}`, "route");
  const staticRoutes = `ip -${family} route show proto static; ip -${family} route show proto boot`;
  const noStatics = (netns: string, lines: Promise<CommandResult>) =>
    shows(`${netns} has no static route`, lines, /^$/);
  await tour.holds(
    id,
    one.reaches("a1", b1),
    two.reaches("b1", a1),
    one.reaches("a1", LAN_ADDRESS[family]),
    two.reaches("b1", LAN_ADDRESS[family]),
    reaches(LAN, a1),
    reaches(LAN, b1),
    // What it costs.
    one.doesNotReach(one.netns, a1, { control: "a2", reaches: one.router[family] }),
    two.doesNotReach(two.netns, b1, { control: "b2", reaches: two.router[family] }),
    noStatics(TOR!, run("ip", "netns", "exec", TOR!, "sh", "-c", staticRoutes)),
    noStatics(one.netns, one.run(staticRoutes)),
    noStatics(two.netns, two.run(staticRoutes)),
    failsWith(
      "ipvlan doctor has no complaint about routes any more",
      one.run("ipvlan doctor | grep nobody"),
    ),
  );

  torRoutes.forget();
  await two.forgetRoutes();
  await tour.perform("ipvlan rm b2", two);
  const gone = new RegExp(`^Deleted (unreachable )?${literal(b2)} `);
  const [here, there] = [await two.untilRoute(gone), await torRoutes.until(gone)];
  await tour.holds(
    id,
    withinASecond("The router's route to a sandbox that goes is withdrawn", here, there),
    reaches(LAN, b1),
  );

  tour.step(`kill -KILL of ${daemon === "frr" ? "zebra and bgpd" : "bird"} on host1`);
  torRoutes.forget();
  await one.killDaemon();
  await torRoutes.until(new RegExp(`^Deleted ${literal(subnets[0])} `));
  await tour.holds(
    id,
    doesNotReach(LAN, a1, { control: "a2", reaches: b1 }),
    reaches(LAN, b1),
  );
  await tour.perform("ipvlan rm a1 a2", one);
  await tour.perform("ipvlan rm b1", two);
  await tour.perform("ipvlan network rm net1", one);
  await tour.perform("ipvlan network rm net2", two);
  const left = (host: RoutedHost) =>
    shows(
      `No route is left on ${host.netns}`,
      host.run(
        `ip -${family} route show type unreachable metric 117; ` +
          `ip -${family} route show type unreachable metric 118`,
      ),
      /^$/,
    );
  await tour.holds(id, left(one), left(two));
}

/** The start of the next hop in the router's routes to a host. */
function viaOf({ address }: RoutedHost, family: Family): string {
  // FRR uses the link-local address of an IPv6 neighbor as the next hop.
  return family === 4 ? address[4] : "f";
}

const routes: Scenario[] = engineScenario(
  "routes",
  "Two L3 hosts, a top-of-rack router, and BGP",
  [["frr"], ["bird", "frr"]],
  (tour, bundles) => announce(tour, 4, "HOSTS-4", bundles.includes("bird") ? "bird" : "frr"),
);

export default routes;
