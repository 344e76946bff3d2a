import { type Addr, parseAddrs } from "../iproute2/addr.ts";
import { parseJson } from "../iproute2/json.ts";
import { type Link, parseLinks } from "../iproute2/link.ts";
import type { RunProgram } from "../iproute2/shell.ts";
import { netnsName } from "../iproute2/words.ts";
import { attempt } from "../errors.ts";
import { globalAddrs } from "./parent.ts";

/**
 * An address that a link has. The kernel refuses it to every other ipvlan link on the same parent
 * (`ipvlan_addr_busy` in `drivers/net/ipvlan/ipvlan_core.c`).
 */
export interface HeldAddress {
  /** The address. */
  address: string;
  /** Which link has it: `the link "eth0" in the namespace "web"`. */
  holder: string;
  /** The name of the parent. */
  parent: string;
  /** The names of the namespace that the link is in. One that has none is another process's. */
  names: readonly string[];
}

/** A network namespace that a program can enter. */
interface Door {
  /** Its name as `ip -n` takes it, relative to `/run/netns`; `undefined` for the host's. */
  at: string | undefined;
  /** What to call it: `in the namespace "web"`. */
  where: string;
  /** Its names. */
  names: string[];
}

/**
 * Finds the addresses of the ipvlan links on the host's links, in all namespaces that can be found:
 * those that have a name, that a process is in, or that a process keeps open. It takes a process for
 * each namespace, so it is for when something is wrong.
 *
 * @param run Runs a program.
 * @param host The name of the host's namespace; `undefined` if it is that of this process.
 * @param parents The host's links.
 */
export async function findHolders(
  run: RunProgram,
  host: string | undefined,
  parents: readonly Link[],
): Promise<HeldAddress[]> {
  const { out } = await run(SEARCH, []);
  const held: HeldAddress[] = [];
  for (const door of doorsOf(out, host)) {
    const enter = door.at === undefined ? "ip" : `ip -n ${door.at}`;
    const { out } = await run(`${enter} -details -json addr show`, []);
    const rows = rowsOf(out);
    held.push(...heldIn(door, parseLinks(rows), rows.flatMap(parseAddrs), parents));
  }
  return held;
}

/** The rows that were printed. There are none if the namespace is gone, or cannot be entered. */
function rowsOf(out: readonly string[]): Record<string, unknown>[] {
  try {
    return out.flatMap((line) => parseJson(line)) as Record<string, unknown>[];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/**
 * Prints the device, inode and path of each file that may be a network namespace. `printf` is part
 * of the shell, so the list may be longer than a command line. The braces keep the standard input of
 * the whole from `xargs`. The time limit is for open files on a server that is gone.
 */
const SEARCH =
  "{ printf '%s\\0' /proc/self/ns/net /run/netns/* /proc/[0-9]*/ns/net /proc/[0-9]*/fd/*" +
  " | timeout 5 xargs -0 stat -L -c '%d %i %n'; }";

/** The ways into each namespace that was found, one for each. */
export function doorsOf(printed: readonly string[], host: string | undefined): Door[] {
  const files = printed.flatMap((line) => {
    const [, dev, ino, path] = /^(\d+) (\d+) (\S+)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ dev, ino, path }];
  });
  // All namespaces are files of one file system (nsfs). Of those, some are not of the network.
  const own = files.find(({ path }) => path === "/proc/self/ns/net");
  const doors = new Map<string, Door>();
  for (const { dev, ino, path } of files) {
    const door = dev === own?.dev ? doorOf(path, host) : undefined;
    const known = doors.get(ino!);
    known?.names.push(...door?.names ?? []);
    if (door && !known) doors.set(ino!, door);
  }
  return [...doors.values()];
}

function doorOf(path: string, host: string | undefined): Door | undefined {
  const named = /^\/run\/netns\/([^/]+)$/.exec(path)?.[1];
  if (named !== undefined) {
    if (!attempt(() => netnsName(named)).ok) return undefined;
    const where = named === host ? "of the host" : `in the namespace "${named}"`;
    return { at: named, where, names: [named] };
  }
  if (path === "/proc/self/ns/net") {
    const where = host === undefined ? "of the host" : "in the namespace of this process";
    return { at: undefined, where, names: [] };
  }
  const [, pid, file] = /^\/proc\/(\d+)\/(ns\/net|fd\/\d+)$/.exec(path) ?? [];
  if (pid === undefined) return undefined;
  const where = file === "ns/net"
    ? `in the namespace of process ${pid}`
    : `in a namespace that process ${pid} keeps open`;
  return { at: `../..${path}`, where, names: [] };
}

/** The addresses of the ipvlan links in one namespace that are on the host's links. */
function heldIn(
  { where, names }: Pick<Door, "where" | "names">,
  links: readonly Link[],
  addrs: readonly Addr[],
  parents: readonly Link[],
): HeldAddress[] {
  const isHost = where === "of the host";
  return links.filter(({ info, linkNetnsid }) =>
    info.type === "ipvlan" && (linkNetnsid === undefined) === isHost
  ).flatMap(({ name, linkIndex, address: mac }) => {
    // An index means something in one namespace only. But an ipvlan link has its parent's MAC.
    const parent = parents.find(({ index, address }) => index === linkIndex && address === mac);
    if (!parent) return [];
    return globalAddrs(name, addrs).map(({ address }) => ({
      address,
      holder: `the link "${name}" ${where}`,
      parent: parent.name,
      names,
    }));
  });
}

/** The addresses of the host's own ipvlan links. */
export function heldByHost(
  { links, addrs }: { links: readonly Link[]; addrs: readonly Addr[] },
): HeldAddress[] {
  return heldIn({ where: "of the host", names: [] }, links, addrs, links);
}
