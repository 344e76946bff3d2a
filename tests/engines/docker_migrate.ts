// The tests of `ipvlan docker migrate`.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createServer, request } from "node:http";
import { Ip } from "../../lib/iproute2/ip.ts";
import { IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { DockerHost } from "../../scenarios/kit/engines/docker.ts";
import { ipvlan, Job } from "../kit/command.ts";
import { inEnv } from "../kit/processes.ts";
import { state, withRouter } from "./machine.ts";

/** Docker's socket, and its name while another one is in front of it. */
const [SOCKET, BEHIND] = ["/run/docker.sock", "/run/docker-behind.sock"];

/** A container as Docker shows it. */
interface Shown {
  Name: string;
  State: { Running: boolean };
  NetworkSettings: {
    Networks: Record<string, {
      IPAddress: string;
      IPAMConfig: { IPv4Address?: string } | null;
      Aliases: string[] | null;
    }>;
  };
}

/** What has to be the same before and after: the network, and the containers with their addresses. */
async function settingsOf(host: DockerHost, network: string, ...names: string[]) {
  const shown = await host.succeed("network", "inspect", network);
  const [{ Id: _, Created: _created, Containers: _members, ...settings }] = JSON.parse(shown);
  const containers: Shown[] = JSON.parse(await host.succeed("inspect", ...names));
  return {
    settings,
    containers: containers.map(({ Name, State, NetworkSettings: { Networks } }) => [
      Name,
      State.Running,
      ...Object.entries(Networks).map(([name, { IPAddress, IPAMConfig, Aliases }]) => [
        name,
        IPAddress || IPAMConfig?.IPv4Address,
        // Docker 20.10 adds the short id.
        (Aliases ?? []).filter((alias) => !/^[0-9a-f]{12}$/.test(alias)),
      ]).sort(),
    ]),
  };
}

async function start(host: DockerHost, name: string, ...words: string[]): Promise<void> {
  const run = ["run", "-d", "--stop-timeout=1", `--name=${name}`, ...words];
  await host.succeed(...run, IMAGE, "sleep", "1000");
}

/** Passes a change on to Docker. Resolves when Docker has it. */
type Forward = () => Promise<void>;

/**
 * Runs a function with a socket in front of Docker's.
 *
 * @param at The number of the change that a fault happens to, from 1 on.
 * @param fault Happens instead of passing it on. Whether it is to be refused.
 */
async function withFault(
  at: number,
  fault: (forward: Forward) => boolean | Promise<boolean>,
  run: () => Promise<void>,
): Promise<void> {
  let changes = 0;
  Deno.renameSync(SOCKET, BEHIND);
  const server = createServer(async (asked, answer) => {
    const { method, url: path, headers } = asked;
    const forward = async () => {
      const sent = request({ socketPath: BEHIND, method, path, headers, agent: false }, (got) => {
        answer.writeHead(got.statusCode!, got.headers);
        got.pipe(answer);
      });
      sent.on("error", () => answer.destroy());
      answer.on("close", () => sent.destroy());
      await new Promise((resolve) => asked.pipe(sent).on("finish", resolve));
    };
    if (method === "GET" || ++changes !== at) return await forward();
    if (await fault(forward)) answer.writeHead(500).end('{"message":"refused on purpose"}');
  });
  try {
    await new Promise<void>((resolve) => server.listen({ path: SOCKET }, resolve));
    await run();
    assert(changes >= at, `There were ${changes} changes`);
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    Deno.renameSync(BEHIND, SOCKET);
  }
}

/** Registers the test of a migration. @param version The version of Docker: `26.1`. */
export function migrateTest(version: string): void {
  Deno.test(`a network of Docker ${version}'s own driver moves to the plugin`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      using _state = inEnv("IPVLAN_STATE_DIR", host.stateDir);
      const create = ["network", "create", "-d", "ipvlan"];
      const lan = [
        "--subnet=192.168.1.0/24",
        "--gateway=192.168.1.1",
        "--ip-range=192.168.1.64/27",
      ];
      const more = ["--aux-address=a=192.168.1.64", "--label=a=b c", "--attachable"];
      await host.succeed(...create, ...lan, ...more, "-o", "parent=eth0", "db_net");
      await host.succeed(...create, "--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "vlan20");
      await start(host, "c1", "--net=db_net", "--network-alias=www");
      await start(host, "c2", "--net=db_net", "--ip=192.168.1.9");
      await start(host, "c3", "--net=vlan20");
      await host.succeed("network", "connect", "db_net", "c3");
      await start(host, "c4", "--net=db_net", "--ip=192.168.1.80");
      await host.succeed("stop", "c4");
      await host.succeed(
        "create",
        "--stop-signal=KILL",
        "--net=db_net",
        "--name=c5",
        IMAGE,
        "sleep",
        "1000",
      );
      const names = ["c1", "c2", "c3", "c4", "c5"];
      const old = await settingsOf(host, "db_net", ...names);

      const { out: lines } = await ipvlan("docker", "migrate", "--dry-run", "db_net");
      assertEquals(lines.split("\n"), [
        "docker stop c1 c2 c3",
        ...["c5", "c1", "c2", "c3", "c4"].map((name) => `docker network disconnect db_net ${name}`),
        "docker network rm db_net",
        "docker network create --driver=ipvlan-kit --attachable --subnet=192.168.1.0/24 " +
        "--ip-range=192.168.1.64/27 --gateway=192.168.1.1 --aux-address=a=192.168.1.64 " +
        "--opt=parent=eth0 '--label=a=b c' db_net",
        "docker network connect db_net c5",
        "docker network connect --ip=192.168.1.65 --alias=www db_net c1",
        "docker network connect --ip=192.168.1.9 db_net c2",
        "docker network connect --ip=192.168.1.66 db_net c3",
        "docker network connect --ip=192.168.1.80 db_net c4",
        ...["c1", "c2", "c3"].map((name) => `docker start ${name}`),
      ]);
      assertEquals(await settingsOf(host, "db_net", ...names), old);

      const since = `${Date.now() / 1000}`;
      const { status, out, err } = await ipvlan("docker", "migrate", "db_net");
      assertEquals([status, err, out], [0, "", "The network db_net is on ipvlan-kit"]);
      const words = [
        "--filter=event=start",
        "--filter=event=die",
        "--format={{.Actor.Attributes.name}} {{.Action}}",
      ];
      const events = await host.succeed(
        "events",
        `--since=${since}`,
        `--until=${Date.now() / 1000}`,
        ...words,
      );
      assertEquals(
        events.split("\n").sort(),
        ["c1", "c2", "c3"].flatMap((name) => [`${name} die`, `${name} start`]),
      );
      const now = await settingsOf(host, "db_net", ...names);
      assertEquals(now, { ...old, settings: { ...old.settings, Driver: "ipvlan-kit" } });
      const reach = () =>
        host.succeed(
          "exec",
          "c1",
          "sh",
          "-c",
          "ping -c 1 -W 5 192.168.1.1 && ping -c 1 -W 5 c2 && ping -c 1 -W 5 c3",
        );
      await reach();
      await host.succeed("exec", "c2", "ping", "-c", "1", "-W", "5", "www");
      await host.succeed("exec", "c3", "ping", "-c", "1", "-W", "5", "192.168.20.1");
      await host.succeed("start", "c4", "c5");

      await host.endDaemon("SIGTERM");
      await host.startDaemon();
      await host.succeed("start", "c1", "c2", "c3");
      await reach();
      assertEquals((await settingsOf(host, "db_net", "c1", "c2")).settings.Driver, "ipvlan-kit");

      const again = await ipvlan("docker", "migrate", "db_net");
      assertEquals([again.status, again.err], [
        1,
        'ipvlan: The network "db_net" is not migrated: its driver is ipvlan-kit already',
      ]);
    }
    assertEquals(await state(ip), before);
  });
}

