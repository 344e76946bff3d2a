// The C library: the system calls that Deno has no function for.
//
// All calls are synchronous and run on the thread of the script. So a stretch of calls is never
// interrupted by other code of the script, and a killed process leaves no call behind.
import { invalidOption } from "../base/errors.ts";
import { isGranted } from "../base/permissions.ts";

const SYMBOLS = {
  __errno_location: { parameters: [], result: "pointer" },
  close: { parameters: ["i32"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  mount: { parameters: ["buffer", "buffer", "buffer", "usize", "pointer"], result: "i32" },
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  strerror: { parameters: ["i32"], result: "pointer" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  unshare: { parameters: ["i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions that are used, as the C library has them. */
export type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** The names of the C library: glibc, and musl on the processors that Deno runs on. */
const NAMES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/** The number of the error of a call that a signal has interrupted. */
export const EINTR = 4;

/** The numbers of the errors that callers tell apart (`include/uapi/asm-generic/errno.h`). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
} as const;

/** A call or a request that failed. The message is the reason, as `ip` prints it. */
export class SystemError extends Error {
  override name = "SystemError";

  constructor(readonly errno: number, message: string) {
    super(message);
  }
}

/** Runs a function. Returns `undefined` if it fails with one of some errors. */
export function unlessErrno<T>(errnos: readonly number[], run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof SystemError && errnos.includes(error.errno)) return undefined;
    throw error;
  }
}

/** The open flags that are used (`include/uapi/asm-generic/fcntl.h`). */
export const OPEN = { RDONLY: 0, WRONLY: 1, CREAT: 0o100, EXCL: 0o200 } as const;

/** Programs do not inherit the file, and a pipe in the place of a file does not block the thread. */
const [O_CLOEXEC, O_NONBLOCK] = [0o2000000, 0o4000];

export class Libc {
  /** The functions, which return -1 for an error. */
  readonly calls: Calls;
  readonly #errno: Deno.UnsafePointerView;

  constructor(calls: Calls) {
    this.calls = calls;
    // Each thread has its own number at its own address.
    this.#errno = new Deno.UnsafePointerView(calls.__errno_location()!);
  }

  /** The error of a call, by default of one that has just returned -1. @param what What has failed. */
  error(what: string, errno: number = this.#errno.getInt32()): SystemError {
    const text = Deno.UnsafePointerView.getCString(this.calls.strerror(errno)!);
    return new SystemError(errno, `${what}: ${text}`);
  }

  /** Opens a file. @throws {SystemError} */
  open(path: string, flags: number, what = `Cannot open ${path}`): OpenFile {
    const fd = this.calls.open(cString(path), flags | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) throw this.error(what);
    return new OpenFile(this, fd);
  }
}

export class OpenFile implements Disposable {
  constructor(readonly libc: Libc, readonly fd: number) {}

  [Symbol.dispose](): void {
    this.libc.calls.close(this.fd);
  }
}

/** A text as C has it: in UTF-8, with a NUL at its end. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** The C library; or the reason why this process cannot use it, such as a missing permission. */
export interface OpenedLibc {
  libc?: Libc;
  reason?: string;
  fix?: string;
}

let opened: OpenedLibc | undefined;

/** Opens the C library, once. */
export function openLibc(): OpenedLibc {
  return opened ??= tryToOpen();
}

function tryToOpen(): OpenedLibc {
  if (!isGranted({ name: "ffi" })) {
    return { reason: "the permission --allow-ffi is missing", fix: "start Deno with --allow-ffi" };
  }
  let reason = "";
  for (const name of NAMES) {
    try {
      return { libc: new Libc(Deno.dlopen(name, SYMBOLS).symbols) };
    } catch (error) {
      reason ||= (error as Error).message;
    }
  }
  return { reason };
}

/** The environment variable that chooses how the kernel is asked: `ip` or `netlink`. */
const VARIABLE = "IPVLAN_TRANSPORT";

/**
 * Chooses how this process talks to the kernel: by netlink, or with the program `ip` if this process
 * cannot use netlink or the environment asks for `ip`.
 *
 * @throws {"invalid-option"} The environment asks for something else, or for netlink in vain.
 */
export function chooseTransport(): OpenedLibc & { isAskedFor?: true } {
  const isReadable = isGranted({ name: "env", variable: VARIABLE });
  const asked = isReadable && Deno.env.get(VARIABLE) || undefined;
  if (asked !== undefined && !["ip", "netlink"].includes(asked)) {
    throw invalidOption(VARIABLE, asked, "choose ip or netlink");
  }
  if (asked === "ip") return { reason: `${VARIABLE} asks for it`, isAskedFor: true };
  const opened = openLibc();
  if (!opened.libc && asked === "netlink") throw invalidOption(VARIABLE, asked, opened.reason!);
  return opened;
}
