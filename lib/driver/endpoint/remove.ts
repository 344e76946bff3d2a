// Removes networks, sandboxes and endpoints: from the kernel, and then their records.
import { failureOf, IpvlanError, problemIn, unlessError } from "../../base/errors.ts";
import { OUT_OF_REACH } from "../../claims/local.ts";
import { linkDel } from "../../iproute2/link.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { shareNetwork, unshareNetwork } from "../addresses/shared/network.ts";
import { pooledAddresses, tell } from "../addresses/shared/pools.ts";
import { isOwned } from "../model/names.ts";
import type { Network, PruneReport, Sandbox } from "../model/types.ts";
import { probeName } from "../network/decide.ts";
import { hostSteps, removeHostSteps, unshared } from "../network/host_steps.ts";
import { restoreParent, unneededLinks } from "../network/create.ts";
import { isOurs } from "../network/parent.ts";
import { findNetwork, findReady, findSandbox } from "../store/find.ts";
import type { EndpointRecord, State } from "../store/records.ts";
import { isReady, type Stated, type Store, withoutState } from "../store/store.ts";
import { deleteLinks, unlessGone } from "./links.ts";
import { siblingsOf } from "./routes.ts";
import { rerouteSteps } from "./steps.ts";

/** Removes the networks without endpoints and reservations that match. The caller must hold the exclusive lock. */
export async function pruneNetworks(
  { store, unstoppable, wait }: Parts<"store" | "wait" | "unstoppable">,
  matches: (network: Network) => boolean,
): Promise<PruneReport> {
  const unused = store.networks().filter((network) => isReady(network) && isUnused(store, network))
    .map(withoutState).filter(matches);
  const report: PruneReport = { removed: [], failed: [] };
  for (const network of unused) {
    const { name } = network;
    const error = await problemIn(() => removeNetwork(unstoppable, network));
    if (error) report.failed.push({ name, error });
    else report.removed.push(name);
    // After the signal, the removal of the other networks may hang too.
    if (error && wait.signal?.aborted) break;
  }
  return report;
}

export function isUnused(store: Store, { id, reservations }: Network): boolean {
  return !reservations && store.endpoints({ network: id }).length === 0;
}

/** Removes transient networks that are unused. The caller must hold the exclusive lock. */
export async function removeTransient(
  parts: Parts<"store" | "namespaces" | "openShared">,
  networks: readonly Network[],
): Promise<void> {
  const { store } = parts;
  for (const { id } of networks) {
    const network = store.networkById(id);
    // A network in etcd stays while etcd is out of reach. The call itself has succeeded by now.
    if (network?.transient && isReady(network) && isUnused(store, network)) {
      await unlessError(OUT_OF_REACH, () => removeNetwork(parts, withoutState(network)));
    }
  }
}

/**
 * Removes a network. If that fails, it stays as it was. The caller must hold the exclusive lock.
 *
 * @throws {"network-in-use"} Sandboxes are connected to it.
 */
export async function removeNetwork(
  parts: Parts<"store" | "namespaces" | "openShared">,
  network: Network,
): Promise<void> {
  const { store } = parts;
  store.transaction(() => {
    const users = store.endpoints({ network: network.id }).map(({ sandbox }) => sandbox);
    if (users.length > 0) {
      throw new IpvlanError("network-in-use", { network: network.name, sandboxes: users });
    }
    store.putNetwork(network, "removing");
  });
  try {
    await dropNetwork(parts, network);
  } catch (error) {
    // If this fails too, the next exclusive call removes the network, or `restore` makes the
    // parent. The caller needs the first error.
    await failureOf(async () => {
      store.putNetwork(network, "ready");
      await restoreParent(parts, network);
      await shareNetwork(parts, network);
    });
    throw error;
  }
}

/**
 * Removes a sandbox and its endpoints.
 *
 * @param kills Whether to kill the processes in it. The record still keeps its name from being used.
 */
export async function removeSandbox(
  parts: DriverParts,
  name: string,
  kills = false,
): Promise<void> {
  const { store, processes, isRehearsal } = parts;
  const find = () => {
    const sandbox = findSandbox(store, name);
    return { sandbox, endpoints: store.endpoints({ sandbox: sandbox.name }) };
  };
  await removeRecords(parts, find, async ({ sandbox, endpoints }) => {
    if (kills && !isRehearsal) {
      await parts.dhcp.release(endpoints);
      await processes.killAll(sandbox.name, sandbox.path);
    }
    await dropSandbox(parts, sandbox);
  });
}

