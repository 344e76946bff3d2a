/**
 * Fetches the packages of programs into the cache, and describes how a guest makes them look
 * installed.
 *
 * @module
 */
import { DEBIAN_RELEASES } from "./apt.ts";
import { type Bundle, type BundleName, BUNDLES, planPackages } from "./bundles.ts";
import type { CacheOptions } from "./cache.ts";
import { fetchFolders } from "./fetch.ts";
import { readMachine } from "../machine.ts";

/** Programs that are ready to be linked into a guest, with their other requirements. */
export interface Programs {
  /** The folders of unpacked packages whose files replace the machine's, in this order. */
  replace: string[];
  /** The folders of unpacked libraries. Only the files that the guest lacks are added. */
  add: string[];
  /** The folder of the unpacked C library to exchange. @default {undefined} The machine's stays. */
  libc?: string;
  /** The least memory of the guest, in MiB. */
  memory: number;
  /** The bundles, for their users, folders, links and files. */
  bundles: readonly Bundle[];
}

/**
 * Fetches the packages of bundles, unless they are there.
 *
 * @returns `undefined` if there are no bundles.
 * @throws {MissingError} if a package cannot be fetched.
 */
export async function findPrograms(
  names: readonly BundleName[],
  options: CacheOptions,
): Promise<Programs | undefined> {
  if (names.length === 0) return undefined;
  const bundles: Bundle[] = names.map((name) => BUNDLES[name]);
  const memory = Math.max(...bundles.map(({ memory }) => memory));
  const programs: Programs = { replace: [], add: [], memory, bundles };
  const planned = planPackages(names, (await readMachine()).libc);
  for (const release of DEBIAN_RELEASES) {
    const packages = planned.filter((one) => one.release === release);
    const folders = await fetchFolders(packages.map(({ name }) => name), {
      ...options,
      release,
      announce: true,
    });
    for (const [index, { how }] of packages.entries()) {
      if (how === "libc") programs.libc = folders[index];
      else programs[how].push(folders[index]!);
    }
  }
  return programs;
}

/**
 * The variables of `packages.sh`.
 *
 * @param home The home of the user inside.
 */
export function programVariables(
  { replace, add, libc, bundles }: Programs,
  home: string,
): Record<string, string | string[]> {
  const pairs = (name: "users" | "links" | "files") =>
    bundles.flatMap((bundle) => Object.entries(bundle[name] ?? {}))
      .flatMap(([key, value]) => [key, value ?? ""]);
  const folders = bundles.flatMap(({ folders = [] }) => folders)
    .map((folder) => folder.replace(/^~/, home));
  return {
    REPLACE: replace,
    ADD: add,
    LIBC: libc ?? "",
    FOLDERS: [...new Set(folders)],
    USERS: pairs("users"),
    LINKS: pairs("links"),
    FILES: pairs("files"),
  };
}
