/**
 * Asks etcd for an address, or the other hosts for one that they keep and do not use.
 *
 * @module
 */
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";
import { claimAddress, claimAny, namesOf, takeBlock } from "./blocks.ts";
import { type Range, under } from "./etcd.ts";
import { lastPart, textOf } from "./keys.ts";
import { type Request, sharedAddressHeld } from "./local.ts";
import type { PoolRecord } from "./records.ts";
import type { Session } from "./session.ts";
import { countUntold, settlePool } from "./settle.ts";
import type { WishValue } from "./values.ts";

/** The result of a request: an address, or a wish that others may grant; with neither, a new block. */
export interface Found {
  address?: string;
  wish?: Wish;
}

/** Asks etcd for an address. */
export async function obtain(
  session: Session,
  pool: PoolRecord,
  request: Request,
  range: string | undefined,
  wish: Wish | undefined,
): Promise<Found> {
  // The wanted address may be one that this host gave up, and etcd does not know that yet.
  if (countUntold(session, pool) > 0) await settlePool(session, pool);
  const { address } = request;
  if (address !== undefined) {
    const claimed = await claimAddress(session, pool, address, request);
    if (claimed.kind === "taken") return { address };
    if (claimed.kind === "held") {
      const { host, sandbox } = claimed.claim;
      const [name] = await namesOf(session, [host]);
      throw sharedAddressHeld(address, sandbox, host === session.hostId ? undefined : name);
    }
    return { wish: wish ?? await putWish(session, pool, new Set([claimed.host]), { address }) };
  }
  // The block is on record, and the caller takes one of its addresses.
  if (await takeBlock(session, pool, request.range)) return {};
  const { taken, keepers } = await claimAny(session, pool, request);
  if (taken !== undefined) return { address: taken };
  return { wish: wish ?? await putWish(session, pool, keepers, { range }) };
}

/** The time to live of a wish in etcd if this host does not take it back, in seconds. */
const WISH_TTL = 10;

/** A wish that is in etcd. */
export interface Wish {
  /** The lease that it is attached to. */
  lease: string;
  /** The revision that added it. */
  revision: number;
  /** The blocks to watch. */
  blocks: Range;
  /** The error if no host grants it. */
  error: IpvlanErrorOf<"shared-address-kept"> | IpvlanErrorOf<"shared-pool-exhausted">;
}

/**
 * Puts a wish into etcd, if the agent of a host that could grant it runs.
 *
 * @param address The address in hexadecimal digits; without one, any will do.
 * @param keepers The ids of the hosts that keep it.
 */
async function putWish(
  session: Session,
  pool: PoolRecord,
  keepers: ReadonlySet<string>,
  { address, range = pool.subnet }: { address?: string; range?: string },
): Promise<Wish> {
  const { keys, etcd, hostId } = session;
  const names = await namesOf(session, keepers);
  const error = address === undefined
    ? new IpvlanError("shared-pool-exhausted", { range, keepers: names })
    : new IpvlanError("shared-address-kept", { address: textOf(address), host: names[0]! });
  const [alive] = await session.read({ ...under(keys.alive()), keysOnly: true });
  if (!alive.some(({ key }) => keepers.has(lastPart(key)))) throw error;
  const lease = await etcd.grant(WISH_TTL, session.options());
  const key = keys.wish(pool.subnet, hostId);
  const value: WishValue = { address };
  const put = { key, value: JSON.stringify(value), lease };
  const { revision } = await etcd.transact({ success: [{ put }] }, session.options());
  return { lease, revision, blocks: under(keys.block(pool.subnet)), error };
}
