// The tests of what Docker's own API tells the plugin, in every version of Docker: the names of containers
// on networks that several hosts share, what Docker has forgotten after it was killed, and what it never
// heard of because the plugin was killed.
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EngineDriver } from "../../lib/driver/mod.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { DockerHost } from "../../scenarios/kit/engines/docker.ts";
import { type Daemon, IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { freshNetns, temporaryFolder } from "../kit/worlds.ts";
import { ENDPOINT, startEtcd } from "./etcd.ts";
import { state, withRouter } from "./machine.ts";

/** The options of Docker for addresses that hosts share. */
const SHARED = [
  ...["--ipam-driver=ipvlan-kit", `--ipam-opt=endpoints=${ENDPOINT}`],
  ...["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "-o", "parent=eth0"],
];

/** The same network for `ipvlan`. */
const LAN = {
  name: "lan",
  parent: "eth0",
  subnets: [{ subnet: "192.168.1.0/24", gateway: "192.168.1.1" }],
  ipam: { driver: "etcd", access: { endpoints: [ENDPOINT] } },
} as const;

/** A Compose file with the same network. Compose leaves IPAM options out. */
const COMPOSE = `
services:
  web:
    image: ${IMAGE}
    container_name: web
    restart: always
    command: sleep 1000
    stop_grace_period: 0s
    networks: { lan: { ipv4_address: 192.168.1.90 } }
networks:
  lan:
    name: lan
    driver: ipvlan-kit
    driver_opts: { parent: eth0 }
    ipam:
      driver: ipvlan-kit
      options: { prefix: /elsewhere }
      config: [{ subnet: 192.168.1.0/24, gateway: 192.168.1.1 }]
`;

/** Starts a container that does nothing. Resolves to its address on the network `lan`. */
async function start(host: DockerHost, name: string, ...words: string[]): Promise<string> {
  const container = ["-d", `--name=${name}`, ...words];
  await host.succeed("run", ...container, IMAGE, "sleep", "1000");
  return await addressOf(host, name);
}

async function addressOf(host: DockerHost, name: string): Promise<string> {
  const path = `{{(index .NetworkSettings.Networks "lan").IPAddress}}`;
  return await host.succeed("inspect", "-f", path, name);
}

/** The lines of a sandbox's hosts file, without those that every file has and those of sandboxes. */
function linesOf(sandbox: string): string[] {
  const lines = Deno.readTextFileSync(`/etc/netns/${sandbox}/hosts`).trim().split("\n");
  return lines.filter((line) => !/^(#|127\.|::1 )| t?here /.test(line))
    .map((line) => line.split(" #")[0]!).toSorted();
}

/** How long {@linkcode becomes} waits, in milliseconds. Docker and Swarm take long on a busy machine. */
const PATIENCE = 120_000;

/** Waits until what a function gives is as expected, and fails with what it gave last. */
async function becomes<T>(read: () => T | Promise<T>, expected: T): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const given = await read();
    if (JSON.stringify(given) === JSON.stringify(expected)) return;
    if (performance.now() > deadline) return assertEquals(given, expected);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** etcd, which can be stopped and started again with what it had. */
async function etcd(undo: AsyncDisposableStack): Promise<{
  stop(): Promise<void>;
  start(): Promise<void>;
}> {
  const { path } = undo.use(await temporaryFolder());
  let daemon: Daemon | undefined = await startEtcd(path);
  undo.defer(() => daemon?.end());
  return {
    stop: async () => {
      await daemon?.end();
      daemon = undefined;
    },
    start: async () => {
      daemon ??= await startEtcd(path);
    },
  };
}

/**
 * Registers the tests.
 *
 * @param version The version of Docker: `26.1`.
 */
export function namesTests(version: string): void {
  Deno.test(`containers of Docker ${version} are found by name from sandboxes of all hosts`, async (t) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using undo = new AsyncDisposableStack();
      const server = await etcd(undo);
      const host = undo.use(await DockerHost.start());
      // A sandbox on Docker's host, and one on another host, which has an agent.
      const own = undo.use(await EngineDriver.open({ stateDir: host.stateDir }));
      const ns = undo.use(await freshNetns());
      await ns.ip.link.add({ type: "dummy", name: "eth0", up: true });
      const { path: stateDir } = undo.use(await temporaryFolder());
      const other = undo.use(await EngineDriver.open({ host: ns.name, stateDir }));
      for (const [driver, name] of [[own, "here"], [other, "there"]] as const) {
        await driver.createNetwork(LAN);
        undo.defer(() => driver.removeNetwork("lan"));
        await driver.createSandbox({ name, connections: [{ network: "lan" }] });
        undo.defer(() => driver.removeSandbox(name));
      }
      const ending = new AbortController();
      const agent = other.withSignal(ending.signal).runAgent();
      undo.defer(async () => {
        ending.abort();
        await agent;
      });
      const found = async (...lines: string[]) => {
        for (const sandbox of ["there", "here"]) {
          await becomes(() => linesOf(sandbox), lines.toSorted());
        }
      };

      await t.step(
        "by its name and its aliases, on networks of Docker's driver and of ours",
        async () => {
          await host.succeed("network", "create", "-d", "ipvlan", ...SHARED, "lan");
          const c1 = await start(host, "c1", "--net=lan", "--network-alias=www");
          const c2 = await start(host, "c2", "--net=lan");
          await found(`${c1} c1 www c1.lan`, `${c2} c2 c2.lan`);
          await host.succeed("rm", "-f", "c1", "c2");
          await found();
          await host.succeed("network", "rm", "lan");
          await host.succeed("network", "create", "-d", "ipvlan-kit", ...SHARED, "lan");
          const c3 = await start(host, "c3", "--net=lan");
          await found(`${c3} c3 c3.lan`);
        },
      );

      await t.step("by another name when it is renamed, or connected again", async () => {
        await host.succeed("rename", "c3", "web");
        const web = await addressOf(host, "web");
        await found(`${web} web web.lan`);
        await host.succeed("network", "disconnect", "lan", "web");
        await found();
        const again = ["--alias=front", "--ip=192.168.1.77", "lan", "web"];
        await host.succeed("network", "connect", ...again);
        await found("192.168.1.77 web front web.lan");
        await host.succeed("stop", "-t", "0", "web");
        await found();
        await host.succeed("start", "web");
        await found("192.168.1.77 web front web.lan");
      });

      await t.step("by no name that takes over the host's own, or is none", async () => {
        const evil = [
          "--network-alias=a b",
          "--network-alias=10.0.0.1",
          "--network-alias=LocalHost",
        ];
        await start(host, "localhost", "--net=lan", "--ip=192.168.1.78", ...evil);
        // One that comes later is found, so the names of the first one are known.
        await start(host, "good", "--net=lan", "--ip=192.168.1.79");
        const web = "192.168.1.77 web front web.lan";
        await found(web, "192.168.1.78 localhost.lan", "192.168.1.79 good good.lan");
        await host.succeed("rm", "-f", "localhost", "good");
        await found(web);
      });

      await t.step("what happens while the plugin is dead, it finds afterwards", async () => {
        await start(host, "gone", "--net=lan", "--ip=192.168.1.76");
        await found("192.168.1.77 web front web.lan", "192.168.1.76 gone gone.lan");
        await host.endPlugin();
        await host.succeed("rename", "web", "shop");
        const removed = host.succeed("rm", "-f", "gone");
        await host.startPlugin();
        await removed;
        await found("192.168.1.77 shop front shop.lan");
      });

      await t.step("what happens while etcd is dead, it tells afterwards", async () => {
        await server.stop();
        await host.succeed("rename", "shop", "store");
        await server.start();
        await found("192.168.1.77 store front store.lan");
      });

      await t.step("after Docker was killed, too", async () => {
        await host.succeed("update", "--restart=always", "store");
        await host.endDaemon();
        await host.startDaemon();
        await found("192.168.1.77 store front store.lan");
        await host.endDaemon();
        await host.endPlugin();
        await host.startPlugin();
        await host.startDaemon();
        await found("192.168.1.77 store front store.lan");
        await host.succeed("rm", "-f", "store");
        await host.succeed("network", "rm", "lan");
        await found();
        assertEquals(own.listPools(), []);
      });
      // Docker 20.10 comes without Compose.
      if ((await host.docker("compose", "version")).code === 0) {
        await t.step("from a Compose file, if the plugin was told of etcd", async () => {
          await host.endPlugin("SIGTERM");
          await host.startPlugin(`--ipam-opt=endpoints=${ENDPOINT}`);
          const refused = async (message: string, ...words: string[]) => {
            const { code, stderr } = await host.docker(
              ...["network", "create", "-d", "ipvlan", "--ipam-driver=ipvlan-kit", ...words, "bad"],
            );
            assertEquals(code, 1);
            assertStringIncludes(stderr, message);
          };
          await refused("hosts share a subnet that is given");
          await refused(
            'The IPAM option "prefix" is not valid: docker serve --ipam-opt has all pools in etcd ' +
              `endpoints=${ENDPOINT}: leave it out`,
            ...["--subnet=192.168.1.0/24", "--ipam-opt=prefix=/x"],
          );
          assertEquals(own.listPools(), []);
          const file = `${host.stateDir}/compose.yaml`;
          await Deno.writeTextFile(file, COMPOSE);
          await host.succeed("compose", "--file", file, "up", "--detach");
          await found("192.168.1.90 web web.lan");
          const pools = () =>
            own.listPools().map(({ id, requests, claims }) => [
              ...[id, requests],
              claims.map(({ address }) => address).toSorted(),
            ]);
          const shared = ["docker:local/192.168.1.0/24@/ipvlan", 1];
          const all = [[...shared, ["192.168.1.1", "192.168.1.90"]]];
          assertEquals(pools(), all);
          // The host there knows of it, and gives it to nobody.
          const [sandbox] = own.listSandboxes().filter(({ owner }) => owner);
          await assertRejects(
            () =>
              other.createSandbox({
                name: "second",
                connections: [{ network: "lan", ip: "192.168.1.90" }],
              }),
            IpvlanError,
            "docker:web",
          );
          assertEquals(sandbox?.endpoints[0]?.ip, "192.168.1.90/24");
          // Without the option, the network goes on where it is: nothing is taken for left over.
          await host.endPlugin();
          await host.startPlugin();
          await host.endDaemon();
          await host.startDaemon();
          await becomes(pools, all);
          await host.succeed("exec", "web", "ping", "-c", "1", "-W", "5", "192.168.1.1");
          assertEquals(pools(), all);
          await host.succeed("compose", "--file", file, "down");
          await found();
          assertEquals(own.listPools(), []);
        });
      }
      const log = await host.endPlugin("SIGTERM");
      assertEquals(/There is a bug|\.ts:\d/.exec(log)?.input, undefined);
      await host.startPlugin();
    }
    assertEquals(await state(ip), before);
  });

  Deno.test(`what Docker ${version} forgets when it is killed is released, and nothing else`, async (t) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using undo = new AsyncDisposableStack();
      const server = await etcd(undo);
      const host = undo.use(await DockerHost.start());
      const own = undo.use(await EngineDriver.open({ stateDir: host.stateDir }));
      await host.succeed("swarm", "init", "--advertise-addr", "192.168.1.250");
      undo.defer(async () => {
        await host.docker("swarm", "leave", "--force");
        await host.docker("network", "rm", "docker_gwbridge");
      });
      const kept = ["--subnet=10.5.0.0/24", "--gateway=10.5.0.1", "--aux-address=nas=10.5.0.9"];
      const ours = ["--ipam-driver=ipvlan-kit", ...kept, "-o", "parent=eth0.5"];
      await host.succeed("network", "create", "-d", "ipvlan", ...ours, "kept");
      const stays = ["--restart=always", "--net=kept", "--ip=10.5.0.77"];
      await host.succeed("run", "-d", "--name=c1", ...stays, IMAGE, "sleep", "1000");
      await host.succeed("network", "create", "--config-only", ...SHARED, "lan-here");
      const scope = ["-d", "ipvlan", "--scope=swarm", "--config-from=lan-here"];
      await host.succeed("network", "create", ...scope, "lan");
      await host.succeed(
        ...["service", "create", "--quiet", "--detach", "--no-resolve-image", "--name=web"],
        ...["--endpoint-mode=dnsrr", "--network=lan", "--replicas=2", "--restart-delay=1s"],
        ...[IMAGE, "sleep", "1000"],
      );

      /** The addresses of the containers that run on a network. */
      const running = async (network: string) => {
        const ids = await host.succeed("ps", "--quiet", "--filter", `network=${network}`);
        if (ids === "") return [];
        const path = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
        return (await host.succeed("inspect", "-f", path, ...ids.split("\n"))).split("\n");
      };
      /** The claims and the number of requests of each pool, as they are and as they should be. */
      const pools = async () => {
        const there = Object.fromEntries(
          own.listPools().map(({ subnet, requests, claims }) => [
            subnet,
            [requests, claims.map(({ address }) => address).toSorted()],
          ]),
        );
        const wanted = {
          "10.5.0.0/24": [1, ["10.5.0.1", "10.5.0.9", ...await running("kept")].toSorted()],
          "192.168.1.0/24": [1, ["192.168.1.1", ...await running("lan")].toSorted()],
        };
        return JSON.stringify(there) === JSON.stringify(wanted) ? "as it should be" : {
          there,
          wanted,
        };
      };
      const isRight = async () => {
        await becomes(async () => (await running("lan")).length, 2);
        await becomes(async () => (await running("kept")).length, 1);
        await becomes(pools, "as it should be");
      };
      /** The addresses that this host has in etcd. */
      const told = async () => {
        const hosts = await own.listHosts();
        return hosts.map(({ claims }) => claims["192.168.1.0/24"] ?? 0);
      };

      await t.step("before", isRight);
      await t.step("Docker is killed", async () => {
        await host.endDaemon();
        await host.startDaemon();
        await isRight();
        await becomes(told, [2]);
      });
      await t.step("Docker and then the plugin", async () => {
        await host.endDaemon();
        await host.endPlugin();
        await host.startPlugin();
        await host.startDaemon();
        await isRight();
      });
      await t.step("the plugin and then Docker", async () => {
        await host.endPlugin();
        await host.endDaemon();
        await host.startPlugin();
        await host.startDaemon();
        await isRight();
      });
      await t.step("Docker, while etcd is dead", async () => {
        await server.stop();
        await host.endDaemon();
        await host.startDaemon();
        // They have free addresses of this host. What Docker has forgotten is released afterwards.
        await becomes(async () => (await running("lan")).length, 2);
        await becomes(async () => (await running("kept")).length, 1);
        await server.start();
        await isRight();
        await becomes(told, [2]);
      });
      await t.step("nothing is left when all is removed", async () => {
        await host.succeed("service", "rm", "web");
        await becomes(() => running("lan"), []);
        await host.succeed("network", "rm", "lan");
        await host.succeed("rm", "-f", "c1");
        await host.succeed("network", "rm", "kept", "lan-here");
        await becomes(() => own.listPools(), []);
        await becomes(async () => (await own.listHosts(LAN.ipam.access))[0]!.claims, {});
      });
      const log = await host.endPlugin("SIGTERM");
      assertEquals(/There is a bug|\.ts:\d/.exec(log)?.input, undefined);
      await host.startPlugin();
    }
    assertEquals(await state(ip), before);
  });

  Deno.test(`what a killed plugin did not tell Docker ${version} is released, and nothing else`, async (t) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using undo = new AsyncDisposableStack();
      const server = await etcd(undo);
      const host = undo.use(await DockerHost.start());
      const own = undo.use(await EngineDriver.open({ stateDir: host.stateDir }));
      const v6 = ["--ipv6", "--subnet=2001:db8:1::/64", "--gateway=2001:db8:1::1"];
      await host.succeed("network", "create", "-d", "ipvlan", ...SHARED, ...v6, "lan");
      // This host has free addresses of both subnets from now on, so that it asks etcd for none.
      await start(host, "c1", "--net=lan");

      const claims = () =>
        own.listPools().flatMap(({ claims }) => claims.map(({ address }) => address)).toSorted();
      /** The claims as they should be: those of the gateways, and of the containers that run. */
      const wanted = async () => {
        const ids = await host.succeed("ps", "--quiet");
        const path =
          "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
        const used = (await host.succeed("inspect", "-f", path, ...ids.split("\n"))).split(/\s/);
        return ["192.168.1.1", "2001:db8:1::1", ...used].toSorted();
      };
      const isRight = async () => {
        await becomes(claims, await wanted());
        const told = async () => Object.values((await own.listHosts())[0]!.claims);
        const each = (claims().length - 2) / 2;
        await becomes(told, [each, each]);
      };
      /** Waits until a call has claimed an address. It waits for etcd then, which is dead. */
      const isClaimed = async (before: number) => {
        await becomes(() => claims().length > before, true);
      };
      const run = (...words: string[]) =>
        host.docker("run", "-d", "--net=lan", ...words, IMAGE, "sleep", "1000");

      await t.step("before", isRight);
      await t.step("an address of a container that Docker is starting stays", async () => {
        const [dockerd, before] = [
          Number(Deno.readTextFileSync("/run/docker.pid")),
          claims().length,
        ];
        const answers = () => host.pluginLog.split("IpamDriver.RequestAddress: 200").length;
        const answered = answers();
        await server.stop();
        const running = run("--name=c2");
        await isClaimed(before);
        // Docker finds the answer when it goes on, and has no other call under way: it asks for an IPv6
        // address only afterwards.
        Deno.kill(dockerd, "SIGSTOP");
        await becomes(() => answers() > answered, true);
        await host.endPlugin();
        Deno.kill(dockerd, "SIGCONT");
        await host.startPlugin();
        await running;
        await server.start();
        await isRight();
      });
      await t.step("an address that was claimed in vain is free again", async () => {
        // One of those that this host has: it asks etcd for no other.
        const address = (await addressOf(host, "c1")).replace(
          /\d+$/,
          (last) => `${Number(last) + 4}`,
        );
        const before = claims().length;
        await server.stop();
        const running = run("--name=c3", `--ip=${address}`);
        await isClaimed(before);
        await host.endPlugin();
        await host.startPlugin();
        const { code, stderr } = await running;
        // If the kill came too late, the container runs.
        if (code !== 0) assertStringIncludes(stderr, "a killed plugin did not answer");
        await host.succeed("rm", "-f", "c3");
        await server.start();
        await isRight();
        assertEquals(await start(host, "c3", "--net=lan", `--ip=${address}`), address);
        await isRight();
      });
      await t.step("nothing is left when all is removed", async () => {
        await host.succeed("rm", "-f", "c1", "c2", "c3");
        await host.succeed("network", "rm", "lan");
        assertEquals(own.listPools(), []);
      });
      const log = await host.endPlugin("SIGTERM");
      assertEquals(/There is a bug|\.ts:\d/.exec(log)?.input, undefined);
      await host.startPlugin();
    }
    assertEquals(await state(ip), before);
  });
}
