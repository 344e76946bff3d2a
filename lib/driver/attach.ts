import type { Decision, IpvlanError } from "../errors.ts";
import { endpointAddresses } from "../ipam/address.ts";
import { formatAddress, parseAddress, type Pools } from "../ipam/mod.ts";
import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { holderElsewhere } from "./claims.ts";
import { deleteRecords, type RecordGroup, setState } from "./drop.ts";
import { rerouteSteps, type Siblings, siblingsOf } from "./default_routes.ts";
import {
  decideEndpoint,
  endpointSteps,
  linkAddresses,
  sandboxSteps,
  subnetRoutes,
  toEndpoint,
} from "./endpoint.ts";
import {
  accept,
  AddressHeldError,
  AmbiguousIdError,
  HalfDoneError,
  type HostsFileError,
  HostsMountError,
  InvalidOptionError,
  NetworkNotFoundError,
  NotUndoneError,
  SandboxExistsError,
  SandboxGoneError,
} from "./errors.ts";
import { findNetwork, sandboxNotFound } from "./find.ts";
import { HeldAddresses } from "./held_addresses.ts";
import type { HeldAddress } from "./holders.ts";
import { noticeHosts } from "./hosts.ts";
import { nameProblem, ownedNameProblem } from "./names.ts";
import type { HostFacts } from "./network.ts";
import { globalAddrs } from "./parent.ts";
import type { DriverParts } from "./parts.ts";
import { byPlace, type Step } from "./plan.ts";
import { nameIsUsed } from "./processes.ts";
import { randomHex } from "./random.ts";
import { settingsOf, settingsProblems } from "./settings.ts";
import type { EndpointRecord } from "./records.ts";
import { isReady, type Stated, type Store, withoutState } from "./store.ts";
import type { AdoptSpec, Connection, MadeEndpoint, Network, Sandbox } from "./types.ts";

/** Connections to make for a sandbox, which may be new. */
export interface AttachRequest extends AdoptSpec {
  /** The connections. */
  connections: readonly Connection[];
  /**
   * Where the namespace of a new sandbox comes from.
   *
   * @default {undefined} The sandbox exists.
   */
  namespace?: Sandbox["namespace"];
  /**
   * The identity of the namespace at the path, or `undefined` if there is none.
   *
   * @default {undefined}
   */
  namespaceId?: string;
  /**
   * Whether the namespace to adopt is that of the host.
   *
   * @default {false}
   */
  isHost?: boolean;
}

/** The file of the namespace that a new sandbox takes over; `undefined` if it takes none. */
export function takenNamespace(
  { name, namespace, pid }: Pick<AttachRequest, "name" | "namespace" | "pid">,
): string | undefined {
  // The name is checked later.
  if (namespace === "found" && nameProblem("sandbox", name) === undefined) {
    return `/run/netns/${name}`;
  }
  return namespace === "attached" ? `/proc/${pid}/ns/net` : undefined;
}

/** A sandbox and its new endpoints. */
export interface Attached {
  /** The sandbox. */
  sandbox: Sandbox;
  /** Its new endpoints, in the order asked for. */
  endpoints: MadeEndpoint[];
  /** What the user should know. */
  notices: string[];
}

/** An endpoint and its network. */
interface NetworkEndpoint {
  network: Network;
  endpoint: EndpointRecord;
}

/** An endpoint that a sandbox has, and its network. */
interface PresentEndpoint extends NetworkEndpoint {
  endpoint: Stated<EndpointRecord>;
}

/** A sandbox and endpoints that are on record as `making`. */
interface Reservation {
  sandbox: Sandbox;
  planned: NetworkEndpoint[];
  /** What the user should know of their addresses. */
  notices: string[];
  /** The steps by which the default routes that it has give way to others. */
  giveWay: Step[];
  /** What the sandbox's endpoints are to each other when all is made. */
  siblings: Siblings;
  /** The records that are `making`: with the sandbox if it is new. */
  records: RecordGroup;
}

