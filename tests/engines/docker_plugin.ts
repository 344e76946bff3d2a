// The test of `ipvlan docker serve` that every version of Docker has to pass. The guide's networks, and
// what happens when Docker or the plugin is killed, are scenarios: `deno task lab engines`.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { CREATE, DockerHost } from "../../scenarios/kit/engines/docker.ts";
import { ipvlanCommand } from "../../scenarios/kit/engines/machine.ts";
import { IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { firstLines } from "../kit/pages.ts";
import { succeeds } from "../kit/command.ts";
import { inEnv, succeed } from "../kit/processes.ts";
import { state, withRouter } from "./machine.ts";

/** Starts a container that does nothing. */
async function start(host: DockerHost, name: string, ...words: string[]): Promise<void> {
  await host.succeed("run", "-d", `--name=${name}`, ...words, IMAGE, "sleep", "1000");
}

/** Runs lines in a container, and returns what they print. */
async function inside(host: DockerHost, name: string, script: string): Promise<string> {
  return await host.succeed("exec", name, "sh", "-c", script);
}

/** Asserts that a container reaches all of these addresses or names. */
async function reaches(host: DockerHost, name: string, ...targets: string[]): Promise<void> {
  await inside(host, name, targets.map((target) => `ping -c 1 -W 5 ${target}`).join(" && "));
}

/** Asserts that what is about the container with the address 192.168.1.65 says its name. */
async function saysName(host: DockerHost, name: string): Promise<void> {
  const words = ["-d", "ipvlan", "--ipam-driver=ipvlan-kit", "--subnet=192.168.1.0/24"];
  await host.succeed("network", "create", ...words, "-o", "parent=eth0.5", "other");
  // Docker holds the new container while the plugin asks it for the other one.
  const run = ["run", "--rm", "--net=other", "--ip=192.168.1.65", IMAGE, "true"];
  const { stderr } = await host.docker(...run);
  assertStringIncludes(stderr, `192.168.1.65 is held by the sandbox "docker:${name}"`);
  await host.succeed("network", "rm", "other");
  const env = { IPVLAN_STATE_DIR: host.stateDir };
  const ipvlan = async (...words: string[]) => {
    const [program, ...args] = [...ipvlanCommand(), ...words];
    const { stdout, stderr } = await new Deno.Command(program!, { args, env }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  };
  const row = (await ipvlan("ps")).split("\n").find((line) => line.includes("192.168.1.65"));
  assertMatch(row ?? "", new RegExp(`^docker:[0-9a-f]{12} .* Docker ${name}$`));
  const [short = ""] = row!.split(" ");
  const [{ Id }] = JSON.parse(await ipvlan("inspect", short));
  assertMatch(Id, new RegExp(`^${short}[0-9a-f]{52}$`));
  assertStringIncludes(await ipvlan("rm", Id), `The sandbox "docker:${name}" belongs to Docker`);
  assertStringIncludes(await ipvlan("ps", "--json"), Id);
  assertStringIncludes(await ipvlan("ps", "--no-trunc"), Id);
}

/** Asserts that a machine of the LAN that has an address is found, in both families, and named. */
async function asksTheLan(host: DockerHost): Promise<void> {
  await using router = await Ip.open({ netns: "lab-router" });
  const { address: mac } = await router.link.show("trunk");
  const lan = ["--ipv6", "--subnet=192.168.1.0/24", "--subnet=2001:db8:1::/64"];
  const words = [...CREATE, ...lan, "-o", "parent=eth0", "-o", "dad=on"];
  for (const option of ["ipv6=static", "dad=optimistic"]) {
    const { stderr } = await host.docker(
      ...[...CREATE, ...lan, "-o", "parent=eth0", "-o", option],
      "x",
    );
    assertMatch(stderr, /Docker itself/);
  }
  await host.succeed(...words, "asks");
  for (
    const [option, address] of [["--ip", "192.168.1.70"], ["--ip6", "2001:db8:1::70"]] as const
  ) {
    const taken = { dev: "trunk", address, prefixLength: option === "--ip" ? 24 : 64, nodad: true };
    await router.addr.add(taken);
    const run = ["run", "--rm", "--net=asks", `${option}=${address}`, IMAGE, "true"];
    const { stderr } = await host.docker(...run);
    assertStringIncludes(stderr, `${address} is held by the machine ${mac} on the LAN of "eth0"`);
    await router.addr.del(taken);
    await host.succeed(...run);
  }
  await host.succeed("network", "rm", "asks");
}

/** Asserts that the LAN reaches a container of an L3 network in its own subnet. */
async function answersForOthers(host: DockerHost): Promise<void> {
  const lan = ["--ipv6", "--subnet=192.168.1.0/24", "--subnet=2001:db8:1::/64"];
  const near = ["-o", "parent=eth0", "-o", "ipvlan_mode=l3s", "-o", "proxy=true"];
  await host.succeed(...CREATE, ...lan, ...near, "near");
  const addresses = ["192.168.1.71", "2001:db8:1::71"];
  await start(host, "c0", "--net=near", `--ip=${addresses[0]}`, `--ip6=${addresses[1]}`);
  for (const address of addresses) {
    const ping = ["ping", "-c", "1", "-W", "5", address];
    await succeed("ip", "netns", "exec", "lab-router", ...ping);
  }
  await reaches(host, "c0", "192.168.1.1");
  await host.succeed("rm", "-f", "c0");
  await host.succeed("network", "rm", "near");
  assertEquals(await succeed("ip", "neigh", "show", "proxy"), "");
}

/**
 * Registers the test.
 *
 * @param version The version of Docker: `26.1`.
 */
export function pluginTest(version: string): void {
  Deno.test(`containers of Docker ${version} have several networks of ipvlan-kit`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      // The page's lines; the first one has already started the plugin.
      const [, ...lines] = firstLines("docs/docker-engine.md").split("\n");
      const out = await succeed("sh", "-ec", lines.join("\n").replaceAll("IMAGE", IMAGE));
      assertStringIncludes(out, "1 packets received");
      await host.succeed("rm", "-f", "c2");
      await host.succeed("network", "rm", "vlan20");
      await asksTheLan(host);
      await answersForOthers(host);

      const lan = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "-o", "parent=eth0"];
      await host.succeed(
        ...[...CREATE, ...lan, "--ip-range=192.168.1.64/27", "--aux-address=a=192.168.1.64"],
        ...["-o", "routes=10.9.0.0/16=192.168.1.9", "db_net"],
      );
      await host.succeed(...CREATE, "--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "vlan20");
      const l3 = ["--subnet=10.1.0.0/24", "-o", "parent=eth0.30", "-o", "ipvlan_mode=l3"];
      await host.succeed(...CREATE, ...l3, "l3");

      // A network in an L3 mode gives no default route beside another.
      await start(host, "c1", "--net=db_net");
      await host.succeed("network", "connect", "vlan20", "c1");
      await host.succeed("network", "connect", "l3", "c1");
      const first = await inside(host, "c1", "ip addr; ip route");
      assertMatch(first, /inet 192\.168\.1\.65\/24 .*eth0/);
      assertMatch(first, /inet 10\.1\.0\.2\/24 .*eth2/);
      assertStringIncludes(first, "default via 192.168.1.1 dev eth0");
      assertStringIncludes(first, "10.9.0.0/16 via 192.168.1.9 dev eth0");
      await reaches(host, "c1", "192.168.1.1", "192.168.20.1");
      await saysName(host, "c1");

      // Nor does another beside it.
      await start(host, "c2", "--net=l3");
      await host.succeed("network", "connect", "vlan20", "c2");
      assertStringIncludes(await inside(host, "c2", "ip route"), "default dev eth0");
      await reaches(host, "c2", "10.1.0.2", "192.168.20.1", "c1");

      const quiet = ["--subnet=192.168.40.0/24", "-o", "parent=eth0.40", "-o", "gateway=none"];
      await host.succeed(...CREATE, ...quiet, "quiet");
      const only = await host.succeed("run", "--rm", "--net=quiet", IMAGE, "ip", "route");
      assertMatch(only, /^192\.168\.40\.0\/24 dev eth0 [^\n]*\n?$/);
      await host.succeed("network", "rm", "quiet");

      // Docker joins the networks in any order now, before it makes the namespace.
      await host.succeed("restart", "-t", "0", "c1", "c2");
      await reaches(host, "c1", "192.168.1.1", "192.168.20.1", "10.1.0.3");
      await host.succeed("network", "disconnect", "l3", "c1");
      await reaches(host, "c1", "192.168.1.1");

      // The host and containers reach each other, where that is asked for.
      const hosted = ["-o", "parent=eth0.40", "-o", "host_access=true"];
      await host.succeed(...CREATE, "--subnet=192.168.40.0/24", ...hosted, "hosted");
      const name = "--add-host=host.internal:169.254.77.1";
      await start(host, "c3", "--net=hosted", "--ip=192.168.40.9", name);
      await reaches(host, "c3", "169.254.77.1", "host.internal");
      await succeed("ping", "-c", "1", "-W", "5", "192.168.40.9");

      // Docker waits for a plugin that was killed.
      await host.endPlugin();
      const removed = host.succeed("rm", "-f", "c1", "c2", "c3");
      await host.startPlugin();
      await removed;
      await host.succeed("network", "rm", "db_net", "vlan20", "l3", "hosted");
      await using driver = await Driver.open({ stateDir: host.stateDir });
      assertEquals([driver.listNetworks(), driver.listSandboxes()], [[], []]);
      const log = await host.endPlugin("SIGTERM");
      assert(!log.includes("There is a bug"), log);
    }
    assertEquals(await state(ip), before);
  });
}

