/**
 * Wishes: a host asks the others for addresses that they keep and do not use.
 *
 * @module
 */
import { hostNames } from "./blocks.ts";
import { endOf } from "./etcd_wire.ts";
import { textOf } from "./keys.ts";
import type { PoolRecord } from "./records.ts";
import type { Session } from "./session.ts";
import type { WishValue } from "./values.ts";
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** The time to live of a wish in etcd if this host does not take it back, in seconds. */
const WISH_TTL = 10;

/** A wish that is in etcd. */
export interface Wish {
  /** Its key. */
  key: string;
  /** The lease that it is attached to. */
  lease: string;
  /** The revision that added it. */
  revision: number;
  /** The range of the blocks to watch. */
  blocks: { key: string; end: string };
  /** The error if no host grants it. */
  error: IpvlanErrorOf<"shared-address-kept"> | IpvlanErrorOf<"shared-pool-exhausted">;
}

/**
 * Puts a wish into etcd, if the agent of a host that could grant it runs.
 *
 * @param address The address in hexadecimal digits; without one, any will do.
 * @param keepers The ids of the hosts that keep it.
 */
export async function putWish(
  session: Session,
  pool: PoolRecord,
  keepers: ReadonlySet<string>,
  { address, range = pool.subnet }: { address?: string; range?: string },
): Promise<Wish> {
  const { keys, etcd, hostId } = session;
  const names = await hostNames(session, keepers);
  const error = address === undefined
    ? new IpvlanError("shared-pool-exhausted", { range, keepers: names })
    : new IpvlanError("shared-address-kept", { address: textOf(address), host: names[0]! });
  const alive = await session.read({ key: keys.alive(), end: endOf(keys.alive()), keysOnly: true });
  const isAlive = alive[0]!.some(({ key }) => keepers.has(key.slice(keys.alive().length)));
  if (!isAlive) throw error;
  const lease = await etcd.grant(WISH_TTL, session.options());
  const key = keys.wish(pool.subnet, hostId);
  const value: WishValue = { address };
  const { revision } = await etcd.transact({
    compare: [],
    success: [{ put: { key, value: JSON.stringify(value), lease } }],
  }, session.options());
  const blocks = keys.block(pool.subnet);
  return { key, lease, revision, blocks: { key: blocks, end: endOf(blocks) }, error };
}
