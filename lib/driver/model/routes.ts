import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import { familyOf } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/prefix.ts";
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

/** The highest priority. The lowest one is as far below 0. */
export const MAX_PRIORITY = 1000;

/** What is wrong with a priority for the default route. @param text What was typed for it. */
export function priorityProblem(
  priority: number,
  text: string = String(priority),
): IpvlanError | undefined {
  if (Number.isInteger(priority) && Math.abs(priority) <= MAX_PRIORITY) return undefined;
  const rule = `give a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`;
  return invalidOption("gw-priority", text, rule);
}

/** The destination of a route with its length, where `ip` leaves it out. */
export function routePrefix(dst: string, family = familyOf(dst)): string {
  if (dst === "default") return family === 6 ? "::/0" : "0.0.0.0/0";
  const whole = dst.includes("/") ? dst : `${dst}/${family === 6 ? 128 : 32}`;
  return formatPrefix(parsePrefix(whole).prefix);
}

/** An address of an endpoint, and the gateway that it has. */
export interface EndpointAddress {
  /** The address with its prefix length: `192.168.1.2/24`. */
  address: string;
  /** The subnet's gateway, where a default route leads to it. */
  gateway?: string;
}
