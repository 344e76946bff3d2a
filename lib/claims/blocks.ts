// New addresses from etcd: a whole block, or a single address that no host keeps.
import { randomHex } from "../base/random.ts";
import type { Prefix } from "../ipam/prefix.ts";
import type { Range } from "./etcd.ts";
import {
  type BlockValue,
  type ClaimValue,
  isFor,
  type KeyValue,
  NO_HOST,
  readBlock,
  readClaim,
  readHost,
} from "./values.ts";
import {
  addressOf,
  bitsOf,
  blockOf,
  blockSize,
  firstGap,
  hexOf,
  homeBlock,
  insideOf,
  usableOf,
} from "./keys.ts";
import {
  addressesOf,
  bitOf,
  blockWith,
  dropKept,
  lastOf,
  newUse,
  prefixOfPool,
  type Request,
} from "./local.ts";
import { poolIsThere, rejoinPool } from "./pool_key.ts";
import type { AddressRecord, BlockRecord, PoolRecord } from "./records.ts";
import type { Session } from "./session.ts";

/** How many keys of blocks are read at a time. */
const WINDOW = 64;

/** How many blocks are read at a time to find single addresses. */
const LOOK_AT_ONCE = 16;

export function claimsIn({ keys }: Session, pool: PoolRecord, block: string): Range {
  const last = keys.claim(pool.subnet, lastOf(pool, block));
  return { key: keys.claim(pool.subnet, block), end: `${last}\0` };
}

export function claimValue(hostId: string, record: AddressRecord): string {
  const { holder: { sandbox, network, names, reserved }, since, token } = record;
  const value: ClaimValue = { host: hostId, sandbox, network, names, reserved, since, token };
  return JSON.stringify(value);
}

/** Splits a pool into the parts to search for free space, in the order of the search. */
function* searchOrder(
  pool: PoolRecord,
  from: bigint,
  range: Prefix | undefined,
): Generator<{ from: bigint; last: bigint }> {
  const prefix = prefixOfPool(pool);
  const first = range ? blockOf(prefix, range.first) : prefix.first;
  const last = blockOf(prefix, range ? range.last : prefix.last);
  const start = from < first || from > last ? first : from;
  yield { from: start, last };
  if (start > first) yield { from: first, last: start - blockSize(prefix) };
}

/** Takes a block that no host has. Returns whether one had a free address in the range. */
export async function takeBlock(
  session: Session,
  pool: PoolRecord,
  range: Prefix | undefined,
): Promise<boolean> {
  const prefix = prefixOfPool(pool);
  const next = pool.next === undefined
    ? homeBlock(prefix, session.hostId)
    : addressOf(pool.next).bits;
  for (const { from, last } of searchOrder(pool, next, range)) {
    for (let at = from; at <= last;) {
      const tried = await tryBlock(session, pool, at, last);
      if ((tried.free & insideOf(prefix, at, range)) !== 0n) return true;
      at = tried.next;
    }
  }
  return false;
}

/** The keys of the ranges that are read when a transaction fails. */
type Ranges = [KeyValue[], KeyValue[], KeyValue[], KeyValue[]];

/** Asks for the block at an address. Resolves to its free addresses and the next block to try. */
async function tryBlock(
  session: Session,
  { id }: PoolRecord,
  at: bigint,
  last: bigint,
): Promise<{ free: bigint; next: bigint }> {
  const { keys, records, hostId, etcd: { damage } } = session;
  // An earlier try may have found that the pool's key has changed.
  const pool = records.pool(id)!;
  const { subnet } = pool;
  const prefix = prefixOfPool(pool);
  const size = blockSize(prefix);
  const hex = (bits: bigint) => hexOf({ family: prefix.family, bits });
  const first = hex(at);
  const key = keys.block(subnet, first);
  const usable = usableOf(prefix, at, pool.reserved);
  if (usable === 0n || records.block(id, first)) return { free: 0n, next: at + size };
  const token = randomHex(8);
  // If the answer is lost, it is given back.
  const asked: BlockRecord = {
    pool: id,
    first,
    state: "giving",
    token,
    kept: usable,
    free: 0n,
    dirty: false,
    revision: 0,
  };
  const value: BlockValue = { host: hostId, token, kept: usable.toString(16) };
  const claims = { ...claimsIn(session, pool, first), keysOnly: true };
  const tried = await session.change(
    () => {
      records.putBlock(asked);
      return {
        compare: [{ key, revision: 0 }, poolIsThere(session, pool)],
        success: [{ put: { key, value: JSON.stringify(value) } }, { range: claims }],
        failure: [
          { key: keys.pool(subnet) },
          { key },
          claims,
          { key, end: `${keys.block(subnet, hex(last))}\0`, limit: WINDOW, keysOnly: true },
        ],
      };
    },
    ({ succeeded, revision, ranges }) => {
      if (succeeded) {
        return { free: holdBlock(session, asked, ranges[0]!, revision), next: at + size };
      }
      const [[poolPair], [pair], claimed, window] = ranges as Ranges;
      if (damage.read(readBlock, pair)?.token === token) {
        // An earlier attempt took effect, but its answer was lost.
        return { free: holdBlock(session, asked, claimed, pair!.modRevision), next: at + size };
      }
      records.deleteBlock(id, first);
      if (poolPair?.modRevision !== pool.revision) return undefined;
      const taken = damage.addresses(window).map((first) => addressOf(first).bits);
      return { free: 0n, next: firstGap(taken, at, size) };
    },
  );
  if (tried) return tried;
  await rejoinPool(session, pool);
  return { free: 0n, next: at };
}

