import { type Address, formatAddress } from "./address.ts";
import {
  AddressInUseError,
  AddressNotInUseError,
  OutsideSubnetError,
  PoolExhaustedError,
  ReservedAddressError,
  UnusableAddressError,
} from "./errors.ts";
import { contains, formatPrefix, whyUnusable } from "./prefix.ts";
import { RangeSet } from "./ranges.ts";
import { reservation, type Subnet } from "./subnet.ts";

/**
 * The addresses of one subnet, and which of them are taken. A value: taking and releasing give a
 * new pool and leave the old one as it was, so whatever fails half way just drops the new one.
 *
 * Taking and releasing cost O(log n) in the number of runs of taken addresses, whatever the size of
 * the subnet.
 */
export class Pool {
  /** The subnet. */
  readonly subnet: Subnet;
  /** All that cannot be given out: the taken addresses, the reserved and the unusable ones. */
  readonly #used: RangeSet;

  private constructor(subnet: Subnet, used: RangeSet) {
    this.subnet = subnet;
    this.#used = used;
  }

  /**
   * The pool of a subnet of which some addresses are taken, in any order. O(n log n).
   *
   * @throws {OutsideSubnetError} if one of them is not in the subnet
   */
  static of(subnet: Subnet, taken: Iterable<Address> = []): Pool {
    const used = withheld(subnet).map((address) => address.bits);
    for (const address of taken) {
      requireInside(subnet, address);
      used.push(address.bits);
    }
    return new Pool(subnet, RangeSet.from(used));
  }

  /**
   * Takes the lowest free address of the ip-range, or of the subnet if it has none.
   *
   * @returns the address, and the pool in which it is taken
   * @throws {PoolExhaustedError} if there is none
   */
  takeNext(): { address: Address; pool: Pool } {
    const { prefix, range } = this.subnet;
    const { first, last } = range ?? prefix;
    const bits = this.#used.firstAbsent(first);
    if (bits > last) {
      throw new PoolExhaustedError(formatPrefix(prefix), range && formatPrefix(range));
    }
    const pool = new Pool(this.subnet, this.#used.add(bits));
    return { address: { family: prefix.family, bits }, pool };
  }

  /**
   * Takes the given address, which may be outside the ip-range.
   *
   * @returns the pool in which it is taken
   * @throws {OutsideSubnetError} if it is not in the subnet
   * @throws {UnusableAddressError} if it is the network, broadcast or anycast address
   * @throws {ReservedAddressError} if it is the gateway or an auxiliary address
   * @throws {AddressInUseError} if it is taken
   */
  take(address: Address): Pool {
    requireInside(this.subnet, address);
    if (this.#used.has(address.bits)) {
      throw withheldAs(this.subnet, address) ??
        new AddressInUseError(formatAddress(address), formatPrefix(this.subnet.prefix));
    }
    return new Pool(this.subnet, this.#used.add(address.bits));
  }

  /**
   * Releases an address that is taken.
   *
   * @returns the pool in which it is free
   * @throws {OutsideSubnetError} if it is not in the subnet
   * @throws {AddressNotInUseError} if it is not taken: free, or reserved or unusable from the start
   */
  release(address: Address): Pool {
    requireInside(this.subnet, address);
    if (!this.#used.has(address.bits) || withheldAs(this.subnet, address) !== undefined) {
      throw new AddressNotInUseError(formatAddress(address), formatPrefix(this.subnet.prefix));
    }
    return new Pool(this.subnet, this.#used.delete(address.bits));
  }
}

function requireInside(subnet: Subnet, address: Address): void {
  if (contains(subnet.prefix, address)) return;
  throw new OutsideSubnetError("address", formatAddress(address), [formatPrefix(subnet.prefix)]);
}

/** The addresses that the subnet keeps from endpoints. */
function withheld({ prefix, gateway, reserved }: Subnet): Address[] {
  const { family, first, last } = prefix;
  const ends = [{ family, bits: first }, { family, bits: last }];
  return [
    ...ends.filter((address) => whyUnusable(prefix, address) !== undefined),
    ...(gateway ? [gateway] : []),
    ...reserved.values(),
  ];
}

/** The error that says what the subnet keeps the address for, if it keeps it. */
function withheldAs(
  { prefix, gateway, reserved }: Subnet,
  address: Address,
): UnusableAddressError | ReservedAddressError | undefined {
  const reason = whyUnusable(prefix, address);
  const owner = reservation(gateway ? [gateway] : [], reserved, address);
  const words = () => ["address", formatAddress(address), formatPrefix(prefix)] as const;
  if (reason) return new UnusableAddressError(...words(), reason);
  if (owner) return new ReservedAddressError(...words(), owner);
}
