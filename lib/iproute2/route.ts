import type { AddrSpec } from "./addr.ts";
import type { Runner } from "./session.ts";
import {
  addressWord,
  familyOf,
  invalidWord,
  linkName,
  nameOrNumber,
  oneOf,
  prefixWord,
  wholeNumber,
} from "./words.ts";

const DEAD_ENDS = ["blackhole", "unreachable", "prohibit", "throw"];
const TYPES = ["unicast", "local", "broadcast", "anycast", "multicast", ...DEAD_ENDS];

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

/** The line `route add …` (or `replace`, `del`). @throws {"invalid-word"} A value cannot be written. */
export function routeLine(verb: "add" | "replace" | "del", spec: RouteSpec | Route): string {
  const { type = "unicast", via, dev, nexthops = [], onlink } = spec;
  const { table, src, scope, metric, protocol } = spec;
  const isDefault = spec.dst === "default";
  const first = via ?? nexthops.find((hop) => hop.via !== undefined)?.via ?? "";
  // `ip` takes the family from the first address. An address of the other family ends its process.
  const family = (isDefault ? spec.family ?? familyOf(first) : familyOf(spec.dst)) ?? 4;
  const isDeadEnd = DEAD_ENDS.includes(type);
  if (isDeadEnd || nexthops.length > 0) {
    const other = [...isDeadEnd ? nexthops : [], via, dev].find((each) => each !== undefined);
    const rule = `a ${isDeadEnd ? type : "multipath"} route has neither via nor dev of its own`;
    if (other !== undefined) throw invalidWord("route", spec.dst, rule);
  }
  const words = ["route", verb];
  if (spec.type !== undefined) words.push(oneOf(type, "route type", TYPES));
  words.push(isDefault ? family === 6 ? "::/0" : "default" : prefixWord(spec.dst, "route"));
  words.push(...hopWords({ via, dev, onlink }, family));
  if (table !== undefined) words.push("table", tableWord(table));
  if (src !== undefined) words.push("src", addressWord(src, "source address", family));
  if (scope !== undefined) words.push("scope", nameOrNumber(scope, "scope", 255));
  if (metric !== undefined) words.push("metric", wholeNumber(metric, "metric", 0, 0xffff_ffff));
  if (protocol !== undefined) words.push("proto", protocolWord(protocol));
  for (const hop of nexthops) {
    if (hop.via === undefined && hop.dev === undefined) {
      throw invalidWord("next hop", JSON.stringify(hop), "it needs via or dev");
    }
    const { weight = 1 } = hop;
    words.push("nexthop", ...hopWords(hop, family));
    words.push("weight", wholeNumber(weight, "weight of a next hop", 1, 256));
  }
  return words.join(" ");
}

/** The words of a next hop, or of a route with one. */
function hopWords({ via, dev, onlink }: Partial<NextHop>, family: 4 | 6): string[] {
  const words: string[] = [];
  if (via !== undefined) {
    const isOther = family === 4 && familyOf(via) === 6;
    words.push("via", ...isOther ? ["inet6"] : []);
    words.push(addressWord(via, "next hop", isOther ? 6 : family));
  }
  if (dev !== undefined) words.push("dev", linkName(dev));
  if (onlink) words.push("onlink");
  return words;
}

/** Writes a routing table. @throws {"invalid-word"} It is neither a name nor a number. */
export function tableWord(table: number | string): string {
  return nameOrNumber(table, "routing table", 0xffff_ffff, 1);
}

/** Writes the origin of a route or a rule. @throws {"invalid-word"} It is no name and no number. */
export function protocolWord(protocol: number | string): string {
  return nameOrNumber(protocol, "route protocol", 255);
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
 * import { Ip } from "@ipvlan/kit/ip";
 *
 * await using ip = await Ip.open({ netns: "red" });
 * await ip.route.replace({ dst: "default", via: "192.168.1.1", dev: "eth0" });
 * const nexthops = [{ via: "192.168.1.8", weight: 2 }, { via: "192.168.1.9" }];
 * await ip.route.add({ dst: "10.1.0.0/16", nexthops, table: 100, metric: 50 });
 * const gateway = (await ip.route.show(4)).find(({ dst }) => dst === "default")?.via;
 * ```
 */
export class RouteVerbs {
  /** Makes the verbs of one runner. */
  constructor(private readonly runner: Runner) {}

  /** Adds a route. @throws {"ip-command"} The kernel refused. */
  async add(spec: RouteSpec | Route): Promise<void> {
    await this.runner.change(routeLine("add", spec));
  }

  /** Adds a route, or replaces the one to the same destination. @throws {"ip-command"} The kernel refused. */
  async replace(spec: RouteSpec | Route): Promise<void> {
    await this.runner.change(routeLine("replace", spec));
  }

  /** Deletes a route. @throws {"ip-command"} There is no such route (`errno` is `ESRCH`). */
  async del(spec: RouteSpec | Route): Promise<void> {
    await this.runner.change(routeLine("del", spec));
  }

  /**
   * Shows the routes of one family in one table: `main` by default, `local`, a number, or `all`. With
   * a protocol, only the routes that have it.
   */
  async show(
    family: 4 | 6,
    filter: { dev?: string; table?: number | string; protocol?: number | string } = {},
  ): Promise<Route[]> {
    const { dev, table = "main", protocol } = filter;
    // A line with `-6` needs its own process. A prefix tells the family, but `ip` heeds it only with all
    // tables: with one table it shows IPv4 (`iproute_list_flush_or_save`).
    const words = ["route", "show", "table", "all", "root", family === 6 ? "::/0" : "0.0.0.0/0"];
    if (dev !== undefined) words.push("dev", linkName(dev));
    if (protocol !== undefined) words.push("proto", protocolWord(protocol));
    const rows = await this.runner.query(words.join(" "));
    return rows.map((printed) => parseRoute(family, printed, dev))
      .filter((route) => table === "all" || route.table === String(table));
  }
}

/** A next hop, or a route with one, as `ip -details -json route show` prints it. */
interface HopRow {
  gateway?: string;
  /** The next hop, if it is of the other family. */
  via?: { host: string };
  dev?: string;
  flags?: string[];
}

function parseRoute(family: 4 | 6, row: Record<string, unknown>, dev?: string): Route {
  const type = (row.type ?? "unicast") as Route["type"];
  const hop = hopOf(row);
  return {
    ...hop,
    family,
    dst: row.dst as string,
    table: row.table as string,
    // `ip` omits the link of its filter. IPv6 routes that lead nowhere are on `lo`.
    dev: DEAD_ENDS.includes(type) ? undefined : hop.dev ?? dev,
    nexthops: ((row.nexthops ?? []) as (HopRow & { weight: number })[])
      .map((each) => ({ ...hopOf(each), weight: each.weight })),
    src: row.prefsrc as string | undefined,
    metric: row.metric as number | undefined,
    scope: row.scope as AddrSpec["scope"],
    protocol: row.protocol as string | undefined,
    type,
  };
}

function hopOf({ gateway, via, dev, flags = [] }: HopRow): Omit<NextHop, "weight"> {
  return { via: gateway ?? via?.host, dev, onlink: flags.includes("onlink"), flags };
}

/** A destination as `ip` prints it: a single address without its length, and `default` for all. */
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
