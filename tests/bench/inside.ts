/**
 * The part of `deno task bench` that runs in the lab. It prints its progress on standard error, and
 * {@linkcode Measured} as JSON on standard output.
 *
 *     inside.ts CNI REPETITIONS REMOVED NETWORKS SANDBOXES SIZE…
 *
 * CNI is the folder with the plugins. NETWORKS and SANDBOXES are numbers with commas between them.
 * The ways to compare run in turns, each time in a fresh world.
 * Ways that would be too slow for a larger size are skipped there.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Driver } from "../../lib/driver/mod.ts";
import {
  computeRatios,
  type Growth,
  growthRatios,
  type Measured,
  median,
  type Result,
} from "./results.ts";
import { growNetworks, growSandboxes, growSite } from "./scale.ts";
import {
  cni,
  driver,
  driverRemoval,
  names,
  processes,
  processesRemoval,
  script,
  type Way,
} from "./ways.ts";
import { freshWorld, PARENT, run, SUBNET } from "./world.ts";

/** A way that may be skipped is skipped if it would take longer than this, in milliseconds. */
const TOO_LONG = 150_000;
/** A way is not repeated once its runs have taken this long together, in milliseconds. */
const LONG_ENOUGH = 60_000;

const say = (line: string): void => console.error(`bench: ${line}`);

/** Runs a way once in a fresh world. Resolves to its time in milliseconds. */
async function runOnce(way: Way, size: number, makes: boolean): Promise<number> {
  await using world = await freshWorld();
  const sandboxes = names(size);
  const { run, end } = await way.prepare(world, sandboxes);
  let took: number;
  try {
    const start = performance.now();
    await run();
    took = performance.now() - start;
  } finally {
    await end?.();
  }
  if (makes) await world.verify(sandboxes);
  return took;
}

/** Runs ways in turns, and returns their results. @param smaller The results of smaller sizes. */
async function compare(
  task: Result["task"],
  size: number,
  ways: readonly Way[],
  repetitions: number,
  smaller: readonly Result[],
): Promise<Result[]> {
  const results = ways.map(({ name, maySkip }): Result => {
    const before = smaller.findLast((one) => one.task === task && one.way === name);
    if (before?.skipped !== undefined) {
      return { task, size, way: name, runs: [], skipped: before.skipped };
    }
    const expected = before ? median(before.runs) / before.size * size : 0;
    const seconds = Math.round(expected / 1000);
    const skipped = maySkip && expected > TOO_LONG ? { skipped: `it would take ${seconds} s` } : {};
    return { task, size, way: name, runs: [], ...skipped };
  });
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [index, way] of ways.entries()) {
      const { runs, skipped } = results[index]!;
      if (skipped !== undefined || runs.reduce((a, b) => a + b, 0) > LONG_ENOUGH) continue;
      const took = await runOnce(way, size, task === "make");
      runs.push(took);
      say(`${task} ${size}, ${way.what}: ${took.toFixed(0)} ms`);
    }
  }
  return results;
}

/** Measures how long calls take at several numbers of networks, and of sandboxes on one network. */
async function measureGrowth(
  networks: readonly number[],
  sandboxes: readonly number[],
): Promise<Growth[]> {
  const all: Growth[] = [];
  const add = (measured: Growth[]) => {
    for (const { task, size, each } of measured) say(`${task} at ${size}: ${each.toFixed(2)} ms`);
    all.push(...measured);
  };
  for (const grow of [growSite, growNetworks]) {
    for (const size of networks) {
      await using world = await freshWorld();
      add(await grow(world, size));
    }
  }
  await using world = await freshWorld();
  add(await growSandboxes(world, sandboxes));
  return all;
}

/** Measures commands, with a network and a sandbox that exist. */
async function measureCommands(repetitions: number): Promise<Result[]> {
  await using world = await freshWorld();
  const stateDir = `${world.folder}/state`;
  {
    await using driver = await Driver.open({ stateDir });
    await driver.createNetwork({ name: "bench", parent: PARENT, subnets: [SUBNET] });
    await driver.createSandbox({ name: "c1", connections: [{ network: "bench" }] });
  }
  Deno.env.set("IPVLAN_STATE_DIR", stateDir);
  const nothing = `${world.folder}/nothing.ts`;
  await Deno.writeTextFile(nothing, "");
  const deno = (...words: string[]) => run(Deno.execPath(), "run", "-A", "--cached-only", ...words);
  const ipvlan = (...words: string[]) =>
    deno(fileURLToPath(new URL("../../cli.ts", import.meta.url)), ...words);
  const all: [string, () => Promise<void>][] = [
    ["ip netns exec", () => run("ip", "netns", "exec", "c1", "true")],
    ["deno run of nothing", () => deno(nothing)],
    ["ipvlan network ls", () => ipvlan("network", "ls")],
    ["ipvlan run --rm", () => ipvlan("run", "--rm", "--net", "bench", "true")],
  ];
  const results = all.map(([way]): Result => ({ task: "command", size: 1, way, runs: [] }));
  // The first run of each is not counted, because it reads its files for the first time.
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    for (const [index, [way, run]] of all.entries()) {
      const start = performance.now();
      await run();
      const took = performance.now() - start;
      if (repetition === 0) continue;
      results[index]!.runs.push(took);
      say(`${way}: ${took.toFixed(0)} ms`);
    }
  }
  return results;
}

const [cniFolder, repeated, removal, networkSizes = "", sandboxSizes = "", ...rest] = Deno.args;
const [repetitions, removed, ...sizes] = [repeated, removal, ...rest].map(Number);
const numbersIn = (text: string) => text.split(",").map(Number);
const engine = Deno.env.get("IPVLAN_LAB");
if (cniFolder === undefined || repetitions === undefined || removed === undefined || !engine) {
  // Never run this outside the lab: it deletes every namespace that it finds.
  say("This program runs only in the lab: run `deno task bench`");
  Deno.exit(2);
}
const making = [driver, script, processes, cni(cniFolder)];
for (const way of making) await runOnce(way, 1, true);
const results: Result[] = [];
for (const size of sizes) {
  results.push(...await compare("make", size, making, repetitions, results));
}
if (removed > 0) {
  const removal = [driverRemoval, processesRemoval];
  results.push(...await compare("remove", removed, removal, repetitions, []));
}
if (repetitions > 0) results.push(...await measureCommands(repetitions));
const growth = await measureGrowth(numbersIn(networkSizes), numbersIn(sandboxSizes));
const measured: Measured = {
  engine,
  kernel: Deno.osRelease(),
  results,
  growth,
  ratios: [...computeRatios(results), ...growthRatios(growth)],
};
console.log(JSON.stringify(measured));
