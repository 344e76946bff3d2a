import { isOwned } from "../model/names.ts";
import {
  accept,
  type Decision,
  failureOf,
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
} from "../../base/errors.ts";
import { type Link, linkDel, linkSet } from "../../iproute2/link.ts";
import { netnsDel } from "../../iproute2/netns.ts";
import { restoreHostSteps } from "../network/host_steps.ts";
import { siblingsOf } from "../endpoint/routes.ts";
import { deleteLinks } from "../endpoint/links.ts";
import { linkIndex, sandboxSteps } from "../endpoint/steps.ts";
import { byLinkName, isOurs } from "../network/parent.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { byPlace, CALLER, type Step } from "../run/plan.ts";
import type { Recovery } from "./recover.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { endpointRepair } from "./repair.ts";
import { doubtsAbout } from "../addresses/shared/pools.ts";
import type { EndpointRecord } from "../store/records.ts";
import { isReady, withoutState } from "../store/store.ts";
import type { Network, RestoreReport, Sandbox } from "../model/types.ts";
import { lookInside } from "../run/look_inside.ts";
import { restoreParents } from "../network/restore_parents.ts";

/**
 * Makes again everything on record that the kernel lacks, and repairs what differs. Reports a failure,
 * and continues with the rest. The caller must hold the exclusive lock.
 */
export async function restore(parts: DriverParts, recovery: Recovery): Promise<RestoreReport> {
  const { store, namespaces, borrowed, processes, wait } = parts;
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
  const facts: HostView = {
    networks: new Map(networks.map((network) => [network.id, network])),
    lost: new Set(failures.keys()),
    doubts: doubtsAbout(store, all),
    links: byLinkName(links),
    names: new Set([...named, ...present]),
  };
  const restored = await Promise.all(sandboxes.map(async (sandbox) => {
    const { name } = sandbox;
    const result = await restoreSandbox(parts, sandbox, endpoints.get(name) ?? [], facts);
    return { kind: "sandbox" as const, name, ...result };
  }));
  const { lost } = facts;
  const connected = new Set(restored.flatMap((each) => each.connected));
  const beside = await restoreHostSteps(parts, { networks, lost, endpoints: all, connected });
  const stale = await refreshHosts(parts, sandboxes);
  return toReport(recovery, [
    ...networks.map(({ id, name }): Restored => {
      const reason = failures.get(id)?.message ?? beside.get(id);
      return { kind: "network", name, reasons: reason === undefined ? [] : [reason] };
    }),
    ...restored.map((each): Restored => {
      const failure = stale.get(each.name);
      if (!failure) return each;
      return { ...each, reasons: [...each.reasons, failure.message], holder: undefined };
    }),
  ]);
}

/** A network or sandbox, and why it is not complete. */
export interface Restored {
  /** Its kind. */
  kind: "network" | "sandbox";
  /** Its name. */
  name: string;
  /** Why it is not complete. Empty if everything is there. */
  reasons: readonly string[];
  /** The other host that has its address now, if nothing else is wrong. */
  holder?: string;
}

/** Reports what was restored and what was not. */
export function toReport(
  { undone, missing }: Recovery,
  restored: readonly Restored[],
): RestoreReport {
  const namesOf = (wanted: Restored["kind"]) =>
    restored.filter(({ kind, reasons }) => kind === wanted && reasons.length === 0)
      .map(({ name }) => name);
  const failed = restored.filter(({ reasons }) => reasons.length > 0)
    .map(({ kind, name, reasons, holder }) => ({
      ...{ kind, name, reason: reasons.join("; ") },
      ...holder !== undefined && { holder },
    }));
  return {
    networks: namesOf("network"),
    sandboxes: namesOf("sandbox"),
    missing: [...missing, ...failed],
    undone,
  };
}

/** Writes all hosts files. Resolves to why they could not be written, by sandbox. */
async function refreshHosts(
  { hosts, wait }: Parts<"hosts" | "wait">,
  sandboxes: readonly Sandbox[],
): Promise<ReadonlyMap<string, Error>> {
  const names = sandboxes.map(({ name }) => name);
  try {
    return await hosts.refresh([], names, wait);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return new Map(names.map((name) => [name, error]));
  }
}

/** The state of the host that the restoring of every sandbox needs. */
interface HostView {
  /** All networks on record, by id. */
  networks: ReadonlyMap<string, Network>;
  /** The ids of the networks whose parents could not be restored. */
  lost: ReadonlySet<string>;
  /** The errors of endpoints that get no link: another host has their addresses, or may have them. */
  doubts: ReadonlyMap<EndpointRecord, IpvlanError>;
  /** The links of the host, by name, as they were before anything was restored. */
  links: ReadonlyMap<string, Link>;
  /** The names of the sandboxes that have a namespace, or a file with the name of one. */
  names: ReadonlySet<string>;
}

/** The result of {@linkcode restoreSandbox}. */
interface RestoredSandbox {
  /** Why the sandbox is not complete, in sentences. */
  reasons: string[];
  /** The endpoints that are there. */
  connected: readonly EndpointRecord[];
  /** The other host that has one of its addresses now, if nothing else is wrong. */
  holder?: string;
}

