/** The folder of the named network namespaces (ip-netns(8)). */
const FOLDER = "/run/netns";

/** Whether there is a network namespace of this name, or what is left of one. */
export function nameIsUsed(netns: string): boolean {
  return inodeOf(`${FOLDER}/${netns}`) !== undefined;
}

/**
 * The ids of the processes in the network namespace that a file stands for, wherever it is mounted;
 * none where there is no such file.
 */
export function processesAt(path: string): number[] {
  const inode = inodeOf(path);
  return inode === undefined ? [] : processesByNamespace().get(inode) ?? [];
}

/** The processes in network namespaces, as proc(5) shows them. */
export class Processes {
  #walk: Promise<Map<number, number[]>> | undefined;

  /** The ids of the processes in a named namespace; none where there is no such namespace. */
  async in(netns: string): Promise<number[]> {
    const inode = inodeOf(`${FOLDER}/${netns}`);
    if (inode === undefined) return [];
    // Those who ask in the same turn of the event loop share an answer.
    this.#walk ??= Promise.resolve().then(() => {
      this.#walk = undefined;
      return processesByNamespace();
    });
    return (await this.#walk).get(inode) ?? [];
  }
}

/** The ids of all processes, by the inode of their network namespace. */
function processesByNamespace(): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // One that has ended meanwhile has none, nor one that the caller may not look at.
    const inode = inodeOf(`/proc/${name}/ns/net`);
    if (inode === undefined) continue;
    const ids = found.get(inode) ?? [];
    ids.push(Number(name));
    found.set(inode, ids);
  }
  return found;
}

function inodeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).ino ?? undefined;
  } catch {
    return undefined;
  }
}
