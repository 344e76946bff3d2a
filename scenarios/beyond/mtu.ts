/**
 * The MTU of links: the parent's, or the network's own.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { linkShows } from "../kit/machines/lines.ts";
import { isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Host, type Scenario } from "../kit/mod.ts";

const mtu: Scenario = beyondScenario(
  "mtu",
  "Links follow the parent's MTU, or keep that of their network",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"] },
      lan: { pc: { addresses: ["192.168.1.100/24"] } },
    });
    const { host } = world;
    tour.step("ipvlan network create --subnet=192.168.1.0/24 -o parent=eth0 follows");
    await host.driver.createNetwork({
      name: "follows",
      parent: "eth0",
      subnets: ["192.168.1.0/24"],
    });
    tour.step("ipvlan network create --subnet=192.168.2.0/24 -o parent=eth0 -o mtu=1400 own");
    const own = { name: "own", parent: "eth0", subnets: ["192.168.2.0/24"], mtu: 1400 };
    await host.driver.createNetwork(own);
    await host.run("c1", "follows");
    await host.run("c2", "own");
    await tour.holds(
      "ASK-8",
      linkShows("c1", "eth0", "mtu 1500"),
      linkShows("c2", "eth0", "mtu 1400"),
      reaches("c1", "192.168.1.100"),
      isRefused(
        "an MTU of 9000, where eth0 has 1500,",
        () => host.driver.createNetwork({ name: "large", parent: "eth0", mtu: 9000 }),
        "invalid-option",
      ),
    );

    // The kernel gives each link the parent's new MTU, whatever it had.
    tour.step("ip link set eth0 mtu 1450; ipvlan doctor; ipvlan restore");
    await host.ip.link.set("eth0", { mtu: 1450 });
    const noticed = await doctorSays(host, /MTU of eth0 in "c2" is 1450, not the 1400 of .* "own"/);
    await host.ipvlan("restore");
    await tour.holds(
      "ASK-8",
      noticed,
      linkShows("c1", "eth0", "mtu 1450"),
      linkShows("c2", "eth0", "mtu 1400"),
      await doctorSays(host, undefined),
    );
    tour.step("ip link set eth0 mtu 1300; ipvlan doctor");
    await host.ip.link.set("eth0", { mtu: 1300 });
    await tour.holds(
      "ASK-8",
      await doctorSays(host, /Its MTU is 1300 and that of .* "own" is 1400/),
    );
  },
);

/** Checks what `ipvlan doctor` says about MTUs: a sentence, or nothing. */
async function doctorSays(host: Host, sentence: RegExp | undefined): Promise<Finding> {
  const { command, output } = await host.ipvlan("doctor");
  const said = output.split("\n").filter((line) => line.includes("MTU"));
  return {
    sentence: sentence ? "doctor notices a wrong MTU" : "doctor finds every MTU right",
    held: sentence ? said.some((line) => sentence.test(line)) : said.length === 0,
    evidence: [{ command, output }],
  };
}

export default mtu;
