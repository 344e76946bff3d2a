// Writes files in folders that may belong to another user.
import { dirname } from "node:path";
import { nodeModule } from "./node.ts";

/**
 * Writes a file as a whole, with a mode that does not depend on the umask. A reader finds the old file
 * or the new one. It writes a temporary file with a name that nobody can guess, and renames it: so
 * another user's symbolic link is never followed, neither at the path nor at the temporary name.
 */
export function replaceFile(path: string, text: string, mode: number): void {
  const { closeSync, fchmodSync, openSync, writeFileSync } = nodeModule("node:fs");
  const fresh = freshPath(dirname(path));
  // With "x" it must not exist, also not as a link (`O_EXCL`, open(2)).
  const file = openSync(fresh, "wx", 0o600);
  try {
    try {
      writeFileSync(file, text);
      // By its descriptor: the name may belong to another file by now.
      fchmodSync(file, mode);
    } finally {
      closeSync(file);
    }
    Deno.renameSync(fresh, path);
  } catch (error) {
    removeIfThere(fresh);
    throw error;
  }
}

/** A folder, or the nearest one above it that exists. */
export function nearestFolder(path: string): string {
  return statOf(path) ? path : nearestFolder(dirname(path));
}

/**
 * Makes a file in a folder, writes to it, and removes it: on a full disk, a file can often be made, but
 * not be written.
 */
export function tryToWriteIn(folder: string): void {
  const path = freshPath(folder);
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  try {
    file.writeSync(new Uint8Array(4096));
  } finally {
    removeIfThere(path);
  }
}

/** Removes a file, unless the owner of the folder has done so. */
function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Then nothing is left.
  }
}

/** Makes an unused path whose name begins with a dot: programs that read whole folders skip it. */
function freshPath(folder: string): string {
  return `${folder}/.ipvlan-${crypto.randomUUID()}`;
}

/** The path of a program, as execvp(3) finds it: in the folders of `PATH`, or in others. */
export function findProgram(
  name: string,
  folders: readonly string[] = (Deno.env.get("PATH") ?? "").split(":"),
): string | undefined {
  return folders.map((folder) => `${folder || "."}/${name}`)
    .find((path) => {
      const stat = statOf(path);
      return stat?.isFile && ((stat.mode ?? 0) & 0o111) !== 0;
    });
}

/** Runs a function; `undefined` if a file that it needs does not exist. */
export function unlessMissing<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The text of a file without the space around it; empty if it cannot be read. */
export function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}

/** The status of a file; `undefined` if it does not exist or may not be read. */
export function statOf(path: string, look = Deno.statSync): Deno.FileInfo | undefined {
  try {
    return look(path);
  } catch (error) {
    const { FilesystemLoop, NotFound, NotADirectory, PermissionDenied } = Deno.errors;
    const isMissing = [FilesystemLoop, NotFound, NotADirectory, PermissionDenied]
      .some((kind) => error instanceof kind);
    // No file can have such a name.
    const isNoName = path.includes("\0") || (error as { code?: string }).code === "ENAMETOOLONG";
    if (isMissing || isNoName) return undefined;
    throw error;
  }
}

/** The same without following a link. */
export function lstatOf(path: string): Deno.FileInfo | undefined {
  return statOf(path, Deno.lstatSync);
}
