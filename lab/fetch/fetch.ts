/**
 * Fetches Debian packages into the lab's cache. It installs nothing, and changes nothing outside the
 * cache. It works for an ordinary user, and on a machine without package lists.
 *
 * @module
 */
import { download, KEYRING, type Release } from "./apt.ts";
import {
  type CacheOptions,
  isComplete,
  lockFile,
  releaseFolder,
  withCache,
  writeFileList,
} from "./cache.ts";
import { replaceFile } from "../../lib/base/files.ts";
import { LabError, MissingError } from "../errors.ts";
import { exists, fileIn } from "../machine.ts";
import { runProgram } from "../program.ts";

/** The name of a package that can be fetched. */
export type PackageName = keyof typeof NEEDED;

/** The file that the lab needs from each package. */
const NEEDED = {
  "user-mode-linux": "linux.uml",
  "busybox-static": "busybox",
  "radvd": "radvd",
  "containernetworking-plugins": "ipvlan",
  "debian-archive-keyring": "debian-archive-keyring.gpg",
  "libc6": "libc.so.6",
  "patchelf": "patchelf",
  "tcc": "tcc",
} as const;

/** The options to fetch packages. */
export interface FetchOptions extends CacheOptions {
  /** The release to take the packages from. @default {"own"} */
  release?: Release;
  /** Whether to say how large the packages are before they are downloaded. @default {false} */
  announce?: boolean;
}

/**
 * How long the lab prefers other releases after it failed to fetch one, in milliseconds.
 */
const FAILURE_LASTS = 60 * 60 * 1000;

/** A file whose age says when the lab last failed to fetch a release. */
function failureMark(folder: string): string {
  return `${folder}/unreachable`;
}

/** Whether the lab failed to fetch packages of a release within the last hour. */
export function hasFailedRecently(release: Release): boolean {
  try {
    const { mtime } = Deno.statSync(failureMark(releaseFolder(release)));
    return mtime !== null && Date.now() - mtime.getTime() < FAILURE_LASTS;
  } catch {
    return false;
  }
}

/** Prints a line if a folder exists; the caller knows that it is not complete. */
function sayIfBroken(folder: string, { say }: FetchOptions): void {
  if (exists(folder)) say(`${folder} is damaged`);
}

/**
 * Fetches packages into the cache, unless they are there. Returns the file that the lab needs from
 * each.
 *
 * @throws {MissingError} if a package cannot be fetched.
 */
export async function fetchPackages<N extends PackageName>(
  names: readonly N[],
  options: FetchOptions,
): Promise<Record<N, string>> {
  const folders = await fetchFolders(names, options);
  const file = (name: N, index: number) => fileIn(folders[index]!, NEEDED[name])!;
  return Object.fromEntries(names.map((name, index) => [name, file(name, index)])) as Record<
    N,
    string
  >;
}

/**
 * Fetches packages into the cache, unless they are there. Returns the folder of each.
 *
 * @param names The names of any packages.
 * @throws {MissingError} if a package cannot be fetched.
 */
export async function fetchFolders(
  names: readonly string[],
  options: FetchOptions,
): Promise<string[]> {
  const folder = releaseFolder(options.release ?? "own");
  if (!names.every((name) => isFetched(folder, name))) {
    const keyring = await findKeyring(options);
    await withCache(options, () => fill(folder, names, { ...options, keyring }));
  }
  return names.map((name) => `${folder}/${name}`);
}

/** Finds the file of Debian's keys: the machine's own, or one from its distribution's package. */
async function findKeyring({ release = "own", ...options }: FetchOptions): Promise<string> {
  if (release === "own" || exists(KEYRING)) return KEYRING;
  const name = "debian-archive-keyring";
  return (await fetchPackages([name], options))[name];
}

/** Whether a package is in the cache, complete. */
function isFetched(folder: string, name: string): boolean {
  return isComplete(`${folder}/${name}`) && missingFile(`${folder}/${name}`, name) === undefined;
}

/** The file that the lab needs from a package, if its folder does not have it. */
function missingFile(folder: string, name: string): string | undefined {
  const file = (NEEDED as Partial<Record<string, string>>)[name];
  return file === undefined || fileIn(folder, file) ? undefined : file;
}

/**
 * The lock file of a fetch. Processes that unpack into the folder hold the lock: those that dpkg(1)
 * starts outlive a killed lab.
 */
function unpackLock(temp: string): string {
  return `${temp}/unpacking`;
}

