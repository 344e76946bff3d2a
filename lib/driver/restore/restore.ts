import { isOwned } from "../model/names.ts";
import {
  accept,
  type Decision,
  failureOf,
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
} from "../../base/errors.ts";
import { linkDel, linkSet } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { netnsDel } from "../../iproute2/netns.ts";
import { restoreHostSteps } from "../network/host_steps.ts";
import { askSteps } from "../endpoint/ask.ts";
import { obtainLeases } from "../endpoint/lease.ts";
import { siblingsOf } from "../endpoint/routes.ts";
import { deleteLinks } from "../endpoint/links.ts";
import { linkIndex, sandboxSteps } from "../endpoint/steps.ts";
import { byLinkName, isOurs } from "../network/parent.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { byPlace, CALLER, type Step } from "../run/plan.ts";
import type { Recovery } from "./leftovers.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { type EndpointRepair, endpointRepair, hasTables } from "./repair.ts";
import { doubtsAbout } from "../addresses/shared/pools.ts";
import type { EndpointRecord } from "../store/records.ts";
import { isReady, withoutState } from "../store/store.ts";
import type { Network, RestoreReport, Sandbox } from "../model/types.ts";
import { lookInside } from "../run/namespaces.ts";
import { LinkMonitor } from "../run/monitor.ts";
import { pause, sayIfLong } from "../../base/waiting.ts";
import { restoreParents } from "../network/create.ts";

/**
 * Makes again everything on record that the kernel lacks, and repairs what differs. Reports a failure,
 * and continues with the rest. The caller must hold the exclusive lock.
 */
export async function restore(parts: DriverParts, recovery: Recovery): Promise<RestoreReport> {
  const { store, namespaces, borrowed, processes, hosts, wait } = parts;
  // The `ip` of a driver that was killed may still be running its lines.
  await processes.idle(wait);
  const networks = store.networks().filter(isReady).map(withoutState);
  const sandboxes = store.sandboxes().filter(isReady).map(withoutState);
  const all = store.endpoints().filter(isReady);
  const endpoints = Map.groupBy(all, ({ sandbox }) => sandbox);
  const [links, named, present] = await Promise.all([
    namespaces.host().link.show(),
    namespaces.caller().netns.list(),
    borrowed.present(sandboxes),
  ]);
  const failures = await restoreParents(parts, networks, links);
  const accessed = networks.filter(({ hostAccess }) => hostAccess);
  const after = byLinkName(accessed.length > 0 ? await namespaces.host().link.show() : links);
  const facts: HostView = {
    networks: new Map(networks.map((network) => [network.id, network])),
    lost: new Set(failures.keys()),
    doubts: doubtsAbout(store, all),
    links: after,
    indexes: new Set(links.map(({ index }) => index)),
    names: new Set([...named, ...present]),
  };
  const { lost } = facts;
  // Before the sandboxes, as the host's routes to them lead to links of these networks.
  if (accessed.length > 0) {
    await restoreHostSteps(parts, { networks: accessed, lost, links: after });
  }
  const restored = await Promise.all(
    sandboxes.map((each) => restoreSandbox(parts, each, endpoints.get(each.name) ?? [], facts)),
  );
  const connected = new Set(restored.flatMap((each) => [...each.connected]));
  const host = { networks, endpoints: all, connected, lost, links: after };
  const beside = await restoreHostSteps(parts, host);
  const names = sandboxes.map(({ name }) => name);
  const stale: ReadonlyMap<string, Error> = await hosts.refresh([], names, wait)
    .catch((error) => new Map(names.map((name) => [name, error])));
  return toReport(recovery, [
    ...networks.map(({ id, name }): Restored => {
      const reason = (failures.get(id) ?? beside.get(id))?.message;
      return { kind: "network", name, reasons: reason === undefined ? [] : [reason] };
    }),
    ...restored.map((each): Restored => {
      const reason = stale.get(each.name)?.message;
      if (reason === undefined) return each;
      return { ...each, reasons: [...each.reasons, reason], holder: undefined };
    }),
  ]);
}

/** The shortest time between two tries, in milliseconds. */
const RETRY = 500;

