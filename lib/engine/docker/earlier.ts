import type { AddressPoolDetails } from "../../driver/mod.ts";

/**
 * What Docker had claimed and requested before its daemon, or the plugin, was started the last time. What
 * is claimed since is not among it, even if it is the same address.
 */
export class Earlier {
  readonly #claims: Set<string>;
  readonly #requests: Map<string, number>;

  /** Remembers what there is. */
  constructor(pools: readonly AddressPoolDetails[]) {
    this.#claims = new Set(
      pools.flatMap(({ id, claims }) => claims.map(({ address }) => keyOf(id, address))),
    );
    this.#requests = new Map(pools.map(({ id, requests }) => [id, requests]));
  }

  /** Whether a claim is among it. */
  has(pool: string, address: string): boolean {
    return this.#claims.has(keyOf(pool, address));
  }

  /** Docker releases an address by itself. Whoever has it afterwards is another user. */
  released(body: string): void {
    const { PoolID, Address } = fieldsOf(body);
    if (typeof PoolID === "string" && typeof Address === "string") {
      this.#claims.delete(keyOf(PoolID, Address));
    }
  }

  /** Docker takes back a request for a pool by itself. It may be one of before. */
  poolReleased(body: string): void {
    const { PoolID } = fieldsOf(body);
    if (typeof PoolID === "string") this.#add(PoolID, -1);
  }

  /** Takes one request for a pool out of it, if there are more than are needed. */
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

/** The fields of a body, which the handler of the call checks. */
function fieldsOf(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) ?? {};
  } catch {
    return {};
  }
}
