// A view as a world in which packets travel: which link stands on which, also over the borders of
// namespaces, and which addresses ipvlan knows on a parent.
import { contains, parseAddress, parsePrefix } from "../ipam/mod.ts";
import { prefixAround } from "../ipam/prefix.ts";
import type { Addr } from "../iproute2/addr.ts";
import type { Link } from "../iproute2/link_types.ts";
import type { Seen, View, Wanted } from "../iproute2/view.ts";
import type { Chain } from "./ruleset.ts";

/** The parts of each namespace that decide where a packet goes. */
export const WANTED = {
  links: true,
  addrs: true,
  routes: "all",
  rules: true,
  neighs: true,
  sysctls: true,
} as const satisfies Wanted;

/** A namespace, as it was seen. */
export interface Node extends Seen<typeof WANTED> {
  /** Its firewall; left out, it has none. */
  firewall?: readonly Chain[];
}

/** The view in which packets are followed. */
export type WhyView = View<Node>;

/** A link in its namespace. */
export interface Port {
  node: Node;
  link: Link;
}

/** What a view says about packets, found once. */
export class World {
  /** The namespaces in view, the host's first. */
  readonly nodes: readonly Node[];
  readonly #below = new Map<Link, Port>();
  readonly #above = new Map<Link, Port[]>();

  constructor({ host, others }: WhyView) {
    this.nodes = [host, ...others];
    const ports = this.nodes.flatMap((node) => node.links.map((link): Port => ({ node, link })));
    const byIndex = Map.groupBy(ports, ({ link }) => link.index);
    for (const port of ports) {
      const { linkIndex = 0 } = port.link;
      const below = (byIndex.get(linkIndex) ?? []).filter((each) => mayBeBelow(port, each));
      if (below.length !== 1) continue;
      this.#below.set(port.link, below[0]!);
      this.#above.set(below[0]!.link, [...this.above(below[0]!.link), port]);
    }
  }

  /** The link below a link; of a veth, its other end. `undefined` if it is not in view. */
  below(link: Link): Port | undefined {
    return this.#below.get(link);
  }

  /** The links of a kind that stand on a link; without a kind, all. */
  above(link: Link, kind?: Link["info"]["type"]): Port[] {
    const all = this.#above.get(link) ?? [];
    return kind === undefined ? all : all.filter((each) => each.link.info.type === kind);
  }

  /** The mode of the ipvlan links on a parent; `undefined` if there are none. */
  modeOn(parent: Link): "l2" | "l3" | "l3s" | undefined {
    const info = this.above(parent, "ipvlan")[0]?.link.info;
    return info?.type === "ipvlan" ? info.mode : undefined;
  }

  /** The first link in view that has an address. */
  holderOf(address: string): Port | undefined {
    for (const node of this.nodes) {
      const dev = node.addrs.find((each) => each.address === address)?.dev;
      const link = node.links.find(({ name }) => name === dev);
      if (link) return { node, link };
    }
  }

  /** The link on a parent on which ipvlan has an address. Links that are down have none there. */
  lookUp(parent: Link, address: string): Port | undefined {
    return this.above(parent, "ipvlan").find(({ node, link }) =>
      link.up && addressesOf(node, link).some((each) => (each.peer ?? each.address) === address)
    );
  }
}

/** Whether a link may be the one below another. Over namespaces, an index alone does not say so. */
function mayBeBelow({ node, link }: Port, below: Port): boolean {
  const isHere = link.linkNetnsid === undefined;
  if (isHere !== (node === below.node)) return false;
  if (isHere) return true;
  if (link.info.type === "veth") {
    return below.link.info.type === "veth" && below.link.linkIndex === link.index;
  }
  // Another ipvlan link of the parent has its MAC address, too, and may have its index elsewhere.
  return below.link.info.type !== link.info.type && below.link.address === link.address;
}

/** The addresses of a link. */
export function addressesOf({ addrs }: Node, { name }: Link): Addr[] {
  return addrs.filter(({ dev }) => dev === name);
}

/** A setting of a namespace, by its path under `/proc/sys/net`; 0 if the kernel does not have it. */
export function sysctl({ sysctls }: Node, path: string): number {
  return sysctls[`net/${path}`] ?? 0;
}

/** A setting of a link that counts if it is higher for all links. */
export function linkSysctl(node: Node, { name }: Link, key: string): number {
  const [all, own] = ["all", name].map((each) => sysctl(node, `ipv4/conf/${each}/${key}`));
  return Math.max(all!, own!);
}

/** Whether an address is in a prefix, both of one family. Without a length, all bits count. */
export function isIn(prefix: string, address: string): boolean {
  if (prefix === "default") return true;
  if (!prefix.includes("/")) return prefix === address;
  return contains(parsePrefix(prefix).prefix, parseAddress(address));
}

/** How many leading bits two addresses of one family share. */
export function sharedBits(one: string, other: string): number {
  const [a, b] = [parseAddress(one), parseAddress(other)];
  const width = a.family === 4 ? 32 : 128;
  return Array.from({ length: width }, (_, index) => width - index)
    .find((length) => contains(prefixAround(a, length), b)) ?? 0;
}
