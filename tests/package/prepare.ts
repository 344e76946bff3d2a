/**
 * Makes what the tests of packages need from the network: the packages, and Debian's roots.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import metadata from "../../deno.json" with { type: "json" };
import { type DebianRelease, debianSources, KEYRING, LIST_SOURCES } from "../../lab/fetch/apt.ts";
import { cacheFolder, makeInCache } from "../../lab/fetch/cache.ts";
import { fetchFolders } from "../../lab/fetch/fetch.ts";
import { exists } from "../../lab/machine.ts";
import { succeed } from "../kit/processes.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const say = (line: string): void => console.error(`test:package: ${line}`);

/** The releases of Debian that the package is installed in. */
export const RELEASES = ["bullseye", "bookworm", "trixie"] as const;

/** The first version, from which an upgrade must be possible, and its commit. */
const FIRST = "2449b41";

/** The path of a package. @param end Its end: `amd64.deb`. */
export function packagePath(end: string): string {
  return `${ROOT}/dist/ipvlan-kit_${metadata.version}_${end}`;
}

/** The folder of what is prepared, in the lab's cache. */
function prepared(name: string): string {
  return `${cacheFolder(Deno.env.toObject())}/package/${name}`;
}

/**
 * The folder of a release's root, as mmdebstrap(1) makes it; of one that has lintian(1); or of
 * arm64's libraries.
 */
export function rootPath(name: DebianRelease | "lintian" | "arm64"): string {
  return prepared(`root-${name}`);
}

/** The checkout of the first version. */
export const FIRST_CHECKOUT: string = prepared("first");

/** Makes a folder of its own, whole or not at all, unless it is there. */
async function make(folder: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
  const isDone = () => exists(folder);
  if (isDone()) return;
  await Deno.mkdir(dirname(folder), { recursive: true });
  await makeInCache(folder, { say }, isDone, async ({ output }) => {
    say(`making ${folder}`);
    await Deno.mkdir(output);
    await fill(output);
  });
}

/** Makes a root of Debian with some packages. It belongs to the user, as the lab changes it in memory. */
async function makeRoot(
  folder: string,
  release: DebianRelease,
  packages: readonly string[],
  options: readonly string[] = ["--variant=minbase"],
): Promise<void> {
  // Before, as both lock the cache.
  const [tool] = await fetchFolders(["mmdebstrap"], { say });
  await make(folder, async (unfinished) => {
    const targets = await succeed("apt-get", ...LIST_SOURCES);
    const sources = debianSources(release, KEYRING, targets).trimEnd();
    const tar = `${unfinished}.tar`;
    const words = [`--include=${packages.join(",")}`, release, tar, sources];
    await succeed("perl", `${tool}/usr/bin/mmdebstrap`, ...options, ...words);
    await succeed("tar", "-C", unfinished, "--no-same-owner", "--exclude=./dev/*", "-xf", tar);
    await Deno.remove(tar);
  });
}

/** The command that runs a program of arm64 on this machine. */
export async function arm64(): Promise<string[]> {
  const [folder] = await fetchFolders(["qemu-user-static"], { say });
  return [`${folder}/usr/bin/qemu-aarch64-static`, "-L", rootPath("arm64")];
}

/** Makes the packages and everything else. */
export async function prepare(): Promise<void> {
  say("making the packages");
  await succeed(Deno.execPath(), "task", "--cwd", ROOT, "package");
  // What the package depends on, and ping(8) for the README's lines.
  const needed = ["iproute2", "libgcc-s1", "iputils-ping"];
  for (const release of RELEASES) await makeRoot(rootPath(release), release, needed);
  await makeRoot(rootPath("lintian"), "bookworm", ["lintian"]);
  await makeRoot(rootPath("arm64"), "bookworm", ["libgcc-s1"], [
    "--variant=extract",
    "--architectures=arm64",
  ]);
  await make(FIRST_CHECKOUT, async (unfinished) => {
    const script = 'git -C "$1" archive "$2" | tar -x -C "$3"';
    await succeed("bash", "-o", "pipefail", "-c", script, "bash", ROOT, FIRST, unfinished);
  });
  await succeed(Deno.execPath(), "cache", "--quiet", `${FIRST_CHECKOUT}/cli.ts`);
}
