import type { Runner } from "./session.ts";
import { addressWord, familyOf, linkName, prefixWord, wholeNumber } from "./words.ts";

/** A route to add, replace or delete. All its addresses are of one family. */
export interface RouteSpec {
  /** The destination: a prefix, or `default` (IPv4) or `::/0` (IPv6's default). */
  dst: string;
  /**
   * What the kernel does with a packet to the destination. `unreachable` answers with an ICMP error,
   * and `blackhole` drops the packet. Both have no next hop and no link. `unicast`, or left out, sends
   * the packet on.
   */
  type?: "unicast" | "unreachable" | "blackhole";
  /** The next hop; left out, the destinations are on the link. */
  via?: string;
  /** The link to leave by; left out, the link on which the next hop is. */
  dev?: string;
  /** The preferred source address; left out, the kernel's choice. */
  src?: string;
  /**
   * The metric: of two routes to one destination, the kernel takes the one with the lower metric.
   * Left out, 0 for IPv4, 1024 for IPv6.
   */
  metric?: number;
  /**
   * The number that says who has made the route, from 0 to 255 (`rtm_protocol` in rtnetlink(7)).
   * To delete a route, it has to be that of the route. Left out, 3, `boot`: made by hand; to delete a
   * route, any.
   */
  protocol?: number;
}

/** A route as the kernel shows it. */
export interface Route {
  /** 4 or 6. */
  family: 4 | 6;
  /** The destination: a prefix, an address, or `default`. */
  dst: string;
  /** The table, as `ip` prints it: `main`, `local`, or a number. */
  table: string;
  /** The next hop, which may be an IPv6 address for an IPv4 route (RFC 5549). */
  via?: string;
  /** The link it leaves by. */
  dev?: string;
  /** The next hops of a route that has several. Such a route has neither `via` nor `dev`. */
  nexthops: NextHop[];
  /** The preferred source address. */
  src?: string;
  /** The metric. */
  metric?: number;
  /** `global`, `link`, `host`; for IPv6 always `global` where `ip` prints none. */
  scope?: string;
  /** The origin: `kernel`, `boot` (by hand), `ra`, … */
  protocol?: string;
  /** `unicast`, `blackhole`, `unreachable`, … */
  type: string;
  /** The flags, as `ip` prints them: `onlink`, `linkdown`, `dead`, … */
  flags: string[];
}

/** One of several next hops of a route. */
export interface NextHop {
  /** The next hop; `undefined` where the destination is on the link. */
  via?: string;
  /** The link to leave by. */
  dev?: string;
  /** Its share of the traffic, relative to the other next hops. */
  weight: number;
  /** The flags, as in {@linkcode Route.flags}. */
  flags: string[];
}

/** The line `route add …` (or `replace`, `del`). @throws {"invalid-word"} A value cannot be written. */
export function routeLine(verb: "add" | "replace" | "del", spec: RouteSpec): string {
  const dst = spec.dst === "default" ? spec.dst : prefixWord(spec.dst, "route");
  // `ip` takes the family from the first address and ends its process over one of the other.
  const family = familyOf(dst) ?? familyOf(spec.via ?? "") ?? 4;
  const words = ["route", verb, ...spec.type === undefined ? [] : [spec.type], dst];
  if (spec.via !== undefined) words.push("via", addressWord(spec.via, "next hop", family));
  if (spec.dev !== undefined) words.push("dev", linkName(spec.dev));
  if (spec.src !== undefined) words.push("src", addressWord(spec.src, "source address", family));
  if (spec.metric !== undefined) {
    words.push("metric", wholeNumber(spec.metric, "metric", 0, 0xffff_ffff));
  }
  if (spec.protocol !== undefined) words.push("proto", protocolWord(spec.protocol));
  return words.join(" ");
}

function protocolWord(protocol: number): string {
  return wholeNumber(protocol, "route protocol", 0, 255);
}

/**
 * The line `route flush …`: deletes the routes of a link to one destination with one metric, if
 * there are any. @throws {"invalid-word"} A value cannot be written.
 */
