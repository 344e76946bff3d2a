import { addressBytes, AF, prefixBytes } from "../netlink/address.ts";
import { attribute, type Reader, u32, VERB_FLAGS } from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { parseLink, unlessMissing } from "./link.ts";
import { linkNames, readLink, requireIndex } from "./link_netlink.ts";
import type { Link } from "./link_types.ts";
import { ask, type Change, make, type Row, type Runner, type Send } from "./runner.ts";
import {
  addressFamily,
  addressWord,
  invalidWord,
  linkName,
  nameOrNumber,
  prefixWord,
} from "./words.ts";

/** An address to put on a link. {@linkcode AddrVerbs.show} also returns such addresses. */
export interface AddrSpec {
  /** The link. */
  dev: string;
  /** The address with its prefix length, unless `prefixLength` says it: `192.168.1.2/24`. */
  address: string;
  /** The prefix length, if the address has none. */
  prefixLength?: number;
  /** The address of the other end of a point-to-point link; the prefix length then belongs to it. */
  peer?: string;
  /**
   * Whether an IPv6 address is usable at once, without duplicate address detection (RFC 4862,
   * section 5.4): for addresses that the caller knows to be unique.
   */
  nodad?: boolean;
  /**
   * Whether an IPv6 address may be used while duplicate address detection goes on (RFC 4429), if the
   * link's sysctl `optimistic_dad` is set.
   */
  optimistic?: boolean;
  /** Whether the kernel makes no route to the address's network (for IPv4, Linux 4.19). */
  noprefixroute?: boolean;
  /**
   * Its scope: `link` for an address that is valid on this link only. Left out, `global`; for IPv6, the
   * scope follows from the address.
   */
  scope?: "global" | "site" | "link" | "host" | "nowhere" | `${number}`;
}

/** An address as the kernel shows it. */
export interface Addr extends AddrSpec {
  /** 4 or 6. */
  family: 4 | 6;
  /** The address, without its prefix length. */
  address: string;
  /** The prefix length. */
  prefixLength: number;
  /** All flags that are set, as `ip` prints them: `nodad`, `tentative`, `dadfailed`, `dynamic`, … */
  flags: string[];
}

/** The change `addr add …`. @throws {"invalid-word"} A value cannot be written. */
export function addrAdd(spec: AddrSpec): Change {
  const words = ["addr add", ...addressWords(spec)];
  if (spec.scope !== undefined) words.push("scope", nameOrNumber(spec.scope, "scope", 255));
  words.push(...SET_FLAGS.filter((flag) => spec[flag]));
  return { line: words.join(" "), send: sendAddr("add", spec) };
}

/** The change `addr del …`. @throws {"invalid-word"} A value cannot be written. */
export function addrDel(spec: AddrSpec): Change {
  return { line: ["addr del", ...addressWords(spec)].join(" "), send: sendAddr("del", spec) };
}

/** The change `token set …`: the last half of the addresses that a link makes by SLAAC (RFC 4862). */
export function tokenSet(dev: string, token: string): Change {
  return { line: `token set ${addressWord(token, "token", 6)} dev ${linkName(dev)}` };
}

function wholeAddress({ address, prefixLength }: Pick<AddrSpec, "address" | "prefixLength">) {
  return prefixLength === undefined ? address : `${address}/${prefixLength}`;
}

/** The words of an address on a link. `ip` takes one without a length, but may then delete several. */
function addressWords({ dev, address, prefixLength, peer }: AddrSpec): string[] {
  const whole = wholeAddress({ address, prefixLength });
  const [local, length] = prefixWord(whole, "address").split("/");
  if (length === undefined) {
    const example = `${address}/${addressFamily(address) === 6 ? 64 : 24}`;
    throw invalidWord("address", address, `it needs a prefix length: ${example}`);
  }
  const link = ["dev", linkName(dev)];
  if (peer === undefined) return [whole, ...link];
  const other = addressWord(peer, "peer", addressFamily(address));
  return [local!, "peer", `${other}/${length}`, ...link];
}

/**
 * The verbs of `ip addr`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open();
 * await ip.addr.add({ dev: "d0", address: "2001:db8::1/64", nodad: true });
 * const addresses = (await ip.addr.show({ dev: "d0" })).map(({ address }) => address);
 * ```
 */
export class AddrVerbs {
  /** Makes the verbs of one runner. */
  constructor(private readonly runner: Runner) {}

  /** Puts an address on a link. @throws {"ip-command"} The kernel refused. */
  async add(spec: AddrSpec): Promise<void> {
    await make(this.runner, addrAdd(spec));
  }

  /** Takes an address off a link. @throws {"ip-command"} The kernel refused. */
  async del(spec: AddrSpec): Promise<void> {
    await make(this.runner, addrDel(spec));
  }

  /** Shows all addresses, or those of one link. @throws {"ip-command"} There is no such link. */
  async show(filter: { dev?: string } = {}): Promise<Addr[]> {
    const { dev } = filter;
    const line = dev === undefined ? "addr show" : `addr show dev ${linkName(dev)}`;
    const rows = await ask(this.runner, line, (socket) => readAddrs(socket, dev));
    if (hasAddrs(rows)) return rows.flatMap(parseAddrs);
    // `ip addr show` of all links prints the addresses.
    return (await this.show()).filter((addr) => addr.dev === dev);
  }

