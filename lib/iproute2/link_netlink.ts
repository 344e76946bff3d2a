// Links in netlink messages: made, changed, deleted and read as `ip link` does. The numbers are those of
// `include/uapi/linux/if_link.h`, `if_arp.h` and `rtnetlink.h` of the kernel.
import { AF, hardwareAddress, macBytes } from "../netlink/address.ts";
import { ERRNO, type OpenFile, SystemError, unlessErrno } from "../netlink/libc.ts";
import { Reader, u32, u8, VERB_FLAGS, type Writer } from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import { openNamespace } from "../netlink/namespace.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import type { LinkBase } from "./kinds/kind.ts";
import {
  ADDRGENMODES,
  isLinkType,
  kindOf,
  type Link,
  type LinkChanges,
  type LinkSpec,
  type LinkTarget,
} from "./link_types.ts";
import type { Send } from "./runner.ts";
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
  PROMISCUITY: 30,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  LINK_NETNSID: 37,
  GSO_MAX_SIZE: 41,
  MIN_MTU: 50,
  MAX_MTU: 51,
  PROP_LIST: 52,
  ALT_IFNAME: 53,
  PERM_ADDRESS: 54,
  PARENT_DEV_NAME: 56,
  PARENT_DEV_BUS_NAME: 57,
} as const;

/** The attributes in `IFLA_LINKINFO`. */
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4 } as const;

/** The attribute of IPv6 in `IFLA_AF_SPEC` (`IFLA_INET6_ADDR_GEN_MODE`). */
const INET6_ADDR_GEN_MODE = 8;

/** The attribute of a vxlan link that has the index of the link below. */
const IFLA_VXLAN_LINK = 3;

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

/** Makes a link; `undefined` if only `ip` can make it. */
export function sendLinkAdd(spec: LinkSpec): Send | undefined {
  const { write } = kindOf(spec.type);
  const attributes = attributesOf(spec);
  if (!write || !attributes) return undefined;
  return (socket) => {
    const below = "link" in spec ? requireIndex(socket, spec.link) : undefined;
    using target = targetOf(socket, spec.netns);
    socket.change({
      type: RTM.NEWLINK,
      flags: VERB_FLAGS.add,
      write: (writer) => {
        writeHeader(writer, spec.index, spec.up);
        if (below !== undefined) writer.attribute(IFLA.LINK, u32(below));
        attributes(writer, target);
        writer.attribute(IFLA.LINKINFO, (writer) => {
          writer.attribute(INFO.KIND, bytesOf(spec.type));
          writer.attribute(INFO.DATA, (writer) => write(writer, "add", spec));
        });
      },
    });
  };
}

/** Changes a link; `undefined` if only `ip` can. */
export function sendLinkSet(which: LinkTarget, changes: LinkChanges): Send | undefined {
  const { alias, master, addrgenmode, up, netns, type } = changes;
  // Like `ip`: before Linux 6.2, even the name that it has is "busy" for a link that is up.
  const name = changes.name === which ? undefined : changes.name;
  const attributes = attributesOf({ ...changes, name });
  const write = type && kindOf(type).write;
  if (!attributes || type && !write) return undefined;
  return (socket) => {
    const index = typeof which === "string" ? requireIndex(socket, which) : which.index;
    const masterIndex = master ? requireIndex(socket, master) : 0;
    using target = targetOf(socket, netns);
    socket.change({
      type: RTM.NEWLINK,
      write: (writer) => {
        writeHeader(writer, index, up);
        attributes(writer, target);
        if (alias !== undefined) writer.attribute(IFLA.IFALIAS, bytesOf(alias ?? ""));
        if (master !== undefined) writer.attribute(IFLA.MASTER, u32(masterIndex));
        if (addrgenmode !== undefined) {
          const mode = u8(ADDRGENMODES.indexOf(addrgenmode));
          writer.attribute(IFLA.AF_SPEC, (writer) => {
            writer.attribute(AF.INET6, (writer) => writer.attribute(INET6_ADDR_GEN_MODE, mode));
          });
        }
        if (type) {
          writer.attribute(IFLA.LINKINFO, (writer) => {
            writer.attribute(INFO.KIND, bytesOf(type));
            const spec = changes as Partial<LinkSpec>;
            writer.attribute(INFO.DATA, (writer) => write?.(writer, "set", spec));
          });
        }
      },
    });
  };
}

