/**
 * Faults at random: of the network, of hosts, and of members of etcd. Each of them ends by itself.
 *
 * @module
 */
import type { Random } from "../attack/random.ts";
import type { Trouble } from "./proxy.ts";
import type { World } from "./world.ts";

/** What a fault did, for the report. */
export type Fault =
  | "partition"
  | "mute"
  | "late"
  | "kill a process"
  | "pause a host"
  | "kill a member"
  | "pause a member";

/** Waits for some milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Makes one fault, and waits until it is over. */
export async function fault(world: World, random: Random): Promise<Fault> {
  const host = random.pick(world.hosts);
  const lasts = 200 + random.below(2500);
  const links = random.once(2) ? host.links : [random.pick(host.links)];
  const trouble = async (trouble: Trouble) => {
    for (const link of links) link.trouble = trouble;
    await sleep(lasts);
    for (const link of links) link.trouble = { kind: "none" };
  };
  const faults: [Fault, () => Promise<void>][] = [
    ["partition", () => trouble({ kind: "partition" })],
    ["mute", () => trouble({ kind: "mute" })],
    ["late", () => trouble({ kind: "late", milliseconds: 100 + random.below(4000) })],
    ["kill a process", async () => {
      const index = random.below(host.processes.length);
      await world.killProcess(host, index);
      await sleep(random.below(500));
      world.startProcess(host, index);
    }],
    ["pause a host", async () => {
      for (const { pid } of host.processes) Deno.kill(pid, "SIGSTOP");
      await sleep(lasts * 2);
      for (const { pid } of host.processes) Deno.kill(pid, "SIGCONT");
    }],
    ["kill a member", async () => {
      await world.killMember(random);
      await sleep(lasts / 2);
      await world.startMembers();
    }],
    ["pause a member", async () => {
      const { pid } = random.pick(world.cluster.members).daemon;
      Deno.kill(pid, "SIGSTOP");
      await sleep(lasts);
      Deno.kill(pid, "SIGCONT");
    }],
  ];
  const [name, run] = random.pick(faults);
  await run();
  return name;
}
