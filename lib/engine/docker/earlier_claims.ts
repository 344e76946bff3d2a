import type { AddressPoolDetails } from "../../driver/mod.ts";

/** The claims and requests of Docker from before it, or the plugin, was started last. */
export class EarlierClaims {
  readonly #claims: Set<string>;
  readonly #requests: Map<string, number>;

  constructor(pools: readonly AddressPoolDetails[]) {
    this.#claims = new Set(
      pools.flatMap(({ id, claims }) => claims.map(({ address }) => keyOf(id, address))),
    );
    this.#requests = new Map(pools.map(({ id, requests }) => [id, requests]));
  }

  has(pool: string, address: string): boolean {
    return this.#claims.has(keyOf(pool, address));
  }

  /** Forgets what a call of Docker releases: a claim or a request after that is a new one. */
  forget(method: string, body: string): void {
    const { PoolID, Address } = fieldsOf(body);
    const pool = String(PoolID);
    if (method === "IpamDriver.ReleaseAddress") this.#claims.delete(keyOf(pool, String(Address)));
    if (method === "IpamDriver.ReleasePool") this.#drop(pool);
  }

  /** Forgets one request for a pool, if there are more than needed. Returns whether it did. */
  takeRequest(pool: string, needed: number): boolean {
    const isSurplus = (this.#requests.get(pool) ?? 0) > needed;
    if (isSurplus) this.#drop(pool);
    return isSurplus;
  }

  #drop(pool: string): void {
    const requests = this.#requests.get(pool);
    if (requests !== undefined) this.#requests.set(pool, requests - 1);
  }
}

function keyOf(pool: string, address: string): string {
  return `${pool} ${address}`;
}

/** Parses the fields of a body. Only the handler of the call checks them. */
function fieldsOf(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}
