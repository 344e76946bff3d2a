// The tests of `ipvlan docker serve` that every version of Docker has to pass.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { CREATE, DockerHost } from "../../scenarios/kit/docker.ts";
import { twoDockerMachines } from "../../scenarios/kit/docker_machines.ts";
import { IMAGE } from "../../scenarios/kit/engines.ts";
import { freshNetns } from "../kit/worlds.ts";
import { state } from "./machine.ts";

/** The router's addresses, by VLAN; 0 stands for no tag. */
const ROUTER: Readonly<Record<number, readonly string[]>> = {
  0: ["192.168.1.1/24"],
  20: ["192.168.20.1/24"],
  114: ["192.168.114.254/24", "192.168.116.254/24"],
  139: ["2001:db8:abc2::22/64"],
};

/** Makes the guide's machine: `eth0`, and behind it a router that is in its VLANs too. */
async function guideMachine(ip: Ip): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const router = undo.use(await freshNetns());
  const peer = { name: "trunk", netns: router.name };
  await ip.link.add({ type: "veth", name: "eth0", peer, up: true });
  undo.defer(() => ip.link.del("eth0"));
  await ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await router.ip.link.set("trunk", { up: true });
  for (const [vlan, addresses] of Object.entries(ROUTER)) {
    const name = vlan === "0" ? "trunk" : `trunk.${vlan}`;
    if (vlan !== "0") {
      await router.ip.link.add({ type: "vlan", link: "trunk", name, id: Number(vlan), up: true });
    }
    for (const address of addresses) await router.ip.addr.add({ dev: name, address, nodad: true });
  }
  const forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
  assertEquals((await router.run("sh", "-c", forward)).code, 0);
  await router.ip.route.add({ dst: "192.168.214.0/24", via: "192.168.1.250" });
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Creates a network with the plugin. */
async function create(host: DockerHost, ...words: string[]): Promise<void> {
  await host.succeed(...CREATE, ...words);
}

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
  const pings = targets.map((target) => `ping -c 1 -W 5 ${target}`).join(" && ");
  await inside(host, name, pings);
}

/** Asserts that a container reaches none of these addresses. */
async function reachesNone(host: DockerHost, name: string, ...targets: string[]): Promise<void> {
  const pings = targets.map((target) => `! ping -c 1 -W 1 ${target}`).join(" && ");
  await inside(host, name, pings);
}

/** Asserts that a command of Docker's fails with these words. */
async function fails(host: DockerHost, words: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await host.docker(...args);
  assert(code !== 0, args.join(" "));
  assertStringIncludes(stderr, words);
}

/** Removes containers and networks. */
async function remove(host: DockerHost, containers: string[], networks: string[]): Promise<void> {
  if (containers.length > 0) await host.succeed("rm", "-f", ...containers);
  if (networks.length > 0) await host.succeed("network", "rm", ...networks);
}

/** What the plugin has on record, in a form that stays the same when Docker makes it again. */
async function recorded(host: DockerHost): Promise<unknown> {
  await using driver = await Driver.open({ stateDir: host.stateDir });
  return {
    networks: driver.listNetworks().map(({ name, parent, mode }) => ({ name, parent, mode })),
    endpoints: driver.listSandboxes().flatMap(({ endpoints }) => endpoints)
      .map(({ network, ip, ip6 }) => ({ network, ip, ip6 }))
      .toSorted((a, b) => `${a.ip}` < `${b.ip}` ? -1 : 1),
  };
}

/** Everything that there is of the plugin's: the host's links, and the records. */
async function world(host: DockerHost, ip: Ip): Promise<unknown> {
  return {
    links: (await ip.link.show()).map(({ name }) => name),
    ...await recorded(host) as object,
  };
}

/** Runs a part of a test. Without it, the parts after it make no sense. */
async function step(t: Deno.TestContext, name: string, run: () => Promise<void>): Promise<void> {
  assert(await t.step(name, run), name);
}

const NOTHING = { networks: [], endpoints: [] };

/**
 * Registers the tests.
 *
 * @param version The version of Docker: `26.1`.
 */
