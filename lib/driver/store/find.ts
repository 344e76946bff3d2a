import { isOwned } from "../model/names.ts";
import type { EndpointRecord } from "./records.ts";
import { isReady, type Stated, type Store, withoutState } from "./store.ts";
import type { Network, Sandbox } from "../model/types.ts";
import { IpvlanError, type IpvlanErrorOf } from "../../base/errors.ts";

/** Finds a network by name or the start of its id. @throws {"ambiguous-id" | "half-done"} */
export function findNetwork(store: Store, name: string): Network {
  const network = store.network(name) ?? findById(store, name);
  if (!network) {
    const known = store.networks().map(({ name }) => name);
    throw new IpvlanError("network-not-found", { network: name, known });
  }
  if (!isReady(network)) throw new IpvlanError("half-done", { what: `network "${network.name}"` });
  return withoutState(network);
}

/** Finds a network whose record is to change. @throws {"half-done"} An update of it was killed. */
export function findSettled(store: Store, name: string): Network {
  const network = findNetwork(store, name);
  if (!store.networkById(network.id)!.next) return network;
  throw new IpvlanError("half-done", { what: `network "${network.name}"` });
}

/** Finds a network by the beginning of its id, from four digits on: fewer may be a misspelt name. */
function findById(store: Store, prefix: string): Stated<Network> | undefined {
  if (!/^[0-9a-f]{4,64}$/.test(prefix)) return undefined;
  const found = store.networks().filter(({ id }) => id.startsWith(prefix));
  if (found.length > 1) {
    const networks = found.map(({ name }) => name);
    throw new IpvlanError("ambiguous-id", { id: prefix, networks });
  }
  return found[0];
}

/** An id of a sandbox. No name is that long, and that of an engine's sandbox has a colon. */
const SANDBOX_ID = /^[0-9a-f]{64}$/;

/** Finds a sandbox by its name or its id. @throws {"half-done"} */
export function findSandbox(store: Store, name: string): Sandbox {
  const sandbox = SANDBOX_ID.test(name) ? store.sandboxById(name) : store.sandbox(name);
  if (!sandbox) throw sandboxNotFound(store, name);
  if (!isReady(sandbox)) throw new IpvlanError("half-done", { what: `sandbox "${sandbox.name}"` });
  return withoutState(sandbox);
}

/** Makes the error for a name that no sandbox has. Ids of engines are not similar to each other. */
export function sandboxNotFound(store: Store, name: string): IpvlanErrorOf<"sandbox-not-found"> {
  const others = isOwned(name) ? [] : store.sandboxes().map(({ name }) => name);
  return new IpvlanError("sandbox-not-found", { sandbox: name, known: others });
}

/** An endpoint on record, and its network. */
export interface PresentEndpoint {
  network: Network;
  endpoint: Stated<EndpointRecord>;
}

/** Finds the networks of endpoints. The store keeps a network as long as it has endpoints. */
export function withNetworks(
  store: Store,
  endpoints: readonly Stated<EndpointRecord>[],
): PresentEndpoint[] {
  const ids = new Set(endpoints.map(({ network }) => network));
  const networks = new Map([...ids].map((id) => [id, withoutState(store.networkById(id)!)]));
  return endpoints.map((endpoint) => ({ network: networks.get(endpoint.network)!, endpoint }));
}

export function findPresent(store: Store, sandbox: string): PresentEndpoint[] {
  return withNetworks(store, store.endpoints({ sandbox }));
}

/** The same without those that are being made or removed. */
export function findReady(store: Store, sandbox: string): PresentEndpoint[] {
  return withNetworks(store, store.endpoints({ sandbox }).filter(isReady));
}
