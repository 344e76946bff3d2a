// The key of a pool, with its reserved addresses.
import { attempt, IpvlanError } from "../base/errors.ts";
import { formatPrefix, overlaps, parsePrefix } from "../ipam/prefix.ts";
import { prefixOf } from "./access.ts";
import { type Compare, under } from "./etcd.ts";
import { type Damage, type KeyValue, readPool } from "./values.ts";
import { lastPart, reservedDifferences, subnetOf } from "./keys.ts";
import type { PoolRecord } from "./records.ts";
import type { Session } from "./session.ts";
import type { EtcdAccess, SharedPool } from "./types.ts";

export function poolId(access: EtcdAccess, subnet: string): string {
  return `${prefixOf(access)} ${subnet}`;
}

/** The condition that the key of a pool has not changed. */
export function poolIsThere({ keys }: Session, { subnet, revision }: PoolRecord): Compare {
  return { key: keys.pool(subnet), revision };
}

/** Makes the key of a pool, or takes over an equal one, and records the pool. */
export async function joinPool(
  session: Session,
  pool: Omit<PoolRecord, "revision">,
): Promise<void> {
  const revision = await ensureKey(session, pool);
  session.store.transaction(() => session.records.putPool({ ...pool, revision }));
}

/** Does the same for a pool on record whose key has changed. Returns its record. */
export async function rejoinPool(session: Session, { id }: PoolRecord): Promise<PoolRecord> {
  const { store, records } = session;
  const revision = await ensureKey(session, records.pool(id)!);
  return store.transaction(() => {
    const pool = { ...records.pool(id)!, revision };
    records.putPool(pool);
    return pool;
  });
}

/** Deletes the record of a pool that is left and empty, and its key, if no host uses it. */
export async function leavePool(session: Session, pool: PoolRecord): Promise<void> {
  const { keys, records, store } = session;
  const { id, subnet, revision } = pool;
  const key = keys.pool(subnet);
  const [blocks, claims] = [under(keys.block(subnet)), under(keys.claim(subnet))];
  await session.transact({
    compare: [{ key, revision }, { ...blocks, revision: 0 }, { ...claims, revision: 0 }],
    success: [{ delete: { key } }],
  });
  store.transaction(() => {
    const isEmpty = records.addresses(id).length + records.blocks(id).length === 0;
    if (records.pool(id)?.leaving && isEmpty) records.deletePool(id);
  });
}

/** Makes the key of a pool if it is not there. Returns its revision. */
async function ensureKey(session: Session, pool: SharedPool): Promise<number> {
  const { keys, etcd } = session;
  const all = under(keys.pool());
  const { subnet, reserved } = pool;
  const put = { key: keys.pool(subnet), value: JSON.stringify({ reserved }) };
  for (;;) {
    const { ranges: [pairs], revision } = await etcd.read([all], session.options());
    const there = findPool(pool, pairs!, etcd.damage);
    if (there) return there.modRevision;
    const made = await session.transact({
      // No pool has been added or changed since all were read.
      compare: [{ ...all, revision: revision + 1, is: "LESS" }],
      success: [{ put }],
    });
    if (made.succeeded) return made.revision;
  }
}

/** Finds a pool among all. @throws {IpvlanError} It differs from the one that is wanted. */
function findPool(
  pool: SharedPool,
  pairs: readonly KeyValue[],
  damage: Damage,
): KeyValue | undefined {
  const own = parsePrefix(pool.subnet).prefix;
  for (const pair of pairs) {
    const subnet = subnetOf(lastPart(pair.key));
    const other = attempt(() => parsePrefix(subnet).prefix);
    if (!other.ok || formatPrefix(other.value) !== subnet) {
      damage.pass(new IpvlanError("damaged-key", { key: pair.key }));
      continue;
    }
    if (subnet === pool.subnet) {
      const differences = reservedDifferences(pool.reserved, readPool(pair).reserved);
      if (differences.length > 0) {
        throw new IpvlanError("shared-pool-differs", { subnet, differences });
      }
      return pair;
    }
    if (overlaps(own, other.value)) {
      throw new IpvlanError("shared-pools-overlap", { subnet: pool.subnet, other: subnet });
    }
  }
}
