// Links in netlink messages: made, changed, deleted and read as `ip link` does. The numbers are those of
// `include/uapi/linux/if_link.h`, `if_arp.h` and `rtnetlink.h` of the kernel.
import { AF, hardwareAddress, macBytes } from "../netlink/address.ts";
import { ERRNO, type OpenFile, SystemError, unlessErrno } from "../netlink/libc.ts";
import { attribute, type Bytes, nested, Reader, u32, VERB_FLAGS } from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import { openNamespace } from "../netlink/namespace.ts";
import type { NetlinkSocket, Request } from "../netlink/socket.ts";
import type { LinkBase } from "./kinds/kind.ts";
import {
  ADDRGENMODES,
  isLinkType,
  kindOf,
  type LinkChanges,
  type LinkSpec,
  type LinkTarget,
  type LinkType,
} from "./link_types.ts";
import type { Row, Send } from "./runner.ts";
import { fromNetnsFolder, pathToEnter } from "./words.ts";

const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18 } as const;

/** The attributes of links (`IFLA_*`). */
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  TXQLEN: 13,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  LINK_NETNSID: 37,
} as const;

/** The attributes in `IFLA_LINKINFO`. */
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4 } as const;

/** The attribute of IPv6 in `IFLA_AF_SPEC` (`IFLA_INET6_ADDR_GEN_MODE`). */
const INET6_ADDR_GEN_MODE = 8;

/** Leaves the counters out of an answer, which are half of it (`RTEXT_FILTER_SKIP_STATS`). */
const SKIP_STATS = 8;

/** Whether this kernel leaves the mode of addresses out with the counters, as Linux 5.10 does. */
let needsCounters = false;

/** Asks for links, and once more if the first answer shows that it {@linkcode needsCounters}. */
function wholly<T>(ask: () => T): T {
  const before = needsCounters;
  const answer = ask();
  return needsCounters === before ? answer : ask();
}

/** The bytes of `struct ifinfomsg`. */
const FIXED = 16;

const IFF_UP = 1;
const IFF_RUNNING = 0x40;

/** The flags in the order in which `ip` prints them (`print_link_flags` in its `ip/ipaddress.c`). */
const FLAGS: readonly [name: string, bit: number][] = [
  ["LOOPBACK", 0x8],
  ["BROADCAST", 0x2],
  ["POINTOPOINT", 0x10],
  ["MULTICAST", 0x1000],
  ["NOARP", 0x80],
  ["ALLMULTI", 0x200],
  ["PROMISC", 0x100],
  ["MASTER", 0x400],
  ["SLAVE", 0x800],
  ["DEBUG", 0x4],
  ["DYNAMIC", 0x8000],
  ["AUTOMEDIA", 0x4000],
  ["PORTSEL", 0x2000],
  ["NOTRAILERS", 0x20],
  ["UP", IFF_UP],
  ["LOWER_UP", 0x10000],
  ["DORMANT", 0x20000],
  ["ECHO", 0x40000],
];

/** The operational states by their numbers (RFC 2863). */
const STATES = [
  "UNKNOWN",
  "NOTPRESENT",
  "DOWN",
  "LOWERLAYERDOWN",
  "TESTING",
  "DORMANT",
  "UP",
] as const;

/** The names of hardware types (`ARPHRD_*`), as iproute2's `lib/ll_types.c` has them. */
const HARDWARE: Readonly<Record<number, string>> = {
  ...{ 0: "netrom", 1: "ether", 6: "ieee802", 7: "arcnet", 24: "ieee1394", 32: "infiniband" },
  ...{ 256: "slip", 271: "x25", 280: "can", 512: "ppp", 513: "hdlc", 519: "rawhdlc", 768: "ipip" },
  ...{ 769: "tunnel6", 772: "loopback", 774: "fddi", 776: "sit", 778: "gre", 779: "pimreg" },
  ...{ 801: "ieee802.11", 802: "ieee802.11/prism", 803: "ieee802.11/radiotap" },
  ...{ 804: "ieee802.15.4", 805: "ieee802.15.4/monitor", 823: "gre6", 824: "netlink" },
  ...{ 825: "6lowpan", 0xfffe: "none", 0xffff: "void" },
};

/** A link to make, or the changes of one. */
export type AskedLink = Partial<LinkBase<LinkType>> & Omit<LinkChanges, "type"> & { link?: string };

