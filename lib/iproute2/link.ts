import { bond } from "./kinds/bond.ts";
import { dummy, veth, vrf } from "./kinds/plain.ts";
import { ipvlan, ipvtap, macvlan, macvtap } from "./kinds/ipvlan.ts";
import type { InfoData, Kind, LinkBase } from "./kinds/kind.ts";
import { bridge, vlan } from "./kinds/vlan.ts";
import { vxlan } from "./kinds/vxlan.ts";
import type { Runner } from "./session.ts";
import {
  indexNumber,
  linkIndex,
  linkName,
  nameOrNumber,
  netnsTarget,
  oneOf,
  wholeNumber,
  word,
} from "./words.ts";
import { ipCommandError } from "./errors.ts";
import { isIpvlanError } from "../base/errors.ts";

/** How the kernel generates IPv6 addresses (`IN6_ADDR_GEN_MODE_*` in `include/uapi/linux/if_link.h`). */
export const ADDRGENMODES = ["eui64", "none", "stable_secret", "random"] as const;

/** The kinds of link, by the word after `type`. */
export const KINDS = {
  dummy,
  veth,
  vlan,
  ipvlan,
  ipvtap,
  macvlan,
  macvtap,
  bridge,
  bond,
  vrf,
  vxlan,
} as const;

/** A kind of link that can be made. */
export type LinkType = keyof typeof KINDS;

/** A link to make, by its kind. */
export type LinkSpec = typeof KINDS[LinkType] extends Kind<infer Spec, infer _, infer _Fixed> ? Spec
  : never;

/**
 * Changes of attributes of a link's kind: `{ type: "bridge", vlanFiltering: true }`. Kinds and
 * attributes that the kernel does not change, such as the id of a VLAN, are not in it.
 */
export type KindChanges = {
  [Type in LinkType]: typeof KINDS[Type] extends Kind<infer Spec, infer _, infer Fixed>
    ? Exclude<keyof Spec, keyof LinkBase | "link" | Fixed> extends never ? never
    : { type: Type } & Partial<Omit<Spec, keyof LinkBase | "link" | Fixed>>
    : never;
}[LinkType];

/** The changes of a link. Attributes left out stay as they are. */
export type LinkChanges =
  & Partial<Pick<LinkBase, "mtu" | "txqlen" | "group" | "address">>
  & {
    /** A new name. The link has to be down. */
    name?: string;
    /** The namespace to move it to. It loses its addresses. */
    netns?: string;
    /** Up or down. */
    up?: boolean;
    /** A note of up to 255 bytes, shown by `ip link show`; `null` removes it. */
    alias?: string | null;
    /** The bridge (or bond, …) to be a port of; `null` for none. */
    master?: string | null;
    /** How the kernel generates its IPv6 addresses: `none` for not at all. */
    addrgenmode?: typeof ADDRGENMODES[number];
  }
  & (KindChanges | { type?: undefined });

/** The attributes of a link's kind. */
export type LinkInfo =
  | (typeof KINDS[LinkType] extends Kind<infer _, infer Info, infer _Fixed> ? Info : never)
  /** Any other kind, by its name; `device` for hardware, which has none. */
  | { type: "other"; kind: string };

/**
 * A link as the kernel shows it. Source: `print_linkinfo` in iproute2's `ip/ipaddress.c`, the same
 * in Debian 11, 12 and 13, with the differences that are noted below.
 */
