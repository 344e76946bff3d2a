/**
 * Facts about the machine that the engines ask for.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { MissingError } from "./errors.ts";
import type { Machine } from "./uml_kernels.ts";

/** Whether there is something at a path that this user may see. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The path of a program that is on PATH, or in one of the folders where only root's PATH looks. */
export function which(program: string): string | undefined {
  if (program.includes("/")) return exists(program) ? program : undefined;
  return `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder}/${program}`)
    .find(exists);
}

/** Asserts that programs are there. @throws {MissingError} with those that are not. */
export function assertPrograms(programs: string[], advice: string): void {
  const missing = programs.filter((program) => !which(program));
  if (missing.length > 0) {
    throw new MissingError(`This machine has no program ${missing.join(", ")}`, advice);
  }
}

/** The file of a name in the folder of an unpacked package, wherever its release puts such files. */
export function fileIn(folder: string, name: string): string | undefined {
  return FILE_FOLDERS.map((inner) => `${folder}/${inner}/${name}`).find(exists);
}

/** Where packages have programs, libraries and keys: with `/usr` merged into `/` and without. */
// deno-fmt-ignore
const FILE_FOLDERS = [
  "usr/bin", "bin", "usr/sbin", "sbin", "usr/lib/cni",
  "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/share/keyrings",
];

/** What decides which kernels start on this machine: its processor and its C library. */
export async function readMachine(): Promise<Machine> {
  const cpuinfo = await Deno.readTextFile("/proc/cpuinfo");
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? "";
  const getconf = which("getconf");
  const { stdout } = getconf
    ? await new Deno.Command(getconf, { args: ["GNU_LIBC_VERSION"], stderr: "null" }).output()
    : { stdout: new Uint8Array() };
  return {
    flags: new Set(flags.trim().split(/\s+/)),
    libc: /^glibc (\d\S*)/.exec(new TextDecoder().decode(stdout))?.[1],
  };
}

/** The release of the running kernel, as `uname -r` prints it. */
export function kernelRelease(): string {
  return Deno.osRelease();
}

/** A folder that can hold the memory of a guest: its file is sparse, mapped and executed from. */
export interface Place {
  /** The folder. */
  path: string;
  /** MiB that are free there. */
  free: number;
  /** Whether a program may be executed from there. */
  exec: boolean;
}

/** MiB that a guest gets where there is room enough. */
export const MEMORY = 2048;
/** MiB below which Deno does not run well in a guest. */
export const LEAST_MEMORY = 512;
/** MiB of its memory's file that a guest takes on top: the gap that `exec-shield` wants. */
const MEMORY_GAP = 256;

/**
 * Chooses where the memory of a guest lies, and how much it is, in MiB: the first place with room
 * for all of it, or else the one with the most room. A guest whose file cannot grow dies of SIGBUS.
 *
 * @throws {MissingError} if no place will do, with what is free where.
 */
export function chooseMemory(places: Place[], available: number): { path: string; size: number } {
  const wanted = Math.min(MEMORY, Math.floor(available * 3 / 4));
  const good = places.filter(({ exec }) => exec);
  const place = good.find(({ free }) => free >= wanted + MEMORY_GAP) ??
    good.toSorted((a, b) => b.free - a.free)[0];
  const size = Math.min(wanted, (place?.free ?? 0) - MEMORY_GAP);
  if (place && size >= LEAST_MEMORY) return { path: place.path, size };
  const found = places.map(({ path, free, exec }) =>
    exec ? `${free} MiB in ${path}` : `${path} forbids execution`
  );
  throw new MissingError(
    `There is no room for the guest's memory (${found.join(", ")}, ${available} MiB of memory)`,
    `${LEAST_MEMORY + MEMORY_GAP} MiB are needed: set TMPDIR to a folder with more, not noexec`,
  );
}

/** MiB with which a guest has room for all that the scenarios and tests do. */
export const COMFORTABLE_MEMORY = 1024;

