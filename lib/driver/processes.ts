import type { Starts } from "../iproute2/starter.ts";

/** The folder of the named network namespaces (ip-netns(8)). */
const FOLDER = "/run/netns";

/** Whether there is a network namespace of this name, or what is left of one. */
export function nameIsUsed(netns: string): boolean {
  return inodeOf(netns) !== undefined;
}

/** The processes in network namespaces. */
export class Processes {
  #run: Starts["run"];
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<Map<number, number[]>> | undefined;

  /** Makes it of what starts programs. */
  constructor(run: Starts["run"]) {
    this.#run = run;
  }

  /** The ids of the processes in a named namespace; none where there is no such namespace. */
  async in(netns: string): Promise<number[]> {
    const inode = inodeOf(netns);
    if (inode === undefined) return [];
    // Those who ask while others are being told are told together.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#running = this.#look();
    }) as Promise<Map<number, number[]>>;
    return (await this.#next).get(inode) ?? [];
  }

  /** The ids of all processes, by the inode of their network namespace (proc(5)). */
  async #look(): Promise<Map<number, number[]>> {
    // Deno looks into /proc for those only who have given it every right. What one may not look at,
    // or has ended meanwhile, is left out.
    const { out } = await this.#run("stat -L -c '%i %n' /proc/[0-9]*/ns/net", []);
    const found = out.flatMap((line) => {
      const [, inode, pid] = /^(\d+) \/proc\/(\d+)\//.exec(line) ?? [];
      return inode === undefined ? [] : [{ inode: Number(inode), pid: Number(pid) }];
    });
    const byInode = Map.groupBy(found, ({ inode }) => inode);
    return new Map([...byInode].map(([inode, each]) => [inode, each.map(({ pid }) => pid)]));
  }
}

function inodeOf(netns: string): number | undefined {
  try {
    return Deno.statSync(`${FOLDER}/${netns}`).ino ?? undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