export interface Link {
  /** The interface index, unique in its namespace. */
  index: number;
  /** The name. */
  name: string;
  /** The flags, as `ip` prints them: `UP`, `LOWER_UP`, `NOARP`, … */
  flags: string[];
  /** Whether it is set up (which does not say that there is a carrier). */
  up: boolean;
  /** The operational state (RFC 2863). */
  state: "UP" | "DOWN" | "UNKNOWN" | "DORMANT" | "TESTING" | "NOTPRESENT" | "LOWERLAYERDOWN";
  /** The largest packet, in bytes. */
  mtu: number;
  /** The hardware (MAC) address; `undefined` if the kind has none. */
  address?: string;
  /** The group, as `ip` prints it: a number, or a name such as `default`. */
  group: string;
  /** The note on it. */
  alias?: string;
  /** The link that it is a port of. */
  master?: string;
  /** The kind of {@linkcode Link.master}: `bridge`, `bond`, `team`, `vrf`, … */
  masterKind?: string;
  /** The name of the link below it; `undefined` if there is none or it is in another namespace. */
  link?: string;
  /**
   * The index of the link below it, in that link's own namespace. For a link in this namespace, `ip`
   * prints only the name: then this is the index of the shown link with that name, or `undefined` if a
   * filter has left it out. For a `vxlan` link, the index of a link in another namespace is unknown.
   */
  linkIndex?: number;
  /**
   * The id of the link below's namespace, as `ip netns list-id` shows it, or -1 if this
   * namespace has no id for it. `undefined` if both links are in the same namespace.
   */
  linkNetnsid?: number;
  /** How the kernel generates its IPv6 addresses. */
  addrgenmode?: typeof ADDRGENMODES[number];
  /** `ether`, `loopback`, `none`, … */
  linkType: string;
  /** The attributes of its kind. */
  info: LinkInfo;
  /** Its other names (`ip link property add … altname`). */
  altnames: string[];
  /** The hardware address that it was made with, if different from {@linkcode Link.address}. */
  permaddr?: string;
  /** How many users have asked for promiscuous mode; 0 when it is off. */
  promiscuity: number;
  /** The smallest MTU that it takes, in bytes; 0 for no limit. */
  minMtu: number;
  /** The largest MTU that it takes, in bytes; 0 for no limit. */
  maxMtu: number;
  /** The length of its transmit queue, in packets. */
  txqlen: number;
  /** The number of its transmit queues. */
  numTxQueues: number;
  /** The number of its receive queues; `undefined` on a kernel built without `CONFIG_RPS`. */
  numRxQueues?: number;
  /** The largest packet for generic segmentation offload, in bytes. */
  gsoMaxSize: number;
  /** The bus of the hardware behind it, such as `pci` (iproute2 5.14 or newer). */
  parentBus?: string;
  /** The hardware behind it, such as `0000:00:1f.6` (iproute2 5.14 or newer). */
  parentDev?: string;
}

/** Selects links. */
export interface LinkFilter {
  /** Only those of this group: its number or its name. */
  group?: number | string;
  /** Only those of this kind. */
  type?: string;
  /** Only the ports of this link. */
  master?: string;
}

/** The line `link add …`. @throws {"invalid-word"} A value cannot be written. */
export function linkAdd(spec: LinkSpec): string {
  const below = "link" in spec ? ["link", linkName(spec.link, "parent")] : [];
  return [
    ...["link", "add", ...below, ...attributeWords(spec)],
    ...(spec.up ? ["up"] : []),
    ...kindWords("add", spec.type, spec),
  ].join(" ");
}

/** The line `link set …`. @throws {"invalid-word"} A value cannot be written. */
export function linkSet(which: string | { index: number }, changes: LinkChanges): string {
  const { alias, master, addrgenmode, up, type } = changes;
  const words = ["link", "set", "dev"];
  words.push(typeof which === "string" ? linkName(which) : linkIndex(which.index));
  words.push(...attributeWords(changes));
  if (alias !== undefined) words.push("alias", alias === null ? "''" : word(alias, "alias"));
  if (master === null) words.push("nomaster");
  else if (master !== undefined) words.push("master", linkName(master, "master"));
  if (addrgenmode !== undefined) {
    words.push("addrgenmode", oneOf(addrgenmode, "addrgenmode", ADDRGENMODES));
  }
  if (up !== undefined) words.push(up ? "up" : "down");
  if (type !== undefined) words.push(...kindWords("set", type, changes as Partial<LinkSpec>));
  return words.join(" ");
}

