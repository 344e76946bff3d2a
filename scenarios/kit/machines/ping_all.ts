/**
 * Pings many addresses from many namespaces at once, by one raw socket in each, without a process.
 *
 * @module
 */
import { type Family, familyOf, parseAddress } from "../../../lib/ipam/address.ts";
import { openLibc } from "../../../lib/netlink/libc.ts";
import { inNamespace } from "../../../lib/netlink/namespace.ts";

/** An echo request to send: from a namespace, to an address. */
export interface Ping {
  netns: string;
  dst: string;
  /** The bytes of the packet, which may not be cut into parts; left out, a few. */
  size?: number;
}

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  close: { parameters: ["i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
});

const SOCK_RAW = 3;
const NONBLOCK = 0o4000;
const [SOL_SOCKET, SO_RCVBUFFORCE] = [1, 33];

/** What differs between the families: numbers of `socket.h`, `icmp.h` and `icmpv6.h`. */
const OF = {
  4: { domain: 2, protocol: 1, request: 8, reply: 0, filter: [255, 1] },
  6: { domain: 10, protocol: 58, request: 128, reply: 129, filter: [58, 1] },
} as const;

/**
 * The options by which a packet is never cut, whatever MTU the kernel has learned for its way:
 * `IP_MTU_DISCOVER`; `IPV6_MTU_DISCOVER` and `IPV6_DONTFRAG`.
 */
const UNCUT = { 4: [[0, 10, 3]], 6: [[41, 23, 3], [41, 62, 1]] } as const;

/** How long to wait for answers that are not expected, and at most for all others, in milliseconds. */
const [REST, PATIENCE] = [400, 5000];

/** The pause between two requests to an address that has not answered, in milliseconds. */
const AGAIN = 200;

/**
 * Sends all pings, and resolves to whether each was answered. It ends some time after all have
 * answered that are expected to.
 */
export async function pingAll(
  pings: readonly Ping[],
  expected: readonly boolean[],
): Promise<boolean[]> {
  const sockets = new Map<string, { fd: number; family: Family; netns: string }>();
  const answered = pings.map(() => false);
  const id = crypto.getRandomValues(new Uint16Array(1))[0]!;
  const { libc: own } = openLibc();
  const socketOf = (netns: string, family: Family) => {
    const open = () => openSocket(family);
    const key = `${netns} ${family}`;
    const socket = sockets.get(key) ??
      { fd: inNamespace(own!, `/run/netns/${netns}`, netns, open), family, netns };
    sockets.set(key, socket);
    return socket.fd;
  };
  try {
    const start = performance.now();
    for (let sent = -AGAIN, done = Infinity;;) {
      const now = performance.now() - start;
      if (now - sent >= AGAIN) {
        sent = now;
        for (const [index, ping] of pings.entries()) {
          const family = familyOf(ping.dst);
          if (!answered[index]) send(socketOf(ping.netns, family), family, ping, id, index);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
      for (const { fd, family, netns } of sockets.values()) {
        for (const index of received(fd, family, id)) {
          // A reply may go astray, so that another namespace takes it: one that has a route by lo.
          if (pings[index]?.netns === netns) answered[index] = true;
        }
      }
      if (expected.every((is, index) => !is || answered[index])) done = Math.min(done, now);
      if (now > done + REST || now > PATIENCE) return answered;
    }
  } finally {
    for (const { fd } of sockets.values()) libc.close(fd);
  }
}

function openSocket(family: Family): number {
  const { domain, protocol, reply, filter: [level, name] } = OF[family];
  const fd = libc.socket(domain, SOCK_RAW | NONBLOCK, protocol);
  if (fd < 0) throw new Error("cannot open a raw socket");
  libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, new Uint32Array([1 << 22]), 4);
  // A set bit keeps a type out.
  const filter = new Uint32Array(family === 4 ? 1 : 8).fill(0xffffffff);
  filter[reply >> 5]! &= ~(1 << (reply & 31));
  libc.setsockopt(fd, level, name, filter, filter.byteLength);
  for (const [level, name, value] of UNCUT[family]) {
    libc.setsockopt(fd, level, name, new Uint32Array([value]), 4);
  }
  return fd;
}

function send(fd: number, family: Family, ping: Ping, id: number, index: number): void {
  const { dst, size = 0 } = ping;
  const packet = new Uint8Array(Math.max(16, size - (family === 4 ? 20 : 40)));
  const view = new DataView(packet.buffer);
  view.setUint8(0, OF[family].request);
  view.setUint16(4, id);
  view.setUint32(8, index);
  // The kernel writes the checksum of ICMPv6 itself.
  if (family === 4) view.setUint16(2, checksum(view));
  const to = addressBytes(family, dst);
  libc.sendto(fd, packet, BigInt(packet.length), 0, to, to.length);
}

/** The numbers of the pings whose replies a socket has received. */
function* received(fd: number, family: Family, id: number): Iterable<number> {
  const buffer = new Uint8Array(65536);
  while (libc.recv(fd, buffer, BigInt(buffer.length), 0) > 0n) {
    const start = family === 4 ? (buffer[0]! & 15) * 4 : 0;
    const view = new DataView(buffer.buffer, start);
    if (view.getUint8(0) !== OF[family].reply || view.getUint16(4) !== id) continue;
    yield view.getUint32(8);
  }
}

/** The checksum of RFC 1071. */
function checksum(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < view.byteLength; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** A `sockaddr_in` or `sockaddr_in6`. */
function addressBytes(family: Family, address: string): Uint8Array<ArrayBuffer> {
  const { bits } = parseAddress(address);
  const [size, start, width] = family === 4 ? [16, 4, 4] : [28, 8, 16];
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint16(0, OF[family].domain, true);
  for (let at = 0; at < width; at++) {
    bytes[start + width - 1 - at] = Number((bits >> BigInt(8 * at)) & 0xffn);
  }
  return bytes;
}
