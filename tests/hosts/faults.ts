/**
 * Faults at random: of the network, of hosts, and of members of etcd. Each of them ends by itself.
 *
 * @module
 */
import type { Random } from "../attack/random.ts";
import type { Trouble } from "./proxy.ts";
import type { World } from "./world.ts";

/** A fault that is about to happen. */
interface Plan {
  /** What it is called in the report. */
  name: string;
  /** Whom it hits, for the history. */
  whom: string;
  /** Makes it. Resolves when it is over. */
  run: () => Promise<void>;
}

/** Waits for some milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Makes a fault of one host, or of its network. Resolves to its name when it is over. */
export async function hostFault(world: World, random: Random): Promise<string> {
  const host = random.pick(world.hosts);
  const lasts = 200 + random.below(2500);
  const some = host.links.filter(() => random.once(2));
  const links = some.length > 0 ? some : host.links;
  const numbers = links.map((link) => host.links.indexOf(link)).join(" and ");
  const onLinks = (name: string, trouble: Trouble): Plan => ({
    name,
    whom: `${host.name} and ${numbers} for ${lasts} ms`,
    async run() {
      for (const link of links) link.trouble = trouble;
      await sleep(lasts);
      for (const link of links) link.trouble = { kind: "none" };
    },
  });
  const index = random.below(host.processes.length);
  return await make(world, random, [
    onLinks("partition", { kind: "partition" }),
    onLinks("mute", { kind: "mute" }),
    onLinks("late", { kind: "late", milliseconds: 100 + random.below(4000) }),
    {
      name: "kill a process",
      whom: host.processes[index]!.name,
      async run() {
        await world.killProcess(host, index);
        await sleep(random.below(500));
        world.startProcess(host, index);
      },
    },
    {
      name: "pause a host",
      whom: host.name,
      async run() {
        world.pause(host, true);
        await sleep(lasts * 2);
        world.pause(host, false);
      },
    },
  ]);
}

/**
 * Makes a fault of the members of etcd, or of the network between them: the hosts still reach them all.
 * Resolves to its name when it is over.
 */
export async function memberFault(world: World, random: Random): Promise<string> {
  const { peers, cluster: { members } } = world;
  const leader = await world.leader(random);
  const member = random.below(members.length);
  // A member notices after a second that it hears no leader.
  const lasts = 500 + random.below(4000);
  const places = [...members.keys()];
  const others = (place: number) => places.filter((other) => other !== place);
  /** Loses what members say to others: pairs of who says it and to whom. */
  const cut = (name: string, lost: readonly [number, number][]): Plan => ({
    name,
    whom: lost.map(([from, to]) => `m${from} to m${to}`).join(", "),
    async run() {
      for (const [from, to] of lost) peers.cut(from, to);
      await sleep(lasts);
      peers.heal();
    },
  });
  const from = (place: number) => others(place).map((other): [number, number] => [place, other]);
  const to = (place: number) => others(place).map((other): [number, number] => [other, place]);
  const pair = random.pick(places.flatMap(from));
  return await make(world, random, [
    cut("cut off a member", [...from(member), ...to(member)]),
    cut("cut off the leader", [...from(leader), ...to(leader)]),
    cut("a member is not heard", from(member)),
    cut("a member hears nothing", to(member)),
    cut("the leader is not heard", from(leader)),
    cut("one member does not hear another", [pair]),
    cut("two members do not hear each other", [pair, [pair[1], pair[0]]]),
    cut("cut off all members", places.flatMap(from)),
    {
      name: "kill a member",
      whom: `m${member}`,
      async run() {
        await world.killMember(member);
        await sleep(lasts / 2);
        await world.startMembers();
      },
    },
    {
      name: "kill the leader",
      whom: `m${leader}`,
      async run() {
        await world.killMember(leader);
        await sleep(lasts / 2);
        await world.startMembers();
      },
    },
    {
      name: "pause a member",
      whom: `m${member}`,
      async run() {
        const { pid } = members[member]!.daemon;
        Deno.kill(pid, "SIGSTOP");
        await sleep(lasts);
        Deno.kill(pid, "SIGCONT");
      },
    },
  ]);
}

async function make(world: World, random: Random, plans: readonly Plan[]): Promise<string> {
  const { name, whom, run } = random.pick(plans);
  await world.during(`${name}: ${whom}`, run);
  return name;
}