/** Deletes a link. */
export function sendLinkDel(which: LinkTarget): Send {
  return (socket) => {
    const index = typeof which === "string" ? requireIndex(socket, which) : which.index;
    socket.change({ type: RTM.DELLINK, write: (writer) => writeHeader(writer, index) });
  };
}

/** Reads all links, or those of one kind. */
export function readLinks(socket: NetlinkSocket, type: string | undefined): Link[] {
  const list = () =>
    socket.list({
      type: RTM.GETLINK,
      write: (writer) => {
        writeHeader(writer).attribute(IFLA.EXT_MASK, u32(needsCounters ? 0 : SKIP_STATS));
        if (type === undefined) return;
        // Old kernels list all links.
        writer.attribute(IFLA.LINKINFO, (writer) => writer.attribute(INFO.KIND, bytesOf(type)));
      },
    }, (body) => {
      const kind = body.after(FIXED).get(IFLA.LINKINFO)?.get(INFO.KIND)?.text();
      return type === undefined || kind === type ? parse(body) : undefined;
    });
  return withNames(socket, wholly(list));
}

/** Reads one link; `undefined` if there is none. */
export function readLink(socket: NetlinkSocket, name: string): Link | undefined {
  const found = unlessErrno([ERRNO.ENODEV], () => wholly(() => socket.ask(byName(name), parse)));
  return found && withNames(socket, [found])[0];
}

/** The index of a link. @throws {SystemError} There is none: the message is that of `ip`. */
export function requireIndex(socket: NetlinkSocket, name: string): number {
  const index = unlessErrno([ERRNO.ENODEV], () => socket.ask(byName(name), (body) => body.i32(4)));
  if (index !== undefined) return index;
  throw new SystemError(ERRNO.ENODEV, `Cannot find device "${name}"`);
}

/**
 * Asks for a link by its name. SIOCGIFINDEX would be shorter, but for a missing link the kernel then
 * starts `modprobe` (`dev_load` in `net/core/dev_ioctl.c`).
 */
function byName(name: string) {
  return {
    type: RTM.GETLINK,
    write: (writer: Writer) => {
      writeHeader(writer).attribute(IFLA.EXT_MASK, u32(needsCounters ? 0 : SKIP_STATS));
      writer.attribute(IFLA.IFNAME, bytesOf(name));
    },
  };
}

/** Returns a function that finds the names of links by their indexes. @param known Some of them. */
export function linkNames(
  socket: NetlinkSocket,
  known: readonly Pick<Link, "index" | "name">[] = [],
): (index: number | undefined) => string | undefined {
  const names = new Map<number, string | undefined>(known.map(({ index, name }) => [index, name]));
  return (index) => {
    if (index === undefined) return undefined;
    if (!names.has(index)) names.set(index, socket.nameOf(index));
    return names.get(index);
  };
}

/** A link without the names of others, and their indexes. */
interface Parsed {
  link: Link;
  below?: number;
  master?: number;
}

/** Adds the names of other links of the namespace. */
function withNames(socket: NetlinkSocket, all: readonly Parsed[]): Link[] {
  const nameAt = linkNames(socket, all.map(({ link }) => link));
  return all.map(({ link, below, master }) => ({
    ...link,
    master: nameAt(master),
    link: nameAt(below),
  }));
}

