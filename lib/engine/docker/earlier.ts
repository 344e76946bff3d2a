import type { AddressPoolDetails } from "../../driver/mod.ts";

/**
 * The claims and requests that Docker made before its daemon, or the plugin, was last started. A later
 * claim is not among them, even for the same address.
 */
export class Earlier {
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

  /** Forgets a claim that Docker releases: a claim after that is a new one. */
  released(body: string): void {
    const { PoolID, Address } = fieldsOf(body);
    if (typeof PoolID === "string" && typeof Address === "string") {
      this.#claims.delete(keyOf(PoolID, Address));
    }
  }

  /** Forgets a request for a pool that Docker releases: it may be an earlier one. */
  poolReleased(body: string): void {
    const { PoolID } = fieldsOf(body);
    if (typeof PoolID === "string") this.#add(PoolID, -1);
  }

  /** Forgets one request for a pool, if there are more than needed. Returns whether it did. */
  takeRequest(pool: string, needed: number): boolean {
    const isSurplus = (this.#requests.get(pool) ?? 0) > needed;
    if (isSurplus) this.#add(pool, -1);
    return isSurplus;
  }

  #add(pool: string, change: number): void {
    this.#requests.set(pool, (this.#requests.get(pool) ?? 0) + change);
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
