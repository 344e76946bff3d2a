/**
 * Fetches Debian packages into a cache of the lab's own: nothing is installed, and nothing outside
 * the cache changes. Works for an ordinary user, and on a machine without package lists.
 *
 * @module
 */
import { LabError, MissingError } from "./errors.ts";
import { exists, which } from "./machine.ts";

/** The name of a package that can be fetched. */
export type PackageName =
  | "user-mode-linux"
  | "busybox-static"
  | "radvd"
  | "containernetworking-plugins";

/** The file of each package that it is needed for: without it the package is not whole. */
const NEEDED: Record<PackageName, string> = {
  "user-mode-linux": "usr/bin/linux.uml",
  "busybox-static": "bin/busybox",
  "radvd": "usr/sbin/radvd",
  "containernetworking-plugins": "usr/lib/cni/ipvlan",
};

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

/**
 * Makes sure that packages are in the cache, and returns the folder of each, which looks like a
 * root folder with that package's files.
 *
 * @throws {MissingError} if one cannot be fetched.
 */
export async function fetchPackages<N extends PackageName>(
  names: readonly N[],
  say: (line: string) => void,
): Promise<Record<N, string>> {
  const cache = cacheFolder(Deno.env.toObject());
  const folders = Object.fromEntries(names.map((name) => [name, `${cache}/${name}`]));
  if (names.some((name) => !isWhole(cache, name))) await fill(cache, names, say);
  return folders as Record<N, string>;
}

function isWhole(cache: string, name: PackageName): boolean {
  return exists(`${cache}/${name}/${NEEDED[name]}`);
}

/** Fetches what is missing, one lab at a time. */
async function fill(
  cache: string,
  names: readonly PackageName[],
  say: (line: string) => void,
): Promise<void> {
  try {
    await Deno.mkdir(cache, { recursive: true });
  } catch (cause) {
    throw new LabError(`Cannot make the lab's cache in ${cache}; set IPVLAN_LAB_CACHE`, { cause });
  }
  using lock = await Deno.open(`${cache}/lock`, { write: true, create: true });
  await lock.lock(true);

  // Another lab may have fetched them while this one waited for the lock.
  const missing = names.filter((name) => !isWhole(cache, name));
  if (missing.length === 0) return;
  // Left by a fetch that was killed: with the lock in hand, nobody is using it.
  for await (const { name } of Deno.readDir(cache)) {
    if (name.startsWith("fetch-")) await Deno.remove(`${cache}/${name}`, { recursive: true });
  }
  const temp = await Deno.makeTempDir({ dir: cache, prefix: "fetch-" });
  try {
    say(`fetching ${missing.join(", ")} into ${cache}`);
    await download(temp, missing, say);
    for await (const { name: file } of Deno.readDir(temp)) {
      const name = missing.find((name) => file.startsWith(`${name}_`));
      if (!name) continue;
      const { ok, text } = await run("dpkg", ["-x", `${temp}/${file}`, `${temp}/${name}`]);
      if (!ok) throw new LabError(`Cannot unpack ${file}: ${text}`);
      // Whole or not there at all: what is there under its final name is complete.
      if (exists(`${cache}/${name}`)) await Deno.remove(`${cache}/${name}`, { recursive: true });
      await Deno.rename(`${temp}/${name}`, `${cache}/${name}`);
    }
    const absent = missing.filter((name) => !isWhole(cache, name));
    if (absent.length > 0) {
      throw new LabError(`The fetched package ${absent[0]} has no ${NEEDED[absent[0]!]}`);
    }
  } finally {
    await Deno.remove(temp, { recursive: true });
  }
}

async function download(
  temp: string,
  names: readonly PackageName[],
  say: (line: string) => void,
): Promise<void> {
  const advice = `connect to the network, or install them yourself (apt-get install ${
    names.join(" ")
  })`;
  // apt's own cache is kept out of /var; without a sandbox user it does not warn that `_apt` may
  // not enter the folder.
  const options = ["-q", "-o", "APT::Sandbox::User=root", "-o", `Dir::Cache=${temp}/cache`];
  await Deno.mkdir(`${temp}/cache/archives/partial`, { recursive: true });
  const progress = setInterval(() => say(`fetched ${megabytes(temp)} MB so far`), 5000);
  try {
    let got = await run("apt-get", [...options, "download", ...names], temp);
    if (got.ok) return;
    // No package lists, or old ones: lists of our own need no root.
    await Deno.mkdir(`${temp}/lists/partial`, { recursive: true });
    options.push("-o", `Dir::State::Lists=${temp}/lists`, "-o", "Debug::NoLocking=1");
    say("the machine's package lists do not do; fetching some");
    const update = await run("apt-get", [...options, "update"], temp);
    got = await run("apt-get", [...options, "download", ...names], temp);
    if (got.ok) return;
    const said = `${update.text}\n${got.text}`.split("\n").find((line) => /^[EW]: /.test(line));
    throw new MissingError(
      `Cannot fetch ${names.join(", ")}${said ? ` (${said.slice(3)})` : ""}`,
      advice,
    );
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new MissingError(
      `This machine has no apt-get to fetch ${names.join(", ")} with`,
      "install them yourself, or choose another engine with --engine",
      { cause },
    );
  } finally {
    clearInterval(progress);
  }
}

/** Runs a program that must not outlive the lab; the text is what it said, both streams. */
async function run(
  program: string,
  args: string[],
  cwd?: string,
): Promise<{ ok: boolean; text: string }> {
  // setpriv would report a missing program on its own: ask first.
  if (!which(program)) throw new Deno.errors.NotFound(program);
  const output = await new Deno.Command("setpriv", {
    args: ["--pdeathsig", "TERM", program, ...args],
    cwd,
    env: { LC_ALL: "C.UTF-8" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(output.stderr) + decoder.decode(output.stdout);
  return { ok: output.success, text: text.trim() };
}

function megabytes(folder: string): number {
  let bytes = 0;
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (isFile) bytes += Deno.statSync(`${folder}/${name}`).size;
  }
  return Math.round(bytes / 1e6);
}
