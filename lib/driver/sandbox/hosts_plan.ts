import { endpointAddresses } from "../../ipam/address.ts";
import { ownNames } from "../endpoint.ts";
import { isOwned } from "../names.ts";
import { withOwnHosts } from "./settings.ts";
import { isReady, type NamedEndpoint, type Stated } from "../store/store.ts";
import type { SandboxSettings } from "../types.ts";

/** The first line of each hosts file that the driver writes. It does not change other files. */
export const MARK = "# Written by ipvlan-kit; changes will be lost";

/** A sandbox on more networks has a file of its own: the key would be too long for a file's name. */
const MAX_NETWORKS = 16;

/** Whose files may be stale. */
export interface StaleHosts {
  /** All sandboxes on these networks, by id. */
  networks: ReadonlySet<string>;
  /** These sandboxes, by name. */
  sandboxes: ReadonlySet<string>;
}

/** What the store knows of the hosts files. */
export interface HostsFacts {
  /** All endpoints, in the order made. */
  endpoints: readonly Stated<NamedEndpoint>[];
  /** The lines of sandboxes of other hosts, by the ids of the networks that they are on. */
  remote?: (network: string) => readonly RemoteName[];
  /** The settings of the sandboxes that have names of their own, by sandbox. */
  settings: ReadonlyMap<string, SandboxSettings>;
  /** Whether a sandbox without endpoints is on record, and is not being removed. */
  exists: (sandbox: string) => boolean;
}

/** A sandbox of another host, as it is found on a network. */
export interface RemoteName {
  /** Its address. */
  address: string;
  /** Its names. */
  names: readonly string[];
}

/** A hosts file and the sandboxes that share it. */
export interface SharedHosts {
  /** What tells it from the other files: {@linkcode keyOf}. */
  key: string;
  /** What is in it. */
  text: string;
  /** The names of the sandboxes. */
  members: readonly string[];
}

/** What has to be done with the hosts files. */
export interface HostsPlan {
  /** The files to write. */
  files: SharedHosts[];
  /** The sandboxes that have no file any more. */
  removed: string[];
  /** The keys of files that no sandbox shares any more. */
  unused: string[];
}

/** Decides what the hosts files should be, of those that may be stale. */
export function planHosts(
  { endpoints, settings, exists, remote = () => [] }: HostsFacts,
  stale: StaleHosts,
): HostsPlan {
  const kept = endpoints.filter(({ state }) => state !== "removing");
  const byNetwork = Map.groupBy(kept, ({ network }) => network);
  // An engine's sandboxes have names and files of the engine's own.
  const hasFile = ({ sandbox }: NamedEndpoint) => !isOwned(sandbox);
  const bySandbox = Map.groupBy(kept.filter(hasFile), ({ sandbox }) => sandbox);
  const named = [...stale.sandboxes].filter((sandbox) => !isOwned(sandbox));
  const keyIn = (sandbox: string, own: readonly NamedEndpoint[]) =>
    keyOf(sandbox, networksOf(own), settings.has(sandbox));

  const removed: string[] = [];
  for (const sandbox of named) {
    if (bySandbox.has(sandbox)) continue;
    if (exists(sandbox)) bySandbox.set(sandbox, []);
    else removed.push(sandbox);
  }
  const byKey = Map.groupBy(bySandbox.keys(), (name) => keyIn(name, bySandbox.get(name)!));
  const isStale = (sandbox: string) => stale.sandboxes.has(sandbox);
  const files = [...byKey].flatMap(([key, members]): SharedHosts[] => {
    const [first] = members;
    const own = bySandbox.get(first!)!;
    const networks = networksOf(own);
    if (!networks.some((id) => stale.networks.has(id)) && !members.some(isStale)) return [];
    const shared = renderHosts(
      networks.flatMap((id) => byNetwork.get(id)!),
      networks.flatMap(remote),
    );
    const given = settings.get(first!);
    return [{ key, text: given ? withOwnHosts(shared, given, own) : shared, members }];
  });

  const recorded = Map.groupBy(
    endpoints.filter(({ sandbox }) => isStale(sandbox)),
    ({ sandbox }) => sandbox,
  );
  // A crash may have come before or after a file was changed: the keys of both are looked at.
  const former = named.flatMap((sandbox) => {
    const own = recorded.get(sandbox) ?? [];
    return [keyOf(sandbox, [], false), keyIn(sandbox, own), keyIn(sandbox, own.filter(isReady))];
  });
  return { files, removed, unused: [...new Set(former)].filter((key) => !byKey.has(key)) };
}

/**
 * Tells hosts files apart. Sandboxes on the same networks, in the same order, share one file: with
 * a thousand of them, a new one is a line more in one file, and not in a thousand.
 */
function keyOf(sandbox: string, networks: readonly string[], hasOwnNames: boolean): string {
  const isShared = !hasOwnNames && networks.length > 0 && networks.length <= MAX_NETWORKS;
  return isShared ? networks.map((id) => id.slice(0, 12)).join("+") : `@${sandbox}`;
}

/** The ids of a sandbox's networks, in the order in which their names are looked for. */
function networksOf(own: readonly NamedEndpoint[]): string[] {
  return own.toSorted((one, other) => one.ordinal - other.ordinal).map(({ network }) => network);
}

/**
 * Renders the hosts file (hosts(5)) of the sandboxes on some networks, from the endpoints there. Each
 * has the sandbox's name, its aliases on that network, and `NAME.NETWORK`.
 */
export function renderHosts(
  reachable: readonly NamedEndpoint[],
  remote: readonly RemoteName[] = [],
): string {
  // What this host has on record itself is more recent than what etcd has told of it.
  const own = new Set(remote.length > 0 ? reachable.flatMap(endpointAddresses) : []);
  return [
    MARK,
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost ip6-loopback",
    ...reachable.flatMap(hostLines),
    ...remote.filter(({ address }) => !own.has(address))
      .map(({ address, names }) => `${address} ${names.join(" ")}`),
    "",
  ].join("\n");
}

function hostLines(endpoint: NamedEndpoint): string[] {
  const { sandbox, networkName, aliases } = endpoint;
  const [name, ...longer] = ownNames(sandbox, networkName);
  // The name of an engine's sandbox is an id, and no host name.
  const names = isOwned(sandbox)
    ? aliases.join(" ")
    : [...new Set([name, ...aliases, ...longer])].join(" ");
  if (names === "") return [];
  return endpointAddresses(endpoint).map((address) => `${address} ${names}`);
}
