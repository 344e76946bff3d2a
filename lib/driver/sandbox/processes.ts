import { constants } from "node:os";
import type { RunProgram } from "../../iproute2/shell.ts";
import { shellWord } from "../../base/printable.ts";
import { statOf } from "../../base/files.ts";
import { findFiles, findKnownFiles } from "../run/files.ts";
import { LOCK_FD } from "../run/namespaces.ts";
import { describeProcess, sayIfLong, untilClosed, type WaitOptions } from "../../base/waiting.ts";
import { invalidOption, IpvlanError } from "../../base/errors.ts";

/** The folder of the named network namespaces (ip-netns(8)). */
const FOLDER = "/run/netns";

/** Whether a network namespace has this name, or a file that one has left. */
export function nameIsUsed(netns: string): boolean {
  return statOf(`${FOLDER}/${netns}`) !== undefined;
}

/** Whether a network namespace has this name. A file that one has left is none. */
export function namespaceExists(netns: string): boolean {
  // A namespace is mounted on its file, from a file system of its own (nsfs).
  const file = statOf(`${FOLDER}/${netns}`);
  return file !== undefined && file.dev !== statOf(FOLDER)!.dev;
}

/**
 * A function of sh(1), `kill_newest FILE`, that kills the newest processes of the machine if they are
 * in the namespace of the file. A process that starts another one and ends is gone before a list of
 * all has been read, but its child is among the newest: `/proc/loadavg` has the last id.
 *
 * All commands are the shell's own, so it is faster than what it hunts. A process that cannot be killed
 * now (state D: in the kernel; t: traced) starts no other one before its end.
 */
const KILL_NEWEST = `
try() {
  pid=\${1#/proc/}
  [ "$1/ns/net" -ef "$file" ] && kill -KILL "\${pid%%/*}" && read -r stat <"$1/stat" || return
  stat=\${stat##*) }
  case $stat in [DtZX]*) return 1 ;; esac
  found=1
}
kill_newest() {
  file=$1 rounds=0 seen=
  while [ "$((rounds += 1))" -le 50 ]; do
    read -r _ _ _ _ last </proc/loadavg
    [ "$last" = "$seen" ] && continue
    seen=$last
    for back in 0 1 2 3 4 5 6 7; do try "/proc/$((last - back))" && rounds=0; done
  done 2>/dev/null
}
`;

/**
 * The same for all processes, `kill_all FILE`. It looks at all until a look finds none while no process
 * was started. Where others start all the time, five looks are enough.
 */
const KILL_ALL = `${KILL_NEWEST}
kill_all() {
  file=$1 looks=0
  while
    found=
    read -r _ _ _ _ before </proc/loadavg
    for process in /proc/[0-9]*; do
      if [ -e "$process/ns/net" ]; then try "$process"; continue; fi
      # Its first thread has ended, and others may run.
      for thread in "$process"/task/*; do try "$thread"; done
    done
    read -r _ _ _ _ after </proc/loadavg
    kill_newest "$file"
    [ "$found" ] && looks=0 || { [ "$before" != "$after" ] && [ "$((looks += 1))" -lt 5 ]; }
  do :; done 2>/dev/null
}
`;

/** A process and one of its files, by device and inode: its network namespace, or an open file. */
interface ProcessFile {
  pid: number;
  dev: number;
  ino: number;
}

/** Finds the processes in network namespaces, and those that run the lines of a driver. */
export class Processes {
  #run: RunProgram;
  #lock: string | undefined;
  /** The last search for all processes. */
  #running: Promise<unknown> = Promise.resolve();
  /** The search that starts when that one has ended. */
  #next: Promise<ProcessFile[]> | undefined;

  /**
   * Makes the finder.
   *
   * @param run Runs `stat`.
   * @param lock The lock file, which each `ip` of a driver has open: see {@linkcode Namespaces}.
   */
  constructor(run: RunProgram, lock?: string) {
    this.#run = run;
    this.#lock = lock;
  }

