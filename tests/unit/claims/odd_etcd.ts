/**
 * A host with an etcd in memory whose requests a test can change: they fail, come twice, or come just
 * after those of another host.
 *
 * @module
 */
import {
  Etcd,
  type Outcome,
  type Transaction,
  under,
  type WatchEvent,
} from "../../../lib/claims/etcd.ts";
import type { CallOptions } from "../../../lib/claims/gateway.ts";
import { hexOf } from "../../../lib/claims/keys.ts";
import { LastToken } from "../../../lib/claims/last_token.ts";
import { joinPool, poolId } from "../../../lib/claims/pool_key.ts";
import type { ClaimRecords, HostRecord, PoolRecord } from "../../../lib/claims/records.ts";
import { type Check, Session, type SharedPoolsOptions } from "../../../lib/claims/session.ts";
import { SharedPools } from "../../../lib/claims/shared_pools.ts";
import type { EtcdAccess } from "../../../lib/claims/types.ts";
import type { KeyValue } from "../../../lib/claims/values.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { parseAddress } from "../../../lib/ipam/address.ts";
import { Store } from "../../../lib/driver/store/store.ts";
import { MemoryEtcd } from "../../kit/memory_etcd.ts";

export const SUBNET = "10.7.0.0/24";
export const REQUEST = { holder: { sandbox: "c1" }, since: "" };
export const UNREACHABLE = new IpvlanError("etcd-unreachable", { reasons: {} });

/** The options of a call that has time. */
export const within = (): CallOptions => ({ deadline: performance.now() + 60_000 });

/** An address as a part of a key. */
export const hex = (address: string): string => hexOf(parseAddress(address));

/** The value of a claim of another host. */
export const CLAIM = JSON.stringify({ host: "b", sandbox: "c2", since: "", token: "t" });

/** Sends a change; see `OddEtcd.next`. */
type Send = () => Promise<Outcome>;

/** A change whose first answer is lost, so that it is sent again. */
export async function twice(send: Send): Promise<Outcome> {
  await send();
  return await send();
}

/** A change whose answer is lost. */
export async function unanswered(send: Send): Promise<Outcome> {
  await send();
  throw UNREACHABLE;
}

/** A client whose requests a test can change. */
export class OddEtcd extends Etcd {
  /** Sends the next change in place of the client. */
  next: ((send: Send) => Promise<Outcome>) | undefined;
  /** Why all that it is asked for fails. */
  failure: Error | undefined;
  /** How often it was asked for a transaction. */
  requests = 0;
  /** What comes of the next renewals of leases; after the last one, each is as etcd says. */
  renewals: (boolean | Error)[] = [];
  /** Called when no such renewal is left. */
  renewed: () => void = () => {};
  /** How many leases it has got. */
  leases = 0;
  /** Why it gets no lease. */
  refusal: Error | undefined;
  /** Called when a watch of a range begins; what it throws is the watch's failure. */
  watched: (key: string, signal: AbortSignal) => void | Promise<void> = () => {};
  /** What a watch of claims sees before anything else. */
  seen: WatchEvent[] = [];

  override async transact(transaction: Transaction, options: CallOptions): Promise<Outcome> {
    const send = () => super.transact(transaction, options);
    const { next } = this;
    this.requests++;
    if (this.failure) throw this.failure;
    if (transaction.compare === undefined || !next) return await send();
    this.next = undefined;
    return await next(send);
  }

  override async grant(seconds: number, options: CallOptions): Promise<string> {
    if (this.refusal) throw this.refusal;
    this.leases++;
    return await super.grant(seconds, options);
  }

  override async keepAlive(lease: string, options: CallOptions): Promise<boolean> {
    const [renewal] = this.renewals.splice(0, 1);
    if (renewal === undefined) {
      this.renewed();
      return await super.keepAlive(lease, options);
    }
    if (renewal instanceof Error) throw renewal;
    return renewal;
  }

  override async *watch(...args: Parameters<Etcd["watch"]>): ReturnType<Etcd["watch"]> {
    await this.watched(args[0].key, args[2].signal);
    if (args[0].key.includes("/claims/")) yield this.seen;
    yield* super.watch(...args);
  }
}

/** Pools that use one client. */
class OddPools extends SharedPools {
  readonly #etcd: Etcd;

  constructor(etcd: Etcd, options: SharedPoolsOptions) {
    super(options);
    this.#etcd = etcd;
  }

  override client(): Etcd {
    return this.#etcd;
  }
}

/** A host that has joined a pool. */
export interface Joined {
  etcd: OddEtcd;
  access: EtcdAccess;
  records: ClaimRecords;
  options: SharedPoolsOptions;
  /** Its pools, by the same client. */
  pools: SharedPools;
  /** Begins a session. */
  begin: (check?: Check) => Promise<Session>;
  /** The host, as it is on record. */
  host: () => HostRecord;
  /** The pool, as it is on record. */
  pool: () => PoolRecord;
  /** Writes keys behind the back of the host: JSON, or any text. */
  put: (values: Record<string, unknown>) => Promise<void>;
  /** Reads the key of `/ipvlan/` with a name. */
  get: (name: string) => Promise<KeyValue | undefined>;
}

const memory = await MemoryEtcd.start();
globalThis.addEventListener("unload", () => memory.killNow());

/** Runs a function with a host that has joined a pool of an etcd in memory. */
export async function withPool(
  run: (joined: Joined) => Promise<void>,
  { subnet = SUBNET, reserved = {} }: { subnet?: string; reserved?: Record<string, string> } = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    const access = { endpoints: memory.endpoints, prefix: "/ipvlan" };
    using store = Store.copy("/nowhere");
    using etcd = new OddEtcd(access);
    await etcd.transact({ success: [{ delete: under("/ipvlan/") }] }, within());
    const options: SharedPoolsOptions = {
      store,
      hostname: "a",
      lastToken: new LastToken(`${folder}/run`, folder),
      lock: () => Promise.resolve({ [Symbol.dispose]() {} }),
    };
    const begin = (check?: Check) => Session.begin(options, etcd, access, within, check);
    const id = poolId(access, subnet);
    const { prefix } = access;
    await joinPool(await begin(), {
      ...{ id, subnet, reserved, access, prefix, next: undefined, leaving: false },
    });
    using pools = new OddPools(etcd, options);
    await run({
      etcd,
      access,
      records: store.shared,
      options,
      pools,
      begin,
      host: () => store.shared.host(prefix)!,
      pool: () => store.shared.pool(id)!,
      put: async (values) => {
        const success = Object.entries(values).map(([name, value]) => ({
          put: {
            key: `/ipvlan/${name}`,
            value: typeof value === "string" ? value : JSON.stringify(value),
          },
        }));
        await etcd.transact({ success }, within());
      },
      get: async (name) => (await etcd.read([{ key: `/ipvlan/${name}` }], within())).ranges[0]![0],
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
