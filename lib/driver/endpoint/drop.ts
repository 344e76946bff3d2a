import { isOwned } from "../model/names.ts";
import { linkDel } from "../../iproute2/link.ts";
import { hostSteps, removeHostSteps, unshared } from "../network/host_steps.ts";
import { deleteLinks, unlessGone } from "./links.ts";
import { aliasSteps, probeName } from "../network/decide.ts";
import { byLinkName, isOurs, LINK_GROUP, linksUnder, standsOn } from "../network/parent.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import type { EndpointRecord, State } from "../store/records.ts";
import { releaseAddresses, sharedOf, tell, unshareNetwork } from "../addresses/shared/pools.ts";
import { type Store, withoutState } from "../store/store.ts";
import type { Network, Sandbox } from "../model/types.ts";

/** Records that one call adds or removes together. */
export interface RecordGroup {
  /** The sandbox, if the call makes or removes it. */
  sandbox?: Sandbox;
  /** Endpoints of one sandbox. */
  endpoints: readonly EndpointRecord[];
}

/** Writes records with a state. */
export function setState(
  store: Store,
  { sandbox, endpoints }: RecordGroup,
  state: State,
): void {
  if (sandbox) store.putSandbox(sandbox, state);
  for (const endpoint of endpoints) store.putEndpoint(endpoint, state);
}

/**
 * Deletes records. They must be marked as `removing`, and the kernel must have nothing of them left.
 * The hosts files are changed first, so that after a crash the records still say what is left.
 */
export async function deleteRecords(
  { store, hosts, settings, openShared, wait }: Parts<
    "store" | "hosts" | "settings" | "openShared" | "wait"
  >,
  { sandbox, endpoints }: RecordGroup,
): Promise<void> {
  if (sandbox && !isOwned(sandbox.name)) settings.remove(sandbox.name);
  const sandboxes = endpoints.map((endpoint) => endpoint.sandbox);
  if (sandbox) sandboxes.push(sandbox.name);
  const networks = endpoints.map(({ network }) => network);
  const failures = await hosts.refresh(networks, sandboxes, wait);
  // A later call writes the file of another sandbox, or of one that stays.
  const failure = sandbox && failures.get(sandbox.name);
  if (failure) throw failure;
  const shared = await sharedOf({ store, openShared }, networks);
  store.transaction(() => {
    for (const endpoint of endpoints) {
      store.deleteEndpoint(endpoint.id);
      if (shared) releaseAddresses(shared, endpoint);
    }
    if (sandbox) store.deleteSandbox(sandbox.name);
  });
  if (shared) await tell(shared.pools);
}

/**
 * Deletes a network's record, and the links and routes that the driver made for it and no other
 * network needs. A link without the driver's mark stays, even if it is on record: another program has
 * made it anew.
 */
export async function dropNetwork(
  parts: Parts<"store" | "namespaces" | "openShared">,
  network: Network,
): Promise<void> {
  const { store, namespaces } = parts;
  await unshareNetwork(parts, network);
  const made = byLinkName(store.links());
  const others = store.networks().filter(({ id }) => id !== network.id).map(withoutState);
  await removeHostSteps(parts, unshared(hostSteps(network), others));
  const own = linksUnder(network.parent, made);
  if (network.transient && own.length === 0) return store.deleteNetwork(network.id);
  const isNeeded = (name: string) => others.some(({ parent }) => standsOn(parent, name, made));
  const ours = (await namespaces.host().link.show({ group: LINK_GROUP })).filter(isOurs);
  const exists = (name: string) => ours.some((link) => link.name === name);
  // A link is deleted before the one below it.
  const unneeded = own.map(({ name }) => name).filter((name) => !isNeeded(name)).toReversed();
  const kept = own.filter(({ name }) => isNeeded(name) && exists(name));
  await namespaces.apply([
    ...[probeName(network), ...unneeded].filter(exists).map((name) => ({ line: linkDel(name) })),
    ...aliasSteps(kept, others, made),
  ]);
  store.transaction(() => {
    store.deleteNetwork(network.id);
    for (const name of unneeded) store.deleteLink(name);
  });
}

/** Deletes the link, the routes and the record of an endpoint that is marked as `removing`. */
export async function dropEndpoint(parts: DriverParts, endpoint: EndpointRecord): Promise<void> {
  const { store } = parts;
  const sandbox = withoutState(store.sandbox(endpoint.sandbox)!);
  const kept = store.endpoints({ sandbox: sandbox.name }).filter(({ id }) => id !== endpoint.id);
  await withdrawEndpoints(parts, [endpoint]);
  await deleteLinks(parts, { sandbox, removed: [endpoint], kept });
  await deleteRecords(parts, { endpoints: [endpoint] });
}

/**
 * Deletes the links and routes of a sandbox, its namespace, and the records of the sandbox and its
 * endpoints. They must be marked as `removing`.
 *
 * The links go first: the kernel keeps a namespace as long as a process is in it or has its file
 * open, and any user may open it.
 */
export async function dropSandbox(parts: DriverParts, sandbox: Sandbox): Promise<void> {
  const { store, namespaces } = parts;
  const endpoints = store.endpoints({ sandbox: sandbox.name });
  await withdrawEndpoints(parts, endpoints);
  await deleteLinks(parts, { sandbox, removed: endpoints });
  if (sandbox.namespace !== "found" && sandbox.namespace !== "borrowed") {
    await unlessGone(() => namespaces.caller().netns.del(sandbox.name));
  }
  await deleteRecords(parts, { sandbox, endpoints });
}

/** Removes what endpoints have in the host. It runs before their links go, so no packet is lost. */
async function withdrawEndpoints(
  parts: Parts<"store" | "namespaces">,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  const steps = endpoints.flatMap((endpoint) => {
    const network = parts.store.networkById(endpoint.network);
    return network ? hostSteps(network, endpoint) : [];
  });
  await removeHostSteps(parts, steps);
}
