import { accept, failureOf, isIpvlanError, throwProblems } from "../../base/errors.ts";
import { accessProblems, fileProblems } from "../model/ipam_options.ts";
import { NETWORK_OPTIONS, OPTION_NAMES } from "../model/options.ts";
import type { HostFacts } from "../model/facts.ts";
import { parentNames } from "../model/names.ts";
import { statOf } from "../../base/files.ts";
import { isGranted } from "../../base/permissions.ts";
import { look, lookAtLinks } from "../../iproute2/view.ts";
import { forwardingFacts } from "./host_steps.ts";
import { decideNetwork, networkSteps, wantsPool } from "./decide.ts";
import { besideOthers, settle, type Settlement } from "./settle.ts";
import type { Parts } from "../addresses/parts.ts";
import { randomHex } from "../../base/random.ts";
import { shareNetwork, takeOver, unshareNetwork } from "../addresses/shared/network.ts";
import { type Store, withoutState } from "../store/store.ts";
import type { Network, Outcome, SettledNetwork } from "../model/types.ts";

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

/**
 * Reads the facts that decisions on networks need.
 *
 * @param few Whether to read only the links of a network's parent: see {@linkcode lookAtLinks}.
 */
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
