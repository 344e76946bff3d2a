import { type InfoOf, type Kind, kind, type LinkBase, number } from "./kind.ts";

/** A `vrf`: a master whose ports route by a table of their own. */
export interface VrfSpec extends LinkBase<"vrf"> {
  /** The routing table, 1 to 4294967295. */
  table: number;
}

/** How a VRF is made and read back. */
export const vrf: Kind<VrfSpec, InfoOf<VrfSpec>, "table"> = kind("vrf", {
  table: number("table", 1, 0xffff_ffff),
}, { fixed: ["table"] });
