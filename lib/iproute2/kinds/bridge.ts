import { type Attribute, type InfoOf, type Kind, kind, type LinkBase } from "./kind.ts";

/** A `bridge`: a switch. */
export interface BridgeSpec extends LinkBase<"bridge"> {
  /** Whether ports belong to VLANs; left out, false. */
  vlanFiltering?: boolean;
  /** Whether each port counts the frames of each VLAN; left out, false. */
  vlanStats?: boolean;
}

/** How a bridge is made and read back. */
export const bridge: Kind<BridgeSpec, InfoOf<BridgeSpec>> = kind("bridge", {
  vlanFiltering: bit("vlan_filtering"),
  vlanStats: bit("vlan_stats_enabled", "vlan_stats_per_port"),
});

/** A switch of one or more names, each of which `ip` takes and prints as 0 or 1. */
function bit(name: string, ...others: string[]): Attribute<unknown, boolean> {
  return {
    words: (value) => [name, ...others].flatMap((each) => [each, value ? "1" : "0"]),
    read: (data) => data[name] === 1,
  };
}
