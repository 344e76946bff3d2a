/**
 * Faults at random: of the network, of hosts, and of members of etcd. Each of them ends by itself.
 *
 * @module
 */
import type { Random } from "../attack/random.ts";
import type { Trouble } from "./proxy.ts";
import { copySync } from "../kit/etcd.ts";
import { copyFiles } from "./copy.ts";
import { untilReached } from "./host.ts";
import type { World, WorldHost } from "./world.ts";

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

/**
 * Makes history fork or go back: a machine is cloned, or a backup is put back, of a host or of etcd. The
 * network is as it should be meanwhile. Resolves to the fault's name when it is put right.
 */
export async function historyFault(world: World, random: Random): Promise<string> {
  const host = random.pick(world.hosts);
  const lasts = () => sleep(500 + random.below(2500));
  const other = random.pick(world.hosts.filter((each) => each !== host));
  return await make(world, random, [
    {
      name: "remove a living host",
      whom: `${host.name} by ${other.name}`,
      run: () => world.removeLiving(host, other),
    },
    {
      name: "put back an old state folder",
      whom: host.name,
      async run() {
        const backup = Deno.makeTempDirSync();
        await world.whileDown(host, () => copyFiles(host.folder, backup));
        await lasts();
        await world.whileDown(host, async () => {
          // Nothing uses what came after the backup: the host's sandboxes are those on record.
          for (const { name } of host.processes) world.forget(name);
          copyFiles(backup, host.folder);
          // With an older etcd before that, nobody could tell the host from a copy.
          await world.withHost(host, async ({ pools }) => {
            await untilReached(() => pools.recover(world.linked(host)));
          });
        });
        Deno.removeSync(backup, { recursive: true });
      },
    },
    {
      name: "clone a machine",
      whom: host.name,
      async run() {
        const folder = Deno.makeTempDirSync();
        let copy: WorldHost;
        await world.whileDown(host, () => void (copy = world.copy(host, folder)), true);
        await lasts();
        await world.killProcess(copy!, 0);
        await world.whileDown(host, () => world.keepOne(host, copy!));
      },
    },
    {
      name: "put back an old snapshot of etcd",
      whom: "all",
      async run() {
        let snapshot = "";
        await world.whileAllDown(() =>
          world.cluster.whileDown((folder) => copySync(folder, snapshot = `${folder}-snapshot`))
        );
        await lasts();
        await world.whileAllDown(async () => {
          await world.cluster.whileDown((folder) => {
            Deno.removeSync(folder, { recursive: true });
            Deno.renameSync(snapshot, folder);
          });
          await world.restoreAll();
        });
      },
    },
  ]);
}

async function make(world: World, random: Random, plans: readonly Plan[]): Promise<string> {
  const { name, whom, run } = random.pick(plans);
  await world.during(`${name}: ${whom}`, run);
  return name;
}
