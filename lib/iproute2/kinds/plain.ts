import { linkName, netnsTarget } from "../words.ts";
import { type InfoOf, type Kind, kind, type LinkBase, number } from "./kind.ts";

/** A `dummy`: a link that drops every packet sent to it. */
export type DummySpec = LinkBase<"dummy">;

/** How a dummy is made and read back. */
export const dummy: Kind<DummySpec, InfoOf<DummySpec>> = kind("dummy", {});

/** A `veth`: one end of a virtual cable, made with its other end. */
export interface VethSpec extends LinkBase<"veth"> {
  /** The other end's name, and its namespace if it is another: a name, or the path of its file. */
  peer: { name: string; netns?: string };
}

/** How a veth is made and read back. Its other end is read as the link below it. */
export const veth: Kind<VethSpec, Pick<VethSpec, "type">, "peer"> = kind("veth", {
  peer: {
    words: ({ name, netns }) => [
      ...["peer", "name", linkName(name)],
      ...(netns === undefined ? [] : ["netns", netnsTarget(netns)]),
    ],
  },
}, ["peer"]);

/** A `vrf`: a master whose ports route by a table of their own. */
export interface VrfSpec extends LinkBase<"vrf"> {
  /** The routing table, 1 to 4294967295. */
  table: number;
}

/** How a VRF is made and read back. */
export const vrf: Kind<VrfSpec, InfoOf<VrfSpec>, "table"> = kind("vrf", {
  table: number("table", 1, 0xffff_ffff, [1, "u32"]),
}, ["table"]);
