/**
 * Several addresses of one family on an endpoint, as Docker's `--ip` cannot give them.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { addressesEqual, routesEqual } from "../kit/machines/lines.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const OWN = ["192.168.1.5", "192.168.1.6", "fd00:1::5", "fd00:1::6"];
const LENGTHS = OWN.map((address) => `${address}/${address.includes(":") ? 64 : 24}`);

const severalAddresses: Scenario = beyondScenario(
  "several-addresses",
  "A sandbox has several addresses of each family on one network",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24", "fd00:1::250/64"] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64"] },
      lan: { pc: { addresses: ["192.168.1.100/24", "fd00:1::100/64"] } },
    });
    const { host } = world;
    const { driver } = host;
    const ipvlan = async (...words: string[]) => {
      tour.step(`ipvlan ${words.join(" ")}`);
      const { command, output, success } = await host.ipvlan(...words);
      if (!success) throw new Error(`${command}: ${output}`);
      return output;
    };
    const routesToSandbox = async () =>
      [...await host.ip.route.show(4), ...await host.ip.route.show(6)]
        .filter(({ dev }) => dev === "h-eth0").map(({ dst }) => dst).toSorted();
    const answers = (): Promise<Finding>[] =>
      OWN.flatMap((address) => [reaches("lab-pc", address), reaches(host.netns, address)]);

    const subnets = ["--subnet=192.168.1.0/24", "--subnet=fd00:1::/64"];
    const options = ["parent=eth0", "host_access=true", "dad=on", "probe=gateway"];
    await ipvlan("network", "create", ...subnets, ...options.map((each) => `-o${each}`), "lan");
    const network = await routesToSandbox();
    const words = OWN.map((address) => `--ip${address.includes(":") ? "6" : ""}=${address}`);
    await ipvlan("run", "-d", "--net=lan", ...words, "--name=web", "sleep", "1000");
    const listed = await ipvlan("ps");
    const routes = await routesToSandbox();
    await host.run("next", "lan");
    await tour.holds(
      "ASK-14",
      addressesEqual("web", "eth0", LENGTHS),
      isEqual("the host's routes to web", routes, [...network, ...OWN].toSorted()),
      routesEqual("web", 4, [
        "default via 192.168.1.1 dev eth0",
        "169.254.77.1 dev eth0",
        "192.168.1.0/24 dev eth0 src 192.168.1.5",
      ]),
      ...OWN.map((address) =>
        isEqual(`ipvlan ps shows ${address}`, listed.includes(address), true)
      ),
      ...answers(),
      reaches("next", OWN[1]!),
      reaches("next", "web"),
      reaches("web", "192.168.1.100"),
      reaches("web", "fd00:1::100"),
    );

    tour.step("ipvlan network connect --ip=… lan db: an address that is given twice, or taken");
    await host.run("db", "lan");
    await driver.disconnect("lan", "db");
    const before = await host.ip.link.show();
    const connect = (...moreAddresses: string[]) =>
      driver.connect("lan", "db", { ip: "192.168.1.20", moreAddresses });
    const refused = [
      await isRefused("a repeated address", () => connect("192.168.1.20"), "invalid-option"),
      await isRefused(
        "an address that web has besides its first",
        () => connect("192.168.1.21", "192.168.1.6"),
        "address-in-use",
      ),
      await isRefused(
        "an IPv6 address without a first one",
        () => connect("fd00:1::21"),
        "invalid-option",
      ),
      await isRefused(
        "a further address that pc has",
        () => connect("192.168.1.100"),
        "address-held",
      ),
      await isRefused(
        "a further IPv6 address that pc has",
        () => driver.connect("lan", "db", { ip6: "fd00:1::20", moreAddresses: ["fd00:1::100"] }),
        "address-held",
      ),
    ];
    const free = await connect("192.168.1.21");
    await tour.holds(
      "ASK-14",
      isEqual(
        "the links of the host after that",
        (await host.ip.link.show()).length,
        before.length,
      ),
      isEqual("the addresses that are free again", free.value.moreAddresses, ["192.168.1.21/24"]),
      reaches("lab-pc", "192.168.1.21"),
      ...refused,
    );

    tour.step("ip addr flush dev eth0 (root in web); ipvlan restore");
    {
      await using inside = await Ip.open({ netns: "web" });
      await inside.session.change("addr flush dev eth0 scope global");
    }
    const [flushed] = await driver.seeSandboxes(["web"]);
    const { missing } = await driver.restore();
    tour.step("the host restarts; ipvlan restore");
    const restored = await Promise.all(answers());
    const restarted = await host.restart();
    await tour.holds(
      "ASK-14",
      isEqual("what is not restored", [...missing, ...restarted.missing], []),
      isEqual(
        "the number of addresses that web has lost",
        flushed?.endpoints[0]?.changes.filter((each) => each.includes("address")).length,
        4,
      ),
      ...restored,
      addressesEqual("web", "eth0", LENGTHS),
      ...answers(),
    );

    await ipvlan("rm", "web", "next", "db");
    const left = await routesToSandbox();
    await ipvlan("run", "-d", "--net=lan", "--ip=192.168.1.6", "--name=heir", "sleep", "1000");
    await tour.holds(
      "ASK-14",
      isEqual("the host's routes to sandboxes", left, network),
      reaches("lab-pc", "192.168.1.6"),
    );

    tour.step("CNI's runtimeConfig: two addresses of each family");
    await using root = await Ip.open();
    await root.netns.add("pod1");
    await using undo = new AsyncDisposableStack();
    undo.defer(() => root.netns.del("pod1"));
    const conf = {
      ...{ cniVersion: "1.1.0", name: "pods", type: "ipvlan-kit", master: "eth0.20" },
      subnets: ["192.168.1.0/24", "fd00:1::/64"],
      runtimeConfig: { ips: LENGTHS },
    };
    const { output, success } = await host.cni("ADD", "pod1", conf);
    if (!success) throw new Error(output);
    const prevResult = JSON.parse(output);
    const checked = await host.cni("CHECK", "pod1", { ...conf, prevResult });
    await tour.holds(
      "ASK-14",
      isEqual(
        "the addresses of the result",
        prevResult.ips.map(({ address }: { address: string }) => address),
        LENGTHS,
      ),
      isEqual("whether CHECK finds them", checked.success, true),
      addressesEqual("pod1", "eth0", LENGTHS),
    );
    await host.cni("DEL", "pod1", conf);
    await tour.holds("ASK-14", routesEqual("pod1", 4, []), routesEqual("pod1", 6, []));
  },
);

export default severalAddresses;
