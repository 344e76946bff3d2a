/**
 * Routes of CNI with all their fields, as CNI's own `ipvlan` plugin takes them.
 *
 * @module
 */
import { reaches } from "../../lib/check/mod.ts";
import { routesEqual } from "../kit/machines/lines.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const cniRoutes: Scenario = beyondScenario(
  "cni-routes",
  "Routes of CNI with a metric, a table, a scope and sizes",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: [] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64", "10.9.0.1/16"] },
    });
    const { host } = world;
    await using root = await Ip.open();
    await root.netns.add("pod1");
    await using undo = new AsyncDisposableStack();
    undo.defer(() => root.netns.del("pod1"));
    const gw = "192.168.1.1";
    const routes = [
      { dst: "0.0.0.0/0", gw, priority: 5, mtu: 1400, advmss: 1300 },
      { dst: "10.8.0.0/16", scope: 253 },
      { dst: "10.7.0.0/16", gw, table: 100 },
      { dst: "fd09::/16", gw: "fd00:1::1", priority: 7 },
    ];
    const subnets = [{ subnet: "192.168.1.0/24", gateway: gw }, "fd00:1::/64"];
    const conf = {
      ...{ cniVersion: "1.1.0", name: "lan", type: "ipvlan-kit", master: "eth0" },
      ipam: { type: "ipvlan-kit", subnets, routes },
    };
    tour.step(`CNI_COMMAND=ADD CNI_CONTAINERID=pod1 … ipvlan-kit < ${JSON.stringify(conf.ipam)}`);
    const { output, success } = await host.cni("ADD", "pod1", conf);
    if (!success) throw new Error(output);
    await using pod = await Ip.open({ netns: "pod1" });
    const inTable = await pod.route.show(4, { table: 100 });
    await tour.holds(
      "ASK-14",
      routesEqual("pod1", 4, [
        "default via 192.168.1.1 dev eth0 metric 5 mtu 1400 advmss 1300",
        "10.8.0.0/16 dev eth0 scope link",
        "192.168.1.0/24 dev eth0 src 192.168.1.2",
      ]),
      routesEqual("pod1", 6, [
        "fd00:1::/64 dev eth0",
        "fd09::/16 via fd00:1::1 dev eth0 metric 7",
      ]),
      isEqual(
        "the routes of table 100",
        inTable.map(({ dst, via }) => `${dst} via ${via}`).join(),
        "10.7.0.0/16 via 192.168.1.1",
      ),
      isEqual(
        "the routes of the result",
        JSON.stringify(JSON.parse(output).routes),
        JSON.stringify(routes),
      ),
      reaches("pod1", "10.9.0.1"),
    );
    tour.step("CNI_COMMAND=DEL CNI_CONTAINERID=pod1 … ipvlan-kit");
    await host.cni("DEL", "pod1", conf);
    await tour.holds("ASK-14", routesEqual("pod1", 4, []), routesEqual("pod1", 6, []));
  },
);

export default cniRoutes;
