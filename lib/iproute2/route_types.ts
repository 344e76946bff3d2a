import type { AddrSpec } from "./addr.ts";

/** The types of routes that lead nowhere. */
export const DEAD_ENDS = ["blackhole", "unreachable", "prohibit", "throw"];
/** All types of routes, in the order of the kernel's numbers (`RTN_*`). */
export const ROUTE_TYPES = ["unicast", "local", "broadcast", "anycast", "multicast", ...DEAD_ENDS];

/**
 * A route to add, replace or delete. {@linkcode RouteVerbs.show} also returns such routes.
 *
 * - It has a next hop `via`, or leads directly to the link `dev`. The next hop is of the route's family,
 *   or an IPv6 address for an IPv4 route (RFC 5549), which needs Linux 5.2.
 * - Or it has several `nexthops` (multipath), each with `via` or `dev`, and a weight, by default 1.
 *   Linux before 4.11 shows those of an IPv6 route as separate routes, and before 4.16 ignores their
 *   weights.
 * - Or it leads nowhere: `blackhole` drops a packet, `unreachable` and `prohibit` answer it with an ICMP
 *   error, and `throw` continues with the next rule.
 */
export type RouteSpec =
  & RouteTarget
  & (
    | {
      type?: "unicast" | "local" | "broadcast" | "anycast" | "multicast";
      via?: string;
      dev?: string;
      nexthops?: readonly [];
    }
    | { type?: "unicast"; via?: never; dev?: never; nexthops: readonly Partial<NextHop>[] }
    | {
      type: "blackhole" | "unreachable" | "prohibit" | "throw";
      via?: never;
      dev?: never;
      nexthops?: readonly [];
    }
  );

/** The properties of a route besides its next hops. */
export interface RouteTarget {
  /** The destination: a prefix, or `default`. */
  dst: string;
  /** The family of `default`; left out, that of the next hop, else 4. */
  family?: 4 | 6;
  /** The table: a number, or a name that `ip` knows; left out, `main`, or `local` by the type. */
  table?: number | string;
  /** The preferred source address; left out, the kernel chooses. */
  src?: string;
  /** The scope; left out, for most types `global` with a next hop, else `link`. */
  scope?: AddrSpec["scope"];
  /** Whether to treat the next hop as on the link, even if no other route says so. */
  onlink?: boolean;
  /** The largest packet to the destination, in bytes; left out, that of the path. */
  mtu?: number;
  /** The largest segment that TCP announces, in bytes; left out, it follows from the link's MTU. */
  advmss?: number;
  /**
   * The metric: of two routes to one destination, the kernel uses that with the lower one.
   * Left out, 0 for IPv4, 1024 for IPv6.
   */
  metric?: number;
  /**
   * The origin of the route: a number from 0 to 255 (`rtm_protocol` in rtnetlink(7)), or its name. A
   * deleted route must have it. Left out, a new route gets 3 (`boot`: made by hand), and `del` matches
   * any.
   */
  protocol?: number | string;
}

/** A route as the kernel shows it. */
export interface Route extends RouteTarget {
  /** 4 or 6. */
  family: 4 | 6;
  /** The table, as `ip` prints it: `main`, `local`, or a number. */
  table: string;
  /** The treatment of a packet to the destination. */
  type: NonNullable<RouteSpec["type"]>;
  /** The next hop, which may be an IPv6 address for an IPv4 route (RFC 5549). */
  via?: string;
  /** The link it leaves by. */
  dev?: string;
  /** The next hops of a route that has several. Such a route has neither `via` nor `dev`. */
  nexthops: NextHop[];
  /** All flags that are set, as `ip` prints them: `onlink`, `linkdown`, `dead`, … */
  flags: string[];
}

/** One of several next hops of a route. */
export interface NextHop {
  /** The next hop; `undefined` if the destination is on the link. */
  via?: string;
  /** The link to leave by. */
  dev?: string;
  /** Its share of the traffic, relative to the other next hops. */
  weight: number;
  /** As {@linkcode RouteTarget.onlink}. */
  onlink?: boolean;
  /** The flags, as in {@linkcode Route.flags}. */
  flags: string[];
}
