/**
 * Duplicate address detection as one says: a machine of the LAN that has the address is found.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { addressesEqual } from "../kit/machines/lines.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import { statOf } from "../../lib/base/files.ts";
import type { ConnectOptions, NetworkSpec } from "../../lib/driver/mod.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Host, type Scenario } from "../kit/mod.ts";

/** The addresses of the machine `pc`, which a sandbox asks for. */
const TAKEN = { ip: "192.168.1.100", ip6: "fd00:1::100" };

const duplicates: Scenario = beyondScenario(
  "duplicates",
  "Duplicate address detection, in both families",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"] },
      lan: { pc: { addresses: [`${TAKEN.ip}/24`, `${TAKEN.ip6}/64`] } },
    });
    const { host } = world;
    const { address: mac } = await world.ip("lab-pc").link.show("eth0");
    const subnets = ["192.168.1.0/24", "fd00:1::/64"];
    const create = (dad: "off" | "optimistic" | "on") =>
      host.driver.createNetwork({ name: "lan", parent: "eth0", dad, subnets });
    const linksOf = async () => (await host.ip.link.show()).map(({ name }) => name);

    tour.step("ipvlan network create -o parent=eth0 -o dad=on --subnet=192.168.1.0/24 … lan");
    await create("on");
    const links = await linksOf();
    tour.step(`ipvlan run --net=lan --ip=${TAKEN.ip} …; … --ip6=${TAKEN.ip6} …; … --name=c1 …`);
    const [v4, v6, free] = await Promise.all([
      isFound(host, { ip: TAKEN.ip }, `${TAKEN.ip} is held by the machine ${mac} on the LAN`),
      isFound(host, { ip6: TAKEN.ip6 }, `${TAKEN.ip6} is held by a machine on the LAN`),
      host.run("c1", "lan", { ip: "192.168.1.9" }),
    ]);
    await tour.holds(
      "ASK-5",
      v4,
      v6,
      isEqual("the sandboxes", host.driver.listSandboxes().map(({ name }) => name), ["c1"]),
      isEqual("the neighbours that the host still asks", await host.ip.neigh.show(), []),
      isEqual("the links of the host", await linksOf(), links),
      addressesEqual("c1", "eth0", [free.ip!, free.ip6!]),
      reaches("c1", TAKEN.ip),
      reaches("c1", TAKEN.ip6),
    );
    await host.driver.removeSandbox("c1");
    await host.driver.removeNetwork("lan");

    tour.step("ipvlan network create -o parent=eth0 -o dad=off --subnet=192.168.1.0/24 … lan");
    await create("off");
    await host.run("c2", "lan", TAKEN);
    await tour.holds(
      "ASK-5",
      addressesEqual("c2", "eth0", [`${TAKEN.ip}/24`, `${TAKEN.ip6}/64 nodad`]),
    );
    await host.driver.removeSandbox("c2");
    await host.driver.removeNetwork("lan");

    tour.step("ipvlan network create -o parent=eth0 -o dad=optimistic --subnet=… lan");
    const l3: NetworkSpec = { name: "x", parent: "eth0.9", mode: "l3", dad: "on", subnets };
    const inL3 = isRefused("dad=on in L3", () => host.driver.createNetwork(l3), "invalid-option");
    const optimistic = async () => {
      await create("optimistic");
      return await host.run("c3", "lan", { ip: "192.168.1.9" });
    };
    if (statOf("/proc/sys/net/ipv6/conf/all/optimistic_dad")) {
      const { ip6 = "" } = await optimistic();
      const { addrs } = await lookInto("c3", { addrs: true });
      const { flags } = addrs.find(({ address }) => ip6.startsWith(`${address}/`))!;
      const isWaiting = flags.includes("tentative") && !flags.includes("optimistic");
      await tour.holds(
        "ASK-5",
        inL3,
        isEqual("whether the address of c3 is not looked for", flags.includes("nodad"), false),
        isEqual("whether it cannot be used yet", isWaiting, false),
        reaches("c3", TAKEN.ip6),
      );
    } else {
      const refused = isRefused("dad=optimistic on this kernel", optimistic, "invalid-option");
      await tour.holds("ASK-5", inL3, refused);
    }
  },
);

/** Checks that a sandbox is not made, as another machine has an address that it asks for. */
async function isFound(host: Host, given: ConnectOptions, words: string): Promise<Finding> {
  const name = `taken${Object.keys(given)}`;
  const output = await host.run(name, "lan", given).then(
    () => "It was not refused",
    (error) => error instanceof IpvlanError ? error.message : Promise.reject(error),
  );
  return {
    sentence: `${words}: it is refused`,
    held: output.includes(words),
    evidence: [{ command: `ipvlan run --name=${name}`, output }],
  };
}

export default duplicates;
