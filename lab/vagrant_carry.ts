/**
 * What is sent along with the project into a Vagrant machine, in `lab/.guest`: nothing else is
 * needed there to run the scenarios, so that there need not be a network.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { LabError } from "./errors.ts";
import { exists } from "./machine.ts";

/** A package of npm in what `deno info --json` prints. */
interface NpmPackage {
  /** Its folder in Deno's cache; not there when it was not fetched. */
  localPath: string;
}

/** The folder, in the project, which has to be a clone on this machine. */
export function carriedFolder(): string {
  return fileURLToPath(new URL(".guest", import.meta.url));
}

/**
 * Puts there this machine's Deno, where the other one may be able to run it, and those packages
 * of npm out of Deno's cache that the project imports.
 */
export async function carry(): Promise<void> {
  const folder = carriedFolder();
  await Deno.mkdir(folder, { recursive: true });
  if (Deno.build.os === "linux") await copyIfOther(Deno.execPath(), `${folder}/deno`);
  const program = fileURLToPath(new URL("../scenarios/main.ts", import.meta.url));
  const { npmCache } = await info<{ npmCache: string }>();
  const { npmPackages } = await info<{ npmPackages: Record<string, NpmPackage> }>(program);
  for (const { localPath } of Object.values(npmPackages)) {
    if (!exists(localPath)) continue;
    const to = `${folder}/deno_dir/npm${localPath.slice(npmCache.length)}`;
    if (!exists(to)) await copyFolder(localPath, to);
    // Which versions there are, in the folder above; not fetched where the lock file has them all.
    const [from, copy] = [localPath, to].map((path) => path.replace(/[^/\\]+$/, "registry.json"));
    if (exists(from!)) await copyIfOther(from!, copy!);
  }
}

async function info<T>(...roots: string[]): Promise<T> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...roots],
  }).output();
  if (!success) {
    throw new LabError(
      `Cannot tell what the project imports: ${new TextDecoder().decode(stderr).trim()}`,
    );
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Copies a file unless there is a copy of that size and time already, which rsync(1) looks at, too. */
async function copyIfOther(from: string, to: string): Promise<void> {
  const { size, mtime } = await Deno.stat(from);
  const there = exists(to) ? await Deno.stat(to) : undefined;
  if (there?.size === size && there.mtime?.getTime() === mtime?.getTime()) return;
  await Deno.copyFile(from, to);
  if (mtime) await Deno.utime(to, mtime, mtime);
}

/** Copies a folder: whole, or not at all. */
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
