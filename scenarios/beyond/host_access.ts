/**
 * The host and its sandboxes: "containers cannot reach their own host" of Docker's ipvlan.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { run } from "../kit/command.ts";
import { countIncoming, isEqual, isRefused } from "../kit/machines/checks.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import type { Endpoint } from "../../lib/driver/mod.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

/** The networks: each mode on a parent of its own. A machine of the LAN is on the first two. */
const NETWORKS = [
  { parent: "eth0", mode: "l2", subnets: ["192.168.1.0/24", "fd00:1::/64"] },
  { parent: "eth0.20", mode: "l2", subnets: ["10.20.0.0/24", "fd00:20::/64"] },
  { parent: "eth0.30", mode: "l3", subnets: ["10.30.0.0/24", "fd00:30::/64"] },
  { parent: "eth0.40", mode: "l3s", subnets: ["10.40.0.0/24", "fd00:40::/64"] },
] as const;
const VLANS = [20, 30, 40];

const HOST = ["169.254.77.1", "fd69:7076:6c61:6e00::1", "host.internal"];

const hostAccess: Scenario = beyondScenario(
  "host-access",
  "The host and its sandboxes reach each other",
  async (tour) => {
    await using world = await tour.world({
      // A sub-interface that the driver makes looks for its own link-local address, which the LAN hears.
      host: {
        eth0: ["192.168.1.250/24", "fd00:1::250/64"],
        ...Object.fromEntries(VLANS.map((id) => [`eth0.${id}`, []])),
      },
      router: { eth0: [] },
      lan: {
        pc: { addresses: ["192.168.1.100/24", "fd00:1::100/64"] },
        pc20: { addresses: ["10.20.0.100/24", "fd00:20::100/64"], vlan: 20 },
      },
      vlans: VLANS,
    });
    const { host } = world;
    const before = await stateOf(host.netns);
    const made = await heard(async () => {
      for (const { parent, mode, subnets } of NETWORKS) {
        tour.step(
          `ipvlan network create --subnet=${subnets.join(" --subnet=")} -o parent=${parent} ` +
            `-o ipvlan_mode=${mode} -o host_access=true on-${parent}`,
        );
        const spec = { name: `on-${parent}`, parent, mode, subnets, hostAccess: true };
        await host.driver.createNetwork(spec);
      }
      return [];
    });
    const endpoints: Endpoint[] = [];
    for (const [index, { parent }] of NETWORKS.entries()) {
      tour.step(`ipvlan run -d --net=on-${parent} --name=c${index + 1} sleep 1000`);
      endpoints.push(await host.run(`c${index + 1}`, `on-${parent}`));
    }
    await Promise.all([settled("c1", "192.168.1.100"), settled("c2", "10.20.0.100")]);
    tour.step("ping from each to host.internal, and from the host to each");
    const all = await heard(() => bothWays(host.netns, endpoints));
    const own = ["192.168.1.100", "fd00:1::100"];
    const control = await heard(async () => {
      await host.ip.session.change("neigh flush dev eth0");
      return await Promise.all(own.map((address) => reaches(host.netns, address)));
    });
    const only = (name: string) =>
      all.findings.filter(({ sentence, evidence }) =>
        [sentence, ...evidence.map(({ command }) => command)].some((text) => text.includes(name))
      );
    await tour.holds(
      "ASK-1",
      isEqual("the frames that the LAN gets while the networks are made", made.frames, 0),
      isEqual("the frames that the LAN gets from all these pings", all.frames, 0),
      isEqual(
        "whether it gets any if the host pings one of its machines",
        control.frames > 0,
        true,
      ),
      ...control.findings,
      ...only("c1 "),
      ...only("192.168.1.2"),
      ...only("fd00:1::2"),
      isRefused(
        "host access of an internal network",
        () => host.driver.createNetwork({ name: "in", internal: true, hostAccess: true }),
        "invalid-option",
      ),
    );
    await tour.holds(
      "ASK-2",
      isEqual("the frames that the LAN gets from all these pings", all.frames, 0),
      ...all.findings,
      ...(["private", "vepa"] as const).map((flag) =>
        isRefused(
          `host access with the flag ${flag}`,
          () =>
            host.driver.createNetwork({ name: flag, parent: "eth0.50", flag, hostAccess: true }),
          "invalid-option",
        )
      ),
    );

    tour.step("the host restarts; ipvlan restore");
    const { missing } = await host.restart();
    const again = await bothWays(host.netns, endpoints);
    tour.step("ipvlan rm c1 …; ipvlan network rm on-eth0 …");
    for (const { sandbox, network } of endpoints) {
      await host.driver.removeSandbox(sandbox);
      await host.driver.removeNetwork(network);
    }
    const after = await stateOf(host.netns);
    await tour.holds(
      "ASK-1",
      isEqual("what is not restored", missing.length, 0),
      ...again,
      isEqual("what is left in the host", after.filter((line) => !before.includes(line)).length, 0),
      isEqual("what is gone in the host", before.filter((line) => !after.includes(line)).length, 0),
    );
  },
);

/** Pings from each sandbox to the host and back, in both families. */
async function bothWays(host: string, endpoints: readonly Endpoint[]): Promise<Finding[]> {
  return await Promise.all(endpoints.flatMap(({ sandbox, ip, ip6 }) => [
    ...HOST.map((address) => reaches(sandbox, address)),
    ...[ip, ip6].map((address = "") => reaches(host, address.replace(/\/.*/, ""))),
  ]));
}

/**
 * Waits until the LAN has heard what the kernel says of a sandbox when its link comes up: of its
 * addresses, and of its link-local address up to a second later. It says the first in order.
 */
async function settled(sandbox: string, other: string): Promise<void> {
  await reaches(sandbox, other);
  const isTentative = async () =>
    (await lookInto(sandbox, { addrs: true })).addrs
      .some(({ flags }) => flags.includes("tentative"));
  while (await isTentative());
}

/** The frames that a trunk port gets meanwhile, but those that each kernel sends by itself. */
async function heard(
  action: () => Promise<Finding[]>,
): Promise<{ findings: Finding[]; frames: number }> {
  const findings: Finding[] = [];
  const { counts } = await countIncoming("lab-router", "eth0", VLANS, async () => {
    findings.push(...await action());
  });
  const tagged = [...counts.tagged.values()].reduce((sum, each) => sum + each, 0);
  return { findings, frames: counts.untagged + counts.other + tagged };
}

/** The links, addresses, routes and permanent neighbours of a host, in lines. */
async function stateOf(netns: string): Promise<string[]> {
  const words = ["-o addr show", "route show", "-6 route show", "neigh show nud permanent"];
  const shown = await Promise.all(words.map((each) => run("ip", "-n", netns, ...each.split(" "))));
  return shown.flatMap(({ output }) => output.split("\n"))
    .map((line) => line.replace(/^\d+: |@if\d+/g, ""));
}

export default hostAccess;