/** Restores each time the host's links change, until all is there or the time is up. */
export async function restoreUntil(
  seconds: number,
  { namespaces, wait: { signal, waiting } }: Parts<"namespaces" | "wait">,
  restoreOnce: () => Promise<RestoreReport>,
): Promise<RestoreReport> {
  if (seconds === 0) return await restoreOnce();
  // Started before the first try, so that it misses few links that appear after that.
  await using links = new LinkMonitor(namespaces.hostName);
  const time = AbortSignal.timeout(seconds * 1000);
  const deadline = signal ? AbortSignal.any([time, signal]) : time;
  let report: RestoreReport | undefined;
  using _notice = sayIfLong(waiting, () => {
    const [first, ...others] = report?.missing ?? [];
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    return first ? `Waiting to restore the ${first.kind} "${first.name}"${more}` : "Restoring";
  });
  for (;;) {
    report = await restoreOnce();
    // The last try is after the deadline, for a link that appeared just before it.
    // An address that another host has now is not waited for.
    if (report.missing.every(({ holder }) => holder !== undefined) || deadline.aborted) {
      return report;
    }
    // A try that fails makes and undoes links, and so may cause the next change itself.
    await pause(RETRY, deadline);
    await links.changed(deadline);
  }
}

interface Restored {
  kind: "network" | "sandbox";
  name: string;
  /** Why it is not complete, in sentences. Empty if everything is there. */
  reasons: readonly string[];
  /** The other host that has its address now, if nothing else is wrong. */
  holder?: string;
  notices?: readonly string[];
}

export function toReport(
  { undone, missing }: Recovery,
  restored: readonly Restored[],
): RestoreReport {
  const namesOf = (wanted: Restored["kind"]) =>
    restored.filter(({ kind, reasons }) => kind === wanted && reasons.length === 0)
      .map(({ name }) => name);
  const failed = restored.filter(({ reasons }) => reasons.length > 0)
    .map(({ kind, name, reasons, holder }) => ({
      kind,
      name,
      reason: [...new Set(reasons)].join("; "),
      ...holder !== undefined && { holder },
    }));
  const notices = restored.flatMap(({ notices = [] }) => notices);
  return {
    networks: namesOf("network"),
    sandboxes: namesOf("sandbox"),
    missing: [...missing, ...failed],
    undone,
    ...notices.length > 0 && { notices },
  };
}

interface HostView {
  /** By id. */
  networks: ReadonlyMap<string, Network>;
  /** The ids of the networks whose parents could not be restored. */
  lost: ReadonlySet<string>;
  /** The errors of endpoints that get no link: another host has their addresses, or may have them. */
  doubts: ReadonlyMap<EndpointRecord, IpvlanError>;
  /** The links of the host, by name; before the parents are restored, if nothing needs them after. */
  links: ReadonlyMap<string, Link>;
  indexes: ReadonlySet<number>;
  /** The names of the sandboxes that have a namespace, or a file with the name of one. */
  names: ReadonlySet<string>;
}

