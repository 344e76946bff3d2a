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
