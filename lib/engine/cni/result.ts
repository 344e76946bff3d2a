import type { EndpointRoute } from "../../driver/model/types.ts";
import { nameOf, numberOf } from "../../netlink/names.ts";
import { familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import {
  fits,
  kind,
  type Loose,
  object,
  parsed,
  type Reader,
  type Reading,
  text,
  whole,
} from "../../base/reader.ts";
import { list, optional } from "../json.ts";
import { type CniVersion, isAtLeast } from "./version.ts";

/** Writes a result in the form of a version. Before 1.0.0, each address names its family. */
export function formatResult(
  { interfaces, ips, routes, dns }: Result,
  cniVersion: CniVersion,
): unknown {
  const withFamily = !isAtLeast(cniVersion, "1.0.0");
  return {
    cniVersion,
    ...interfaces.length > 0 ? { interfaces } : {},
    ips: withFamily ? ips.map((ip) => ({ version: `${familyOf(ip.address)}`, ...ip })) : ips,
    routes,
    ...dns ? { dns } : {},
  };
}

/** Reads a value that may be left out, for which Go programs write an empty text. */
function filled<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, reading) => value === "" ? undefined : optional(reader)(value, reading);
}

/** Reads a number that may be left out, for which Go programs write 0. Ignores other values. */
const number: Reader<number | undefined> = (value) =>
  typeof value === "number" && value !== 0 ? value : undefined;

const address = parsed(
  "an address such as 192.168.1.2",
  (text) => formatAddress(parseAddress(text)),
);

const linkAddress = parsed("an address with its length, such as 192.168.1.2/24", (text) => {
  const [address = "", length = ""] = text.split("/");
  parsePrefix(text);
  return `${formatAddress(parseAddress(address))}/${Number(length)}`;
});

/** Reads a number of a route that may be left out. Go programs write 0 for some of them. */
function unlessZero(most: number): Reader<number | undefined> {
  return (value, reading) => upTo(most)(value, reading) || undefined;
}

function upTo(most: number): Reader<number | undefined> {
  const isFit = (value: unknown) => fits(whole, value) && value >= 0 && value <= most;
  return optional(kind<number>(`a whole number up to ${most}`, isFit));
}

/** A route of a result, with the keys and numbers of CNI 1.1 (section 5). */
const routeFields = object({
  dst: parsed("a prefix such as 10.0.0.0/8", (text) => formatPrefix(parsePrefix(text).prefix)),
  gw: filled(address),
  mtu: unlessZero(65535),
  advmss: unlessZero(65535),
  /** The metric. */
  priority: unlessZero(0xffff_ffff),
  table: upTo(0xffff_ffff),
  /** `RT_SCOPE_*` of the kernel. */
  scope: upTo(255),
});

export type ResultRoute = Loose<ReturnType<typeof routeFields>>;

export const routesReader: Reader<ResultRoute[]> = list((value, reading) => {
  const route = routeFields(value, reading);
  const { dst, gw } = route;
  if (dst !== undefined && gw !== undefined && familyOf(gw) !== familyOf(dst)) {
    reading.part("gw", () => reading.misfit(gw, `an address of the family of ${dst}`), gw);
  }
  return route;
});

/** Reads a list of texts; `undefined` if it is empty. */
const texts: Reader<string[] | undefined> = (value, reading) => {
  const read = list(text)(value, reading);
  return read.length === 0 ? undefined : read;
};

const dnsFields = object({
  nameservers: texts,
  search: texts,
  options: texts,
  /** The container's own domain. */
  domain: filled(text),
});

export type Dns = Loose<ReturnType<typeof dnsFields>>;

/** Reads name servers; `undefined` if there are none. */
export function dnsReader(value: unknown, reading: Reading): Dns | undefined {
  const dns = optional(dnsFields)(value, reading) ?? {};
  return Object.keys(dns).length === 0 ? undefined : dns;
}

const interfaceFields = object({
  name: (value, reading): string => filled(text)(value, reading) ?? "",
  mac: filled(text),
  /** The file of its network namespace; left out for a link of the host. */
  sandbox: filled(text),
  mtu: number,
});

const addressFields = object({
  /** The address with its prefix length: `192.168.1.2/24`. */
  address: linkAddress,
  gateway: filled(address),
  /** The index of its link in the list of interfaces. */
  interface: (value): number | undefined => typeof value === "number" ? value : undefined,
});

export type ResultAddress = Loose<ReturnType<typeof addressFields>>;

/** The result of ADD, in the form of all versions from 1.0.0 on. An IPAM plugin gives no links. */
export interface Result {
  interfaces: Loose<ReturnType<typeof interfaceFields>>[];
  ips: ResultAddress[];
  routes: ResultRoute[];
  dns?: Dns;
}

/** Reads the result of an IPAM plugin, or a `prevResult`, of any version from 0.3.0 on. */
export const resultReader: Reader<Result> = object<Result>({
  interfaces: list(interfaceFields),
  ips: list(addressFields),
  routes: routesReader,
  dns: dnsReader,
});

/** The main table, also by the number for none (`RT_TABLE_MAIN`, `RT_TABLE_UNSPEC`). */
const MAIN = [254, 0];

/** Translates a route of a result or a configuration into one of an endpoint. */
export function toRoute({ dst, gw, priority, table, scope, ...sizes }: ResultRoute): EndpointRoute {
  const { mtu, advmss } = sizes;
  return {
    dst,
    ...gw !== undefined && { via: gw },
    ...priority !== undefined && { metric: priority },
    ...table !== undefined && !MAIN.includes(table) && { table },
    // The kernel takes no notice of the scope of an IPv6 route.
    ...scope !== undefined && familyOf(dst) === 4 &&
      { scope: nameOf("rt_scopes", scope) as EndpointRoute["scope"] },
    ...mtu !== undefined && { mtu },
    ...advmss !== undefined && { advmss },
  };
}

/** Translates a route of an endpoint into one of a result. */
export function toResultRoute({ dst, via, metric, scope, ...same }: EndpointRoute): ResultRoute {
  return {
    dst,
    ...via !== undefined && { gw: via },
    ...metric !== undefined && { priority: metric },
    ...scope !== undefined && { scope: numberOf("rt_scopes", scope) },
    ...same,
  };
}
