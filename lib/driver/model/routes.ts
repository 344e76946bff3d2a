import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import { familyOf } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/prefix.ts";
import type { Network } from "./types.ts";

/** The settings of a network that decide on its default routes. */
export type Exit = Pick<Network, "mode" | "internal" | "isolated">;

/**
 * Decides where the default routes of a network's sandboxes lead. In L2 mode, they lead to the
 * gateways of the subnets. In the L3 modes, they lead to the link without a gateway, as no broadcast
 * could find one there. An internal network has none, and neither has an isolated one in L2 mode.
 */
export function wayOut({ mode, internal, isolated }: Exit): "gateway" | "link" | "none" {
  if (internal) return "none";
  if (mode !== "l2") return "link";
  return isolated ? "none" : "gateway";
}

/** The highest priority. The lowest one is as far below 0. */
export const MAX_PRIORITY = 1000;

/** Checks a priority for the default route. @param text The priority as the user typed it. */
export function priorityProblem(
  priority: number,
  text: string = String(priority),
): IpvlanError | undefined {
  if (Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY) return undefined;
  const rule = `give a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`;
  return invalidOption("gw-priority", text, rule);
}

/** The destination of a route with its prefix length, which `ip` may leave out. */
export function routePrefix(dst: string, family = familyOf(dst)): string {
  if (dst === "default") return family === 6 ? "::/0" : "0.0.0.0/0";
  const whole = dst.includes("/") ? dst : `${dst}/${family === 6 ? 128 : 32}`;
  return formatPrefix(parsePrefix(whole).prefix);
}

export interface EndpointAddress {
  /** The address with its prefix length: `192.168.1.2/24`. */
  address: string;
  /** The subnet's gateway, if a default route leads to it. */
  gateway?: string;
}
