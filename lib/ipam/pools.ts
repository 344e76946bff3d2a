import { type Address, type Family, formatAddress, parseAddress } from "./address.ts";
import { contains, formatPrefix, outsideSubnet, whyUnusable } from "./prefix.ts";
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

/** The result of taking an address. */
export interface Taken {
  /** The address in canonical form: `192.168.1.2`, `2001:db8::2`. */
  readonly address: string;
  /** The subnet that it is in. */
  readonly subnet: Subnet;
  /** The pools in which it is taken. */
  readonly pools: Pools;
}

interface Pool {
  readonly subnet: Subnet;
  /** The addresses that cannot be taken, as they are taken, reserved or unusable. */
  readonly used: RangeSet;
  /** The addresses that are never chosen as the next one: these, and those given away elsewhere. */
  readonly avoided: RangeSet;
}

/**
 * The pools of a network's subnets. They are an immutable value: taking and releasing return new pools
 * and do not change the old ones. After a failure the caller just drops the new ones. Addresses are
 * given and returned as text. A text that is no address throws `invalid-address`.
 *
 * Taking and releasing cost O(log n), where n is the number of ranges of taken addresses. The size of
 * the subnets does not matter.
 */
export class Pools {
  readonly #pools: readonly Pool[];

  private constructor(pools: readonly Pool[]) {
    this.#pools = pools;
  }

  /**
   * Makes the pools of subnets, which must not overlap. The addresses may be in any order.
   * O(n log n) in the number of addresses.
   *
   * @param elsewhere Addresses that are given away elsewhere. They are never chosen as the next one,
   * but can be taken. Those that are in none of the subnets are left out.
   * @throws {"outside-subnet"} if a taken address is in none of the subnets
   */
  static of(
    subnets: readonly Subnet[],
    taken: Iterable<string> = [],
    elsewhere: Iterable<string> = [],
  ): Pools {
    const shares = subnets.map((subnet) => ({
      subnet,
      used: keptAddresses(subnet).map(({ bits }) => bits),
      elsewhere: [] as bigint[],
    }));
    for (const text of taken) {
      const address = parseAddress(text);
      poolOf(shares, address).used.push(address.bits);
    }
    for (const text of elsewhere) {
      const address = parseAddress(text);
      shares.find(isHomeOf(address))?.elsewhere.push(address.bits);
    }
    return new Pools(shares.map(({ subnet, used: taken, elsewhere }) => {
      const used = RangeSet.from(taken);
      const avoided = elsewhere.length > 0 ? RangeSet.from([...taken, ...elsewhere]) : used;
      return { subnet, used, avoided };
    }));
  }

  /**
   * Takes the lowest free address of a family's first subnet that has one: of its ip-range, or of the
   * whole subnet.
   *
   * @throws {"no-subnet"} if there is no subnet of the family
   * @throws {"pool-exhausted"} if no subnet of the family has a free address
   */
  takeNext(family: Family): Taken {
    const pools = this.#pools.filter(({ subnet }) => subnet.prefix.family === family);
    for (const pool of pools) {
      const { first, last } = pool.subnet.range ?? pool.subnet.prefix;
      const bits = pool.avoided.firstAbsent(first);
      if (bits <= last) return this.#taken(pool, { family, bits });
    }
    const [first, ...others] = pools;
    if (first === undefined) throw new IpvlanError("no-subnet", { family });
    const { prefix, range } = first.subnet;
    throw new IpvlanError("pool-exhausted", {
      subnet: formatPrefix(prefix),
      range: range && formatPrefix(range),
      others: others.length,
    });
  }

  /**
   * Takes the given address from the subnet that contains it. It may be outside of the ip-range.
   *
   * @throws {"outside-subnet"} if it is in none of the subnets
   * @throws {"unusable-address"} if it is the network, broadcast or anycast address
   * @throws {"reserved-address"} if it is the gateway or an auxiliary address
   * @throws {"address-in-use"} if it is taken
   */
  take(text: string): Taken {
    const address = parseAddress(text);
    const pool = poolOf(this.#pools, address);
    if (!pool.used.has(address.bits)) return this.#taken(pool, address);
    throw keptAddressError(pool.subnet, address) ??
      new IpvlanError("address-in-use", placeOf(pool.subnet, address));
  }

  /**
   * Releases an address that is taken.
   *
   * @throws {"outside-subnet"} if it is in none of the subnets
   * @throws {"address-not-in-use"} if it is not taken
   */
  release(text: string): Pools {
    const address = parseAddress(text);
    const pool = poolOf(this.#pools, address);
    if (!pool.used.has(address.bits) || keptAddressError(pool.subnet, address)) {
      throw new IpvlanError("address-not-in-use", placeOf(pool.subnet, address));
    }
    return this.#with(pool, address, "free");
  }

  /**
   * Sets the use of an address. One that is reserved or unusable, or in none of the subnets, stays as
   * it is.
   */
  mark(text: string, use: AddressUse): Pools {
    const address = parseAddress(text);
    const pool = this.#pools.find(isHomeOf(address));
    if (!pool) return this;
    // Reserved and unusable addresses are used from the start on.
    if (pool.used.has(address.bits) && keptAddressError(pool.subnet, address)) return this;
    return this.#with(pool, address, use);
  }

  /** Whether an address is in one of the subnets. */
  contains(text: string): boolean {
    return this.#pools.some(isHomeOf(parseAddress(text)));
  }

  /**
   * Counts the addresses of each subnet, in the order of the subnets. O(n) in the number of ranges of
   * taken addresses.
   */
  usage(): PoolUsage[] {
    return this.#pools.map(({ subnet: { prefix, range = prefix }, used, avoided }) => ({
      used: used.count(prefix.first, prefix.last),
      free: range.last - range.first + 1n - avoided.count(range.first, range.last),
    }));
  }

  #taken(pool: Pool, address: Address): Taken {
    const pools = this.#with(pool, address, "taken");
    return { address: formatAddress(address), subnet: pool.subnet, pools };
  }

  #with(pool: Pool, { bits }: Address, use: AddressUse): Pools {
    const used = use === "taken" ? pool.used.add(bits) : pool.used.delete(bits);
    const avoided = use === "free" ? pool.avoided.delete(bits) : pool.avoided.add(bits);
    const changed = { subnet: pool.subnet, used, avoided };
    return new Pools(this.#pools.map((other) => other === pool ? changed : other));
  }
}

function isHomeOf(address: Address): (candidate: { subnet: Subnet }) => boolean {
  return ({ subnet }) => contains(subnet.prefix, address);
}

/** Finds the pool or share whose subnet contains an address. @throws {"outside-subnet"} */
function poolOf<T extends { subnet: Subnet }>(candidates: readonly T[], address: Address): T {
  const found = candidates.find(isHomeOf(address));
  if (found) return found;
  throw outsideSubnet("address", address, candidates.map(({ subnet }) => subnet.prefix));
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
