import { attempt } from "../../base/errors.ts";
import type { RunProgram } from "../../iproute2/shell.ts";
import { fromNetnsFolder, isNetnsPath, netnsName } from "../../iproute2/words.ts";
import { findFiles, findOpenFiles, type FoundFile, readKnown } from "../run/files.ts";

export interface EnterableNamespace {
  /** A name or a path, as `ip -n` takes it; `undefined` for the namespace of this process. */
  netns: string | undefined;
  isHost: boolean;
  /** Its description in messages: `in the namespace "web"`. */
  where: string;
  names: string[];
}

export const HOST = { isHost: true, where: "of the host" } as const;

/** The file of this process's namespace. */
export const OWN = "/proc/self/ns/net";

/** The mounts that this process sees (proc_pid_mountinfo(5)). */
const MOUNTS = "/proc/self/mountinfo";

/** The file that a namespace is mounted on: `34 33 0:4 net:[4026532113] /run/netns/web rw - nsfs nsfs rw`. */
const MOUNT = /^(?:\S+ ){3}net:\[\d+\] (\S+) .* - nsfs /;

/**
 * Finds the network namespaces of this machine: those with a name, those mounted on another file, and
 * those that a process is in or keeps open; not those that only a socket or a hidden mount keeps.
 */
export async function findEnterable(
  run: RunProgram,
  host: string | undefined,
): Promise<EnterableNamespace[]> {
  const mounted = mountedIn(await readKnown(run, MOUNTS));
  const files = await findFiles(run, OWN, "/run/netns/*", ...mounted, "/proc/[0-9]*/ns/net");
  return enterableOf([...files, ...await findOpenFiles(run)], host);
}

/** The files outside of `/run/netns` that network namespaces are mounted on, by `mountinfo`. */
export function mountedIn(mounts: string): string[] {
  const paths = mounts.split("\n").flatMap((line) => MOUNT.exec(line)?.[1] ?? []);
  // Engines use no paths that the shell would have to quote.
  return paths.filter((path) => !path.startsWith("/run/netns/") && isNetnsPath(path));
}

/** The namespaces among files, each once, by the first file that leads into it. */
function enterableOf(files: readonly FoundFile[], host: string | undefined): EnterableNamespace[] {
  // All namespaces are files of one file system (nsfs), also those that are not of the network.
  const own = files.find(({ path }) => path === OWN);
  const namespaces = new Map<number, EnterableNamespace>();
  for (const { path, dev, ino } of files) {
    const namespace = dev === own?.dev ? namespaceAt(path, host) : undefined;
    const known = namespaces.get(ino);
    known?.names.push(...namespace?.names ?? []);
    if (namespace && !known) namespaces.set(ino, namespace);
  }
  return [...namespaces.values()];
}

function namespaceAt(path: string, host: string | undefined): EnterableNamespace | undefined {
  const named = /^\/run\/netns\/([^/]+)$/.exec(path)?.[1];
  if (named !== undefined) {
    if (!attempt(() => netnsName(named)).ok) return undefined;
    if (named === host) return { netns: named, ...HOST, names: [named] };
    return { netns: named, isHost: false, where: `in the namespace "${named}"`, names: [named] };
  }
  if (path === OWN) {
    const elsewhere = { isHost: false, where: "in the namespace of this process" };
    return { netns: undefined, ...host === undefined ? HOST : elsewhere, names: [] };
  }
  if (!isNetnsPath(path)) return undefined;
  const [, pid, file] = /^\/proc\/(\d+)\/(ns\/net|fd\/\d+)$/.exec(path) ?? [];
  const where = pid === undefined
    ? `in the namespace ${path}`
    : file === "ns/net"
    ? `in the namespace of process ${pid}`
    : `in a namespace that process ${pid} keeps open`;
  return { netns: fromNetnsFolder(path), isHost: false, where, names: [] };
}
