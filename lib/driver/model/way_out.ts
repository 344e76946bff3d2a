import type { Network } from "./types.ts";

/** What a network's default routes depend on. */
export type Exit = Pick<Network, "mode" | "internal" | "isolated">;

/**
 * What the default routes of a network's sandboxes name: the gateways of the subnets, in L2 mode;
 * the link alone, in the L3 modes, as there is no broadcast to find a next hop with. An internal
 * network has no default route, and an isolated one in L2 mode has none either.
 */
export function wayOut({ mode, internal, isolated }: Exit): "gateway" | "link" | "none" {
  if (internal) return "none";
  if (mode !== "l2") return "link";
  return isolated ? "none" : "gateway";
}