/**
 * How often to choose other addresses, at most, when other links hold those that were chosen. Once
 * is enough for all links that can be found. For another one, the kernel is asked for five seconds.
 */
const MAX_RETRIES = 3;

/**
 * Connects a sandbox, and makes it if it is new. If anything fails, nothing is changed.
 *
 * The driver cannot know of all links that hold addresses of a parent. When the kernel refuses an
 * address that the driver has chosen, everything is undone and made with the next one.
 *
 * @param facts What the host has; only needed if there are connections to make.
 */
export async function attach(
  parts: DriverParts,
  request: AttachRequest,
  facts: HostFacts | undefined,
): Promise<Attached> {
  const held = new HeldAddresses(parts.namespaces, facts);
  for (let retries = 0;; retries++) {
    const reservation = reserve(parts, request, facts, held);
    try {
      const stale = await make(parts, reservation, request.pid, held);
      return toAttached(reservation, facts, stale);
    } catch (error) {
      if (!(error instanceof AddressHeldError) || retries === MAX_RETRIES) throw error;
      const { address, holder } = error;
      if (isAskedFor(request.connections, address)) throw error;
      const { parent } = networkOf(reservation.planned, address);
      held.add([{ address, holder, parent, names: [] }]);
    }
  }
}

/** The network of an address that one of the endpoints has. */
function networkOf(planned: readonly NetworkEndpoint[], address: string): Network {
  return planned.find(({ endpoint }) => givenAddresses(endpoint).includes(address))!.network;
}

/** The addresses of an endpoint, or those that are asked for, with the link-local ones. */
function givenAddresses(
  { linkLocalAddresses = [], ...endpoint }: EndpointRecord | Connection,
): string[] {
  return [...endpointAddresses(endpoint), ...linkLocalAddresses];
}

/** Whether the user has asked for an address. */
function isAskedFor(connections: readonly Connection[], address: string): boolean {
  return connections.flatMap(givenAddresses)
    .some((given) => formatAddress(parseAddress(given)) === address);
}

function toAttached(
  { sandbox, planned, notices }: Reservation,
  facts: HostFacts | undefined,
  stale: readonly HostsFileError[],
): Attached {
  return {
    sandbox,
    endpoints: planned.map(({ network, endpoint }) => ({
      ...toEndpoint(network, endpoint),
      // An ipvlan link has the MAC address of its parent.
      mac: facts?.links.find(({ name }) => name === network.parent)?.address,
    })),
    notices: planned.length === 0 ? [] : [
      ...notices,
      ...downNotices(planned, facts),
      ...noticeHosts(),
      ...stale.map(({ message }) => message),
    ],
  };
}

/** Records what is to be made, with its addresses, or throws everything that is wrong with it. */
function reserve(
  { store, pools }: DriverParts,
  request: AttachRequest,
  facts: HostFacts | undefined,
  held: HeldAddresses,
): Reservation {
  const { name, connections, labels = {}, namespace } = request;
  const isNew = namespace !== undefined;
  return store.transaction(() => {
    const record = store.sandbox(name);
    if (record && !isReady(record)) throw new HalfDoneError(`sandbox "${name}"`);
    const present = isNew ? [] : findPresent(store, name);
    const decision = decideEndpoints(connections, {
      sandbox: name,
      present,
      find: (network) => findTarget(store, network, name),
      poolsOf: (network) => pools.of(network),
      neighboursOf: ({ id, name: network }, aliases) => {
        // An alias may be the name of a sandbox with the network's name behind it.
        const shorter = aliases.map((alias) => alias.slice(0, -`.${network}`.length));
        return store.namedEndpoints(id, [...aliases, ...shorter]);
      },
      parentAddresses: ({ parent }) =>
        globalAddrs(parent, facts!.addrs).map(({ address }) => address),
      heldOn: (parent) => held.on(parent),
      holderElsewhere: (network, address) => holderElsewhere(store, network, address),
    });
    const problems = [
      ...sandboxProblems(store, request, record),
      ...settingsProblems(request),
      ...decision.ok ? [] : decision.problems,
    ];
    const decided = accept(problems.length > 0 ? { ok: false, problems } : decision);
    const sandbox: Sandbox = namespace === undefined ? withoutState(record!) : {
      name,
      created: new Date().toISOString(),
      labels,
      namespace,
      ...settingsOf(request),
      ...borrowedOf(request),
    };
    const endpoints = decided.planned.map(({ endpoint }) => endpoint);
    const records: RecordGroup = isNew ? { sandbox, endpoints } : { endpoints };
    setState(store, records, "making");
    const siblings = siblingsOf([...present.map(({ endpoint }) => endpoint), ...endpoints]);
    return {
      sandbox,
      planned: decided.planned,
      notices: decided.notices,
      giveWay: giveWay(present, siblings),
      siblings,
      records,
    };
  });
}

