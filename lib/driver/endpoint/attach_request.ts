/**
 * Decides on the endpoints of a sandbox and their addresses, or finds everything that is wrong with a
 * request. Writes nothing.
 *
 * @module
 */
import {
  accept,
  type Decision,
  invalidOption,
  IpvlanError,
  isIpvlanError,
} from "../../base/errors.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import type { Pools } from "../../ipam/mod.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import { decideEndpoint, subnetRoutes } from "./decide.ts";
import { findNetwork, sandboxNotFound } from "../store/find.ts";
import type { HeldAddresses } from "../addresses/held_addresses.ts";
import type { HeldAddress } from "../addresses/holders.ts";
import { isOwned, nameProblem, networkParent, ownedNameProblem } from "../model/names.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import type { Parts } from "../addresses/parts.ts";
import { nameIsUsed } from "../sandbox/processes.ts";
import { randomHex } from "../../base/random.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { HostFacts, SeenNamespace } from "../model/facts.ts";
import { decideSandboxParent, isSecond } from "./sandbox_parent.ts";
import { settingsProblems } from "../model/settings.ts";
import { isReady, type Stated, type Store, withoutState } from "../store/store.ts";
import type { AdoptSpec, BorrowSpec, Connection, Network, Sandbox } from "../model/types.ts";

/** Connections to make for a sandbox, which may be new. */
export interface AttachRequest extends AdoptSpec, Partial<Pick<BorrowSpec, "owner" | "path">> {
  /** The connections. */
  connections: readonly Connection[];
  /** The origin of a new sandbox's namespace; left out, the sandbox exists. */
  namespace?: Sandbox["namespace"];
  /** The identity of the namespace at the path, if any. */
  namespaceId?: string;
  /** Whether the namespace to adopt is that of the host. */
  isHost?: boolean;
}

/** An endpoint and its network. */
export interface NetworkEndpoint {
  network: Network;
  endpoint: EndpointRecord;
}

/** An endpoint that a sandbox has, and its network. */
export interface PresentEndpoint extends NetworkEndpoint {
  endpoint: Stated<EndpointRecord>;
}

/** The records that a request is about, and the endpoints to make. */
export interface DecidedRequest {
  record: Stated<Sandbox> | undefined;
  present: PresentEndpoint[];
  planned: NetworkEndpoint[];
  notices: string[];
}

/** Decides on a request, or throws everything that is wrong. Must run inside a transaction. */
export function decide(
  { store, pools }: Parts<"store" | "pools">,
  request: AttachRequest,
  facts: HostFacts | undefined,
  held: HeldAddresses,
): DecidedRequest {
  const { name, connections, namespace } = request;
  const record = store.sandbox(name);
  if (record && !isReady(record)) throw new IpvlanError("half-done", { what: `sandbox "${name}"` });
  const present = namespace !== undefined ? [] : findPresent(store, name);
  const decision = decideEndpoints(connections, {
    sandbox: name,
    present,
    find: (network) => findTarget(store, network, name),
    poolsOf: (network) => pools.of(network),
    neighboursOf: ({ id, name: network }, aliases) => {
      // An alias may be a sandbox's name followed by the network's: `web.lan`.
      const shorter = aliases.map((alias) => alias.slice(0, -`.${network}`.length));
      return store.namedEndpoints(id, [...aliases, ...shorter]);
    },
    parentAddresses: ({ parent }) =>
      globalAddrs(parent, facts!.addrs).map(({ address }) => address),
    heldOn: (parent) => held.on(parent),
    inside: facts?.inside,
    holderElsewhere: (network, address) => holderElsewhere(store, network, address),
    siblingAt: (network, address) => {
      const { link } = networkParent(network);
      return link === undefined ? undefined : store.endpoints({ address })
        .find((other) => store.networkById(other.network)?.parent === link)?.sandbox;
    },
  });
  const problems = [
    ...sandboxProblems(store, request, record),
    ...settingsProblems(request),
    ...decision.ok ? [] : decision.problems,
  ];
  const { planned, notices } = accept(problems.length > 0 ? { ok: false, problems } : decision);
  return { record, present, planned, notices };
}

/** The input of {@linkcode decideEndpoints}. */
interface ConnectFacts {
  sandbox: string;
  present: readonly NetworkEndpoint[];
  find(network: string): Decision<{ network: Network }>;
  poolsOf(network: Network): Pools;
  neighboursOf(network: Network, aliases: readonly string[]): readonly EndpointRecord[];
  parentAddresses(network: Network): readonly string[];
  heldOn(parent: string): readonly HeldAddress[];
  inside: SeenNamespace | undefined;
  holderElsewhere(network: Network, address: string): string | undefined;
  siblingAt(network: Network, address: string): string | undefined;
}