  /** Shows one link and its addresses; `undefined` if there is no such link. */
  async showLink(dev: string): Promise<{ link: Link; addrs: Addr[] } | undefined> {
    const line = `addr show dev ${linkName(dev)}`;
    const read = (socket: NetlinkSocket) =>
      readLink(socket, dev).map((link) => {
        return { ...link, addr_info: readAddrs(socket, dev).flatMap((row) => row.addr_info) };
      });
    const [row] = await unlessMissing(ask(this.runner, line, read)) ?? [];
    if (!row) return undefined;
    const addrs = hasAddrs([row]) ? parseAddrs(row) : await this.show({ dev });
    return { link: parseLink(row), addrs };
  }
}

/**
 * Whether the rows have addresses. Once a process has shown links, `ip addr show dev` prints a link
 * without its addresses, as `link show` does (`do_link` in `ip/ipaddress.c`).
 */
function hasAddrs(rows: readonly Record<string, unknown>[]): boolean {
  return rows.every((row) => "addr_info" in row);
}

/** The addresses of a link from its row of `ip -json addr show`. */
export function parseAddrs(link: Record<string, unknown>): Addr[] {
  const rows = link.addr_info as Record<string, unknown>[];
  return rows.map((row) => parseAddr(link.ifname as string, row));
}

function parseAddr(dev: string, row: Record<string, unknown>): Addr {
  return {
    dev,
    family: row.family === "inet6" ? 6 : 4,
    address: row.local as string,
    prefixLength: row.prefixlen as number,
    peer: row.address as string | undefined,
    scope: row.scope as AddrSpec["scope"],
    nodad: row.nodad === true,
    optimistic: row.optimistic === true,
    noprefixroute: row.noprefixroute === true,
    // `ip` prints each flag as a field of its own.
    flags: Object.keys(row).filter((key) => row[key] === true),
  };
}

/** The addresses of a link that belong to its network: not the link-local ones. */
export function globalAddrs(link: string, addrs: readonly Addr[]): Addr[] {
  return addrs.filter(({ dev, scope }) => dev === link && scope === "global");
}

/** The messages about addresses, and their attributes (`if_addr.h`). */
const RTM = { add: 20, del: 21, GETADDR: 22 } as const;
const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;

/** The bytes of `struct ifaddrmsg`. */
const FIXED = 8;

/** The bits of the flags, by their names in `ip` (`ifa_flag_data` in its `ip/ipaddress.c`). */
const FLAGS = {
  secondary: 1,
  nodad: 2,
  optimistic: 4,
  dadfailed: 8,
  home: 0x10,
  deprecated: 0x20,
  tentative: 0x40,
  dynamic: 0x80,
  mngtmpaddr: 0x100,
  noprefixroute: 0x200,
  autojoin: 0x400,
  "stable-privacy": 0x800,
};

/** The flags that an address can be given. */
const SET_FLAGS = ["nodad", "optimistic", "noprefixroute"] as const;

function sendAddr(verb: "add" | "del", spec: AddrSpec): Send | undefined {
  const { dev, peer } = spec;
  const { family, length, bytes: local } = prefixBytes(wholeAddress(spec));
  const given = spec.scope === undefined ? undefined : numberOf("rt_scopes", spec.scope);
  if (spec.scope !== undefined && given === undefined) return undefined;
  return (socket) => {
    const index = requireIndex(socket, dev);
    // A loopback address is valid in this host only (`default_scope` in `ip/ipaddress.c`).
    const usual = verb === "add" && family === 4 && local[0] === 127 ? "host" : "global";
    const scope = given ?? numberOf("rt_scopes", usual)!;
    const flags = SET_FLAGS.reduce((bits, flag) => bits | (spec[flag] ? FLAGS[flag] : 0), 0);
    socket.change({
      type: RTM[verb],
      flags: VERB_FLAGS[verb],
      body: [
        [AF[family], length, flags, scope, u32(index)],
        attribute(IFA.LOCAL, local),
        attribute(IFA.ADDRESS, peer === undefined ? local : addressBytes(peer)),
        flags > 0xff && attribute(IFA.FLAGS, u32(flags)),
      ],
    });
  };
}

/** Reads all addresses, or those of one link, as `ip` prints them: a row for each. */
function readAddrs(socket: NetlinkSocket, dev?: string): Row[] {
  const only = dev === undefined ? 0 : requireIndex(socket, dev);
  const nameAt = linkNames(socket);
  return socket.list({ type: RTM.GETADDR, body: [u32(0), u32(only)] }, (body) => {
    const ifindex = body.u32(4);
    // Old kernels list the addresses of all links.
    const ifname = only === 0 || ifindex === only ? nameAt(ifindex) : undefined;
    return ifname === undefined ? undefined : { ifindex, ifname, addr_info: [rowOf(body)] };
  }).sort((one, other) => one.ifindex - other.ifindex);
}

function rowOf(body: Reader): Row {
  const attributes = body.part(FIXED);
  const isIPv6 = body.u8(0) === AF[6];
  const bits = attributes.get(IFA.FLAGS)?.u32() ?? body.u8(2);
  const other = attributes.get(IFA.ADDRESS)?.ip();
  const address = attributes.get(IFA.LOCAL)?.ip() ?? other!;
  // The bit of `dynamic` says that an address is permanent.
  const flags = Object.entries(FLAGS)
    .filter(([name, bit]) => (bits & bit) !== 0 !== (name === "dynamic"))
    .map(([name]) => name === "secondary" && isIPv6 ? "temporary" : name);
  return {
    family: isIPv6 ? "inet6" : "inet",
    local: address,
    prefixlen: body.u8(1),
    address: other === address ? undefined : other,
    scope: nameOf("rt_scopes", body.u8(3)),
    ...Object.fromEntries(flags.map((flag) => [flag, true])),
  };
}
