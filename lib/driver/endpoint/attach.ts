import type { SharedPools } from "../../claims/shared_pools.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import { formatAddress, parseAddress } from "../../ipam/mod.ts";
import {
  type AttachRequest,
  decide,
  type NetworkEndpoint,
  type PresentEndpoint,
} from "./attach_request.ts";
import { takeShared } from "./take.ts";
import { deleteRecords, type RecordGroup, setState } from "./drop.ts";
import { rerouteSteps, type Siblings, siblingsOf } from "./default_routes.ts";
import { endpointSteps, linkAddresses, sandboxSteps, toEndpoint } from "./decide.ts";
import {
  failureOf,
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
  notUndone,
} from "../../base/errors.ts";
import { HeldAddresses } from "../addresses/held_addresses.ts";
import { noticeHosts } from "../sandbox/hosts.ts";
import { nameProblem } from "../model/names.ts";
import type { HostFacts } from "../model/facts.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { randomHex } from "../../base/random.ts";
import { byPlace, type Step } from "../run/plan.ts";
import { settingsOf } from "../model/settings.ts";
import type { EndpointRecord } from "../store/records.ts";
import { lookForRoutes, parentLink, requireParents } from "./sandbox_parent.ts";
import { disconnect, removeSandbox } from "./remove.ts";
import { doubtsAbout, giveBack, isShared, tell } from "../addresses/shared/pools.ts";
import { lookUpNames } from "../addresses/shared/names.ts";
import { isReady, withoutState } from "../store/store.ts";
import type { Connection, MadeEndpoint, Network, Sandbox } from "../model/types.ts";

/** The file of the namespace that a new sandbox adopts; `undefined` if it adopts none. */
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
  /** Notices for the user. */
  notices: string[];
}

/** A sandbox and endpoints that are on record as `making`. */
interface Reservation {
  sandbox: Sandbox;
  planned: NetworkEndpoint[];
  /** Notices for the user about their addresses. */
  notices: string[];
  /** The steps that change the metrics of its present default routes. */
  giveWay: Step[];
  /** Whether the sandbox then has several endpoints, and one with a priority. */
  siblings: Siblings;
  /** The records in state `making`; with the sandbox if it is new. */
  records: RecordGroup;
}

/**
 * How often to choose other addresses when other links hold those that were chosen. One retry is
 * enough for all links that can be found. For any other link, the kernel is asked for five seconds.
 */
const MAX_RETRIES = 3;

/**
 * Connects a sandbox, and makes it if it is new. If anything fails, nothing is changed.
 *
 * The driver cannot know all links that hold addresses on a parent. When the kernel refuses an
 * address that the driver has chosen, everything is undone and made again with the next address. If
 * another program has made the same route in the sandbox, ours is made again with a worse metric.
 *
 * @param known The host's links and addresses; only needed if there are connections to make.
 */
export async function attach(
  parts: DriverParts,
  request: AttachRequest,
  known: HostFacts | undefined,
): Promise<Attached> {
  let facts = known;
  const held = new HeldAddresses(parts.namespaces, facts);
  for (let retries = 0;; retries++) {
    const { connections, pools, taken } = await takeShared(parts, request, facts, held);
    let reservation: Reservation;
    try {
      reservation = reserve(parts, { ...request, connections }, facts, held);
    } catch (error) {
      if (pools) giveBack(parts, pools, taken);
      throw error;
    }
    // From here on, the addresses belong to the records.
    let said: string[];
    try {
      const [stale, untold] = await both(
        make(parts, reservation, { ...request, facts, held }),
        pools ? tellAndLookUp(parts, pools, reservation) : Promise.resolve([]),
      );
      said = [...untold, ...stale.map(({ message }) => message)];
    } catch (error) {
      if (isIpvlanError(error, "route-exists") && facts && !facts.inside) {
        const inside = await lookForRoutes(parts, request);
        if (!inside) throw error;
        facts = { ...facts, inside };
        continue;
      }
      if (!isIpvlanError(error, "address-held") || retries === MAX_RETRIES) throw error;
      const { address, holder } = error;
      if (isAskedFor(request.connections, address)) throw error;
      const { parent } = networkOf(reservation.planned, address);
      held.add([{ address, holder, parent, names: [] }]);
      continue;
    }
    await requireOwn(parts, reservation);
    return toAttached(reservation, facts, said);
  }
}

/** Tells etcd of new endpoints, and asks it for the names on their networks. */
async function tellAndLookUp(
  parts: Parts<"store" | "hosts" | "hasAgent" | "wait">,
  pools: SharedPools,
  { planned }: Reservation,
): Promise<string[]> {
  const untold = await tell(pools);
  // If etcd is out of reach, do not ask it again.
  if (untold.length > 0 || parts.hasAgent()) return untold;
  const shared = planned.map(({ network }) => network).filter(isShared);
  await lookUpNames(parts, pools, shared);
  // If a file cannot be written, a later call writes it.
  await parts.hosts.refresh(shared.map(({ id }) => id), [], parts.wait).catch(() => {});
  return pools.damaged();
}

