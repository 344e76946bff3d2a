import type { SharedPools } from "../../claims/shared_pools.ts";
import {
  failureOf,
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
  notUndone,
} from "../../base/errors.ts";
import { randomHex } from "../../base/random.ts";
import { addressIn, endpointAddresses } from "../../ipam/address.ts";
import { HeldAddresses } from "../addresses/held_addresses.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { lookUpNames } from "../addresses/shared/names.ts";
import { doubtsAbout, isShared, tell } from "../addresses/shared/pools.ts";
import type { HostFacts } from "../model/facts.ts";
import { nameProblem } from "../model/names.ts";
import { settingsOf } from "../model/settings.ts";
import type { Connection, MadeEndpoint, Network, Sandbox } from "../model/types.ts";
import { byPlace, type Step } from "../run/plan.ts";
import { noticeHosts } from "../sandbox/hosts.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { PresentEndpoint } from "../store/find.ts";
import { isReady, withoutState } from "../store/store.ts";
import { type AttachRequest, decide, type PlannedEndpoint } from "./attach_request.ts";
import { askSteps } from "./ask.ts";
import { obtainLeases } from "./lease.ts";
import { deleteRecords, disconnect, type RecordGroup, removeSandbox, setState } from "./remove.ts";
import { reserveMore } from "./reserve.ts";
import { type NetworkEndpoint, type Siblings, siblingsOf, toEndpoint } from "./routes.ts";
import { lookForRoutes, parentLink, requireParents } from "./sandbox_parent.ts";
import { endpointSteps, rerouteSteps, sandboxSteps } from "./steps.ts";
import { takeShared } from "./take.ts";

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

export interface Attached {
  sandbox: Sandbox;
  /** Its new endpoints, in the order asked for. */
  endpoints: MadeEndpoint[];
  notices: string[];
}

