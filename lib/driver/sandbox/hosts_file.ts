// The hosts files of `/etc/netns`. Each is in a folder of the driver, with a hard link where
// `ip netns exec` finds it. So the driver knows its files by the inode, whatever root in the sandbox
// writes into them.
import { lstatOf } from "../../base/files.ts";
import { Buffer } from "node:buffer";
import { basename, dirname } from "node:path";
import { editHosts, HEAD, type HostsEdit } from "./hosts_plan.ts";

/** The beginning of each file that the driver, or an earlier version of it, has written. */
const BEGINNING = HEAD.slice(0, "# Written by ipvlan-kit".length);

/** The modes of folders and files: any program in the sandbox may read them. */
const [FOLDER_MODE, FILE_MODE] = [0o755, 0o644];

/** The most bytes that a file may have: root in the sandbox can write any number. */
const MOST_BYTES = 16 << 20;

interface Paths {
  own: string;
  path: string;
  home: string;
  /** Where `ip netns exec` finds the file. */
  place: string;
}

interface OpenFile {
  /** Opened for appending. */
  file: Deno.FsFile;
  /** The driver's lines in it, if that is known. */
  text?: string;
  size: number;
}

/**
 * Writes the hosts files of sandboxes in place, as processes in the sandboxes have them mounted.
 *
 * A sandbox that joins a network adds a line to the files of all others there. So the files stay open,
 * and a line is appended without reading a file, if its size is that after the last write.
 */
export class HostsWriter implements Disposable {
  readonly #id = crypto.randomUUID();
  readonly #open = new Map<string, OpenFile>();
  readonly #editOf = remembering(editHosts);

  /** @param folder Where `ip netns exec NAME` finds the files that it mounts over `/etc`. */
  constructor(private readonly folder = "/etc/netns", private readonly mostOpen = 1024) {}

