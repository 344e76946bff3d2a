import { endpointAddresses } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import { subnetsOf } from "./network.ts";
import type { Store } from "./store.ts";
import type { Network } from "./types.ts";

/**
 * The pools of the networks, kept from call to call, as the time to fill a pool grows with the number
 * of endpoints.
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
   * Keeps pools in which addresses have been taken, by network id. Call it last in the transaction
   * that records the addresses: there, no other process can have written in between.
   */
  keep(pools: ReadonlyMap<string, Pools>): void {
    const version = this.#store.version();
    for (const [id, value] of pools) this.#known.set(id, { version, pools: value });
  }
}
