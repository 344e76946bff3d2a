import BTreeModule from "sorted-btree";

// The package is CommonJS: what an ES module gets as its default is the module, not the class.
const BTree = BTreeModule.default;
type Tree = BTreeModule.default<bigint, bigint>;

/**
 * An immutable set of integers, kept as ranges that neither overlap nor touch, in an ordered tree
 * from each range's first integer to its last. So a run of a million integers costs as much as one,
 * and {@linkcode RangeSet.firstAbsent} is a single look into the tree: what follows a range is not
 * in the set.
 *
 * Sets share what they have in common. Adding and removing are O(log n) in the number of ranges.
 */
export class RangeSet {
  readonly #tree: Tree;

  private constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** The set of the given integers, in any order. O(n log n). */
  static from(values: Iterable<bigint>): RangeSet {
    const ranges: [bigint, bigint][] = [];
    for (const value of [...values].sort(compare)) {
      const range = ranges.at(-1);
      if (range === undefined || value > range[1] + 1n) ranges.push([value, value]);
      else range[1] = value;
    }
    return new RangeSet(new BTree(ranges, compare));
  }

  /** Whether the integer is in the set. */
  has(value: bigint): boolean {
    return this.#rangeOf(value) !== undefined;
  }

  /** The lowest integer from `low` on that is not in the set. */
  firstAbsent(low: bigint): bigint {
    const range = this.#rangeOf(low);
    return range === undefined ? low : range[1] + 1n;
  }

  /** The set with an integer that was not in it. */
  add(value: bigint): RangeSet {
    const tree = this.#tree.clone();
    const below = tree.getPairOrNextLower(value);
    const first = below !== undefined && below[1] === value - 1n ? below[0] : value;
    const lastAbove = tree.get(value + 1n);
    if (lastAbove !== undefined) tree.delete(value + 1n);
    tree.set(first, lastAbove ?? value);
    return new RangeSet(tree);
  }

  /** The set without an integer that was in it. */
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
