import type { LinkRef, NamespaceView, SeenLink, View } from "./view_types.ts";

/** The parts of a namespace that show the links below its links. */
export type Namespace =
  & Pick<NamespaceView, "netns" | "inode" | "netnsNames">
  & Partial<Pick<NamespaceView, "links">>;

/**
 * Finds the link below each link of a view ({@linkcode SeenLink.below}), also in another namespace.
 *
 * Each namespace has its own ids for others, so an id alone does not identify one. `ip netns list-id`
 * prints the names, but opens every file in `/run/netns` each time. So this runs only in the host's
 * namespace. Elsewhere the links themselves tell:
 *
 * - The two ends of a veth pair point at each other.
 * - An ipvlan link has the MAC address of the link below, which is never an ipvlan link
 *   (`ipvlan_link_new` and `ipvlan_device_event` in the kernel's `drivers/net/ipvlan/ipvlan_main.c`).
 * - A VLAN sub-interface also has the MAC address of the link below, unless it was changed
 *   (`vlan_dev_init` in the kernel's `net/8021q/vlan_dev.c`).
 *
 * All links of a namespace with the same id must fit the same namespace. If several namespaces fit, the
 * host wins if it is one of them; otherwise the names decide.
 *
 * A link below in a namespace without a name is not found. Another link can then fit by chance, but
 * only if it has the same index and MAC address, or if both are veth links with unknown other ends.
 *
 * @returns The view, and the names of the namespaces with links for which several namespaces fit:
 * another call can decide with their {@linkcode NamespaceView.netnsNames}.
 */
export function resolveBelow<N extends Namespace>(
  view: View<N>,
): { view: View<N>; unsure: string[] } {
  const index = new LinkIndex(view.host, view.others);
  const unsure: string[] = [];
  const resolve = (namespace: N): N => {
    const { links, netns } = namespace;
    if (!links) return namespace;
    const below = new Map<SeenLink, LinkRef>();
    for (const [id, group] of groupById(links)) {
      const targets = id === undefined ? [namespace] : index.targets(namespace, group);
      if (targets.length > 1 && netns !== undefined) unsure.push(netns);
      if (targets.length !== 1) continue;
      const place = targets[0]!.netns === undefined ? {} : { netns: targets[0]!.netns };
      for (const link of group) below.set(link, { ...place, index: link.linkIndex! });
    }
    return {
      ...namespace,
      links: links.map((link) => below.has(link) ? { ...link, below: below.get(link) } : link),
    };
  };
  const resolved = { ...view, host: resolve(view.host), others: view.others.map(resolve) };
  return { view: resolved, unsure: [...new Set(unsure)] };
}

/** The links that have a link below, by the id of its namespace; `undefined` for the same one. */
function groupById(links: readonly SeenLink[]): Map<unknown, SeenLink[]> {
  return Map.groupBy(
    links.filter(({ linkIndex }) => linkIndex !== undefined),
    // -1 means a namespace without an id: two such links may be in different ones.
    ({ linkNetnsid, index }) => linkNetnsid === -1 ? `link ${index}` : linkNetnsid,
  );
}

type Candidate = { namespace: Namespace; link: SeenLink };

/** The links of all namespaces, by the properties that a link above them shows. */
class LinkIndex {
  #host: Namespace;
  /** All namespaces by name. A namespace with two names is one object. */
  #byName: Map<string | undefined, Namespace>;
  /** The links that others may be on, by index and MAC address. */
  #byAddress: Map<string, Candidate[]>;
  /** The veth links whose other end is elsewhere, by both indexes. */
  #byPeer: Map<string, Candidate[]>;

  constructor(host: Namespace, others: readonly Namespace[]) {
    const namespaces = [host, ...others];
    const firstByInode = new Map(namespaces.toReversed().map((each) => [each.inode, each]));
    const firstOf = (each: Namespace) =>
      each.inode === undefined ? each : firstByInode.get(each.inode)!;
    this.#host = host;
    this.#byName = new Map(namespaces.map((each) => [each.netns, firstOf(each)]));
    const candidates = namespaces.filter((each) => firstOf(each) === each).flatMap((namespace) =>
      (namespace.links ?? []).map((link) => ({ namespace, link }))
    );
    this.#byAddress = Map.groupBy(
      candidates.filter(({ link }) => !isIpvlan(link)),
      ({ link }) => `${link.index} ${link.address}`,
    );
    this.#byPeer = Map.groupBy(
      candidates.filter(({ link }) => link.info.type === "veth" && link.linkNetnsid !== undefined),
      ({ link }) => `${link.index} ${link.linkIndex}`,
    );
  }

  /**
   * The namespaces that may have the links below some links; empty if none fits.
   *
   * @param from The namespace that the links are in.
   * @param links Links with the same {@linkcode SeenLink.linkNetnsid}.
   */
  targets(from: Namespace, links: readonly SeenLink[]): Namespace[] {
    const named = this.#named(from, links[0]!);
    if (named) return [named];
    const told = links.map((link) => this.#toldBy(from, link))
      .filter((namespaces) => namespaces !== undefined);
    const [first = [], ...rest] = told;
    const fitting = first.filter((namespace) =>
      rest.every((namespaces) => namespaces.includes(namespace)) &&
      links.every(({ linkIndex }) => namespace.links?.some(({ index }) => index === linkIndex))
    );
    if (fitting.includes(this.#host)) return [this.#host];
    // With the names known, only a namespace without a name can be left, as the host may be.
    return from.netnsNames ? [] : fitting;
  }

  #named(from: Namespace, { linkNetnsid }: SeenLink): Namespace | undefined {
    const name = from.netnsNames?.[linkNetnsid!];
    return name === undefined ? undefined : this.#byName.get(name);
  }

  /** The namespaces that may have the link below a link; `undefined` if the link does not tell. */
  #toldBy(from: Namespace, link: SeenLink): Namespace[] | undefined {
    const self = this.#byName.get(from.netns)!;
    const namespaces = this.#candidates(link, self).map(({ namespace }) => namespace)
      .filter((namespace) => namespace !== self);
    const mustFit = link.info.type === "veth" || isIpvlan(link);
    return mustFit || namespaces.length > 0 ? namespaces : undefined;
  }

  #candidates(link: SeenLink, self: Namespace): Candidate[] {
    const { index, linkIndex, address, info } = link;
    if (info.type === "veth") {
      const ends = this.#byPeer.get(`${linkIndex} ${index}`) ?? [];
      return ends.filter((end) =>
        !end.namespace.netnsNames || this.#named(end.namespace, end.link) === self
      );
    }
    if (info.type !== "vlan" && !isIpvlan(link)) return [];
    return this.#byAddress.get(`${linkIndex} ${address}`) ?? [];
  }
}

/** An ipvtap link is an ipvlan link with a character device (`drivers/net/ipvlan/ipvtap.c`). */
function isIpvlan({ info }: SeenLink): boolean {
  return info.type === "ipvlan" || info.type === "ipvtap";
}
