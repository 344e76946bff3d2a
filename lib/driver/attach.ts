import type { IpvlanError } from "../errors.ts";
import type { Pools } from "../ipam/mod.ts";
import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import type { DriverParts } from "./parts.ts";
import { type Batch, forget, mark } from "./drop.ts";
import { decideEndpoint, endpointSteps, sandboxSteps, toEndpoint } from "./endpoint.ts";
import {
  HalfDoneError,
  NetworkNotFoundError,
  NotUndoneError,
  SandboxExistsError,
  SandboxGoneError,
  throwProblems,
} from "./errors.ts";
import { findNetwork, sandboxNotFound } from "./find.ts";
import { noticeHosts } from "./hosts.ts";
import { nameProblem } from "./names.ts";
import { byPlace } from "./plan.ts";
import { nameIsUsed } from "./processes.ts";
import type { HostFacts } from "./network.ts";
import { globalAddrs } from "./parent.ts";
import { randomHex } from "./random.ts";
import { type EndpointRecord, isReady, type Store, withoutState } from "./store.ts";
import type { ConnectOptions, Endpoint, Network, Sandbox } from "./types.ts";

/** A sandbox, and what it is to be connected to. */
export interface AttachRequest {
  /** The sandbox's name. */
  sandbox: string;
  /** Whether it is to be made as well. */
  isNew: boolean;
  /**
   * Where the namespace of one that is made comes from.
   *
   * @default {"made"}
   */
  namespace?: Sandbox["namespace"];
  /** The process whose namespace it is, where that is `"attached"`. */
  pid?: number;
  /** The networks, by name. */
  connections: readonly (ConnectOptions & { network: string })[];
  /** The labels of one that is made. */
  labels?: Record<string, string>;
}

/** A sandbox that was connected. */
export interface Attached {
  /** The sandbox. */
  sandbox: Sandbox;
  /** Its new endpoints, in the order asked for. */
  endpoints: Endpoint[];
  /** What the user should know. */
  notices: string[];
}

/** An endpoint and its network. */
interface Placed {
  network: Network;
  endpoint: EndpointRecord;
}

/**
 * Reserves addresses, makes the links, and records them; or does nothing.
 *
 * @param facts What the host has; it is not asked for where there is nothing to connect to.
 */
export async function attach(
  parts: DriverParts,
  request: AttachRequest,
  facts: HostFacts | undefined,
): Promise<Attached> {
  const { store, namespaces, hosts } = parts;
  const { isNew } = request;
  const { sandbox, placed } = reserve(parts, request, facts);
  const batch = batchOf(isNew, sandbox, placed);
  // Now, and not when the links are there: so the calls of a burst have the files written once.
  const known = hosts.refresh(placed.map(({ network }) => network.id), [sandbox.name]);
  // Looked at below, unless something else fails before.
  known.catch(() => {});
  try {
    const steps = byPlace([
      ...(isNew ? sandboxSteps(sandbox, request.pid) : []),
      ...placed.flatMap(({ network, endpoint }) => endpointSteps(network, endpoint)),
    ]);
    await namespaces.apply(steps, async () => {
      await known;
      store.transaction(() => mark(store, batch, "ready"));
    });
  } catch (error) {
    // What could not be undone stays on record, for the next call to go by. So does what cannot be
    // taken off the record; that says nothing of why the call has failed.
    await known.catch(() => {});
    if (!(error instanceof NotUndoneError)) await abandon(parts, batch).catch(() => {});
    if (error instanceof NamespaceNotFoundError) throw new SandboxGoneError(sandbox.name);
    throw error;
  }
  return {
    sandbox,
    endpoints: placed.map(({ network, endpoint }) => toEndpoint(network, endpoint)),
    notices: [
      ...placed.flatMap(({ network }) => {
        const parent = facts?.links.find(({ name }) => name === network.parent);
        return parent && !parent.up
          ? [`The parent "${parent.name}" is down, so nothing passes`]
          : [];
      }),
      ...placed.length > 0 ? noticeHosts() : [],
    ],
  };
}

async function abandon(parts: DriverParts, batch: Batch): Promise<void> {
  parts.store.transaction(() => mark(parts.store, batch, "removing"));
  await forget(parts, batch);
}

/** Records what is to be made, with its addresses, or throws everything that is wrong with it. */
function reserve(
  { store, pools: known }: DriverParts,
  request: AttachRequest,
  facts: HostFacts | undefined,
): { sandbox: Sandbox; placed: Placed[] } {
  const { sandbox: name, isNew, connections, labels = {}, namespace = "made" } = request;
  return store.transaction(() => {
    const record = store.sandbox(name);
    if (record && !isReady(record)) throw new HalfDoneError(`sandbox "${name}"`);
    const problems = sandboxProblems(store, request, record !== undefined);
    const sandbox = record
      ? withoutState(record)
      : { name, created: new Date().toISOString(), labels, namespace };
    const endpoints: EndpointRecord[] = isNew ? [] : store.endpoints({ sandbox: name });
    const pools = new Map<string, Pools>();
    const placed: Placed[] = [];
    for (const { network: networkName, ...options } of connections) {
      try {
        const network = findNetwork(store, networkName);
        requireWhole(store, network, name);
        const decision = decideEndpoint(options, randomHex(6), {
          network,
          pools: pools.get(network.id) ?? known.of(network),
          sandbox: name,
          endpoints,
          parentAddresses: globalAddrs(network.parent, facts!.addrs).map(({ address }) => address),
        });
        if (!decision.ok) {
          problems.push(...decision.problems);
          continue;
        }
        endpoints.push(decision.endpoint);
        pools.set(network.id, decision.pools);
        placed.push({ network, endpoint: decision.endpoint });
      } catch (error) {
        if (!(error instanceof NetworkNotFoundError)) throw error;
        problems.push(error);
      }
    }
    throwProblems(problems);
    mark(store, batchOf(isNew, sandbox, placed), "making");
    known.keep(pools);
    return { sandbox, placed };
  });
}

function sandboxProblems(
  store: Store,
  { sandbox, isNew, namespace }: AttachRequest,
  onRecord: boolean,
): IpvlanError[] {
  const isPresent = nameIsUsed(sandbox);
  if (!isNew) {
    if (!onRecord) return [sandboxNotFound(store, sandbox)];
    // `ip` ends over a link that is to be made in a namespace that is not there.
    return isPresent ? [] : [new SandboxGoneError(sandbox)];
  }
  const problem = nameProblem("sandbox", sandbox);
  if (problem) return [problem];
  if (onRecord) return [new SandboxExistsError(sandbox, false)];
  if (namespace === "found") return isPresent ? [] : [new NamespaceNotFoundError(sandbox)];
  return isPresent ? [new SandboxExistsError(sandbox, true)] : [];
}

/** Sees that no other call is connecting or disconnecting the sandbox just now. */
function requireWhole(store: Store, network: Network, sandbox: string): void {
  if (!store.endpoints({ network: network.id, sandbox }).every(isReady)) {
    throw new HalfDoneError(`connection of "${sandbox}" to "${network.name}"`);
  }
}

function batchOf(isNew: boolean, sandbox: Sandbox, placed: readonly Placed[]): Batch {
  const endpoints = placed.map(({ endpoint }) => endpoint);
  return { endpoints, ...(isNew && { sandbox }) };
}
