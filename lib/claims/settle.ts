// Reports changes on record to etcd: addresses in use, and addresses given up. The latter are
// marked on record before etcd is asked, so that no process of this host takes them meanwhile.
import type { Step } from "./etcd.ts";
import { type BlockValue, readClaim, type WishValue } from "./values.ts";
import { bitsOf, blockSize, countOf } from "./keys.ts";
import { addressesOf, bitOf, freeBlock, prefixOfPool } from "./local.ts";
import { adoptBlock, claimAddress, claimValue, namesOf } from "./blocks.ts";
import type { AddressRecord, BlockRecord, ClaimRecords, PoolRecord } from "./records.ts";
import { endOfUse } from "./reservations.ts";
import type { Session } from "./session.ts";
import { isOwn } from "./types.ts";

/** Rounds to try before the next call does the rest. */
const ROUNDS = 20;

/** Counts the addresses and blocks of a pool that are out of sync with etcd. */
export function countUntold(records: ClaimRecords, pool: PoolRecord): number {
  return records.untold(pool.id).length + changedBlocks(records, pool).length;
}

/** Brings etcd in sync with the record of a pool. */
export async function settlePool(session: Session, pool: PoolRecord): Promise<void> {
  const { records, keys, hostId, etcd: { damage } } = session;
  const passed = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const untold = records.untold(pool.id);
    const singles = untold.filter(({ block, address }) =>
      block === undefined && !passed.has(address)
    );
    const firsts = untold.flatMap(({ block }) => block ?? []);
    const blocks = new Set([...firsts, ...changedBlocks(records, pool).map(({ first }) => first)]);
    if (singles.length + blocks.size === 0) return;
    for (const first of [...blocks].sort()) await reportBlock(session, pool, first);
    for (const { address } of singles) {
      // A damaged key stops only its own address, unless it is the key of this host.
      await reportAddress(session, pool, address).catch((error) => {
        if (error.key === keys.host(hostId)) throw error;
        damage.pass(error);
        passed.add(address);
      });
    }
  }
}

/** Gives up addresses that another host wishes for: the named one, or half of the unused ones. */
export function giveWish(
  records: ClaimRecords,
  pool: PoolRecord,
  { address }: Partial<WishValue>,
): void {
  if (address !== undefined) {
    const block = freeBlock(records, pool, address);
    if (block) {
      records.putBlock({ ...block, free: block.free & ~bitOf(block.first, address), dirty: true });
    }
    return;
  }
  const blocks = records.blocks(pool.id, "free").filter(({ state }) => state === "held");
  let left = Math.ceil(blocks.reduce((sum, { free }) => sum + countOf(free), 0) / 2);
  const unused = blocks.filter((block) => addressesOf(records, pool, block).length === 0);
  for (const block of new Set([...unused, ...blocks])) {
    const given = bitsOf(block.free).take(left).toArray();
    if (given.length === 0) return;
    left -= given.length;
    const free = given.reduce((set, bit) => set & ~(1n << bit), block.free);
    records.putBlock({ ...block, free, dirty: true });
  }
}

/** The blocks whose keys have to change: all, if this host uses no address of the pool. */
function changedBlocks(records: ClaimRecords, pool: PoolRecord): BlockRecord[] {
  return isIdle(records, pool) ? records.blocks(pool.id) : records.blocks(pool.id, "untold");
}

/** Whether this host gives back all blocks of a pool in which it uses no address. */
function isIdle(records: ClaimRecords, pool: PoolRecord): boolean {
  return pool.leaving || !records.hasUsed(pool.id);
}

interface BlockReport {
  block: BlockRecord;
  /** The set of addresses that the block keeps. */
  kept: bigint;
  /** The addresses whose changes etcd has to be told. */
  changed: AddressRecord[];
}

/** Reports the changes of a block to etcd. */
async function reportBlock(session: Session, pool: PoolRecord, first: string): Promise<void> {
  const { keys, hostId } = session;
  const key = keys.block(pool.subnet, first);
  let report: BlockReport | undefined;
  await session.change(
    () => {
      report = planReport(session, pool, first);
      if (!report) return undefined;
      const { block, kept, changed } = report;
      const value: BlockValue = { host: hostId, token: block.token, kept: kept.toString(16) };
      const steps = changed.map((record) => claimStep(session, pool, record));
      if (block.state === "giving") steps.push({ delete: { key } });
      else if (kept !== block.kept) steps.push({ put: { key, value: JSON.stringify(value) } });
      return {
        compare: [{ key, revision: block.revision }],
        success: steps,
        failure: [{ key }],
      };
    },
    ({ succeeded, revision, ranges }) => {
      if (succeeded) return recordReported(session, pool, report!, revision);
      // If the block is there, an earlier attempt took effect, but its answer was lost.
      adoptBlock(session, pool, first, ranges[0]![0]);
    },
  );
}

/** The step that tells etcd that an address is in use, or is given up. */
function claimStep({ keys, hostId }: Session, pool: PoolRecord, record: AddressRecord): Step {
  const key = keys.claim(pool.subnet, record.address);
  if (record.state !== "used") return endOfUse(keys, key, record.holder);
  return { put: { key, value: claimValue(hostId, record) } };
}

