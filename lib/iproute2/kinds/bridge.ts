import { type Attribute, choice, type InfoOf, type Kind, kind, type LinkBase } from "./kind.ts";
import { VLAN_PROTOCOLS, type VlanProtocol } from "./vlan.ts";

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

/** How a bridge is made, changed and read back. */
export const bridge: Kind<BridgeSpec, InfoOf<BridgeSpec>> = kind("bridge", {
  vlanFiltering: bit("vlan_filtering"),
  vlanProtocol: choice("vlan_protocol", VLAN_PROTOCOLS),
  vlanStats: bit("vlan_stats_enabled", "vlan_stats_per_port"),
});

/** A boolean attribute with one or more names, which `ip` takes and prints as 0 or 1. */
function bit(name: string, ...others: string[]): Attribute<unknown, boolean> {
  return {
    words: (value) => [name, ...others].flatMap((each) => [each, value ? "1" : "0"]),
    read: (data) => data[name] === 1,
  };
}
