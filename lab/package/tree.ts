/**
 * Makes the archives of a package from a folder with its files.
 *
 * @module
 */
import { dirname } from "node:path";
import { LabError } from "../errors.ts";
import { runProgram } from "../program.ts";
import type { PackageFile } from "./files.ts";

/** Writes files below a folder. */
export async function writeFiles(folder: string, files: readonly PackageFile[]): Promise<void> {
  for (const { path, content, mode = 0o644 } of files) {
    const file = `${folder}/${path}`;
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(
      file,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
    await Deno.chmod(file, mode);
  }
}

/** A time that every file of an archive has, so that two builds are equal, in seconds since 1970. */
export interface BuildOptions {
  epoch: number;
  signal: AbortSignal;
}

/** Makes a Debian package of a folder with a folder `DEBIAN` in it (dpkg-deb(1)). */
export async function makeDeb(
  tree: string,
  file: string,
  { epoch, signal }: BuildOptions,
): Promise<void> {
  const words = [`SOURCE_DATE_EPOCH=${epoch}`, "dpkg-deb", "--root-owner-group", "-Zxz", "--build"];
  await succeed("env", [...words, tree, file], signal);
}

/** Makes an archive of a folder. Its files are in a folder of the archive's name. */
export async function makeArchive(
  tree: string,
  file: string,
  name: string,
  { epoch, signal }: BuildOptions,
): Promise<void> {
  const words = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"];
  const named = `--transform=flags=r;s,^\\.,${name},`;
  const pack = ["-C", tree, "--use-compress-program=gzip -n9", `--mtime=@${epoch}`, named];
  await succeed("tar", ["-cf", file, ...words, ...pack, "."], signal);
}

/** Runs a program, and returns its output. @throws {LabError} It failed. */
export async function succeed(
  program: string,
  words: string[],
  signal: AbortSignal,
): Promise<string> {
  const { ok, text } = await runProgram(program, words, { signal });
  if (!ok) throw new LabError(`${program} failed: ${text}`);
  return text;
}
