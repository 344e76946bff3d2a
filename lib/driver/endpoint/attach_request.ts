// Decides on the endpoints of a sandbox and their addresses, or finds everything that is wrong with
// a request. Writes nothing.
import {
  accept,
  type Decision,
  invalidOption,
  IpvlanError,
  isIpvlanError,
} from "../../base/errors.ts";
import { type Addresses, addressFields, endpointAddresses } from "../../ipam/address.ts";
import type { Pools } from "../../ipam/mod.ts";
import { holderElsewhere } from "../addresses/claims.ts";
import { decideEndpoint } from "./decide.ts";
import { type NetworkEndpoint, staticRoutes } from "./routes.ts";
import { findNetwork, findPresent, type PresentEndpoint, sandboxNotFound } from "../store/find.ts";
import type { HeldAddresses } from "../addresses/held_addresses.ts";
import { isOwned, nameProblem, networkParent } from "../model/names.ts";
import { globalAddrs } from "../../iproute2/addr.ts";
import type { Parts } from "../addresses/parts.ts";
import { nameIsUsed } from "../sandbox/processes.ts";
import { randomHex } from "../../base/random.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { HostFacts } from "../model/facts.ts";
import { decideSandboxParent, isSecond } from "./sandbox_parent.ts";
import { settingsProblems } from "../model/settings.ts";
import { isReady, type Stated, type Store } from "../store/store.ts";
import type { AdoptSpec, BorrowSpec, Connection, Network, Sandbox } from "../model/types.ts";

/** Connections to make for a sandbox, which may be new. */
export interface AttachRequest extends AdoptSpec, Partial<Pick<BorrowSpec, "owner" | "path">> {
  connections: readonly Connection[];
  /** The origin of a new sandbox's namespace; left out, the sandbox exists. */
  namespace?: Sandbox["namespace"];
  /** The identity of the namespace at the path, if any. */
  namespaceId?: string;
  /** Whether the namespace to adopt is that of the host. */
  isHost?: boolean;
}

/** An endpoint to make, and the name for which the network reserves its addresses. */
export interface PlannedEndpoint extends NetworkEndpoint {
  reserveAs?: string;
}

interface DecidedRequest {
  record: Stated<Sandbox> | undefined;
  present: PresentEndpoint[];
  planned: PlannedEndpoint[];
  notices: string[];
}

/** Decides on a request, or throws everything that is wrong. Must run inside a transaction. */
export function decide(
  parts: Parts<"store" | "pools">,
  request: AttachRequest,
  facts: HostFacts | undefined,
  held: HeldAddresses,
): DecidedRequest {
  const { store } = parts;
  const { name, namespace } = request;
  const record = store.sandbox(name);
  if (record && !isReady(record)) throw new IpvlanError("half-done", { what: `sandbox "${name}"` });
  const present = namespace !== undefined ? [] : findPresent(store, name);
  const decision = decideEndpoints(parts, request, present, facts, held);
  const problems = [
    ...sandboxProblems(store, request, record),
    ...settingsProblems(request),
    ...decision.ok ? [] : decision.problems,
  ];
  const { planned, notices } = accept(problems.length > 0 ? { ok: false, problems } : decision);
  return { record, present, planned, notices };
}

/** Decides on endpoints one by one: each takes its addresses, link name and place from the rest. */
function decideEndpoints(
  { store, pools: known }: Parts<"store" | "pools">,
  { name: sandbox, connections }: AttachRequest,
  present: readonly PresentEndpoint[],
  facts: HostFacts | undefined,
  held: HeldAddresses,
): Decision<{ planned: PlannedEndpoint[]; notices: string[] }> {
  const inside = facts?.inside;
  const problems: IpvlanError[] = [];
  const planned: PlannedEndpoint[] = [];
  const pools = new Map<string, Pools>();
  const notices: string[] = [];
  for (const { network: name, ...options } of connections) {
    const target = findTarget(store, name, sandbox);
    if (!target.ok) {
      problems.push(...target.problems);
      continue;
    }
    const { network } = target;
    const { id, parent } = network;
    const { reserveAs } = options;
    if (reserveAs !== undefined) problems.push(...reservationProblems(network));
    const inner = networkParent(network).kind === "sandbox"
      ? decideSandboxParent(network, sandbox, options, inside)
      : undefined;
    if (inner && !inner.ok) {
      problems.push(...inner.problems);
      continue;
    }
    // Addresses that it gets on other networks of the parent. They are not on record yet.
    const given = planned.filter((other) => other.network.id !== id)
      .filter((other) => other.network.parent === parent)
      .flatMap(({ endpoint }) => endpointAddresses(endpoint));
    const except = [...options.except ?? [], ...given];
    // A sandbox that is on the network already has its reserved addresses: one problem, and not two.
    const isThere = network.reservations && store.endpoints({ network: id, sandbox }).length > 0;
    const own = isThere ? options : withReserved(network, reserveAs ?? sandbox, options);
    const asked = { ...own, except };
    const decision = decideEndpoint(asked, randomHex(6), {
      network,
      pools: pools.get(id) ?? known.of(network),
      sandbox,
      present: [...present, ...planned],
      neighbours: findNeighbours(store, network, options.aliases ?? []),
      parentAddresses: globalAddrs(parent, facts!.addrs).map(({ address }) => address),
      held: held.on(parent),
      holderElsewhere: (address) =>
        given.includes(address)
          ? `the sandbox "${sandbox}"`
          : holderElsewhere(store, network, address, reserveAs ?? sandbox),
      parent: inner?.parent,
      isSecond: inside && ((endpoint) => isSecond(network, endpoint, inside)),
    });
    if (!decision.ok) {
      problems.push(...decision.problems);
      continue;
    }
    const { endpoint } = decision;
    planned.push({ network, endpoint, reserveAs });
    pools.set(id, decision.pools);
    notices.push(...decision.notices, ...hopNotices(store, network, endpoint));
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, planned, notices };
}