/**
 * Makes what is reserved, and marks it as ready. If that fails, undoes it and throws.
 *
 * @returns Why the names of the sandbox are not known in other ones.
 */
async function make(
  parts: DriverParts,
  { sandbox, planned, giveWay, siblings, records }: Reservation,
  pid: number | undefined,
  held: HeldAddresses,
): Promise<HostsFileError[]> {
  const { store, namespaces, hosts, settings, unstoppable, wait } = parts;
  // The hosts files are written while `ip` runs, so that calls at the same time share one write.
  const networks = planned.map(({ network }) => network.id);
  const hostsWritten = hosts.refresh(networks, [sandbox.name], wait);
  // It is awaited below. Until then, its failure must not end the program as an unhandled one.
  hostsWritten.catch(() => {});
  const steps = byPlace([
    ...(records.sandbox ? sandboxSteps(sandbox, pid) : []),
    ...giveWay,
    ...planned.flatMap(({ network, endpoint }) =>
      endpointSteps(network, endpoint, siblings, sandbox.path)
    ),
  ]);
  try {
    const finish = async () => {
      const own = (await hostsWritten).get(sandbox.name);
      if (own && !(own instanceof HostsMountError)) throw own;
      if (records.sandbox) await settings.apply(sandbox.name, sandbox);
      store.transaction(() => setState(store, records, "ready"));
    };
    const lookFor = (address: string) =>
      held.lookFor(address, networkOf(planned, address).parent, sandbox.name);
    await namespaces.apply(steps, finish, lookFor);
    return [...(await hostsWritten).values()];
  } catch (error) {
    await hostsWritten.catch(() => {});
    // What is left in the kernel stays on record, and the next exclusive call removes it. A record
    // that cannot be deleted now stays too. The caller needs the first error, not that one.
    if (!(error instanceof NotUndoneError)) await abandon(unstoppable, records).catch(() => {});
    if (error instanceof NamespaceNotFoundError) throw new SandboxGoneError(sandbox.name);
    throw error;
  }
}

async function abandon(parts: DriverParts, records: RecordGroup): Promise<void> {
  parts.store.transaction(() => setState(parts.store, records, "removing"));
  await deleteRecords(parts, records);
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
  holderElsewhere(network: Network, address: string): string | undefined;
}

/**
 * Decides on endpoints in turn: each one takes its addresses, link name and place from the rest.
 */
function decideEndpoints(
  connections: readonly Connection[],
  facts: ConnectFacts,
): Decision<{ planned: NetworkEndpoint[]; notices: string[] }> {
  const { sandbox, present, find, poolsOf, neighboursOf, parentAddresses, heldOn } = facts;
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
    // Not on record yet: the addresses that it gets on other networks of the parent.
    const given = planned.filter((other) => other.network.id !== network.id)
      .filter((other) => other.network.parent === network.parent)
      .flatMap(({ endpoint }) => endpointAddresses(endpoint));
    const except = [...options.except ?? [], ...given];
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
    });
    if (!decision.ok) {
      problems.push(...decision.problems);
      continue;
    }
    planned.push({ network, endpoint: decision.endpoint });
    pools.set(network.id, decision.pools);
    notices.push(...decision.notices);
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

