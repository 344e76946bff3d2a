import { attempt } from "../../base/errors.ts";
import { type Family, familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import { isObject, show } from "../../base/reader.ts";
import { type CniVersion, isAtLeast } from "./version.ts";

/** What a container needs to find names. */
export interface Dns {
  /** The addresses of the name servers. */
  nameservers?: string[];
  /** The container's own domain. */
  domain?: string;
  /** The domains to search. */
  search?: string[];
  /** Options of the resolver. */
  options?: string[];
}

/** An address of a result. */
export interface ResultAddress {
  /** The address with its prefix length: `192.168.1.2/24`. */
  address: string;
  /** The gateway of its subnet. */
  gateway?: string;
  /** The place of its link in the list of interfaces. */
  interface?: number;
}

/** A route of a result. */
export interface ResultRoute {
  /** The destination: `10.0.0.0/8`, `0.0.0.0/0`. */
  dst: string;
  /** The next hop. */
  gw?: string;
}

/** A link of a result. */
export interface ResultInterface {
  /** Its name. */
  name: string;
  /** Its MAC address. */
  mac?: string;
  /** The file of its network namespace; none for a link of the host. */
  sandbox?: string;
  /** Its MTU. */
  mtu?: number;
}

/** The result of ADD, in the form that all versions from 1.0.0 on have. */
export interface Result {
  /** The links. An IPAM plugin gives none. */
  interfaces: ResultInterface[];
  /** The addresses. */
  ips: ResultAddress[];
  /** The routes. */
  routes: ResultRoute[];
  /** The name servers. */
  dns?: Dns;
}

/** Writes a result in the form of a version. Before 1.0.0, each address has its family. */
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

/** Called with each thing that is wrong: a sentence. */
export type Report = (sentence: string) => void;

/** The keys of a route that has more than the driver can make (CNI 1.1, section 5). */
const ROUTE_KEYS = ["mtu", "advmss", "priority", "table", "scope"];

/** Reads the result of an IPAM plugin, or a `prevResult`, of any version from 0.3.0 on. */
export function readResult(value: unknown, what: string, report: Report): Result {
  const result: Result = { interfaces: [], ips: [], routes: [] };
  if (!isObject(value)) {
    report(`${what} is ${show(value)}, and no object`);
    return result;
  }
  for (const [index, entry] of readList(value.interfaces, `${what}.interfaces`, report).entries()) {
    const path = `${what}.interfaces[${index}]`;
    const name = readText(entry.name, `${path}.name`, report);
    const made: ResultInterface = { name: name ?? "" };
    const mac = readText(entry.mac, `${path}.mac`, report);
    const sandbox = readText(entry.sandbox, `${path}.sandbox`, report);
    if (mac) made.mac = mac;
    if (sandbox) made.sandbox = sandbox;
    if (typeof entry.mtu === "number" && entry.mtu !== 0) made.mtu = entry.mtu;
    result.interfaces.push(made);
  }
  for (const [index, entry] of readList(value.ips, `${what}.ips`, report).entries()) {
    const path = `${what}.ips[${index}]`;
    const address = readInterfaceAddress(entry.address, `${path}.address`, report);
    const gateway = readOptionalAddress(entry.gateway, `${path}.gateway`, report);
    if (address === undefined) continue;
    const made: ResultAddress = { address };
    if (gateway !== undefined) made.gateway = gateway;
    if (typeof entry.interface === "number") made.interface = entry.interface;
    result.ips.push(made);
  }
  result.routes.push(...readRoutes(value.routes, `${what}.routes`, report));
  const dns = readDns(value.dns, `${what}.dns`, report);
  if (dns) result.dns = dns;
  return result;
}

/** Reads a list of routes. */
export function readRoutes(value: unknown, path: string, report: Report): ResultRoute[] {
  return readList(value, path, report).flatMap((entry, index) => {
    const extra = ROUTE_KEYS.filter((key) => entry[key] !== undefined && entry[key] !== 0);
    for (const key of extra) {
      report(
        `${path}[${index}].${key} is ${show(entry[key])}, and a route can only have dst and gw`,
      );
    }
    const gw = readOptionalAddress(entry.gw, `${path}[${index}].gw`, report);
    const read = attempt(() => formatPrefix(parsePrefix(String(entry.dst)).prefix));
    if (!read.ok) {
      for (const { message } of read.problems) report(`${path}[${index}].dst: ${message}`);
      return [];
    }
    const dst = read.value;
    if (gw !== undefined && familyOf(gw) !== familyOf(dst)) {
      report(
        `${path}[${index}].gw is ${show(gw)}, of the other family than the destination ${dst}`,
      );
    }
    return [gw === undefined ? { dst } : { dst, gw }];
  });
}

/** Reads name servers; `undefined` if there are none. */
export function readDns(value: unknown, path: string, report: Report): Dns | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) {
    report(`${path} is ${show(value)}, and no object`);
    return undefined;
  }
  const dns: Dns = {};
  for (const key of ["nameservers", "search", "options"] as const) {
    const list = value[key] ?? [];
    if (!Array.isArray(list) || !list.every((each) => typeof each === "string")) {
      report(`${path}.${key} is ${show(list)}: give a list of texts`);
    } else if (list.length > 0) dns[key] = list;
  }
  const domain = readText(value.domain, `${path}.domain`, report);
  if (domain) dns.domain = domain;
  return Object.keys(dns).length > 0 ? dns : undefined;
}

/** Reads an address with its prefix length: `192.168.1.2/24`. */
function readInterfaceAddress(value: unknown, path: string, report: Report): string | undefined {
  const [address = "", length = "", ...rest] = String(value).split("/");
  const read = attempt(() => {
    parsePrefix(String(value));
    return `${formatAddress(parseAddress(address))}/${Number(length)}`;
  });
  if (read.ok && rest.length === 0) return read.value;
  report(`${path} is ${show(value)}: give an address with its length, such as 192.168.1.2/24`);
}

/** Reads an address that may be left out. Go programs write an empty text for none. */
function readOptionalAddress(value: unknown, path: string, report: Report): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const read = attempt(() => formatAddress(parseAddress(String(value))));
  if (read.ok) return read.value;
  report(`${path}: ${read.problems.map(({ message }) => message).join("; ")}`);
}

/** Reads a text that may be left out. */
export function readText(value: unknown, path: string, report: Report): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  report(`${path} is ${show(value)}: give a text`);
}

/** Reads a list of objects that may be left out. */
export function readList(
  value: unknown,
  path: string,
  report: Report,
): Record<string, unknown>[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) {
    report(`${path} is ${show(value)}: give a list`);
    return [];
  }
  const isFit = (entry: unknown, index: number): entry is Record<string, unknown> => {
    if (isObject(entry)) return true;
    report(`${path}[${index}] is ${show(entry)}, and no object`);
    return false;
  };
  return value.filter(isFit);
}

/** The addresses of a family in a result. */
export function addressesOf({ ips }: Result, family: Family): ResultAddress[] {
  return ips.filter(({ address }) => familyOf(address) === family);
}
