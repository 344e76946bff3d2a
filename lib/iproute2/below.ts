import type { LinkRef, NamespaceView, SeenLink, View } from "./view.ts";

/** What it takes of a namespace to find the links below its links. */
type Namespace =
  & Pick<NamespaceView, "netns" | "inode" | "id">
  & Partial<Pick<NamespaceView, "links">>;

/** A link, and the namespace that it is in. */
interface Candidate {
  namespace: Namespace;
  link: SeenLink;
}

/**
 * Finds the link below each link of a view ({@linkcode SeenLink.below}), also in another namespace.
 *
 * A namespace knows another one by a number of its own, so that the number alone does not say which
 * one it is. `ip` can tell only the names, and it takes a look at every file in `/run/netns` for
 * each namespace that it is asked in. So only the host's numbers are asked for; from another
 * namespace, the two links themselves tell:
 *
 * - The two ends of a veth pair point at each other.
 * - An ipvlan link always has the MAC address of the link below, which is never an ipvlan link
 *   (`ipvlan_link_new` and `ipvlan_device_event` in the kernel's `drivers/net/ipvlan/ipvlan_main.c`).
 * - A VLAN sub-interface has that address too, unless it was given another (`vlan_dev_init` in
 *   `net/8021q/vlan_dev.c`).
 *
 * All links that point into a namespace by the same number have to fit it. Where several namespaces
 * fit, the host is taken, or else none. Where the link below is in a namespace that has no name, it
 * is not found.
 */
export function resolveBelow<N extends Namespace>(view: View<N>): View<N> {
  const index = new LinkIndex(view.host, view.others);
  return {
    ...view,
    host: withBelow(view.host, index),
    others: view.others.map((namespace) => withBelow(namespace, index)),
  };
}

function withBelow<N extends Namespace>(namespace: N, index: LinkIndex): N {
  const { links } = namespace;
  if (!links) return namespace;
  const elsewhere = Map.groupBy(
    links.filter(({ linkNetnsid }) => linkNetnsid !== undefined),
    // Links with -1, for a namespace without a number, need not be in the same one.
    ({ linkNetnsid, index }) => linkNetnsid === -1 ? `link ${index}` : linkNetnsid,
  );
  const targets = new Map<SeenLink, Namespace>();
  for (const group of elsewhere.values()) {
    const target = index.target(namespace, group);
    for (const link of target ? group : []) targets.set(link, target!);
  }
  return {
    ...namespace,
    links: links.map((link) => {
      const target = link.linkNetnsid === undefined ? namespace : targets.get(link);
      return target && link.linkIndex !== undefined
        ? { ...link, below: refTo(target, link.linkIndex) }
        : link;
    }),
  };
}

function refTo({ netns }: Namespace, index: number): LinkRef {
  return { ...(netns !== undefined && { netns }), index };
}

/** The links of all namespaces, by what a link elsewhere tells of the link below it. */
class LinkIndex {
  #host: Namespace;
  /** The host first. A namespace with two names is here once. */
  #namespaces: readonly Namespace[];
  /** The links that others may be on, by index and MAC address. */
  #byAddress: Map<string, Candidate[]>;
  /** The veth links whose other end is elsewhere, by both indexes. */
  #byPeer: Map<string, Candidate[]>;

  constructor(host: Namespace, others: readonly Namespace[]) {
    const namespaces = [host, ...others];
    const firstByInode = new Map(namespaces.toReversed().map((each) => [each.inode, each]));
    this.#host = host;
    this.#namespaces = namespaces.filter((each) =>
      each.inode === undefined || firstByInode.get(each.inode) === each
    );
    const candidates = this.#namespaces.flatMap((namespace) =>
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
   * The namespace that links point into.
   *
   * @param from The namespace that they are in.
   * @param links Links with the same {@linkcode SeenLink.linkNetnsid}.
   */
  target(from: Namespace, links: readonly SeenLink[]): Namespace | undefined {
    if (from === this.#host) {
      return this.#namespaces.find(({ id }) => id !== undefined && id === links[0]!.linkNetnsid);
    }
    const told = links.map((link) => this.#toldBy(from, link))
      .filter((namespaces) => namespaces !== undefined);
    const [first = [], ...rest] = told;
    const fitting = first.filter((namespace) =>
      rest.every((namespaces) => namespaces.includes(namespace)) &&
      links.every(({ linkIndex }) => namespace.links?.some(({ index }) => index === linkIndex))
    );
    return fitting[0] === this.#host || fitting.length === 1 ? fitting[0] : undefined;
  }

  /** The namespaces that the link below may be in, the host first; `undefined` for any. */
  #toldBy(from: Namespace, link: SeenLink): Namespace[] | undefined {
    const candidates = this.#candidates(from, link);
    const namespaces = candidates.map(({ namespace }) => namespace)
      .filter((namespace) => !isSame(namespace, from));
    const mustFit = link.info.type === "veth" || isIpvlan(link);
    return mustFit || namespaces.length > 0 ? namespaces : undefined;
  }

  #candidates(from: Namespace, link: SeenLink): Candidate[] {
    const { index, linkIndex, address, info } = link;
    if (info.type === "veth") {
      const ends = this.#byPeer.get(`${linkIndex} ${index}`) ?? [];
      // Where a link of the host leads is known.
      return ends.filter((end) => end.namespace !== this.#host || end.link.linkNetnsid === from.id);
    }
    if (info.type !== "vlan" && !isIpvlan(link)) return [];
    return this.#byAddress.get(`${linkIndex} ${address}`) ?? [];
  }
}

/** An ipvtap link is an ipvlan link with a character device (`drivers/net/ipvlan/ipvtap.c`). */
function isIpvlan({ info }: SeenLink): boolean {
  return ["ipvlan", "ipvtap"].includes(info.type === "other" ? info.kind : info.type);
}

function isSame(one: Namespace, other: Namespace): boolean {
  return one === other || (one.inode !== undefined && one.inode === other.inode);
}