/** Restores a sandbox. Deletes a link if another host has its address now. */
async function restoreSandbox(
  parts: Parts<"store" | "namespaces" | "settings" | "isRehearsal" | "wait">,
  sandbox: Sandbox,
  endpoints: readonly EndpointRecord[],
  { networks, lost, doubts, links, names }: HostView,
): Promise<RestoredSandbox> {
  const { namespaces, settings } = parts;
  const { name, path } = sandbox;
  const reasons: string[] = [];
  let connected: readonly EndpointRecord[] = [];
  const taken = endpoints.filter((each) => isIpvlanError(doubts.get(each), "address-held"));
  const own = endpoints.filter((endpoint) => !taken.includes(endpoint));
  const failure = await failureOf(async () => {
    await deleteLinks(parts, { sandbox, removed: taken, kept: own, isLost: true });
    // Its links are handed over, but the engine has not taken them yet, or has given them back.
    if (isUntaken(sandbox, endpoints, links)) {
      connected = own;
      return;
    }
    const hasName = names.has(name);
    const seen = hasName ? await lookInside(namespaces, name) : undefined;
    const base = accept(namespacePlan(sandbox, seen, hasName));
    const repairOf = (endpoint: EndpointRecord) => {
      const network = networks.get(endpoint.network)!;
      const parent = links.get(network.parent);
      const siblings = siblingsOf(endpoints);
      return endpointRepair(network, endpoint, { seen, parent, siblings, path });
    };
    const there = own.filter(({ network }) => !lost.has(network));
    const found = there.filter((endpoint) => !doubts.has(endpoint));
    // A link of a doubtful address stays if it is there.
    const running = there.filter((each) => doubts.has(each) && repairOf(each).state !== "missing");
    connected = running;
    const repairs = found.map(repairOf);
    await namespaces.apply([...base.remove, ...repairs.flatMap(({ remove }) => remove)]);
    const makes = repairs.map(({ make }) => make).filter((steps) => steps.length > 0);
    const whole = await failureOf(() => namespaces.apply(byPlace([...base.make, ...makes.flat()])));
    if (whole !== undefined && makes.length < 2) {
      reasons.push(whole);
      return;
    }
    if (whole !== undefined) {
      // The failure undid all endpoints. Made one by one, the others succeed.
      await namespaces.apply(base.make);
      const failed = new Set<EndpointRecord>();
      for (const [index, { make }] of repairs.entries()) {
        const reason = await failureOf(() => namespaces.apply(make));
        if (reason === undefined) continue;
        reasons.push(reason);
        failed.add(found[index]!);
      }
      connected = [...running, ...found.filter((endpoint) => !failed.has(endpoint))];
    } else connected = [...running, ...found];
    if (!seen) await settings.apply(name, sandbox);
  });
  if (failure !== undefined) reasons.push(failure);
  const nameOf = ({ network }: EndpointRecord) => networks.get(network)!.name;
  const missing = endpoints.filter(({ network }) => lost.has(network)).map(nameOf);
  if (missing.length > 0) {
    reasons.push(`It is not connected to ${missing.join(", ")}, which could not be restored`);
  }
  for (const endpoint of endpoints.filter((each) => !connected.includes(each))) {
    const doubt = doubts.get(endpoint)?.message;
    if (doubt !== undefined) reasons.push(`It is not connected to ${nameOf(endpoint)}: ${doubt}`);
  }
  const [held] = taken.map((each) => doubts.get(each) as IpvlanErrorOf<"address-held">);
  // More reasons mean that something else is wrong, too.
  return { reasons, connected, holder: reasons.length === taken.length ? held?.holder : undefined };
}

/** Whether an engine has not taken the links of a sandbox yet, or has given them back. */
export function isUntaken(
  { name, path }: Sandbox,
  endpoints: readonly EndpointRecord[],
  links: HostView["links"],
): boolean {
  if (!isOwned(name)) return false;
  const indexes = new Set([...links.values()].map(({ index }) => index));
  return path === undefined ||
    endpoints.some((each) => each.handOver && indexes.has(linkIndex(each)));
}

/** The steps that restore the namespace of a sandbox. */
export interface NamespacePlan {
  /** The steps that remove what is in the way. They run first, and are not undone. */
  remove: Step[];
  /** The steps that make what is missing. */
  make: Step[];
}

/** Plans how to restore a sandbox's namespace. @param hasName Whether its file is there. */
export function namespacePlan(
  sandbox: Sandbox,
  seen: SeenNamespace | undefined,
  hasName: boolean,
): Decision<NamespacePlan> {
  const { name, namespace } = sandbox;
  if (!seen && namespace !== "made") {
    return { ok: false, problems: [new IpvlanError("sandbox-gone", { sandbox: name })] };
  }
  if (!seen) {
    const remove: Step[] = hasName ? [{ netns: CALLER, line: netnsDel(name) }] : [];
    return { ok: true, remove, make: sandboxSteps(sandbox) };
  }
  const isDown = seen.links.find((link) => link.name === "lo")?.up === false;
  const make = isDown && namespace === "made"
    ? [{ netns: name, line: linkSet("lo", { up: true }) }]
    : [];
  // The alias is set last. A crash may leave a link without alias, address or route.
  const incomplete = seen.links.filter((link) => isOurs(link) && link.alias === undefined);
  const remove = incomplete.map((link) => ({ netns: name, line: linkDel(link.name) }));
  return { ok: true, remove, make };
}
