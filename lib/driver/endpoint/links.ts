// Finds and deletes the links of endpoints.
//
// Root in a sandbox can rename a link, change its group and alias, remove its addresses, and move it
// to another namespace. The link keeps its parent, and usually its index. So the driver finds it by
// these two, and a removal checks that the link is gone.
import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../../base/errors.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import { type Addr, addrAdd } from "../../iproute2/addr.ts";
import { isNoNamespace } from "../../iproute2/errors.ts";
import type { Ip } from "../../iproute2/ip.ts";
import { linkAdd, linkDel } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { make } from "../../iproute2/runner.ts";
import { type EnterableNamespace, findEnterable } from "../sandbox/enterable.ts";
import { linkIndex, routingOf, temporaryName } from "./steps.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { isOwned } from "../model/names.ts";
import { isOurs, LINK_GROUP } from "../network/parent.ts";
import type { Parts } from "../addresses/parts.ts";
import { isGone } from "../run/plan.ts";
import { namespaceExists } from "../sandbox/processes.ts";
import type { EndpointRecord } from "../store/records.ts";
import type { Network, Sandbox } from "../model/types.ts";
import { orAbort, sayIfLong } from "../../base/waiting.ts";

/** Endpoints of one sandbox whose links are to be deleted. */
interface LinkRemoval {
  sandbox: Sandbox;
  removed: readonly EndpointRecord[];
  /** Its other endpoints; `undefined` if the sandbox is removed as well. */
  kept?: readonly EndpointRecord[];
  /** Whether other links may have the addresses, as the sandbox has lost them. */
  isLost?: true;
}

type SeenLinks = Pick<SeenNamespace, "links" | "addrs">;

/**
 * Returns the index of an endpoint's parent in the host; `undefined` if it is not known. Then a link
 * on any parent may be the endpoint's.
 */
type ParentOf = (endpoint: EndpointRecord) => number | undefined;

/** Whether a link is an ipvlan link. An ipvtap link is one with a character device. */
function isIpvlan({ info }: Link): boolean {
  return info.type === "ipvlan" || info.type === "ipvtap";
}

function isCandidate(link: Link, endpoint: EndpointRecord, parentOf: ParentOf): boolean {
  const parent = parentOf(endpoint);
  return isIpvlan(link) && (parent === undefined || link.linkIndex === parent);
}

function hasIndex(link: Link, endpoint: EndpointRecord): boolean {
  return link.index === linkIndex(endpoint);
}

/** Whether a link has an address of an endpoint. Only one link on a parent can have it. */
function hasAddress({ name }: Link, endpoint: EndpointRecord, addrs: readonly Addr[]): boolean {
  const own = endpointAddresses(endpoint);
  return addrs.some(({ dev, address }) => dev === name && own.includes(address));
}

/** Whether a link has an endpoint's name and the driver's mark, as a link of an earlier version. */
function hasMark(link: Link, endpoint: EndpointRecord): boolean {
  return isOurs(link) && [temporaryName(endpoint), endpoint.ifname].includes(link.name);
}

/** Finds the links of endpoints in the namespace of their sandbox, each with its endpoint. */
export function ownersOf(
  { links, addrs }: SeenLinks,
  endpoints: readonly EndpointRecord[],
  parentOf: ParentOf,
): Map<Link, EndpointRecord> {
  const owners = new Map<Link, EndpointRecord>();
  // The check that root in the sandbox can defeat least comes first, for all endpoints.
  for (const fits of [hasIndex, hasAddress, hasMark]) {
    const found = new Set(owners.values());
    for (const endpoint of endpoints.filter((endpoint) => !found.has(endpoint))) {
      const link = links.find((link) =>
        !owners.has(link) && isCandidate(link, endpoint, parentOf) && fits(link, endpoint, addrs)
      );
      if (link) owners.set(link, endpoint);
    }
  }
  return owners;
}

/**
 * Finds the links in the namespace of a sandbox that are to be deleted.
 *
 * A namespace that the driver made has no links of other programs. So a link that belongs to no
 * endpoint goes too if it is on the parent of a removed endpoint: its index may have changed when it
 * was moved out and back. With the sandbox, all ipvlan links go.
 */
