import BTreeModule from "npm:sorted-btree@^2";

// The package is CommonJS, so the default import is the module and not the class.
export const BTree = BTreeModule.default;
type Tree = BTreeModule.default<bigint, bigint>;

/**
 * An immutable set of integers. It is kept as ranges that neither overlap nor touch, in an ordered
 * tree from the first integer of each range to its last. A range of a million integers costs as much
 * as a single one. {@linkcode RangeSet.firstAbsent} needs one lookup, because the integer after a
 * range is never in the set.
 *
 * Sets share parts of their trees. Adding and removing are O(log n) in the number of ranges.
 */
export class RangeSet {
  readonly #tree: Tree;

  private constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Makes a set of integers, which may be in any order. O(n log n). */
  static from(values: Iterable<bigint>): RangeSet {
    const ranges: [bigint, bigint][] = [];
    for (const value of [...values].sort(compare)) {
      const range = ranges.at(-1);
      if (range === undefined || value > range[1] + 1n) ranges.push([value, value]);
      else range[1] = value;
    }
    return new RangeSet(new BTree(ranges, compare));
  }

  has(value: bigint): boolean {
    return this.#rangeOf(value) !== undefined;
  }

  /** The lowest integer, from `low` on, that is not in the set. */
  firstAbsent(low: bigint): bigint {
    const range = this.#rangeOf(low);
    return range === undefined ? low : range[1] + 1n;
  }

  /** Counts the integers of the set from `low` to `high`, both included. O(n) in the ranges. */
  count(low: bigint, high: bigint): bigint {
    let count = 0n;
    for (const [first, last] of this.#tree.entries()) {
      const from = first < low ? low : first;
      const to = last > high ? high : last;
      if (from <= to) count += to - from + 1n;
    }
    return count;
  }

  /** Returns the set with an integer. */
  add(value: bigint): RangeSet {
    if (this.has(value)) return this;
    const tree = this.#tree.clone();
    const below = tree.getPairOrNextLower(value);
    const first = below !== undefined && below[1] === value - 1n ? below[0] : value;
    const lastAbove = tree.get(value + 1n);
    if (lastAbove !== undefined) tree.delete(value + 1n);
    tree.set(first, lastAbove ?? value);
    return new RangeSet(tree);
  }

  /** Returns the set without an integer. */
  delete(value: bigint): RangeSet {
    const range = this.#rangeOf(value);
    if (range === undefined) return this;
    const [first, last] = range;
    const tree = this.#tree.clone();
    if (first < value) tree.set(first, value - 1n);
    else tree.delete(first);
    if (value < last) tree.set(value + 1n, last);
    return new RangeSet(tree);
  }

  #rangeOf(value: bigint): [bigint, bigint] | undefined {
    const range = this.#tree.getPairOrNextLower(value);
    return range !== undefined && value <= range[1] ? range : undefined;
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
