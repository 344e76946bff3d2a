/**
 * The gateway is asked before the workload starts.
 *
 * @module
 */
import { reaches } from "../../lib/check/mod.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const probe: Scenario = beyondScenario(
  "probe",
  "The gateway is asked before the workload starts",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64"] },
    });
    const { host } = world;
    const create = (name: string, mode: "l2" | "l3", ...subnets: [string, string][]) =>
      host.driver.createNetwork({
        ...{ name, parent: mode === "l3" ? "eth0.9" : "eth0", mode, probe: "gateway" },
        subnets: subnets.map(([subnet, gateway]) => ({ subnet, gateway })),
      });
    tour.step("ipvlan network create -o parent=eth0 -o probe=gateway --gateway=192.168.1.1 … good");
    await create("good", "l2", ["192.168.1.0/24", "192.168.1.1"], ["fd00:1::/64", "fd00:1::1"]);
    // An address that nobody has, in one family each.
    tour.step("ipvlan network create -o probe=gateway --gateway=192.168.2.77 … wrong4; … wrong6");
    await create("wrong4", "l2", ["192.168.2.0/24", "192.168.2.77"]);
    await create("wrong6", "l2", ["192.168.3.0/24", "192.168.3.1"], ["fd00:3::/64", "fd00:3::77"]);
    await world.ip("lab-router").addr.add({ dev: "eth0", address: "192.168.3.1/24" });
    const linksOf = async () => (await host.ip.link.show()).map(({ name }) => name);
    const links = await linksOf();
    tour.step("ipvlan run --net=good …; ipvlan run --net=wrong4 …; ipvlan run --net=wrong6 …");
    const silent = (name: string) =>
      isRefused(`the silent gateway of ${name}`, () => host.run(name, name), "gateway-silent");
    const [good, ...wrong] = await Promise.all([
      host.run("c1", "good"),
      silent("wrong4"),
      silent("wrong6"),
    ]);
    await tour.holds(
      "ASK-16",
      ...wrong,
      isEqual("the sandboxes", host.driver.listSandboxes().map(({ name }) => name), ["c1"]),
      isEqual("the links of the host", await linksOf(), links),
      isEqual("the gateways of c1", [good.gateway, good.gateway6], ["192.168.1.1", "fd00:1::1"]),
      reaches("c1", "192.168.1.1"),
      reaches("c1", "fd00:1::1"),
      isRefused(
        "probe=gateway in L3",
        () => create("x", "l3", ["10.9.0.0/24", "10.9.0.1"]),
        "invalid-option",
      ),
    );
  },
);

export default probe;