export function doomedLinks(
  seen: SeenLinks,
  { sandbox, removed, kept }: LinkRemoval,
  parentOf: ParentOf,
): Link[] {
  const owners = ownersOf(seen, [...removed, ...kept ?? []], parentOf);
  const parents = new Set(removed.map(parentOf).filter((parent) => parent !== undefined));
  return seen.links.filter((link) => {
    const owner = owners.get(link);
    if (owner) return removed.includes(owner);
    if (sandbox.namespace !== "made" || !isIpvlan(link) || link.linkNetnsid === undefined) {
      return false;
    }
    return kept === undefined || parents.has(link.linkIndex!);
  });
}

/** Deletes the links of endpoints of one sandbox, wherever they are. */
export async function deleteLinks(
  parts: Parts<"store" | "namespaces" | "isRehearsal" | "wait">,
  removal: LinkRemoval,
): Promise<void> {
  let missing = removal.removed;
  for (const ip of homesOf(parts, removal)) {
    if (missing.length > 0) {
      missing = await deleteInside(parts, { ...removal, removed: missing }, ip);
    }
  }
  if (missing.length > 0 && !parts.isRehearsal) {
    await deleteElsewhere(parts, removal, missing);
  }
}

/**
 * Returns an `ip` for each namespace where a sandbox's links should be. An engine moves a link that
 * was handed over from the host's namespace into its own, and back before the end.
 */
export function homesOf(
  { namespaces }: Parts<"namespaces">,
  { sandbox, removed }: LinkRemoval,
): Ip[] {
  const { name, path } = sandbox;
  if (!isOwned(name) && !namespaceExists(name)) return [];
  const inside = namespaces.inside(name, true);
  const isGivenBack = path !== undefined && removed.some(({ handOver }) => handOver);
  return isGivenBack ? [namespaces.host(), inside] : [inside];
}

/** How often to delete links that have come back, or that have another index. */
const ROUNDS = 4;

/** The reason and the advice for a link that comes back each time. */
const COMES_BACK = "it is there again each time it is deleted: end what runs in the sandbox first";

/**
 * Deletes the links that are in the sandbox's namespace, and returns the endpoints of the others.
 * One process is enough if the links have their indexes.
 *
 * @param ip Runs `ip` there, and goes on after a line that failed.
 */
async function deleteInside(
  parts: Parts<"store" | "namespaces" | "isRehearsal">,
  removal: LinkRemoval,
  ip: Ip,
): Promise<readonly EndpointRecord[]> {
  const { sandbox, removed, kept } = removal;
  // With the sandbox, all ipvlan links go, whatever their parents are.
  const needsParents = kept !== undefined || sandbox.namespace !== "made";
  const parents = needsParents ? readParents(parts, [...removed, ...kept ?? []]) : () => undefined;
  const done = new Set<EndpointRecord>();
  const asked = new Set<number>();
  // The second check is for a file that no longer leads to a namespace.
  const isEnding = (error: unknown) => isGone(error) || isNoNamespace(error);
  let indexes = removed.map(linkIndex);
  // The kernel keeps rules when the link that they lead to goes.
  const rules = removed.filter(({ handOver }) => !handOver)
    .flatMap((endpoint) => routingOf(networkOf(parts, endpoint), endpoint, "equal").rules);
  const ruleless = rules.map((rule) =>
    unlessGone(() => ip.rule.del(rule)).catch((error) => {
      if (!isEnding(error)) throw error;
    })
  );
  for (let round = 0; round < ROUNDS; round++) {
    const [parentOf, { before, after, addrs, deleted }] = await Promise.all([
      parents,
      deleteByIndex(ip, indexes, isEnding),
      ...ruleless.splice(0),
    ]);
    for (const [link, endpoint] of ownersOf({ links: before, addrs }, removed, parentOf)) {
      if (deleted.has(link.index)) done.add(endpoint);
    }
    for (const index of indexes) asked.add(index);
    const doomed = doomedLinks({ links: after, addrs }, removal, parentOf)
      .map(({ index }) => index);
    // In a dry run, the deleted links are still there.
    indexes = parts.isRehearsal ? doomed.filter((index) => !asked.has(index)) : doomed;
    if (indexes.length === 0) return removed.filter((endpoint) => !done.has(endpoint));
  }
  throw leftError(parts, removed[0]!, COMES_BACK);
}

/**
 * Deletes links in a namespace. Resolves to those before and after, and to the indexes of the deleted.
 *
 * @param isEnding Whether an error means that the namespace has no links any more.
 */
