import { IpvlanError } from "../../base/errors.ts";
import { rerouteSteps, siblingsOf } from "./default_routes.ts";
import { dropEndpoint, dropNetwork, dropSandbox, type RecordGroup, setState } from "./drop.ts";
import { linkAddresses } from "./decide.ts";
import { findNetwork, findSandbox } from "../store/find.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { restoreParent } from "../network/restore_parents.ts";
import type { EndpointRecord } from "../store/records.ts";
import { shareNetwork, unlessOutOfReach } from "../addresses/shared/pools.ts";
import { isReady, type Stated, withoutState } from "../store/store.ts";
import type { Network, PruneReport } from "../model/types.ts";

/** Records as the store has them. */
interface StatedGroup extends RecordGroup {
  endpoints: readonly Stated<EndpointRecord>[];
}

/** Removes a network. The caller must hold the exclusive lock. */
export async function removeNetwork(
  parts: Parts<"store" | "namespaces" | "openShared">,
  name: string,
): Promise<void> {
  await removeUnused(parts, findNetwork(parts.store, name));
}

/** Removes the networks without endpoints that match. The caller must hold the exclusive lock. */
export async function pruneNetworks(
  { store, unstoppable, wait }: Parts<"store" | "wait" | "unstoppable">,
  matches: (network: Network) => boolean,
): Promise<PruneReport> {
  const unused = store.networks().filter(isReady).map(withoutState)
    .filter((network) => store.endpoints({ network: network.id }).length === 0 && matches(network));
  const report: PruneReport = { removed: [], failed: [] };
  for (const network of unused) {
    const { name } = network;
    try {
      await removeUnused(unstoppable, network);
      report.removed.push(name);
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      report.failed.push({ name, error });
      // After the signal, the removal of the other networks may hang too.
      if (wait.signal?.aborted) break;
    }
  }
  return report;
}

/** Removes transient networks without endpoints. The caller must hold the exclusive lock. */
export async function removeTransient(
  parts: Parts<"store" | "namespaces" | "openShared">,
  networks: readonly Network[],
): Promise<void> {
  const { store } = parts;
  for (const { id } of networks) {
    const network = store.networkById(id);
    const isUnused = network?.transient && isReady(network) &&
      store.endpoints({ network: id }).length === 0;
    // A network in etcd stays while etcd is out of reach. The call itself has succeeded by now.
    if (isUnused) await unlessOutOfReach(() => removeUnused(parts, withoutState(network)));
  }
}

/** Removes a network. If that fails, it stays as it was. @throws {"network-in-use"} In use. */
async function removeUnused(
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
    await putBack(parts, network).catch(() => {});
    throw error;
  }
}

async function putBack(
  parts: Parts<"store" | "namespaces" | "openShared">,
  network: Network,
): Promise<void> {
  parts.store.putNetwork(network, "ready");
  await restoreParent(parts, network);
  await shareNetwork(parts, network);
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
  const { sandbox, endpoints } = store.transaction(() => {
    const sandbox = findSandbox(store, name);
    const endpoints = store.endpoints({ sandbox: sandbox.name });
    startRemoval(parts, { sandbox, endpoints });
    return { sandbox, endpoints };
  });
  await drop(parts, { sandbox, endpoints }, async () => {
    if (kills && !isRehearsal) await processes.killAll(sandbox.name, sandbox.path);
    await dropSandbox(parts, sandbox);
  });
}

/** Removes the endpoint of a sandbox on a network. */
export async function disconnect(
  parts: DriverParts,
  networkName: string,
  sandbox: string,
  ifname?: string,
): Promise<void> {
  const { store } = parts;
  const endpoint = store.transaction(() => {
    findSandbox(store, sandbox);
    const network = findNetwork(store, networkName);
    const endpoint = store.endpoints({ network: network.id, sandbox })
      .find((each) => ifname === undefined || each.ifname === ifname);
    if (!endpoint) throw new IpvlanError("not-connected", { sandbox, network: networkName });
    startRemoval(parts, { endpoints: [endpoint] });
    return endpoint;
  });
  await drop(parts, { endpoints: [endpoint] }, () => dropEndpoint(parts, endpoint));
  await reroute(parts, endpoint);
}

/**
 * Gives the default routes of a sandbox their usual metrics when its last endpoint with a priority is
 * gone. If that fails, the routes still work, and `restore` changes them.
 */
async function reroute(
  { store, namespaces }: Parts<"store" | "namespaces">,
  gone: EndpointRecord,
): Promise<void> {
  const left = store.endpoints({ sandbox: gone.sandbox }).filter(isReady);
  const [before, after] = [siblingsOf([...left, gone]), siblingsOf(left)];
  if (before !== "ranked" || after === "ranked") return;
  const steps = left.flatMap((endpoint) => {
    const network = withoutState(store.networkById(endpoint.network)!);
    const addresses = linkAddresses(network, endpoint);
    return rerouteSteps(network, endpoint, addresses, before, after);
  });
  await namespaces.apply(steps).catch(() => {});
}

/** Marks records as `removing`. @throws {"half-done"} Another call is working on an endpoint. */
function startRemoval({ store }: Parts<"store">, records: StatedGroup): void {
  const unready = records.endpoints.find((endpoint) => !isReady(endpoint));
  if (unready) throw new IpvlanError("half-done", { what: `connection of "${unready.sandbox}"` });
  setState(store, records, "removing");
}

/** Runs a removal. If it fails, marks the records as `ready` again, so that a call can repeat it. */
async function drop(
  { store, hosts, wait }: DriverParts,
  records: RecordGroup,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    // `restore` makes again what is already gone from the kernel.
    store.transaction(() => setState(store, records, "ready"));
    const { endpoints } = records;
    const sandboxes = endpoints.map(({ sandbox }) => sandbox);
    await hosts.refresh(endpoints.map(({ network }) => network), sandboxes, wait).catch(() => {});
    throw error;
  }
}
