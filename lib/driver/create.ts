import { accept, NotUndoneError } from "./errors.ts";
import {
  aliasSteps,
  type DecidedNetwork,
  decideNetwork,
  type HostFacts,
  networkSteps,
} from "./network.ts";
import { linksUnder } from "./parent.ts";
import type { DriverParts } from "./parts.ts";
import { randomHex } from "./random.ts";
import { type Store, withoutState } from "./store.ts";
import type { Network, NetworkSpec, Outcome } from "./types.ts";

/** An id and a time for a new network. */
export function newIdentity(): Pick<Network, "id" | "created"> {
  return { id: randomHex(32), created: new Date().toISOString() };
}

/**
 * Creates a network: its record, and the links that the driver makes for it. If anything fails,
 * nothing is changed. The caller must hold the exclusive lock.
 */
export async function createNetwork(
  { store, namespaces }: DriverParts,
  spec: NetworkSpec,
  facts: HostFacts,
): Promise<Outcome<Network>> {
  const existing = store.networks().map(withoutState);
  const decided = accept(decideNetwork(spec, newIdentity(), existing, facts));
  const { network, links, notices } = decided;
  addRecords(store, decided);
  const made = store.links();
  const steps = [
    ...networkSteps(network, links),
    ...aliasSteps(linksUnder(network.parent, made), [...existing, network], made, existing),
  ];
  try {
    await namespaces.apply(steps, () => store.putNetwork(network, "ready"));
  } catch (error) {
    // What is left in the kernel stays on record, and the next exclusive call removes it.
    if (!(error instanceof NotUndoneError)) deleteRecords(store, decided);
    throw error;
  }
  return { value: network, notices };
}

function addRecords(store: Store, { network, links }: DecidedNetwork): void {
  store.transaction(() => {
    store.putNetwork(network, "making");
    for (const link of links) store.putLink(link);
  });
}

function deleteRecords(store: Store, { network, links }: DecidedNetwork): void {
  store.transaction(() => {
    store.deleteNetwork(network.id);
    for (const { name } of links) store.deleteLink(name);
  });
}
