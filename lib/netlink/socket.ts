import { EINTR, type Libc, OpenFile, SystemError } from "./libc.ts";
import { type Bytes, FLAG, HEADER_LENGTH, message, Reader } from "./message.ts";

/** The numbers of sockets and messages, named as the kernel's headers name them. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
/** `CAP_ACK` keeps the request out of its answer, so that the kernel's sentence comes after the header. */
const OPTIONS = { CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 };
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_ACK_TLVS = 0x200;
/** The attribute of an acknowledgement that has the kernel's sentence. */
const NLMSGERR_ATTR_MSG = 1;
const SIOCGIFNAME = 0x8910;
/** The bytes of a link's name, with its NUL (`include/uapi/linux/if.h`). */
const IFNAMSIZ = 16;
const IFREQ_LENGTH = 40;

/** The most bytes of an answer. The kernel's are at most 32 KiB (`netlink_dump`). */
const buffer = new Uint8Array(65_536);
const whole = new Reader(new DataView(buffer.buffer));

/** How often to read a list again that changed while the kernel wrote it. */
const MAX_DUMPS = 5;

/** A message to send. */
export interface Request {
  type: number;
  flags?: number;
  body: Bytes;
}

/** A socket of netlink(7), by default of rtnetlink(7). It acts in the network namespace in which it was opened. */
export class NetlinkSocket implements Disposable {
  readonly libc: Libc;
  readonly #file: OpenFile;
  #sequence = 0;

  /** Opens a socket in the namespace of this thread. @throws {SystemError} */
  constructor(libc: Libc, protocol = 0) {
    const fd = libc.calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) throw libc.error("Cannot open netlink socket");
    this.libc = libc;
    this.#file = new OpenFile(libc, fd);
    // If the kernel sends no answer, the thread must not wait for ever: 10 seconds (`struct timeval`).
    const limit = new Uint8Array(new BigInt64Array([10n, 0n]).buffer);
    libc.calls.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, limit, limit.length);
    // Linux before 4.12 lacks the kernel's own sentences, and before 4.20 the filters of lists.
    for (const option of Object.values(OPTIONS)) {
      libc.calls.setsockopt(fd, SOL_NETLINK, option, Uint8Array.of(1, 0, 0, 0), 4);
    }
  }

  /** Asks for a change. @throws {SystemError} The kernel refused. */
  change({ type, flags = 0, body }: Request): void {
    this.#send(type, flags | FLAG.REQUEST | FLAG.ACK, body);
    this.#receive(() => true);
  }

  /** Asks for one object. @throws {SystemError} There is none. */
  ask<T>({ type, body }: Request, read: (body: Reader) => T): T {
    this.#send(type, FLAG.REQUEST, body);
    let found: { value: T } | undefined;
    this.#receive((body) => {
      found = { value: read(body) };
      return true;
    });
    if (!found) throw new Error("The kernel answered with no object");
    return found.value;
  }

  /** Lists what `read` does not leave out. Reads the list again if it changed meanwhile. */
  list<T>({ type, body }: Request, read: (body: Reader) => T | undefined): T[] {
    for (let dumps = 1;; dumps++) {
      const found: T[] = [];
      this.#send(type, FLAG.REQUEST | FLAG.DUMP, body);
      const isWhole = this.#receive((body) => {
        const value = read(body);
        if (value !== undefined) found.push(value);
        return false;
      });
      if (isWhole || dumps === MAX_DUMPS) return found;
    }
  }

  /** The name of a link by its index; `undefined` if there is none. */
  nameOf(index: number): string | undefined {
    const request = new Uint8Array(IFREQ_LENGTH);
    new DataView(request.buffer).setInt32(IFNAMSIZ, index, true);
    const { ioctl } = this.libc.calls;
    if (ioctl(this.#file.fd, BigInt(SIOCGIFNAME), request) < 0) return undefined;
    return new Reader(new DataView(request.buffer, 0, IFNAMSIZ)).text();
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #send(type: number, flags: number, body: Bytes): void {
    const bytes = message(type, flags, ++this.#sequence, body);
    const { send } = this.libc.calls;
    this.#transfer("talk to", () => send(this.#file.fd, bytes, BigInt(bytes.length), 0));
  }

  /**
   * Receives the answer to the last message.
   *
   * @param read Reads an object, and returns whether it is the last one.
   * @returns Whether the kernel's list did not change meanwhile.
   */
  #receive(read: (body: Reader) => boolean): boolean {
    let isWhole = true;
    for (;;) {
      const length = this.#transfer(
        "receive from",
        () => this.libc.calls.recv(this.#file.fd, buffer, BigInt(buffer.length), 0),
      );
      for (let at = 0; at + HEADER_LENGTH <= length;) {
        const header = whole.part(at, length);
        const end = at + header.u32(0);
        if (end < at + HEADER_LENGTH || end > length) {
          throw new Error("A netlink message is cut off");
        }
        const body = whole.part(at + HEADER_LENGTH, end);
        at = (end + 3) & ~3;
        // The rest of the answer to a message before, whose reader threw.
        if (header.u32(8) !== this.#sequence) continue;
        const [type, flags] = [header.u16(4), header.u16(6)];
        if (flags & NLM_F_DUMP_INTR) isWhole = false;
        if (type === NLMSG_DONE || type === NLMSG_ERROR) {
          // The header of the request is between the number and the attributes.
          const fixed = 4 + (type === NLMSG_ERROR ? HEADER_LENGTH : 0);
          this.#throwIfRefused(body, flags & NLM_F_ACK_TLVS ? body.part(fixed) : undefined);
          return isWhole;
        }
        if (read(body)) return isWhole;
      }
    }
  }

  /** Sends or receives, once more if a signal interrupts it. Returns the number of bytes. */
  #transfer(what: string, call: () => number | bigint): number {
    for (;;) {
      const length = Number(call());
      if (length > 0) return length;
      const error = this.libc.error(`Cannot ${what} rtnetlink`);
      if (error.errno !== EINTR) throw error;
    }
  }

  /** Throws the error of an acknowledgement (`struct nlmsgerr`), if it is one. */
  #throwIfRefused(body: Reader, details: Reader | undefined): void {
    const errno = body.length < 4 ? 0 : -body.i32();
    if (errno <= 0) return;
    const said = details?.get(NLMSGERR_ATTR_MSG)?.text();
    if (said !== undefined) throw new SystemError(errno, `Error: ${said}`);
    throw this.libc.error("RTNETLINK answers", errno);
  }
}
