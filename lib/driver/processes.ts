import { ProgramNotFoundError } from "../iproute2/errors.ts";
import type { Starts } from "../iproute2/starter.ts";
import { InvalidOptionError } from "./errors.ts";
import { LOCK_FD } from "./namespaces.ts";

/** The folder of the named network namespaces (ip-netns(8)). */
const FOLDER = "/run/netns";

/** Whether there is a network namespace of this name, or what is left of one. */
export function nameIsUsed(netns: string): boolean {
  return statOf(`${FOLDER}/${netns}`) !== undefined;
}

/** How long to wait between two looks at who is still there, in milliseconds. */
const PAUSE = 20;

/** A process, and a file of its: the one that stands for its network namespace, or one it has open. */
interface Process {
  pid: number;
  dev: number;
  ino: number;
}

/** The processes in network namespaces, and those that a driver has started. */
export class Processes {
  #run: Starts["run"];
  #lock: string | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<Process[]> | undefined;

  /**
   * Makes it of what starts programs.
   *
   * @param lock The file that is open as long as a driver's lines are run: see `Namespaces`.
   */
  constructor(run: Starts["run"], lock?: string) {
    this.#run = run;
    this.#lock = lock;
  }

  /** The ids of the processes in a named namespace; none where there is no such namespace. */
  async in(netns: string): Promise<number[]> {
    const file = statOf(`${FOLDER}/${netns}`);
    if (!file) return [];
    return (await this.#all()).filter(({ ino }) => ino === file.ino).map(({ pid }) => pid);
  }

  /**
   * A process in the namespace that a file stands for, such as what a container engine has mounted.
   *
   * @throws {InvalidOptionError} There is no such file, it is something else, or no process is there.
   */
  async at(path: string): Promise<number> {
    const refused = (rule: string) => new InvalidOptionError("namespace", path, rule);
    const file = statOf(path);
    if (!file) throw refused("there is no such file, or it cannot be looked at");
    const all = await this.#all();
    // All namespaces are files of one file system (nsfs), and no others are.
    if (!all.some(({ dev }) => dev === file.dev)) throw refused("it is no namespace");
    const found = all.find(({ ino }) => ino === file.ino);
    if (found) return found.pid;
    throw refused("no process is in it as a network namespace: give it a name in /run/netns");
  }

  /**
   * Resolves when no lines of any driver on the state folder are run: those that `ip` was given go on
   * when the driver is killed, whose other locks end with it. Only for a caller that has the state
   * alone and runs none itself.
   */
  async idle(): Promise<void> {
    const file = this.#lock === undefined ? undefined : statOf(this.#lock);
    if (!file) return;
    const isBusy = async () =>
      (await this.#look(`fd/${LOCK_FD}`)).some(({ dev, ino }) =>
        dev === file.dev && ino === file.ino
      );
    // The end of another's process is told to nobody.
    while (await isBusy()) await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }

  /** All processes. Those who ask while others are being told are told together. */
  #all(): Promise<Process[]> {
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      const look = this.#look("ns/net");
      this.#running = look;
      return look;
    });
  }

  /** Looks at a file of each process that has it, by its path in the process's folder. */
  async #look(path: string): Promise<Process[]> {
    // Deno looks into /proc (proc(5)) for those only who have given it every right. What one may not
    // look at, or has ended meanwhile, is left out.
    const { code, out } = await this.#run(`stat -L -c '%n %d %i' /proc/[0-9]*/${path}`, []);
    if (code === 127) throw new ProgramNotFoundError("stat");
    return out.flatMap((line) => {
      const [pid, dev, ino] = /^\/proc\/(\d+)\/\S+ (\d+) (\d+)$/.exec(line)?.slice(1)
        .map(Number) ?? [];
      return ino === undefined ? [] : [{ pid: pid!, dev: dev!, ino }];
    });
  }
}

/** What a file is; nothing where there is none that the kernel lets one look at. */
function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    const { NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    if ([NotFound, NotADirectory, PermissionDenied].some((kind) => error instanceof kind)) {
      return undefined;
    }
    throw error;
  }
}
