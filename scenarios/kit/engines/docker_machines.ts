/**
 * Several Docker hosts in one guest: each has a network namespace, a host name, and a `/run` of its
 * own.
 *
 * @module
 */
import { Ip } from "../../../lib/iproute2/ip.ts";
import type { DockerHostOptions } from "./docker.ts";

/** The machine that the programs of a Docker host run on. */
export type DockerMachine = Required<Pick<DockerHostOptions, "under" | "daemon">> & {
  /** Kills all programs that run there, but not containers. */
  kill(): Promise<void>;
};

/**
 * Makes two machines on one segment until the end of the scope, each with an `eth0`, and the router
 * 192.168.1.1 in the namespace `lab-router`.
 */
export async function twoDockerMachines(
  ip: Ip,
): Promise<AsyncDisposable & { machines: [DockerMachine, DockerMachine] }> {
  await using undo = new AsyncDisposableStack();
  await ip.link.add({ type: "bridge", name: "lan", up: true });
  undo.defer(() => ip.link.del("lan"));
  await plug(ip, undo, "router", "192.168.1.1/24");
  const machines: [DockerMachine, DockerMachine] = [
    await dockerMachine(ip, undo, "host1", "192.168.1.251/24"),
    await dockerMachine(ip, undo, "host2", "192.168.1.252/24"),
  ];
  const kept = undo.move();
  return { machines, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/**
 * Makes the namespace `lab-NAME`, whose `eth0` is on the segment, until the end of the scope.
 *
 * @returns Its name.
 */
export async function plug(
  ip: Ip,
  undo: AsyncDisposableStack,
  name: string,
  address: string,
): Promise<string> {
  const netns = `lab-${name}`;
  await ip.netns.add(netns);
  undo.defer(() => ip.netns.del(netns));
  await ip.link.add({ type: "veth", name, peer: { name: "eth0", netns }, up: true });
  await ip.link.set(name, { master: "lan" });
  await using inside = await Ip.open({ netns });
  await inside.link.set("lo", { up: true });
  await inside.link.set("eth0", { up: true });
  await inside.addr.add({ dev: "eth0", address });
  return netns;
}

async function dockerMachine(
  ip: Ip,
  undo: AsyncDisposableStack,
  name: string,
  address: string,
): Promise<DockerMachine> {
  const netns = await plug(ip, undo, name, address);
  const folder = await Deno.makeTempDir();
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.mkdir(`${folder}/run`);
  // `ip netns exec` would mount a `/sys` without the control groups.
  const script =
    `echo ${name} > /proc/sys/kernel/hostname && mount --make-rprivate / && mount --bind ${folder}/run /run && ` +
    "mount --make-rshared / && echo ready && exec sleep 100000";
  const holder = new Deno.Command("nsenter", {
    args: [`--net=/run/netns/${netns}`, "unshare", "--mount", "--uts", "sh", "-c", script],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  undo.defer(async () => {
    holder.kill("SIGKILL");
    await holder.status;
  });
  // The first line comes when the mounts are made.
  const reader = holder.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return {
    kill: () => killBeside(holder.pid),
    under: ["nsenter", "--target", String(holder.pid), "--net", "--mount", "--uts", "--"],
    daemon: ["--data-root", `${folder}/docker`],
  };
}

/** Kills all processes that are in the mount namespace of another process. */
async function killBeside(pid: number): Promise<void> {
  const mounts = (process: string | number) => Deno.readLink(`/proc/${process}/ns/mnt`);
  const own = await mounts(pid);
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || name === `${pid}`) continue;
    // The process may have ended meanwhile.
    if (await mounts(name).catch(() => undefined) === own) Deno.kill(Number(name), "SIGKILL");
  }
}
