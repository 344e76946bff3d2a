import { dummy, veth, vrf } from "./kinds/plain.ts";
import { ipvlan, ipvtap, macvlan, macvtap } from "./kinds/ipvlan.ts";
import type { Kind, LinkBase } from "./kinds/kind.ts";
import { bridge, vlan } from "./kinds/vlan.ts";

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
  vrf,
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
   * filter has left it out.
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
  /** The length of its transmit queue, in packets. */
  txqlen: number;
}

/**
 * Whether a link of a namespace, the host's own if it has no name, is an ipvlan link on a link of the
 * host. Ids of namespaces mean something else in each, but an ipvlan link has the MAC address of its
 * parent (`ipvlan_link_new` and `ipvlan_device_event` in the kernel's
 * `drivers/net/ipvlan/ipvlan_main.c`).
 */
export function isIpvlanOn(parent: Link, link: Link, netns: string | undefined): boolean {
  const { info, linkIndex, linkNetnsid, address } = link;
  const isOfHost = (netns === undefined) === (linkNetnsid === undefined);
  return info.type === "ipvlan" && isOfHost && linkIndex === parent.index &&
    address === parent.address && parent.info.type !== "ipvlan";
}

/** A link to change or delete: its name, or its index. */
export type LinkTarget = string | { index: number };

/** Whether a link of a kind can be made here. */
export function isLinkType(kind = ""): kind is LinkType {
  return Object.hasOwn(KINDS, kind);
}

/** The kind of a type, typed to take any spec: the caller gives it only specs of that type. */
export function kindOf(type: LinkType): Kind<LinkSpec, LinkInfo, string> {
  return KINDS[type];
}
