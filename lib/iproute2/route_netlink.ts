// Routes in netlink messages: added, replaced, deleted and read as `ip route` does. The numbers are
// those of `include/uapi/linux/rtnetlink.h` of the kernel.
import { addressBytes, AF, prefixBytes } from "../netlink/address.ts";
import { ERRNO, unlessErrno } from "../netlink/libc.ts";
import {
  attribute,
  type Bytes,
  nested,
  type Reader,
  u16,
  u32,
  VERB_FLAGS,
} from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { linkNames, type NameAt, requireIndex } from "./link_netlink.ts";
import { type Route, ROUTE_TYPES, type RouteSpec, type RouteTarget } from "./route_types.ts";
import type { Send } from "./runner.ts";
import { printedDestination } from "./words.ts";

const RTM = { add: 24, replace: 24, del: 25, GETROUTE: 26 } as const;

/** The attributes of routes (`RTA_*`). */
const RTA = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
} as const;

/** The attributes in `RTA_METRICS` (`RTAX_*`). */
const RTAX = { mtu: 2, advmss: 8 } as const;

/** The bytes of `struct rtmsg`, and of `struct rtnexthop`. */
const [FIXED, HOP] = [12, 8];

/** The types by their numbers (`RTN_*`). */
const TYPES = ["none", ...ROUTE_TYPES, "nat", "xresolve"];

const ONLINK = 4;
const CLONED = 0x200;

/** The flags in the order in which `ip` prints them (`print_rt_flags` in its `ip/iproute.c`). */
const FLAGS: readonly [name: string, bit: number][] = [
  ["dead", 1],
  ["onlink", ONLINK],
  ["pervasive", 2],
  ["offload", 8],
  ["trap", 0x40],
  ["notify", 0x100],
  ["linkdown", 0x10],
  ["unresolved", 0x20],
  ["rt_offload", 0x4000],
  ["rt_trap", 0x8000],
  ["rt_offload_failed", 0x20000000],
];

/** Adds, replaces or deletes a route; `undefined` if only `ip` can. */
export function sendRoute(
  verb: "add" | "replace" | "del",
  spec: RouteSpec | Route,
  family: 4 | 6,
): Send | undefined {
  const { via, dev, nexthops = [], src, metric, onlink, mtu, advmss } = spec;
  const type = spec.type ?? (verb === "del" ? "none" : "unicast");
  const protocol = numberOf("rt_protos", spec.protocol ?? (verb === "del" ? "unspec" : "boot"));
  const isLocal = ["local", "broadcast", "anycast"].includes(type);
  const table = numberOf("rt_tables", spec.table ?? (isLocal ? "local" : "main"));
  const scope = numberOf("rt_scopes", spec.scope ?? usualScope(verb, type, via, family));
  if (protocol === undefined || table === undefined || scope === undefined) return undefined;
  if (nexthops.length > 0) return undefined;
  const dst = destination(spec.dst);
  return (socket) => {
    const link = dev === undefined ? undefined : requireIndex(socket, dev);
    socket.change({
      type: RTM[verb],
      flags: VERB_FLAGS[verb],
      body: [
        [AF[family], dst.length, 0, 0],
        [table < 256 ? table : 0, protocol, scope, TYPES.indexOf(type), u32(onlink ? ONLINK : 0)],
        dst.bytes && attribute(RTA.DST, dst.bytes),
        via !== undefined && gateway(via, family),
        link !== undefined && attribute(RTA.OIF, u32(link)),
        table >= 256 && attribute(RTA.TABLE, u32(table)),
        src !== undefined && attribute(RTA.PREFSRC, addressBytes(src)),
        metric !== undefined && attribute(RTA.PRIORITY, u32(metric)),
        (mtu ?? advmss) !== undefined && nested(
          RTA.METRICS,
          mtu !== undefined && attribute(RTAX.mtu, u32(mtu)),
          advmss !== undefined && attribute(RTAX.advmss, u32(advmss)),
        ),
      ],
    });
  };
}

/** The scope that `ip` gives a route (`iproute_modify` in its `ip/iproute.c`). */
function usualScope(verb: string, type: string, via: string | undefined, family: 4 | 6): string {
  if (family === 6) return "global";
  if (type === "local") return "host";
  if (["broadcast", "multicast", "anycast"].includes(type)) return "link";
  if (verb === "del") return "nowhere";
  return type === "unicast" && via === undefined ? "link" : "global";
}

/** The length of a destination, and its bytes unless it is the default. */
function destination(dst: string): { length: number; bytes?: Uint8Array } {
  const { length, bytes } = prefixBytes(dst === "default" ? "::/0" : dst);
  return { length, bytes: length > 0 ? bytes : undefined };
}

/** Writes a next hop, which may be of the other family (RFC 5549). */
function gateway(via: string, family: 4 | 6): Bytes {
  const hop = prefixBytes(via);
  return hop.family === family
    ? attribute(RTA.GATEWAY, hop.bytes)
    : attribute(RTA.VIA, [u16(AF[hop.family]), hop.bytes]);
}

