/**
 * Addresses of a DHCP server of the LAN: a lease for each sandbox, although they share a MAC address.
 *
 * @module
 */
import { type Finding, reaches } from "../../lib/check/mod.ts";
import { addressesEqual } from "../kit/machines/lines.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import type { Endpoint, NetworkSpec } from "../../lib/driver/mod.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { DhcpServer } from "../kit/machines/dhcp_server.ts";
import { beyondScenario, type Scenario } from "../kit/mod.ts";
import { run } from "../kit/program.ts";

/** The machine `pc` of the LAN, which is the DHCP server and the gateway. */
const SERVER = "192.168.1.1";

const NAMES = ["c1", "c2", "c3"] as const;

/** The processes in the namespace of a sandbox: its DHCP client. */
async function clientOf(sandbox: string): Promise<string> {
  return (await run("ip", "netns", "pids", sandbox)).stdout.trim();
}

async function kill(signal: string, sandbox: string): Promise<void> {
  await run("sh", "-c", `kill -s ${signal} ${await clientOf(sandbox)}`);
}

const bare = ({ ip }: Endpoint) => ip!.replace(/\/.*/, "");

const dhcp: Scenario = beyondScenario(
  "dhcp",
  "Addresses of a DHCP server of the LAN",
  async (tour) => {
    await using world = await tour.world({
      host: { eth0: ["192.168.1.250/24"] },
      lan: { pc: { addresses: [`${SERVER}/24`] } },
    });
    const { host } = world;
    await using undo = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "ipvlan-scenario-" });
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    const file = `${folder}/leases`;
    const perform = async (...words: string[]) => {
      tour.step(["ipvlan", ...words].join(" "));
      return await host.ipvlan(...words);
    };
    const isHeld = (sentence: string, held: boolean, output: string): Finding => ({
      sentence,
      held,
      evidence: [{ command: sentence, output }],
    });
    const links = async () => (await host.ip.link.show()).map(({ name }) => name);
    const before = await links();
    const states = async (sandbox: string) => {
      const [seen] = await host.driver.seeSandboxes([sandbox]);
      return seen!.endpoints.map(({ state, changes }) => [state, ...changes].join(": "));
    };
    {
      await using server = await DhcpServer.start("lab-pc", "192.168.1.100,192.168.1.149", file);
      const create = ["network", "create", "--ipam-driver=dhcp", "-o", "dhcp=20"];
      await perform(...create, "-o", "parent=eth0", "lan");

      tour.step("ipvlan run -d --net=lan --name=c1 …; … --name=c2 …; … --name=c3 …");
      const ends = await Promise.all(NAMES.map((name) => host.run(name, "lan")));
      const [one, two, three] = ends.map(bare) as [string, string, string];
      const given = await server.leases();
      const { routes } = await lookInto("c1", { routes: "main" });
      await tour.holds(
        "ASK-6",
        isEqual("the number of leases", new Set(ends.map(bare)).size, 3),
        isEqual("the leases of the server", Object.values(given).sort(), ends.map(bare).sort()),
        isEqual("the number of client identifiers", Object.keys(given).length, 3),
        ...NAMES.map((name, index) => addressesEqual(name, "eth0", [ends[index]!.ip!])),
        isEqual("the gateway", routes.find(({ dst }) => dst === "default")?.via, SERVER),
        isEqual("the processes of c1 that ipvlan shows", await host.driver.processes("c1"), []),
        ...await Promise.all(NAMES.map(async (name) => isEqual(name, await states(name), ["up"]))),
        reaches("c1", SERVER),
        reaches("c2", one),
        reaches("c3", two),
      );

      tour.step("kill -s USR1 CLIENT  # as at half time of the lease");
      await kill("USR1", "c1");
      await server.logs("DHCPACK", one, 2);
      await tour.holds("ASK-6", isEqual("the leases", await server.leases(), given));

      tour.step("reboot; ipvlan restore");
      await Promise.all(NAMES.map((name) => kill("KILL", name)));
      const report = await host.restart();
      const again = host.driver.listSandboxes().flatMap(({ endpoints }) => endpoints.map(bare));
      await tour.holds(
        "ASK-6",
        isEqual("what restore says", [report.missing, report.notices], [[], undefined]),
        isEqual("the addresses after the restart", again, [one, two, three]),
        isEqual("the leases of the server", await server.leases(), given),
        reaches("c1", SERVER),
        reaches("c2", three),
      );

      tour.step("kill -s KILL CLIENT; ipvlan ps; ipvlan restore");
      await kill("KILL", "c1");
      const dead = await states("c1");
      await tour.holds(
        "ASK-6",
        isEqual("c1", dead, ["changed: No DHCP client renews the lease of eth0"]),
        addressesEqual("c1", "eth0", [ends[0]!.ip!]),
        reaches("c1", SERVER),
      );
      await host.driver.restore();
      await tour.holds(
        "ASK-6",
        isEqual("c1", await states("c1"), ["up"]),
        isEqual("the leases of the server", await server.leases(), given),
      );

      const exported = await perform("export", "c1");
      await tour.holds(
        "ASK-6",
        isHeld(
          "a site file has the DHCP server, and no address",
          /dhcp: 20/.test(exported.output) && !exported.output.includes(one),
          exported.output,
        ),
      );
      await perform("rm", "-f", "c1");
      await perform("network", "disconnect", "lan", "c2");
      await Promise.all([server.logs("DHCPRELEASE", one), server.logs("DHCPRELEASE", two)]);
      await tour.holds(
        "ASK-6",
        isEqual("the leases of the server", Object.values(await server.leases()), [three]),
        isEqual("the clients in c2", await clientOf("c2"), ""),
      );
    }

    tour.step("The server gives other addresses; kill -s KILL CLIENT; ipvlan restore");
    await Deno.writeTextFile(file, "");
    {
      await using server = await DhcpServer.start("lab-pc", "192.168.1.150,192.168.1.199", file);
      const [old] = host.driver.inspectSandbox("c3").endpoints.map(({ ip }) => ip!);
      await kill("KILL", "c3");
      const { notices = [] } = await host.driver.restore();
      const [now] = host.driver.inspectSandbox("c3").endpoints;
      await tour.holds(
        "ASK-6",
        isEqual("the leases of the server", Object.values(await server.leases()), [bare(now!)]),
        isEqual("whether the address is another one", now!.ip === old, false),
        isHeld(
          "restore says it",
          notices.some((each) => each.includes(` ${bare(now!)} instead of `)),
          notices.join("\n"),
        ),
        addressesEqual("c3", "eth0", [now!.ip!]),
        reaches("c3", SERVER),
      );
    }

    tour.step("Nobody answers: ipvlan run --net=silent --name=c4 …");
    const silent: NetworkSpec = { name: "silent", parent: "eth0", dhcp: 1 };
    await host.driver.createNetwork(silent);
    const error = await host.run("c4", "silent").catch((error) => error);
    const message = error instanceof IpvlanError ? error.message : `${error}`;
    const refusals: Finding[] = [];
    for (
      const line of [
        "network create --ipam-driver=dhcp -o parent=eth0.9 -o ipvlan_mode=l3 n",
        "network create --ipam-driver=dhcp --internal n",
        "network create --ipam-driver=dhcp -o parent=eth0 --subnet=192.168.1.0/24 n",
        "network create --ipam-driver=dhcp -o parent=eth0 -o host_access=true n",
        "run --rm --net=lan --ip=192.168.1.9 --name=c5 true",
      ]
    ) {
      const { command, success, output } = await perform(...line.split(" "));
      const held = !success && /DHCP|dhcp/.test(output) && output.trim().split("\n").length === 1;
      refusals.push(isHeld(`"${command}" is refused`, held, output));
    }
    await tour.holds(
      "ASK-6",
      isEqual(
        "what is said",
        message,
        'The sandbox "c4" got no address by DHCP on network "silent": no server answered on ' +
          '"eth0" for 1 s: check the server, the cable and the VLAN',
      ),
      isEqual("the sandboxes", host.driver.listSandboxes().map(({ name }) => name), ["c2", "c3"]),
      isEqual("the links of the host", await links(), before),
      ...refusals,
    );
    for (const name of ["c2", "c3"]) await host.driver.removeSandbox(name);
    for (const name of ["lan", "silent"]) await host.driver.removeNetwork(name);
  },
  ["dnsmasq"],
);

export default dhcp;