function parse(body: Reader): Parsed {
  const attributes = body.after(FIXED);
  const number = (type: number) => attributes.get(type)?.u32();
  const text = (type: number) => attributes.get(type)?.text() || undefined;
  const info = attributes.get(IFLA.LINKINFO);
  const kind = info?.get(INFO.KIND)?.text();
  const flags = flagsOf(body.u32(8));
  const hardware = body.u16(2);
  const mac = (type: number) => {
    const bytes = attributes.get(type)?.bytes();
    return bytes && hardwareAddress(bytes, hardware);
  };
  const address = mac(IFLA.ADDRESS);
  const permanent = mac(IFLA.PERM_ADDRESS);
  const data = info?.get(INFO.DATA);
  const netnsid = attributes.get(IFLA.LINK_NETNSID)?.i32();
  // Of a vxlan link, the kernel gives the index of the link itself in another namespace.
  const isVxlan = kind === "vxlan";
  const below = (isVxlan ? data?.get(IFLA_VXLAN_LINK)?.u32() : number(IFLA.LINK)) || undefined;
  const inet6 = attributes.get(IFLA.AF_SPEC)?.get(AF.INET6);
  const mode = inet6?.get(INET6_ADDR_GEN_MODE)?.u8();
  needsCounters ||= inet6 !== undefined && mode === undefined;
  const link: Link = {
    index: body.i32(4),
    name: attributes.get(IFLA.IFNAME)!.text(),
    flags,
    up: flags.includes("UP"),
    state: STATES[attributes.get(IFLA.OPERSTATE)?.u8() ?? 0]!,
    mtu: number(IFLA.MTU)!,
    address,
    group: nameOf("group", number(IFLA.GROUP) ?? 0),
    alias: text(IFLA.IFALIAS),
    masterKind: info?.get(INFO.SLAVE_KIND)?.text(),
    linkIndex: isVxlan && netnsid !== undefined ? undefined : below,
    linkNetnsid: netnsid,
    addrgenmode: mode === undefined ? undefined : ADDRGENMODES[mode],
    linkType: HARDWARE[hardware] ?? `[${hardware}]`,
    info: isLinkType(kind)
      ? kindOf(kind).read(data ?? new Reader(new DataView(new ArrayBuffer(0)), 0, 0))
      : { type: "other", kind: kind ?? "device" },
    altnames: [...attributes.get(IFLA.PROP_LIST)?.all() ?? []]
      .filter(([type]) => type === IFLA.ALT_IFNAME).map(([, name]) => name.text()),
    permaddr: permanent === address ? undefined : permanent,
    promiscuity: number(IFLA.PROMISCUITY)!,
    minMtu: number(IFLA.MIN_MTU)!,
    maxMtu: number(IFLA.MAX_MTU)!,
    txqlen: number(IFLA.TXQLEN) ?? 0,
    numTxQueues: number(IFLA.NUM_TX_QUEUES)!,
    numRxQueues: number(IFLA.NUM_RX_QUEUES),
    gsoMaxSize: number(IFLA.GSO_MAX_SIZE)!,
    parentBus: text(IFLA.PARENT_DEV_BUS_NAME),
    parentDev: text(IFLA.PARENT_DEV_NAME),
  };
  return { link, below: netnsid === undefined ? below : undefined, master: number(IFLA.MASTER) };
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

/** Writes the attributes that a new link can have and that can be changed; `undefined`: only `ip` can. */
function attributesOf(
  { name, mtu, txqlen, group, address }: Partial<LinkBase>,
): ((writer: Writer, target: OpenFile | undefined) => void) | undefined {
  const mac = address === undefined ? undefined : macBytes(address);
  const number = group === undefined ? undefined : numberOf("group", group);
  if ((address !== undefined && !mac) || (group !== undefined && number === undefined)) {
    return undefined;
  }
  return (writer, target) => {
    if (name !== undefined) writer.attribute(IFLA.IFNAME, bytesOf(name));
    if (target) writer.attribute(IFLA.NET_NS_FD, u32(target.fd));
    if (mtu !== undefined) writer.attribute(IFLA.MTU, u32(mtu));
    if (txqlen !== undefined) writer.attribute(IFLA.TXQLEN, u32(txqlen));
    if (number !== undefined) writer.attribute(IFLA.GROUP, u32(number));
    if (mac) writer.attribute(IFLA.ADDRESS, mac);
  };
}

/** Opens the namespace to make or move a link in: its name, or the absolute path of its file. */
function targetOf({ libc }: NetlinkSocket, netns: string | undefined): OpenFile | undefined {
  if (netns === undefined) return undefined;
  const path = pathToEnter(netns.startsWith("/") ? fromNetnsFolder(netns) : netns);
  return openNamespace(libc, path, netns);
}

/** Writes `struct ifinfomsg`. @param up Whether to set the link up or down; left out, neither. */
function writeHeader(writer: Writer, index = 0, up?: boolean): Writer {
  return writer.u32(0).u32(index).u32(up ? IFF_UP : 0).u32(up === undefined ? 0 : IFF_UP);
}

/** A text as bytes. The kernel takes a name with or without a NUL at its end. */
function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
