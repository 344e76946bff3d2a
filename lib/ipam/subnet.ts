import { IpvlanError } from "../errors.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import {
  type AddressRole,
  DuplicateGatewayError,
  DuplicateRangeError,
  OutsideSubnetError,
  ReservedAddressError,
  SubnetsOverlapError,
  UnusableAddressError,
} from "./errors.ts";
import {
  contains,
  firstUsable,
  formatPrefix,
  isPointToPoint,
  overlaps,
  parsePrefix,
  type Prefix,
  whyUnusable,
} from "./prefix.ts";

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

/** What was written of a network's subnets, as with `docker network create`. */
export interface SubnetWords {
  /**
   * Every `--subnet`: prefixes of either family. The order is kept.
   *
   * @default {[]}
   */
  readonly subnets?: readonly string[];
  /**
   * Every `--gateway`, in any order: each belongs to the subnet that contains it.
   *
   * @default {[]}
   */
  readonly gateways?: readonly string[];
  /**
   * Every `--ip-range`, in any order: each belongs to the subnet that contains it.
   *
   * @default {[]}
   */
  readonly ipRanges?: readonly string[];
  /**
   * Every `--aux-address` by name: each belongs to the subnet that contains it.
   *
   * @default {{}}
   */
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

/** Something that was not taken as it was written: a prefix with host bits set. */
export interface Notice {
  /** What the prefix was given as. */
  readonly role: "subnet" | "ip-range";
  /** The prefix as it was written. */
  readonly from: string;
  /** The prefix as it was taken. */
  readonly to: string;
  /** The notice as a sentence. */
  readonly message: string;
}

/** Either the subnets and what there is to say of them, or everything that is wrong with them. */
export type SubnetsResult =
  | {
    /** Nothing is wrong. */
    readonly ok: true;
    /** The subnets, in the order given. */
    readonly subnets: readonly Subnet[];
    /** What was not taken as it was written. */
    readonly notices: readonly Notice[];
  }
  | {
    /** Something is wrong. */
    readonly ok: false;
    /** All that is wrong, at least one thing, what concerns the prefixes of the subnets first. */
    readonly problems: readonly IpvlanError[];
  };

/**
 * Makes a network's subnets from what was written of them.
 *
 * A subnet with no gateway given has its first usable address as the gateway, unless it is a /31,
 * /32, /127 or /128, which has none to spare. Nothing is thrown: all problems come back at once, as
 * {@linkcode InvalidPrefixError}, {@linkcode InvalidAddressError},
 * {@linkcode SubnetsOverlapError}, {@linkcode OutsideSubnetError},
 * {@linkcode DuplicateGatewayError}, {@linkcode DuplicateRangeError},
 * {@linkcode UnusableAddressError} and {@linkcode ReservedAddressError}.
 *
 * @example
 * ```ts
 * import { parseSubnets } from "@ipvlan/kit";
 *
 * const result = parseSubnets({
 *   subnets: ["192.168.140.0/24", "2001:db8:abc9::/64"],
 *   gateways: ["2001:db8:abc9::22"],
 * });
 * if (!result.ok) throw new AggregateError(result.problems);
 * result.subnets[0]?.gateway; // 192.168.140.1, the first usable address
 * ```
 */
export function parseSubnets(words: SubnetWords): SubnetsResult {
  const reader = new SubnetsReader();
  for (const text of words.subnets ?? []) reader.readSubnet(text);
  for (const text of words.gateways ?? []) reader.readGateway(text);
  for (const text of words.ipRanges ?? []) reader.readRange(text);
  reader.settleGatewaysAndRanges();
  for (const [name, text] of Object.entries(words.auxAddresses ?? {})) {
    reader.readAuxAddress(name, text);
  }
  const { problems, notices, drafts } = reader;
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, subnets: drafts.map(toSubnet), notices };
}

/** What an address already is in its subnet: `gateway`, `auxiliary address NAME`, or nothing. */
export function reservation(
  gateways: readonly Address[],
  reserved: ReadonlyMap<string, Address>,
  address: Address,
): string | undefined {
  if (gateways.some((gateway) => gateway.bits === address.bits)) return "gateway";
  for (const [name, other] of reserved) {
    if (other.bits === address.bits) return `auxiliary address ${name}`;
  }
}

