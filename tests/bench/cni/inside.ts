/**
 * The part of `deno task bench cni` that runs in the lab. It prints its progress on standard error, and
 * {@linkcode Measured} as JSON on standard output.
 *
 *     inside.ts PLUGINS REPETITIONS SIZE…
 *
 * PLUGINS is the folder with CNI's own plugins. The ways to compare run in turns, each time in a fresh
 * world with a namespace for each container. All ADDs are started at once, and then all DELs.
 *
 * @module
 */
import { Ip } from "../../../lib/iproute2/ip.ts";
import { type Measured, median, type Result } from "../results.ts";
import { freshWorld, type World } from "../world.ts";
import { attachRatios } from "./ratios.ts";
import { reference, withoutServer, withServer } from "./ways.ts";

/** A plugin to measure. */
export interface AttachWay {
  /** Its name in the results. */
  readonly name: string;
  /** Whether it may be skipped if it would take minutes. */
  readonly maySkip?: true;
  /** Prepares it in a fresh world. The preparation is not measured. */
  prepare(world: World): Promise<PreparedPlugin>;
}

/** A plugin that can be called. */
export interface PreparedPlugin {
  /** Its executable. */
  plugin: string;
  /** The folder of the plugins. */
  path: string;
  /** Its configuration. */
  conf: unknown;
  /** Ends what was started for it, which is not measured. */
  end?(): Promise<void>;
}

/** A way that may be skipped is skipped if ADD or DEL would take longer than this, in milliseconds. */
const TOO_LONG = 60_000;

const say = (line: string): void => console.error(`bench: ${line}`);

/** The times of ADD and DEL, in milliseconds. */
type Times = Record<"ADD" | "DEL", number>;

/** Attaches and detaches a number of containers once, in a fresh world. */
async function runOnce(way: AttachWay, size: number): Promise<Times> {
  await using world = await freshWorld();
  const first = ["c0"];
  const ids = Array.from({ length: size }, (_, index) => `c${index + 1}`);
  {
    await using ip = await Ip.open();
    await Promise.all([...first, ...ids].map((id) => ip.netns.add(id)));
  }
  const { plugin, path, conf, end } = await way.prepare(world);
  await Deno.writeTextFile(`${world.folder}/conf`, JSON.stringify(conf));
  const callAll = async (command: string, ids: readonly string[]) => {
    const start = performance.now();
    await world.script(`
export CNI_COMMAND=${command} CNI_IFNAME=eth0 CNI_PATH=${path}
for id in ${ids.join(" ")}; do
  CNI_CONTAINERID=$id CNI_NETNS=/run/netns/$id ${plugin} < ${world.folder}/conf \\
    > ${world.folder}/$id.out || cat ${world.folder}/$id.out >> ${world.folder}/failed &
done
wait
! cat ${world.folder}/failed >&2 2> /dev/null
`);
    return performance.now() - start;
  };
  try {
    // A node has answered calls before: its files are read, and a server is warm.
    for (const command of ["ADD", "DEL", "ADD", "DEL"]) await callAll(command, first);
    const ADD = await callAll("ADD", ids);
    await world.verify(ids);
    return { ADD, DEL: await callAll("DEL", ids) };
  } finally {
    await end?.();
  }
}

/** Runs all ways in turns. @param smaller The results of smaller sizes. */
async function compare(
  ways: readonly AttachWay[],
  size: number,
  repetitions: number,
  smaller: readonly Result[],
): Promise<Result[]> {
  const results: Result[] = [];
  const resultOf = (task: string, way: string) => {
    const found = results.find((one) => one.task === task && one.way === way);
    if (found) return found;
    const result: Result = { task, size, way, runs: [] };
    results.push(result);
    return result;
  };
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const way of ways) {
      const before = smaller.findLast((one) => one.task === "ADD" && one.way === way.name);
      const expected = before && before.runs.length > 0
        ? median(before.runs) / before.size * size
        : before?.skipped === undefined
        ? 0
        : Infinity;
      if (way.maySkip && expected > TOO_LONG) {
        const skipped = "it would take minutes";
        for (const task of ["ADD", "DEL"]) resultOf(task, way.name).skipped = skipped;
        continue;
      }
      const times = await runOnce(way, size);
      for (const [task, took] of Object.entries(times)) {
        resultOf(task, way.name).runs.push(took);
        say(`${task} of ${size}, ${way.name}: ${took.toFixed(0)} ms`);
      }
    }
  }
  return results;
}

const [plugins, repeated, ...given] = Deno.args;
const engine = Deno.env.get("IPVLAN_LAB");
if (plugins === undefined || repeated === undefined || !engine) {
  // Never run this outside the lab: it deletes every namespace that it finds.
  say("This program runs only in the lab: run `deno task bench cni`");
  Deno.exit(2);
}
const ways = [reference(plugins), withServer, withoutServer];
const results: Result[] = [];
for (const size of given.map(Number)) {
  results.push(...await compare(ways, size, Number(repeated), results));
}
const measured: Measured = {
  engine,
  kernel: Deno.osRelease(),
  results,
  growth: [],
  ratios: attachRatios(results),
};
console.log(JSON.stringify(measured));
