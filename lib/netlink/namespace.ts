// Network namespaces: entered, made, named and deleted, as ip-netns(8) does.
import { unlessMissing } from "../base/files.ts";
import { isGranted } from "../base/permissions.ts";
import { cString, ERRNO, type Libc, OPEN, type OpenFile } from "./libc.ts";

const CLONE_NEWNET = 0x4000_0000;
const LOCK_EX = 2;
const MNT_DETACH = 2;
const MS = { BIND: 0x1000, REC: 0x4000, PRIVATE: 1 << 18, SHARED: 1 << 20 } as const;

const FOLDER = "/run/netns";

/** The namespace of this thread. `/proc/self` is that of the first thread. */
const OWN = "/proc/thread-self/ns/net";

let own: OpenFile | undefined;

/**
 * Runs a function while this thread is in another network namespace. It must be synchronous. What it
 * opens stays in that namespace. If the thread cannot come back, the process ends at once.
 *
 * @param enter The call that goes there, which returns 0.
 * @param what What has failed if it does not.
 */
function away<T>(libc: Libc, enter: () => number, what: string, run: () => T): T {
  // This process always comes back, so its namespace stays the same.
  own ??= libc.open(OWN, OPEN.RDONLY);
  if (enter() !== 0) throw libc.error(what);
  try {
    return run();
  } finally {
    if (libc.calls.setns(own.fd, CLONE_NEWNET) !== 0) {
      console.error("ipvlan: Cannot return to the network namespace");
      Deno.exit(1);
    }
  }
}

/** Opens the file of a namespace. @throws {SystemError} The message is that of `ip`. */
export function openNamespace(libc: Libc, path: string, name: string): OpenFile {
  return libc.open(path, OPEN.RDONLY, `Cannot open network namespace "${name}"`);
}

/** Runs a synchronous function in a namespace, whose name is for messages. They are those of `ip`. */
export function inNamespace<T>(libc: Libc, path: string, name: string, run: () => T): T {
  using file = openNamespace(libc, path, name);
  const what = `setting the network namespace "${name}" failed`;
  return away(libc, () => libc.calls.setns(file.fd, CLONE_NEWNET), what, run);
}

/** Makes a namespace with a name. @throws {SystemError} The name is taken, or a right is missing. */
export function makeNamespace(libc: Libc, name: string): void {
  const what = `Failed to create a new network namespace "${name}"`;
  withNewFile(libc, name, (path) => {
    away(libc, () => libc.calls.unshare(CLONE_NEWNET), what, () => bind(libc, OWN, path));
  });
}

/** Gives the namespace of a process a name. @throws {SystemError} There is no such process, … */
export function nameNamespace(libc: Libc, name: string, pid: number): void {
  withNewFile(libc, name, (path) => bind(libc, `/proc/${pid}/ns/net`, path));
}

/** Deletes a name. @throws {SystemError} There is none. */
export function deleteName(libc: Libc, name: string): void {
  const path = `${FOLDER}/${name}`;
  // It fails if the file leads to no namespace any more. Then the file is deleted all the same.
  libc.calls.umount2(cString(path), MNT_DETACH);
  if (libc.calls.unlink(cString(path)) !== 0) {
    throw libc.error(`Cannot remove namespace file "${path}"`);
  }
}

/** The names in the folder; `undefined` if this process may not read it. */
export function namesOfNamespaces(): string[] | undefined {
  if (!isGranted({ name: "read", path: FOLDER })) return undefined;
  // Without the folder, no namespace has had a name yet.
  return unlessMissing(() => Array.from(Deno.readDirSync(FOLDER), ({ name }) => name)) ?? [];
}

/** Makes a file and mounts a namespace on it. If that fails, the file is removed again. */
function withNewFile(libc: Libc, name: string, mount: (path: string) => void): void {
  makeFolder(libc);
  const path = `${FOLDER}/${name}`;
  const what = `Cannot create namespace file "${path}"`;
  libc.open(path, OPEN.RDONLY | OPEN.CREAT | OPEN.EXCL, what)[Symbol.dispose]();
  try {
    mount(path);
  } catch (error) {
    libc.calls.unlink(cString(path));
    throw error;
  }
}

/**
 * Makes the folder of the named namespaces, as a mount that is shared with other mount namespaces: a
 * name that goes in one then goes in all. Two programs that do so at once would mount it twice, so
 * both lock it.
 */
function makeFolder(libc: Libc): void {
  const folder = cString(FOLDER);
  const none = cString("none");
  if (libc.calls.mkdir(folder, 0o755) !== 0) {
    const error = libc.error(`mkdir ${FOLDER} failed`);
    if (error.errno !== ERRNO.EEXIST) throw error;
  }
  const mount = (source: string, flags: number, what: string) => {
    const done = libc.calls.mount(cString(source), folder, none, BigInt(flags), null) === 0;
    return done ? undefined : libc.error(`mount --${what} ${FOLDER} failed`);
  };
  const share = () => mount("", MS.SHARED | MS.REC, "make-shared");
  using lock = libc.open(FOLDER, OPEN.RDONLY);
  libc.calls.flock(lock.fd, LOCK_EX);
  const problem = share();
  if (!problem) return;
  if (problem.errno !== ERRNO.EINVAL) throw problem;
  // It is no mount yet. A private one gets its own group of peers when it is shared.
  const failed = mount(FOLDER, MS.BIND | MS.REC, "bind") ??
    mount(FOLDER, MS.PRIVATE | MS.REC, "make-private") ?? share();
  if (failed) throw failed;
}

function bind(libc: Libc, from: string, to: string): void {
  const done = libc.calls.mount(cString(from), cString(to), cString("none"), BigInt(MS.BIND), null);
  if (done === 0) return;
  throw libc.error(`Bind ${from.replace("thread-", "")} -> ${to} failed`);
}
