// Finds and removes what was left behind: by a call that was killed, and by an engine. An engine
// that was killed does not say which of its sandboxes have ended, and a restart of the machine ends
// all of them.
import { attempt, failureOf, problemIn } from "../../base/errors.ts";
import { addressIn, endpointAddresses } from "../../ipam/address.ts";
import type { Link } from "../../iproute2/link_types.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { hasShared, releaseUnused, tell } from "../addresses/shared/pools.ts";
import {
  dropEndpoint,
  dropNetwork,
  dropSandbox,
  removeSandbox,
  setState,
} from "../endpoint/remove.ts";
import { reservedFor } from "../endpoint/attach_request.ts";
import { linkIndex } from "../endpoint/steps.ts";
import { isOwned } from "../model/names.ts";
import type { Connection, Network, RestoreReport, Sandbox } from "../model/types.ts";
import { lookInside } from "../run/namespaces.ts";
import { findEnterable } from "../sandbox/enterable.ts";
import type { EndpointRecord, State } from "../store/records.ts";
import { isReady, type Stated, type Store, withoutState } from "../store/store.ts";
import { undoUpdate } from "./update.ts";

export type Recovery = Pick<RestoreReport, "undone" | "missing">;

/**
 * Removes half-made networks, sandboxes and endpoints. The caller must hold the exclusive lock:
 * then no other call is still making them. A record that cannot be removed stays, and only its name
 * cannot be used.
 */
export async function recover(
  parts: Parts<"store" | "processes" | "openShared" | "wait" | "unstoppable">,
): Promise<Recovery> {
  const { store, processes, openShared, unstoppable, wait } = parts;
  const recovery: Recovery = { undone: [], missing: [] };
  const unfinished = findUnfinished({
    sandboxes: store.sandboxes({ unready: true }),
    endpoints: store.endpoints({ unready: true }),
    networks: store.networks({ unready: true }),
  });
  const pools = hasShared(store) ? await openShared() : undefined;
  if (pools && releaseUnused({ store }, pools).length > 0) await tell(pools);
  if (unfinished.length === 0) return recovery;
  // The `ip` of a driver that was killed may still be running its lines.
  await processes.idle(wait);
  for (const each of unfinished) {
    wait.signal?.throwIfAborted();
    const { kind, name, state } = each;
    const failure = await failureOf(() => each.drop(unstoppable));
    if (failure === undefined) recovery.undone.push(`The ${kind} "${name}" was left ${state}`);
    else recovery.missing.push({ kind, name, reason: `It was left ${state}: ${failure}` });
  }
  return recovery;
}

interface Unfinished {
  /** The kind to tell the user. An endpoint counts as part of its sandbox. */
  kind: "network" | "sandbox";
  name: string;
  /** Its state: `half made`, `half disconnected`. */
  state: string;
  /** Removes it, or undoes the update of a network. */
  drop: (parts: DriverParts) => Promise<void>;
}

/** Describes what a crash left, in the order of removal. Endpoints of a sandbox go with it. */
export function findUnfinished(
  { networks, sandboxes, endpoints }: {
    networks: readonly Stated<Network>[];
    sandboxes: readonly Stated<Sandbox>[];
    endpoints: readonly Stated<EndpointRecord>[];
  },
): Unfinished[] {
  const half = (state: State, made = "made", removed = "removed") =>
    `half ${state === "making" ? made : removed}`;
  const gone = new Set(sandboxes.map(({ name }) => name));
  return [
    ...sandboxes.map(({ state, ...sandbox }): Unfinished => ({
      kind: "sandbox",
      name: sandbox.name,
      state: half(state),
      drop: async (parts) => {
        const { store } = parts;
        const endpoints = store.endpoints({ sandbox: sandbox.name });
        store.transaction(() => setState(store, { sandbox, endpoints }, "removing"));
        await dropSandbox(parts, sandbox);
      },
    })),
    ...endpoints.filter(({ sandbox }) => !gone.has(sandbox)).map((
      { state, ...endpoint },
    ): Unfinished => ({
      kind: "sandbox",
      name: endpoint.sandbox,
      state: half(state, "connected", "disconnected"),
      drop: async (parts) => {
        const { store } = parts;
        store.transaction(() => store.putEndpoint(endpoint, "removing"));
        await dropEndpoint(parts, endpoint);
      },
    })),
    ...networks.map(({ state, next, ...network }): Unfinished => ({
      kind: "network",
      name: network.name,
      state: next ? "half updated" : half(state),
      drop: (parts) => next ? undoUpdate(parts, network, next) : dropNetwork(parts, network),
    })),
  ];
}

