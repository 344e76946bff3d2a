// The settings of networks, the same on all of their hosts. Every change is a compare-and-swap.
import { type KeyValue, type NetworkValue, readNetwork } from "./values.ts";
import { differences } from "./keys.ts";
import type { Session } from "./session.ts";
import type { SharedSettings } from "./types.ts";
import { IpvlanError } from "../base/errors.ts";

/** Makes a network in etcd, or joins it. Returns all of its settings. */
export async function defineNetwork(
  session: Session,
  name: string,
  settings: SharedSettings,
): Promise<SharedSettings> {
  return (await swap(session, name, (there) => {
    if (!there) return { settings, hosts: [session.hostId] };
    const differing = differences(
      Object.keys(settings),
      (name) => [canonical(settings[name]), canonical(there.settings[name])],
    );
    if (differing.length > 0) {
      throw new IpvlanError("shared-network-differs", { network: name, differences: differing });
    }
    return { ...there, hosts: [...new Set([...there.hosts, session.hostId])].sort() };
  }))!.settings;
}

/** Removes this host from a network. A network without a host is deleted. */
export async function forgetNetwork(session: Session, name: string): Promise<void> {
  await swap(session, name, (there) => {
    const hosts = there?.hosts.filter((id) => id !== session.hostId) ?? [];
    return there && hosts.length > 0 ? { ...there, hosts } : undefined;
  });
}

/** Writes a value as JSON with its fields in order, so that equal values have equal texts. */
function canonical(value: unknown): string {
  if (value === undefined) return "not set";
  return JSON.stringify(
    value,
    (_, inner) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.keys(inner).sort().map((name) => [name, inner[name]]))
        : inner,
  );
}

/** Changes a network by a function. Retries if another host has changed it meanwhile. */
async function swap(
  session: Session,
  name: string,
  make: (there: NetworkValue | undefined) => NetworkValue | undefined,
): Promise<NetworkValue | undefined> {
  const key = session.keys.network(name);
  let [[pair]] = await session.read({ key });
  for (;;) {
    const wanted = make(pair && readNetwork(pair));
    const value = JSON.stringify(wanted);
    if (value === pair?.value) return wanted;
    const other: KeyValue[] | undefined = await session.change(
      () => ({
        compare: [{ key, revision: pair?.modRevision ?? 0 }],
        success: [value === undefined ? { delete: { key } } : { put: { key, value } }],
        failure: [{ key }],
      }),
      ({ succeeded, ranges }) => succeeded ? undefined : ranges[0]!,
    );
    if (!other) return value === undefined ? undefined : JSON.parse(value);
    [pair] = other;
  }
}
