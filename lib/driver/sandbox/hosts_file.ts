/**
 * The files of `/etc/netns`. Each hosts file is in a folder of the driver's, and is linked (hard
 * links) to the places where `ip netns exec` finds it, one for each sandbox that shares it.
 *
 * @module
 */
import { MARK } from "./hosts_plan.ts";

/**
 * Where `ip netns exec NAME` finds the files that it mounts over those of `/etc` (ip-netns(8)).
 */
const FOLDER = "/etc/netns";

/** Where the shared files are. No namespace has this name, as a dot is never the first letter. */
const SHARED = `${FOLDER}/.ipvlan-kit`;

/** The modes of folders and files: any program in the sandbox may read them. */
const [FOLDER_MODE, FILE_MODE] = [0o755, 0o644];

/** A shared file that was found or written. */
export interface SharedFile {
  /** Its path. */
  path: string;
  /** Its inode. */
  ino: number | null;
}

/**
 * Writes a shared file in place. Processes that run in the sandboxes have this file mounted, and
 * would not see a new file with the same name.
 */
export function writeShared(key: string, text: string): SharedFile {
  const path = pathOf(key);
  using file = openShared(path);
  const { ino, size, mode } = file.statSync();
  const current = new TextDecoder().decode(readAll(file, size));
  if ((mode ?? 0) % 0o1000 !== FILE_MODE) Deno.chmodSync(path, FILE_MODE);
  if (current === text) return { path, ino };
  if (text.startsWith(current)) {
    // The file was read to its end, so this appends.
    writeAll(file, encode(text.slice(current.length)));
    return { path, ino };
  }
  const bytes = encode(text);
  file.seekSync(0, Deno.SeekMode.Start);
  writeAll(file, bytes);
  // Shorten the file last. If it were emptied first, a process could find no names in it.
  file.truncateSync(bytes.length);
  return { path, ino };
}

/** How many sandboxes a shared file is linked to. */
export function countSandboxes({ path }: SharedFile): number {
  return (Deno.statSync(path).nlink ?? 1) - 1;
}

/** Removes a shared file that no sandbox has any more, if it exists; and the folder with the last. */
export function removeShared(key: string): void {
  absent(() => Deno.removeSync(pathOf(key)));
  if (isEmpty(SHARED)) Deno.removeSync(SHARED);
}

/**
 * Links a shared file to where `ip netns exec` finds it. A file that the driver did not write stays.
 *
 * @returns The inode of the file that it replaces, if it does.
 */
export function linkHosts(sandbox: string, shared: SharedFile): number | undefined {
  const path = fileOf(sandbox);
  const present = inodeOf(path);
  if (present === shared.ino) return undefined;
  if (present === undefined) {
    makeFolders(`${FOLDER}/${sandbox}`);
    Deno.linkSync(shared.path, path);
    return undefined;
  }
  if (!isOurs(Deno.readTextFileSync(path))) return undefined;
  const fresh = pathOf(`new@${sandbox}`);
  absent(() => Deno.removeSync(fresh));
  Deno.linkSync(shared.path, fresh);
  Deno.renameSync(fresh, path);
  return present;
}

/** Removes a sandbox's hosts file, and its folder if that is empty then. */
export function removeHosts(sandbox: string): void {
  const current = absent(() => Deno.readTextFileSync(fileOf(sandbox)));
  if (current !== undefined && isOurs(current)) Deno.removeSync(fileOf(sandbox));
  // Also without a file: a driver that was killed may have left an empty folder.
  if (isEmpty(`${FOLDER}/${sandbox}`)) Deno.removeSync(`${FOLDER}/${sandbox}`);
}

/** The path of a sandbox's file. */
export function fileOf(sandbox: string): string {
  return `${FOLDER}/${sandbox}/hosts`;
}

function pathOf(key: string): string {
  return `${SHARED}/${key}`;
}

/** Opens a shared file. Makes it and its folder, with modes that do not depend on the umask. */
function openShared(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  makeFolders(SHARED);
  return Deno.openSync(path, { read: true, write: true, create: true });
}

/** Makes a folder, and the one that all are in. */
function makeFolders(folder: string): void {
  for (const path of [FOLDER, folder]) {
    try {
      Deno.mkdirSync(path);
      Deno.chmodSync(path, FOLDER_MODE);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

function readAll(file: Deno.FsFile, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let done = 0;
  for (let read; (read = file.readSync(bytes.subarray(done))) && read > 0;) done += read;
  return bytes.subarray(0, done);
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The inode of a file; `undefined` if it does not exist. */
function inodeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).ino ?? undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a folder exists and has nothing in it. */
function isEmpty(folder: string): boolean {
  return absent(() => Deno.readDirSync(folder)[Symbol.iterator]().next().done) === true;
}

/** Whether the driver has written a file. If it was killed, the file may end in the first line. */
function isOurs(text: string): boolean {
  return text.startsWith(MARK) || MARK.startsWith(text);
}

/** What a function returns; `undefined` if there is no such file, or no such folder. */
function absent<T>(run: () => T): T | undefined {
  const { NotFound, NotADirectory, IsADirectory } = Deno.errors;
  try {
    return run();
  } catch (error) {
    if ([NotFound, NotADirectory, IsADirectory].some((kind) => error instanceof kind)) {
      return undefined;
    }
    throw error;
  }
}
