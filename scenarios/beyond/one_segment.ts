/**
 * Several networks on one subnet of one parent: one segment, as for "two compose projects, one LAN".
 *
 * @module
 */
import { doesNotReach, reaches } from "../../lib/check/mod.ts";
import { addressesEqual } from "../kit/machines/lines.ts";
import type { Endpoint } from "../../lib/driver/mod.ts";
import { isEqual, isRefused } from "../kit/machines/checks.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";

const LAN = "192.168.1.0/24";
const NAS: Record<string, string> = { nas: "192.168.1.66" };

const FAMILIES = [
  { subnet: LAN, ranges: ["192.168.1.64/27", "192.168.1.96/27", "192.168.1.80/28"] },
  { subnet: "fd00:1::/64", ranges: ["fd00:1::1:0/112", "fd00:1::2:0/112", "fd00:1::1:8000/113"] },
];

const oneSegment: Scenario = beyondScenario(
  "one-segment",
  "Two networks share a subnet of one parent",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24", "fd00:1::250/64"] },
      lan: { pc: { addresses: ["192.168.1.100/24", "fd00:1::100/64"] } },
    });
    const { driver } = world.host;
    const subnets = (which: number) =>
      FAMILIES.map(({ subnet, ranges }) => ({
        ...{ subnet, ipRange: ranges[which] },
        // In the range of the other network, which must not give it away either.
        auxAddresses: which === 1 && subnet === LAN ? NAS : {},
      }));
    const create = (name: string, which: number, parent = "eth0") =>
      driver.createNetwork({ name, parent, subnets: subnets(which) });
    const endpoints: Endpoint[] = [];
    const run = async (name: string, network: string, ip?: string) => {
      const options = ip === undefined ? "" : ` --ip=${ip}`;
      tour.step(`ipvlan run -d --net=${network}${options} --name=${name} sleep 1000`);
      endpoints.push(await world.host.run(name, network, { ip }));
    };
    for (const [which, name] of ["web", "db"].entries()) {
      const words = FAMILIES.map(({ subnet, ranges }) =>
        `--subnet=${subnet} --ip-range=${ranges[which]}`
      );
      if (name === "db") words.push("--aux-address=nas=192.168.1.66");
      tour.step(`ipvlan network create ${words.join(" ")} -o parent=eth0 ${name}`);
      await create(name, which);
      await run(`${name}1`, name);
    }
    // Each takes the address that the other network would give away next.
    await run("web2", "web", "192.168.1.97");
    await run("db2", "db", "192.168.1.65");
    // A program of its own, which has seen none of this, knows it as well.
    for (const name of ["web3", "db3"]) {
      const words = ["run", "-d", `--net=${name.slice(0, -1)}`, `--name=${name}`, "sleep", "1000"];
      const { command, output, success } = await world.host.ipvlan(...words);
      if (!success) throw new Error(`${command}: ${output}`);
      endpoints.push(driver.listSandboxes().find((each) => each.name === name)!.endpoints[0]!);
    }
    tour.step("ipvlan network create --subnet=192.168.1.0/24 … -o parent=eth0.20 elsewhere");
    await create("elsewhere", 2, "eth0.20");
    for (const name of ["other1", "other2"]) await world.host.run(name, "elsewhere");
    const [web1, db1] = endpoints;
    const addresses = endpoints.flatMap(({ ip, ip6 }) => [ip, ip6]);
    const plain = (address = "") => address.replace(/\/.*/, "");
    await tour.holds(
      "ASK-11",
      isEqual("the number of different addresses", new Set(addresses).size, 12),
      addressesEqual("web3", "eth0", ["192.168.1.67/24", "fd00:1::1:2/64"]),
      addressesEqual("db3", "eth0", ["192.168.1.98/24", "fd00:1::2:2/64"]),
      ...[db1!.ip, db1!.ip6].map((address) => reaches("web1", plain(address))),
      ...[web1!.ip, web1!.ip6].map((address) => reaches("db2", plain(address))),
      ...[web1!.ip, web1!.ip6, db1!.ip, db1!.ip6].map((address) =>
        reaches("lab-pc", plain(address))
      ),
      reaches("db1", "192.168.1.100"),
      reaches("db1", "fd00:1::100"),
      // The same subnet on another parent is another segment.
      doesNotReach("other1", plain(db1!.ip), { control: "web1", reaches: "other2" }),
      isRefused(
        "an address that web1 has",
        () => world.host.run("db4", "db", { ip: plain(web1!.ip) }),
        "address-held",
      ),
      isRefused(
        "a range that overlaps one of web's",
        () =>
          driver.createNetwork({ name: "more", parent: "eth0", subnets: subnets(2).slice(0, 1) }),
        "subnet-in-use",
      ),
    );
  },
);

export default oneSegment;
