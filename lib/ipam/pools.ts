import { type Address, type Family, formatAddress, parseAddress } from "./address.ts";
import { type AddressUse, Pool, type PoolUsage } from "./pool.ts";
import { contains, formatPrefix, outsideSubnet } from "./prefix.ts";
import type { Subnet } from "./subnet.ts";
import { IpvlanError } from "../base/errors.ts";

/** The result of taking an address. */
export interface Taken {
  /** The address in canonical form: `192.168.1.2`, `2001:db8::2`. */
  readonly address: string;
  /** The subnet that it is in. */
  readonly subnet: Subnet;
  /** The pools in which it is taken. */
  readonly pools: Pools;
}

/**
 * The pools of a network's subnets. Like a {@linkcode Pool}, they are an immutable value: taking and
 * releasing return new pools and do not change the old ones. Addresses are given and returned as text.
 *
 * @example
 * ```ts
 * import { parseSubnets, Pools } from "@ipvlan/kit/ipam";
 *
 * const result = parseSubnets(["192.168.1.0/24"]);
 * if (!result.ok) throw new AggregateError(result.problems);
 * const pools = Pools.of(result.subnets, ["192.168.1.2"]);
 * pools.takeNext(4).address; // "192.168.1.3"
 * pools.take("192.168.1.77").address; // "192.168.1.77"
 * pools.release("192.168.1.2").takeNext(4).address; // "192.168.1.2"
 * ```
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
   * @throws {"invalid-address"} if a text is not an address
   * @throws {"outside-subnet"} if a taken address is in none of the subnets
   */
  static of(
    subnets: readonly Subnet[],
    taken: Iterable<string> = [],
    elsewhere: Iterable<string> = [],
  ): Pools {
    const shares = subnets.map((subnet) => ({
      subnet,
      taken: [] as Address[],
      elsewhere: [] as Address[],
    }));
    for (const text of taken) {
      const address = parseAddress(text);
      findSubnet(shares, address).taken.push(address);
    }
    for (const text of elsewhere) {
      const address = parseAddress(text);
      shares.find(({ subnet }) => contains(subnet.prefix, address))?.elsewhere.push(address);
    }
    return new Pools(shares.map((share) => Pool.of(share.subnet, share.taken, share.elsewhere)));
  }

  /**
   * Takes the lowest free address of a family's first subnet that has one.
   *
   * @throws {"no-subnet"} if there is no subnet of the family
   * @throws {"pool-exhausted"} if no subnet of the family has a free address
   */
  takeNext(family: Family): Taken {
    const pools = this.#pools.filter(({ subnet }) => subnet.prefix.family === family);
    for (const old of pools) {
      const next = old.takeNext();
      if (next) return this.#taken(next.address, old, next.pool);
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
   * Takes the given address from the subnet that contains it.
   *
   * @throws {"invalid-address"} if the text is not an address
   * @throws {"outside-subnet"} if it is in none of the subnets
   * @throws {"unusable-address"} if it is the network, broadcast or anycast address
   * @throws {"reserved-address"} if it is the gateway or an auxiliary address
   * @throws {"address-in-use"} if it is taken
   */
  take(text: string): Taken {
    const address = parseAddress(text);
    const old = findSubnet(this.#pools, address);
    return this.#taken(address, old, old.take(address));
  }

  /**
   * Releases an address that is taken.
   *
   * @returns the pools in which it is free
   * @throws {"invalid-address"} if the text is not an address
   * @throws {"outside-subnet"} if it is in none of the subnets
   * @throws {"address-not-in-use"} if it is not taken
   */
  release(text: string): Pools {
    const address = parseAddress(text);
    const old = findSubnet(this.#pools, address);
    return this.#with(old, old.release(address));
  }

  /**
   * Sets the use of an address. One that is reserved or unusable, or in none of the subnets, stays as
   * it is.
   *
   * @throws {"invalid-address"} if the text is not an address
   */
  mark(text: string, use: AddressUse): Pools {
    const address = parseAddress(text);
    const old = this.#pools.find(({ subnet }) => contains(subnet.prefix, address));
    return old ? this.#with(old, old.mark(address, use)) : this;
  }

  /** Whether an address is in one of the subnets. */
  contains(text: string): boolean {
    const address = parseAddress(text);
    return this.#pools.some(({ subnet }) => contains(subnet.prefix, address));
  }

  /** Counts the addresses of each subnet, in the order of the subnets. */
  usage(): PoolUsage[] {
    return this.#pools.map((pool) => pool.usage());
  }

  #taken(address: Address, old: Pool, pool: Pool): Taken {
    return { address: formatAddress(address), subnet: pool.subnet, pools: this.#with(old, pool) };
  }

  #with(old: Pool, pool: Pool): Pools {
    return new Pools(this.#pools.map((other) => other === old ? pool : other));
  }
}

/** Finds the pool or share whose subnet contains the address. */
function findSubnet<T extends { subnet: Subnet }>(candidates: readonly T[], address: Address): T {
  const found = candidates.find(({ subnet }) => contains(subnet.prefix, address));
  if (found) return found;
  throw outsideSubnet("address", address, candidates.map(({ subnet }) => subnet.prefix));
}
