/**
 * An address stays reserved for a sandbox that does not run.
 *
 * @module
 */
import { reaches } from "../../lib/check/mod.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const reservations: Scenario = beyondScenario(
  "reservations",
  "An address is kept for a sandbox that does not run",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24", "fd00:1::250/64"] },
      router: { eth0: ["192.168.1.1/24", "fd00:1::1/64"] },
    });
    const { host } = world;
    tour.step("ipvlan network create --subnet=192.168.1.0/24 --subnet=fd00:1::/64 … lan");
    const subnets = ["192.168.1.0/24", "fd00:1::/64"];
    await host.driver.createNetwork({ name: "lan", parent: "eth0", subnets });
    const reserve = (...words: string[]) => host.ipvlan("address", "reserve", "lan", ...words);
    tour.step("ipvlan address reserve lan db 192.168.1.3; ipvlan address reserve lan web");
    const given = await reserve("db", "192.168.1.3");
    const automatic = await reserve("web");
    tour.step("ipvlan run -d --net=lan --name=a sleep 1000; … b; … c");
    const others = [];
    for (const name of ["a", "b", "c"]) others.push(await host.run(name, "lan"));
    const { output: listed } = await host.ipvlan("address", "ls", "lan");
    const refused = await Promise.all([
      isRefused(
        "the address of db for another one",
        () => host.run("x", "lan", { ip: "192.168.1.3" }),
        "address-held",
      ),
      isRefused("a name twice", () => host.driver.reserveAddress("lan", "web"), "invalid-option"),
      ...([
        ["the address of db for x", "192.168.1.3", "address-held"],
        ["that of a", "192.168.1.4", "address-in-use"],
        ["the gateway", "192.168.1.1", "reserved-address"],
        ["one of the parent", "192.168.1.250", "address-held"],
        ["one outside of the subnets", "10.0.0.1", "outside-subnet"],
      ] as const).map(([what, address, code]) =>
        isRefused(what, () => host.driver.reserveAddress("lan", "x", address), code)
      ),
    ]);
    await tour.holds(
      "ASK-15",
      isEqual("what is reserved", [given.output, automatic.output], [
        "192.168.1.3",
        "192.168.1.2 fd00:1::2",
      ]),
      isEqual("what the others get", others.map(({ ip }) => ip), [
        "192.168.1.4/24",
        "192.168.1.5/24",
        "192.168.1.6/24",
      ]),
      isEqual("the IPv6 addresses of the others", others.map(({ ip6 }) => ip6), [
        "fd00:1::3/64",
        "fd00:1::4/64",
        "fd00:1::5/64",
      ]),
      isEqual("the lines of the list", listed.split("\n").length, 4),
      ...refused,
    );

    tour.step("the host restarts; ipvlan restore; ipvlan run -d --net=lan --name=web …; … db");
    const { missing } = await host.restart();
    const web = await host.run("web", "lan");
    const db = await host.run("db", "lan");
    await tour.holds(
      "ASK-15",
      isEqual("what is not restored", missing.length, 0),
      isEqual("the addresses of web", [web.ip, web.ip6], ["192.168.1.2/24", "fd00:1::2/64"]),
      isEqual("the address of db", db.ip, "192.168.1.3/24"),
      reaches("web", "192.168.1.3"),
      reaches("lab-router", "192.168.1.2"),
      reaches("lab-router", "fd00:1::2"),
    );

    tour.step("ipvlan rm web; ipvlan address release lan web; ipvlan run … d");
    await host.driver.removeSandbox("web");
    const before = await host.driver.createSandbox({
      name: "d",
      connections: [{ network: "lan" }],
    });
    await host.ipvlan("address", "release", "lan", "web");
    const after = await host.driver.createSandbox({ name: "e", connections: [{ network: "lan" }] });
    for (const name of ["a", "b", "c", "d", "e", "db"]) await host.driver.removeSandbox(name);
    tour.step("ipvlan network prune --force; ipvlan network rm lan");
    const { removed } = await host.driver.pruneNetworks();
    const gone = await host.ipvlan("network", "rm", "lan");
    await tour.holds(
      "ASK-15",
      isEqual("the address of d", before.value.endpoints[0]!.ip, "192.168.1.7/24"),
      isEqual("that of e, after the release", after.value.endpoints[0]!.ip, "192.168.1.2/24"),
      isEqual("what prune removes", removed, []),
      isEqual("whether rm says what is free", gone.output.includes("192.168.1.3"), true),
    );
  },
);

export default reservations;
