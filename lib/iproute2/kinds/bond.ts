import { addressWord, invalidWord } from "../words.ts";
import { choice, type InfoOf, type Kind, kind, type LinkBase, number } from "./kind.ts";

/** How a bond distributes packets over its ports (`bond_mode` in `include/uapi/linux/if_bonding.h`). */
export const BOND_MODES = [
  "balance-rr",
  "active-backup",
  "balance-xor",
  "broadcast",
  "802.3ad",
  "balance-tlb",
  "balance-alb",
] as const;

/** How a bond chooses the port for a packet. `vlan+srcmac` needs iproute2 and Linux 5.12. */
export const XMIT_HASH_POLICIES = [
  "layer2",
  "layer2+3",
  "layer3+4",
  "encap2+3",
  "encap3+4",
  "vlan+srcmac",
] as const;

/**
 * A `bond`: a master that combines its ports into one link. The kernel chooses what is left out
 * (`Documentation/networking/bonding.rst`).
 */
export interface BondSpec extends LinkBase<"bond"> {
  /** How it distributes packets. No default here: few want the kernel's, `balance-rr`. */
  mode: typeof BOND_MODES[number];
  /** How often to check each port's carrier, in milliseconds; 0 for never. */
  miimon?: number;
  /** How long a port must have a carrier before use, in milliseconds: a multiple of `miimon`. */
  updelay?: number;
  /** How long a port must lack a carrier before it is disabled: milliseconds, a multiple of `miimon`. */
  downdelay?: number;
  /** Milliseconds between ARP requests to `arpIpTarget`; 0 for none. It excludes `miimon`. */
  arpInterval?: number;
  /** The IPv4 addresses to send ARP requests to, at most 16. */
  arpIpTarget?: string[];
  /** When to return to the primary port: `always`, if it is `better`, or only after a `failure`. */
  primaryReselect?: "always" | "better" | "failure";
  /**
   * The MAC addresses: all ports have the bond's (`none`), the bond has the active port's (`active`), or
   * only the active port has the bond's (`follow`).
   */
  failOverMac?: "none" | "active" | "follow";
  /** How to choose the port for a packet. */
  xmitHashPolicy?: typeof XMIT_HASH_POLICIES[number];
  /** How many gratuitous ARPs to send after a change of port, 0 to 255. */
  numGratArp?: number;
  /** How many ports must work for the bond to have a carrier. */
  minLinks?: number;
  /**
   * How often the partner should send LACP packets: every 30 seconds (`slow`) or every second
   * (`fast`). For the mode `802.3ad` only.
   */
  lacpRate?: "slow" | "fast";
  /**
   * Which group of ports (aggregator) to use in the mode `802.3ad`: the one with most bandwidth, until
   * it has no port left (`stable`); or whenever a port changes, the one with most `bandwidth` or the
   * highest `count` of ports.
   */
  adSelect?: "stable" | "bandwidth" | "count";
}

/** The largest number of milliseconds, and of ports: the kernel's `INT_MAX`. */
const INT_MAX = 0x7fff_ffff;

/** The largest number of ARP targets (`BOND_MAX_ARP_TARGETS` in `include/net/bonding.h`). */
const MAX_ARP_TARGETS = 16;

/** How a bond is made and read back. The numbers are those of `IFLA_BOND_*`. */
export const bond: Kind<BondSpec, InfoOf<BondSpec>> = kind("bond", {
  mode: choice("mode", BOND_MODES, [1, "u8"]),
  miimon: number("miimon", 0, INT_MAX, [3, "u32"]),
  updelay: number("updelay", 0, INT_MAX, [4, "u32"]),
  downdelay: number("downdelay", 0, INT_MAX, [5, "u32"]),
  arpInterval: number("arp_interval", 0, INT_MAX, [7, "u32"]),
  arpIpTarget: {
    words: (targets) => targets.length === 0 ? [] : ["arp_ip_target", targetsWord(targets)],
    // `ip` prints no empty list.
    read: ({ arp_ip_target = [] }) => arp_ip_target as string[],
    get: (data) =>
      [...data.get(8)?.all() ?? []].map(([, target]) => target.ip())
        .filter((target) => target !== "0.0.0.0"),
  },
  primaryReselect: choice("primary_reselect", ["always", "better", "failure"], [12, "u8"]),
  failOverMac: choice("fail_over_mac", ["none", "active", "follow"], [13, "u8"]),
  xmitHashPolicy: choice("xmit_hash_policy", XMIT_HASH_POLICIES, [14, "u8"], {
    numbers: [0, 2, 1, 3, 4, 5],
  }),
  numGratArp: number("num_grat_arp", 0, 255, [16, "u8"], { printedAs: "num_peer_notif" }),
  minLinks: number("min_links", 0, INT_MAX, [18, "u32"]),
  lacpRate: choice("lacp_rate", ["slow", "fast"], [21, "u8"], { printedAs: "ad_lacp_rate" }),
  adSelect: choice("ad_select", ["stable", "bandwidth", "count"], [22, "u8"]),
});

/** The addresses as one word. `ip` would silently drop those after the 16th. */
function targetsWord(targets: readonly string[]): string {
  const word = targets.map((target) => addressWord(target, "bond arp_ip_target", 4)).join(",");
  if (targets.length > MAX_ARP_TARGETS) {
    throw invalidWord("bond arp_ip_target", word, `at most ${MAX_ARP_TARGETS} addresses`);
  }
  return word;
}
