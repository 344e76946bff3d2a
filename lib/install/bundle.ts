// Makes the folder from which `docker plugin create` makes a managed plugin, which Docker itself runs.
// Its root folder has this program, and the programs that it runs, with their libraries.
import { cp } from "node:fs/promises";
import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { SOCKET } from "../engine/docker/handlers.ts";
import { PLUGIN_NAME } from "../engine/plugins.ts";
import { IpvlanError, type IpvlanErrorOf, throwProblems } from "../base/errors.ts";
import { findProgram, statOf } from "../base/files.ts";
import { packageLauncher } from "./program.ts";

/** The programs that a driver runs for an engine, besides Deno. */
const PROGRAMS = [
  ...["ip", "sh", "nsenter"],
  // For the files of namespaces, and the kernel's settings.
  ...["stat", "timeout", "xargs", "cat", "grep", "mkdir"],
];

/** A file or a folder to copy, by its path on this machine and in the root folder. */
type BundleFile = Record<"from" | "to", string>;

/** The folders of this program and of Deno's cache in the root folder. */
const [PROGRAM_FOLDER, CACHE_FOLDER] = ["/usr/lib/ipvlan", "/var/cache/deno"];

/** The used part of the output of `deno info --json` for a program. */
interface ModuleGraph {
  /** The modules with their local files, or why they cannot be loaded. */
  modules: readonly { specifier: string; local?: string; error?: string }[];
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

export interface BundleOptions {
  /** The module of this program. */
  main: URL;
  version: string;
  /** The machine's folder for the plugin's records. */
  stateDir: string;
  /** Called at the start of each step. */
  step: (sentence: string) => void;
  /** Aborts the work; everything made so far is removed. */
  signal: AbortSignal;
}

/** The empty folders of the root folder. */
const EMPTY = ["dev", "etc", "proc", "run", "sys", "tmp", "var/lib/ipvlan"];

/**
 * Makes the folder, with a root folder `rootfs` and a `config.json`. The folder must not exist, or
 * be empty. It is made completely or not at all.
 */
export async function makeBundle(folder: string, options: BundleOptions): Promise<void> {
  const { step, signal } = options;
  const path = folder.replace(/(?<=.)\/+$/, "");
  step("Looking for the programs and what they need");
  const { files, config } = await plan(path, options);
  const unfinished = `${path}.${crypto.randomUUID().slice(0, 8)}`;
  const root = `${unfinished}/rootfs`;
  try {
    for (const empty of EMPTY) await Deno.mkdir(`${root}/${empty}`, { recursive: true });
    // Docker uses this path for the files of containers' namespaces.
    await Deno.symlink("/run", `${root}/var/run`);
    step(`Copying ${files.length} files and packages`);
    for (const { from, to } of files) {
      // A symbolic link becomes a copy of its target, under the link's name.
      const filter = () => {
        signal.throwIfAborted();
        return true;
      };
      await cp(from, `${root}${to}`, { recursive: true, dereference: true, filter });
    }
    await Deno.writeTextFile(`${unfinished}/config.json`, `${JSON.stringify(config, null, 2)}\n`);
    signal.throwIfAborted();
    // This replaces an empty folder (rename(2)).
    await Deno.rename(unfinished, path);
  } catch (error) {
    await Deno.remove(unfinished, { recursive: true }).catch(() => {});
    if (error instanceof IpvlanError) throw error;
    throw unwritable(path, (error as Error).message, { cause: error });
  }
}

function unwritable(
  path: string,
  reason: string,
  options?: ErrorOptions,
): IpvlanErrorOf<"unwritable-folder"> {
  return new IpvlanError("unwritable-folder", { path, reason }, options);
}

/** Plans the content of the folder. @throws {IpvlanError} With all problems. */
async function plan(
  path: string,
  options: BundleOptions,
): Promise<{ files: BundleFile[]; config: unknown }> {
  const { main } = options;
  const own = { from: Deno.execPath(), to: "/bin/deno" };
  const programs = PROGRAMS.map((name) => ({ name, from: findProgram(name), to: `/bin/${name}` }));
  const needed = [...programs, { name: "ldd", from: findProgram("ldd") }];
  const why = whyNoFolder(path);
  throwProblems([
    ...why === undefined ? [] : [unwritable(path, why)],
    ...needed.filter(({ from }) => from === undefined)
      .map(({ name }) => new IpvlanError("program-not-found", { program: name })),
  ]);
  const copied = [own, ...programs.map(({ from, to }) => ({ from: from!, to }))];
  // Ignore its exit status: it is not 0 if one of the programs has no libraries.
  const { stdout } = await run("ldd", copied.map(({ from }) => from));
  const { found, missing } = readLibraries(stdout);
  throwProblems(missing.map((name) => unwritable(path, `the library ${name} is missing`)));
  const libraries = found.map((from) => ({ from, to: from }));
  const modules = await modulesOf(main, path);
  const module = `${PROGRAM_FOLDER}/${basename(fileURLToPath(main))}`;
  const entrypoint = [own.to, "run", "-A", "--cached-only", module, "docker", "serve"];
  return {
    files: [...copied, ...libraries, ...modules],
    config: managedConfig(entrypoint, bundleVariables(found), options),
  };
}

function whyNoFolder(path: string): string | undefined {
  if (path === "") return "give the name of a folder";
  if (!statOf(dirname(path))?.isDirectory) return `there is no folder ${dirname(path)}`;
  try {
    if ([...Deno.readDirSync(path)].length > 0) return "it exists, and it is not empty";
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return "it exists, and it is not a folder";
    if (!(error instanceof Deno.errors.NotFound)) return (error as Error).message;
  }
  return undefined;
}

/** The files of this program. @throws {"unwritable-folder"} Not found. */
async function modulesOf(main: URL, path: string): Promise<BundleFile[]> {
  if (main.protocol !== "file:") {
    throw unwritable(path, `ipvlan runs from ${main}: run it from a clone`);
  }
  const module = fileURLToPath(main);
  if (packageLauncher(main.href) !== undefined) return packageFiles(dirname(module));
  const [{ denoDir }, graph] = await Promise.all([
    denoInfo(path) as Promise<{ denoDir: string }>,
    denoInfo(path, module) as Promise<ModuleGraph>,
  ]);
  const folder = dirname(module);
  const files = programFiles(graph, folder, denoDir);
  if (typeof files === "string") throw unwritable(path, files);
  // Deno needs the import map in these, and accepts only packages of the lock file.
  const { links = [] } = JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
  const settings = ["deno.json", "deno.lock", ...links.map((link: string) => `${link}/deno.json`)];
  return [
    ...files,
    ...settings.filter((name) => statOf(`${folder}/${name}`))
      .map((name) => ({ from: `${folder}/${name}`, to: `${PROGRAM_FOLDER}/${name}` })),
  ];
}

/** The files of a program that comes from a package: all of its code is in one folder. */
function packageFiles(folder: string): BundleFile[] {
  return [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".js"))
    .map(({ name }) => ({ from: `${folder}/${name}`, to: `${PROGRAM_FOLDER}/${name}` }));
}

