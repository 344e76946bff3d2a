import type { RunProgram } from "../../iproute2/shell.ts";
import { shellWord } from "../../base/printable.ts";
import { nodeModule } from "../../base/node.ts";
import { statOf } from "../../base/files.ts";
import { findFiles, findKnownFiles } from "../run/files.ts";
import { LOCK_FD } from "../run/namespaces.ts";
import {
  Coalescer,
  describeProcess,
  sayIfLong,
  untilClosed,
  type WaitOptions,
} from "../../base/waiting.ts";
import { invalidOption, IpvlanError } from "../../base/errors.ts";

const FOLDER = "/run/netns";

/** Whether a network namespace, or a file that one has left behind, has this name. */
export function nameIsUsed(netns: string, folder = FOLDER): boolean {
  return statOf(`${folder}/${netns}`) !== undefined;
}

/** Whether a network namespace has this name. A file left behind does not count. */
export function namespaceExists(netns: string, folder = FOLDER): boolean {
  // A namespace is mounted on its file, from a file system of its own (nsfs).
  const file = statOf(`${folder}/${netns}`);
  return file !== undefined && file.dev !== statOf(folder)!.dev;
}

/**
 * A function of sh(1), `kill_newest FILE`, that kills the newest processes of the machine if they are
 * in the namespace of the file. A process that forks and ends can escape a list of all processes, but
 * its child is among the newest: `/proc/loadavg` has the last id.
 *
 * It uses only shell builtins, so it is faster than the processes it kills. A process that cannot be
 * killed now (state D: in the kernel; t: traced) does not fork before its end.
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

/** The same for all processes, until a pass finds none and none was started meanwhile. */
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

/** Finds the processes in network namespaces, and those that run the lines of a driver. */
export class Processes {
  /** Calls during a search share the next one: the running search may have missed their process. */
  readonly #all = new Coalescer(() => this.#search("ns/net"));
  readonly #open = new Coalescer(() => this.#search(`fd/${LOCK_FD}`));

  /** @param lock The lock file, which each `ip` of a driver has open: see {@linkcode Namespaces}. */
  constructor(private readonly run: RunProgram, private readonly lock?: string) {}

  /** The ids of the processes in a namespace, by its name or its file; none if it does not exist. */
  async in(netns: string, path?: string): Promise<number[]> {
    const file = path === undefined
      ? statOf(`${FOLDER}/${netns}`)
      : (await findKnownFiles(this.run, path))[0];
    if (!file) return [];
    return (await this.#all.request()).filter(({ ino }) => ino === file.ino).map(({ pid }) => pid);
  }

  /** The ids of the processes that have a file open at {@linkcode LOCK_FD}. */
  async holding(path: string): Promise<number[]> {
    const file = statOf(path);
    if (!file) return [];
    return (await this.#open.request())
      .filter(({ dev, ino }) => dev === file.dev && ino === file.ino).map(({ pid }) => pid);
  }

  /** Sends a signal to processes, and passes over those that have ended. @throws {"missing-rights"} */
  async kill(pids: readonly number[], signal: Deno.Signal = "SIGKILL"): Promise<void> {
    if (pids.length === 0) return;
    // The shell sends it: `Deno.kill` would need the permission to run every program.
    const { constants } = nodeModule("node:os");
    const number = constants.signals[signal as keyof typeof constants.signals];
    const { err } = await this.run(`kill -${number} ${pids.join(" ")}`, []);
    const refused = err.find((line) => !line.includes("No such process"));
    if (refused !== undefined) throw new IpvlanError("missing-rights", { reason: refused });
  }

  /** Kills the processes in a namespace until none is left, even if they keep forking. */
  async killAll(netns: string, path: string = `${FOLDER}/${netns}`): Promise<void> {
    await this.run(`${KILL_NEWEST}kill_newest ${shellWord(path)}`, []);
    // Usually none is left. Searching all processes is expensive, but calls share one search.
    const left = await this.in(netns, path);
    if (left.length > 0) await this.run(`${KILL_ALL}kill_all ${shellWord(path)}`, []);
  }

  /** Finds a process in the namespace of a file. @throws {"invalid-option"} There is none. */
  async at(path: string): Promise<number> {
    const refused = (rule: string) => invalidOption("namespace", path, rule);
    const file = statOf(path);
    if (!file) throw refused("there is no such file, or it cannot be read");
    const all = await this.#all.request();
    // All namespaces are files of one file system (nsfs), and no others are.
    if (!all.some(({ dev }) => dev === file.dev)) throw refused("it is not a namespace");
    const found = all.find(({ ino }) => ino === file.ino);
    if (found) return found.pid;
    throw refused("no process is in it as a network namespace: give it a name in /run/netns");
  }

  /** Waits for the `ip` of killed drivers. The caller must hold the exclusive lock and run none. */
  async idle({ signal, waiting }: WaitOptions = {}): Promise<void> {
    const { lock } = this;
    if (lock === undefined) return;
    let busy: number[] = [];
    const isIdle = async () => (busy = await this.holding(lock)).length === 0;
    // Without a notice, as it is usually idle at once.
    if (await isIdle()) return;
    using _notice = sayIfLong(
      waiting,
      () => `Waiting for the programs of a killed driver: ${busy.map(describeProcess).join(", ")}`,
    );
    await untilClosed(lock, isIdle, { signal });
  }

  /** Finds a file of each process, by its path in the process's folder under `/proc` (proc(5)). */
  async #search(path: string): Promise<{ pid: number; dev: number; ino: number }[]> {
    const files = await findFiles(this.run, `/proc/[0-9]*/${path}`);
    return files.map(({ path, dev, ino }) => ({ pid: Number(path.split("/")[2]), dev, ino }));
  }
}
