import { claimAddress, claimAny, heldError, takeBlock } from "./blocks.ts";
import type { Request } from "./local.ts";
import type { PoolRecord } from "./records.ts";
import type { Session } from "./session.ts";
import { countUntold, settlePool } from "./settle.ts";
import { putWish, type Wish } from "./wishes.ts";

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
    if (claimed.kind === "held") throw await heldError(session, address, claimed.claim);
    return { wish: wish ?? await putWish(session, pool, new Set([claimed.host]), { address }) };
  }
  // The block is on record, and the caller takes one of its addresses.
  if (await takeBlock(session, pool, request.range)) return {};
  const { taken, keepers } = await claimAny(session, pool, request);
  if (taken !== undefined) return { address: taken };
  return { wish: wish ?? await putWish(session, pool, keepers, { range }) };
}
