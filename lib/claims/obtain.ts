// Asks etcd for an address, or the other hosts for one that they keep and do not use.
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";
import { formatPrefix } from "../ipam/prefix.ts";
import { claimAddress, claimAny, namesOf, takeBlock } from "./blocks.ts";
import type { Calls } from "./calls.ts";
import { type Range, under } from "./etcd.ts";
import { lastPart, textOf } from "./keys.ts";
import type { LastToken } from "./last_token.ts";
import {
  addressReserved,
  isOutOfReach,
  joinedPool,
  poolOf,
  type Request,
  sharedAddressHeld,
  takeKept,
} from "./local.ts";
import type { PoolRecord } from "./records.ts";
import type { Session, SharedPoolsOptions } from "./session.ts";
import { settlePool } from "./settle.ts";
import type { EtcdAccess } from "./types.ts";
import { NO_HOST, type WishValue } from "./values.ts";

/** How long other hosts have to grant a wish, in milliseconds. */
const WISH_TIMEOUT = 3000;

/** Takes an address of a pool: see `SharedPools.take`. Returns it in hexadecimal digits. */
export async function takeAddress(
  calls: Calls,
  { store, lastToken }: Pick<SharedPoolsOptions, "store" | "lastToken">,
  { id, access }: PoolRecord,
  request: Request,
): Promise<string> {
  const records = store.shared;
  const kept = (lastToken?: LastToken) =>
    store.transaction(() => takeKept(records, joinedPool(records, id), request, lastToken));
  let address = kept(lastToken);
  let wish: Wish | undefined;
  let deadline = Infinity;
  try {
    while (address === undefined) {
      const isLast = performance.now() > deadline;
      const found: Wish | string | undefined = await calls.run(
        access,
        async (session) =>
          kept() ?? await obtain(session, poolOf(records, id), request, wish) ??
            // Take it now: another process of this host could give back the block as unused.
            kept(),
      );
      if (typeof found !== "object") {
        address = found;
        continue;
      }
      if (isLast) throw found.error;
      if (!wish) deadline = performance.now() + WISH_TIMEOUT;
      wish = found;
      await untilGranted(calls, access, wish, deadline);
    }
  } finally {
    // If etcd is out of reach, the wish expires.
    if (wish) await calls.tell(access, (etcd, options) => etcd.revoke(wish!.lease, options));
  }
  return address;
}

/** Resolves to a new address, or a wish that others may grant; else, a new block is on record. */
async function obtain(
  session: Session,
  pool: PoolRecord,
  request: Request,
  wish: Wish | undefined,
): Promise<Wish | string | undefined> {
  // The wanted address may be one that this host gave up, and etcd does not know that yet.
  await settlePool(session, pool);
  const { address, range } = request;
  if (address !== undefined) {
    const claimed = await claimAddress(session, pool, address, request);
    if (claimed.kind === "taken") return address;
    if (claimed.kind === "held") {
      const { host, sandbox } = claimed.claim;
      if (host === NO_HOST) throw addressReserved(address, sandbox);
      const [name] = await namesOf(session, [host]);
      throw sharedAddressHeld(address, sandbox, host === session.hostId ? undefined : name);
    }
    return wish ?? await putWish(session, pool, request, new Set([claimed.host]));
  }
  // The block is on record, and the caller takes one of its addresses.
  if (await takeBlock(session, pool, range)) return undefined;
  const { taken, keepers } = await claimAny(session, pool, request);
  return taken ?? wish ?? await putWish(session, pool, request, keepers);
}

/** Waits until a block changes, or the time is up. */
async function untilGranted(
  calls: Calls,
  access: EtcdAccess,
  { blocks, revision }: Wish,
  deadline: number,
): Promise<void> {
  const limit = AbortSignal.timeout(Math.max(0, deadline - performance.now()));
  const own = calls.signals.signal;
  const signal = own ? AbortSignal.any([limit, own]) : limit;
  const changes = calls.client(access).watch(blocks, revision + 1, { deadline, signal });
  try {
    await changes.next();
  } catch (error) {
    if (!signal.aborted && !isOutOfReach(error)) throw error;
  } finally {
    await changes.return(undefined);
  }
}

/** The time to live of a wish in etcd if this host does not take it back, in seconds. */
const WISH_TTL = 10;

export interface Wish {
  lease: string;
  revision: number;
  blocks: Range;
  /** The error if no host grants it. */
  error: IpvlanErrorOf<"shared-address-kept"> | IpvlanErrorOf<"shared-pool-exhausted">;
}

/** Puts a wish into etcd, if the agent of one of the keepers, given by their ids, runs. */
async function putWish(
  session: Session,
  pool: PoolRecord,
  { address, range }: Request,
  keepers: ReadonlySet<string>,
): Promise<Wish> {
  const { keys, etcd, hostId } = session;
  const names = await namesOf(session, keepers);
  const where = range ? formatPrefix(range) : pool.subnet;
  const error = address === undefined
    ? new IpvlanError("shared-pool-exhausted", { range: where, keepers: names })
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