/** Removes the folder of a fetch that was killed, as soon as no process unpacks into it any more. */
async function removeLeftover(temp: string, options: FetchOptions): Promise<void> {
  const waiting = `waiting for dpkg of a killed lab, which still unpacks into ${temp}`;
  using _lock = await lockFile(unpackLock(temp), waiting, options);
  await Deno.remove(temp, { recursive: true });
}

/**
 * Fetches packages and their dependencies into the cache, unpacked into one folder, unless the
 * folder is there.
 *
 * @param name The name of the folder.
 * @param options.has Whether the folder has the files that the lab needs.
 * @returns The folder.
 * @throws {MissingError} if they cannot be fetched.
 */
export async function fetchTree(
  name: string,
  packages: readonly string[],
  { dependencies, has, ...options }: FetchOptions & {
    dependencies: RegExp;
    has: (tree: string) => boolean;
  },
): Promise<string> {
  const folder = releaseFolder(options.release ?? "own");
  const tree = `${folder}/${name}`;
  const isDone = () => isComplete(tree) && has(tree);
  if (isDone()) return tree;
  const keyring = await findKeyring(options);
  const fetchOptions = { ...options, keyring, dependencies };
  await withCache(options, async () => {
    if (isDone()) return;
    sayIfBroken(tree, options);
    await inFetchFolder(folder, packages, fetchOptions, async (temp, files) => {
      for (const file of files) await unpack(temp, file, name, options);
      if (!has(`${temp}/${name}`)) {
        throw new LabError(`The fetched packages ${files.join(", ")} have no ${name}`);
      }
      await moveIntoPlace(`${temp}/${name}`, tree);
    });
  });
  return tree;
}

/** Fetches those of the packages that are missing. The caller holds the lock of the cache. */
async function fill(
  folder: string,
  names: readonly string[],
  options: FetchOptions & { keyring: string },
): Promise<void> {
  // Another lab may have fetched them while this one waited for the lock.
  const missing = names.filter((name) => !isFetched(folder, name));
  if (missing.length === 0) return;
  for (const name of missing) sayIfBroken(`${folder}/${name}`, options);
  await inFetchFolder(folder, missing, options, async (temp, files) => {
    for (const deb of files) {
      const name = missing.find((name) => deb.startsWith(`${name}_`));
      if (!name) continue;
      await unpack(temp, deb, name, options);
      const file = missingFile(`${temp}/${name}`, name);
      if (file !== undefined) {
        throw new LabError(`The fetched package ${name} has no file ${file}`);
      }
      await moveIntoPlace(`${temp}/${name}`, `${folder}/${name}`);
    }
    const absent = missing.find((name) => !isFetched(folder, name));
    if (absent !== undefined) throw new LabError(`apt-get did not download ${absent}`);
  });
}

/** Downloads packages into a temporary folder, calls `use` with it, and removes it. */
async function inFetchFolder(
  folder: string,
  names: readonly string[],
  options: FetchOptions & { keyring: string; dependencies?: RegExp },
  use: (temp: string, files: string[]) => Promise<void>,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith("fetch-")) await removeLeftover(`${folder}/${name}`, options);
  }
  const temp = await Deno.makeTempDir({ dir: folder, prefix: "fetch-" });
  try {
    const { release = "own", say } = options;
    const from = release === "own" ? "" : ` of Debian ${release}`;
    say(`fetching ${names.join(", ")}${from} into ${folder}`);
    try {
      await download(temp, names, { ...options, release });
    } catch (error) {
      // Any other error comes from a signal, and does not mean that the release is unreachable.
      if (release !== "own" && error instanceof MissingError) {
        replaceFile(failureMark(folder), "", 0o644);
      }
      throw error;
    }
    const files = [...Deno.readDirSync(temp)].map(({ name }) => name);
    await use(temp, files.filter((name) => name.endsWith(".deb")));
  } finally {
    await Deno.remove(temp, { recursive: true });
  }
}

/** Unpacks a downloaded package. */
async function unpack(
  temp: string,
  file: string,
  into: string,
  { signal }: FetchOptions,
): Promise<void> {
  const dpkg = ["dpkg", "-x", `${temp}/${file}`, `${temp}/${into}`];
  const { ok, text } = await runProgram("flock", ["--no-fork", unpackLock(temp), ...dpkg], {
    signal,
  });
  if (!ok) throw new LabError(`Cannot unpack ${file}: ${text}`);
}

/** Gives a folder its final name. Only a complete folder ever has that name. */
async function moveIntoPlace(from: string, to: string): Promise<void> {
  await writeFileList(from);
  // Otherwise, after a power cut, the files could have their sizes but no content.
  await runProgram("sync", ["-f", from]);
  if (exists(to)) await Deno.remove(to, { recursive: true });
  await Deno.rename(from, to);
}
