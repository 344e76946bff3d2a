import { isObject } from "../../base/reader.ts";
import type { AddressPoolDetails } from "../../driver/mod.ts";
import { parseRequest } from "../json.ts";

/** The claims and requests of Docker from before it, or the plugin, was started last. */
export class EarlierClaims {
  readonly #pools: Map<string, { requests: number; addresses: Set<string> }>;

  constructor(pools: readonly AddressPoolDetails[]) {
    this.#pools = new Map(pools.map(({ id, requests, claims }) => {
      const addresses = new Set(claims.map(({ address }) => address));
      return [id, { requests, addresses }];
    }));
  }

  has(pool: string, address: string): boolean {
    return this.#pools.get(pool)?.addresses.has(address) ?? false;
  }

  /** Forgets what a call of Docker releases: a claim or a request after that is a new one. */
  forget(method: string, text: string): void {
    const body = parseRequest(text);
    // Only the handler of the call checks the fields.
    const { PoolID, Address } = "value" in body && isObject(body.value) ? body.value : {};
    const pool = this.#pools.get(String(PoolID));
    if (method === "IpamDriver.ReleaseAddress") pool?.addresses.delete(String(Address));
    if (method === "IpamDriver.ReleasePool" && pool) pool.requests--;
  }

  /** Forgets one request for a pool, if there are more than needed. Returns whether it did. */
  takeRequest(id: string, needed: number): boolean {
    const pool = this.#pools.get(id);
    if (!pool || pool.requests <= needed) return false;
    pool.requests--;
    return true;
  }
}
