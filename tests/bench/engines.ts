/**
 * `deno task bench docker` and `deno task bench podman`: containers that end at once, on a network of the
 * plugin, on one of the engine's own ipvlan driver, and without a network.
 *
 * @module
 */
import { Ip } from "../../lib/iproute2/ip.ts";
import { Daemon, IMAGE } from "../../scenarios/kit/engines/daemon.ts";
import { DockerHost } from "../../scenarios/kit/engines/docker.ts";
import { ipvlanCommand, withIpvlan, withRouter } from "../../scenarios/kit/engines/machine.ts";
import { withPodman } from "../../scenarios/kit/engines/podman.ts";
import { run, succeed } from "../../scenarios/kit/program.ts";
import type { Figure } from "./figures.ts";
import type { Job } from "./inside.ts";
import { inTurns, timed } from "./turns.ts";

/** The words of `network create` for the network of the engine's driver, and for the plugin's. */
const NETWORKS = [
  ["-d", "ipvlan", "--subnet=192.168.1.0/24", "-o", "parent=eth0", "own"],
  ["-d", "ipvlan-kit", "--subnet=192.168.2.0/24", "-o", "parent=eth0", "kit"],
];

/** Measures Docker. */
export async function* dockerFigures({ turns }: Job): AsyncGenerator<Figure> {
  await using ip = await Ip.open();
  await using _router = await withRouter(ip);
  await using host = await DockerHost.start();
  for (const words of NETWORKS) await host.succeed("network", "create", ...words);
  yield* containers("docker", turns, "Docker's ipvlan");
}

/** Measures Podman, with the plugin's server if there is one in this version. */
export async function* podmanFigures({ turns }: Job): AsyncGenerator<Figure> {
  await using ip = await Ip.open();
  await using _router = await withRouter(ip);
  await using _ipvlan = await withIpvlan();
  await using _podman = await withPodman();
  const serve = ["netavark", "serve"];
  const hasServer = (await run("ipvlan", ...serve, "--help")).code === 0;
  const command = [...ipvlanCommand(), ...serve];
  await using _server = hasServer ? await Daemon.start(command, { ready: /Listening/ }) : undefined;
  await succeed("ipvlan", "netavark", "install");
  for (const words of NETWORKS) await succeed("podman", "network", "create", ...words);
  yield* containers("podman", turns, "netavark's ipvlan");
}

/** Runs containers in turns, and compares them, and what the network adds to one without a network. */
async function* containers(program: string, turns: number, peer: string): AsyncGenerator<Figure> {
  const work = `${program} run --rm true`;
  const on = (net: string) => () =>
    timed(() => succeed(program, "run", "--rm", `--net=${net}`, IMAGE, "true"));
  const ways = { none: on("none"), own: on("own"), kit: on("kit") };
  // The first run of each is not counted: it reads its files for the first time.
  for (const way of Object.values(ways)) await way();
  const { none, own, kit } = await inTurns(work, turns, ways);
  yield { work, peer, ours: kit, theirs: own, aim: 1 };
  const added = (times: readonly number[]) => times.map((time, turn) => time - none[turn]!);
  const part = `${work}, the network's part`;
  yield { work: part, peer, ours: added(kit), theirs: added(own), aim: 1 };
}
