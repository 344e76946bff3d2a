/**
 * Two hosts on one segment with one pool: addresses of both, and names across hosts.
 *
 * @module
 */
import type { Finding } from "../../lib/check/mod.ts";
import { engineScenario, type Scenario, type StatementId, type Tour } from "../kit/mod.ts";
import type { SharingHost } from "../kit/hosts/pool_host.ts";
import { CREATE_LINE, LAN, PoolWorld } from "../kit/hosts/pool_world.ts";
import type { SecondKernel } from "../kit/machines/second_kernel.ts";
import { withinASecond } from "./routes.ts";

/** The number of sandboxes on each host. */
const COUNT = 100;

/** The names of a host's sandboxes. */
function namesOn({ name }: SharingHost): string[] {
  return Array.from({ length: COUNT }, (_, index) => `${name}-${index}`);
}

/** Makes all sandboxes of a host, a few at once: an emulated machine has one CPU for all hosts. */
async function makeAll(host: SharingHost): Promise<void> {
  const names = namesOn(host);
  const worker = async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      await host.make(name, "lan");
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Checks that all addresses differ, and that etcd has exactly the same ones. */
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

/** Checks that each sandbox's hosts file has the address of every other one. */
async function knowAllNames(world: PoolWorld): Promise<Finding> {
  const lists = await Promise.all(world.hosts.map((host) => host.sandboxes()));
  const wanted = lists.flatMap((list) => [...list]);
  const names = wanted.map(([name]) => name);
  const wrong: string[] = [];
  let sample = "";
  for (const [index, list] of lists.entries()) {
    for (const sandbox of list.keys()) {
      const text = await world.hosts[index]!.hostsFile(sandbox, names);
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
      { command: "# sandboxes that lack a name", output: wrong.join("\n") || "none" },
    ],
  };
}

/** Checks that each sandbox reaches the next by name, in a ring that alternates between hosts. */
async function reachNext(world: PoolWorld): Promise<Finding> {
  const [one, two] = world.hosts;
  const others = namesOn(two);
  const ring = namesOn(one).flatMap((name, index) => [
    { host: one, name },
    { host: two, name: others[index]! },
  ]);
  const results: string[] = [];
  // A few at a time, as emulated machines are slow.
  for (let start = 0; start < ring.length; start += 20) {
    results.push(
      ...await Promise.all(
        ring.slice(start, start + 20).map(async ({ host, name: from }, index) => {
          const { name: to } = ring[(start + index + 1) % ring.length]!;
          const { held } = await host.reaches(from, to);
          return `${from} ${held ? "reaches" : "does not reach"} ${to}`;
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

/** Checks how soon a sandbox of one host finds a new one of the other by name. */
async function isSoonFound({ hosts: [one, two] }: PoolWorld): Promise<Finding> {
  const [name, from] = [`${one.name}-late`, `${two.name}-0`];
  const named = two.hostsFile(from, [name]).then((text) => ({ text, at: performance.now() }));
  await one.make(name, "lan");
  const made = { line: `ipvlan run -d --net=lan --name=${name}`, at: performance.now() };
  const { text, at } = await named;
  const { held, evidence: [ping] } = await two.reaches(from, name);
  const found = withinASecond(
    `${from} finds ${name} by name`,
    made,
    { line: ping!.output, at: performance.now() },
    ping!.command,
  );
  const entry = text.split("\n").find((line) => line.includes(` ${name}`)) ?? "no such name";
  return {
    ...found,
    held: found.held && held,
    evidence: [...found.evidence, {
      command: `cat /etc/netns/${from}/hosts`,
      // The claim is in etcd before the sandbox is ready.
      output: `at ${Math.round(at - made.at)} ms: ${entry}`,
    }],
  };
}

/**
 * Makes sandboxes on two hosts at once. Proves a statement.
 *
 * @param second The kernel of the second host. By default, both hosts share this kernel.
 */
export async function shareNames(
  tour: Tour,
  id: StatementId,
  second?: SecondKernel,
): Promise<void> {
  await using world = await PoolWorld.start(second);
  for (const host of world.hosts) {
    tour.step(`${host.name}: ${CREATE_LINE}`);
    await host.call("createNetwork", LAN);
  }
  tour.step(`both at once: ipvlan run -d --net=lan --name=NAME (${COUNT} on each)`);
  await Promise.all(world.hosts.map(makeAll));
  await tour.holds(
    id,
    await haveOwnAddresses(world),
    await knowAllNames(world),
    await reachNext(world),
    await isSoonFound(world),
  );
}

const names: Scenario[] = engineScenario(
  "shared-names",
  "Two hosts, one pool in a three-node etcd: 200 addresses, and names across hosts",
  [["etcd"]],
  (tour) => shareNames(tour, "HOSTS-1"),
);

export default names;
