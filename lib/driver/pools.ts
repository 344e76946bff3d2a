import { endpointAddresses } from "../ipam/address.ts";
import { Pools } from "../ipam/mod.ts";
import { subnetsOf } from "./network.ts";
import type { Store } from "./store.ts";
import type { Network } from "./types.ts";

/**
 * The address pools of the networks. They are kept from call to call, as filling a pool takes
 * longer the more endpoints there are.
 */
export class KnownPools {
  #store: Store;
  #known = new Map<string, { version: string; pools: Pools }>();

  /** Keeps the pools of a store's networks. */
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
   * Keeps the pools of a call that has taken addresses, by network id. It must be the last
   * statement in the transaction that records the addresses: until its end, no other process can
   * write.
   */
  keep(pools: ReadonlyMap<string, Pools>): void {
    const version = this.#store.version();
    for (const [id, value] of pools) this.#known.set(id, { version, pools: value });
  }
}
