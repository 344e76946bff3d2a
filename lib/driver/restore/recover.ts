import { dropEndpoint, dropNetwork, dropSandbox, setState } from "../endpoint/remove.ts";
import { failureOf } from "../../base/errors.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import type { EndpointRecord, State } from "../store/records.ts";
import { hasShared, releaseUnused, tell } from "../addresses/shared/pools.ts";
import type { Stated } from "../store/store.ts";
import type { Network, RestoreReport, Sandbox } from "../model/types.ts";

/** The report of {@linkcode recover}: what is removed, and what could not be removed. */
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
    const failure = await failureOf(() => drop(unstoppable, each));
    if (failure === undefined) recovery.undone.push(`The ${kind} "${name}" was left ${state}`);
    else recovery.missing.push({ kind, name, reason: `It was left ${state}: ${failure}` });
  }
  return recovery;
}

/** A network, sandbox or endpoint that a crash left half made or half removed. */
interface Unfinished {
  /** The kind to tell the user. An endpoint counts as part of its sandbox. */
  kind: "network" | "sandbox";
  /** The name of the network or the sandbox. */
  name: string;
  /** Its state: `half made`, `half disconnected`. */
  state: string;
  /** The record to remove. */
  record: { network: Network } | { sandbox: Sandbox } | { endpoint: EndpointRecord };
}

/**
 * Describes what a crash left half made or half removed, in the order of removal. The endpoints of a
 * sandbox go with the sandbox.
 */
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
      record: { sandbox },
    })),
    ...endpoints.filter(({ sandbox }) => !gone.has(sandbox)).map((
      { state, ...endpoint },
    ): Unfinished => ({
      kind: "sandbox",
      name: endpoint.sandbox,
      state: half(state, "connected", "disconnected"),
      record: { endpoint },
    })),
    ...networks.map(({ state, ...network }): Unfinished => ({
      kind: "network",
      name: network.name,
      state: half(state),
      record: { network },
    })),
  ];
}

/** Removes something unfinished and its record. */
async function drop(parts: DriverParts, { record }: Unfinished): Promise<void> {
  const { store } = parts;
  if ("network" in record) return await dropNetwork(parts, record.network);
  if ("endpoint" in record) {
    store.transaction(() => setState(store, { endpoints: [record.endpoint] }, "removing"));
    return await dropEndpoint(parts, record.endpoint);
  }
  const { sandbox } = record;
  const endpoints = store.endpoints({ sandbox: sandbox.name });
  store.transaction(() => setState(store, { sandbox, endpoints }, "removing"));
  await dropSandbox(parts, sandbox);
}
