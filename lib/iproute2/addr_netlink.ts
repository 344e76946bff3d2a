// Addresses in netlink messages: put on a link, taken off, and read as `ip addr` does. The numbers
// are those of `include/uapi/linux/if_addr.h` and `rtnetlink.h` of the kernel.
import { addressBytes, AF } from "../netlink/address.ts";
import { type Reader, u32, VERB_FLAGS, type Writer } from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import type { Addr, AddrSpec } from "./addr_types.ts";
import { linkNames, requireIndex } from "./link_netlink.ts";
import type { Send } from "./runner.ts";

const RTM = { add: 20, del: 21, GETADDR: 22 } as const;

/** The attributes of addresses (`IFA_*`). */
const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;

/** The bytes of `struct ifaddrmsg`. */
const FIXED = 8;

const NODAD = 2;
const OPTIMISTIC = 4;
const NOPREFIXROUTE = 0x200;
const PERMANENT = 0x80;

/** The names of the flags, as `ip` prints them (`ifa_flag_data` in its `ip/ipaddress.c`). */
const FLAGS: readonly [name: string, bit: number][] = [
  ["secondary", 1],
  ["nodad", NODAD],
  ["optimistic", OPTIMISTIC],
  ["dadfailed", 8],
  ["home", 0x10],
  ["deprecated", 0x20],
  ["tentative", 0x40],
  ["dynamic", PERMANENT],
  ["mngtmpaddr", 0x100],
  ["noprefixroute", NOPREFIXROUTE],
  ["autojoin", 0x400],
  ["stable-privacy", 0x800],
];

/** Puts an address on a link, or takes it off. */
export function sendAddr(verb: "add" | "del", spec: AddrSpec): Send | undefined {
  const { dev, peer, nodad, optimistic, noprefixroute } = spec;
  const [text = "", length = spec.prefixLength] = spec.address.split("/");
  const isIPv6 = text.includes(":");
  const given = spec.scope === undefined ? undefined : numberOf("rt_scopes", spec.scope);
  if (spec.scope !== undefined && given === undefined) return undefined;
  return (socket) => {
    const index = requireIndex(socket, dev);
    const local = addressBytes(text);
    // A loopback address is valid in this host only (`default_scope` in `ip/ipaddress.c`).
    const usual = verb === "add" && !isIPv6 && local[0] === 127 ? "host" : "global";
    const scope = given ?? numberOf("rt_scopes", usual)!;
    const flags = (nodad ? NODAD : 0) | (optimistic ? OPTIMISTIC : 0) |
      (noprefixroute ? NOPREFIXROUTE : 0);
    socket.change({
      type: RTM[verb],
      flags: VERB_FLAGS[verb],
      write: (writer) => {
        writer.u8(isIPv6 ? AF.INET6 : AF.INET).u8(Number(length)).u8(flags & 0xff).u8(scope);
        writer.u32(index);
        writer.attribute(IFA.LOCAL, local);
        writer.attribute(IFA.ADDRESS, peer === undefined ? local : addressBytes(peer));
        if (flags > 0xff) writer.attribute(IFA.FLAGS, u32(flags));
      },
    });
  };
}

/** Reads all addresses, or those of one link. */
export function readAddrs(socket: NetlinkSocket, dev?: string): Addr[] {
  const only = dev === undefined ? 0 : requireIndex(socket, dev);
  const request = { type: RTM.GETADDR, write: (writer: Writer) => writer.u32(0).u32(only) };
  const found = socket.list(request, (body) => {
    const index = body.u32(4);
    // Old kernels list the addresses of all links.
    return only === 0 || index === only ? { index, ...parse(body) } : undefined;
  });
  const nameAt = linkNames(socket);
  return found.sort((one, other) => one.index - other.index).flatMap(({ index, ...addr }) => {
    const dev = nameAt(index);
    return dev === undefined ? [] : [{ ...addr, dev }];
  });
}

function parse(body: Reader): Omit<Addr, "dev"> {
  const attributes = body.after(FIXED);
  const isIPv6 = body.u8(0) === AF.INET6;
  const bits = attributes.get(IFA.FLAGS)?.u32() ?? body.u8(2);
  const other = attributes.get(IFA.ADDRESS)?.ip();
  const address = attributes.get(IFA.LOCAL)?.ip() ?? other!;
  // `ip` prints `dynamic` for an address without the flag for permanent ones.
  const flags = FLAGS.filter(([, bit]) => (bits & bit) !== 0 !== (bit === PERMANENT))
    .map(([name]) => name === "secondary" && isIPv6 ? "temporary" : name);
  return {
    family: isIPv6 ? 6 : 4,
    address,
    prefixLength: body.u8(1),
    peer: other === address ? undefined : other,
    scope: nameOf("rt_scopes", body.u8(3)) as AddrSpec["scope"],
    nodad: (bits & NODAD) !== 0,
    optimistic: (bits & OPTIMISTIC) !== 0,
    noprefixroute: (bits & NOPREFIXROUTE) !== 0,
    flags,
  };
}