/** The words of the attributes that a new link can have and that can be changed. */
function attributeWords(
  { name, netns, index, mtu, txqlen, group, address }: Partial<LinkBase>,
): string[] {
  const words: string[] = [];
  if (name !== undefined) words.push("name", linkName(name));
  if (netns !== undefined) words.push("netns", netnsTarget(netns));
  if (index !== undefined) words.push("index", indexNumber(index));
  if (mtu !== undefined) words.push("mtu", wholeNumber(mtu, "MTU", 68, 65535));
  // The kernel's length is 32 bits wide; `ip` reads it as an `int`.
  if (txqlen !== undefined) {
    words.push("txqueuelen", wholeNumber(txqlen, "queue length", 0, 0x7fff_ffff));
  }
  if (group !== undefined) words.push("group", groupWord(group));
  if (address !== undefined) words.push("address", word(address, "MAC address"));
  return words;
}

function kindWords(verb: "add" | "set", type: LinkType, spec: Partial<LinkSpec>): string[] {
  const name = oneOf(type, "link type", Object.keys(KINDS));
  return ["type", name, ...kindOf(type).words(verb, spec)];
}

/**
 * The line `link del …`.
 *
 * @param which A link, by name or by index, or all links of a group.
 * @throws {"invalid-word"} A value cannot be written.
 */
export function linkDel(which: string | { index: number } | { group: number | string }): string {
  if (typeof which === "string") return `link del dev ${linkName(which)}`;
  return "index" in which
    ? `link del dev ${linkIndex(which.index)}`
    : `link del group ${groupWord(which.group)}`;
}

// The kernel's group is 32 bits wide; `ip` ends its process over one above `INT_MAX`.
function groupWord(value: number | string): string {
  return nameOrNumber(value, "link group", 0x7fff_ffff);
}

/**
 * The verbs of `ip link`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open();
 * await ip.link.add({ type: "vlan", name: "eth0.20", link: "eth0", id: 20 });
 * await ip.link.set("eth0.20", { mtu: 1400, up: true });
 * await ip.link.set("eth0.20", { type: "vlan", looseBinding: true }); // an attribute of the kind
 * const { mtu } = await ip.link.show("eth0.20"); // 1400
 * await ip.link.del("eth0.20");
 * ```
 */
export class LinkVerbs {
  /** Makes the verbs of one runner. */
  constructor(private readonly runner: Runner) {}

  /** Makes a link. @throws {"ip-command"} The kernel refused. */
  async add(spec: LinkSpec): Promise<void> {
    await this.runner.change(linkAdd(spec));
  }

  /** Changes a link. @throws {"ip-command"} The kernel refused. */
  async set(name: string, changes: LinkChanges): Promise<void> {
    await this.runner.change(linkSet(name, changes));
  }

  /** Deletes a link by name or index, or all of a group. @throws {"ip-command"} The kernel refused. */
  async del(which: string | { index: number } | { group: number | string }): Promise<void> {
    await this.runner.change(linkDel(which));
  }

  /** Shows one link without reading all; `undefined` if there is no such link. */
  async find(name: string): Promise<Link | undefined> {
    const row = await queryLink(this.runner, `link show dev ${linkName(name)}`);
    return row && parseLink(row);
  }

  /** Shows one link. @throws {"ip-command"} There is no such link (`errno` is `ENODEV`). */
  show(name: string): Promise<Link>;
  /** Shows all links, or those that match the filter. */
  show(filter?: LinkFilter): Promise<Link[]>;
  async show(which: string | LinkFilter = {}): Promise<Link | Link[]> {
    if (typeof which === "string") {
      const name = linkName(which);
      // The index of the link below is that of the link of this name.
      const all = parseLinks(await this.runner.query("link show"));
      const found = all.find((link) => link.name === which);
      if (!found) {
        throw ipCommandError(`ip link show dev ${name}`, `Device "${which}" does not exist`);
      }
      return found;
    }
    const words = ["link", "show"];
    if (which.group !== undefined) words.push("group", groupWord(which.group));
    if (which.master !== undefined) words.push("master", linkName(which.master));
    if (which.type !== undefined) words.push("type", word(which.type, "link type"));
    return parseLinks(await this.runner.query(words.join(" ")));
  }
}