/** Makes a link, or changes one; `undefined` if only `ip` can. */
export function sendLink(
  asked: AskedLink,
  verb: "add" | "set",
  which: LinkTarget = { index: asked.index ?? 0 },
): Send | undefined {
  const { link, netns, mtu, txqlen, group, address, alias, master, addrgenmode, up, type } = asked;
  // Like `ip`: before Linux 6.2, even the name that it has is "busy" for a link that is up.
  const name = asked.name === which ? undefined : asked.name;
  const write = type && kindOf(type).write;
  const mac = address === undefined ? undefined : macBytes(address);
  const number = group === undefined ? undefined : numberOf("group", group);
  const isKnown = (type === undefined || write) && (address === undefined || mac) &&
    (group === undefined || number !== undefined);
  if (!isKnown) return undefined;
  return (socket) => {
    const index = indexOf(socket, which);
    const below = link === undefined ? undefined : requireIndex(socket, link);
    const masterIndex = master ? requireIndex(socket, master) : 0;
    using target = targetOf(socket, netns);
    socket.change({
      type: RTM.NEWLINK,
      flags: verb === "add" ? VERB_FLAGS.add : 0,
      body: [
        header(index, up),
        below !== undefined && attribute(IFLA.LINK, u32(below)),
        name !== undefined && attribute(IFLA.IFNAME, bytesOf(name)),
        target && attribute(IFLA.NET_NS_FD, u32(target.fd)),
        mtu !== undefined && attribute(IFLA.MTU, u32(mtu)),
        txqlen !== undefined && attribute(IFLA.TXQLEN, u32(txqlen)),
        number !== undefined && attribute(IFLA.GROUP, u32(number)),
        mac && attribute(IFLA.ADDRESS, mac),
        alias !== undefined && attribute(IFLA.IFALIAS, bytesOf(alias ?? "")),
        master !== undefined && attribute(IFLA.MASTER, u32(masterIndex)),
        addrgenmode !== undefined && nested(
          IFLA.AF_SPEC,
          nested(AF[6], attribute(INET6_ADDR_GEN_MODE, ADDRGENMODES.indexOf(addrgenmode))),
        ),
        type && nested(
          IFLA.LINKINFO,
          attribute(INFO.KIND, bytesOf(type)),
          nested(INFO.DATA, write?.(verb, asked as Partial<LinkSpec>)),
        ),
      ],
    });
  };
}

/** Deletes a link. */
export function sendLinkDel(which: LinkTarget): Send {
  return (socket) => {
    socket.change({ type: RTM.DELLINK, body: header(indexOf(socket, which)) });
  };
}

/** Reads all links, or those of one kind, as the rows that `ip` prints. */
export function readLinks(socket: NetlinkSocket, type: string | undefined): Row[] {
  const ofType = type !== undefined && attribute(INFO.KIND, bytesOf(type));
  const nameAt = linkNames(socket);
  return wholly(() =>
    socket.list(asking(ofType && nested(IFLA.LINKINFO, ofType)), (body) => {
      // Old kernels list all links.
      const kind = body.part(FIXED).get(IFLA.LINKINFO)?.get(INFO.KIND)?.text();
      return type === undefined || kind === type ? rowOf(body, nameAt) : undefined;
    })
  );
}

/** Reads one link, if there is one. */
export function readLink(socket: NetlinkSocket, name: string): Row[] {
  const read = (body: Reader) => rowOf(body, linkNames(socket));
  return unlessErrno([ERRNO.ENODEV], () => wholly(() => [socket.ask(byName(name), read)])) ?? [];
}

/** The index of a link. @throws {SystemError} There is none: the message is that of `ip`. */
export function requireIndex(socket: NetlinkSocket, name: string): number {
  const index = unlessErrno([ERRNO.ENODEV], () => socket.ask(byName(name), (body) => body.i32(4)));
  if (index !== undefined) return index;
  throw new SystemError(ERRNO.ENODEV, `Cannot find device "${name}"`);
}

function indexOf(socket: NetlinkSocket, which: LinkTarget): number {
  return typeof which === "string" ? requireIndex(socket, which) : which.index;
}

/**
 * Asks for a link by its name. SIOCGIFINDEX would be shorter, but for a missing link the kernel then
 * starts `modprobe` (`dev_load` in `net/core/dev_ioctl.c`).
 */
