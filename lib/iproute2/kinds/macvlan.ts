import { choice, type InfoOf, type Kind, kind, type LinkBase } from "./kind.ts";

/** The macvlan modes (`MACVLAN_MODE_*` in `include/uapi/linux/if_link.h`). */
export const MACVLAN_MODES = ["private", "vepa", "bridge", "passthru", "source"] as const;

/** A macvlan mode. Unlike ipvlan's, it is each link's own. */
export type MacvlanMode = typeof MACVLAN_MODES[number];

/** A `macvlan`: a link with a MAC address of its own on its parent. */
export interface MacvlanSpec extends LinkBase<"macvlan"> {
  /** The parent. */
  link: string;
  /**
   * Whether links on the parent reach each other (`bridge`), not at all (`private`), or only by way
   * of the switch outside (`vepa`). Or the link is the only one on the parent and has its MAC address
   * (`passthru`), or accepts frames only from listed senders (`source`). Left out, `bridge`.
   */
  mode?: MacvlanMode;
}

/** A `macvtap`: a macvlan link whose frames a program reads and writes at `/dev/tapINDEX`. */
export interface MacvtapSpec extends Omit<MacvlanSpec, "type"> {
  /** The kind. */
  type: "macvtap";
}

// A macvtap link takes the attributes of a macvlan link.
const mode = choice("mode", MACVLAN_MODES, { default: "bridge" });

/** How a macvlan link is made and read back. */
export const macvlan: Kind<MacvlanSpec, InfoOf<MacvlanSpec>> = kind("macvlan", { mode });

/** How a macvtap link is made and read back. */
export const macvtap: Kind<MacvtapSpec, InfoOf<MacvtapSpec>> = kind("macvtap", { mode });
