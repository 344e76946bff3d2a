import { accept, failureOf, IpvlanError, isIpvlanError, throwProblems } from "../../base/errors.ts";
import { accessProblems, fileProblems } from "../model/ipam_options.ts";
import { NETWORK_OPTIONS, OPTION_NAMES } from "../model/options.ts";
import type { HostFacts } from "../model/facts.ts";
import { networkParent, parentNames } from "../model/names.ts";
import { statOf } from "../../base/files.ts";
import { isGranted } from "../../base/permissions.ts";
import { look, lookAtLinks } from "../../iproute2/view.ts";
import { forwardingFacts, restoreHostSteps } from "./host_steps.ts";
import { decideNetwork, linkSteps, networkSteps, wantsPool } from "./decide.ts";
import { besideOthers, settle, type Settlement } from "./settle.ts";
import type { Parts } from "../addresses/parts.ts";
import { randomHex } from "../../base/random.ts";
import { shareNetwork, takeOver, unshareNetwork } from "../addresses/shared/network.ts";
import { type Store, withoutState } from "../store/store.ts";
import type { Network, Outcome, SettledNetwork } from "../model/types.ts";
import { linkSet } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { byLinkName, isOurs, linksUnder, type MadeLinks } from "./parent.ts";
import type { Step } from "../run/plan.ts";

export function newIdentity(): Pick<Network, "id" | "created"> {
  return { id: randomHex(32), created: new Date().toISOString() };
}

/**
 * Creates a network: its record, and the links that the driver makes for it. If anything fails,
 * nothing is changed. The caller must hold the exclusive lock.
 */
export async function createNetwork(
  parts: Parts<"store" | "namespaces" | "openShared" | "unstoppable" | "isRehearsal">,
  asked: Settlement,
): Promise<Outcome<Network>> {
  const { store, namespaces, isRehearsal } = parts;
  const shared = await withSharedSettings(parts, asked);
  const identity = newIdentity();
  const existing = neighboursOf(store, shared.network);
  const [settled] = besideOthers([shared], existing);
  const decideBy = async (few: boolean) =>
    decideNetwork(settled!, identity, existing, await hostFacts(parts, [shared.network], few));
  // In a dry run, and for a transient network, no test in the kernel would find a conflict.
  const first = isRehearsal || shared.network.transient ? undefined : await decideBy(true);
  // With all facts of the host, a refusal names the link in the way.
  const decided = first?.ok ? first : accept(await decideBy(false));
  const { network, links, notices } = decided;
  store.transaction(() => {
    store.putNetwork(network, "making");
    for (const link of links) store.putLink(link);
  });
  try {
    notices.push(...await shareNetwork(parts, network));
    const steps = networkSteps(network, links, existing);
    await namespaces.apply(steps, () => store.putNetwork(network, "ready"));
  } catch (error) {
    // The record stays for what is left in the kernel, so the next exclusive call removes both.
    if (isIpvlanError(error, "not-undone")) throw error;
    // The same holds for what is left in etcd.
    const failure = await failureOf(() => unshareNetwork(parts.unstoppable, network));
    if (failure !== undefined) throw error;
    store.transaction(() => {
      store.deleteNetwork(network.id);
      for (const { name } of links) store.deleteLink(name);
    });
    accept(await decideBy(false));
    throw error;
  }
  return { value: network, notices };
}

/**
 * Reads the networks that a new one may conflict with: those of its name or on its parent; or all, if
 * the driver must choose an unused subnet, or an option is checked against other networks. The store
 * has indexes for this.
 */
function neighboursOf(store: Store, network: SettledNetwork): Network[] {
  const { name, parent } = network;
  const conflicts = OPTION_NAMES.some((each) => network[each] && NETWORK_OPTIONS[each].conflicts);
  if (wantsPool(network) || conflicts) return store.networks().map(withoutState);
  const same = store.network(name);
  const others = parent === undefined ? [] : store.networks({ parent });
  const all = same ? [same, ...others.filter(({ id }) => id !== same.id)] : others;
  return all.map(withoutState);
}

/**
 * Finds the links that the driver made for a network and that nothing else needs, the highest first: its
 * parent, and those below.
 */
export function unneededLinks(store: Store, { id, parent }: Network): string[] {
  const unneeded: string[] = [];
  for (let link = store.link(parent); link;) {
    const { name } = link;
    const others = store.networks({ parent: name }).filter((each) => each.id !== id);
    const above = store.links({ on: name }).filter((upper) => !unneeded.includes(upper.name));
    if (others.length > 0 || above.length > 0) break;
    unneeded.push(name);
    link = "link" in link ? store.link(link.link) : undefined;
  }
  return unneeded;
}

async function withSharedSettings(
  { openShared }: Parts<"openShared">,
  settled: Settlement,
): Promise<Settlement> {
  const { ipam, name } = settled.spec;
  if (!ipam) return settled;
  throwProblems(accessProblems(ipam.access));
  throwProblems(fileProblems(ipam.access));
  const settings = await (await openShared())?.network(ipam.access, name);
  return settings ? settle(accept(takeOver(settled.spec, settings)).spec) : settled;
}

