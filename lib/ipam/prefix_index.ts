import { byStart, parsePrefix, type Prefix, prefixAround } from "./prefix.ts";
import { BTree } from "./ranges.ts";

interface Entry<T> {
  /** How many entries were added before it. */
  place: number;
  value: T;
}

/**
 * Values with prefixes, which may overlap. Finds the values whose prefixes overlap another prefix,
 * and looks at no others: O(log n) in the number of values, for each length of the prefixes and each
 * value found.
 */
export class PrefixIndex<T> {
  readonly #entries = new BTree<Prefix, Entry<T>[]>(undefined, byStart);
  readonly #lengths = { 4: new Set<number>(), 6: new Set<number>() };
  #size = 0;

  /** Adds a value. Several values may have the same prefix. */
  add(prefix: Prefix, value: T): void {
    const same = this.#entries.get(prefix) ?? [];
    same.push({ place: this.#size++, value });
    this.#entries.set(prefix, same);
    this.#lengths[prefix.family].add(prefix.length);
  }

  /** The values whose prefixes have an address in common with this one, in the order added. */
  overlapping(prefix: Prefix): T[] {
    const { family, first, last, length } = prefix;
    // Of two prefixes that overlap, one contains the other.
    const wider = [...this.#lengths[family]].filter((shorter) => shorter < length)
      .flatMap((shorter) =>
        this.#entries.get(prefixAround({ family, bits: first }, shorter)) ?? []
      );
    const end = { family, first: last, last, length: Infinity };
    const within = this.#entries.getRange(prefix, end).flatMap(([, entries]) => entries);
    return [...wider, ...within].sort((a, b) => a.place - b.place).map(({ value }) => value);
  }
}

/** The pairs of an item and another one whose subnets overlap, in the order of both lists. */
export function overlapping<Item extends { subnet: string }, Other extends { subnet: string }>(
  items: readonly Item[],
  others: readonly Other[],
): [Item, Other][] {
  const index = new PrefixIndex<Other>();
  for (const other of others) index.add(parsePrefix(other.subnet).prefix, other);
  return items.flatMap((item) =>
    index.overlapping(parsePrefix(item.subnet).prefix).map((other): [Item, Other] => [item, other])
  );
}
