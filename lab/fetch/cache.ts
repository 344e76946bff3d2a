/**
 * The lab's cache: a folder that several labs may use and fill at the same time.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Release } from "./apt.ts";
import { LabError, MissingError } from "../errors.ts";

/** The options for the cache. */
export interface CacheOptions {
  /** Prints a line about the progress of something slow. */
  say: (line: string) => void;
  /** Aborts the work. */
  signal?: AbortSignal;
}

/**
 * The folder of the lab's cache: `lab` under `IPVLAN_LAB_CACHE`, or else under `ipvlan-kit` in
 * `XDG_CACHE_HOME` (XDG Base Directory Specification) or `~/.cache`.
 *
 * @throws {MissingError} if none of these variables is set.
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
 * Calls `use` under the exclusive lock of the cache. Makes the cache if it does not exist.
 *
 * @throws {LabError} if the system refuses to make or to change the cache.
 */
export async function withCache<T>(
  options: CacheOptions,
  use: (cache: string) => Promise<T>,
): Promise<T> {
  const cache = cacheFolder(Deno.env.toObject());
  try {
    await Deno.mkdir(cache, { recursive: true });
    const waiting = `waiting for another lab, which is filling ${cache}`;
    using _lock = await lockFile(`${cache}/lock`, waiting, options);
    return await use(cache);
  } catch (cause) {
    // For example: the disk is full, or the folder belongs to another user.
    if (!isSystemError(cause)) throw cause;
    throw new LabError(
      `Cannot fill the lab's cache in ${cache} (${cause.message}); set IPVLAN_LAB_CACHE`,
      { cause },
    );
  }
}

/**
 * Makes a file in the cache, under the lock of the cache, unless another lab has made it meanwhile. It is
 * made in a temporary folder, and gets its name only when it is complete.
 *
 * @param isDone Whether the file is as it should be.
 * @param make Makes the file `output`. Other files in `folder` are removed afterwards.
 */
export async function makeInCache(
  file: string,
  options: CacheOptions,
  isDone: () => boolean | Promise<boolean>,
  make: (places: { folder: string; output: string }) => Promise<void>,
): Promise<void> {
  await withCache(options, async (cache) => {
    if (await isDone()) return;
    // If this lab is killed, the next one that fetches something removes the folder.
    const folder = await Deno.makeTempDir({ dir: cache, prefix: "fetch-" });
    const output = `${folder}/${basename(file)}`;
    try {
      await make({ folder, output });
      await Deno.rename(output, file);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/**
 * Locks a file until the result is disposed of. Makes the file if it does not exist.
 *
 * @param waiting The line to print when the wait takes longer than a second.
 */
export async function lockFile(
  path: string,
  waiting: string,
  { say, signal }: CacheOptions,
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, create: true });
  const timer = setTimeout(() => say(waiting), 1000);
  try {
    await waitOrAbort(signal, file.lock(true));
    return file;
  } catch (error) {
    file.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether an error comes from a system call. Its `code` is then a name of errno(3). */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** Waits for a promise, or rejects as soon as the signal is aborted. */
async function waitOrAbort<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
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

/**
 * Lists the files of an unpacked package: a line `SIZE@TIME=CHECKSUM PATH` for each, with the time of
 * its last change in milliseconds. Earlier labs have written `SIZE PATH`.
 */
const FILE_LIST = ".files";

/** Writes the list of a folder's files into the folder, for {@linkcode isComplete}. */
export async function writeFileList(folder: string): Promise<void> {
  const lines: string[] = [];
  const walk = (inner: string) => {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(`${folder}/${inner}`)) {
      const path = `${inner}${name}`;
      if (isDirectory) walk(`${path}/`);
      if (!isFile) continue;
      const { size, mtime } = Deno.statSync(`${folder}/${path}`);
      lines.push(`${size}@${mtime!.getTime()}=${checksum(`${folder}/${path}`)} ${path}\n`);
    }
  };
  walk("");
  await Deno.writeTextFile(`${folder}/${FILE_LIST}`, lines.join(""));
}

function checksum(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}

/**
 * Whether a folder has all files of its list, unchanged since apt-get(8) verified them. The checksum
 * of a kernel takes nearly as long as the start of the lab. So only files with a new time are read, such
 * as in a copy of the cache.
 */
export function isComplete(folder: string): boolean {
  try {
    const lines = Deno.readTextFileSync(`${folder}/${FILE_LIST}`).split("\n").slice(0, -1);
    return lines.length > 0 && lines.every((line) => {
      const [, size, time, sum, name] = /^(\d+)(?:@(\d+)=(\w+))? (.*)$/.exec(line) ?? [];
      const path = `${folder}/${name}`;
      const file = Deno.lstatSync(path);
      if (file.size !== Number(size)) return false;
      return time === undefined || file.mtime?.getTime() === Number(time) || checksum(path) === sum;
    });
  } catch {
    return false;
  }
}