export async function disconnect(
  parts: DriverParts,
  networkName: string,
  sandbox: string,
  ifname?: string,
): Promise<void> {
  const { store } = parts;
  const find = () => {
    findSandbox(store, sandbox);
    const network = findNetwork(store, networkName);
    const endpoint = store.endpoints({ network: network.id, sandbox })
      .find((each) => ifname === undefined || each.ifname === ifname);
    if (!endpoint) throw new IpvlanError("not-connected", { sandbox, network: networkName });
    return { endpoints: [endpoint] as const };
  };
  const { endpoints: [gone] } = await removeRecords(
    parts,
    find,
    ({ endpoints: [endpoint] }) => dropEndpoint(parts, endpoint),
  );
  await reroute(parts, gone);
}

/**
 * Gives the default routes of a sandbox their usual metrics when its last endpoint with a priority is
 * gone, and takes away rules for answers that it needs only with several networks. If that fails, the
 * routes still work, and `restore` changes them.
 */
async function reroute(
  { store, namespaces }: Parts<"store" | "namespaces">,
  gone: EndpointRecord,
): Promise<void> {
  const left = findReady(store, gone.sandbox);
  const records = left.map(({ endpoint }) => endpoint);
  const [before, after] = [siblingsOf([...records, gone]), siblingsOf(records)];
  const steps = left.flatMap((each) => rerouteSteps(each, before, after));
  await namespaces.apply(steps).catch(() => {});
}

/**
 * Marks records as `removing` and removes them. If that fails, marks them as `ready` again, so that a
 * call can repeat it.
 *
 * @throws {"half-done"} Another call is working on an endpoint.
 */
async function removeRecords<T extends RecordGroup<Stated<EndpointRecord>>>(
  { store, hosts, wait }: DriverParts,
  find: () => T,
  remove: (records: T) => Promise<void>,
): Promise<T> {
  const records = store.transactionAhead(() => {
    const found = find();
    const unready = found.endpoints.find((endpoint) => !isReady(endpoint));
    if (unready) throw new IpvlanError("half-done", { what: `connection of "${unready.sandbox}"` });
    setState(store, found, "removing");
    return found;
  });
  try {
    await remove(records);
    return records;
  } catch (error) {
    // `restore` makes again what is already gone from the kernel.
    store.transaction(() => setState(store, records, "ready"));
    const { endpoints } = records;
    const sandboxes = endpoints.map(({ sandbox }) => sandbox);
    await hosts.refresh(endpoints.map(({ network }) => network), sandboxes, wait).catch(() => {});
    throw error;
  }
}

/** Records that one call adds or removes together. */
export interface RecordGroup<Endpoint extends EndpointRecord = EndpointRecord> {
  sandbox?: Sandbox;
  endpoints: readonly Endpoint[];
}

export function setState(store: Store, { sandbox, endpoints }: RecordGroup, state: State): void {
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
  const addresses = endpoints.flatMap((endpoint) => pooledAddresses(store, endpoint));
  const pools = addresses.length > 0 ? await openShared() : undefined;
  store.transactionAhead(() => {
    for (const { id } of endpoints) store.deleteEndpoint(id);
    for (const { pool, address } of addresses) pools?.release(pool, address);
    if (sandbox) store.deleteSandbox(sandbox.name);
  });
  if (!pools) return;
  await store.sync();
  await tell(pools);
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
  // No network on another parent has one of its routes.
  const beside = hostSteps(network);
  const neighbours = beside.length === 0
    ? []
    : store.networks({ parent: network.parent }).filter(({ id }) => id !== network.id);
  await removeHostSteps(parts, unshared(beside, neighbours));
  const unneeded = unneededLinks(store, network);
  if (network.transient && unneeded.length === 0) return store.deleteNetwork(network.id);
  const { link } = namespaces.host();
  const names = [probeName(network), ...unneeded];
  const found = await Promise.all(names.map((name) => link.find(name)));
  const ours = found.filter((each) => each !== undefined && isOurs(each));
  await namespaces.apply(ours.map((each) => linkDel(each!.name)));
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
  parts: Parts<"store" | "namespaces" | "dhcp">,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  await parts.dhcp.release(endpoints);
  const steps = endpoints.flatMap((endpoint) => {
    const network = parts.store.networkById(endpoint.network);
    return network ? hostSteps(network, endpoint) : [];
  });
  await removeHostSteps(parts, steps);
}
