/**
 * Facts about the machine: its programs, its processor and C library, its memory and CPUs.
 *
 * @module
 */
import { statfs } from "node:fs/promises";
import { MissingError } from "./errors.ts";

/** Whether a path exists, as far as this user may see. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Finds a program on PATH, or in the folders that only root has on PATH. */
export function which(program: string): string | undefined {
  if (program.includes("/")) return exists(program) ? program : undefined;
  return `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder}/${program}`)
    .find(exists);
}

/** Asserts that the machine has programs. @throws {MissingError} with those that it lacks. */
export function assertPrograms(programs: string[], advice: string): void {
  const missing = programs.filter((program) => !which(program));
  if (missing.length > 0) {
    throw new MissingError(`This machine has no program ${missing.join(", ")}`, advice);
  }
}

/** Finds a file by its name in an unpacked package. Releases put such files into different folders. */
export function fileIn(folder: string, name: string): string | undefined {
  return FILE_FOLDERS.map((inner) => `${folder}/${inner}/${name}`).find(exists);
}

/** The folders of programs, libraries and keys in packages, with and without a merged `/usr`. */
// deno-fmt-ignore
const FILE_FOLDERS = [
  "usr/bin", "bin", "usr/sbin", "sbin", "usr/lib/cni",
  "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/share/keyrings",
];

/** The facts that decide which kernels start on a machine. */
export interface Machine {
  /** The processor's flags: `flags` of `/proc/cpuinfo`. */
  flags: ReadonlySet<string>;
  /** The version of the machine's GNU C library (`2.36`); `undefined` if it has another library. */
  libc?: string;
}

/** Reads the facts that decide which kernels start here: the processor and the C library. */
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

/** A folder that may hold the memory of a guest, a sparse file that is mapped executable. */
export interface Place {
  /** The folder. */
  path: string;
  /** MiB that are free there. */
  free: number;
  /** Whether a program may be executed from there. */
  exec: boolean;
}

/** The memory of a guest in MiB, if there is enough. */
export const MEMORY = 2048;
/** The least memory of a guest in MiB. Deno does not run well with less. */
export const LEAST_MEMORY = 512;
/** MiB of a guest's memory file besides the memory: a gap for `exec-shield`. */
const MEMORY_GAP = 256;

/**
 * Chooses the folder and the size of a guest's memory, in MiB. Takes the first place with room for
 * all of it, or else the place with the most room. A guest whose file cannot grow dies of SIGBUS.
 *
 * @param available MiB of memory that programs can still get.
 * @param least The least size.
 * @throws {MissingError} if no place has enough room, with the free space of each.
 */
export function chooseMemory(
  places: Place[],
  available: number,
  least: number = LEAST_MEMORY,
): { path: string; size: number } {
  const wanted = Math.min(MEMORY, Math.floor(available * 3 / 4));
  const executable = places.filter(({ exec }) => exec);
  const place = executable.find(({ free }) => free >= wanted + MEMORY_GAP) ??
    executable.toSorted((a, b) => b.free - a.free)[0];
  const size = Math.min(wanted, (place?.free ?? 0) - MEMORY_GAP);
  if (place && size >= least) return { path: place.path, size };
  const found = places.map(({ path, free, exec }) =>
    exec ? `${free} MiB in ${path}` : `${path} forbids execution`
  );
  throw new MissingError(
    `There is no room for the guest's memory (${found.join(", ")}, ${available} MiB of memory)`,
    `set TMPDIR to a folder with ${least + MEMORY_GAP} MiB that is not mounted noexec`,
  );
}

/** The memory of a guest in MiB that is enough for all scenarios and tests. */
export const COMFORTABLE_MEMORY = 1024;

/**
 * Chooses memory as {@linkcode chooseMemory} does, for one of several guests that run at once.
 *
 * @param guests The number of guests.
 * @param least The least size of each.
 */
export function divideMemory(
  places: Place[],
  available: number,
  guests: number,
  least?: number,
): { path: string; size: number } {
  const part = (size: number) => Math.floor(size / guests);
  return chooseMemory(
    places.map((place) => ({ ...place, free: part(place.free) })),
    part(available),
    least,
  );
}

/** The number of guests with enough memory at once: the wanted number, or fewer. */
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
 * Finds the folders that may hold the memory of a guest, the best first.
 *
 * @param last The last folder to try.
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
    // Of two mounts on one path, the later one is visible.
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

/** Reads the CPUs that this process may run on: `Cpus_allowed_list` of `/proc/self/status`. */
export async function allowedCpus(): Promise<number[]> {
  const text = await Deno.readTextFile("/proc/self/status");
  return parseCpuList(/^Cpus_allowed_list:\s+(\S+)$/m.exec(text)?.[1] ?? "0");
}

/** The number of lock files for each CPU: one per guest. */
const GUESTS_PER_CPU = 16;

/**
 * Claims a CPU for a guest, until the claim is disposed of or the process ends. Chooses a CPU with
 * the fewest other guests of this user.
 *
 * @param folder The folder of the lock files. If we cannot write there, the CPU depends on our
 * process id.
 * @param cpus The numbers of the CPUs to choose from.
 */
export async function claimCpu(
  folder: string,
  cpus: readonly number[],
): Promise<Disposable & { cpu: number }> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    for (let guest = 0; guest < GUESTS_PER_CPU; guest++) {
      for (const cpu of cpus) {
        const path = `${folder}/cpu-${cpu}.${guest}.lock`;
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

/** Parses the kernel's list format: `0-2,5` is 0, 1, 2, 5. */
export function parseCpuList(text: string): number[] {
  return text.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
