// Echo requests from many namespaces at once, by one raw socket in each and without a process.
import { pause } from "../base/waiting.ts";
import { addressBytes, AF } from "./address.ts";
import { ERRNO, type Libc, OpenFile, openLibc, SystemError } from "./libc.ts";
import { inNamespace } from "./namespace.ts";

/** An echo request to send. */
export interface Ping {
  /** The file of the namespace to send from; left out, it is that of this process. */
  path?: string;
  dst: string;
  /** The bytes of the packet, which may not be cut into parts; left out, a few. */
  size?: number;
  /** Whether an answer is expected, and so worth to wait for. */
  isExpected: boolean;
}

const SOCKET = 3 | 0o4000 | 0o2000000; // SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC

/**
 * By these options there is room for many replies (`SO_RCVBUFFORCE`), and no packet is cut
 * (`IP_MTU_DISCOVER`; `IPV6_MTU_DISCOVER` and `IPV6_DONTFRAG`). With `IP_PMTUDISC_PROBE`, an MTU that was
 * learned for a way does not count; for IPv6, it would leave out a link's own MTU for IPv6, too.
 */
const ROOM = [1, 33, 1 << 22] as const;
const OPTIONS = { 4: [ROOM, [0, 10, 3]], 6: [ROOM, [41, 23, 2], [41, 62, 1]] } as const;

/** The protocol and the types of a request and a reply (`icmp.h`, `icmpv6.h`). */
const ICMP = { 4: [1, 8, 0], 6: [58, 128, 129] } as const;

/** The most time to wait for answers, and the pause between two requests, in milliseconds. */
const [PATIENCE, AGAIN] = [5000, 200];

/**
 * Sends all pings, and resolves to whether each was answered. It ends some time after all have answered
 * that are expected to.
 *
 * @throws {SystemError} A namespace cannot be entered, or a right or a permission is missing.
 */
export async function pingAll(
  pings: readonly Ping[],
  signal?: AbortSignal,
): Promise<boolean[]> {
  const { libc, reason = "" } = openLibc();
  if (!libc) throw new SystemError(ERRNO.EPERM, reason);
  using stack = new DisposableStack();
  const echoes = new Map<string, Echo>();
  const answered = pings.map(() => false);
  const [firstId = 0] = crypto.getRandomValues(new Uint16Array(1));
  const echoFor = ({ path, dst }: Ping) => {
    const family = dst.includes(":") ? 6 : 4;
    const open = () => stack.use(new Echo(libc, family, firstId + echoes.size & 0xffff));
    const key = `${family} ${path}`;
    const echo = echoes.get(key) ??
      (path === undefined ? open() : inNamespace(libc, path, path, open));
    echoes.set(key, echo);
    return echo;
  };
  for (let end = performance.now() + PATIENCE; performance.now() < end;) {
    for (const [index, ping] of pings.entries()) {
      if (!answered[index]) echoFor(ping).send(ping, index);
    }
    await pause(AGAIN, signal);
    signal?.throwIfAborted();
    for (const echo of echoes.values()) echo.receive(answered);
    if (pings.every(({ isExpected }, at) => !isExpected || answered[at])) {
      end = Math.min(end, performance.now() + AGAIN);
    }
  }
  return answered;
}

/**
 * A socket for echo requests, in the namespace in which it was opened. Each has an ID of its own, as a
 * reply may go astray, so that another namespace takes it.
 */
class Echo extends OpenFile {
  constructor(libc: Libc, readonly family: 4 | 6, readonly id: number) {
    const fd = libc.calls.socket(AF[family], SOCKET, ICMP[family][0]);
    if (fd < 0) throw libc.error("Cannot open a socket for echo requests");
    super(libc, fd);
    for (const [level, name, value] of OPTIONS[family]) {
      libc.calls.setsockopt(fd, level, name, Uint32Array.of(value), 4);
    }
  }

  send({ dst, size = 0 }: Ping, index: number): void {
    const [, type] = ICMP[this.family];
    const header = this.family === 4 ? 20 : 40;
    const packet = new DataView(new ArrayBuffer(Math.max(16, size - header)));
    // Beside each value is its complement, so the checksum (RFC 1071) is that of the type. For ICMPv6,
    // the kernel writes another one.
    packet.setUint32(0, type << 24 | 0xffff - (type << 8));
    packet.setUint32(4, this.id << 16 | 0xffff - this.id);
    packet.setUint32(8, index);
    packet.setUint32(12, ~index);
    // A `sockaddr_in` or `sockaddr_in6`.
    const to = new Uint8Array(this.family === 4 ? 16 : 28);
    to[0] = AF[this.family];
    to.set(addressBytes(dst), this.family === 4 ? 4 : 8);
    this.libc.calls.sendto(this.fd, packet, BigInt(packet.byteLength), 0, to, to.length);
  }

  receive(answered: boolean[]): void {
    const [, , type] = ICMP[this.family];
    const buffer = new Uint8Array(2048);
    while (this.libc.calls.recv(this.fd, buffer, BigInt(buffer.length), 0) > 0n) {
      const reply = new DataView(buffer.buffer, this.family === 4 ? (buffer[0]! & 15) * 4 : 0);
      if (reply.getUint8(0) !== type || reply.getUint16(4) !== this.id) continue;
      answered[reply.getUint32(8)] = true;
    }
  }
}