/** Decides on endpoints one by one: each takes its addresses, link name and place from the rest. */
function decideEndpoints(
  connections: readonly Connection[],
  facts: ConnectFacts,
): Decision<{ planned: NetworkEndpoint[]; notices: string[] }> {
  const { sandbox, present, find, poolsOf, neighboursOf, parentAddresses, heldOn, inside } = facts;
  const problems: IpvlanError[] = [];
  const planned: NetworkEndpoint[] = [];
  const pools = new Map<string, Pools>();
  const notices: string[] = [];
  for (const { network: name, ...options } of connections) {
    const target = find(name);
    if (!target.ok) {
      problems.push(...target.problems);
      continue;
    }
    const { network } = target;
    const others = [...present, ...planned];
    // Addresses that it gets on other networks of the parent. They are not on record yet.
    const given = planned.filter((other) => other.network.id !== network.id)
      .filter((other) => other.network.parent === network.parent)
      .flatMap(({ endpoint }) => endpointAddresses(endpoint));
    const except = [...options.except ?? [], ...given];
    const inner = networkParent(network).kind === "sandbox"
      ? decideSandboxParent(network, sandbox, options, inside)
      : undefined;
    if (inner && !inner.ok) {
      problems.push(...inner.problems);
      continue;
    }
    const decision = decideEndpoint({ ...options, except }, randomHex(6), {
      network,
      pools: pools.get(network.id) ?? poolsOf(network),
      sandbox,
      endpoints: others.map(({ endpoint }) => endpoint),
      routes: others.flatMap(({ network, endpoint }) => subnetRoutes(network, endpoint)),
      neighbours: neighboursOf(network, options.aliases ?? []),
      parentAddresses: parentAddresses(network),
      held: heldOn(network.parent),
      holderElsewhere: (address) =>
        given.includes(address)
          ? `the sandbox "${sandbox}"`
          : facts.holderElsewhere(network, address),
      parent: inner?.parent,
      isSecond: inside && ((endpoint) => isSecond(network, endpoint, inside)),
    });
    if (!decision.ok) {
      problems.push(...decision.problems);
      continue;
    }
    planned.push({ network, endpoint: decision.endpoint });
    pools.set(network.id, decision.pools);
    notices.push(...decision.notices);
    for (const hop of new Set(decision.endpoint.routes?.flatMap(({ via }) => via ?? []))) {
      const sibling = facts.siblingAt(network, hop);
      if (sibling === undefined) continue;
      notices.push(
        `The next hop ${hop} is the sandbox "${sibling}", and ipvlan carries to a sandbox only what ` +
          "is sent to its own addresses",
      );
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, planned, notices };
}

/** Finds the endpoints that a sandbox has, with their networks. */
function findPresent(store: Store, sandbox: string): PresentEndpoint[] {
  return store.endpoints({ sandbox }).map((endpoint) => ({
    // The store keeps a network as long as it has endpoints.
    network: withoutState(store.networkById(endpoint.network)!),
    endpoint,
  }));
}

/** Finds the network of a connection. @throws {"half-done"} It or the connection is not ready. */
function findTarget(store: Store, name: string, sandbox: string): Decision<{ network: Network }> {
  try {
    const network = findNetwork(store, name);
    if (!store.endpoints({ network: network.id, sandbox }).every(isReady)) {
      throw new IpvlanError("half-done", {
        what: `connection of "${sandbox}" to "${network.name}"`,
      });
    }
    return { ok: true, network };
  } catch (error) {
    const isWrong = isIpvlanError(error, "network-not-found", "ambiguous-id");
    if (!isWrong) throw error;
    return { ok: false, problems: [error] };
  }
}

function sandboxProblems(
  store: Store,
  request: AttachRequest,
  record: Sandbox | undefined,
): IpvlanError[] {
  const { name, namespace, owner, pid, isHost } = request;
  const isRecorded = record !== undefined;
  const isEngines = namespace === undefined ? isOwned(name) : owner !== undefined;
  if (isEngines) return ownedProblems(store, request, record);
  const isPresent = nameIsUsed(name);
  if (namespace === undefined) {
    if (!isRecorded) return [sandboxNotFound(store, name)];
    // `ip` fails when it makes a link in a namespace that does not exist.
    return isPresent ? [] : [new IpvlanError("sandbox-gone", { sandbox: name })];
  }
  const problem = nameProblem("sandbox", name);
  if (problem) return [problem];
  if (isRecorded) return [new IpvlanError("sandbox-exists", { sandbox: name, foreign: false })];
  if (isHost) {
    const rule = "its network namespace is that of the host itself";
    return [
      pid === undefined
        ? invalidOption("namespace", name, rule)
        : invalidOption("process id", String(pid), rule),
    ];
  }
  if (namespace === "found") {
    return isPresent ? [] : [new IpvlanError("namespace-not-found", { netns: name })];
  }
  return isPresent ? [new IpvlanError("sandbox-exists", { sandbox: name, foreign: true })] : [];
}

/** Finds what is wrong with an engine's sandbox that is to be made or connected. */
function ownedProblems(
  store: Store,
  { name, namespace, owner, path, namespaceId, connections }: AttachRequest,
  record: Sandbox | undefined,
): IpvlanError[] {
  if (namespace === undefined) {
    if (!record) return [sandboxNotFound(store, name)];
    const isThere = record.path === undefined || record.namespaceId === namespaceId;
    return isThere ? [] : [new IpvlanError("sandbox-gone", { sandbox: name })];
  }
  const problem = ownedNameProblem("sandbox", name, owner!);
  if (problem) return [problem];
  if (record) return [new IpvlanError("sandbox-exists", { sandbox: name, foreign: false })];
  if (path !== undefined || connections.every(({ handOver }) => handOver)) return [];
  return [
    invalidOption("namespace", "", "its path is needed, as a link is not handed over"),
  ];
}