function byName(name: string): Request {
  return asking(attribute(IFLA.IFNAME, bytesOf(name)));
}

/** Asks for links. @param filter The attribute of those that are meant. */
function asking(filter: Bytes): Request {
  const mask = attribute(IFLA.EXT_MASK, u32(needsCounters ? 0 : SKIP_STATS));
  return { type: RTM.GETLINK, body: [header(), mask, filter] };
}

/** Finds the name of a link by its index; `undefined` without a link. */
export type NameAt = (index: number | undefined) => string | undefined;

/** Finds names, and asks once for each. It can do so while the answer to another message is read. */
export function linkNames(socket: NetlinkSocket): NameAt {
  const names = new Map<number, string | undefined>();
  return (index) => {
    if (index === undefined) return undefined;
    if (!names.has(index)) names.set(index, socket.nameOf(index));
    return names.get(index);
  };
}

function rowOf(body: Reader, nameAt: NameAt): Row {
  const attributes = body.part(FIXED);
  const info = attributes.get(IFLA.LINKINFO);
  const kind = info?.get(INFO.KIND)?.text();
  const hardware = body.u16(2);
  const mac = attributes.get(IFLA.ADDRESS)?.bytes();
  const data = info?.get(INFO.DATA);
  const netnsid = attributes.get(IFLA.LINK_NETNSID)?.i32();
  const below = attributes.get(IFLA.LINK)?.u32() || undefined;
  const inet6 = attributes.get(IFLA.AF_SPEC)?.get(AF[6]);
  const mode = inet6?.get(INET6_ADDR_GEN_MODE)?.u8();
  needsCounters ||= inet6 !== undefined && mode === undefined;
  return {
    ifindex: body.i32(4),
    ifname: attributes.get(IFLA.IFNAME)?.text(),
    flags: flagsOf(body.u32(8)),
    operstate: STATES[attributes.get(IFLA.OPERSTATE)?.u8() ?? 0],
    mtu: attributes.get(IFLA.MTU)?.u32(),
    txqlen: attributes.get(IFLA.TXQLEN)?.u32(),
    address: mac && hardwareAddress(mac, hardware),
    group: nameOf("group", attributes.get(IFLA.GROUP)?.u32() ?? 0),
    ifalias: attributes.get(IFLA.IFALIAS)?.text(),
    master: nameAt(attributes.get(IFLA.MASTER)?.u32()),
    link: netnsid === undefined ? nameAt(below) : undefined,
    link_index: below,
    link_netnsid: netnsid,
    inet6_addr_gen_mode: mode === undefined ? undefined : ADDRGENMODES[mode],
    link_type: HARDWARE[hardware] ?? `[${hardware}]`,
    linkinfo: {
      info_kind: kind,
      // The bytes are gone with the next message.
      info: isLinkType(kind)
        ? kindOf(kind).read(data ?? new Reader(new DataView(new ArrayBuffer(0))))
        : undefined,
      info_slave_kind: info?.get(INFO.SLAVE_KIND)?.text(),
    },
  };
}

function flagsOf(bits: number): string[] {
  const names = FLAGS.filter(([, bit]) => bits & bit).map(([name]) => name);
  const known = FLAGS.reduce((sum, [, bit]) => sum | bit, IFF_RUNNING);
  const rest = (bits & ~known) >>> 0;
  return [
    ...bits & IFF_UP && !(bits & IFF_RUNNING) ? ["NO-CARRIER"] : [],
    ...names,
    ...rest === 0 ? [] : [rest.toString(16)],
  ];
}

/** Opens the namespace to make or move a link in: its name, or the absolute path of its file. */
function targetOf({ libc }: NetlinkSocket, netns: string | undefined): OpenFile | undefined {
  if (netns === undefined) return undefined;
  const path = pathToEnter(netns.startsWith("/") ? fromNetnsFolder(netns) : netns);
  return openNamespace(libc, path, netns);
}

/** Writes `struct ifinfomsg`. @param up Whether to set the link up or down; left out, neither. */
function header(index = 0, up?: boolean): Bytes {
  return [u32(0), u32(index), u32(up ? IFF_UP : 0), u32(up === undefined ? 0 : IFF_UP)];
}

/** A text as bytes. The kernel takes a name with or without a NUL at its end. */
function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
