import { attribute, u32 } from "../../netlink/message.ts";
import {
  type Attribute,
  choice,
  type InfoOf,
  type Kind,
  kind,
  type LinkBase,
  number,
} from "./kind.ts";

/** The tag protocols of VLANs: a customer tag, or a service tag around one (QinQ). */
export const VLAN_PROTOCOLS = ["802.1Q", "802.1ad"] as const;

/** A tag protocol of VLANs. */
export type VlanProtocol = typeof VLAN_PROTOCOLS[number];

/** The lowest and highest VLAN ids that may be used (IEEE 802.1Q: 0 and 4095 are reserved). */
export const VLAN_ID: Readonly<{ MIN: number; MAX: number }> = { MIN: 1, MAX: 4094 };

/**
 * A `vlan`: a sub-interface whose frames leave the link below with a tag. Source of the flags:
 * `enum vlan_flags` in `include/uapi/linux/if_vlan.h`.
 */
export interface VlanSpec extends LinkBase<"vlan"> {
  /** The link below. */
  link: string;
  /** The VLAN id, 1 to 4094. */
  id: number;
  /** The tag's protocol: `802.1ad` for the outer of two tags; left out, `802.1Q`. */
  protocol?: VlanProtocol;
  /** Whether received frames are shown without their tag, also in a capture; left out, true. */
  reorderHdr?: boolean;
  /** Whether the VLAN is announced to the switch by GVRP; left out, false. */
  gvrp?: boolean;
  /** Whether the VLAN is announced to the switch by MVRP; left out, false. */
  mvrp?: boolean;
  /** Whether the link stays up when the link below goes down; left out, false. */
  looseBinding?: boolean;
  /**
   * Whether the link has a carrier only while a port of the VLAN has one; left out, false. The link
   * below must be a bridge.
   */
  bridgeBinding?: boolean;
}

/** The numbers of the tag protocols (`ETH_P_*` in `include/uapi/linux/if_ether.h`). */
const PROTOCOL_NUMBERS = [0x8100, 0x88a8];

/** The attributes of a sub-interface in a netlink message (`IFLA_VLAN_*`). */
const ATTRIBUTE = { ID: 1, FLAGS: 2, PROTOCOL: 5 };

/** The bits of the flags (`VLAN_FLAG_*`). */
const BITS = { reorderHdr: 1, gvrp: 2, mvrp: 8, looseBinding: 4, bridgeBinding: 16 };

/** How a VLAN sub-interface is made, changed and read back. */
export const vlan: Kind<VlanSpec, InfoOf<VlanSpec>, "protocol" | "id"> = kind("vlan", {
  protocol: choice("protocol", VLAN_PROTOCOLS, [ATTRIBUTE.PROTOCOL, "be16"], {
    default: "802.1Q",
    numbers: PROTOCOL_NUMBERS,
  }),
  id: number("id", VLAN_ID.MIN, VLAN_ID.MAX, [ATTRIBUTE.ID, "u16"]),
  reorderHdr: flag("reorder_hdr", BITS.reorderHdr),
  gvrp: flag("gvrp", BITS.gvrp),
  mvrp: flag("mvrp", BITS.mvrp),
  looseBinding: flag("loose_binding", BITS.looseBinding),
  bridgeBinding: flag("bridge_binding", BITS.bridgeBinding),
}, ["protocol", "id"]);

/** A flag, which `ip` reads as `on` or `off`, and prints in upper case in a list. */
function flag(name: string, bit: number): Attribute<VlanSpec, boolean> {
  return {
    words: (value) => [name, value ? "on" : "off"],
    read: ({ flags = [] }) => (flags as string[]).includes(name.toUpperCase()),
    get: (data) => ((data.get(ATTRIBUTE.FLAGS)?.u32() ?? 0) & bit) !== 0,
    // The flags share an attribute, so each writes all that are given: their values, and their bits.
    put: (_value, spec) => {
      const sum = (...values: unknown[]) =>
        Object.entries(BITS).filter(([name]) => values.includes(spec[name as keyof typeof BITS]))
          .reduce((sum, [, bit]) => sum | bit, 0);
      return attribute(ATTRIBUTE.FLAGS, [u32(sum(true)), u32(sum(true, false))]);
    },
  };
}

/** A `bridge`: a switch. */
export interface BridgeSpec extends LinkBase<"bridge"> {
  /** Whether the bridge separates VLANs; left out, false. */
  vlanFiltering?: boolean;
  /**
   * The protocol of the VLAN tags: `802.1ad` for the outer of two tags (QinQ). Frames with another
   * tag count as untagged. Needs Linux 4.3, as `vlanFiltering` does; left out, `802.1Q`.
   */
  vlanProtocol?: VlanProtocol;
  /** Whether each port counts the frames of each VLAN; left out, false. Needs Linux 4.20. */
  vlanStats?: boolean;
}

/** How a bridge is made, changed and read back. The numbers are those of `IFLA_BR_*`. */
export const bridge: Kind<BridgeSpec, InfoOf<BridgeSpec>> = kind("bridge", {
  vlanFiltering: bit(7, "vlan_filtering"),
  vlanProtocol: choice("vlan_protocol", VLAN_PROTOCOLS, [8, "be16"], { numbers: PROTOCOL_NUMBERS }),
  vlanStats: bit(41, "vlan_stats_enabled", "vlan_stats_per_port"),
});

/** A boolean attribute with one or more names, which `ip` takes and prints as 0 or 1. */
function bit(type: number, name: string, ...others: string[]): Attribute<unknown, boolean> {
  return {
    words: (value) => [name, ...others].flatMap((each) => [each, value ? "1" : "0"]),
    read: (data) => data[name] === 1,
    get: (data) => data.get(type)?.u8() === 1,
  };
}
