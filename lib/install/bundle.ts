// Decides the content of the root folder of Docker's managed plugin: this program, and the programs
// that it runs, with their libraries. All functions are pure.
import { dirname, relative } from "node:path";

/** The programs that a driver runs for an engine, besides Deno. */
export const PROGRAMS: readonly string[] = [
  ...["ip", "sh", "nsenter"],
  // For the files of namespaces, and the kernel's settings.
  ...["stat", "timeout", "xargs", "cat", "grep", "mkdir"],
];

/** A file or a folder to copy. */
export interface BundleFile {
  /** Its path on this machine. */
  from: string;
  /** Its path in the root folder. */
  to: string;
}

/** The folders of this program and of Deno's cache in the root folder. */
export const [PROGRAM_FOLDER, CACHE_FOLDER] = ["/usr/lib/ipvlan", "/var/cache/deno"];

/** The used part of the output of `deno info --json` for a program. */
export interface ModuleGraph {
  /** The modules with their local files, or why they cannot be loaded. */
  modules: readonly { specifier: string; local?: string; error?: string }[];
  /** The npm packages, by name and version. */
  npmPackages: Readonly<Record<string, { localPath?: string }>>;
}

/**
 * Lists a program's modules and their files in Deno's cache; or says why they cannot be copied.
 *
 * @param folder The folder of its `deno.json`.
 * @param cache The folder of Deno's cache.
 */
export function programFiles(
  graph: ModuleGraph,
  folder: string,
  cache: string,
): BundleFile[] | string {
  const broken = graph.modules.find(({ error }) => error !== undefined);
  if (broken) return `the module ${broken.specifier} cannot be loaded: ${broken.error}`;
  const modules = graph.modules.flatMap(({ local }) => local ?? []);
  const packages = Object.values(graph.npmPackages).flatMap(({ localPath }) => localPath ?? []);
  const files = new Map<string, BundleFile>();
  for (const path of [...modules, ...packages]) {
    const cached = pathBelow(cache, path);
    const own = pathBelow(folder, path);
    // A registry's modules need its cached responses, which are in the folder of its host.
    const host = cached?.match(/^remote\/[^/]+\/[^/]+/)?.[0];
    const file = host !== undefined
      ? { from: `${cache}/${host}`, to: `${CACHE_FOLDER}/${host}` }
      : cached !== undefined
      ? { from: path, to: `${CACHE_FOLDER}/${cached}` }
      : own !== undefined
      ? { from: path, to: `${PROGRAM_FOLDER}/${own}` }
      : undefined;
    if (!file) return `its file ${path} is neither below ${folder} nor in Deno's cache`;
    files.set(file.to, file);
  }
  return [...files.values()];
}

/** The rest of a path below a folder; `undefined` if it is elsewhere. */
function pathBelow(folder: string, path: string): string | undefined {
  const rest = relative(folder, path);
  return rest === "" || rest.startsWith("..") ? undefined : rest;
}

/**
 * Reads the libraries from what ldd(1) prints of one or more programs: the paths of those found, and
 * the names of those missing on this machine. A program without libraries has no line.
 *
 * ```text
 *         libmnl.so.0 => /lib/x86_64-linux-gnu/libmnl.so.0 (0x00007f3c7a2c3000)
 *         libcap.so.2 => not found
 *         /lib64/ld-linux-x86-64.so.2 (0x00007f3c7a4e8000)
 * ```
 */
export function readLibraries(printed: string): Record<"found" | "missing", string[]> {
  const lines = printed.split("\n");
  const found = lines.flatMap((line) => /^\s+(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  const missing = lines.flatMap((line) => /^\s+(\S+) => not found/.exec(line)?.[1] ?? []);
  return { found: [...new Set(found)], missing: [...new Set(missing)] };
}

/**
 * The environment variables to find the libraries and the programs. `LD_LIBRARY_PATH` is needed, as
 * the root folder has no ldconfig(8) cache.
 */
export function bundleVariables(libraries: readonly string[]): Record<string, string> {
  return {
    PATH: "/bin",
    DENO_DIR: CACHE_FOLDER,
    DENO_NO_UPDATE_CHECK: "1",
    LD_LIBRARY_PATH: [...new Set(libraries.map(dirname))].join(":"),
  };
}
