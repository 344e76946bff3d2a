// The names that an agent knows. A change costs the same with ten claims and with a hundred
// thousand: it is kept in memory, and later written to the record and into files in a batch.
import type { SharedChange, SharedClaim } from "../../../claims/types.ts";
import { type Address, parseAddress } from "../../../ipam/address.ts";
import { contains, prefixesOf } from "../../../ipam/prefix.ts";
import { invalidOption } from "../../../base/errors.ts";
import { replaceFile } from "../../../base/files.ts";
import { pause } from "../../../base/waiting.ts";
import type { SharedName, Store } from "../../store/store.ts";
import { nameOf, networkIds, sharedSubnets } from "./names.ts";

/** The names per batch. Between two batches, other work has its turn, such as this host's lease. */
const AT_ONCE = 1000;

interface KnownName extends SharedName {
  /** The id of the host that has the address. */
  host: string;
  parsed: Address;
}

interface Known {
  names: Map<string, KnownName>;
  /** The addresses at which the record may differ. */
  unrecorded: Set<string>;
  /** The networks whose hosts files may differ from the record. */
  stale: Set<string>;
}

/** The beginning of the file of all names. */
const MARK = "# Written by ipvlan agent; changes will be lost";

/** The names of all addresses in the pools under some prefixes. */
export class KnownNames {
  readonly #known = new Map<string, Known>();
  #written: string | undefined;

  /**
   * @param file A file for a DNS server such as dnsmasq, in the form of hosts(5). It is written at once
   * without names, to fail if that fails. @throws {"invalid-option"}
   */
  constructor(private readonly store: Store, private readonly file?: string) {
    try {
      this.writeFile();
    } catch (error) {
      throw invalidOption("hosts file", file!, (error as Error).message);
    }
  }

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

  /** Forgets the names under a prefix that this host no longer shares. They stay on record. */
  forget(prefix: string): void {
    this.#known.delete(prefix);
  }

  /** Records the changed names of other hosts. Resolves to the networks with stale hosts files. */
  async record(): Promise<string[]> {
    const ids: string[] = [];
    for (const [prefix, { names, unrecorded, stale }] of this.#known) {
      const own = this.store.shared.host(prefix)?.id;
      while (unrecorded.size > 0) {
        const part = unrecorded.values().take(AT_ONCE).toArray();
        this.store.transaction(() => {
          for (const address of part) {
            const before = this.store.deleteSharedNames(prefix, { address });
            before.forEach((network) => stale.add(network));
            const name = names.get(address);
            if (!name || name.host === own) continue;
            this.store.putSharedName(name);
            stale.add(name.network);
          }
        });
        for (const address of part) unrecorded.delete(address);
        await pause(0);
      }
      ids.push(...networkIds(this.store, prefix, stale));
      stale.clear();
    }
    return ids;
  }

  /** Writes all names into the file, if there is one and it has others. */
  writeFile(): void {
    if (this.file === undefined) return;
    const text = [MARK, ...this.#lines(), ""].join("\n");
    if (text === this.#written) return;
    // A DNS server that watches the folder must never see half a file.
    replaceFile(this.file, text, 0o644);
    this.#written = text;
  }

  /** The lines of the addresses in the pools that this host shares, by prefix and address. */
  #lines(): string[] {
    const pools = this.store.shared.pools();
    return [...this.#known].flatMap(([prefix, { names }]) => {
      const subnets = prefixesOf(pools.filter((pool) => pool.prefix === prefix));
      const known = sharedSubnets(this.store, prefix);
      const isThere = ({ network, parsed }: KnownName) =>
        (known.get(network) ?? subnets).some((each) => contains(each, parsed));
      const order = (a: KnownName, b: KnownName) => a.parsed.bits < b.parsed.bits ? -1 : 1;
      return [...names.values()].filter(isThere).sort(order)
        .flatMap(({ network, address, names }) => {
          // Another host may name a network like a public domain.
          const good = names.filter((name) => known.has(network) || !name.includes("."));
          return good.length > 0 ? [`${address} ${good.join(" ")}`] : [];
        });
    });
  }

  #under(prefix: string): Known {
    const known = this.#known.get(prefix);
    if (known) return known;
    // An earlier agent or a command may have recorded names that are gone by now.
    const recorded = this.store.sharedNames(prefix).map(({ address }) => address);
    const fresh = { names: new Map(), unrecorded: new Set(recorded), stale: new Set<string>() };
    this.#known.set(prefix, fresh);
    return fresh;
  }
}

function putClaim(known: Known, prefix: string, claim: SharedClaim): void {
  const name = nameOf(prefix, claim);
  if (!name) return put(known, claim.address, undefined);
  const parsed = parseAddress(name.address);
  put(known, claim.address, { ...name, host: claim.host, parsed });
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
