import { endpointAddresses } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import { subnetsOf } from "./network.ts";
import type { Store } from "./store.ts";
import type { Network } from "./types.ts";

/**
 * The pools of a driver's networks, kept from call to call: to fill one anew costs as much as the
 * network has endpoints.
 */
export class KnownPools {
  #store: Store;
  #known = new Map<string, { version: string; pools: Pools }>();

  /** Makes the pools of a store's networks. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** The pools of a network, with the addresses of its endpoints taken. */
  of(network: Network): Pools {
    const known = this.#known.get(network.id);
    if (known?.version === this.#store.version()) return known.pools;
    const taken = this.#store.endpoints({ network: network.id }).flatMap(endpointAddresses);
    return Pools.of(subnetsOf(network), taken);
  }

  /**
   * Keeps pools in which addresses have been taken, by network id. Only within the transaction that
   * records the addresses, where nobody else can have written, and as the last thing in it.
   */
  keep(pools: ReadonlyMap<string, Pools>): void {
    const version = this.#store.version();
    for (const [id, value] of pools) this.#known.set(id, { version, pools: value });
  }
}
