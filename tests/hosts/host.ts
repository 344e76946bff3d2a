/**
 * Simulated hosts: each has a state folder of its own, and shares pools in a real etcd.
 *
 * @module
 */
import { LastToken } from "../../lib/claims/last_token.ts";
import { SharedPools } from "../../lib/claims/shared_pools.ts";
import type { EtcdAccess } from "../../lib/claims/types.ts";
import { FileLock } from "../../lib/driver/run/lock.ts";
import { Store } from "../../lib/driver/store/store.ts";
import { isIpvlanError } from "../../lib/base/errors.ts";

/** A host. */
export interface Host extends Disposable {
  /** Its name. */
  name: string;
  /** Its state folder. */
  folder: string;
  /** Its records. */
  store: Store;
  /** Its pools. */
  pools: SharedPools;
}

/** What is special about a host. */
export interface HostOptions {
  /** Its clock. @default {() => new Date()} */
  now?: () => Date;
  /** Where it keeps what a reboot forgets. @default {`${folder}/run`} */
  run?: string;
  /** Runs whenever one of its calls has had its turn. @default {() => {}} */
  unlocked?: () => void;
}

/** Opens a host whose records are in a folder. */
export function openHost(
  name: string,
  folder: string,
  { now, run = `${folder}/run`, unlocked = () => {} }: HostOptions = {},
): Host {
  const store = Store.open(folder);
  const lock = new FileLock(`${folder}/etcd.lock`);
  const pools = new SharedPools({
    store,
    hostname: name,
    lastToken: new LastToken(run, folder),
    lock: async (signal) => {
      const stack = new DisposableStack();
      stack.defer(unlocked);
      stack.use(await lock.exclusive({ signal }));
      return stack;
    },
    now,
  });
  return {
    name,
    folder,
    store,
    pools,
    [Symbol.dispose]() {
      pools[Symbol.dispose]();
      store[Symbol.dispose]();
    },
  };
}

/** Calls until etcd answers: its members may still be at an election, on a busy machine. */
export async function untilReached<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isIpvlanError(error, "etcd-unreachable")) throw error;
    }
  }
}

/** The address that a host of a run has itself: `h2` and its copy the third one after 100. */
export function ownAddress(subnet: string, hostname: string): string {
  return subnet.replace(/\d+\/.*/, String(101 + Number(hostname.match(/\d+/)![0])));
}

/** Releases addresses, as the driver does: on record first, and then in etcd. */
export async function release(host: Host, pool: string, ...addresses: string[]): Promise<void> {
  host.store.transaction(() => {
    for (const address of addresses) host.pools.release(pool, address);
  });
  await host.pools.settle();
}

/** Reads all keys under a prefix, straight from etcd: from each key without the prefix to its value. */
export async function keysOf(
  access: EtcdAccess,
  prefix = "/ipvlan",
): Promise<Map<string, unknown>> {
  const body = { key: btoa(`${prefix}/`), range_end: btoa(`${prefix}0`) };
  const answer = await fetch(`${access.endpoints[0]}/v3/kv/range`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  const { kvs = [] } = await answer.json();
  return new Map(kvs.map(({ key, value }: { key: string; value: string }) => [
    atob(key).slice(prefix.length + 1),
    JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(value))),
  ]));
}