/** Finds why a network cannot reserve addresses on its record. */
export function reservationProblems({ name, ipam, foreignAddresses }: Network): IpvlanError[] {
  if (!ipam && !foreignAddresses) return [];
  const rule = "its addresses are not this host's alone: reserve them where they come from";
  return [invalidOption("network", name, rule)];
}

export function reservedFor({ reservations = [] }: Network, name: string): string[] {
  return reservations.filter((each) => each.name === name).map(({ address }) => address);
}

/** Adds the addresses that are reserved for a name to options, unless these say others. */
export function withReserved<T extends Addresses>(network: Network, name: string, options: T): T {
  const kept = addressFields(reservedFor(network, name));
  const { ip = kept.ip, ip6 = kept.ip6 } = options;
  // Who says an address has those that it says.
  const isAsked = (options.ip ?? options.ip6) !== undefined;
  const moreAddresses = isAsked ? options.moreAddresses : kept.moreAddresses;
  return { ...options, ip, ip6, moreAddresses };
}

/** Finds the endpoints on a network that have aliases, or whose sandbox has one of the names. */
function findNeighbours(
  store: Store,
  { id, name }: Network,
  aliases: readonly string[],
): EndpointRecord[] {
  // An alias may be a sandbox's name followed by the network's: `web.lan`.
  const shorter = aliases.map((alias) => alias.slice(0, -`.${name}`.length));
  return store.namedEndpoints(id, [...aliases, ...shorter]);
}

/** Writes a notice for each next hop that is a sandbox on the network's parent. */
function hopNotices(store: Store, network: Network, endpoint: EndpointRecord): string[] {
  const { link } = networkParent(network);
  if (link === undefined) return [];
  const routes = [...endpoint.routes ?? [], ...staticRoutes(network, endpoint)];
  return [...new Set(routes.flatMap(({ via }) => via ?? []))].flatMap((hop) => {
    const sibling = store.endpoints({ address: hop })
      .find((other) => store.networkById(other.network)?.parent === link);
    return sibling === undefined ? [] : [
      `The next hop ${hop} is the sandbox "${sibling.sandbox}", and ipvlan carries to a sandbox ` +
      "only what is sent to its own addresses",
    ];
  });
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
  if (namespace === undefined) {
    if (!record) return [sandboxNotFound(store, name)];
    // `ip` fails when it makes a link in a namespace that does not exist.
    const isThere = isOwned(name)
      ? record.path === undefined || record.namespaceId === request.namespaceId
      : nameIsUsed(name);
    return isThere ? [] : [new IpvlanError("sandbox-gone", { sandbox: name })];
  }
  const problem = nameProblem("sandbox", name, owner);
  if (problem) return [problem];
  if (record) return [new IpvlanError("sandbox-exists", { sandbox: name, foreign: false })];
  if (owner) {
    if (request.path !== undefined || request.connections.every(({ handOver }) => handOver)) {
      return [];
    }
    return [invalidOption("namespace", "", "its path is needed, as a link is not handed over")];
  }
  if (isHost) {
    const rule = "its network namespace is that of the host itself";
    return pid === undefined
      ? [invalidOption("namespace", name, rule)]
      : [invalidOption("process id", String(pid), rule)];
  }
  const isPresent = nameIsUsed(name);
  if (namespace === "found") {
    return isPresent ? [] : [new IpvlanError("namespace-not-found", { netns: name })];
  }
  return isPresent ? [new IpvlanError("sandbox-exists", { sandbox: name, foreign: true })] : [];
}
