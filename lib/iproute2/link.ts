import type { InfoData } from "./kinds/kind.ts";
import { type AskedLink, readLink, readLinks, sendLink, sendLinkDel } from "./link_netlink.ts";
import {
  ADDRGENMODES,
  isLinkType,
  kindOf,
  KINDS,
  type Link,
  type LinkChanges,
  type LinkInfo,
  type LinkSpec,
  type LinkTarget,
} from "./link_types.ts";
import { ask, type Change, make, type Runner } from "./runner.ts";
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

/** The change `link add …`. @throws {"invalid-word"} A value cannot be written. */
export function linkAdd(spec: LinkSpec): Change {
  const below = "link" in spec ? ["link", linkName(spec.link, "parent")] : [];
  const words = ["link", "add", ...below, ...attributeWords(spec, "add")];
  return { line: words.join(" "), send: sendLink(spec, "add") };
}

/** The change `link set …`. @throws {"invalid-word"} A value cannot be written. */
export function linkSet(which: LinkTarget, changes: LinkChanges): Change {
  const words = ["link", "set", "dev", targetWord(which), ...attributeWords(changes, "set")];
  return { line: words.join(" "), send: sendLink(changes, "set", which) };
}

function attributeWords(asked: AskedLink, verb: "add" | "set"): string[] {
  const { name, netns, index, mtu, txqlen, group, address, alias, master, up, type } = asked;
  const words: string[] = [];
  if (name !== undefined) words.push("name", linkName(name));
  if (netns !== undefined) words.push("netns", netnsTarget(netns));
  if (index !== undefined) words.push("index", indexNumber(index));
  if (mtu !== undefined) words.push("mtu", wholeNumber(mtu, "MTU", 68, 65535));
  // The kernel's length is 32 bits wide; `ip` reads it as an `int`.
  if (txqlen !== undefined) {
    words.push("txqueuelen", wholeNumber(txqlen, "queue length", 0, 0x7fff_ffff));
  }
  // The kernel's group is 32 bits wide; `ip` ends its process over one above `INT_MAX`.
  if (group !== undefined) words.push("group", nameOrNumber(group, "link group", 0x7fff_ffff));
  if (address !== undefined) words.push("address", word(address, "MAC address"));
  if (alias !== undefined) words.push("alias", alias === null ? "''" : word(alias, "alias"));
  if (master === null) words.push("nomaster");
  else if (master !== undefined) words.push("master", linkName(master, "master"));
  if (asked.addrgenmode !== undefined) {
    words.push("addrgenmode", oneOf(asked.addrgenmode, "addrgenmode", ADDRGENMODES));
  }
  if (up || up === false && verb === "set") words.push(up ? "up" : "down");
  // All words after the type are the kind's.
  if (type !== undefined) {
    words.push("type", oneOf(type, "link type", Object.keys(KINDS)));
    words.push(...kindOf(type).words(verb, asked as Partial<LinkSpec>));
  }
  return words;
}

/** The change `link del …`. @throws {"invalid-word"} No link can have the name or the index. */
export function linkDel(which: LinkTarget): Change {
  return { line: `link del dev ${targetWord(which)}`, send: sendLinkDel(which) };
}

function targetWord(which: LinkTarget): string {
  return typeof which === "string" ? linkName(which) : linkIndex(which.index);
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
    await make(this.runner, linkAdd(spec));
  }

  /** Changes a link. @throws {"ip-command"} The kernel refused. */
  async set(name: string, changes: LinkChanges): Promise<void> {
    await make(this.runner, linkSet(name, changes));
  }

  /** Deletes a link by name or index. @throws {"ip-command"} The kernel refused. */
  async del(which: string | { index: number }): Promise<void> {
    await make(this.runner, linkDel(which));
  }

  /** Shows one link without reading all; `undefined` if there is no such link. */
  async find(name: string): Promise<Link | undefined> {
    const line = `link show dev ${linkName(name)}`;
    const rows = await unlessMissing(ask(this.runner, line, (socket) => readLink(socket, name)));
    return rows?.map((row) => parseLink(row))[0];
  }

  /** Shows one link. @throws {"ip-command"} There is no such link (`errno` is `ENODEV`). */
  show(name: string): Promise<Link>;
  /** Shows all links, or those of one kind. */
  show(filter?: { type?: string }): Promise<Link[]>;
  async show(which: string | { type?: string } = {}): Promise<Link | Link[]> {
    if (typeof which === "string") {
      const name = linkName(which);
      // Among all, the index of the link below is that of the link of this name.
      const found = (await this.show()).find((link) => link.name === which);
      if (found) return found;
      throw ipCommandError(`ip link show dev ${name}`, `Device "${which}" does not exist`);
    }
    const { type } = which;
    const line = type === undefined ? "link show" : `link show type ${word(type, "link type")}`;
    return parseLinks(await ask(this.runner, line, (socket) => readLinks(socket, type)));
  }
}

/** What was found; `undefined` if the link that was asked for does not exist. */
export async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
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
  // `M-DOWN` is no flag of the link: `ip` prints it if the link below is down.
  const flags = (row.flags as string[]).filter((flag) => flag !== "M-DOWN");
  const linkinfo = (row.linkinfo ?? {}) as LinkInfoRow;
  const { info_kind: kind, info_data = {} } = linkinfo;
  // `ip` prints a null for a link in another namespace.
  const link = row.link as string | null ?? undefined;
  return {
    index: row.ifindex as number,
    name: row.ifname as string,
    flags,
    up: flags.includes("UP"),
    state: row.operstate as Link["state"],
    mtu: row.mtu as number,
    // `ip` does not print a 0.
    txqlen: (row.txqlen ?? 0) as number,
    address: row.address as string | undefined,
    group: row.group as string,
    alias: row.ifalias as string || undefined,
    master: row.master as string | undefined,
    masterKind: linkinfo.info_slave_kind,
    link,
    linkIndex: row.link_index as number | undefined ?? indexByName.get(link ?? ""),
    linkNetnsid: row.link_netnsid as number | undefined,
    addrgenmode: row.inet6_addr_gen_mode as Link["addrgenmode"],
    linkType: row.link_type as string,
    info: linkinfo.info ??
      (isLinkType(kind)
        ? kindOf(kind).parse(info_data)
        : { type: "other", kind: kind ?? "device" }),
  };
}

interface LinkInfoRow {
  info_kind?: string;
  info_data?: InfoData;
  /** The same as they are shown, if they were read by netlink. */
  info?: LinkInfo;
  info_slave_kind?: string;
}