export function pluginTests(version: string): void {
  Deno.test(`Docker ${version} has the guide's networks by ipvlan-kit`, async (t) => {
    await using ip = await Ip.open();
    await using _machine = await guideMachine(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      const links = async () => (await ip.link.show()).map(({ name }) => name);
      const clean = await links();

      await step(t, "L2: names, the router, exec, one MAC address, and not the host", async () => {
        const options = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "-o", "parent=eth0"];
        await create(host, ...options, "-o", "ipvlan_mode=l2", "db_net");
        await start(host, "c1", "--net=db_net");
        await start(host, "c2", "--net=db_net", "--ip=192.168.1.77", "--network-alias=web");
        await reaches(host, "c1", "192.168.1.1", "c2", "web");
        await reaches(host, "c2", "192.168.1.2", "c1");
        await reachesNone(host, "c1", "192.168.1.250");
        const seen = await inside(host, "c1", "ip route; ip link show eth0");
        assertStringIncludes(seen, "default via 192.168.1.1 dev eth0");
        assertStringIncludes(seen, (await ip.link.show("eth0")).address!);
        await fails(
          host,
          "in use",
          "run",
          "--rm",
          "--net=db_net",
          "--ip=192.168.1.77",
          IMAGE,
          "true",
        );
        await fails(
          host,
          "every ipvlan link has the MAC address of its parent",
          ...["run", "--rm", "--net=db_net", "--mac-address=02:42:00:00:00:01", IMAGE, "true"],
        );
      });

      await step(
        t,
        "several networks: the first one has the default route beside an L3 one",
        async () => {
          await create(host, "--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "vlan20");
          assertEquals((await links()).includes("eth0.20"), true);
          await create(
            host,
            "--subnet=10.1.0.0/24",
            "-o",
            "parent=eth0.30",
            "-o",
            "ipvlan_mode=l3",
            "l3",
          );
          await host.succeed("network", "connect", "vlan20", "c1");
          await host.succeed("network", "connect", "l3", "c1");
          await reaches(host, "c1", "192.168.20.1", "192.168.1.1");
          const seen = await inside(host, "c1", "ip addr; ip route");
          assertMatch(seen, /inet 10\.1\.0\.2\/24 .*eth2/);
          assertStringIncludes(seen, "default via 192.168.1.1 dev eth0");
          await start(host, "c3", "--net=l3");
          await reaches(host, "c3", "10.1.0.2");
          await host.succeed("network", "connect", "db_net", "c3");
          await reaches(host, "c3", "192.168.1.1");
          assertStringIncludes(await inside(host, "c3", "ip route"), "default dev eth0");
          // Docker joins the networks in any order now.
          await host.succeed("restart", "-t", "0", "c1", "c3");
          await reaches(host, "c1", "192.168.20.1", "192.168.1.1", "10.1.0.3");
          await host.succeed("network", "disconnect", "l3", "c1");
          await host.succeed("network", "disconnect", "db_net", "c1");
          await reaches(host, "c1", "192.168.20.1");
          await remove(host, ["c1", "c2", "c3"], ["db_net", "vlan20", "l3"]);
          assertEquals([await links(), await recorded(host)], [clean, NOTHING]);
        },
      );

      await step(t, "isolated and internal networks have no way out", async () => {
        await create(host, "--subnet=192.168.10.0/24", "isolated1");
        await create(
          host,
          "--subnet=192.168.11.0/24",
          "--internal",
          "-o",
          "parent=eth0",
          "isolated2",
        );
        await start(host, "cid1", "--net=isolated1");
        await start(host, "cid2", "--net=isolated1");
        await start(host, "cid3", "--net=isolated2");
        await reaches(host, "cid1", "cid2");
        await reachesNone(host, "cid1", "192.168.11.2", "192.168.1.1");
        await reachesNone(host, "cid3", "192.168.10.2", "192.168.1.250");
        for (const name of ["cid1", "cid3"]) {
          assertEquals((await inside(host, name, "ip route")).includes("default"), false);
        }
        await remove(host, ["cid1", "cid2", "cid3"], ["isolated1", "isolated2"]);
        assertEquals([await links(), await recorded(host)], [clean, NOTHING]);
      });

      await step(
        t,
        "two subnets, dual stack, ranges and auxiliary addresses in VLANs",
        async () => {
          await create(
            host,
            ...["--subnet=192.168.114.0/24", "--subnet=192.168.116.0/24"],
            ...["--gateway=192.168.114.254", "--gateway=192.168.116.254", "-o", "parent=eth0.114"],
            "ipvlan114",
          );
          await create(
            host,
            ...["--ipv6", "--subnet=2001:db8:abc2::/64", "--gateway=2001:db8:abc2::22"],
            ...["--subnet=192.168.139.0/24", "--ip-range=192.168.139.64/27"],
            ...["--aux-address=a=192.168.139.65", "-o", "parent=eth0.139", "v6ipvlan139"],
          );
          await start(host, "c1", "--net=ipvlan114", "--ip=192.168.114.10");
          await start(host, "c2", "--net=ipvlan114", "--ip=192.168.116.11");
          // The router has both gateways.
          await reaches(host, "c1", "192.168.114.254", "192.168.116.11");
          await start(host, "c3", "--net=v6ipvlan139");
          await start(host, "c4", "--net=v6ipvlan139", "--ip6=2001:db8:abc2::51");
          await reaches(host, "c3", "2001:db8:abc2::51", "2001:db8:abc2::22", "c4");
          const seen = await inside(host, "c3", "ip addr; ip -6 route");
          assertMatch(seen, /inet 192\.168\.139\.6[6-9]\/24/);
          assertStringIncludes(seen, "default via 2001:db8:abc2::22 dev eth0");
          assertEquals(/tentative|dadfailed/.test(seen), false);
          await remove(host, ["c1", "c2", "c3", "c4"], ["ipvlan114", "v6ipvlan139"]);
          assertEquals([await links(), await recorded(host)], [clean, NOTHING]);
        },
      );

      await step(
        t,
        "L3: connected default routes, both families, and the subnets reach each other",
        async () => {
          await create(
            host,
            ...["--subnet=192.168.214.0/24", "--subnet=10.1.214.0/24", "--gateway=192.168.214.1"],
            ...[
              "--ipv6",
              "--subnet=2001:db8:abc6::/64",
              "-o",
              "ipvlan_mode=l3",
              "-o",
              "parent=eth0",
            ],
            "ipnet210",
          );
          await start(host, "c1", "--net=ipnet210", "--ip=192.168.214.10");
          await start(host, "c2", "--net=ipnet210", "--ip=10.1.214.9", "--ip6=2001:db8:abc6::50");
          await reaches(host, "c1", "10.1.214.9", "2001:db8:abc6::50", "c2", "192.168.1.1");
          await reaches(host, "c2", "192.168.214.10", "c1");
          const seen = await inside(host, "c1", "ip route; ip -6 route; ip link show eth0");
          assertMatch(seen, /^default dev eth0/m);
          assertMatch(seen, /^default dev eth0 .*metric 1024/m);
          assertStringIncludes(seen, "NOARP");
          await fails(
            host,
            "cannot be in l3 mode",
            ...[
              ...CREATE,
              "--subnet=192.168.1.0/24",
              "-o",
              "ipvlan_mode=l3",
              "-o",
              "parent=eth0",
              "bad",
            ],
          );
          await remove(host, ["c1", "c2"], ["ipnet210"]);
          assertEquals([await links(), await recorded(host)], [clean, NOTHING]);
        },
      );

      await step(
        t,
        "a link that was made by hand stays, and wrong options are all named",
        async () => {
          await ip.link.add({ type: "vlan", link: "eth0", name: "foo", id: 40, up: true });
          await create(host, "--subnet=192.168.40.0/24", "-o", "parent=foo", "ipvlan40");
          await start(host, "c1", "--net=ipvlan40");
          await remove(host, ["c1"], ["ipvlan40"]);
          await ip.link.del("foo");
          const { stderr } = await host.docker(
            ...[...CREATE, "-o", "parent=nope", "-o", "macvlan_mode=bridge", "-o", "x=y", "bad"],
          );
          for (const words of ['"nope"', "macvlan_mode=bridge", "x=y", "parent, ipvlan_mode"]) {
            assertStringIncludes(stderr, words);
          }
          assertEquals([await links(), await recorded(host)], [clean, NOTHING]);
        },
      );
    }
    assertEquals(await state(ip), before);
  });

  Deno.test(`Docker ${version} and the plugin are killed in every order, and nothing is lost`, async (t) => {
    await using ip = await Ip.open();
    await using _machine = await guideMachine(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      await create(host, "--subnet=192.168.1.0/24", "-o", "parent=eth0", "db_net");
      await create(host, "--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "vlan20");
      await start(host, "c1", "--net=db_net", "--restart=always");
      await start(host, "c2", "--net=vlan20", "--restart=always", "--ip=192.168.20.20");
      const all = await world(host, ip);

      /** Asserts that both containers run again, and that everything is as it was. */
      const same = async () => {
        await until(host, "c1", "192.168.1.1");
        await until(host, "c2", "192.168.20.1");
        assertStringIncludes(await inside(host, "c2", "ip addr"), "192.168.20.20/24");
        assertEquals(await world(host, ip), all);
      };
      await same();

      await step(t, "the plugin is killed, and a call waits until it is started", async () => {
        await start(host, "c3", "--net=db_net");
        await host.endPlugin();
        const removed = host.succeed("rm", "-f", "c3");
        await host.startPlugin();
        await removed;
        await same();
      });

      await step(t, "Docker is killed and started", async () => {
        await host.endDaemon();
        await host.startDaemon();
        await same();
      });

      await step(t, "both are killed, and Docker is started first", async () => {
        await host.endPlugin();
        await host.endDaemon();
        await Promise.all([host.startDaemon(), host.startPlugin()]);
        await same();
      });

      await step(
        t,
        "both are killed and the links are gone, as when the machine restarts",
        async () => {
          await host.endDaemon();
          await host.endPlugin();
          await ip.link.del("eth0.20");
          await host.startPlugin();
          await host.startDaemon();
          await same();
        },
      );
      await remove(host, ["c1", "c2"], ["db_net", "vlan20"]);
      assertEquals(await recorded(host), NOTHING);
    }
    assertEquals(await state(ip), before);
  });
}

/** Waits until a container runs and reaches an address. Docker gives no notice that it has restarted it. */
async function until(host: DockerHost, name: string, address: string): Promise<void> {
  for (let tries = 0;; tries++) {
    const { code, stderr } = await host.docker("exec", name, "ping", "-c", "1", "-W", "2", address);
    if (code === 0) return;
    if (tries === 60) throw new Error(`${name} does not reach ${address}: ${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Registers the tests with two Docker hosts, and with many containers. */
export function clusterTests(version: string): void {
  Deno.test(`two hosts with Docker ${version} on one segment reach each other and the router`, async () => {
    await using ip = await Ip.open();
    const before = await state(ip);
    {
      await using undo = new AsyncDisposableStack();
      const { machines } = undo.use(await twoDockerMachines(ip));
      const hosts = await Promise.all(machines.map((machine) => DockerHost.start(machine)));
      hosts.forEach((host) => undo.use(host));
      const [one, two] = hosts as [DockerHost, DockerHost];
      const options = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "-o", "parent=eth0"];
      await create(one, ...options, "--ip-range=192.168.1.32/27", "db_net");
      await create(two, ...options, "--ip-range=192.168.1.64/27", "db_net");
      await start(one, "a1", "--net=db_net", "--ip=192.168.1.40");
      await start(two, "b1", "--net=db_net", "--ip=192.168.1.70");
      await reaches(one, "a1", "192.168.1.70", "192.168.1.1");
      await reaches(two, "b1", "192.168.1.40", "192.168.1.1");
    }
    assertEquals(await state(ip), before);
  });

  Deno.test(`50 containers at once with Docker ${version} have 50 addresses, and leave nothing`, async () => {
    await using ip = await Ip.open();
    await using _machine = await guideMachine(ip);
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      await create(host, "--subnet=192.168.20.0/24", "-o", "parent=eth0.20", "many");
      const clean = await world(host, ip);
      const names = Array.from({ length: 50 }, (_, index) => `m${index}`);
      const all = (verb: string, path: (name: string) => string, body?: unknown) =>
        Promise.all(names.map((name) => host.api(verb, `/containers/${path(name)}`, body)));
      const container = {
        Image: IMAGE,
        Cmd: ["sleep", "1000"],
        HostConfig: { NetworkMode: "many" },
      };
      await all("POST", (name) => `create?name=${name}`, container);
      await all("POST", (name) => `${name}/start`);
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const addresses = (await host.succeed("inspect", "--format", format, ...names)).split("\n");
      assertEquals(new Set(addresses).size, 50);
      await reaches(host, "m0", addresses[49]!, "192.168.20.1");
      await all("DELETE", (name) => `${name}?force=1`);
      assertEquals(await world(host, ip), clean);
      await host.succeed("network", "rm", "many");
    }
    assertEquals(await state(ip), before);
  });
}
