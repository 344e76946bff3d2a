/**
 * Fills the folder `lab/.guest`, which Vagrant copies into the machine with the project: Deno and npm
 * packages, which the machine would otherwise download.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";
import { exists } from "../machine.ts";

/** An npm package in the output of `deno info --json`. */
interface NpmPackage {
  /** Its folder in Deno's cache. It does not exist if the package was not fetched. */
  localPath: string;
}

/** The path of `lab/.guest`. The project has to be a clone on this machine. */
export function carriedFolder(): string {
  return fileURLToPath(new URL("../.guest", import.meta.url));
}

/**
 * Copies into the folder the npm packages that the project imports, from Deno's cache, and if this
 * machine runs Linux, its Deno, too.
 */
export async function fillCarriedFolder(): Promise<void> {
  const folder = carriedFolder();
  await Deno.mkdir(folder, { recursive: true });
  if (Deno.build.os === "linux") await copyIfChanged(Deno.execPath(), `${folder}/deno`);
  const program = fileURLToPath(new URL("../../scenarios/main.ts", import.meta.url));
  const { npmCache } = await info<{ npmCache: string }>();
  const { npmPackages } = await info<{ npmPackages: Record<string, NpmPackage> }>(program);
  for (const { localPath } of Object.values(npmPackages)) {
    if (!exists(localPath)) continue;
    const to = `${folder}/deno_dir/npm${localPath.slice(npmCache.length)}`;
    if (!exists(to)) await copyFolder(localPath, to);
    // The folder above has a list of the versions. It does not exist if the lock file has them all.
    const [from, copy] = [localPath, to].map((path) => path.replace(/[^/\\]+$/, "registry.json"));
    if (exists(from!)) await copyIfChanged(from!, copy!);
  }
}

/** Returns the output of `deno info --json`. */
async function info<T>(...roots: string[]): Promise<T> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...roots],
  }).output();
  if (!success) {
    throw new LabError(
      `Cannot list the imports of the project: ${new TextDecoder().decode(stderr).trim()}`,
    );
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Copies a file unless the copy has the same size and time. rsync(1) compares these, too. */
async function copyIfChanged(from: string, to: string): Promise<void> {
  const { size, mtime } = await Deno.stat(from);
  const copy = exists(to) ? await Deno.stat(to) : undefined;
  if (copy?.size === size && copy.mtime?.getTime() === mtime?.getTime()) return;
  await Deno.copyFile(from, to);
  if (mtime) await Deno.utime(to, mtime, mtime);
}

/** Copies a folder completely or not at all. */
async function copyFolder(from: string, to: string): Promise<void> {
  const partial = `${to}.partial`;
  if (exists(partial)) await Deno.remove(partial, { recursive: true });
  const copy = async (from: string, to: string) => {
    await Deno.mkdir(to, { recursive: true });
    for await (const { name, isDirectory } of Deno.readDir(from)) {
      if (isDirectory) await copy(`${from}/${name}`, `${to}/${name}`);
      else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    }
  };
  await copy(from, partial);
  await Deno.rename(partial, to);
}
