/**
 * Fetches Debian packages into a cache of the lab's own: nothing is installed, and nothing outside
 * the cache changes. Works for an ordinary user, and on a machine without package lists.
 *
 * @module
 */
import { download, KEYRING, type Release } from "./apt.ts";
import {
  type CacheOptions,
  isWhole,
  lockFile,
  noteFiles,
  releaseFolder,
  withCache,
} from "./cache.ts";
import { LabError, MissingError } from "./errors.ts";
import { exists, fileIn } from "./machine.ts";
import { runProgram } from "./program.ts";

/** The name of a package that can be fetched. */
export type PackageName = keyof typeof NEEDED;

/** The file of each package that it is needed for: without it the package is not whole. */
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

/** How to fetch. */
export interface FetchOptions extends CacheOptions {
  /** The release to take the packages from. @default {"own"} */
  release?: Release;
}

/** For how long a release that could not be fetched is not asked for where another will do, in ms. */
const FAILURE_LASTS = 60 * 60 * 1000;

/** The file that says, by its age, when a release could not be fetched. */
function failureMark(folder: string): string {
  return `${folder}/unreachable`;
}

/** Whether packages of a release could not be fetched a short time ago. */
export function hasFailed(release: Release): boolean {
  try {
    const { mtime } = Deno.statSync(failureMark(releaseFolder(release)));
    return mtime !== null && Date.now() - mtime.getTime() < FAILURE_LASTS;
  } catch {
    return false;
  }
}

/** Says that something is there but not whole. */
function sayIfBroken(folder: string, { say }: FetchOptions): void {
  if (exists(folder)) say(`${folder} is not whole any more`);
}

/**
 * Makes sure that packages are in the cache, and returns the file of each that it is needed for.
 *
 * @throws {MissingError} if one cannot be fetched.
 */
export async function fetchPackages<N extends PackageName>(
  names: readonly N[],
  options: FetchOptions,
): Promise<Record<N, string>> {
  const folder = releaseFolder(options.release ?? "own");
  const find = (name: N) => findFile(folder, name);
  if (!names.every(find)) {
    const keyring = await findKeyring(options);
    await withCache(options, () => fill(folder, names, { ...options, keyring }));
  }
  return Object.fromEntries(names.map((name) => [name, find(name)!])) as Record<N, string>;
}

/** Debian's keys: the machine's own, or those that its distribution has a package of. */
async function findKeyring({ release = "own", ...options }: FetchOptions): Promise<string> {
  if (release === "own" || exists(KEYRING)) return KEYRING;
  const name = "debian-archive-keyring";
  return (await fetchPackages([name], options))[name];
}

/** The file that a package is needed for, if the package is whole. */
function findFile(folder: string, name: PackageName): string | undefined {
  return isWhole(`${folder}/${name}`) ? fileIn(`${folder}/${name}`, NEEDED[name]) : undefined;
}

/**
 * A file in the folder of a fetch that every process locks which unpacks there: dpkg(1) starts
 * others, and these outlive a lab that is killed.
 */
function unpackLock(temp: string): string {
  return `${temp}/unpacking`;
}

/** Removes the folder of a fetch that was killed, as soon as nothing is unpacked there any more. */
async function removeLeftover(temp: string, options: FetchOptions): Promise<void> {
  const waiting = `waiting for what a killed lab still unpacks in ${temp}`;
  using _lock = await lockFile(unpackLock(temp), waiting, options);
  await Deno.remove(temp, { recursive: true });
}

/**
 * Makes sure that packages and what they depend on are in the cache, unpacked into one folder.
 *
 * @param name The name of the folder.
 * @param options.has Whether the folder has what it is needed for.
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
  const isDone = () => isWhole(tree) && has(tree);
  if (isDone()) return tree;
  const keyring = await findKeyring(options);
  const how = { ...options, keyring, dependencies };
  await withCache(options, async () => {
    if (isDone()) return;
    sayIfBroken(tree, options);
    await inFetchFolder(folder, packages, how, async (temp, files) => {
      for (const file of files) await unpack(temp, file, name, options);
      if (!has(`${temp}/${name}`)) throw new LabError(`What was fetched has no ${name}`);
      await replace(`${temp}/${name}`, tree);
    });
  });
  return tree;
}

/** Fetches what is missing. */
async function fill(
  folder: string,
  names: readonly PackageName[],
  options: FetchOptions & { keyring: string },
): Promise<void> {
  // Another lab may have fetched them while this one waited for the lock.
  const missing = names.filter((name) => !findFile(folder, name));
  if (missing.length === 0) return;
  for (const name of missing) sayIfBroken(`${folder}/${name}`, options);
  await inFetchFolder(folder, missing, options, async (temp, files) => {
    for (const file of files) {
      const name = missing.find((name) => file.startsWith(`${name}_`));
      if (!name) continue;
      await unpack(temp, file, name, options);
      if (!fileIn(`${temp}/${name}`, NEEDED[name])) {
        throw new LabError(`The fetched package ${name} has no file ${NEEDED[name]}`);
      }
      await replace(`${temp}/${name}`, `${folder}/${name}`);
    }
    const absent = missing.find((name) => !findFile(folder, name));
    if (absent !== undefined) throw new LabError(`apt-get has not downloaded ${absent}`);
  });
}

/** Downloads packages into a folder for this fetch, which goes when `use` has used them. */
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
      // Not when a signal has ended it.
      if (release !== "own" && error instanceof MissingError) {
        await Deno.writeTextFile(failureMark(folder), "");
      }
      throw error;
    }
    const files = [...Deno.readDirSync(temp)].map(({ name }) => name);
    await use(temp, files.filter((name) => name.endsWith(".deb")));
  } finally {
    await Deno.remove(temp, { recursive: true });
  }
}

/** Unpacks a package that was downloaded. */
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

/** Whole or not there at all: what is there under its final name is complete. */
async function replace(from: string, to: string): Promise<void> {
  await noteFiles(from);
  if (exists(to)) await Deno.remove(to, { recursive: true });
  await Deno.rename(from, to);
}