/** A sandbox and endpoints that are on record as `making`. */
interface Reservation {
  sandbox: Sandbox;
  present: NetworkEndpoint[];
  planned: PlannedEndpoint[];
  notices: string[];
  steps: Step[];
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
    const { pools, value: reservation } = await takeShared(
      parts,
      request,
      facts,
      held,
      () => void decide(parts, request, facts, held),
      (connections) => reserve(parts, { ...request, connections }, facts, held),
    );
    let said: string[];
    try {
      const made = make(parts, reservation, facts, held);
      const told = pools ? tellAndLookUp(parts, pools, reservation) : Promise.resolve([]);
      // If one fails, the other still runs to its end.
      await Promise.allSettled([made, told]);
      const stale = await made;
      said = [...await told, ...stale.map(({ message }) => message)];
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
      const { parent } = networkWith(reservation.planned, address);
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
  await parts.store.sync();
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

function networkWith(planned: readonly NetworkEndpoint[], address: string): Network {
  return planned.find(({ endpoint }) => givenAddresses(endpoint).includes(address))!.network;
}

/** Lists the addresses of an endpoint or of a connection, with the link-local ones. */
function givenAddresses(
  { linkLocalAddresses = [], ...endpoint }: EndpointRecord | Connection,
): string[] {
  return [...endpointAddresses(endpoint), ...linkLocalAddresses];
}

function isAskedFor(connections: readonly Connection[], address: string): boolean {
  return connections.flatMap(givenAddresses)
    .some((given) => addressIn(given) === address);
}

function toAttached(
  { sandbox, present, planned, notices }: Reservation,
  facts: HostFacts | undefined,
  more: readonly string[],
): Attached {
  return {
    sandbox,
    endpoints: planned.map((each) => {
      // An ipvlan link has the MAC address of its parent.
      const { address: mac, mtu = undefined } = parentLink(each, facts) ?? {};
      const own = toEndpoint(each, [...present, ...planned]);
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
export function reserve(
  parts: Parts<"store" | "pools">,
  request: AttachRequest,
  facts: HostFacts | undefined,
  held: HeldAddresses,
): Reservation {
  const { store } = parts;
  const { name, labels = {}, namespace, pid } = request;
  // What a power cut undoes here, it undoes in the kernel, too.
  return store.transactionAhead(() => {
    const { record, present, planned, notices } = decide(parts, request, facts, held);
    const isNew = namespace !== undefined;
    const sandbox: Sandbox = isNew
      ? {
        id: randomHex(32),
        name,
        created: new Date().toISOString(),
        labels,
        namespace,
        ...settingsOf(request),
        ...borrowedOf(request),
      }
      : withoutState(record!);
    const endpoints = planned.map(({ endpoint }) => endpoint);
    const records: RecordGroup = isNew ? { sandbox, endpoints } : { endpoints };
    setState(store, records, "making");
    const siblings = siblingsOf([...present.map(({ endpoint }) => endpoint), ...endpoints]);
    const steps = [
      ...askSteps(planned),
      ...byPlace([
        ...isNew ? sandboxSteps(sandbox, pid) : [],
        ...giveWay(present, siblings),
        ...planned.flatMap(({ network, endpoint }) =>
          endpointSteps(
            network,
            endpoint,
            siblings,
            sandbox.path,
            parentLink({ network, endpoint }, facts)?.address,
          )
        ),
      ]),
    ];
    return { sandbox, present, planned, notices, steps, records };
  });
}

/** Makes what is reserved, or undoes it. Resolves to why hosts files lack its names. */
async function make(
  parts: DriverParts,
  { sandbox, present, planned, steps, records }: Reservation,
  facts: HostFacts | undefined,
  held: HeldAddresses,
): Promise<IpvlanErrorOf<"hosts-file">[]> {
  const { store, namespaces, hosts, settings, unstoppable, wait } = parts;
  // The hosts files are written while `ip` runs, so that concurrent calls share one write.
  const networks = planned.map(({ network }) => network.id);
  const hostsWritten = hosts.refresh(networks, [sandbox.name], wait);
  // It is awaited below. Until then, its failure must not end the program as an unhandled rejection.
  hostsWritten.catch(() => {});
  try {
    const finish = async () => {
      await requireParents(parts, sandbox.name, planned, facts);
      const leased = planned.filter(({ network }) => network.dhcp);
      if (leased.length > 0) {
        const siblings = siblingsOf([...present, ...planned].map(({ endpoint }) => endpoint));
        await obtainLeases(parts, leased, siblings, "making");
        await hosts.refresh(leased.map(({ network }) => network.id), [sandbox.name], wait);
      }
      const own = (await hostsWritten).get(sandbox.name);
      if (own) throw own;
      if (records.sandbox) await settings.apply(sandbox.name, sandbox);
      store.transactionAhead(() => {
        setState(store, records, "ready");
        for (const { network: { id }, endpoint, reserveAs } of planned) {
          if (reserveAs === undefined) continue;
          const { state, next, ...network } = store.networkById(id)!;
          const addresses = endpointAddresses(endpoint);
          store.putNetwork(reserveMore(network, reserveAs, addresses), state, next);
        }
      });
    };
    const lookFor = (address: string) =>
      held.lookFor(address, networkWith(planned, address).parent, sandbox.name);
    const orRelease = (error: unknown) =>
      unstoppable.dhcp.release(records.endpoints).then(() => Promise.reject(error));
    await namespaces.apply(steps, () => finish().catch(orRelease), lookFor);
    return [...(await hostsWritten).values()];
  } catch (error) {
    await hostsWritten.catch(() => {});
    // What is left in the kernel stays on record, and the next exclusive call removes it. So does a
    // record that cannot be deleted now. The caller needs the first error, not that one.
    if (!isIpvlanError(error, "not-undone")) {
      await failureOf(async () => {
        store.transaction(() => setState(store, records, "removing"));
        await deleteRecords(unstoppable, records);
      });
    }
    if (isIpvlanError(error, "namespace-not-found")) {
      throw new IpvlanError("sandbox-gone", { sandbox: sandbox.name });
    }
    throw error;
  }
}

/** The steps that change the routing of a sandbox's present endpoints for new ones. */
export function giveWay(present: readonly PresentEndpoint[], siblings: Siblings): Step[] {
  const before = siblingsOf(present.map(({ endpoint }) => endpoint));
  return present.flatMap((each) => {
    const { network, endpoint } = each;
    const steps = rerouteSteps(each, before, siblings);
    // One that is being made or removed may get or lose its routes.
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

export function downNotices(
  planned: readonly NetworkEndpoint[],
  facts: HostFacts | undefined,
): string[] {
  return planned.flatMap((each) => {
    const parent = parentLink(each, facts);
    return parent && !parent.up ? [`The parent "${parent.name}" is down, so nothing passes`] : [];
  });
}
