/**
 * A switch port that lets one MAC address through, as those of clouds and Wi-Fi do.
 *
 * @module
 */
import { doesNotReach, reaches } from "../../lib/check/mod.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const PC = ["192.168.1.100", "fd00:1::100"] as const;

const oneMac: Scenario = beyondScenario(
  "one-mac",
  "A switch port that lets one MAC address through",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24", "fd00:1::250/64"] },
      lan: { pc: { addresses: PC.map((address, i) => `${address}/${i ? 64 : 24}`) } },
    });
    const { host } = world;
    const { driver } = host;
    const port = ["ip", "netns", "exec", "lab-switch"];
    const { address: mac } = await host.ip.link.show("eth0");
    await tour.perform(`bridge fdb replace ${mac} dev host-eth0 master static vlan 1`, port);
    await tour.perform("bridge link set dev host-eth0 learning off locked on", port);

    tour.step(
      "ipvlan network create --subnet=192.168.1.0/24 --subnet=fd00:1::/64 -o parent=eth0 lan",
    );
    const subnets = ["192.168.1.0/24", "fd00:1::/64"];
    await driver.createNetwork({ name: "lan", parent: "eth0", subnets });
    for (const name of ["c1", "c2"]) await host.run(name, "lan");
    await tour.holds(
      "ASK-12",
      ...["c1", "c2"].flatMap((name) => PC.map((pc) => reaches(name, pc))) as [
        ReturnType<typeof reaches>,
      ],
    );
    for (const name of ["c1", "c2"]) await driver.removeSandbox(name);
    await driver.removeNetwork("lan");

    for (const [i, name] of ["mac1", "mac2"].entries()) {
      await driver.createSandbox({ name });
      await tour.perform(
        `ip -n lab-host link add ${name} link eth0 netns ${name} type macvlan mode bridge; ` +
          `ip -n ${name} addr add 192.168.1.2${i}/24 dev ${name}; ` +
          `ip -n ${name} addr add fd00:1::2${i}/64 dev ${name} nodad; ip -n ${name} link set ${name} up`,
      );
    }
    const siblings = ["192.168.1.21", "fd00:1::21"];
    const [four, six] = PC.map((pc, i) => ({ pc, sibling: siblings[i]! }));
    await tour.holds(
      "ASK-12",
      doesNotReach("mac1", four!.pc, { control: "lab-host", reaches: four!.sibling }),
      doesNotReach("mac1", six!.pc, { control: "lab-host", reaches: six!.sibling }),
    );
    await tour.perform("bridge link set dev host-eth0 learning on locked off", port);
    await tour.holds("ASK-12", reaches("mac1", PC[0]), reaches("mac1", PC[1]));
  },
);

export default oneMac;