/**
 * The steps by which the default routes that a sandbox has give way to others.
 *
 * @param siblings What its endpoints are to each other when all is made.
 * @throws {HalfDoneError} An endpoint is being made or removed, so its routes may come or go.
 */
function giveWay(present: readonly PresentEndpoint[], siblings: Siblings): Step[] {
  const before = siblingsOf(present.map(({ endpoint }) => endpoint));
  return present.flatMap(({ network, endpoint }) => {
    const addresses = linkAddresses(network, endpoint);
    const steps = rerouteSteps(network, endpoint, addresses, before, siblings);
    if (steps.length > 0 && !isReady(endpoint)) {
      throw new HalfDoneError(`connection of "${endpoint.sandbox}" to "${network.name}"`);
    }
    return steps;
  });
}

/**
 * Finds the network of a connection.
 *
 * @throws {HalfDoneError} The network, or the sandbox's connection to it, is being made or removed.
 */
function findTarget(store: Store, name: string, sandbox: string): Decision<{ network: Network }> {
  try {
    const network = findNetwork(store, name);
    if (!store.endpoints({ network: network.id, sandbox }).every(isReady)) {
      throw new HalfDoneError(`connection of "${sandbox}" to "${network.name}"`);
    }
    return { ok: true, network };
  } catch (error) {
    const isWrong = error instanceof NetworkNotFoundError || error instanceof AmbiguousIdError;
    if (!isWrong) throw error;
    return { ok: false, problems: [error] };
  }
}

/** What is on record of the namespace of an engine. */
function borrowedOf(
  { owner, path, namespaceId }: AttachRequest,
): Pick<Sandbox, "owner" | "path" | "namespaceId"> {
  return { ...owner && { owner }, ...path !== undefined && { path, namespaceId } };
}

function sandboxProblems(
  store: Store,
  request: AttachRequest,
  record: Sandbox | undefined,
): IpvlanError[] {
  const { name, namespace, owner, pid, isHost } = request;
  const isRecorded = record !== undefined;
  if (owner ?? record?.owner) return ownedProblems(store, request, record);
  const isPresent = nameIsUsed(name);
  if (namespace === undefined) {
    if (!isRecorded) return [sandboxNotFound(store, name)];
    // `ip` ends when it is to make a link in a namespace that does not exist.
    return isPresent ? [] : [new SandboxGoneError(name)];
  }
  const problem = nameProblem("sandbox", name);
  if (problem) return [problem];
  if (isRecorded) return [new SandboxExistsError(name, false)];
  if (isHost) {
    const rule = "its network namespace is that of the host itself";
    return [
      pid === undefined
        ? new InvalidOptionError("namespace", name, rule)
        : new InvalidOptionError("process id", String(pid), rule),
    ];
  }
  if (namespace === "found") return isPresent ? [] : [new NamespaceNotFoundError(name)];
  return isPresent ? [new SandboxExistsError(name, true)] : [];
}

/** What is wrong with an engine's sandbox to make or to connect. */
function ownedProblems(
  store: Store,
  { name, namespace, owner, path, namespaceId, connections }: AttachRequest,
  record: Sandbox | undefined,
): IpvlanError[] {
  if (namespace === undefined) {
    if (!record) return [sandboxNotFound(store, name)];
    const isThere = record.path === undefined || record.namespaceId === namespaceId;
    return isThere ? [] : [new SandboxGoneError(name)];
  }
  const problem = ownedNameProblem("sandbox", name, owner!);
  if (problem) return [problem];
  if (record) return [new SandboxExistsError(name, false)];
  if (path !== undefined || connections.every(({ handOver }) => handOver)) return [];
  return [
    new InvalidOptionError("namespace", "", "its path is needed, as a link is not handed over"),
  ];
}

/** Says which parents are down. */
function downNotices(
  planned: readonly NetworkEndpoint[],
  facts: HostFacts | undefined,
): string[] {
  return planned.flatMap(({ network }) => {
    const parent = facts?.links.find(({ name }) => name === network.parent);
    return parent && !parent.up ? [`The parent "${parent.name}" is down, so nothing passes`] : [];
  });
}