/**
 * Chooses memory as {@linkcode chooseMemory} does, for one of several guests that run at once.
 *
 * @param guests How many there are.
 */
export function divideMemory(
  places: Place[],
  available: number,
  guests: number,
): { path: string; size: number } {
  const part = (size: number) => Math.floor(size / guests);
  return chooseMemory(
    places.map((place) => ({ ...place, free: part(place.free) })),
    part(available),
  );
}

/** How many guests fit at once, none of them short of memory: as many as wanted, or fewer. */
export function guestsThatFit(wanted: number, places: Place[], available: number): number {
  const fits = (guests: number) => {
    try {
      return divideMemory(places, available, guests).size >= COMFORTABLE_MEMORY;
    } catch (error) {
      if (error instanceof MissingError) return false;
      throw error;
    }
  };
  let guests = wanted;
  while (guests > 1 && !fits(guests)) guests--;
  return guests;
}

/**
 * The folders that can hold the memory of a guest, the best first.
 *
 * @param last A folder to take when no other will do.
 */
export async function memoryPlaces(last: string): Promise<Place[]> {
  const mounts = await Deno.readTextFile("/proc/self/mounts");
  const folders = ["/dev/shm", Deno.env.get("TMPDIR"), "/tmp", last]
    .filter((path) => path !== undefined);
  const places: Place[] = [];
  for (const path of new Set(folders)) {
    if (!exists(path)) continue;
    const { bavail, bsize } = await statfs(path);
    places.push({
      path,
      free: Math.floor(bavail * bsize / 2 ** 20),
      exec: allowsExec(mounts, path),
    });
  }
  return places;
}

/**
 * Whether programs may be executed from a folder.
 *
 * @param mounts The text of `/proc/self/mounts`, proc(5).
 */
export function allowsExec(mounts: string, folder: string): boolean {
  let longest = "";
  let allowed = true;
  for (const line of mounts.split("\n")) {
    const [, path, , options] = line.split(" ");
    if (path === undefined || options === undefined) continue;
    if (path !== "/" && folder !== path && !folder.startsWith(`${path}/`)) continue;
    // Of two mounts on one path the later one counts.
    if (path.length < longest.length) continue;
    longest = path;
    allowed = !options.split(",").includes("noexec");
  }
  return allowed;
}

/** MiB of memory that programs can still get: `MemAvailable` of `/proc/meminfo`. */
export async function availableMemory(): Promise<number> {
  const text = await Deno.readTextFile("/proc/meminfo");
  return Math.floor(Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024);
}

/** The CPUs this process may run on: `Cpus_allowed_list` of `/proc/self/status`. */
export async function allowedCpus(): Promise<number[]> {
  const text = await Deno.readTextFile("/proc/self/status");
  return parseCpuList(/^Cpus_allowed_list:\s+(\S+)$/m.exec(text)?.[1] ?? "0");
}

/** How many guests are counted on each CPU. */
const SHARES_OF_CPU = 16;

/**
 * Chooses a CPU for a guest, of those that the fewest other guests of this user have, and keeps it
 * until it is disposed of or the process ends.
 *
 * @param folder Where the locks are; without rights to write there, any CPU will do.
 * @param cpus The numbers to choose from.
 */
export async function claimCpu(
  folder: string,
  cpus: readonly number[],
): Promise<Disposable & { cpu: number }> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    for (let share = 0; share < SHARES_OF_CPU; share++) {
      for (const cpu of cpus) {
        const path = `${folder}/cpu-${cpu}.${share}.lock`;
        const lock = await Deno.open(path, { write: true, create: true });
        if (await lock.tryLock(true)) return { cpu, [Symbol.dispose]: () => lock.close() };
        lock.close();
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  return { cpu: cpus[Deno.pid % cpus.length] ?? 0, [Symbol.dispose]: () => {} };
}

/** Reads the kernel's list format: `0-2,5` is 0, 1, 2, 5. */
export function parseCpuList(text: string): number[] {
  return text.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
