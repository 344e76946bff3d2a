import { type Link, parseLink, queryLink } from "./link.ts";
import type { Runner } from "./session.ts";
import { addressWord, familyOf, invalidWord, linkName, nameOrNumber, prefixWord } from "./words.ts";

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

/** The line `addr add …`. @throws {"invalid-word"} A value cannot be written. */
export function addrAdd(spec: AddrSpec): string {
  const words = ["addr add", ...addressWords(spec)];
  if (spec.scope !== undefined) words.push("scope", nameOrNumber(spec.scope, "scope", 255));
  if (spec.nodad) words.push("nodad");
  if (spec.noprefixroute) words.push("noprefixroute");
  return words.join(" ");
}

/** The line `addr del …`. @throws {"invalid-word"} A value cannot be written. */
export function addrDel(spec: AddrSpec): string {
  return ["addr del", ...addressWords(spec)].join(" ");
}

/** The words of an address on a link. `ip` takes one without a length, but may then delete several. */
function addressWords({ dev, address, prefixLength, peer }: AddrSpec): string[] {
  const whole = prefixLength === undefined ? address : `${address}/${prefixLength}`;
  const [local, length] = prefixWord(whole, "address").split("/");
  if (length === undefined) {
    const example = `${address}/${familyOf(address) === 6 ? 64 : 24}`;
    throw invalidWord("address", address, `it needs a prefix length: ${example}`);
  }
  const link = ["dev", linkName(dev)];
  if (peer === undefined) return [whole, ...link];
  return [local!, "peer", `${addressWord(peer, "peer", familyOf(address))}/${length}`, ...link];
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
    await this.runner.change(addrAdd(spec));
  }

  /** Takes an address off a link. @throws {"ip-command"} The kernel refused. */
  async del(spec: AddrSpec): Promise<void> {
    await this.runner.change(addrDel(spec));
  }

  /** Shows all addresses, or those of one link. @throws {"ip-command"} There is no such link. */
  async show(filter: { dev?: string } = {}): Promise<Addr[]> {
    const { dev } = filter;
    const line = dev === undefined ? "addr show" : `addr show dev ${linkName(dev)}`;
    let rows = await this.runner.query(line);
    // Once a process has shown links, `ip addr show dev` prints a link without its addresses, as
    // `link show` does (`do_link` in `ip/ipaddress.c`). `ip addr show` of all links prints them.
    if (rows.some((row) => !("addr_info" in row))) {
      rows = (await this.runner.query("addr show")).filter((row) => row.ifname === dev);
    }
    return rows.flatMap(parseAddrs);
  }

  /** Shows one link and its addresses; `undefined` if there is no such link. */
  async showLink(dev: string): Promise<{ link: Link; addrs: Addr[] } | undefined> {
    const row = await queryLink(this.runner, `addr show dev ${linkName(dev)}`);
    if (!row) return undefined;
    const addrs = "addr_info" in row ? parseAddrs(row) : await this.show({ dev });
    return { link: parseLink(row), addrs };
  }
}

/** The addresses of a link from its row of `ip -json addr show`. */
export function parseAddrs(link: Record<string, unknown>): Addr[] {
  return (link.addr_info as Record<string, unknown>[]).map((row) => ({
    dev: link.ifname as string,
    family: row.family === "inet6" ? 6 : 4,
    address: row.local as string,
    prefixLength: row.prefixlen as number,
    peer: row.address as string | undefined,
    scope: row.scope as AddrSpec["scope"],
    nodad: row.nodad === true,
    noprefixroute: row.noprefixroute === true,
    // `ip` prints each flag as a field of its own.
    flags: Object.keys(row).filter((key) => row[key] === true),
  }));
}

/** The addresses of a link that belong to its network: not the link-local ones. */
export function globalAddrs(link: string, addrs: readonly Addr[]): Addr[] {
  return addrs.filter(({ dev, scope }) => dev === link && scope === "global");
}