/** The number of the main table (`RT_TABLE_MAIN`). */
const MAIN = 254;

/** Deletes the routes of a link to one destination with one metric, if the main table has any. */
export function sendRouteFlush(dst: string, dev: string, metric: number): Send {
  const family = dst.includes(":") ? 6 : 4;
  const { length, bytes } = destination(dst);
  return (socket) => {
    const link = requireIndex(socket, dev);
    const found = list(socket, family, { number: MAIN }, (body) => {
      const attributes = body.part(FIXED);
      const isMeant = body.u8(4) === MAIN && attributes.get(RTA.OIF)?.u32() === link &&
        body.u8(1) === length &&
        attributes.get(RTA.DST)?.bytes().join() === bytes?.join() &&
        (attributes.get(RTA.PRIORITY)?.u32() ?? 0) === metric;
      return isMeant ? body.bytes() : undefined;
    });
    // The kernel deletes some routes together with others.
    for (const body of found) {
      unlessErrno([ERRNO.ESRCH], () => socket.change({ type: RTM.del, body }));
    }
  };
}

/** Reads routes as the rows that `ip` prints. */
export function readRoutes(
  socket: NetlinkSocket,
  family: 4 | 6,
  { dev, table, protocol }: Pick<RouteTarget, "table" | "protocol"> & { dev?: string },
): Record<string, unknown>[] {
  const link = dev === undefined ? undefined : requireIndex(socket, dev);
  const origin = protocol === undefined ? undefined : numberOf("rt_protos", protocol) ?? -1;
  const number = table === "all" ? 0 : numberOf("rt_tables", table ?? "main") ?? -1;
  if (origin === -1 || number === -1) return [];
  const nameAt = linkNames(socket);
  return list(socket, family, { link, origin, number }, (body) => {
    if (origin !== undefined && body.u8(5) !== origin) return undefined;
    const route = rowOf(body, nameAt);
    const isWanted = dev === undefined || [route, ...route.nexthops].some((hop) => hop.dev === dev);
    return isWanted ? route : undefined;
  });
}

/** Lists routes. Old kernels heed no filter, and list the routes of all. */
function list<T>(
  socket: NetlinkSocket,
  family: 4 | 6,
  { link, origin = 0, number = 0 }: { link?: number; origin?: number; number?: number },
  read: (body: Reader) => T | undefined,
): T[] {
  const request = {
    type: RTM.GETROUTE,
    body: [
      [u32(AF[family]), 0, origin, u16(0), u32(0)],
      number !== 0 && attribute(RTA.TABLE, u32(number)),
      link !== undefined && attribute(RTA.OIF, u32(link)),
    ],
  };
  const readWanted = (body: Reader) => {
    // A kernel without IPv6 answers with the routes of IPv4.
    const isOther = body.u8(0) !== AF[family] || (body.u32(8) & CLONED) !== 0;
    return isOther ? undefined : read(body);
  };
  // There may be no such table, or no IPv6.
  const none = [ERRNO.ENOENT, ERRNO.EOPNOTSUPP];
  return unlessErrno(none, () => socket.list(request, readWanted)) ?? [];
}

function rowOf(body: Reader, nameAt: NameAt) {
  const attributes = body.part(FIXED);
  const address = attributes.get(RTA.DST)?.ip() ?? "::";
  const measures = attributes.get(RTA.METRICS);
  const [mtu, advmss] = [RTAX.mtu, RTAX.advmss].map((type) => measures?.get(type)?.u32());
  return {
    ...hopOf(attributes, body.u32(8)),
    type: TYPES[body.u8(7)] ?? String(body.u8(7)),
    dst: printedDestination(`${address}/${body.u8(1)}`),
    dev: nameAt(attributes.get(RTA.OIF)?.u32()),
    table: nameOf("rt_tables", attributes.get(RTA.TABLE)?.u32() ?? body.u8(4)),
    protocol: nameOf("rt_protos", body.u8(5)),
    scope: nameOf("rt_scopes", body.u8(6)),
    prefsrc: attributes.get(RTA.PREFSRC)?.ip(),
    metric: attributes.get(RTA.PRIORITY)?.u32(),
    metrics: [{ mtu, advmss }],
    nexthops: hopsOf(attributes.get(RTA.MULTIPATH), nameAt),
  };
}

function hopsOf(all: Reader | undefined, nameAt: NameAt) {
  const hops = [];
  for (let at = 0; all && at + HOP <= all.length;) {
    const length = all.u16(at);
    if (length < HOP) break;
    const hop = hopOf(all.part(at + HOP, at + length), all.u8(at + 2));
    hops.push({ ...hop, dev: nameAt(all.i32(at + 4)), weight: all.u8(at + 3) + 1 });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** A next hop, or a route with one. The family comes before the address of another one. */
function hopOf(attributes: Reader, bits: number) {
  const gateway = attributes.get(RTA.GATEWAY)?.ip() ?? attributes.get(RTA.VIA)?.ip(2);
  return { gateway, flags: FLAGS.filter(([, bit]) => bits & bit).map(([name]) => name) };
}