/** Restores a sandbox. Deletes a link if another host has its address now. */
async function restoreSandbox(
  parts: Parts<"store" | "namespaces" | "settings" | "processes" | "dhcp" | "isRehearsal" | "wait">,
  sandbox: Sandbox,
  endpoints: readonly EndpointRecord[],
  { networks, lost, doubts, links, indexes, names }: HostView,
): Promise<Restored & { connected: ReadonlySet<EndpointRecord> }> {
  const { namespaces, settings } = parts;
  const { name, path } = sandbox;
  const reasons: string[] = [];
  const notices: string[] = [];
  const connected = new Set<EndpointRecord>();
  const taken = endpoints.filter((each) => isIpvlanError(doubts.get(each), "address-held"));
  const own = endpoints.filter((endpoint) => !taken.includes(endpoint));
  const present = own.map((endpoint) => ({ network: networks.get(endpoint.network)!, endpoint }));
  const failure = await failureOf(async () => {
    await deleteLinks(parts, { sandbox, removed: taken, kept: own, isLost: true });
    // Its links are handed over, but the engine has not taken them yet, or has given them back.
    if (isUntaken(sandbox, endpoints, indexes)) {
      own.forEach((each) => connected.add(each));
      return;
    }
    const hasName = names.has(name);
    const seen = hasName ? await lookInside(namespaces, name, hasTables(present)) : undefined;
    const base = accept(namespacePlan(sandbox, seen, hasName));
    // A client keeps the namespace that it is in, also when that has lost its name.
    if (!seen && !parts.isRehearsal) await parts.processes.kill(await parts.dhcp.pids(own));
    const siblings = siblingsOf(endpoints);
    const repairs = present.filter(({ network }) => !lost.has(network.id)).map((each) => {
      const { network, endpoint } = each;
      const parent = links.get(network.parent);
      const repair = endpointRepair(network, endpoint, { seen, parent, siblings, path });
      return { ...each, ...repair };
    });
    const wanted = repairs.filter(({ endpoint }) => !doubts.has(endpoint));
    const unmade = wanted.filter(({ make }) => make.length > 0);
    for (const each of repairs) {
      // A link of a doubtful address stays if it is there.
      const isThere = wanted.includes(each) ? !unmade.includes(each) : each.state !== "missing";
      if (isThere) connected.add(each.endpoint);
    }
    await namespaces.apply([...base.remove, ...wanted.flatMap(({ remove }) => remove)]);
    const failed: EndpointRecord[] = [];
    try {
      const steps = byPlace([...base.make, ...unmade.flatMap(({ make }) => make)]);
      await namespaces.apply([...askSteps(unmade.filter(isMissing)), ...steps]);
    } catch (error) {
      if (unmade.length < 2) throw error;
      // The failure undid all endpoints. Made one by one, the others succeed.
      await namespaces.apply(base.make);
      for (const each of unmade) {
        const { endpoint, make } = each;
        const asked = askSteps([each].filter(isMissing));
        const reason = await failureOf(() => namespaces.apply([...asked, ...make]));
        if (reason === undefined) continue;
        reasons.push(reason);
        failed.push(endpoint);
      }
    }
    for (const { endpoint } of unmade) {
      if (!failed.includes(endpoint)) connected.add(endpoint);
    }
    if (!seen) await settings.apply(name, sandbox);
    const there = present.filter(({ endpoint }) => connected.has(endpoint));
    notices.push(...await obtainLeases(parts, there, siblings, "ready"));
  });
  if (failure !== undefined) reasons.push(failure);
  const nameOf = ({ network }: EndpointRecord) => networks.get(network)!.name;
  const missing = endpoints.filter(({ network }) => lost.has(network)).map(nameOf);
  if (missing.length > 0) {
    reasons.push(`It is not connected to ${missing.join(", ")}, which could not be restored`);
  }
  for (const endpoint of endpoints.filter((each) => !connected.has(each))) {
    const doubt = doubts.get(endpoint)?.message;
    if (doubt !== undefined) reasons.push(`It is not connected to ${nameOf(endpoint)}: ${doubt}`);
  }
  const [held] = taken.map((each) => doubts.get(each) as IpvlanErrorOf<"address-held">);
  // More reasons mean that something else is wrong, too.
  const holder = reasons.length === taken.length ? held?.holder : undefined;
  return { kind: "sandbox", name, reasons, connected, holder, notices };
}

/** Whether the link of an endpoint is made anew. The address of a link that is there is in use. */
function isMissing({ state }: Pick<EndpointRepair, "state">): boolean {
  return state === "missing";
}

/** Whether an engine has not taken the links of a sandbox yet, or has given them back. */
export function isUntaken(
  { name, path }: Sandbox,
  endpoints: readonly EndpointRecord[],
  indexes: HostView["indexes"],
): boolean {
  if (!isOwned(name)) return false;
  return path === undefined ||
    endpoints.some((each) => each.handOver && indexes.has(linkIndex(each)));
}

/** Plans how to restore a sandbox's namespace: the removals are not undone. */
export function namespacePlan(
  sandbox: Sandbox,
  seen: SeenNamespace | undefined,
  hasName: boolean,
): Decision<{ remove: Step[]; make: Step[] }> {
  const { name, namespace } = sandbox;
  if (!seen && namespace !== "made") {
    return { ok: false, problems: [new IpvlanError("sandbox-gone", { sandbox: name })] };
  }
  if (!seen) {
    const remove: Step[] = hasName ? [{ netns: CALLER, ...netnsDel(name) }] : [];
    return { ok: true, remove, make: sandboxSteps(sandbox) };
  }
  const isDown = seen.links.find((link) => link.name === "lo")?.up === false;
  const make = isDown && namespace === "made"
    ? [{ netns: name, ...linkSet("lo", { up: true }) }]
    : [];
  // The alias is set last. A crash may leave a link without alias, address or route.
  const incomplete = seen.links.filter((link) => isOurs(link) && link.alias === undefined);
  const remove = incomplete.map((link) => ({ netns: name, ...linkDel(link.name) }));
  return { ok: true, remove, make };
}
