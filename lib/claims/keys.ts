// The keys in etcd, and the blocks of a pool: pure functions on values.
import { type Address, formatAddress, parseAddress } from "../ipam/address.ts";
import { type Prefix, whyUnusable } from "../ipam/prefix.ts";

/** The fewest and the most addresses in a block. */
const BLOCK_SIZE = { least: 4n, most: 64n };

/** The number of blocks in a pool, where the sizes above allow it. */
const BLOCKS = 16n;

/** The keys under a prefix. Blocks and claims sort by address. */
export class Keys {
  /** Takes the prefix, without a slash at the end. */
  constructor(readonly prefix: string) {}

  /** The key of a host, with its name and last transaction. Without an id, the prefix of all. */
  host = (id = ""): string => `${this.prefix}/hosts/${id}`;
  /** The key that exists while a host's agent runs. */
  alive = (id = ""): string => `${this.prefix}/alive/${id}`;
  /** The key that exists for ten minutes after a host was heard from. */
  heard = (id = ""): string => `${this.prefix}/heard/${id}`;
  /** The key of a refused copy of a host, by the copy's token. Without them, the prefix of all. */
  copy = (id = "", token = ""): string => this.#within("copies", id, token);
  /** The key of a network, with its settings and hosts. */
  network = (name = ""): string => `${this.prefix}/networks/${name}`;
  /** The key of a pool. Without a subnet, the prefix of all. */
  pool = (subnet = ""): string => `${this.prefix}/pools/${poolPart(subnet)}`;
  /** The key of a block, by its first address. Without one, the prefix of the pool's blocks. */
  block = (subnet = "", first = ""): string => this.#within("blocks", poolPart(subnet), first);
  /** The key of a claim, by its address. Without one, the prefix of the pool's claims. */
  claim = (subnet = "", address = ""): string => this.#within("claims", poolPart(subnet), address);
  /** The key of a reservation for a name, by the key of the address's claim; or what such keys begin with. */
  reservation = (network = "", sandbox = "", claim = ""): string => {
    const place = claim.split("/").slice(-2).join("/");
    return this.#within("reservations", network, sandbox === "" ? "" : `${sandbox}/${place}`);
  };
  /** The key of a host's wish. Without an id, the prefix of all wishes about the pool. */
  wish = (subnet = "", id = ""): string => this.#within("wishes", poolPart(subnet), id);

  #within(kind: string, owner: string, rest: string): string {
    return `${this.prefix}/${kind}/${owner === "" ? "" : `${owner}/`}${rest}`;
  }
}

/** A subnet as a part of a key: `192.168.1.0-24`. */
function poolPart(subnet: string): string {
  return subnet.replace("/", "-");
}

export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** The subnet and the last part of the key of a block, a claim, a reservation or a wish. */
export function partsOf(key: string): { subnet: string; last: string } {
  const parts = key.split("/");
  return { subnet: subnetOf(parts.at(-2)!), last: parts.at(-1)! };
}

export function subnetOf(part: string): string {
  return part.replace(/-(?=\d+$)/, "/");
}

/** An address as a part of a key: hexadecimal digits, as many as the family has. */
export function hexOf({ family, bits }: Address): string {
  return bits.toString(16).padStart(family === 4 ? 8 : 32, "0");
}

export function addressOf(hex: string): Address {
  return { family: hex.length === 8 ? 4 : 6, bits: BigInt(`0x${hex}`) };
}

/** The canonical text of an address from its part of a key. */
export function textOf(hex: string): string {
  return formatAddress(addressOf(hex));
}

/** The size of a block: a sixteenth of the pool, of 4 to 64 addresses; or all of a smaller pool. */
export function blockSize(pool: Prefix): bigint {
  const size = pool.last - pool.first + 1n;
  const part = size / BLOCKS;
  if (part > BLOCK_SIZE.most) return BLOCK_SIZE.most;
  if (part >= BLOCK_SIZE.least) return part;
  return size < BLOCK_SIZE.least ? size : BLOCK_SIZE.least;
}

/** The first address of the block that an address is in. */
export function blockOf(pool: Prefix, address: bigint): bigint {
  return address - (address - pool.first) % blockSize(pool);
}

/** The first address of the block where a host starts to search for a free one. */
export function homeBlock(pool: Prefix, hostId: string): bigint {
  const size = blockSize(pool);
  const count = (pool.last - pool.first + 1n) / size;
  return pool.first + BigInt(`0x${hostId}`) % count * size;
}

/** Finds the first block, from `from` on, that is not taken. @param taken Blocks in order. */
export function firstGap(taken: readonly bigint[], from: bigint, size: bigint): bigint {
  let gap = from;
  for (const first of taken) {
    if (first > gap) return gap;
    if (first === gap) gap += size;
  }
  return gap;
}

/** The addresses of a block that endpoints can have, as a set: bit 0 is its first address. */
export function usableOf(
  pool: Prefix,
  first: bigint,
  reserved: Readonly<Record<string, string>>,
): bigint {
  const size = blockSize(pool);
  const ends = [pool.first, pool.last]
    .filter((bits) => whyUnusable(pool, { family: pool.family, bits }));
  let usable = (1n << size) - 1n;
  for (const bits of [...ends, ...Object.keys(reserved).map((text) => parseAddress(text).bits)]) {
    if (bits >= first && bits < first + size) usable &= ~(1n << (bits - first));
  }
  return usable;
}

/** The addresses of a block that are in a range of its pool, as a set. */
export function insideOf(pool: Prefix, first: bigint, range: Prefix = pool): bigint {
  const last = first + blockSize(pool) - 1n;
  const from = range.first > first ? range.first : first;
  const to = range.last < last ? range.last : last;
  return to < from ? 0n : ((1n << (to - from + 1n)) - 1n) << (from - first);
}

export function* bitsOf(set: bigint): Generator<bigint> {
  for (let bit = 0n, rest = set; rest > 0n; bit++, rest >>= 1n) {
    if (rest & 1n) yield bit;
  }
}

export function countOf(set: bigint): number {
  return [...bitsOf(set)].length;
}

/** Compares the reserved addresses of two pools. Returns a sentence for each difference. */
export function reservedDifferences(
  own: Readonly<Record<string, string>>,
  theirs: Readonly<Record<string, string>>,
): string[] {
  const addresses = [...new Set([...Object.keys(own), ...Object.keys(theirs)])].sort();
  return addresses.filter((each) => own[each] !== theirs[each])
    .map((each) => `${each} is ${own[each] ?? "free"} here, and ${theirs[each] ?? "free"} there`);
}
