/**
 * An 802.1q trunk of the network operators (NetOps): VLANs 10, 20 and 30 with their subnets.
 *
 * @module
 */
import type { Finding } from "../lib/check/mod.ts";
import { reaches } from "./kit/machines/predicted.ts";
import { routesEqual } from "./kit/machines/lines.ts";
import { isEqual, taggedWith } from "./kit/machines/checks.ts";
import { main, scenario } from "./kit/mod.ts";

const netops = scenario("netops", "The NetOps mappings: three VLANs on a trunk", async (tour) => {
  await using world = await tour.world({
    router: {
      "eth0.10": ["172.16.80.1/24"],
      "eth0.20": ["172.16.50.1/22"],
      "eth0.30": ["10.1.100.1/16"],
    },
  });
  const mappings = [
    { vlan: 10, subnet: "172.16.80.0/24", gateway: "172.16.80.1" },
    { vlan: 20, subnet: "172.16.50.0/22", gateway: "172.16.50.1" },
    { vlan: 30, subnet: "10.1.100.0/16", gateway: "10.1.100.1" },
  ];
  const allNotices: string[] = [];
  for (const { vlan, subnet, gateway } of mappings) {
    const words = `--subnet=${subnet} --gateway=${gateway} -o parent=eth0.${vlan}`;
    tour.step(`docker network create -d ipvlan ${words} vlan${vlan}`);
    const { notices } = await world.host.driver.createNetwork({
      name: `vlan${vlan}`,
      subnets: [{ subnet, gateway }],
      parent: `eth0.${vlan}`,
    });
    for (const notice of notices) tour.note(notice);
    allNotices.push(...notices);
  }
  await Promise.all([10, 20, 30].map((vlan) => world.host.run(`c${vlan}`, `vlan${vlan}`)));
  await tour.show("ip", "-n", "lab-host", "-brief", "link");
  let reached: Finding[] = [];
  const tagged = await taggedWith("lab-switch", "host-eth0", [10, 20, 30], async () => {
    reached = await Promise.all(
      mappings.map(({ vlan, gateway }) => reaches(`c${vlan}`, gateway)),
    );
  });
  await tour.holds(
    "VLAN-10",
    isEqual("the list of notices", allNotices, [
      "Subnet 172.16.50.0/22 has host bits set: it is taken as 172.16.48.0/22",
      "Subnet 10.1.100.0/16 has host bits set: it is taken as 10.1.0.0/16",
    ]),
    tagged,
    ...reached,
    routesEqual("c10", 4, [
      "default via 172.16.80.1 dev eth0",
      "172.16.80.0/24 dev eth0 src 172.16.80.2",
    ]),
    routesEqual("c20", 4, [
      "default via 172.16.50.1 dev eth0",
      "172.16.48.0/22 dev eth0 src 172.16.48.1",
    ]),
    routesEqual("c30", 4, [
      "default via 10.1.100.1 dev eth0",
      "10.1.0.0/16 dev eth0 src 10.1.0.1",
    ]),
  );
});

export default netops;
if (import.meta.main) Deno.exit(await main([netops], Deno.args));
