// The tests of `ipvlan docker serve` as an IPAM driver that every version of Docker has to pass.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { EngineDriver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { DockerHost } from "../../scenarios/kit/engines/docker.ts";
import { IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { state, withRouter } from "./machine.ts";

const LAN = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1"];

/** Creates a network with addresses of ours, by a network driver of Docker's or by ours. */
async function create(host: DockerHost, driver: string, name: string, ...words: string[]) {
  const ours = ["--driver", driver, "--ipam-driver", "ipvlan-kit"];
  await host.succeed("network", "create", ...ours, ...words, name);
}

/** Starts a container that does nothing. Resolves to its address. */
async function start(host: DockerHost, name: string, net: string, ...words: string[]) {
  const container = ["-d", `--name=${name}`, `--net=${net}`, ...words];
  await host.succeed("run", ...container, IMAGE, "sleep", "1000");
  return await addressOf(host, name, net);
}

async function addressOf(host: DockerHost, name: string, net: string): Promise<string> {
  const path = `{{(index .NetworkSettings.Networks "${net}").IPAddress}}`;
  return await host.succeed("inspect", "-f", path, name);
}

async function ping(host: DockerHost, name: string, address: string): Promise<void> {
  await host.succeed("exec", name, "ping", "-c", "1", "-W", "5", address);
}

/** The claims of all address pools, in short: `192.168.1.1 gateway`. */
async function claims(host: DockerHost): Promise<Record<string, string[]>> {
  await using driver = await EngineDriver.open({ stateDir: host.stateDir });
  return Object.fromEntries(
    driver.listPools().map(({ id, claims }) => [
      id,
      claims.map(({ address, holder }) => `${address} ${holder}`.trim()),
    ]),
  );
}

/**
 * Registers the tests.
 *
 * @param version The version of Docker: `26.1`.
 */
export function ipamTests(version: string): void {
  Deno.test(`Docker ${version} has addresses by ipvlan-kit in networks of all drivers`, async (t) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      const pool = "docker:local/192.168.1.0/24";
      const gateway = "192.168.1.1 gateway";

      await t.step("Docker's own ipvlan, and a macvlan network of the same subnet", async () => {
        await create(
          host,
          "ipvlan",
          "own",
          ...LAN,
          "--aux-address=nas=192.168.1.3",
          "-o",
          "parent=eth0",
        );
        assertEquals(await start(host, "c1", "own"), "192.168.1.2");
        assertEquals(await start(host, "c2", "own"), "192.168.1.4");
        await ping(host, "c1", "192.168.1.4");
        await ping(host, "c1", "192.168.1.1");
        // A macvlan network cannot be on the same parent, but it can be of the same segment.
        await create(host, "macvlan", "mac", ...LAN, "-o", "parent=eth0.5");
        assertEquals(await start(host, "c3", "mac"), "192.168.1.5");
        const { code, stderr } = await host.docker(
          ...["run", "--rm", "--net=mac", "--ip=192.168.1.4", IMAGE, "true"],
        );
        assertEquals(code, 125);
        assertStringIncludes(
          stderr,
          `The address 192.168.1.4 is held by the address pool "${pool}"`,
        );
        assertEquals(await claims(host), {
          [pool]: [gateway, "192.168.1.2", "192.168.1.3", "192.168.1.4", "192.168.1.5"],
        });
        await host.succeed("rm", "-f", "c3");
        await host.succeed("network", "rm", "mac");
        // The router of the network that is left is still nobody else's.
        assertEquals(await claims(host), {
          [pool]: [gateway, "192.168.1.2", "192.168.1.3", "192.168.1.4"],
        });
        await host.succeed("rm", "-f", "c1", "c2");
        await host.succeed("network", "rm", "own");
        assertEquals(await claims(host), {});
      });

      await t.step(
        "a container keeps the address that it asks for while it is stopped",
        async () => {
          const six = ["--ipv6", "--subnet=2001:db8:7::/64"];
          await create(host, "ipvlan-kit", "kept", ...LAN, ...six, "-o", "parent=eth0");
          const asks = ["--name=db", "--net=kept", "--ip=192.168.1.2", "--ip6=2001:db8:7::2"];
          await host.succeed("create", ...asks, IMAGE, "sleep", "1000");
          const six6 = (name: string) =>
            host.succeed(
              ...["inspect", "-f", "{{.NetworkSettings.Networks.kept.GlobalIPv6Address}}", name],
            );
          assertEquals(await start(host, "c1", "kept"), "192.168.1.3");
          assertEquals(await six6("c1"), "2001:db8:7::3");
          await host.succeed("start", "db");
          assertEquals([await addressOf(host, "db", "kept"), await six6("db")], [
            "192.168.1.2",
            "2001:db8:7::2",
          ]);
          await host.succeed("stop", "-t", "0", "db");
          assertEquals(await start(host, "c2", "kept"), "192.168.1.4");
          await host.succeed("rm", "db");
          assertEquals(await start(host, "c3", "kept"), "192.168.1.2");
          await host.succeed("rm", "-f", "c1", "c2", "c3");
          await host.succeed("network", "rm", "kept");
          assertEquals(await claims(host), {});
        },
      );

      await t.step(
        "networks of ours, with a range and both families, and of Docker's choice",
        async () => {
          await create(
            host,
            ...["ipvlan-kit", "dual", "--subnet=192.168.20.0/24", "--ip-range=192.168.20.64/27"],
            ...["--ipv6", "--subnet=2001:db8::/64", "-o", "parent=eth0.20"],
          );
          assertEquals(await start(host, "c1", "dual"), "192.168.20.64");
          assertEquals(await start(host, "c2", "dual", "--ip=192.168.20.5"), "192.168.20.5");
          await ping(host, "c2", "192.168.20.64");
          await ping(host, "c2", "2001:db8::2");
          await create(host, "ipvlan-kit", "chosen");
          assertEquals(await start(host, "c3", "chosen"), "172.18.0.2");
          const { stderr } = await host.docker(
            ...[
              "network",
              "create",
              "-d",
              "macvlan",
              "--ipam-driver=ipvlan-kit",
              "--ipam-opt=x=y",
              "bad",
            ],
          );
          assertStringIncludes(stderr, 'The IPAM option "x" is not valid');
          await host.succeed("rm", "-f", "c1", "c2", "c3");
          await host.succeed("network", "rm", "dual", "chosen");
          assertEquals(await claims(host), {});
        },
      );

      await t.step("services have their addresses in every order of their starts", async () => {
        const lan = ["--subnet=10.5.0.0/28", "-o", "parent=eth0.5", "--ipv6"];
        await create(host, "ipvlan-kit", "ours", ...lan, "--subnet=2001:db8:5::/64");
        const words = ["--net=ours", "--restart=always", IMAGE, "sleep", "1000"];
        // Docker starts them in an order of its own, before it answers the plugin.
        await host.succeed("create", "--name=web", ...words);
        await host.succeed("create", "--name=db", "--ip=10.5.0.2", "--ip6=2001:db8:5::2", ...words);
        await host.succeed("start", "web");
        await host.succeed("start", "db");
        for (let round = 0; round < 3; round++) {
          await host.endDaemon();
          await host.endPlugin();
          await host.startPlugin();
          await host.startDaemon();
          assertEquals(
            [await addressOf(host, "db", "ours"), await addressOf(host, "web", "ours")],
            [
              "10.5.0.2",
              "10.5.0.3",
            ],
          );
        }
        // A plugin that starts beside a stopped container knows of it, too.
        await host.succeed("stop", "-t", "0", "db");
        await host.endPlugin();
        await host.startPlugin();
        assertEquals(await start(host, "c1", "ours"), "10.5.0.4");
        await host.succeed("rm", "-f", "db", "web", "c1");
        await host.succeed("network", "rm", "ours");
        assertEquals(await claims(host), {});
      });

      await t.step("whatever is killed, no claim is lost, doubled or left", async () => {
        await create(host, "ipvlan", "own", ...LAN, "-o", "parent=eth0");
        await create(host, "ipvlan-kit", "ours", "--subnet=10.5.0.0/24", "-o", "parent=eth0.5");
        await start(host, "c1", "own", "--restart=always");
        await start(host, "c2", "ours", "--restart=always", "--ip=10.5.0.77");
        await start(host, "c3", "ours", "--ip=10.5.0.78");
        const all = await claims(host);
        assertEquals(Object.values(all).flat().length, 5);
        const same = async () => {
          await host.succeed("start", "c3");
          assertEquals(await claims(host), all);
          await ping(host, "c3", "10.5.0.77");
          await ping(host, "c1", "192.168.1.1");
        };
        await host.endPlugin();
        await host.startPlugin();
        await same();
        await host.endDaemon();
        await host.startDaemon();
        await same();
        await host.endDaemon();
        await host.endPlugin();
        await host.startPlugin();
        await host.startDaemon();
        await same();
        await host.succeed("rm", "-f", "c1", "c2", "c3");
        await host.succeed("network", "rm", "own", "ours");
        assertEquals(await claims(host), {});
      });
    }
    assertEquals(await state(ip), before);
  });
}