export function routeFlush(
  { dst, dev, metric }: { dst: string; dev: string; metric: number },
): string {
  // `ip` takes the family from the prefix, but only with all tables (`iproute_list_flush_or_save`).
  const prefix = dst === "default" ? "0.0.0.0/0" : prefixWord(dst, "route");
  return `route flush table all exact ${prefix} dev ${linkName(dev)} ` +
    `metric ${wholeNumber(metric, "metric", 0, 0xffff_ffff)}`;
}

/**
 * The verbs of `ip route`.
 *
 * @example
 * ```ts
 * import { Ip } from "@ipvlan/kit";
 *
 * await using ip = await Ip.open({ netns: "red" });
 * await ip.route.replace({ dst: "default", via: "192.168.1.1", dev: "eth0" });
 * const gateway = (await ip.route.show(4)).find(({ dst }) => dst === "default")?.via;
 * ```
 */
export class RouteVerbs {
  #runner: Runner;

  /** Makes the verbs of one runner. */
  constructor(runner: Runner) {
    this.#runner = runner;
  }

  /** Adds a route. @throws {"ip-command"} The kernel refused. */
  add(spec: RouteSpec): Promise<void> {
    return this.#runner.change(routeLine("add", spec));
  }

  /** Adds a route, in place of one to the same destination. @throws {"ip-command"} The kernel refused. */
  replace(spec: RouteSpec): Promise<void> {
    return this.#runner.change(routeLine("replace", spec));
  }

  /** Deletes a route. @throws {"ip-command"} There is no such route (`errno` is `ESRCH`). */
  del(spec: RouteSpec): Promise<void> {
    return this.#runner.change(routeLine("del", spec));
  }

  /**
   * Shows the routes of one family in one table: `main` by default, `local`, a number as text, or
   * `all`. With a protocol, only the routes that have this number.
   */
  async show(
    family: 4 | 6,
    filter: { dev?: string; table?: string; protocol?: number } = {},
  ): Promise<Route[]> {
    const { dev, table = "main", protocol } = filter;
    // A line of a batch cannot have `-6`. A prefix gives the family, but `ip` reads it only with all
    // tables: with one table it shows IPv4 (`iproute_list_flush_or_save`).
    const words = ["route", "show", "table", "all", "root", family === 6 ? "::/0" : "0.0.0.0/0"];
    if (dev !== undefined) words.push("dev", linkName(dev));
    if (protocol !== undefined) words.push("proto", protocolWord(protocol));
    const rows = await this.#runner.query(words.join(" "));
    return rows.map((printed) => parseRoute(family, printed, dev))
      .filter((route) => table === "all" || route.table === table);
  }
}

/** A next hop, or a route with one, as `ip -details -json route show` prints it. */
interface HopRow {
  gateway?: string;
  /** The next hop, if it is of the other family. */
  via?: { host: string };
}

function parseRoute(family: 4 | 6, row: Record<string, unknown>, dev?: string): Route {
  return {
    family,
    dst: row.dst as string,
    table: row.table as string,
    via: viaOf(row),
    // `ip` does not print the link that it was asked for.
    dev: row.dev as string ?? dev,
    nexthops: ((row.nexthops ?? []) as (HopRow & Omit<NextHop, "via">)[]).map((hop) => ({
      via: viaOf(hop),
      dev: hop.dev,
      weight: hop.weight,
      flags: hop.flags ?? [],
    })),
    src: row.prefsrc as string | undefined,
    metric: row.metric as number | undefined,
    scope: row.scope as string | undefined,
    protocol: row.protocol as string | undefined,
    type: (row.type ?? "unicast") as string,
    flags: (row.flags ?? []) as string[],
  };
}

function viaOf({ gateway, via }: HopRow): string | undefined {
  return gateway ?? via?.host;
}

/** A destination as `ip` prints it: without the length of a single address, and `default` for all. */
export function printed(dst: string): string {
  const [, address = dst, length] = /^(.*)\/(\d+)$/.exec(dst) ?? [];
  if (length === "0") return "default";
  return length === (familyOf(dst) === 6 ? "128" : "32") ? address : dst;
}

/** The link of the default route: the IPv4 one, or else the IPv6 one. */
export function defaultLink(routes: readonly Route[]): string | undefined {
  const found = ([4, 6] as const).map((family) =>
    routes.find((route) => route.family === family && route.dst === "default")
  ).find((route) => route !== undefined);
  return found?.dev ?? found?.nexthops[0]?.dev;
}
