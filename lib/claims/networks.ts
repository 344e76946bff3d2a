// The settings of networks, the same on all of their hosts. Every change is a compare-and-swap.
import { isDeepStrictEqual } from "node:util";
import type { Outcome, Reader, Transaction } from "./etcd.ts";
import { type KeyValue, type NetworkValue, readNetwork } from "./values.ts";
import { lastPart } from "./keys.ts";
import { unreserve } from "./reservations.ts";
import type { Session } from "./session.ts";
import type { SharedSettings } from "./types.ts";
import { IpvlanError } from "../base/errors.ts";

/** Makes a network in etcd, or joins it. Returns all of its settings. */
export async function defineNetwork(
  session: Session,
  name: string,
  settings: SharedSettings,
): Promise<SharedSettings> {
  const key = session.keys.network(name);
  const [[pair]] = await session.read({ key });
  return (await swapNetwork(session, key, pair, (there) => {
    if (!there) return { settings, hosts: [session.hostId] };
    const text = (value: unknown) => JSON.stringify(value) ?? "not set";
    // As etcd has them: without fields that are undefined.
    const own: SharedSettings = JSON.parse(JSON.stringify(settings));
    const differences = Object.keys(own).sort()
      .filter((name) => !isDeepStrictEqual(own[name], there.settings[name]))
      .map((name) => `${name} is ${text(own[name])} here, and ${text(there.settings[name])} there`);
    if (differences.length > 0) {
      throw new IpvlanError("shared-network-differs", { network: name, differences });
    }
    return { ...there, hosts: [...new Set([...there.hosts, session.hostId])].sort() };
  }))!.settings;
}

/** Removes this host from a network. */
export async function forgetNetwork(session: Session, name: string): Promise<void> {
  const key = session.keys.network(name);
  const [[pair]] = await session.read({ key });
  await removeFromNetwork(session, key, pair, session.hostId);
}

/** Removes a host from a network. One without a host is deleted, and its reservations are released. */
export async function removeFromNetwork(
  etcd: Changing,
  key: string,
  pair: KeyValue | undefined,
  host: string,
): Promise<void> {
  const left = await swapNetwork(etcd, key, pair, (there) => {
    const hosts = there?.hosts.filter((id) => id !== host) ?? [];
    return there && hosts.length > 0 ? { ...there, hosts } : undefined;
  });
  if (!left) await unreserve(etcd, lastPart(key));
}

interface Changing extends Reader {
  transact: (transaction: Transaction) => Promise<Outcome>;
}

/** Changes a network by a function. Retries if another host has changed it meanwhile. */
async function swapNetwork(
  etcd: Changing,
  key: string,
  pair: KeyValue | undefined,
  make: (there: NetworkValue | undefined) => NetworkValue | undefined,
): Promise<NetworkValue | undefined> {
  for (;;) {
    const wanted = make(pair && readNetwork(pair));
    const value = JSON.stringify(wanted);
    if (value === pair?.value) return wanted;
    const { succeeded, ranges } = await etcd.transact({
      compare: [{ key, revision: pair?.modRevision ?? 0 }],
      success: [value === undefined ? { delete: { key } } : { put: { key, value } }],
      failure: [{ key }],
    });
    if (succeeded) return value === undefined ? undefined : JSON.parse(value);
    pair = ranges[0]![0];
  }
}