async function deleteByIndex(
  ip: Ip,
  indexes: readonly number[],
  isEnding: (error: unknown) => boolean,
) {
  const looked = Promise.all([ip.link.show(), ip.addr.show()]);
  const lines = Promise.all(indexes.map((index) => unlessGone(() => ip.link.del({ index }))));
  try {
    const [[before, addrs], after, exist] = await Promise.all([looked, ip.link.show(), lines]);
    return { before, after, addrs, deleted: new Set(indexes.filter((_, place) => exist[place])) };
  } catch (error) {
    if (!isEnding(error)) throw error;
    return { before: [], after: [], addrs: [], deleted: new Set<number>() };
  }
}

/** Runs a removal, which may find nothing. Resolves to whether there was something to remove. */
export async function unlessGone(remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (!isGone(error)) throw error;
    return false;
  }
}

async function readParents(
  parts: Parts<"store" | "namespaces">,
  endpoints: readonly EndpointRecord[],
): Promise<ParentOf> {
  const links = await parts.namespaces.host().link.show();
  const indexByName = new Map(links.map(({ name, index }) => [name, index]));
  const indexByNetwork = new Map(endpoints.map((endpoint) => {
    const { id, parent } = networkOf(parts, endpoint);
    return [id, indexByName.get(parent)];
  }));
  return ({ network }) => indexByNetwork.get(network);
}

function networkOf({ store }: Parts<"store">, { network }: EndpointRecord): Network {
  return store.networkById(network)!;
}

function leftError(
  parts: Parts<"store">,
  endpoint: EndpointRecord,
  reason: string,
): IpvlanErrorOf<"link-left"> {
  return new IpvlanError("link-left", {
    sandbox: endpoint.sandbox,
    network: networkOf(parts, endpoint).name,
    reason,
  });
}

/** A link that is not in its sandbox and must be found. */
interface LostLink {
  endpoint: EndpointRecord;
  /** The namespaces to delete it in by its index: that of the sandbox, and where it was seen. */
  places: Set<EnterableNamespace>;
  /** Its description when it was last seen: `the link "eth0" in the namespace "web"`. */
  seenAs?: string;
  /** Another link that has an address of the endpoint, described in the same way. */
  holder?: string;
  isDeleted: boolean;
}

/**
 * How often to search for a link that was seen and not deleted, and for one that was not seen. A
 * program may move it back and forth all the time.
 */
const PASSES = { seen: 20, unseen: 4 };

/**
 * Finds and deletes links that are not in their sandbox. A link that is in no namespace that can be
 * entered counts as deleted if its addresses are free.
 */
async function deleteElsewhere(
  parts: Parts<"store" | "namespaces" | "wait">,
  { sandbox: { name: sandbox }, isLost }: LinkRemoval,
  missing: readonly EndpointRecord[],
): Promise<void> {
  const parentOf = await readParents(parts, missing);
  // Links are deleted with their parent.
  const all = missing.filter((endpoint) => parentOf(endpoint) !== undefined)
    .map((endpoint): LostLink => ({ endpoint, places: new Set(), isDeleted: false }));
  if (all.length === 0) return;
  const { run, hostName } = parts.namespaces;
  const namespaces = await findEnterable(run, hostName);
  const home = namespaces.find(({ names }) => names.includes(sandbox));
  if (home) all.forEach(({ places }) => places.add(home));
  for (let pass = 0; pass < PASSES.seen; pass++) {
    const lost = all.filter(({ isDeleted }) => !isDeleted);
    if (!lost.some(({ seenAs }) => seenAs !== undefined || pass < PASSES.unseen)) break;
    for (const namespace of namespaces) {
      // Only root of the machine can name a namespace: root in a sandbox hides links in unnamed ones.
      const isNamed = namespace.names.length > 0;
      const isLikely = !isNamed || lost.some(({ places }) => places.has(namespace));
      if (pass === 0 || isLikely) await deleteLostIn(parts, namespace, lost, parentOf);
    }
  }
  for (const { endpoint, seenAs, holder, isDeleted } of all) {
    if (isDeleted) continue;
    if (seenAs !== undefined) throw leftError(parts, endpoint, `it was ${seenAs}; ${COMES_BACK}`);
    if (!isLost) await requireFree(parts, endpoint, holder);
  }
}

