import { attribute, u16 } from "../../netlink/message.ts";
import { oneOf } from "../words.ts";
import { type Attribute, choice, type InfoOf, type Kind, kind, type LinkBase } from "./kind.ts";

/** The ipvlan modes (`IPVLAN_MODE_*` in `include/uapi/linux/if_link.h`). */
export const IPVLAN_MODES = ["l2", "l3", "l3s"] as const;

/** An ipvlan mode. It belongs to the parent: the last writer changes every ipvlan link on it. */
export type IpvlanMode = typeof IPVLAN_MODES[number];

/** The ipvlan flags (`IPVLAN_F_*` in `include/uapi/linux/if_link.h`); `bridge` is neither bit. */
export const IPVLAN_FLAGS = ["bridge", "private", "vepa"] as const;

/** An ipvlan flag. It belongs to the parent, like the mode. */
export type IpvlanFlag = typeof IPVLAN_FLAGS[number];

/** An `ipvlan`: a link that shares its parent's MAC address and is told apart by IP address. */
export interface IpvlanSpec extends LinkBase<"ipvlan"> {
  /** The parent. */
  link: string;
  /** The mode. It has no default here, as `ip`'s (`l3`) is not Docker's (`l2`). */
  mode: IpvlanMode;
  /**
   * Whether links on the parent reach each other (`bridge`), not at all (`private`), or only by
   * way of the switch outside (`vepa`). Those two need Linux 4.15. Left out, `bridge`.
   */
  flag?: IpvlanFlag;
}

/** An `ipvtap`: an ipvlan link whose packets a program reads and writes at `/dev/tapINDEX`. */
export interface IpvtapSpec extends Omit<IpvlanSpec, "type"> {
  /** The kind. */
  type: "ipvtap";
}

/** The attributes in a netlink message (`IFLA_IPVLAN_*`). */
const ATTRIBUTE = { MODE: 1, FLAGS: 2 };

// An ipvtap link takes the attributes of an ipvlan link.
const flag: Attribute<{ type: string }, IpvlanFlag> = {
  default: "bridge",
  words: (value, { type }) => [oneOf(value, `${type} flag`, IPVLAN_FLAGS)],
  read: (data) => IPVLAN_FLAGS.find((flag) => data[flag]) ?? "bridge",
  // Each flag but the first is a bit.
  get: (data) => IPVLAN_FLAGS[data.get(ATTRIBUTE.FLAGS)?.u16() ?? 0] ?? "bridge",
  put: (value) => attribute(ATTRIBUTE.FLAGS, u16(IPVLAN_FLAGS.indexOf(value))),
};
const ofIpvlan = { mode: choice("mode", IPVLAN_MODES, [ATTRIBUTE.MODE, "u16"]), flag };

/** How an ipvlan link is made and read back. */
export const ipvlan: Kind<IpvlanSpec, InfoOf<IpvlanSpec>> = kind("ipvlan", ofIpvlan);

/** How an ipvtap link is made and read back. */
export const ipvtap: Kind<IpvtapSpec, InfoOf<IpvtapSpec>> = kind("ipvtap", ofIpvlan);

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

const IFLA_MACVLAN_MODE = 1;

// A macvtap link takes the attributes of a macvlan link.
const ofMacvlan = {
  mode: choice("mode", MACVLAN_MODES, [IFLA_MACVLAN_MODE, "u32"], {
    default: "bridge",
    numbers: [1, 2, 4, 8, 16],
  }),
};

/** How a macvlan link is made and read back. */
export const macvlan: Kind<MacvlanSpec, InfoOf<MacvlanSpec>> = kind("macvlan", ofMacvlan);

/** How a macvtap link is made and read back. */
export const macvtap: Kind<MacvtapSpec, InfoOf<MacvtapSpec>> = kind("macvtap", ofMacvlan);
