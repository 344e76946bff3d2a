// Brings the records and etcd back in sync: after a crash, a removal, or lost data in etcd.
import { adoptBlock } from "./blocks.ts";
import { deletions, type Step, under } from "./etcd.ts";
import { addressIn, type KeyValue, readBlock, readClaim } from "./values.ts";
import { textOf } from "./keys.ts";
import { rejoinPool } from "./pool_key.ts";
import type { PoolRecord } from "./records.ts";
import { endOfUse } from "./reservations.ts";
import type { Session } from "./session.ts";
import { giveWish } from "./settle.ts";
import { isOwn } from "./types.ts";

/** Finds the addresses that links of this machine have, without prefix lengths. */
export type FindLinked = () => Promise<ReadonlySet<string>>;

/** Brings a pool's records and etcd in sync, before `settlePool`. Returns what was mended. */
export async function recoverPool(
  session: Session,
  pool: PoolRecord,
  findLinked: FindLinked,
): Promise<string[]> {
  const { keys, records, store, etcd, hostId } = session;
  const mended: string[] = [];
  // etcd may have lost the pool's key, or another host may have made it anew.
  pool = await rejoinPool(session, pool);
  const blocks = new Map<string, KeyValue>();
  const range = under(keys.block(pool.subnet));
  for await (const { value, pair } of etcd.values(range, addressIn, session.options)) {
    blocks.set(value, pair);
  }
  for (const { first, state } of records.blocks(pool.id)) {
    const isThere = store.transaction(() => adoptBlock(session, pool, first, blocks.get(first)));
    if (isThere || state === "giving") continue;
    const name = `${textOf(first)} in ${pool.subnet}`;
    mended.push(`The block at ${name} is not this host's in etcd: its addresses are claimed again`);
  }
  const orphans = [...blocks].filter(([first, pair]) =>
    etcd.damage.read(readBlock, pair)?.host === hostId && !records.block(pool.id, first)
  );
  await deletePairs(session, orphans);
  const given = orphans.map(([first]) =>
    `The block at ${textOf(first)} in ${pool.subnet} had no record, and is given back`
  );
  return [...mended, ...given, ...await recoverClaims(session, pool, findLinked)];
}

/** Deletes the claims of this host that have no record, unless a link has the address. */
async function recoverClaims(
  session: Session,
  pool: PoolRecord,
  findLinked: FindLinked,
): Promise<string[]> {
  const { keys, records, store, etcd, hostId } = session;
  const claims = new Map<string, KeyValue>();
  const range = under(keys.claim(pool.subnet));
  for await (const { value, pair } of etcd.values(range, addressIn, session.options)) {
    if (etcd.damage.read(readClaim, pair)?.host === hostId) claims.set(value, pair);
  }
  store.transaction(() => {
    for (const record of records.addresses(pool.id)) {
      const { state, block, address } = record;
      const claim = claims.get(address);
      const told = claim && readClaim(claim).token === record.token ? record.told : 0;
      if (state === "lost" && isOwn(record.holder)) {
        // An address of this host itself is claimed anew afterwards, if the host still has it.
        records.deleteAddress(pool.id, address);
      } else if (state === "lost") {
        // The next report to etcd claims it, or finds that it is still lost.
        records.putAddress({ ...record, state: "used", told: 0, revision: 0, host: undefined });
      } else if (block !== undefined) {
        if (state === "used") records.putAddress({ ...record, told });
      } else if (claim || state === "used") {
        records.putAddress({ ...record, told, revision: claim?.modRevision ?? 0 });
      } else records.deleteAddress(pool.id, address);
    }
  });
  const orphans = [...claims].filter(([address]) => !records.address(pool.id, address));
  const linked = orphans.length > 0 ? await findLinked() : new Set();
  const kept = orphans.filter(([address]) => linked.has(textOf(address)));
  const unused = orphans.filter((orphan) => !kept.includes(orphan));
  store.transaction(() => kept.forEach(([address]) => giveWish(records, pool, { address })));
  await deletePairs(session, unused, (pair) => endOfUse(keys, pair.key, readClaim(pair)));
  return [
    ...kept.map(([address, pair]) => {
      const why = `the sandbox "${readClaim(pair).sandbox}" is not on record and runs`;
      return `The claim of ${textOf(address)} is kept: ${why}`;
    }),
    ...unused.map(([address]) => `The claim of ${textOf(address)} had no record, and is released`),
  ];
}

async function deletePairs(
  session: Session,
  unused: readonly [string, KeyValue][],
  end?: (pair: KeyValue) => Step,
): Promise<void> {
  for (const each of deletions(unused.map(([, pair]) => pair), end)) await session.transact(each);
}