/** Records that etcd was told of an address. It may have been released and taken again since. */
function recordTold(
  records: ClaimRecords,
  { pool, address, state, token, version }: AddressRecord,
  changes: Partial<AddressRecord> = {},
): void {
  if (state !== "used") return records.deleteAddress(pool, address);
  const now = records.address(pool, address);
  if (now) records.putAddress({ ...now, ...changes, ...now.token === token && { told: version } });
}

/** Decides which changes of a block to report, and records what is given up. */
function planReport(
  { records }: Session,
  pool: PoolRecord,
  first: string,
): BlockReport | undefined {
  const block = records.block(pool.id, first);
  // A refused copy of this host may have left its pools meanwhile.
  if (!block) return undefined;
  const addresses = addressesOf(records, pool, block);
  const used = addresses.filter(({ state }) => state === "used");
  const given = addresses.filter(({ state }) => state === "freed" || state === "giving");
  for (const record of given) records.putAddress({ ...record, state: "giving" });
  const changed = [...used.filter(({ told, version }) => told < version), ...given];
  if (block.state === "held" && used.length === 0 && !isWorthKeeping(records, pool, block)) {
    const giving: BlockRecord = { ...block, state: "giving" };
    records.putBlock(giving);
    return { block: giving, kept: 0n, changed };
  }
  return { block, kept: setToKeep(block, used), changed };
}

/** The set of addresses that a block should keep in etcd: the free ones, and those in use. */
function setToKeep({ first, free }: BlockRecord, used: readonly AddressRecord[]): bigint {
  return used.reduce((set, { address }) => set | bitOf(first, address), free);
}

/** Whether this host keeps a block in which it uses no address. */
function isWorthKeeping(
  records: ClaimRecords,
  pool: PoolRecord,
  { first, free }: BlockRecord,
): boolean {
  if (isIdle(records, pool)) return false;
  const hasAnother = records.blocks(pool.id, "free").some((other) =>
    other.first !== first && other.state === "held"
  );
  return !hasAnother && countOf(free) * 2 > Number(blockSize(prefixOfPool(pool)));
}

function recordReported(
  { records }: Session,
  pool: PoolRecord,
  { block, kept, changed }: BlockReport,
  revision: number,
): void {
  for (const record of changed) recordTold(records, record);
  if (block.state === "giving") return records.deleteBlock(block.pool, block.first);
  // Since then, a take may have used free addresses, and a wish may have given up some.
  const now = records.block(block.pool, block.first)!;
  const usedNow = addressesOf(records, pool, now).filter(({ state }) => state === "used");
  const dirty = kept !== setToKeep(now, usedNow);
  const isPut = kept !== block.kept;
  records.putBlock({ ...now, kept, dirty, ...(isPut && { revision }) });
}

/** Reports an address outside of this host's blocks to etcd. */
async function reportAddress(session: Session, pool: PoolRecord, address: string): Promise<void> {
  const { keys, records, hostId, etcd } = session;
  const key = keys.claim(pool.subnet, address);
  const record = records.address(pool.id, address);
  if (record?.state === "used" && record.revision === 0) {
    await claimAgain(session, pool, record);
    return;
  }
  let told: AddressRecord | undefined;
  await session.change(
    () => {
      told = records.address(pool.id, address);
      if (!told) return undefined;
      if (told.state !== "used") records.putAddress({ ...told, state: "giving" });
      return {
        compare: [{ key, revision: told.revision }],
        success: [claimStep(session, pool, told)],
        failure: [{ key }],
      };
    },
    ({ succeeded, revision, ranges }) => {
      if (succeeded) return recordTold(records, told!, { revision });
      const now = records.address(pool.id, address)!;
      const pair = ranges[0]![0];
      const claim = etcd.damage.read(readClaim, pair);
      // Only this host writes its claims, so an earlier attempt took effect without an answer.
      if (claim?.host === hostId) {
        return records.putAddress({ ...now, revision: pair!.modRevision });
      }
      if (now.state === "giving") return records.deleteAddress(pool.id, address);
      records.putAddress({ ...now, told: 0, revision: 0 });
    },
  );
}

/** Claims an address in use that is missing in etcd. Another host may have taken it meanwhile. */
async function claimAgain(
  session: Session,
  pool: PoolRecord,
  record: AddressRecord,
): Promise<void> {
  const { records, store } = session;
  const claimed = await claimAddress(session, pool, record.address, record, record);
  if (claimed.kind === "taken") return;
  const id = claimed.kind === "held" ? claimed.claim.host : claimed.host;
  const [name] = await namesOf(session, [id]);
  const isShared = claimed.kind === "held" && isOwn(claimed.claim) && isOwn(record.holder);
  const host = isShared ? undefined : name;
  store.transaction(() => {
    const now = records.address(pool.id, record.address);
    if (now?.state === "used") records.putAddress({ ...now, state: "lost", host });
  });
}
