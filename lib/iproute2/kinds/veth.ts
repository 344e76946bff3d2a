import { linkName, netnsTarget } from "../words.ts";
import { type Kind, kind, type LinkBase } from "./kind.ts";

/** A `veth`: one end of a virtual cable, made with its other end. */
export interface VethSpec extends LinkBase<"veth"> {
  /** The other end's name, and its namespace if it is another: a name, or the path of its file. */
  peer: { name: string; netns?: string };
}

/** How a veth is made and read back. Its other end is read as the link below it. */
export const veth: Kind<VethSpec, Pick<VethSpec, "type">, "peer"> = kind("veth", {
  peer: {
    words: ({ name, netns }) => [
      "peer",
      "name",
      linkName(name),
      ...(netns === undefined ? [] : ["netns", netnsTarget(netns)]),
    ],
  },
}, { fixed: ["peer"] });