/** Records a block that etcd has for this host. Returns the set of its addresses without a claim. */
export function holdBlock(
  { records, etcd }: Pick<Session, "records" | "etcd">,
  asked: BlockRecord,
  claims: readonly KeyValue[],
  revision: number,
): bigint {
  const { first, kept } = asked;
  let free = kept;
  for (const address of etcd.damage.addresses(claims)) free &= ~bitOf(first, address);
  records.putBlock({ ...asked, state: "held", free, dirty: free !== kept, revision });
  const pool = records.pool(asked.pool)!;
  const { family, bits } = addressOf(first);
  const next = hexOf({ family, bits: bits + blockSize(prefixOfPool(pool)) });
  // After the last block, the search goes on at the first one.
  records.putPool({ ...pool, next: next < first ? undefined : next });
  return free;
}

/**
 * Records a block of this host as its key in etcd is; if that is gone or another host's, it is forgotten.
 * An address that is not kept there may be another host's: nothing more is written about it, and one in
 * use needs a claim of its own. Returns whether the block is there.
 */
export function adoptBlock(
  { records, etcd }: Pick<Session, "records" | "etcd">,
  pool: PoolRecord,
  first: string,
  pair: KeyValue | undefined,
): boolean {
  const block = records.block(pool.id, first)!;
  const there = etcd.damage.read(readBlock, pair);
  const isThere = there?.token === block.token;
  const kept = isThere ? there.set : 0n;
  for (const record of addressesOf(records, pool, block)) {
    if ((kept & bitOf(first, record.address)) === 0n) dropKept(records, record);
  }
  const revision = pair?.modRevision ?? 0;
  if (!isThere) records.deleteBlock(pool.id, first);
  else records.putBlock({ ...block, kept, free: block.free & kept, dirty: true, revision });
  return isThere;
}

/** The answer to a request for a single address. */
export type Claimed =
  /** It is claimed, and in use on record. */
  | { kind: "taken"; address: string }
  /** The host with this id keeps it. */
  | { kind: "kept"; host: string }
  /** It has a claim already. */
  | { kind: "held"; claim: ClaimValue };

