/**
 * Wires between guests: pairs of connected sockets that carry Ethernet frames. They have no address and
 * no file, so no other program on the machine can reach them.
 *
 * @module
 */
import { LabError } from "../errors.ts";

/** One end of a wire: a link of a guest. */
export interface WireEnd {
  /** The name of the link. */
  name: string;
  /** The MAC address of the link. */
  mac: string;
  /** The file descriptor of the socket. Every process that this one starts inherits it. */
  fd: number;
}

/** Wires between two guests. */
export interface Wires extends Disposable {
  /** The ends in each of the guests, in the order of the names. */
  ends: [WireEnd[], WireEnd[]];
}

/** Constants of unix(7) and socket(7). */
const [AF_UNIX, SOCK_DGRAM] = [1, 2];

/**
 * Makes wires between two guests, open here until the end of the scope; the guests keep their ends.
 *
 * @param names The names of their links.
 */
export function openWires(names: readonly string[]): Wires {
  const libc = loadLibrary();
  const opened: number[] = [];
  const close = () => {
    for (const fd of opened) libc.symbols.close(fd);
    libc.close();
  };
  const pairs = names.map((name, index) => {
    const fds = new Int32Array(2);
    // Of all socket types that keep frame boundaries, QEMU accepts only this one.
    if (libc.symbols.socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) !== 0) {
      close();
      throw new LabError("Cannot make a wire between guests: socketpair(2) failed");
    }
    opened.push(...fds);
    return [0, 1].map((guest) => ({ name, mac: wireMac(guest, index), fd: fds[guest]! }));
  });
  return {
    ends: [pairs.map(([end]) => end!), pairs.map(([, end]) => end!)],
    [Symbol.dispose]: close,
  };
}

/** The MAC address of the end of a wire: locally administered, so that no card has it. */
export function wireMac(guest: number, wire: number): string {
  return ["02", "00", "00", "00", guest, wire].map((part) => `${part}`.padStart(2, "0")).join(":");
}

/** The C library: Deno has no call for socketpair(2). Deno for Linux is linked with this library. */
function loadLibrary() {
  try {
    return Deno.dlopen("libc.so.6", {
      socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    });
  } catch (error) {
    throw new LabError(`Cannot make a wire between guests: ${(error as Error).message}`);
  }
}
