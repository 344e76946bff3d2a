/**
 * `deno task bench cni`: containers attached and detached by the CNI plugin, against CNI's own `ipvlan`
 * with `host-local`.
 *
 * @module
 */
import { dirname } from "node:path";
import { Ip } from "../../lib/iproute2/ip.ts";
import { ipvlanCommand } from "../../scenarios/kit/engines/machine.ts";
import { Daemon } from "../../scenarios/kit/engines/daemon.ts";
import { succeed } from "../../scenarios/kit/program.ts";
import type { Figure } from "./figures.ts";
import type { Job } from "./inside.ts";
import { names } from "./sandboxes.ts";
import { inTurns, timed } from "./turns.ts";
import { freshWorld, GATEWAY, PARENT, SUBNET, type World } from "./world.ts";

/** A plugin that can be called. */
interface Plugin {
  /** Its executable. */
  path: string;
  /** Its configuration. */
  conf: unknown;
  /** Its server, if it has one. */
  server?: Daemon;
}

/**
 * The most containers at once without the server. Each starts a Deno: 20 take a minute, and 200 do not fit
 * into the memory of a guest.
 */
const MOST_WITHOUT_SERVER = 10;

/** Measures all. */
export async function* cniFigures({ sizes, turns, plugins }: Job): AsyncGenerator<Figure> {
  const peer = "ipvlan, host-local";
  for (const size of sizes) {
    const work = `CNI ADD and DEL of ${size}${size === 1 ? "" : " at once"}`;
    const attach = (prepare: (world: World) => Promise<Plugin>) => () => attachAll(prepare, size);
    const ways = { kit: attach(withServer), peer: attach((world) => reference(world, plugins!)) };
    const aim = size < 10 ? 0.9 : size < 100 ? 0.7 : 0.6;
    if (size > MOST_WITHOUT_SERVER) {
      const times = await inTurns(work, turns, ways);
      yield { work, peer, ours: times.kit, theirs: times.peer, aim };
    } else {
      const all = { ...ways, alone: attach(withoutServer) };
      const times = await inTurns(work, turns, all);
      yield { work, peer, ours: times.kit, theirs: times.peer, aim };
      yield { work: `${work}, no server`, peer, ours: times.alone, theirs: times.peer };
    }
  }
}

/**
 * Attaches a number of containers at once in a fresh world with a namespace for each, and detaches them
 * at once. Resolves to the time of both, in milliseconds.
 */
async function attachAll(
  prepare: (world: World) => Promise<Plugin>,
  size: number,
): Promise<number> {
  await using world = await freshWorld();
  const first = ["c0"];
  const ids = names(size);
  {
    await using ip = await Ip.open();
    await Promise.all([...first, ...ids].map((id) => ip.netns.add(id)));
  }
  const { path, conf, server } = await prepare(world);
  await using _server = server;
  await Deno.writeTextFile(`${world.folder}/conf`, JSON.stringify(conf));
  const callAll = (command: string, ids: readonly string[]) =>
    timed(() =>
      world.script(`
export CNI_COMMAND=${command} CNI_IFNAME=eth0 CNI_PATH=${dirname(path)}
for id in ${ids.join(" ")}; do
  CNI_CONTAINERID=$id CNI_NETNS=/run/netns/$id ${path} < ${world.folder}/conf \\
    > ${world.folder}/$id.out || cat ${world.folder}/$id.out >> ${world.folder}/failed &
done
wait
! cat ${world.folder}/failed >&2 2> /dev/null
`)
    );
  // A node has answered calls before: its files are read, and a server is warm.
  for (const command of ["ADD", "DEL", "ADD", "DEL"]) await callAll(command, first);
  const added = await callAll("ADD", ids);
  await world.verify(ids);
  return added + await callAll("DEL", ids);
}

const OWN = {
  cniVersion: "1.0.0",
  name: "bench",
  type: "ipvlan-kit",
  master: PARENT,
  subnets: [{ subnet: SUBNET, gateway: GATEWAY }],
};

/** CNI's own plugins. @param folder The folder of `ipvlan` and `host-local`. */
function reference(world: World, folder: string): Promise<Plugin> {
  const ipam = {
    type: "host-local",
    ranges: [[{ subnet: SUBNET, gateway: GATEWAY }]],
    routes: [{ dst: "0.0.0.0/0" }],
    dataDir: `${world.folder}/addresses`,
  };
  const conf = {
    cniVersion: "1.0.0",
    name: "bench",
    type: "ipvlan",
    master: PARENT,
    mode: "l2",
    ipam,
  };
  return Promise.resolve({ path: `${folder}/ipvlan`, conf });
}

/** The plugin of this project without a server: each call starts Deno. */
async function withoutServer(world: World): Promise<Plugin> {
  Deno.env.set("IPVLAN_STATE_DIR", `${world.folder}/state`);
  const [program = "", ...words] = ipvlanCommand();
  return { path: await succeed(program, ...words, "cni", "install", world.folder), conf: OWN };
}

/** The plugin of this project with its server, as systemd starts it. */
async function withServer(world: World): Promise<Plugin> {
  const plugin = await withoutServer(world);
  const server = await Daemon.start([...ipvlanCommand(), "cni", "serve"], { ready: /Listening/ });
  return { ...plugin, server };
}
