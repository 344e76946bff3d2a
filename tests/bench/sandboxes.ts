/**
 * `deno task bench lab`: sandboxes made, removed and looked at by the driver, against scripts of `ip`;
 * and how long commands take.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Driver } from "../../lib/driver/mod.ts";
import { lookAround } from "../../lib/iproute2/view.ts";
import type { Figure } from "./figures.ts";
import type { Job } from "./inside.ts";
import { count, inTurns, timed } from "./turns.ts";
import { freshWorld, GATEWAY, PARENT, run, SUBNET, type World } from "./world.ts";

/** Measures all. */
export async function* sandboxFigures(job: Job): AsyncGenerator<Figure> {
  // Each way once before it is measured: it reads its files for the first time.
  for (const way of [make(1), makeByScript(1)]) await way();
  for (const size of job.sizes) yield await making(size, job.turns);
  yield* removing(job.many, job.turns);
  yield* looking(job.many * 2, job.turns);
  yield* commands(job.turns);
}

/** The names of a number of sandboxes. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `c${index + 1}`);
}

/** Makes sandboxes on a network at once. */
export async function makeSandboxes(driver: Driver, sandboxes: readonly string[]): Promise<void> {
  const make = (name: string) =>
    driver.createSandbox({ name, connections: [{ network: "bench" }] });
  await Promise.all(sandboxes.map(make));
}

/** Opens a driver that has the network `bench`. */
export async function openDriver(world: World): Promise<Driver> {
  const driver = await Driver.open({ stateDir: `${world.folder}/state` });
  await driver.createNetwork({ name: "bench", parent: PARENT, subnets: [SUBNET] });
  return driver;
}

async function making(size: number, turns: number): Promise<Figure> {
  const work = `make ${count(size, "sandbox", "sandboxes")}`;
  const times = await inTurns(work, turns, { driver: make(size), script: makeByScript(size) });
  const aim = size < 10 ? 1 : size < 100 ? 0.8 : 0.6;
  return { work, peer: "ip -batch", ours: times.driver, theirs: times.script, aim };
}

function make(size: number): () => Promise<number> {
  return async () => {
    await using world = await freshWorld();
    const took = await timedWith(
      await openDriver(world),
      (driver) => makeSandboxes(driver, names(size)),
    );
    await world.verify(names(size));
    return took;
  };
}

function makeByScript(size: number): () => Promise<number> {
  return async () => {
    await using world = await freshWorld();
    const script = await writeScript(world, names(size));
    const took = await timed(() => world.script(script));
    await world.verify(names(size));
    return took;
  };
}

/**
 * Writes the files of the fastest shell script: one `ip -batch` for the host, and one for each
 * namespace. Writing them is not measured. It does only what is needed: it keeps no record of
 * addresses, marks no links, writes no hosts files and has no rollback.
 */
async function writeScript({ folder }: World, sandboxes: readonly string[]): Promise<string> {
  const host = sandboxes.flatMap((name) => [
    `netns add ${name}`,
    `link add link ${PARENT} name t${name} netns ${name} type ipvlan mode l2`,
  ]);
  await Deno.writeTextFile(`${folder}/host`, lines(host));
  for (const [index, name] of sandboxes.entries()) {
    const inside = [
      "link set lo up",
      `link set t${name} name eth0 up`,
      `addr add ${addressAt(index)}/16 dev eth0`,
      `route add default via ${GATEWAY}`,
    ];
    await Deno.writeTextFile(`${folder}/${name}`, lines(inside));
  }
  await Deno.writeTextFile(`${folder}/names`, lines(sandboxes));
  return `cd ${folder}; ip -batch host; ${forEach("ip -n {} -batch {}")}`;
}

/**
 * Removes sandboxes, against two scripts. Both delete the links before the namespaces, so that the
 * addresses are free when they end.
 */