/** Claims one address that no host keeps. @param used Its record, if etcd has lost the claim. */
export async function claimAddress(
  session: Session,
  pool: PoolRecord,
  address: string,
  request: Request,
  used?: AddressRecord,
): Promise<Claimed> {
  const { keys, records, etcd: { damage } } = session;
  const first = blockWith(pool, address);
  const [blockKey, claimKey] = [keys.block(pool.subnet, first), keys.claim(pool.subnet, address)];
  // If the answer is lost, it is given up.
  const fresh: AddressRecord = used ?? { ...newUse(pool.id, address, request), state: "giving" };
  let [[block], [claim]] = await session.read({ key: blockKey }, { key: claimKey });
  for (;;) {
    const there = claim && readClaim(claim);
    // With an older etcd or record, it may be reserved for another one. What a sandbox uses, it keeps.
    const isLeft = there?.host === NO_HOST && (used !== undefined || isFor(there, request.holder));
    const held = isLeft ? undefined : there;
    if (held && held.token !== fresh.token) return { kind: "held", claim: held };
    const asked = {
      ...fresh,
      holder: { ...fresh.holder, ...isLeft && { reserved: there.reserved } },
    };
    const { host, set } = block ? readBlock(block) : { host: "", set: 0n };
    if (!held && (set & bitOf(first, address)) !== 0n) return { kind: "kept", host };
    const failed = await session.change(
      () => {
        if (!used) records.putAddress(asked);
        return {
          compare: [
            { key: claimKey, revision: isLeft ? claim!.modRevision : 0 },
            { key: blockKey, revision: block?.modRevision ?? 0 },
            poolIsThere(session, pool),
          ],
          success: [{ put: { key: claimKey, value: claimValue(session.hostId, asked) } }],
          failure: [{ key: blockKey }, { key: claimKey }, { key: keys.pool(pool.subnet) }],
        };
      },
      ({ succeeded, revision, ranges }) => {
        const claim = ranges[1]?.[0];
        if (succeeded || damage.read(readClaim, claim)?.token === asked.token) {
          const now = records.address(pool.id, address)!;
          records.putAddress({
            ...now,
            state: used ? now.state : "used",
            // The address may have been released and taken again since.
            told: now.token === asked.token ? asked.version : 0,
            revision: claim?.modRevision ?? revision,
          });
          return undefined;
        }
        if (!used) records.deleteAddress(pool.id, address);
        return ranges;
      },
    );
    if (!failed) return { kind: "taken", address };
    const [blocks, claims, pools] = failed as Ranges;
    if (pools[0]?.modRevision !== pool.revision) pool = await rejoinPool(session, pool);
    [[block], [claim]] = [blocks, claims];
  }
}

/** Claims any address that no host keeps, or finds other hosts that keep unused ones. */
export async function claimAny(
  session: Session,
  pool: PoolRecord,
  request: Request,
): Promise<{ taken?: string; keepers: Set<string> }> {
  const { keys, hostId, etcd: { damage } } = session;
  const prefix = prefixOfPool(pool);
  const hex = (bits: bigint) => hexOf({ family: prefix.family, bits });
  const keepers = new Set<string>();
  for (const { from, last } of searchOrder(pool, homeBlock(prefix, hostId), request.range)) {
    for (let at = from; at <= last;) {
      const [pairs] = await session.read({
        key: keys.block(pool.subnet, hex(at)),
        end: `${keys.block(pool.subnet, hex(last))}\0`,
        limit: LOOK_AT_ONCE,
      });
      const blocks = pairs.filter((pair) => damage.addresses([pair]).length > 0);
      if (blocks.length === 0) break;
      const firsts = damage.addresses(blocks);
      const claims = await session.read(
        ...firsts.map((first) => ({ ...claimsIn(session, pool, first), keysOnly: true })),
      );
      for (const [index, first] of firsts.entries()) {
        const { bits } = addressOf(first);
        const block = damage.read(readBlock, blocks[index]);
        if (!block) continue;
        const { host, set } = block;
        let used = 0n;
        for (const address of damage.addresses(claims[index]!)) used |= bitOf(first, address);
        if (host !== hostId && (set & ~used) !== 0n) keepers.add(host);
        const open = usableOf(prefix, bits, pool.reserved) & ~set & ~used &
          insideOf(prefix, bits, request.range);
        for (const bit of shuffled(bitsOf(open))) {
          const address = hex(bits + bit);
          // It has a record if it was given up and etcd does not know that yet.
          if (session.records.address(pool.id, address)) continue;
          const { kind } = await claimAddress(session, pool, address, request);
          if (kind === "taken") return { taken: address, keepers };
        }
      }
      at = addressOf(firsts.at(-1)!).bits + blockSize(prefix);
    }
  }
  return { keepers };
}

/** Shuffles numbers, so that hosts that search at the same time ask for different ones. */
function shuffled(numbers: Iterable<bigint>): bigint[] {
  return [...numbers].map((number) => ({ number, order: Math.random() }))
    .sort((a, b) => a.order - b.order).map(({ number }) => number);
}

/** The most names in an error: etcd allows 128 steps in a transaction. */
const MOST_NAMES = 100;

/** Finds the names of hosts. A host without a name in etcd has its id. */
export async function namesOf(session: Session, ids: Iterable<string>): Promise<string[]> {
  const { etcd, keys } = session;
  const all = [...ids].slice(0, MOST_NAMES);
  const ranges = await session.read(...all.map((id) => ({ key: keys.host(id) })));
  return ranges.map(([pair], index) => etcd.damage.read(readHost, pair)?.name ?? all[index]!);
}
