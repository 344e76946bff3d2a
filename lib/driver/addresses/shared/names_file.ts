/**
 * A file with the names of all addresses in the pools that this host shares, in the form of hosts(5),
 * for a DNS server such as dnsmasq.
 *
 * @module
 */
import { replaceFile } from "../../../base/files.ts";
import { contains } from "../../../ipam/mod.ts";
import { prefixesOf } from "../../../ipam/prefix.ts";
import type { KnownName, KnownNames } from "./known_names.ts";
import { sharedSubnets } from "./names.ts";
import type { Store } from "../../store/store.ts";
import { invalidOption } from "../../../base/errors.ts";

/** The first line of the file. */
const MARK = "# Written by ipvlan agent; changes will be lost";

/** The file. */
export class NamesFile {
  readonly #path: string;
  readonly #store: Store;
  readonly #names: KnownNames;
  #written: string | undefined;

  /**
   * Writes the file, without names at first, so that a file that cannot be written fails at once.
   *
   * @throws {"invalid-option"} The file cannot be written.
   */
  constructor(path: string, store: Store, names: KnownNames) {
    this.#path = path;
    this.#store = store;
    this.#names = names;
    try {
      this.write();
    } catch (error) {
      throw invalidOption("hosts file", path, (error as Error).message);
    }
  }

  /** Writes the names that are known now. */
  write(): void {
    const text = [MARK, ...this.#lines(), ""].join("\n");
    if (text === this.#written) return;
    // A DNS server that watches the folder must never see half a file.
    replaceFile(this.#path, text, 0o644);
    this.#written = text;
  }

  /** The lines of the addresses in the pools that this host shares, by prefix and address. */
  #lines(): string[] {
    const pools = this.#store.shared.pools();
    return [...this.#names.all()].flatMap(([prefix, names]) => {
      const subnets = prefixesOf(pools.filter((pool) => pool.prefix === prefix));
      const known = sharedSubnets(this.#store, prefix);
      const isThere = ({ network, parsed }: KnownName) =>
        (known.get(network) ?? subnets).some((each) => contains(each, parsed));
      return [...names].filter(isThere).sort((one, other) => one.hex < other.hex ? -1 : 1)
        .flatMap(({ network, address, names }) => {
          // Another host may name a network like a public domain.
          const good = names.filter((name) => known.has(network) || !name.includes("."));
          return good.length > 0 ? [`${address} ${good.join(" ")}`] : [];
        });
    });
  }
}
