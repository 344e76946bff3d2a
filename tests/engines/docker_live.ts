// The test of the plugin with `dockerd --live-restore` that every version of Docker has to pass: Docker
// has forgotten some links then, and leaves them in the containers' namespaces. It runs on a machine
// where no namespace has ever had a name.
import { assertEquals } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { CREATE, DockerHost } from "../../scenarios/kit/engines/docker.ts";
import { IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { run } from "../../scenarios/kit/program.ts";
import { state } from "./machine.ts";

/** The networks: their subnets and their options. Docker forgets the links on those without a gateway. */
const NETWORKS: Record<string, [subnet: string, ...options: string[]]> = {
  gateway: ["192.168.20", "--gateway=192.168.20.1", "-o", "parent=eth0.20"],
  internal: ["10.3.0", "--internal"],
  l3: ["10.4.0", "-o", "parent=eth0.40", "-o", "ipvlan_mode=l3"],
  alone: ["10.5.0"],
};

/** The containers' groups, by the networks that they are on. One gateway would make Docker know all links. */
const GROUPS = [["gateway"], ["internal", "l3", "alone"]];

/** What is done to a container of each group, and the last digits of its addresses. */
const ACTIONS = { stop: 50, rm: 51, disconnect: 52, restart: 53 };
type Action = keyof typeof ACTIONS;

const nameOf = (action: Action, group: readonly string[]) => `${action}-${group[0]}`;
const bothOf = (action: Action) => GROUPS.map((group) => nameOf(action, group));
const addressOf = (action: Action, network: string) =>
  `${NETWORKS[network]![0]}.${ACTIONS[action]}`;

/** Connects a container to networks. */
async function connect(
  host: DockerHost,
  action: Action,
  networks: readonly string[],
  name: string,
) {
  for (const network of networks) {
    await host.succeed("network", "connect", `--ip=${addressOf(action, network)}`, network, name);
  }
}

/** Makes a container that does nothing, on all networks of its group. */
async function create(host: DockerHost, action: Action, group: readonly string[]): Promise<void> {
  const [first, ...others] = group;
  const name = nameOf(action, group);
  const place = [`--net=${first}`, `--ip=${addressOf(action, first!)}`];
  await host.succeed("create", `--name=${name}`, ...place, IMAGE, "sleep", "1000");
  await connect(host, action, others, name);
}

/** The addresses on record, of endpoints whose links are there; the others with what is wrong. */
async function recorded(host: DockerHost): Promise<string[]> {
  await using driver = await Driver.open({ stateDir: host.stateDir });
  return (await driver.seeSandboxes()).flatMap(({ endpoints }) =>
    endpoints.map(({ ip, state }) => state === "up" ? ip!.split("/")[0]! : `${ip} ${state}`)
  ).sort();
}

/** The addresses that some containers have. */
function addresses(...actions: Action[]): string[] {
  return actions.flatMap((action) =>
    Object.keys(NETWORKS).map((network) => addressOf(action, network))
  ).sort();
}

/** Disconnects a container from all networks of its group. */
async function disconnect(host: DockerHost, group: readonly string[], name: string): Promise<void> {
  for (const network of group) await host.succeed("network", "disconnect", network, name);
}

/** Does everything to one container of each group, of which Docker knows all links. */
async function doInTurn(host: DockerHost): Promise<void> {
  const names = bothOf("restart");
  const all = addresses("restart");
  for (const group of GROUPS) await create(host, "restart", group);
  await host.succeed("start", ...names);
  assertEquals(await recorded(host), all);
  await host.succeed("restart", "-t", "0", ...names);
  assertEquals(await recorded(host), all);
  for (const group of GROUPS) await disconnect(host, group, nameOf("restart", group));
  assertEquals(await recorded(host), []);
  for (const group of GROUPS) await connect(host, "restart", group, nameOf("restart", group));
  assertEquals(await recorded(host), all);
  await host.succeed("stop", "-t", "0", ...names);
  assertEquals(await recorded(host), []);
  await host.succeed("start", ...names);
  await host.succeed("rm", "-f", ...names);
  assertEquals(await recorded(host), []);
}

/** Does one thing to each container, of which Docker has forgotten the links. */
async function doOnce(host: DockerHost): Promise<void> {
  assertEquals(await recorded(host), addresses("stop", "rm", "disconnect", "restart"));
  await host.succeed("stop", "-t", "0", ...bothOf("stop"));
  assertEquals(await recorded(host), addresses("rm", "disconnect", "restart"));
  await host.succeed("rm", "-f", ...bothOf("rm"));
  assertEquals(await recorded(host), addresses("disconnect", "restart"));
  for (const group of GROUPS) await disconnect(host, group, nameOf("disconnect", group));
  assertEquals(await recorded(host), addresses("restart"));
  await host.succeed("restart", "-t", "0", ...bothOf("restart"));
  assertEquals(await recorded(host), addresses("restart"));
  await host.succeed("start", ...bothOf("stop"));
  for (const group of GROUPS) {
    const pings = group.map((network) => `ping -c 1 -W 5 ${addressOf("stop", network)}`);
    await host.succeed("exec", nameOf("restart", group), "sh", "-c", pings.join(" && "));
  }
}

/** Takes away the folder of the namespaces with names, as on a machine where `ip netns` never ran. */
async function withoutNetnsFolder(): Promise<void> {
  while ((await run("umount", "/run/netns")).code === 0);
  await run("rmdir", "/run/netns");
}

/**
 * Registers the test.
 *
 * @param version The version of Docker: `26.1`.
 */
export function liveTest(version: string): void {
  Deno.test(`Docker ${version} that has forgotten links with live-restore has them deleted`, async (t) => {
    await withoutNetnsFolder();
    await using ip = await Ip.open();
    await ip.link.add({ type: "dummy", name: "eth0", up: true });
    await using undo = new AsyncDisposableStack();
    undo.defer(() => ip.link.del("eth0"));
    const before = await state(ip);
    {
      await using host = await DockerHost.start();
      const restartPlugin = async () => {
        const log = await host.endPlugin();
        assertEquals(log.match(/: 500 in .*|has lost .*|There is a bug.*/g), null);
        await host.startPlugin();
      };
      for (const [name, [subnet, ...options]] of Object.entries(NETWORKS)) {
        const ours = ["--ipam-driver=ipvlan-kit", `--subnet=${subnet}.0/24`];
        await host.succeed(...CREATE, ...ours, ...options, name);
      }
      await t.step("a Docker that knows all links", () => doInTurn(host));

      await t.step("a Docker that was started again with --live-restore", async () => {
        await host.endDaemon("SIGTERM");
        await host.startDaemon("--live-restore");
        const actions = Object.keys(ACTIONS) as Action[];
        for (const action of actions) for (const group of GROUPS) await create(host, action, group);
        await host.succeed("start", ...actions.flatMap(bothOf));
        await host.endDaemon("SIGTERM");
        await restartPlugin();
        await host.startDaemon("--live-restore");
        await doOnce(host);
        await restartPlugin();
      });
    }
    assertEquals(await state(ip), before);
  });
}
