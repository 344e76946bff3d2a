/**
 * Two hosts on one segment with one pool: addresses of both, and names across hosts.
 *
 * @module
 */
import type { Finding } from "../../lib/check/mod.ts";
import { ping } from "../../lib/check/ping.ts";
import { engineScenario, type Scenario } from "../kit/mod.ts";
import type { PoolHost } from "../kit/pool_host.ts";
import { CREATE_LINE, LAN, PoolWorld } from "../kit/pool_world.ts";
import { withinASecond } from "./routes.ts";

/** How many sandboxes each host makes. */
const COUNT = 100;

/** The names of a host's sandboxes. */
function namesOn({ name }: PoolHost): string[] {
  return Array.from({ length: COUNT }, (_, index) => `${name}-${index}`);
}

/** Makes all sandboxes of a host, some at once: an emulated machine has one processor for all hosts. */
async function makeAll(host: PoolHost): Promise<void> {
  const names = namesOn(host);
  const worker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      await host.make(name, "lan");
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Checks that all addresses differ, and that etcd has exactly these. */
async function haveOwnAddresses(world: PoolWorld): Promise<Finding> {
  const lists = await Promise.all(world.hosts.map((host) => host.sandboxes()));
  const addresses = lists.flatMap((list) => [...list.values()]);
  const claims = [...(await world.claims()).values()].flat();
  const count = new Set(addresses).size;
  const isSame = claims.toSorted().join() === addresses.toSorted().join();
  return {
    sentence: `${addresses.length} sandboxes have ${count} addresses, and etcd has these ones`,
    held: addresses.length === 2 * COUNT && count === 2 * COUNT && isSame,
    evidence: lists.map((list, index) => ({
      command: `ipvlan ps # on ${world.hosts[index]!.name}`,
      output: [...list].map(([name, address]) => `${name} ${address}`).join("\n"),
    })),
  };
}

/** How long to wait for names, in milliseconds: many times what it takes. */
const DEADLINE = 10_000;

/** Reads a sandbox's hosts file at each change, until it has what it should, or the time is up. */
async function untilNamed(sandbox: string, isNamed: (text: string) => boolean): Promise<string> {
  const path = `/etc/netns/${sandbox}/hosts`;
  using watcher = Deno.watchFs(path);
  const timer = setTimeout(() => watcher.close(), DEADLINE);
  try {
    let text = await Deno.readTextFile(path);
    if (isNamed(text)) return text;
    for await (const _change of watcher) {
      text = await Deno.readTextFile(path);
      if (isNamed(text)) break;
    }
    return text;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a hosts file has a name for each sandbox of both hosts. */
function hasAll(text: string): boolean {
  return text.split("\n").filter((line) => line.startsWith("192")).length >= 2 * COUNT;
}

/** Checks that each sandbox's hosts file has the address of every other one. */
async function knowAllNames(world: PoolWorld): Promise<Finding> {
  const lists = await Promise.all(world.hosts.map((host) => host.sandboxes()));
  const wanted = lists.flatMap((list) => [...list]);
  const wrong: string[] = [];
  let sample = "";
  for (const list of lists) {
    for (const sandbox of list.keys()) {
      const text = await untilNamed(sandbox, hasAll);
      sample ||= text;
      const known = new Set(text.split("\n").map((line) => line.split(" ").slice(0, 2).join(" ")));
      const missing = wanted.filter(([name, address]) => !known.has(`${address} ${name}`));
      if (missing.length > 0) wrong.push(`${sandbox} lacks ${missing.map(([name]) => name)}`);
    }
  }
  return {
    sentence: "Each of them finds all the others by name",
    held: wrong.length === 0,
    evidence: [
      { command: "cat /etc/netns/host1-0/hosts", output: sample },
      { command: "# those that lack a name", output: wrong.join("\n") || "none" },
    ],
  };
}

/** Checks that each sandbox reaches the next one by name, in a ring whose neighbours are on two hosts. */
async function reachNext(world: PoolWorld): Promise<Finding> {
  const [one, two] = world.hosts.map(namesOn);
  const ring = one!.flatMap((name, index) => [name, two![index]!]);
  const results: string[] = [];
  // A few at a time, as emulated machines are slow.
  for (let start = 0; start < ring.length; start += 20) {
    results.push(
      ...await Promise.all(
        ring.slice(start, start + 20).map(async (from, index) => {
          const to = ring[(start + index + 1) % ring.length]!;
          const { reply } = await ping(from, to, { seconds: 5 });
          return `${from} ${reply ? "reaches" : "does not reach"} ${to}`;
        }),
      ),
    );
  }
  const failed = results.filter((line) => line.includes("does not"));
  return {
    sentence: `Each reaches the next one by name, in a ring of ${ring.length} over both hosts`,
    held: failed.length === 0,
    evidence: [{ command: "ip netns exec FROM ping TO", output: results.join("\n") }],
  };
}

/** Checks that a new sandbox of one host is found by name from one of the other, and how soon. */
async function isSoonFound({ hosts: [one, two] }: PoolWorld): Promise<Finding> {
  const [name, from] = [`${one.name}-late`, `${two.name}-0`];
  const named = untilNamed(from, (text) => text.includes(` ${name}`))
    .then((text) => ({ text, at: performance.now() }));
  await one.make(name, "lan");
  const made = { line: `ipvlan run -d --net=lan --name=${name}`, at: performance.now() };
  const { text, at } = await named;
  const { command, output, reply } = await ping(from, name, { seconds: 5 });
  const line = reply ? `an answer of ${reply.from}` : output;
  const found = withinASecond(
    `${from} finds ${name} by name`,
    made,
    { line, at: performance.now() },
    command,
  );
  const entry = text.split("\n").find((line) => line.includes(` ${name}`)) ?? "no such name";
  return {
    ...found,
    held: found.held && reply !== undefined,
    evidence: [...found.evidence, {
      command: `cat /etc/netns/${from}/hosts`,
      // The claim is told to etcd before the sandbox is ready.
      output: `at ${Math.round(at - made.at)} ms: ${entry}`,
    }],
  };
}

const names: Scenario[] = engineScenario(
  "shared-names",
  "Two hosts, one pool in a three-node etcd: 200 addresses, and names across hosts",
  [["etcd"]],
  async (tour) => {
    await using world = await PoolWorld.start();
    for (const host of world.hosts) {
      tour.step(`${host.name}: ${CREATE_LINE}`);
      await host.call("createNetwork", LAN);
    }
    tour.step(`both at once: ipvlan run -d --net=lan --name=NAME (${COUNT} on each)`);
    await Promise.all(world.hosts.map(makeAll));
    await tour.holds(
      "HOSTS-1",
      await haveOwnAddresses(world),
      await knowAllNames(world),
      await reachNext(world),
      await isSoonFound(world),
    );
  },
);

export default names;
