import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { RangeSet } from "../../../lib/ipam/ranges.ts";
import "../../kit/seed.ts";

const SPACE = 4000;

/** Every integer of the set, by asking for each one that might be in it. */
function members(set: RangeSet): number[] {
  return Array.from({ length: SPACE + 2 }, (_, value) => value)
    .filter((value) => set.has(BigInt(value)));
}

/** Every gap's first integer, by the set's own word. */
function gaps(set: RangeSet): number[] {
  return Array.from({ length: SPACE }, (_, low) => Number(set.firstAbsent(BigInt(low))));
}

/** The same by going through the integers from high to low. */
function naiveGaps(model: ReadonlySet<number>): number[] {
  const firstAbsent: number[] = [];
  let next = SPACE;
  while (model.has(next)) next++;
  for (let low = SPACE - 1; low >= 0; low--) {
    if (!model.has(low)) next = low;
    firstAbsent[low] = next;
  }
  return firstAbsent;
}

// Far more ranges than one node of the tree holds, so that nodes are split, merged and shared.
Deno.test("a set of thousands of ranges, and every earlier version of it, does what a naive set does", () => {
  const values = fc.array(fc.nat(SPACE), { minLength: 500, maxLength: 3000, size: "max" });
  const changes = fc.array(fc.nat(SPACE), { maxLength: 2000, size: "max" });
  fc.assert(
    fc.property(values, changes, (values, changes) => {
      const model = new Set(values);
      let set = RangeSet.from(values.map(BigInt));
      const forebears = [{ set, model: new Set(model) }];
      for (const [index, value] of changes.entries()) {
        if (model.delete(value)) {
          set = set.delete(BigInt(value));
        } else {
          set = set.add(BigInt(value));
          model.add(value);
        }
        if (index % 500 === 0) forebears.push({ set, model: new Set(model) });
      }
      for (const one of [...forebears, { set, model }]) {
        assertEquals(members(one.set), [...one.model].sort((a, b) => a - b));
        assertEquals(gaps(one.set), naiveGaps(one.model));
        const within = [...one.model].filter((value) => value >= 1000 && value <= 3000);
        assertEquals(one.set.count(1000n, 3000n), BigInt(within.length));
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("removing everything in any order leaves nothing, and putting it back leaves one range", () => {
  const shuffled = fc.shuffledSubarray(Array.from({ length: 1000 }, (_, value) => value), {
    minLength: 1000,
  });
  fc.assert(
    fc.property(shuffled, shuffled, (out, back) => {
      const full = RangeSet.from(out.map(BigInt));
      assertEquals(full.firstAbsent(0n), 1000n);
      const empty = out.reduce((set, value) => set.delete(BigInt(value)), full);
      assertEquals(members(empty), []);
      const again = back.reduce((set, value) => set.add(BigInt(value)), empty);
      assertEquals(again.firstAbsent(0n), 1000n);
      assertEquals(full.firstAbsent(0n), 1000n);
      assertEquals(members(empty), []);
    }),
    { numRuns: 10 },
  );
});