/** Whether the engine has forgotten a sandbox, and will not take its link from the host. */
type IsForgotten = (sandbox: string) => boolean;

/**
 * Finds the stale ones of some engines' sandboxes: their namespace is gone. The namespace of links that
 * were handed over is not always known, so such a sandbox is stale if none of its links exists.
 */
async function findStale(
  parts: Parts<"store" | "namespaces" | "borrowed">,
  sandboxes: readonly Sandbox[],
  isForgotten: IsForgotten,
): Promise<Sandbox[]> {
  if (sandboxes.length === 0) return [];
  const { store, namespaces, borrowed } = parts;
  const endpoints = new Map(
    sandboxes.map(({ name }) => [name, store.endpoints({ sandbox: name })]),
  );
  const indexesOf = (links: readonly Link[] = []) => new Set(links.map(({ index }) => index));
  const hasLink = ({ name }: Sandbox, indexes: ReadonlySet<number>) =>
    endpoints.get(name)!.some((each) => indexes.has(linkIndex(each)));
  const isHandedOver = ({ name }: Sandbox) => endpoints.get(name)!.some(({ handOver }) => handOver);
  // Reads the host's links first: an engine moves a link from there into its own namespace.
  const indexes = indexesOf(await namespaces.host().link.show());
  const present = await borrowed.present(sandboxes);
  const stale = await Promise.all(sandboxes.map(async (sandbox) => {
    const { name, path } = sandbox;
    if (hasLink(sandbox, indexes) && !isForgotten(name)) return [];
    if (!isHandedOver(sandbox)) return path !== undefined && !present.has(name) ? [sandbox] : [];
    const seen = present.has(name) ? await lookInside(namespaces, name) : undefined;
    return hasLink(sandbox, indexesOf(seen?.links)) ? [] : [sandbox];
  }));
  const found = stale.flat();
  if (!found.some(isHandedOver)) return found;
  // The engine may keep its namespace files where this process does not see them.
  const elsewhere = indexesOf(await linksElsewhere(parts));
  return found.filter((sandbox) => !isHandedOver(sandbox) || !hasLink(sandbox, elsewhere));
}

async function linksElsewhere({ namespaces }: Parts<"namespaces">): Promise<Link[]> {
  const places = await findEnterable(namespaces.run, namespaces.hostName);
  const seen = await Promise.all(
    places.flatMap(({ netns, isHost }) =>
      netns === undefined || isHost ? [] : lookInside(namespaces, netns)
    ),
  );
  return seen.flatMap((namespace) => namespace?.links ?? []);
}

/** Removes the stale ones of some engines' sandboxes. Resolves to their names. */
export async function removeStale(
  parts: DriverParts,
  sandboxes: readonly Stated<Sandbox>[],
  isForgotten: IsForgotten = () => false,
): Promise<string[]> {
  const owned = sandboxes.filter(({ name }) => isOwned(name)).filter(isReady);
  const stale = await findStale(parts, owned.map(withoutState), isForgotten);
  const removed = await Promise.all(stale.map(async ({ name }) =>
    // If another call removes it, or its link is still somewhere, the next call tries again.
    await problemIn(() => removeSandbox(parts, name)) ? [] : [name]
  ));
  return removed.flat();
}

/** The sandboxes with the name of a new one, or an address that it asks for on the same parent. */
export function inTheWay(
  store: Store,
  name: string,
  connections: readonly Connection[],
): Set<string> {
  const holders = connections.flatMap(({ network: networkName, ...given }) => {
    const network = store.network(networkName);
    const parent = network?.parent;
    const reserved = network ? reservedFor(network, given.reserveAs ?? name) : [];
    // An engine may add the prefix length.
    const wanted = attempt(() => endpointAddresses(given).map((text) => addressIn(text)));
    return [...reserved, ...wanted.ok ? wanted.value : []].flatMap((address) =>
      store.endpoints({ address })
    )
      .filter((endpoint) => store.networkById(endpoint.network)?.parent === parent);
  });
  return new Set([name, ...holders.map(({ sandbox }) => sandbox)]);
}