/** Runs `deno info` for a module or for Deno itself. @throws {"unwritable-folder"} It failed. */
async function denoInfo(path: string, ...module: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(Deno.execPath(), ["info", "--json", ...module]);
  if (code !== 0) throw unwritable(path, `deno info failed: ${stderr.trim()}`);
  return JSON.parse(stdout);
}

async function run(
  program: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const options: Deno.CommandOptions = { args: [...args], stdin: "null" };
  const { code, stdout, stderr } = await new Deno.Command(program, options).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The folder of the plugin's records inside its own root folder. */
const STATE = "/var/lib/ipvlan";

/**
 * The `config.json` of a managed plugin
 * (https://docs.docker.com/engine/extend/config/, "Plugin Config Version 1 of Plugin V2").
 *
 * - The records are in a folder of the machine: `docker plugin rm` deletes a plugin's own folder
 *   (`propagatedMount`), and Docker does not create its networks again for the next plugin.
 * - `/run` is the machine's, as it has the files of namespaces. These are mounts, which appear and
 *   vanish while the plugin runs: `rslave` passes them on. Docker mounts the folder of the socket.
 * - `pidhost` shows the machine's processes. So the plugin finds namespaces without a file, and the
 *   processes of an `ipvlan` on the machine. `CAP_SYS_PTRACE` lets it enter any process's namespace.
 *
 * @param entrypoint The command line that starts the plugin; the first word is a path.
 */
export function managedConfig(
  entrypoint: readonly string[],
  env: Readonly<Record<string, string>>,
  { stateDir, version }: Pick<BundleOptions, "stateDir" | "version">,
): unknown {
  return {
    description: `${PLUGIN_NAME} ${version}: ipvlan networks`,
    interface: {
      types: ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"],
      socket: SOCKET.split("/").at(-1),
    },
    entrypoint,
    workdir: "/",
    network: { type: "host" },
    pidhost: true,
    env: Object.entries({ ...env, IPVLAN_STATE_DIR: STATE })
      .map(([name, value]) => ({ name, value })),
    mounts: [
      {
        name: "state",
        description: "the folder of the records; it has to exist",
        source: stateDir,
        destination: STATE,
        type: "bind",
        options: ["rbind"],
        settable: ["source"],
      },
      {
        name: "run",
        description: "the files of namespaces",
        source: "/run",
        destination: "/run",
        type: "bind",
        options: ["rbind", "rslave"],
      },
    ],
    linux: { capabilities: ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"] },
  };
}
