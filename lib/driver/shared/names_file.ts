/**
 * A file with the names of everything that has an address in the pools that this host shares, in the form
 * of hosts(5), for a DNS server such as dnsmasq.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import type { SharedChange, SharedClaim } from "../../claims/types.ts";
import { attempt } from "../../errors.ts";
import { contains, formatAddress, parseAddress, parsePrefix } from "../../ipam/mod.ts";
import { InvalidOptionError } from "../errors.ts";
import { nameOf } from "./names.ts";
import type { SharedName, Store } from "../store/store.ts";
import { Together } from "../run/together.ts";

/** The first line of the file. */
const MARK = "# Written by ipvlan agent; changes will be lost";

/** Keeps the file up to date with etcd. */
export class NamesFile {
  readonly #path: string;
  readonly #store: Store;
  /** The names, by prefix and address. */
  readonly #names = new Map<string, Map<string, SharedName>>();
  readonly #writing = new Together(() => Promise.resolve(this.#write()));
  #written: string | undefined;

  /**
   * Writes the file, without a name at first, so that it is found out at once if it cannot be written.
   *
   * @throws {InvalidOptionError} It cannot be written.
   */
  constructor(path: string, store: Store) {
    this.#path = path;
    this.#store = store;
    try {
      this.#write();
    } catch (error) {
      throw new InvalidOptionError("hosts file", path, (error as Error).message);
    }
  }

  /** Takes a change over. Changes that come while the file is written share the next write. */
  async change(prefix: string, change: SharedChange): Promise<void> {
    if (change.kind === "broken") return;
    const names = this.#names.get(prefix) ?? new Map<string, SharedName>();
    this.#names.set(prefix, names);
    if (change.kind === "listed") names.clear();
    const claims: SharedClaim[] = change.kind === "listed"
      ? change.claims
      : change.kind === "claimed"
      ? [change.claim]
      : [];
    if (change.kind === "freed") names.delete(canonical(change.address));
    for (const claim of claims) {
      const name = nameOf(prefix, claim);
      if (name) names.set(name.address, name);
      else names.delete(canonical(claim.address));
    }
    await this.#writing.request();
  }

  /** Leaves out what a prefix has, which this host does not share any more. */
  async forget(prefix: string): Promise<void> {
    this.#names.delete(prefix);
    await this.#writing.request();
  }

  #write(): void {
    const text = [MARK, ...this.#lines(), ""].join("\n");
    if (text === this.#written) return;
    // A DNS server that watches the folder leaves out files whose names begin with a dot, and never sees
    // half of this one.
    const fresh = `${dirname(this.#path)}/.${basename(this.#path)}.new`;
    Deno.writeTextFileSync(fresh, text);
    Deno.chmodSync(fresh, 0o644);
    Deno.renameSync(fresh, this.#path);
    this.#written = text;
  }

  /** The lines of the addresses in the pools that this host shares, by prefix and address. */
  #lines(): string[] {
    const pools = this.#store.shared.pools();
    return [...this.#names].flatMap(([prefix, names]) => {
      const subnets = pools.filter((pool) => pool.prefix === prefix)
        .map(({ subnet }) => parsePrefix(subnet).prefix);
      return [...names.values()]
        .filter(({ address }) => subnets.some((each) => contains(each, parseAddress(address))))
        .sort((one, other) => one.address < other.address ? -1 : 1)
        .map(({ address, names }) => `${address} ${names.join(" ")}`);
    });
  }
}

function canonical(text: string): string {
  const address = attempt(() => formatAddress(parseAddress(text)));
  return address.ok ? address.value : text;
}