  /**
   * The ids of the processes in a namespace. If it does not exist, there are none.
   *
   * @param netns Its name.
   * @param path Its file, if it has no name.
   */
  async in(netns: string, path?: string): Promise<number[]> {
    const file = path === undefined
      ? statOf(`${FOLDER}/${netns}`)
      : (await findKnownFiles(this.#run, path))[0];
    if (!file) return [];
    return (await this.#all()).filter(({ ino }) => ino === file.ino).map(({ pid }) => pid);
  }

  /**
   * Sends a signal to processes. It is no error if one of them has ended meanwhile.
   *
   * The shell sends it, as for `Deno.kill` a program would need the right to run all programs.
   *
   * @throws {"missing-rights"} The caller may not signal one of them.
   */
  async kill(pids: readonly number[], signal: Deno.Signal = "SIGKILL"): Promise<void> {
    if (pids.length === 0) return;
    const number = constants.signals[signal as keyof typeof constants.signals];
    const { err } = await this.#run(`kill -${number} ${pids.join(" ")}`, []);
    const refused = err.find((line) => !line.includes("No such process"));
    if (refused !== undefined) throw new IpvlanError("missing-rights", { reason: refused });
  }

  /**
   * Kills the processes in a namespace until none is left, also those that start new ones all the
   * time. One that has changed its namespace is not found.
   */
  async killAll(netns: string, path: string = `${FOLDER}/${netns}`): Promise<void> {
    await this.#run(`${KILL_NEWEST}kill_newest ${shellWord(path)}`, []);
    // Most often, none is left. To look at all processes is expensive, but calls share one look.
    const left = await this.in(netns, path);
    if (left.length > 0) await this.#run(`${KILL_ALL}kill_all ${shellWord(path)}`, []);
  }

  /**
   * Finds a process in the namespace of a file, such as one that a container engine has mounted.
   *
   * @returns The process's id.
   * @throws {"invalid-option"} The file does not exist, it is no namespace, or no process is in
   * it.
   */
  async at(path: string): Promise<number> {
    const refused = (rule: string) => invalidOption("namespace", path, rule);
    const file = statOf(path);
    if (!file) throw refused("there is no such file, or it cannot be read");
    const all = await this.#all();
    // All namespaces are files of one file system (nsfs), and no others are.
    if (!all.some(({ dev }) => dev === file.dev)) throw refused("it is not a namespace");
    const found = all.find(({ ino }) => ino === file.ino);
    if (found) return found.pid;
    throw refused("no process is in it as a network namespace: give it a name in /run/netns");
  }

  /**
   * Waits until no `ip` of any driver on the state folder runs. When a driver is killed, its locks
   * are free, but its `ip` still runs. The caller must hold the exclusive lock, and must not run an
   * `ip` itself.
   */
  async idle({ signal, waiting }: WaitOptions = {}): Promise<void> {
    const lock = this.#lock;
    const file = lock === undefined ? undefined : statOf(lock);
    if (lock === undefined || !file) return;
    let busy: number[] = [];
    const isIdle = async () => {
      busy = (await this.#search(`fd/${LOCK_FD}`))
        .filter(({ dev, ino }) => dev === file.dev && ino === file.ino).map(({ pid }) => pid);
      return busy.length === 0;
    };
    // Before that, there is nothing to wait for.
    if (await isIdle()) return;
    using _notice = sayIfLong(
      waiting,
      () => `Waiting for what a killed driver has begun: ${busy.map(describeProcess).join(", ")}`,
    );
    await untilClosed(lock, isIdle, { signal });
  }

  /**
   * Finds all processes. Calls during a search share the next one, as the search that runs may have
   * passed the process that they look for.
   */
  #all(): Promise<ProcessFile[]> {
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      const search = this.#search("ns/net");
      this.#running = search;
      return search;
    });
  }

  /** Finds a file of each process, by its path in the process's folder under `/proc` (proc(5)). */
  async #search(path: string): Promise<ProcessFile[]> {
    const files = await findFiles(this.#run, `/proc/[0-9]*/${path}`);
    return files.map(({ path, dev, ino }) => ({ pid: Number(path.split("/")[2]), dev, ino }));
  }
}