/** Reads the facts that decisions on networks need. @param few Whether of their parents only. */
export async function hostFacts(
  { namespaces, store }: Parts<"store" | "namespaces">,
  networks: readonly SettledNetwork[],
  few = false,
): Promise<HostFacts> {
  const ip = namespaces.host();
  const proxied = networks.filter(({ proxy }) => proxy).flatMap((each) =>
    parentNames(each)[0] ?? []
  );
  const [facts, routes, forwarding] = await Promise.all([
    few ? lookAtLinks(ip, networks.flatMap(parentNames)) : linkFacts({ namespaces }),
    networks.some(wantsPool) ? ip.route.show(4) : [],
    proxied.length > 0 ? forwardingFacts(namespaces, proxied) : {},
  ]);
  const release = Deno.osRelease();
  const pools = store.pools();
  return { release, hasOptimisticDad: hasOptimisticDad(), ...facts, routes, ...forwarding, pools };
}

/** Whether the kernel has `optimistic_dad`; `undefined` if this process may not look. */
function hasOptimisticDad(): boolean | undefined {
  const path = "/proc/sys/net/ipv6/conf/all/optimistic_dad";
  return isGranted({ name: "read", path }) ? statOf(path) !== undefined : undefined;
}

export async function linkFacts({ namespaces }: Parts<"namespaces">): Promise<HostFacts> {
  const host = { netns: namespaces.hostName, ip: namespaces.host(), run: namespaces.run };
  const seen = await look(host, { links: true, addrs: true });
  return { release: Deno.osRelease(), ...seen, routes: [] };
}

/** Makes a network's parent again if the driver made it before, and does its options' host steps. */
export async function restoreParent(
  parts: Parts<"store" | "namespaces">,
  network: Network,
): Promise<void> {
  const networks = [network];
  const links = await parts.namespaces.host().link.show();
  const failed = await restoreParents(parts, networks, links);
  const failures = failed.size > 0
    ? failed
    : await restoreHostSteps(parts, { networks, links: byLinkName(links) });
  for (const failure of failures.values()) throw failure;
}

/** Restores the parents of networks. Resolves to the failures, by network id. */
export async function restoreParents(
  { store, namespaces }: Parts<"store" | "namespaces">,
  networks: readonly Network[],
  links: readonly Link[],
): Promise<Map<string, Error>> {
  const made = byLinkName(store.links());
  const { foreign, problems, levels } = parentsPlan(networks, made, links);
  for (const name of foreign) store.deleteLink(name);
  const failures = new Map<string, Error>();
  for (const level of levels) {
    await Promise.all(
      level.map(({ name, steps }) =>
        namespaces.apply(steps).catch((error) => failures.set(name, error))
      ),
    );
  }
  return new Map(networks.flatMap(({ id, parent }) => {
    const broken = linksUnder(parent, made).find(({ name }) => failures.has(name));
    const failure = problems.get(id) ?? (broken && failures.get(broken.name));
    return failure ? [[id, failure]] : [];
  }));
}

interface ParentsPlan {
  /** The links on record that another program has made again. The driver must not delete them. */
  foreign: string[];
  problems: Map<string, IpvlanError>;
  /** The links to make or to repair. A link is on a later level than the link below it. */
  levels: { name: string; steps: Step[] }[][];
}

/**
 * Plans how to restore the parents of networks. The driver makes only links again that it made
 * before: it deletes what it makes, and must not delete a link of another program.
 */
export function parentsPlan(
  restored: readonly Network[],
  made: MadeLinks,
  links: readonly Link[],
): ParentsPlan {
  const found = byLinkName(links);
  const plan: ParentsPlan = { foreign: [], problems: new Map(), levels: [] };
  const seen = new Set<string>();
  for (const { id, ...network } of restored) {
    const { link: parent } = networkParent(network);
    // A parent in a sandbox belongs to another program, and is deleted with the namespace.
    if (parent === undefined) continue;
    const own = linksUnder(parent, made);
    const problem = parentProblem(parent, own, found);
    if (problem) {
      plan.problems.set(id, problem);
      continue;
    }
    for (const [level, spec] of own.entries()) {
      const { name } = spec;
      if (seen.has(name)) continue;
      seen.add(name);
      const link = found.get(name);
      if (link && !isOurs(link)) plan.foreign.push(name);
      const steps = !link
        ? linkSteps([spec], network.name)
        : isOurs(link) && !link.up
        ? [linkSet(name, { up: true })]
        : [];
      if (steps.length > 0) (plan.levels[level] ??= []).push({ name, steps });
    }
  }
  plan.levels = plan.levels.filter((level) => level !== undefined);
  return plan;
}

function parentProblem(
  parent: string,
  own: ReturnType<typeof linksUnder>,
  found: ReadonlyMap<string, Link>,
): IpvlanError | undefined {
  const lowest = own.find(({ name }) => !found.has(name));
  // A dummy needs no other link. A sub-interface needs the link below it, and a network its parent.
  const needed = lowest && "link" in lowest ? lowest.link : parent;
  if (lowest?.type !== "dummy" && !found.has(needed)) {
    return new IpvlanError("parent-not-found", { parent, base: lowest && needed });
  }
  const base = found.get(needed);
  // A link of the driver that is down is set up again.
  if (lowest && base && !base.up && !isOurs(base)) {
    return new IpvlanError("parent-down", { parent: base.name });
  }
  for (const spec of own) {
    const link = found.get(spec.name);
    if (!link || spec.type !== "vlan") continue;
    const { info } = link;
    const isSame = info.type === "vlan" && info.id === spec.id && link.link === spec.link &&
      info.protocol === (spec.protocol ?? "802.1Q");
    if (isSame) continue;
    const tag = `VLAN ${spec.id} (${spec.protocol ?? "802.1Q"}) of "${spec.link}"`;
    const reason = `"${spec.name}" is not ${tag} any more, as it was when the network was ` +
      "created; delete that link, and it is made again";
    return new IpvlanError("invalid-parent", { parent, reason });
  }
  return undefined;
}