/** The row of a line that shows one link; `undefined` if there is no such link. */
export async function queryLink(
  runner: Runner,
  line: string,
): Promise<Record<string, unknown> | undefined> {
  try {
    return (await runner.query(line))[0];
  } catch (error) {
    if (isIpvlanError(error, "ip-command") && error.errno === "ENODEV") return undefined;
    throw error;
  }
}

/** The links from the rows of one `ip -details -json link show`. */
export function parseLinks(rows: readonly Record<string, unknown>[]): Link[] {
  const indexByName = new Map(rows.map((row) => [row.ifname as string, row.ifindex as number]));
  return rows.map((row) => parseLink(row, indexByName));
}

/** A link from its row of `ip -details -json link show`, and the indexes of the links beside it. */
export function parseLink(
  row: Record<string, unknown>,
  indexByName: ReadonlyMap<string, number> = new Map(),
): Link {
  const flags = row.flags as string[];
  const linkinfo = (row.linkinfo ?? {}) as LinkInfoRow;
  const { info_kind: kind, info_data = {} } = linkinfo;
  const { link, linkIndex } = linkBelow(row, linkinfo);
  return {
    index: row.ifindex as number,
    name: row.ifname as string,
    flags,
    up: flags.includes("UP"),
    state: row.operstate as Link["state"],
    mtu: row.mtu as number,
    address: row.address as string | undefined,
    group: row.group as string,
    alias: row.ifalias as string || undefined,
    master: row.master as string | undefined,
    masterKind: linkinfo.info_slave_kind,
    link,
    linkIndex: linkIndex ?? indexByName.get(link ?? ""),
    linkNetnsid: row.link_netnsid as number | undefined,
    addrgenmode: row.inet6_addr_gen_mode as Link["addrgenmode"],
    linkType: row.link_type as string,
    info: isLinkType(kind)
      ? kindOf(kind).parse(info_data)
      : { type: "other", kind: kind ?? "device" },
    altnames: (row.altnames ?? []) as string[],
    permaddr: row.permaddr as string | undefined,
    promiscuity: row.promiscuity as number,
    minMtu: row.min_mtu as number,
    maxMtu: row.max_mtu as number,
    // `ip` does not print a 0.
    txqlen: (row.txqlen ?? 0) as number,
    numTxQueues: row.num_tx_queues as number,
    numRxQueues: row.num_rx_queues as number | undefined,
    gsoMaxSize: row.gso_max_size as number,
    parentBus: row.parentbus as string | undefined,
    parentDev: row.parentdev as string | undefined,
  };
}

/** The part of a row about a link's kind. */
type LinkInfoRow = { info_kind?: string; info_data?: InfoData; info_slave_kind?: string };

/** The name of the link below if it is in this namespace, its index if it is in another. */
function linkBelow(
  { link, link_index, link_netnsid }: Record<string, unknown>,
  { info_kind, info_data }: LinkInfoRow,
): { link?: string; linkIndex?: number } {
  // Only that of a vxlan link is in `info_data`. Others have it beside the name (`IFLA_LINK`).
  if (info_kind !== "vxlan") {
    return { link: link as string ?? undefined, linkIndex: link_index as number | undefined };
  }
  // In another namespace, `ip` prints the name of the link that has the same index here, and the
  // kernel gives the index of the link itself (`dev_get_iflink` in its `net/core/dev.c`).
  if (link_netnsid !== undefined) return {};
  return { link: info_data?.link as string | undefined };
}

function isLinkType(kind = ""): kind is LinkType {
  return Object.hasOwn(KINDS, kind);
}

/** The kind of a type, typed to take any spec: the caller gives it only specs of that type. */
function kindOf(type: LinkType): Kind<LinkSpec, LinkInfo, string> {
  return KINDS[type];
}