async function deleteLostIn(
  parts: Parts<"store" | "namespaces">,
  namespace: EnterableNamespace,
  lost: readonly LostLink[],
  parentOf: ParentOf,
): Promise<void> {
  const { netns, where, names } = namespace;
  // By chance, two sandboxes may have a link with the same index.
  const ids = new Set(lost.map(({ endpoint }) => endpoint.id));
  const others = names.flatMap((sandbox) => parts.store.endpoints({ sandbox }))
    .filter(({ id }) => !ids.has(id));
  const ip = parts.namespaces.inside(netns, true);
  // A namespace that is ending cannot be entered, and has no links.
  const cannotEnter = (error: unknown) => error instanceof IpvlanError;
  for (let isNew = true; isNew;) {
    isNew = false;
    const asked = lost.filter(({ places, isDeleted }) => places.has(namespace) && !isDeleted);
    const indexes = asked.map(({ endpoint }) => linkIndex(endpoint));
    const { before, after, addrs, deleted } = await deleteByIndex(ip, indexes, cannotEnter);
    const links = before.filter((link) => !others.some((each) => hasIndex(link, each)));
    for (const each of lost) {
      const { endpoint, places } = each;
      const candidates = links.filter((link) => isCandidate(link, endpoint, parentOf));
      const link = candidates.find((link) => hasIndex(link, endpoint));
      const holder = candidates.find((link) => hasAddress(link, endpoint, addrs));
      if (link) {
        isNew ||= !places.has(namespace);
        places.add(namespace);
        each.seenAs = `the link "${link.name}" ${where}`;
        each.isDeleted ||= deleted.has(link.index) &&
          !after.some(({ index }) => index === link.index);
      } else if (holder) {
        each.holder = `the link "${holder.name}" ${where}`;
      }
    }
  }
}

/** How long to wait for an address, and the time between two tries, in milliseconds. */
const [TIMEOUT, INTERVAL] = [5000, 100];

/**
 * Waits until the addresses of an endpoint without a link are free. The kernel deletes the links of
 * a namespace a moment after the namespace.
 */
async function requireFree(
  parts: Parts<"store" | "namespaces" | "wait">,
  endpoint: EndpointRecord,
  holder: string | undefined,
): Promise<void> {
  const deadline = performance.now() + (holder === undefined ? TIMEOUT : 0);
  const { parent } = networkOf(parts, endpoint);
  const { signal, waiting } = parts.wait;
  using _notice = sayIfLong(
    waiting,
    () => `Waiting for another link on "${parent}" to give up an address of "${endpoint.sandbox}"`,
  );
  for (;;) {
    const held = await findHeld(parts, endpoint);
    if (held === undefined) return;
    if (performance.now() > deadline) {
      const [who, advice] = holder === undefined
        ? [`a link on "${parent}" that cannot be found`, "end what the sandbox has started"]
        : [holder, "delete that link"];
      throw leftError(parts, endpoint, `its address ${held} is held by ${who}; ${advice}`);
    }
    await orAbort(new Promise((resolve) => setTimeout(resolve, INTERVAL)), signal);
  }
}

/**
 * Finds an address of an endpoint that some link on the parent has. Only the kernel knows all those
 * links: it refuses the address to a second one. So we make a link and give it the address. That link
 * is down, so the address is not used.
 */
async function findHeld(
  parts: Parts<"store" | "namespaces">,
  endpoint: EndpointRecord,
): Promise<string | undefined> {
  const { mode, flag, parent } = networkOf(parts, endpoint);
  const name = `a-${endpoint.id}`;
  const addresses = endpointAddresses(endpoint);
  const { session } = parts.namespaces.host();
  const lines = [
    linkAdd({ type: "ipvlan", name, link: parent, mode, flag, group: LINK_GROUP }),
    ...addresses.map((address) => {
      const isIPv6 = familyOf(address) === 6;
      return addrAdd({ dev: name, address: `${address}/${isIPv6 ? 128 : 32}`, nodad: isIPv6 });
    }),
    linkDel(name),
  ];
  const [added, ...results] = await Promise.allSettled(lines.map((line) => make(session, line)));
  if (added!.status === "rejected" && !isHarmless(added!.reason)) throw added!.reason;
  return addresses.find((_, index) => {
    const result = results[index]!;
    return result.status === "rejected" && isIpvlanError(result.reason, "ip-command") &&
      result.reason.errno === "EADDRINUSE";
  });
}

/**
 * Whether the kernel refused that link for a harmless reason: the parent is gone, it carries no ipvlan
 * links (`EBUSY`), or an `ip` that was killed has left the link (`EEXIST`).
 */
export function isHarmless(reason: unknown): boolean {
  return isGone(reason) ||
    isIpvlanError(reason, "ip-command") && ["EBUSY", "EEXIST"].includes(reason.errno);
}
