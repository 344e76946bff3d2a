/**
 * The part of `deno task bench docker` that runs in the lab, with Docker. It prints its progress on
 * standard error, and {@linkcode Measured} as JSON on standard output.
 *
 *     inside.ts REPETITIONS
 *
 * The ways to run a container that ends at once take turns.
 *
 * @module
 */
import { Ip } from "../../../lib/iproute2/ip.ts";
import { DockerHost } from "../../../scenarios/kit/engines/docker.ts";
import { withRouter } from "../../../scenarios/kit/engines/machine.ts";
import { IMAGE } from "../../../scenarios/kit/engines/daemon.ts";
import { type Measured, median, type Ratio, type Result } from "../results.ts";

const say = (line: string): void => console.error(`bench: ${line}`);

/** The ways, by what `--net` is. */
const WAYS = { none: "no network", own: "Docker's ipvlan", kit: "ipvlan-kit" };

/** Runs containers in turns. Resolves to the time of each, in milliseconds. */
async function measure(repetitions: number): Promise<Result[]> {
  await using ip = await Ip.open();
  await using _router = await withRouter(ip);
  await using host = await DockerHost.start();
  const create = (driver: string, name: string, net: string, parent: string) =>
    host.succeed(
      "network",
      "create",
      "-d",
      driver,
      `--subnet=${net}`,
      "-o",
      `parent=${parent}`,
      name,
    );
  await create("ipvlan", "own", "192.168.1.0/24", "eth0");
  await create("ipvlan-kit", "kit", "192.168.20.0/24", "eth0.20");
  const results = Object.entries(WAYS).map(([net, way]) => {
    const result: Result = { task: "docker run", size: 1, way, runs: [] };
    return { net, result };
  });
  // The first run of each is not counted, because it reads its files for the first time.
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    for (const { net, result } of results) {
      const start = performance.now();
      await host.succeed("run", "--rm", `--net=${net}`, IMAGE, "true");
      const took = performance.now() - start;
      if (repetition === 0) continue;
      result.runs.push(took);
      say(`docker run, ${result.way}: ${took.toFixed(0)} ms`);
    }
  }
  return results.map(({ result }) => result);
}

/** Compares the whole, and what the network adds to a container without one. */
function ratiosOf(results: readonly Result[]): Ratio[] {
  const [none = 0, own = 0, kit = 0] = results.map(({ runs }) => median(runs));
  return [
    { what: "docker run: ipvlan-kit / Docker's ipvlan", ratio: kit / own, aim: { most: 1 } },
    {
      what: "what the network adds: ipvlan-kit / Docker's ipvlan",
      ratio: (kit - none) / (own - none),
      aim: { most: 1 },
    },
    { what: "docker run: Docker's ipvlan / no network", ratio: own / none },
    { what: "docker run: ipvlan-kit / no network", ratio: kit / none },
  ];
}

const repetitions = Number(Deno.args[0]);
const engine = Deno.env.get("IPVLAN_LAB");
if (!engine || Deno.args.length !== 1) {
  say("This program runs only in the lab: run `deno task bench docker`");
  Deno.exit(2);
}
const results = await measure(repetitions);
const measured: Measured = {
  engine,
  kernel: Deno.osRelease(),
  results,
  growth: [],
  ratios: ratiosOf(results),
};
console.log(JSON.stringify(measured));