/** A subnet while its words are being read. */
interface Draft {
  readonly prefix: Prefix;
  readonly gateways: Address[];
  readonly ranges: Prefix[];
  readonly reserved: Map<string, Address>;
}

function toSubnet({ prefix, gateways: [gateway], ranges: [range], reserved }: Draft): Subnet {
  return { prefix, ...(gateway && { gateway }), ...(range && { range }), reserved };
}

class SubnetsReader {
  readonly problems: IpvlanError[] = [];
  readonly notices: Notice[] = [];
  readonly drafts: Draft[] = [];
  #unreadable = false;
  #refusedGateway = false;

  readSubnet(text: string): void {
    const prefix = this.#readPrefix("subnet", text);
    if (prefix === undefined) {
      this.#unreadable = true;
      return;
    }
    for (const draft of this.drafts) {
      if (!overlaps(draft.prefix, prefix)) continue;
      this.problems.push(
        new SubnetsOverlapError(formatPrefix(draft.prefix), formatPrefix(prefix)),
      );
    }
    this.drafts.push({ prefix, gateways: [], ranges: [], reserved: new Map() });
  }

  readGateway(text: string): void {
    const found = this.#readAddress("gateway", text);
    if (found === undefined) this.#refusedGateway = true;
    else found.draft.gateways.push(found.address);
  }

  readRange(text: string): void {
    const range = this.#readPrefix("ip-range", text);
    if (range === undefined) return;
    this.#home("ip-range", range, formatPrefix(range))?.ranges.push(range);
  }

  /** To be called before auxiliary addresses are read, as one may hit a gateway nobody wrote. */
  settleGatewaysAndRanges(): void {
    for (const { prefix, gateways, ranges } of this.drafts) {
      const subnet = formatPrefix(prefix);
      // A refused gateway may have been meant for this subnet, which then has no default to hit.
      const hasDefault = gateways.length === 0 && !this.#refusedGateway && !isPointToPoint(prefix);
      if (hasDefault) gateways.push(firstUsable(prefix));
      if (gateways.length > 1) {
        this.problems.push(new DuplicateGatewayError(subnet, gateways.map(formatAddress)));
      }
      if (ranges.length > 1) {
        this.problems.push(new DuplicateRangeError(subnet, ranges.map(formatPrefix)));
      }
    }
  }

  readAuxAddress(name: string, text: string): void {
    const found = this.#readAddress("auxiliary address", text);
    if (found === undefined) return;
    const { address, draft: { prefix, gateways, reserved } } = found;
    const owner = reservation(gateways, reserved, address);
    reserved.set(name, address);
    if (owner === undefined) return;
    const [value, subnet] = [formatAddress(address), formatPrefix(prefix)];
    this.problems.push(new ReservedAddressError("auxiliary address", value, subnet, owner));
  }

  #attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      this.problems.push(error);
    }
  }

  #readPrefix(role: Notice["role"], text: string): Prefix | undefined {
    const parsed = this.#attempt(() => parsePrefix(text));
    if (parsed?.masked) {
      const to = formatPrefix(parsed.prefix);
      const what = role === "subnet" ? "Subnet" : "Ip-range";
      const message = `${what} ${text} has host bits set: it is taken as ${to}`;
      this.notices.push({ role, from: text, to, message });
    }
    return parsed?.prefix;
  }

  /** The address and its subnet, if it is one that this subnet can do without. */
  #readAddress(role: AddressRole, text: string): { address: Address; draft: Draft } | undefined {
    const address = this.#attempt(() => parseAddress(text));
    if (address === undefined) return undefined;
    const draft = this.#home(role, address, formatAddress(address));
    if (draft === undefined) return undefined;
    const reason = whyUnusable(draft.prefix, address);
    if (reason === undefined) return { address, draft };
    const [value, subnet] = [formatAddress(address), formatPrefix(draft.prefix)];
    this.problems.push(new UnusableAddressError(role, value, subnet, reason));
  }

  #home(role: AddressRole, inner: Address | Prefix, text: string): Draft | undefined {
    const home = this.drafts.find((draft) => contains(draft.prefix, inner));
    // When no subnet at all could be read, that is the problem, and this only follows from it.
    const isConsequence = this.#unreadable && this.drafts.length === 0;
    if (home === undefined && !isConsequence) {
      const subnets = this.drafts.map((draft) => formatPrefix(draft.prefix));
      this.problems.push(new OutsideSubnetError(role, text, subnets));
    }
    return home;
  }
}
