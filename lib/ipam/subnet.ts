import { attempt, type Decision, IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import type { AddressRole } from "../base/error_codes.ts";
import {
  byStart,
  contains,
  defaultGateway,
  formatPrefix,
  outsideSubnet,
  parsePrefix,
  type Prefix,
  whyUnusable,
} from "./prefix.ts";

/** Stands for the gateway of a subnet that has none: no address is reserved for one. */
export const NO_GATEWAY = "none";

/** One subnet of a network. */
export interface Subnet {
  /** Its prefix. */
  readonly prefix: Prefix;
  /** The gateway, which no endpoint gets. A /31, /32, /127 or /128 has none unless given. */
  readonly gateway?: Address;
  /** The ip-range: the part of the prefix that automatic addresses come from. */
  readonly range?: Prefix;
  /** The auxiliary addresses by name, which no endpoint gets. */
  readonly reserved: ReadonlyMap<string, Address>;
}

/** A subnet to create. Fields that are left out get their defaults. */
export interface SubnetSpec {
  /** The prefix, of either family: `192.168.1.0/24`. Host bits that are set are masked. */
  readonly subnet: string;
  /**
   * The gateway, or `none`; left out, the first usable address, and none for a /31, /32, /127 or /128.
   */
  readonly gateway?: string;
  /** The part of the subnet that automatic addresses come from; left out, the whole subnet. */
  readonly ipRange?: string;
  /** Addresses that no endpoint gets, by the name of their owner. */
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

/** A prefix that was changed when it was read, as it had host bits set. */
export interface Notice {
  /** The role of the prefix in the request. */
  readonly role: "subnet" | "ip-range";
  /** The prefix as it was written. */
  readonly from: string;
  /** The prefix as it was taken. */
  readonly to: string;
  /** The notice as a sentence. */
  readonly message: string;
}

/** The subnets of a network. */
export interface ParsedSubnets {
  /** The subnets, in the order given. */
  readonly subnets: readonly Subnet[];
  /** The prefixes that were changed. */
  readonly notices: readonly Notice[];
}

/**
 * Reads a network's subnets. A text stands for a subnet with every default.
 *
 * A subnet without a gateway gets its first usable address as the gateway, unless it is a /31, /32,
 * /127 or /128, which has no address to spare. Nothing is thrown: all problems come back at once, as
 * errors `invalid-prefix`, `invalid-address`, `subnets-overlap`, `outside-subnet`,
 * `unusable-address` and `reserved-address`. The `field` of each starts with the place of the subnet
 * in the list: `[1, "gateway"]`.
 */
export function parseSubnets(specs: readonly (string | SubnetSpec)[]): Decision<ParsedSubnets> {
  const read = specs.map((spec) => readSubnet(typeof spec === "string" ? { subnet: spec } : spec));
  const problems = [
    ...read.flatMap(({ problems }, index) => problems.map((problem) => problem.at(index))),
    ...overlapProblems(
      read.flatMap(({ subnet }, index) => subnet ? [{ index, prefix: subnet.prefix }] : []),
    ),
  ];
  if (problems.length === 0) {
    const subnets = read.flatMap(({ subnet }) => subnet ?? []);
    return { ok: true, subnets, notices: read.flatMap(({ notices }) => notices) };
  }
  return { ok: false, problems: problems.sort((a, b) => Number(a.field[0]) - Number(b.field[0])) };
}

/** Finds subnets that overlap another one: each is named once, with one that it overlaps. */
function overlapProblems(
  prefixes: readonly { index: number; prefix: Prefix }[],
): IpvlanErrorOf<"subnets-overlap">[] {
  const [first, ...rest] = prefixes.toSorted((a, b) => byStart(a.prefix, b.prefix));
  // The last one that is within no other.
  let widest = first;
  return rest.flatMap((each) => {
    const [one, later] = [widest!, each].sort((a, b) => a.index - b.index);
    if (contains(widest!.prefix, each.prefix)) {
      const [subnet, other] = [formatPrefix(one!.prefix), formatPrefix(later!.prefix)];
      return [new IpvlanError("subnets-overlap", { subnet, other }).at(later!.index)];
    }
    widest = each;
    return [];
  });
}

/** Reads one subnet. The result has no subnet if its prefix cannot be read. */
function readSubnet(
  { subnet: text, gateway: gatewayText, ipRange, auxAddresses = {} }: SubnetSpec,
): { subnet: Subnet | undefined; notices: Notice[]; problems: IpvlanError[] } {
  const notices: Notice[] = [];
  const problems: IpvlanError[] = [];
  const read = <T>(field: readonly string[], parse: () => T): T | undefined => {
    const result = attempt(parse);
    if (result.ok) return result.value;
    problems.push(...result.problems.map((problem) => problem.at(...field)));
  };
  const prefix = read(["subnet"], () => readPrefix("subnet", text, notices));
  const given = gatewayText === undefined || gatewayText === NO_GATEWAY
    ? undefined
    : read(["gateway"], () => readAddress("gateway", gatewayText, prefix));
  const range = ipRange === undefined
    ? undefined
    : read(["ipRange"], () => readRange(ipRange, prefix, notices));
  // If the given gateway was refused, we do not take the default one instead.
  const gateway = gatewayText === undefined ? prefix && defaultGateway(prefix) : given;
  const reserved = new Map<string, Address>();
  const owners = new Map(gateway && [[gateway.bits, "gateway"]]);
  for (const [name, text] of Object.entries(auxAddresses)) {
    read(["auxAddresses", name], () => {
      const address = readAddress("auxiliary address", text, prefix);
      const owner = owners.get(address.bits);
      reserved.set(name, address);
      owners.set(address.bits, owner ?? `auxiliary address ${name}`);
      if (prefix === undefined || owner === undefined) return;
      const place = { address: formatAddress(address), subnet: formatPrefix(prefix), owner };
      throw new IpvlanError("reserved-address", { role: "auxiliary address", ...place });
    });
  }
  const optional = { ...(gateway && { gateway }), ...(range && { range }) };
  return { subnet: prefix && { prefix, ...optional, reserved }, notices, problems };
}

function readPrefix(role: Notice["role"], text: string, notices: Notice[]): Prefix {
  const { prefix, masked } = parsePrefix(text);
  if (masked) {
    const to = formatPrefix(prefix);
    const what = role === "subnet" ? "Subnet" : "Ip-range";
    const message = `${what} ${text} has host bits set: it is taken as ${to}`;
    notices.push({ role, from: text, to, message });
  }
  return prefix;
}

/** Reads the ip-range of a subnet. Without a subnet, it only checks the notation. */
export function readRange(
  text: string,
  subnet: Prefix | undefined,
  notices: Notice[] = [],
): Prefix {
  const range = readPrefix("ip-range", text, notices);
  if (subnet && !contains(subnet, range)) throw outsideSubnet("ip-range", range, [subnet]);
  return range;
}

/** Reads an address of a subnet. Without a subnet, it only checks the notation. */
export function readAddress(role: AddressRole, text: string, subnet: Prefix | undefined): Address {
  const address = parseAddress(text);
  if (subnet === undefined) return address;
  if (!contains(subnet, address)) throw outsideSubnet(role, address, [subnet]);
  const reason = whyUnusable(subnet, address);
  if (reason === undefined) return address;
  const place = { role, address: formatAddress(address), subnet: formatPrefix(subnet) };
  throw new IpvlanError("unusable-address", { ...place, reason });
}