/** A Compose file with a network of the plugin's. */
const COMPOSE = `
services:
  web:
    image: ${IMAGE}
    command: sleep 1000
    stop_grace_period: 0s
    networks: { vlan20: { ipv4_address: 192.168.20.20, aliases: [www] } }
  probe:
    image: ${IMAGE}
    command: sleep 1000
    stop_grace_period: 0s
    networks: [vlan20]
networks:
  vlan20:
    driver: ipvlan-kit
    driver_opts: { parent: eth0.20 }
    ipam: { config: [{ subnet: 192.168.20.0/24, gateway: 192.168.20.1 }] }
`;

/** Registers the test with Compose. */
export function composeTest(version: string): void {
  Deno.test(`a Compose file has networks of ipvlan-kit, also moved ones, in Docker ${version}`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const machine = await state(ip);
    {
      await using host = await DockerHost.start();
      const file = `${host.stateDir}/compose.yaml`;
      const compose = ["compose", "--project-name=test", "--file", file];
      // A project of Docker's own driver is moved, before its file has the new one, and goes on.
      await Deno.writeTextFile(file, COMPOSE.replace("driver: ipvlan-kit", "driver: ipvlan"));
      await host.succeed(...compose, "up", "--detach");
      const containers = () => host.succeed(...compose, "ps", "--all", "--quiet");
      const before = await containers();
      using _state = inEnv("IPVLAN_STATE_DIR", host.stateDir);
      await succeeds("docker", "migrate", "test_vlan20");
      for (const text of [await Deno.readTextFile(file), COMPOSE]) {
        await Deno.writeTextFile(file, text);
        await host.succeed(...compose, "up", "--detach");
        assertEquals(await containers(), before);
      }
      const ping = "ping -c 1 -W 5 192.168.20.1 && ping -c 1 -W 5 web && ping -c 1 -W 5 www";
      await host.succeed(...compose, "exec", "-T", "probe", "sh", "-c", ping);
      const seen = await host.succeed(...compose, "exec", "-T", "web", "ip", "addr");
      assertStringIncludes(seen, "192.168.20.20/24");
      await host.succeed(...compose, "down");
      await using driver = await Driver.open({ stateDir: host.stateDir });
      assertEquals([driver.listNetworks(), driver.listSandboxes()], [[], []]);
    }
    assertEquals(await state(ip), machine);
  });
}
