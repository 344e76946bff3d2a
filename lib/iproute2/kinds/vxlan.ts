import { addressWord, familyOf, linkName, oneOf, wholeNumber } from "../words.ts";
import { type Attribute, type InfoOf, type Kind, kind, type LinkBase, number } from "./kind.ts";
import { invalidWord } from "../errors.ts";

/** The UDP port of VXLAN (RFC 7348, section 5). Linux's own default, 8472, is older than that. */
export const VXLAN_PORT = 4789;

/** A `vxlan`: a link whose frames travel to other hosts inside UDP packets (RFC 7348). */
export interface VxlanSpec extends LinkBase<"vxlan"> {
  /** The network's identifier (VNI), 0 to 16777215. */
  id: number;
  /**
   * Where frames go whose receiver is not known: another host's address, or a multicast group,
   * which needs `dev`; left out, nowhere.
   */
  remote?: string;
  /**
   * The address of this host that packets come from, of the same family as `remote`; left out, the
   * routing table's choice.
   */
  local?: string;
  /**
   * The link that packets leave by, read back as `Link.link`; left out, the routing table's choice.
   * If there is no such link, `ip` ends its process, and a session with it.
   */
  dev?: string;
  /** The UDP port of the other hosts; left out, 4789. */
  dstport?: number;
  /**
   * The packets' time to live: 1 to 255; `inherit` for that of the packet inside; `auto`, or left out,
   * for the kernel's choice.
   */
  ttl?: number | "auto" | "inherit";
  /** Whether to learn from packets that come in behind which host a MAC is; left out, true. */
  learning?: boolean;
  /** Whether to answer ARP requests in the place of neighbours that this host knows. */
  proxy?: boolean;
  /** After how many seconds to forget a MAC address that was learned; 0: never; left out, 300. */
  ageing?: number;
  /** How many MAC addresses to know at most; 0 or left out: no limit. */
  maxaddress?: number;
}

/** What is read back of a vxlan link. */
export type VxlanInfo =
  & Omit<InfoOf<VxlanSpec>, "dev" | "remote" | "local">
  & Pick<VxlanSpec, "remote" | "local">;

/** What Linux does not change (`vxlan_nl2conf` in its `drivers/net/vxlan/vxlan_core.c`). */
const FIXED = ["id", "dstport", "proxy", "maxaddress"] as const;

/** How a vxlan link is made, changed (Linux 4.12) and read back. */
export const vxlan: Kind<VxlanSpec, VxlanInfo, typeof FIXED[number]> = kind("vxlan", {
  id: number("id", 0, 0xff_ffff),
  remote: {
    words: (value) => {
      const address = addressWord(value, "vxlan remote");
      return [isMulticast(address) ? "group" : "remote", address];
    },
    read: ({ remote, remote6, group, group6 }) =>
      (remote ?? remote6 ?? group ?? group6) as string | undefined,
  },
  local: {
    words: (value, { remote }) => {
      // `ip` ends its process over an address of the other family, or a multicast group.
      const family = remote === undefined ? undefined : familyOf(remote);
      const address = addressWord(value, "vxlan local", family);
      if (isMulticast(address)) {
        throw invalidWord("vxlan local", address, "it is a multicast group");
      }
      return ["local", address];
    },
    read: ({ local, local6 }) => (local ?? local6) as string | undefined,
  },
  dev: { words: (value) => ["dev", linkName(value, "vxlan dev")] },
  dstport: number("dstport", 1, 65535, { default: VXLAN_PORT, printedAs: "port" }),
  ttl: {
    words: (value) => [
      "ttl",
      typeof value === "number"
        ? wholeNumber(value, "vxlan ttl", 1, 255)
        : oneOf(value, "vxlan ttl", ["auto", "inherit"]),
    ],
    // `ip` prints `auto` as 0, and `inherit` not at all.
    read: ({ ttl = "inherit" }) => (ttl === 0 ? "auto" : ttl) as number | "auto" | "inherit",
  },
  learning: flag("learning", true),
  proxy: flag("proxy", false),
  ageing: number("ageing", 0, 0xffff_ffff),
  maxaddress: {
    ...number("maxaddress", 0, 0xffff_ffff),
    // `ip` does not print a 0.
    read: ({ limit = 0 }) => limit as number,
  },
}, { hasLinkInData: true, fixed: FIXED });

/** A flag, which `ip` takes as `NAME` or `noNAME`, and may print only where it is not the usual. */
function flag(name: string, usual: boolean): Attribute<unknown, boolean> {
  return {
    words: (value) => [value ? name : `no${name}`],
    read: (data) => (data[name] ?? usual) as boolean,
  };
}

/** Whether an address is a multicast group: 224.0.0.0/4 or ff00::/8. */
function isMulticast(address: string): boolean {
  return familyOf(address) === 4
    ? /^2(2[4-9]|3\d)\./.test(address)
    : /^ff[0-9a-f]{2}:/i.test(address);
}
