import type { Reader } from "../../netlink/message.ts";
import { addressFamily, addressWord, invalidWord, linkName, oneOf, wholeNumber } from "../words.ts";
import { type Attribute, type InfoOf, type Kind, kind, type LinkBase, number } from "./kind.ts";

/** The UDP port of VXLAN (RFC 7348, section 5). Linux's default, 8472, is older than the RFC. */
const VXLAN_PORT = 4789;

/** A `vxlan`: a link whose frames travel to other hosts inside UDP packets (RFC 7348). */
export interface VxlanSpec extends LinkBase<"vxlan"> {
  /** The network's identifier (VNI), 0 to 16777215. */
  id: number;
  /**
   * The destination of frames to unknown MAC addresses: another host's address, or a multicast group,
   * which needs `dev`; left out, none.
   */
  remote?: string;
  /** The source address of packets, of the family of `remote`; left out, the routes decide. */
  local?: string;
  /**
   * The link that packets leave by, read back as `Link.link`; left out, the routing table decides.
   * If there is no such link, `ip` ends its process, and a session with it.
   */
  dev?: string;
  /** The UDP port of the other hosts; left out, 4789. */
  dstport?: number;
  /**
   * The packets' time to live: 1 to 255; `inherit` for that of the packet inside; with `auto`, or left
   * out, the kernel decides.
   */
  ttl?: number | "auto" | "inherit";
  /** Whether to learn from received packets which host has a MAC address; left out, true. */
  learning?: boolean;
  /** Whether to answer ARP requests on behalf of known neighbours. */
  proxy?: boolean;
  /** Seconds until a learned MAC address is forgotten; 0: never; left out, 300. */
  ageing?: number;
  /** The most MAC addresses to learn; 0 or left out: no limit. */
  maxaddress?: number;
}

/** The attributes of a vxlan link that can be read back. */
export type VxlanInfo =
  & Omit<InfoOf<VxlanSpec>, "dev" | "remote" | "local">
  & Pick<VxlanSpec, "remote" | "local">;

/** The attributes that Linux does not change (`vxlan_nl2conf` in its `drivers/net/vxlan/vxlan_core.c`). */
const FIXED = ["id", "dstport", "proxy", "maxaddress"] as const;

/** The attributes of addresses in a netlink message (`IFLA_VXLAN_*`), by family. */
const ADDRESSES = { remote: [2, 16], local: [4, 17] };
const [TTL, TTL_INHERIT] = [5, 28];

/** How a vxlan link is made, changed (Linux 4.12) and read back. */
export const vxlan: Kind<VxlanSpec, VxlanInfo, typeof FIXED[number]> = kind("vxlan", {
  id: number("id", 0, 0xff_ffff, [1, "u32"]),
  remote: {
    words: (value) => {
      const address = addressWord(value, "vxlan remote");
      return [isMulticast(address) ? "group" : "remote", address];
    },
    read: ({ remote, remote6, group, group6 }) =>
      (remote ?? remote6 ?? group ?? group6) as string | undefined,
    get: (data) => addressIn(data, ADDRESSES.remote),
  },
  local: {
    words: (value, { remote }) => {
      // An address of the other family, or a multicast group, would end the `ip` process.
      const family = remote === undefined ? undefined : addressFamily(remote);
      const address = addressWord(value, "vxlan local", family);
      if (isMulticast(address)) {
        throw invalidWord("vxlan local", address, "it is a multicast group");
      }
      return ["local", address];
    },
    read: ({ local, local6 }) => (local ?? local6) as string | undefined,
    get: (data) => addressIn(data, ADDRESSES.local),
  },
  dev: { words: (value) => ["dev", linkName(value, "vxlan dev")] },
  dstport: number("dstport", 1, 65535, [15, "be16"], { default: VXLAN_PORT, printedAs: "port" }),
  ttl: {
    words: (value) => [
      "ttl",
      typeof value === "number"
        ? wholeNumber(value, "vxlan ttl", 1, 255)
        : oneOf(value, "vxlan ttl", ["auto", "inherit"]),
    ],
    // `ip` prints `auto` as 0, and `inherit` not at all.
    read: ({ ttl = "inherit" }) => (ttl === 0 ? "auto" : ttl) as number | "auto" | "inherit",
    get: (data) => data.get(TTL_INHERIT)?.u8() ? "inherit" : data.get(TTL)?.u8() || "auto",
  },
  learning: flag("learning", true, 7),
  proxy: flag("proxy", false, 11),
  ageing: number("ageing", 0, 0xffff_ffff, [8, "u32"]),
  maxaddress: {
    ...number("maxaddress", 0, 0xffff_ffff, [9, "u32"]),
    // `ip` does not print a 0.
    read: ({ limit = 0 }) => limit as number,
  },
}, FIXED);

/** The address of either family, if it is not 0. */
function addressIn(data: Reader, types: readonly number[]): string | undefined {
  return types.map((type) => data.get(type)?.ip()).find((each) =>
    each && !["0.0.0.0", "::"].includes(each)
  );
}

/** A flag, which `ip` reads as `NAME` or `noNAME`, and may print only if it differs from the default. */
function flag(name: string, usual: boolean, type: number): Attribute<unknown, boolean> {
  return {
    words: (value) => [value ? name : `no${name}`],
    read: (data) => (data[name] ?? usual) as boolean,
    get: (data) => data.get(type)?.u8() === 1,
  };
}

/** Whether an address is a multicast group: 224.0.0.0/4 or ff00::/8. */
function isMulticast(address: string): boolean {
  return addressFamily(address) === 4
    ? /^2(2[4-9]|3\d)\./.test(address)
    : /^ff[0-9a-f]{2}:/i.test(address);
}