/** Registers the test of migrations that do not end well. */
export function migrateFaultsTest(version: string): void {
  Deno.test(`all is as before in Docker ${version} if it fails or is killed at any step`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      using _state = inEnv("IPVLAN_STATE_DIR", host.stateDir);
      const lan = ["--subnet=192.168.20.0/24", "--gateway=192.168.20.1", "-o", "parent=eth0.20"];
      await host.succeed("network", "create", "-d", "ipvlan", ...lan, "db_net");
      await start(host, "c0", "--net=db_net");
      await start(host, "c1", "--net=db_net", "--network-alias=www");
      await start(host, "c2", "--net=db_net", "--ip=192.168.20.9");
      await host.succeed("stop", "c2");
      // Docker would give its address to another one that is started without an address of its own.
      await host.succeed("rm", "-f", "c0");
      const words = ["docker", "migrate", "db_net"];
      const steps = (await ipvlan(...words, "--dry-run")).out.split("\n");
      assertEquals(steps.length, 8);
      const old = await settingsOf(host, "db_net", "c1", "c2");
      const links = async () => (await ip.link.show()).map(({ name }) => name);
      const oldLinks = await links();
      const isAsBefore = async (what: string) => {
        assertEquals(await settingsOf(host, "db_net", "c1", "c2"), old, what);
        await host.succeed("exec", "c1", "ping", "-c", "1", "-W", "5", "192.168.20.1");
        assertEquals(await links(), oldLinks, what);
      };
      const failure = (reason: string) =>
        `ipvlan: The network "db_net" is not migrated: ${reason}; everything is as before`;

      const path = `${host.stateDir}/docker-migrate.json`;
      const refused = async (name: string) => (await ipvlan("docker", "migrate", name)).err;
      {
        using file = Deno.openSync(path, { write: true, create: true });
        file.lockSync(true);
        assertMatch(await refused("db_net"), /: another migration is running: wait/);
      }
      await Deno.writeTextFile(path, "[]\n");
      assertMatch(await refused("nope"), /: the file \S+ of the last attempt is damaged: /);
      // This one was not written whole, so nothing had changed.
      await Deno.writeTextFile(path, '{"net');
      assertMatch(await refused("nope"), /^ipvlan: network nope not found/);

      for (const [index, step] of steps.entries()) {
        await withFault(index + 1, () => true, async () => {
          const { status, err } = await ipvlan(...words);
          assertEquals(status, 1);
          assertMatch(err, /^.*refused on purpose; everything is as before$/, step);
        });
        await isAsBefore(`failed: ${step}`);
      }
      // It is killed before the first change, of a network without containers.
      const other = ["-d", "ipvlan", "--subnet=192.168.30.0/24", "-o", "parent=eth0.30", "other"];
      await host.succeed("network", "create", ...other);
      {
        await using job = new Job(["docker", "migrate", "other"]);
        await withFault(1, () => (job.kill("SIGKILL"), false), async () => void await job.ended);
      }
      const { status, err } = await ipvlan("docker", "migrate", "other");
      const said = failure("the last attempt was killed").replace("db_net", "other");
      assertEquals([status, err], [1, said]);
      await host.succeed("network", "rm", "other");

      for (const [index, step] of steps.entries()) {
        await using job = new Job(words);
        const kill = async (forward: Forward) => {
          await forward();
          job.kill("SIGKILL");
          return false;
        };
        await withFault(index + 1, kill, async () => void await job.ended);
        assertMatch(await refused("other"), /that of db_net was killed: run ipvlan docker migrate/);
        const { status, err } = await ipvlan(...words);
        // The last step may have been done.
        if (status === 0 && step === steps.at(-1)) break;
        assertEquals([status, err], [1, failure("the last attempt was killed")], step);
        await isAsBefore(`killed: ${step}`);
      }
    }
    assertEquals(await state(ip), before);
  });
}
