import { nameOf } from "../netlink/names.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import type { AddrSpec } from "./addr.ts";
import { readRoutes, sendRoute, sendRouteFlush } from "./route_netlink.ts";
import {
  DEAD_ENDS,
  type NextHop,
  type Route,
  ROUTE_TYPES,
  type RouteSpec,
  type RouteTarget,
} from "./route_types.ts";
import { ask, type Change, make, type Runner } from "./runner.ts";
import {
  addressFamily,
  addressWord,
  invalidWord,
  linkName,
  nameOrNumber,
  oneOf,
  prefixWord,
  wholeNumber,
} from "./words.ts";

/** The change `route add …` (or `replace`, `del`). @throws {"invalid-word"} A value cannot be written. */
export function routeChange(verb: "add" | "replace" | "del", spec: RouteSpec | Route): Change {
  const { type = "unicast", via, dev, nexthops = [], onlink } = spec;
  const { table, src, scope, metric, protocol } = spec;
  const isDefault = spec.dst === "default";
  const first = via ?? nexthops.find((hop) => hop.via !== undefined)?.via ?? "";
  // `ip` takes the family from the first address. An address of the other family ends its process.
  const family = (isDefault ? spec.family ?? addressFamily(first) : addressFamily(spec.dst)) ?? 4;
  const isDeadEnd = DEAD_ENDS.includes(type);
  if (isDeadEnd || nexthops.length > 0) {
    const other = [...isDeadEnd ? nexthops : [], via, dev].find((each) => each !== undefined);
    const rule = `a ${isDeadEnd ? type : "multipath"} route has neither via nor dev of its own`;
    if (other !== undefined) throw invalidWord("route", spec.dst, rule);
  }
  const words = ["route", verb];
  if (spec.type !== undefined) words.push(oneOf(type, "route type", ROUTE_TYPES));
  words.push(isDefault ? family === 6 ? "::/0" : "default" : prefixWord(spec.dst, "route"));
  words.push(...hopWords({ via, dev, onlink }, family));
  if (table !== undefined) words.push("table", tableWord(table));
  if (src !== undefined) words.push("src", addressWord(src, "source address", family));
  if (scope !== undefined) words.push("scope", nameOrNumber(scope, "scope", 255));
  if (metric !== undefined) words.push("metric", wholeNumber(metric, "metric", 0, 0xffff_ffff));
  if (protocol !== undefined) words.push("proto", protocolWord(protocol));
  for (const name of ["mtu", "advmss"] as const) {
    const { [name]: bytes } = spec;
    if (bytes !== undefined) words.push(name, wholeNumber(bytes, name, 0, 0xffff_ffff));
  }
  for (const hop of nexthops) {
    if (hop.via === undefined && hop.dev === undefined) {
      throw invalidWord("next hop", JSON.stringify(hop), "it needs via or dev");
    }
    const { weight = 1 } = hop;
    words.push("nexthop", ...hopWords(hop, family));
    words.push("weight", wholeNumber(weight, "weight of a next hop", 1, 256));
  }
  return { line: words.join(" "), send: sendRoute(verb, spec, family) };
}

/** The words of a next hop, or of a route with one. */
function hopWords({ via, dev, onlink }: Partial<NextHop>, family: 4 | 6): string[] {
  const words: string[] = [];
  if (via !== undefined) {
    const isOther = family === 4 && addressFamily(via) === 6;
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

/** The name by which a routing table is shown: that of `/etc/iproute2/rt_tables`, or its number. */
export function tableName(table: number | string): string {
  return typeof table === "number" ? nameOf("rt_tables", table) : table;
}

/** Writes the origin of a route or a rule. @throws {"invalid-word"} It is no name and no number. */
export function protocolWord(protocol: number | string): string {
  return nameOrNumber(protocol, "route protocol", 255);
}

/**
 * The change `route flush …`, with `-6` for IPv6: deletes the routes of a link to one destination with one
 * metric, if there are any in the main table. @throws {"invalid-word"} A value cannot be written.
 */
export function routeFlush(dst: string, dev: string, metric: number): Change {
  const prefix = dst === "default" ? "0.0.0.0/0" : prefixWord(dst, "route");
  const line = `route flush table main exact ${prefix} dev ${linkName(dev)} ` +
    `metric ${wholeNumber(metric, "metric", 0, 0xffff_ffff)}`;
  const send = sendRouteFlush(dst, dev, metric);
  return { line: addressFamily(prefix) === 6 ? `-6 ${line}` : line, send };
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
    await make(this.runner, routeChange("add", spec));
  }

  /** Adds a route, or replaces the one to the same destination. @throws {"ip-command"} The kernel refused. */
  async replace(spec: RouteSpec | Route): Promise<void> {
    await make(this.runner, routeChange("replace", spec));
  }

  /** Deletes a route. @throws {"ip-command"} There is no such route (`errno` is `ESRCH`). */
  async del(spec: RouteSpec | Route): Promise<void> {
    await make(this.runner, routeChange("del", spec));
  }

  /**
   * Shows the routes of one family in one table: `main` by default, `local`, a number, or `all`. With
   * a protocol, only the routes that have it.
   */
  async show(
    family: 4 | 6,
    filter: Pick<RouteTarget, "table" | "protocol"> & { dev?: string } = {},
  ): Promise<Route[]> {
    const { dev, table = "main", protocol } = filter;
    // A line with `-6` needs its own process. A prefix tells the family, but `ip` heeds it only with all
    // tables: with one table it shows IPv4 (`iproute_list_flush_or_save`).
    const words = ["route", "show", "table", "all", "root", family === 6 ? "::/0" : "0.0.0.0/0"];
    if (dev !== undefined) words.push("dev", linkName(dev));
    if (protocol !== undefined) words.push("proto", protocolWord(protocol));
    const read = (socket: NetlinkSocket) => readRoutes(socket, family, filter);
    const rows = await ask(this.runner, words.join(" "), read);
    const routes = rows.map((row) => parseRoute(family, row, dev));
    return routes.filter((route) => table === "all" || route.table === String(table));
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
    ...measuresOf((row.metrics as Partial<Record<string, number>>[] | undefined)?.[0] ?? {}),
    scope: row.scope as AddrSpec["scope"],
    protocol: row.protocol as string | undefined,
    type,
  };
}

/** The sizes of a route, among what `ip` calls its metrics. */
function measuresOf(
  { mtu, advmss }: Partial<Record<string, number>>,
): Pick<Route, "mtu" | "advmss"> {
  return { ...mtu !== undefined && { mtu }, ...advmss !== undefined && { advmss } };
}

function hopOf({ gateway, via, dev, flags = [] }: HopRow): Omit<NextHop, "weight"> {
  return { via: gateway ?? via?.host, dev, onlink: flags.includes("onlink"), flags };
}

/** The link of the default route: the IPv4 one, or else the IPv6 one. */
export function defaultLink(routes: readonly Route[]): string | undefined {
  const found = ([4, 6] as const).map((family) =>
    routes.find((route) => route.family === family && route.dst === "default")
  ).find((route) => route !== undefined);
  return found?.dev ?? found?.nexthops[0]?.dev;
}
