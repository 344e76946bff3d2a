import { type Address, formatAddress } from "./address.ts";
import { formatPrefix, whyUnusable } from "./prefix.ts";
import { RangeSet } from "./ranges.ts";
import type { Subnet } from "./subnet.ts";
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** The numbers of used and of free addresses of a subnet. */
export interface PoolUsage {
  /** The addresses that no further endpoint can have: taken, reserved or unusable. */
  readonly used: bigint;
  /** The addresses that the next endpoints can get: in the ip-range, or in the whole subnet. */
  readonly free: bigint;
}

/**
 * The use of an address: taken in this pool, given away elsewhere, or free. An address that is given
 * away elsewhere is never chosen as the next one, but it can be taken.
 */
export type AddressUse = "taken" | "elsewhere" | "free";

/**
 * The addresses of one subnet, and which of them are taken. A pool is an immutable value: taking and
 * releasing return a new pool and do not change the old one. After a failure the caller just drops
 * the new pool. The caller gives only addresses of the subnet.
 *
 * Taking and releasing cost O(log n), where n is the number of ranges of taken addresses. The size of
 * the subnet does not matter.
 */
export class Pool {
  /** The subnet. */
  readonly subnet: Subnet;
  /** The addresses that cannot be taken, as they are taken, reserved or unusable. */
  readonly #used: RangeSet;
  /** The addresses that are never chosen as the next one: these, and those given away elsewhere. */
  readonly #avoided: RangeSet;

  private constructor(subnet: Subnet, used: RangeSet, avoided: RangeSet) {
    this.subnet = subnet;
    this.#used = used;
    this.#avoided = avoided;
  }

  /** Makes the pool of a subnet. The addresses may be in any order. O(n log n). */
  static of(
    subnet: Subnet,
    taken: Iterable<Address> = [],
    elsewhere: Iterable<Address> = [],
  ): Pool {
    const bits = [...keptAddresses(subnet), ...taken].map((address) => address.bits);
    const others = Array.from(elsewhere, (address) => address.bits);
    const used = RangeSet.from(bits);
    return new Pool(subnet, used, others.length > 0 ? RangeSet.from([...bits, ...others]) : used);
  }

  /** Takes the lowest free address of the ip-range, or of the subnet if it has no ip-range. */
  takeNext(): { address: Address; pool: Pool } | undefined {
    const { prefix, range } = this.subnet;
    const { first, last } = range ?? prefix;
    const bits = this.#avoided.firstAbsent(first);
    if (bits > last) return undefined;
    const address = { family: prefix.family, bits };
    return { address, pool: this.mark(address, "taken") };
  }

  /** Counts the addresses. O(n) in the number of ranges of taken addresses. */
  usage(): PoolUsage {
    const { prefix, range = prefix } = this.subnet;
    const size = range.last - range.first + 1n;
    return {
      used: this.#used.count(prefix.first, prefix.last),
      free: size - this.#avoided.count(range.first, range.last),
    };
  }

  /** Takes the given address, which may be outside the ip-range: see `Pools.take`. */
  take(address: Address): Pool {
    if (this.#used.has(address.bits)) {
      throw keptAddressError(this.subnet, address) ??
        new IpvlanError("address-in-use", placeOf(this.subnet, address));
    }
    return this.mark(address, "taken");
  }

  /** Releases an address that is taken: see `Pools.release`. */
  release(address: Address): Pool {
    if (!this.#used.has(address.bits) || keptAddressError(this.subnet, address) !== undefined) {
      throw new IpvlanError("address-not-in-use", placeOf(this.subnet, address));
    }
    return this.mark(address, "free");
  }

  /** Sets the use of an address. A reserved or unusable address stays so. O(log n). */
  mark(address: Address, use: AddressUse): Pool {
    const { bits } = address;
    // Reserved and unusable addresses are used from the start on.
    if (this.#used.has(bits) && keptAddressError(this.subnet, address) !== undefined) return this;
    return new Pool(
      this.subnet,
      withMember(this.#used, bits, use === "taken"),
      withMember(this.#avoided, bits, use !== "free"),
    );
  }
}

/** The set with an integer, or without it. */
function withMember(set: RangeSet, value: bigint, isMember: boolean): RangeSet {
  if (set.has(value) === isMember) return set;
  return isMember ? set.add(value) : set.delete(value);
}

/** The addresses that no endpoint can have: the unusable and the reserved ones. */
function keptAddresses({ prefix, gateway, reserved }: Subnet): Address[] {
  const { family, first, last } = prefix;
  const ends = [{ family, bits: first }, { family, bits: last }];
  return [
    ...ends.filter((address) => whyUnusable(prefix, address) !== undefined),
    ...(gateway ? [gateway] : []),
    ...reserved.values(),
  ];
}

function placeOf({ prefix }: Subnet, address: Address): { address: string; subnet: string } {
  return { address: formatAddress(address), subnet: formatPrefix(prefix) };
}

/** The error that says why no endpoint can have an address; `undefined` if one can. */
function keptAddressError(
  subnet: Subnet,
  address: Address,
): IpvlanErrorOf<"unusable-address"> | IpvlanErrorOf<"reserved-address"> | undefined {
  const { prefix, gateway, reserved } = subnet;
  const reason = whyUnusable(prefix, address);
  const place = { role: "address", ...placeOf(subnet, address) } as const;
  if (reason) return new IpvlanError("unusable-address", { ...place, reason });
  if (gateway?.bits === address.bits) {
    return new IpvlanError("reserved-address", { ...place, owner: "gateway" });
  }
  const [name] = [...reserved].find(([, { bits }]) => bits === address.bits) ?? [];
  if (name !== undefined) {
    return new IpvlanError("reserved-address", { ...place, owner: `auxiliary address ${name}` });
  }
}
