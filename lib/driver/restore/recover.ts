import { dropEndpoint, dropNetwork, dropSandbox, setState } from "../endpoint/remove.ts";
import { failureOf } from "../../base/errors.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import type { EndpointRecord, State } from "../store/records.ts";
import { hasShared, releaseUnused, tell } from "../addresses/shared/pools.ts";
import { isReady, type Stated, withoutState } from "../store/store.ts";
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
export interface Unfinished {
  /** The kind to tell the user. An endpoint counts as part of its sandbox. */
  kind: "network" | "sandbox";
  /** The name of the network or the sandbox. */
  name: string;
  /** Its state: `half made`, `half disconnected`. */
  state: string;
  /** The record to remove. */
  record: { network: Network } | { sandbox: Sandbox } | { endpoint: EndpointRecord };
}

/** Records with their states. */
export interface StatedRecords {
  /** The networks. */
  networks: readonly Stated<Network>[];
  /** The sandboxes. */
  sandboxes: readonly Stated<Sandbox>[];
  /** Their endpoints. */
  endpoints: readonly Stated<EndpointRecord>[];
}

/**
 * Finds what a crash left half made or half removed, in the order of removal. The endpoints of a
 * sandbox go with the sandbox.
 */
export function findUnfinished(
  { networks, sandboxes, endpoints }: StatedRecords,
): Unfinished[] {
  const done = ({ state }: { state: State }) => state === "making" ? "made" : "removed";
  const isLeft = (record: { state: State }) => !isReady(record);
  const leftSandboxes = sandboxes.filter(isLeft);
  const leftEndpoints = endpoints.filter(isLeft)
    .filter(({ sandbox }) => !leftSandboxes.some(({ name }) => name === sandbox));
  return [
    ...leftSandboxes.map((record): Unfinished => ({
      kind: "sandbox",
      name: record.name,
      state: `half ${done(record)}`,
      record: { sandbox: withoutState(record) },
    })),
    ...leftEndpoints.map((record): Unfinished => ({
      kind: "sandbox",
      name: record.sandbox,
      state: record.state === "making" ? "half connected" : "half disconnected",
      record: { endpoint: withoutState(record) },
    })),
    ...networks.filter(isLeft).map((record): Unfinished => ({
      kind: "network",
      name: record.name,
      state: `half ${done(record)}`,
      record: { network: withoutState(record) },
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
