/**
 * The lab's cache: a folder that several labs use and fill at once.
 *
 * @module
 */
import type { Release } from "./apt.ts";
import { LabError, MissingError } from "./errors.ts";

/** How to use the cache. */
export interface CacheOptions {
  /** Gets a line now and then when something takes long. */
  say: (line: string) => void;
  /** Ends it. */
  signal?: AbortSignal;
}

/**
 * The folder of the lab's cache: `lab` under `IPVLAN_LAB_CACHE`, or else under `ipvlan-kit` in
 * `XDG_CACHE_HOME` (XDG Base Directory Specification) or `~/.cache`.
 *
 * @throws {MissingError} if the environment names no place for it.
 */
export function cacheFolder(env: Record<string, string | undefined>): string {
  if (env.IPVLAN_LAB_CACHE) return `${env.IPVLAN_LAB_CACHE}/lab`;
  if (env.XDG_CACHE_HOME) return `${env.XDG_CACHE_HOME}/ipvlan-kit/lab`;
  if (env.HOME) return `${env.HOME}/.cache/ipvlan-kit/lab`;
  throw new MissingError("There is no folder for the lab's cache", "set HOME or IPVLAN_LAB_CACHE");
}

/** The folder in the cache for the packages of a release. */
export function releaseFolder(release: Release): string {
  const cache = cacheFolder(Deno.env.toObject());
  return release === "own" ? cache : `${cache}/${release}`;
}

/**
 * Calls `use` while no other lab changes the cache, which is made if it is not there.
 *
 * @throws {LabError} if the system refuses to make or to change it.
 */
export async function withCache<T>(
  options: CacheOptions,
  use: (cache: string) => Promise<T>,
): Promise<T> {
  const cache = cacheFolder(Deno.env.toObject());
  try {
    await Deno.mkdir(cache, { recursive: true });
    const waiting = `waiting for another lab, which fills ${cache}`;
    using _lock = await lockFile(`${cache}/lock`, waiting, options);
    return await use(cache);
  } catch (cause) {
    // A full disk, or a folder that belongs to another user.
    if (!isSystemError(cause)) throw cause;
    throw new LabError(
      `Cannot fill the lab's cache in ${cache} (${cause.message}); set IPVLAN_LAB_CACHE`,
      { cause },
    );
  }
}

/**
 * Locks a file, which is made if it is not there, until it is disposed of.
 *
 * @param waiting The line to say when that takes longer than a second.
 */
export async function lockFile(
  path: string,
  waiting: string,
  { say, signal }: CacheOptions,
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, create: true });
  const patience = setTimeout(() => say(waiting), 1000);
  try {
    await until(signal, file.lock(true));
    return file;
  } catch (error) {
    file.close();
    throw error;
  } finally {
    clearTimeout(patience);
  }
}

/** Whether the system refused something: `code` is then a name of errno(3). */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** Waits for a promise, or rejects as soon as the signal is aborted. */
async function until<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (!signal) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The list of the files of what was unpacked, with their sizes: a line `SIZE PATH` for each. */
const FILE_LIST = ".files";

/** Notes which files there are in a folder. */
export async function noteFiles(folder: string): Promise<void> {
  const lines: string[] = [];
  const look = (inner: string) => {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(`${folder}/${inner}`)) {
      const path = `${inner}${name}`;
      if (isDirectory) look(`${path}/`);
      if (isFile) lines.push(`${Deno.statSync(`${folder}/${path}`).size} ${path}\n`);
    }
  };
  look("");
  await Deno.writeTextFile(`${folder}/${FILE_LIST}`, lines.join(""));
}

/**
 * Whether all files of a folder are there and as long as they were. What they contained was verified
 * by apt-get(8) when they were downloaded.
 */
export function isWhole(folder: string): boolean {
  try {
    const lines = Deno.readTextFileSync(`${folder}/${FILE_LIST}`).split("\n").slice(0, -1);
    return lines.length > 0 && lines.every((line) => {
      const [size = "", ...words] = line.split(" ");
      return Deno.lstatSync(`${folder}/${words.join(" ")}`).size === Number(size);
    });
  } catch {
    return false;
  }
}