/** Removes the new endpoints and throws if an address turns out to be another host's. */
async function requireOwn(
  { store, unstoppable }: Parts<"store" | "unstoppable">,
  { sandbox: { name }, planned, records }: Reservation,
): Promise<void> {
  const [doubt] = doubtsAbout(store, planned.map(({ endpoint }) => endpoint)).values();
  if (!doubt) return;
  const failure = await failureOf(async () => {
    if (records.sandbox) return await removeSandbox(unstoppable, name);
    for (const { network, endpoint } of planned) {
      await disconnect(unstoppable, network.name, name, endpoint.ifname);
    }
  });
  throw failure === undefined ? doubt : notUndone(doubt, failure);
}

/** Waits for both, also when one fails. */
async function both<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return [await one, await other];
}

/** Finds the network on which one of the endpoints has an address. */
function networkOf(planned: readonly NetworkEndpoint[], address: string): Network {
  return planned.find(({ endpoint }) => givenAddresses(endpoint).includes(address))!.network;
}

/** Lists the addresses of an endpoint or of a connection, with the link-local ones. */
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
  more: readonly string[],
): Attached {
  return {
    sandbox,
    endpoints: planned.map((each) => {
      // An ipvlan link has the MAC address of its parent.
      const { address: mac, mtu = undefined } = parentLink(each, facts) ?? {};
      const own = toEndpoint(each.network, each.endpoint);
      return { ...own, mac, mtu: each.network.mtu ?? mtu };
    }),
    notices: planned.length === 0 ? [] : [
      ...notices,
      ...downNotices(planned, facts),
      ...noticeHosts(),
      ...more,
    ],
  };
}

/** Records the sandbox and its endpoints as `making`, or throws everything that is wrong. */
function reserve(
  parts: Parts<"store" | "pools">,
  request: AttachRequest,
  facts: HostFacts | undefined,
  held: HeldAddresses,
): Reservation {
  const { store } = parts;
  const { name, labels = {}, namespace } = request;
  const isNew = namespace !== undefined;
  return store.transaction(() => {
    const decided = decide(parts, request, facts, held);
    const { record, present } = decided;
    const sandbox: Sandbox = namespace === undefined ? withoutState(record!) : {
      id: randomHex(32),
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

/** Makes what is reserved, or undoes it. Resolves to why hosts files lack its names. */
async function make(
  parts: DriverParts,
  { sandbox, planned, giveWay, siblings, records }: Reservation,
  { pid, facts, held }: { pid?: number; facts: HostFacts | undefined; held: HeldAddresses },
): Promise<IpvlanErrorOf<"hosts-file">[]> {
  const { store, namespaces, hosts, settings, unstoppable, wait } = parts;
  // The hosts files are written while `ip` runs, so that concurrent calls share one write.
  const networks = planned.map(({ network }) => network.id);
  const hostsWritten = hosts.refresh(networks, [sandbox.name], wait);
  // It is awaited below. Until then, its failure must not end the program as an unhandled rejection.
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
      await requireParents(parts, sandbox.name, planned, facts);
      const own = (await hostsWritten).get(sandbox.name);
      if (own) throw own;
      if (records.sandbox) await settings.apply(sandbox.name, sandbox);
      store.transaction(() => setState(store, records, "ready"));
    };
    const lookFor = (address: string) =>
      held.lookFor(address, networkOf(planned, address).parent, sandbox.name);
    await namespaces.apply(steps, finish, lookFor);
    return [...(await hostsWritten).values()];
  } catch (error) {
    await hostsWritten.catch(() => {});
    // What is left in the kernel stays on record, and the next exclusive call removes it. So does a
    // record that cannot be deleted now. The caller needs the first error, not that one.
    if (!isIpvlanError(error, "not-undone")) await abandon(unstoppable, records).catch(() => {});
    if (isIpvlanError(error, "namespace-not-found")) {
      throw new IpvlanError("sandbox-gone", { sandbox: sandbox.name });
    }
    throw error;
  }
}

async function abandon(
  parts: Parts<"store" | "hosts" | "settings" | "openShared" | "wait">,
  records: RecordGroup,
): Promise<void> {
  parts.store.transaction(() => setState(parts.store, records, "removing"));
  await deleteRecords(parts, records);
}

/**
 * The steps that change the metrics of a sandbox's present default routes for new endpoints.
 *
 * @throws {"half-done"} An endpoint is being made or removed, so its routes may come or go.
 */
export function giveWay(present: readonly PresentEndpoint[], siblings: Siblings): Step[] {
  const before = siblingsOf(present.map(({ endpoint }) => endpoint));
  return present.flatMap(({ network, endpoint }) => {
    const addresses = linkAddresses(network, endpoint);
    const steps = rerouteSteps(network, endpoint, addresses, before, siblings);
    if (steps.length > 0 && !isReady(endpoint)) {
      throw new IpvlanError("half-done", {
        what: `connection of "${endpoint.sandbox}" to "${network.name}"`,
      });
    }
    return steps;
  });
}

/** The fields of a sandbox's record that an engine gives: its owner and its namespace. */
export function borrowedOf(
  { owner, path, namespaceId }: AttachRequest,
): Pick<Sandbox, "owner" | "path" | "namespaceId"> {
  return { ...owner && { owner }, ...path !== undefined && { path, namespaceId } };
}

/** Writes a notice for each parent that is down. */
export function downNotices(
  planned: readonly NetworkEndpoint[],
  facts: HostFacts | undefined,
): string[] {
  return planned.flatMap((each) => {
    const parent = parentLink(each, facts);
    return parent && !parent.up ? [`The parent "${parent.name}" is down, so nothing passes`] : [];
  });
}