  /** Forgets the content of the files if another process has written. Hold the lock for it. */
  begin(lock: string): void {
    if (Deno.readTextFileSync(lock) === this.#id) return;
    this[Symbol.dispose]();
    Deno.writeTextFileSync(lock, this.#id);
  }

  /** Writes the driver's lines into a sandbox's file. A file that the driver did not make stays. */
  write(sandbox: string, text: string): void {
    const open = this.#opened(sandbox);
    if (!open) return;
    const { file } = open;
    try {
      if (open.text !== undefined && text.startsWith(open.text)) {
        const missing = text.slice(open.text.length);
        writeAll(file, missing);
        open.size += missing.length;
      } else {
        const { path, place } = this.#pathsOf(sandbox);
        const old = readAll(file, place);
        const edit = this.#editOf(old, text);
        if (edit.at === old.length) writeAll(file, edit.tail);
        else rewrite(path, edit);
        open.size = edit.size;
      }
      open.text = text;
    } catch (error) {
      this.#close(sandbox);
      throw error;
    }
    if (this.#open.size > this.mostOpen) this.#close(sandbox);
  }

  /** Removes a sandbox's file, and its folder if that is empty then. */
  remove(sandbox: string): void {
    this.#close(sandbox);
    const { own, path, home, place } = this.#pathsOf(sandbox);
    const found = lstatOf(place);
    if (found && (isSame(found, lstatOf(path)) || isOurs(place, found))) Deno.removeSync(place);
    // Also without a file: a driver that was killed may have left an empty folder.
    removeIfEmpty(home);
    if (lstatOf(path)) Deno.removeSync(path);
    removeIfEmpty(own);
  }

  [Symbol.dispose](): void {
    for (const sandbox of this.#open.keys()) this.#close(sandbox);
  }

  /** The open file. It is opened again if another program has changed it: {@linkcode openFile}. */
  #opened(sandbox: string): OpenFile | undefined {
    const kept = this.#open.get(sandbox);
    const { size, nlink, mode } = kept?.file.statSync() ?? {};
    if (size === kept?.size && nlink === 2 && (mode! & 0o777) === FILE_MODE) return kept;
    this.#close(sandbox);
    const file = openFile(this.#pathsOf(sandbox));
    if (!file) return undefined;
    const open = { file, size: 0 };
    this.#open.set(sandbox, open);
    return open;
  }

  #pathsOf(sandbox: string): Paths {
    // No namespace has this name: a name does not start with a dot.
    const own = `${this.folder}/.ipvlan-kit`;
    const home = `${this.folder}/${sandbox}`;
    return { own, path: `${own}/@${sandbox}`, home, place: `${home}/hosts` };
  }

  #close(sandbox: string): void {
    this.#open.get(sandbox)?.file.close();
    this.#open.delete(sandbox);
  }
}

/** Returns a function that remembers its last result: the files of most sandboxes are alike. */
function remembering(run: typeof editHosts): typeof editHosts {
  let last: { old: string; text: string; result: HostsEdit } | undefined;
  return (old, text) => {
    if (last?.old !== old || last.text !== text) last = { old, text, result: run(old, text) };
    return last.result;
  };
}

/** Opens a sandbox's file, or makes it; `undefined` if another program has made one there. */
function openFile({ own, path, home, place }: Paths): Deno.FsFile | undefined {
  using stack = new DisposableStack();
  const file = stack.use(openOwn(own, path));
  const stat = file.statSync();
  if ((stat.mode! & 0o777) !== FILE_MODE) Deno.chmodSync(path, FILE_MODE);
  const found = lstatOf(place);
  if (!found || found.isDirectory) {
    makeFolders(home);
    Deno.linkSync(path, place);
  } else if (!isSame(found, stat)) {
    if (!isOurs(place, found)) return undefined;
    const fresh = `${own}/new@${basename(home)}`;
    if (lstatOf(fresh)) Deno.removeSync(fresh);
    Deno.linkSync(path, fresh);
    Deno.renameSync(fresh, place);
  }
  stack.move();
  return file;
}

function openOwn(own: string, path: string): Deno.FsFile {
  const found = lstatOf(path);
  if (found?.isFile) {
    const file = Deno.openSync(path, { read: true, append: true });
    if (isSame(file.statSync(), found)) return file;
    file.close();
  }
  makeFolders(own);
  if (lstatOf(path)) Deno.removeSync(path);
  return Deno.openSync(path, { read: true, append: true, createNew: true, mode: FILE_MODE });
}

/** Writes into the middle of a file, which a file opened for appending cannot. */
function rewrite(path: string, { at, tail, size }: HostsEdit): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  writeAll(file, tail);
  // Shorten the file last: in a file emptied first, a process would find no names. Blank lines stay if
  // root in the sandbox has appended lines meanwhile.
  if (file.statSync().size === at + tail.length) file.truncateSync(size);
}

/** Reads a file, with a character for each byte. */
function readAll(file: Deno.FsFile, shown: string): string {
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size > MOST_BYTES) throw new Error(`${shown} has ${size} bytes, more than ${MOST_BYTES}`);
  const bytes = new Uint8Array(size);
  file.seekSync(0, Deno.SeekMode.Start);
  let done = 0;
  for (let read; (read = file.readSync(bytes.subarray(done)));) done += read;
  return Buffer.from(bytes.buffer, 0, done).toString("latin1");
}

function writeAll(file: Deno.FsFile, text: string): void {
  const bytes = Buffer.from(text, "latin1");
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

function makeFolders(folder: string): void {
  for (const path of [dirname(folder), folder]) {
    try {
      Deno.mkdirSync(path);
      Deno.chmodSync(path, FOLDER_MODE);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

function removeIfEmpty(folder: string): void {
  if (!lstatOf(folder)?.isDirectory) return;
  try {
    Deno.removeSync(folder);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOTEMPTY") throw error;
  }
}

/** Whether the driver has written a file. A killed driver may have written part of the first line. */
function isOurs(path: string, { isFile }: Deno.FileInfo): boolean {
  if (!isFile) return false;
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(BEGINNING.length);
  const text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  return BEGINNING.startsWith(text);
}

function isSame(one: Deno.FileInfo, other: Deno.FileInfo | undefined): boolean {
  return one.dev === other?.dev && one.ino === other.ino;
}
