/**
 * Several uplinks: a sandbox answers by the link that was asked.
 *
 * @module
 */
import { doesNotReach, type Finding, reaches } from "../../lib/check/mod.ts";
import { familyOf } from "../../lib/ipam/address.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const VLANS = [20, 30, 40];

const policyRoutes: Scenario = beyondScenario(
  "policy-routes",
  "A sandbox with three uplinks answers by the one that was asked",
  async (tour) => {
    const gateways = VLANS.map((id) => [
      `eth0.${id}`,
      [`192.168.${id}.1/24`, `fd00:${id}::1/64`],
    ]);
    await using world = await tour.world({
      host: { eth0: [] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64"], ...Object.fromEntries(gateways) },
      lan: {
        pc: {
          addresses: ["192.168.1.100/24", "fd00:1::100/64"],
          gateways: ["192.168.1.1", "fd00:1::1"],
        },
      },
    });
    const { host } = world;
    const { driver } = host;
    tour.note("The router takes from each uplink only the addresses of its subnet (BCP 38)");
    const router = world.ip("lab-router");
    await Promise.all(
      VLANS.flatMap((id) =>
        [`192.168.${id}.0/24`, `fd00:${id}::/64`].flatMap((src) => {
          const iif = `eth0.${id}`;
          const family = familyOf(src);
          return [
            router.rule.add({ src, iif, table: "main", priority: 100 }),
            router.rule.add({ family, iif, action: "prohibit", priority: 200 }),
          ];
        })
      ),
    );
    for (const id of VLANS) {
      const subnets = [`192.168.${id}.0/24`, `fd00:${id}::/64`];
      const words = subnets.map((subnet) => `--subnet=${subnet}`).join(" ");
      tour.step(
        `ipvlan network create ${words} -o parent=eth0.${id} -o policy_routes=auto vlan${id}`,
      );
      const parent = `eth0.${id}`;
      await driver.createNetwork({ name: `vlan${id}`, parent, subnets, policyRoutes: "auto" });
    }
    const rulesAre = async (when: string, count: number): Promise<Finding> => {
      await using ip = await Ip.open({ netns: "c1" });
      const rules = (await ip.rule.show()).filter(({ priority }) => priority === 20_000);
      return isEqual(`the number of rules of c1 ${when}`, rules.length, count);
    };
    await host.run("c1", "vlan20");
    const alone = await rulesAre("on one network", 0);
    tour.step("ipvlan run -d --net=vlan20 --net=vlan30 --net=vlan40 --name=c1 sleep 1000");
    await Promise.all(["vlan30", "vlan40"].map((network) => driver.connect(network, "c1")));
    const addresses = (id: number) => [`192.168.${id}.2`, `fd00:${id}::2`];
    const answers = (ids = VLANS) =>
      ids.flatMap(addresses).map((address) => reaches("lab-pc", address));
    await tour.holds(
      "ASK-13",
      alone,
      await rulesAre("on three networks", 6),
      ...answers(),
    );

    tour.step("ip rule flush (root in c1); ipvlan restore");
    await using inside = await Ip.open({ netns: "c1" });
    const rules = (await inside.rule.show()).filter(({ priority }) => priority === 20_000);
    await Promise.all(rules.map((rule) => inside.rule.del(rule)));
    const silent = await Promise.all(
      addresses(30).map((address) =>
        doesNotReach("lab-pc", address, {
          control: "lab-router",
          reaches: address.includes(":") ? "fd00:20::2" : "192.168.20.2",
        })
      ),
    );
    await driver.restore();
    await tour.holds("ASK-13", await rulesAre("after restore", 6), ...silent, ...answers([30, 40]));

    tour.step("ipvlan network disconnect vlan20 c1; ipvlan network disconnect vlan40 c1");
    await driver.disconnect("vlan20", "c1");
    const two = await rulesAre("on two networks", 4);
    await driver.disconnect("vlan40", "c1");
    await tour.holds(
      "ASK-13",
      two,
      await rulesAre("on one network again", 0),
      ...addresses(30).map((address) => reaches("lab-pc", address)),
    );
  },
);

export default policyRoutes;
