/**
 * Measures address pools: a million addresses in a row, and one more address if 10, ten thousand or a
 * million are taken, in a row or at random. Run it with `deno bench tests/bench/ipam_bench.ts`.
 *
 * @module
 */
import {
  formatAddress,
  parseAddress,
  parsePrefix,
  Pools,
  type Subnet,
} from "../../lib/ipam/mod.ts";

const NET: Subnet = { prefix: parsePrefix("10.0.0.0/8").prefix, reserved: new Map() };

function at(offset: number): string {
  return formatAddress({ family: 4, bits: NET.prefix.first + BigInt(offset) });
}

/** Draws different usable offsets into the subnet, the same in every run. */
function drawOffsets(count: number): number[] {
  const offsets: number[] = [];
  // A linear congruential generator with the full period: it gives each of the 2^24 offsets once.
  for (let offset = 1; offsets.length < count;) {
    offset = (Math.imul(offset, 1664525) + 1013904223) & 0xffffff;
    if (offset !== 0 && offset !== 0xffffff) offsets.push(offset);
  }
  return offsets;
}

Deno.bench("a million automatic addresses", { n: 1, warmup: 0 }, () => {
  let pools = Pools.of([NET]);
  for (let count = 0; count < 1_000_000; count++) pools = pools.takeNext(4).pools;
});

for (const count of [10, 10_000, 1_000_000]) {
  const layouts: [string, number[]][] = [
    ["in a row", Array.from({ length: count }, (_, index) => index + 1)],
    ["at random", drawOffsets(count)],
  ];
  for (const [layout, offsets] of layouts) {
    const taken = offsets.map(at);
    const pools = Pools.of([NET], taken);
    const name = `${count} taken ${layout}`;
    let turn = 0;
    const pickTaken = () => taken[turn = (turn + 7919) % taken.length] ?? at(1);

    Deno.bench(`${name}: next`, { group: "next" }, () => {
      pools.takeNext(4);
    });
    Deno.bench(`${name}: release any, take it back`, { group: "release and take" }, () => {
      const address = pickTaken();
      pools.release(address).take(address);
    });
    if (count < 1_000_000) continue;
    Deno.bench(`${name}: make the pools, from text`, { n: 1, warmup: 0 }, () => {
      Pools.of([NET], taken);
    });
  }
}

Deno.bench("read an IPv4 address", { group: "text" }, () => void parseAddress("10.1.2.3"));
Deno.bench("read an IPv6 address", { group: "text" }, () => void parseAddress("2001:db8:abc2::22"));
