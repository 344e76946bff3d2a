import type { RunProgram } from "../../iproute2/shell.ts";
import { HostsMountError } from "../errors.ts";
import { findFiles, type FoundFile } from "../run/files.ts";
import { fileOf } from "./hosts_file.ts";
import { Processes } from "./processes.ts";

/** A sandbox that has another hosts file than before. */
export interface MovedHosts {
  /** The sandbox. */
  sandbox: string;
  /** The inode of the file that it had before. */
  from: number;
}

/** The file that `ip netns exec NAME` mounts a sandbox's file over. */
const HOSTS = "/etc/hosts";

/**
 * Shows new hosts files to processes that already run. `ip netns exec` has mounted the old file for
 * them, in a mount namespace of their own. For a millisecond they see the machine's file.
 *
 * @returns Why some of them still see the old file, by sandbox.
 */
export async function remountHosts(
  run: RunProgram,
  moved: readonly MovedHosts[],
): Promise<Map<string, HostsMountError>> {
  const processes = new Processes(run);
  const failures = new Map<string, HostsMountError>();
  await Promise.all(moved.map(async ({ sandbox, from }) => {
    const pids = await processes.in(sandbox);
    if (pids.length === 0) return;
    const paths = pids.flatMap((pid) => FILES.map((file) => `/proc/${pid}/${file}`));
    const files = await findFiles(run, "/", "/proc/self/ns/user", ...paths);
    const script = `umount -l ${HOSTS} && mount --bind ${fileOf(sandbox)} ${HOSTS}`;
    for (const pid of mountsOf(pids, files, from)) {
      const { code, err } = await run(
        `nsenter -t ${pid} -m -r sh -c '${script}' || [ ! -e /proc/${pid} ]`,
        [],
      );
      if (code !== 0) failures.set(sandbox, new HostsMountError(sandbox, err.join("; ")));
    }
  }));
  return failures;
}

/** What has to be known of a process: its root, its hosts file, and two of its namespaces. */
const FILES = ["root/", `root${HOSTS}`, "ns/user", "ns/mnt"];

/**
 * Chooses the processes whose mounts are to be changed, one for each mount namespace. Programs run
 * there with all rights, so the processes must have the root and the user namespace of this one: then
 * only root can have made what is mounted there.
 *
 * @param files Those of the processes, and those of this one.
 * @param from The inode of the hosts file that they have mounted.
 */
export function mountsOf(
  pids: readonly number[],
  files: readonly FoundFile[],
  from: number,
): number[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const isSame = (one: string, other: string) => {
    const [first, second] = [byPath.get(one), byPath.get(other)];
    return first !== undefined && first.dev === second?.dev && first.ino === second.ino;
  };
  const byMount = new Map<number | undefined, number>();
  for (const pid of pids) {
    const of = (file: string) => `/proc/${pid}/${file}`;
    const isOurs = isSame(of("root/"), "/") && isSame(of("ns/user"), "/proc/self/ns/user");
    if (!isOurs || byPath.get(of(`root${HOSTS}`))?.ino !== from) continue;
    byMount.set(byPath.get(of("ns/mnt"))?.ino, pid);
  }
  return [...byMount.values()];
}
