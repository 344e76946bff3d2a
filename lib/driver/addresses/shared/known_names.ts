/**
 * The names that an agent knows. A change costs the same with ten claims and with a hundred thousand: it is
 * put into memory, and many of them are put on record and into files at a time.
 *
 * @module
 */
import type { SharedChange, SharedClaim } from "../../../claims/types.ts";
import { hexOf } from "../../../claims/keys.ts";
import type { Address } from "../../../ipam/address.ts";
import { parseAddress } from "../../../ipam/mod.ts";
import { pause } from "../../../base/waiting.ts";
import type { SharedName, Store } from "../../store/store.ts";
import { nameOf, networkIds } from "./names.ts";

/** How many names are worked on before others have their turn, such as the lease of this host. */
const AT_ONCE = 1000;

/** The names at an address. */
export interface KnownName extends SharedName {
  /** The id of the host that has the address. */
  host: string;
  /** The address. */
  parsed: Address;
  /** The address in hexadecimal digits, which sort like addresses. */
  hex: string;
}

/** What is known under a prefix. */
interface Known {
  /** By address. */
  names: Map<string, KnownName>;
  /** The addresses at which the record may differ. */
  unrecorded: Set<string>;
  /** The networks whose hosts files may differ from the record. */
  stale: Set<string>;
}

/** The names of everything that has an address in the pools under some prefixes. */
export class KnownNames {
  readonly #store: Store;
  readonly #known = new Map<string, Known>();

  /** Knows no name yet. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes a change over. */
  async change(prefix: string, change: SharedChange): Promise<void> {
    if (change.kind === "broken") return;
    const known = this.#under(prefix);
    if (change.kind === "freed") put(known, change.address, undefined);
    else if (change.kind === "claimed") putClaim(known, prefix, change.claim);
    else {
      const gone = new Set(known.names.keys());
      for (const [index, claim] of change.claims.entries()) {
        if (index % AT_ONCE === 0) await pause(0);
        gone.delete(claim.address);
        putClaim(known, prefix, claim);
      }
      for (const address of gone) put(known, address, undefined);
    }
  }

  /** Forgets what a prefix has, which this host does not share any more. It stays on record. */
  forget(prefix: string): void {
    this.#known.delete(prefix);
  }

  /** The names under each prefix. */
  all(): [prefix: string, names: Iterable<KnownName>][] {
    return [...this.#known].map(([prefix, { names }]) => [prefix, names.values()]);
  }

  /**
   * Puts on record what has changed, but this host's own names, which are there already. Resolves to the
   * ids of the networks whose hosts files are stale.
   */
  async record(): Promise<string[]> {
    const ids: string[] = [];
    for (const [prefix, { names, unrecorded, stale }] of this.#known) {
      const own = this.#store.shared.host(prefix)?.id;
      while (unrecorded.size > 0) {
        const part = unrecorded.values().take(AT_ONCE).toArray();
        this.#store.transaction(() => {
          for (const address of part) {
            const before = this.#store.deleteSharedNames(prefix, { address });
            before.forEach((network) => stale.add(network));
            const name = names.get(address);
            if (!name || name.host === own) continue;
            this.#store.putSharedName(name);
            stale.add(name.network);
          }
        });
        for (const address of part) unrecorded.delete(address);
        await pause(0);
      }
      ids.push(...networkIds(this.#store, prefix, stale));
      stale.clear();
    }
    return ids;
  }

  #under(prefix: string): Known {
    const known = this.#known.get(prefix);
    if (known) return known;
    // An earlier agent, or a command, has put names on record that may be gone by now.
    const recorded = this.#store.sharedNames(prefix).map(({ address }) => address);
    const fresh = { names: new Map(), unrecorded: new Set(recorded), stale: new Set<string>() };
    this.#known.set(prefix, fresh);
    return fresh;
  }
}

function putClaim(known: Known, prefix: string, claim: SharedClaim): void {
  const name = nameOf(prefix, claim);
  const parsed = name && parseAddress(name.address);
  put(
    known,
    claim.address,
    name && { ...name, host: claim.host, parsed: parsed!, hex: hexOf(parsed!) },
  );
}

function put({ names, unrecorded }: Known, address: string, name: KnownName | undefined): void {
  const before = names.get(address);
  if (name) names.set(address, name);
  else names.delete(address);
  if (textOf(before) !== textOf(name)) unrecorded.add(address);
}

function textOf(name: KnownName | undefined): string {
  return name ? [name.host, name.network, ...name.names].join(" ") : "";
}