async function* removing(size: number, turns: number): AsyncGenerator<Figure> {
  const work = `remove ${count(size, "sandbox", "sandboxes")}`;
  const all = names(size);
  const script = (text: string) => async () => {
    await using world = await freshWorld();
    await world.script(await writeScript(world, all));
    await Deno.writeTextFile(`${world.folder}/host`, lines(all.map((name) => `netns del ${name}`)));
    return await timed(() => world.script(`cd ${world.folder}; ${text}`));
  };
  const times = await inTurns(work, turns, {
    driver: async () => {
      await using world = await freshWorld();
      {
        await using driver = await openDriver(world);
        await makeSandboxes(driver, all);
      }
      const remover = await Driver.open({ stateDir: `${world.folder}/state` });
      return await timedWith(
        remover,
        (driver) => Promise.all(all.map((name) => driver.removeSandbox(name))),
      );
    },
    processes: script(
      "while read name; do ip -n $name link del eth0; ip netns del $name; done < names",
    ),
    script: script(`${forEach("ip -n {} link del eth0")}; ip -batch host`),
  });
  const { driver: ours } = times;
  yield { work, peer: "ip, one by one", ours, theirs: times.processes, aim: 0.1 };
  yield { work, peer: "ip -batch", ours, theirs: times.script };
}

/** Looks at the links and addresses of sandboxes. The script prints them, and reads nothing of it. */
async function* looking(size: number, turns: number): AsyncGenerator<Figure> {
  await using world = await freshWorld();
  await using driver = await openDriver(world);
  await makeSandboxes(driver, names(size));
  await Deno.writeTextFile(`${world.folder}/names`, lines(names(size)));
  const show = forEach("ip -n {} -json -details addr show");
  const work = `look at ${count(size, "namespace")}`;
  const times = await inTurns(work, turns, {
    view: () =>
      timed(async () => {
        const { others } = await lookAround({ links: true, addrs: true });
        if (others.length !== size) throw new Error(`Saw ${others.length} and not ${size}`);
      }),
    driver: () => timed(() => driver.seeSandboxes()),
    script: () => timed(() => world.script(`cd ${world.folder}; ${show} > shown`)),
  });
  const peer = "ip -json each";
  yield { work, peer, ours: times.view, theirs: times.script, aim: 0.2 };
  const compared = `compare ${count(size, "sandbox", "sandboxes")} with the record`;
  yield { work: compared, peer, ours: times.driver, theirs: times.script };
}

/** Measures commands, with a network and a sandbox that exist. */
async function* commands(turns: number): AsyncGenerator<Figure> {
  await using world = await freshWorld();
  {
    await using driver = await openDriver(world);
    await makeSandboxes(driver, ["c1"]);
  }
  Deno.env.set("IPVLAN_STATE_DIR", `${world.folder}/state`);
  const nothing = `${world.folder}/nothing.ts`;
  await Deno.writeTextFile(nothing, "");
  const deno = (...words: string[]) => () =>
    timed(() => run(Deno.execPath(), "run", "-A", "--cached-only", ...words));
  const cli = fileURLToPath(new URL("../../cli.ts", import.meta.url));
  const ways = {
    nothing: deno(nothing),
    list: deno(cli, "network", "ls"),
    run: deno(cli, "run", "--rm", "--net", "bench", "true"),
  };
  for (const way of Object.values(ways)) await way();
  const times = await inTurns("commands", turns, ways);
  const peer = "deno run of nothing";
  yield { work: "ipvlan network ls", peer, ours: times.list, theirs: times.nothing };
  yield { work: "ipvlan run --rm true", peer, ours: times.run, theirs: times.nothing };
}

/** The address of the sandbox with an index, from 0. The first is the address after the gateway. */
function addressAt(index: number): string {
  const host = index + 2;
  return `10.0.${host >> 8}.${host & 255}`;
}

/** A shell line that runs a command for each line of the file `names`, on all CPUs. */
function forEach(command: string): string {
  return `xargs -P "$(nproc)" -I{} ${command} < names`;
}

/** Resolves to the time of what a driver does, in milliseconds, and closes it. */
async function timedWith(
  opened: Driver,
  work: (driver: Driver) => Promise<unknown>,
): Promise<number> {
  await using driver = opened;
  return await timed(() => work(driver));
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
