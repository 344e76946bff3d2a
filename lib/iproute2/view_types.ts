import type { Addr } from "./addr.ts";
import type { Link } from "./link.ts";
import type { Neigh } from "./neigh.ts";
import type { Route } from "./route.ts";
import type { Rule } from "./rule.ts";

/**
 * The view: what the kernel shows of this machine's network namespaces. It is plain data, so it can
 * be written as JSON and read again.
 *
 * It is not a snapshot. Each namespace is asked after the other, and in each one the links, then the
 * addresses, then the routes. A change in between can be seen in one part and not in another.
 *
 * @typeParam N What was asked of each namespace: {@linkcode Seen}.
 */
export interface View<N = NamespaceView> {
  /** The caller's own namespace, whatever its name. */
  host: N;
  /** The other namespaces that have a name (ip-netns(8)), by name. */
  others: N[];
  /** The names in `/run/netns` that could not be looked into, and why. */
  closed: ClosedNamespace[];
}

/** A name in `/run/netns` that could not be looked into. */
export interface ClosedNamespace {
  /** The name. */
  netns: string;
  /** Why not, in a sentence without a final period. */
  reason: string;
}

/** What one network namespace shows. */
export interface NamespaceView {
  /** Its name under `/run/netns`; `undefined` for the caller's own. */
  netns?: string;
  /**
   * The number of its file (inode(7), lsns(8)). Two names with one number are the same namespace.
   * `undefined` where the file may not be looked at.
   */
  inode?: number;
  /**
   * The names of other namespaces by the ids in {@linkcode Link.linkNetnsid}, which mean something in
   * this namespace only (`ip netns list-id` in ip-netns(8)). Those without a name are not in it.
   * `undefined` where they were not asked for, as {@linkcode SeenLink.below} was found without.
   */
  netnsNames?: Record<number, string>;
  /** Its links. */
  links: SeenLink[];
  /** Its addresses of both families. */
  addrs: Addr[];
  /** Its routes of both families: those of the main tables, or of all. */
  routes: Route[];
  /** Its neighbours of both families. */
  neighs: Neigh[];
  /** Its routing rules of both families. */
  rules: Rule[];
  /**
   * The settings that decide on forwarding, on source checks, on ARP and on IPv6, by their paths
   * under `/proc/sys`: `{ "net/ipv4/conf/eth0/rp_filter": 2 }`. What the kernel does not have is
   * left out. For what each means, see the kernel's `Documentation/networking/ip-sysctl.rst`.
   */
  sysctls: Record<string, number>;
}

/** A link of a view. */
export interface SeenLink extends Link {
  /**
   * The link below it, where that is in the view; of a veth, its other end. It says the same as
   * {@linkcode Link.linkIndex} and {@linkcode Link.linkNetnsid}, which mean something only in the
   * link's own namespace. {@linkcode lookAround} finds it; see {@linkcode resolveBelow}.
   */
  below?: LinkRef;
}

/** Says which link of a view: the one with this index, in this namespace. */
export interface LinkRef {
  /** The namespace's name; `undefined` for the host. */
  netns?: string;
  /** The link's index there. */
  index: number;
}

/** What to look at. What is not asked for is not looked at. */
export interface Wanted {
  /** {@linkcode NamespaceView.links} */
  links?: true;
  /** {@linkcode NamespaceView.addrs} */
  addrs?: true;
  /** {@linkcode NamespaceView.routes}: those of the main tables, or of all. */
  routes?: "main" | "all";
  /** {@linkcode NamespaceView.neighs} */
  neighs?: true;
  /** {@linkcode NamespaceView.rules}, which take one more process. */
  rules?: true;
  /** {@linkcode NamespaceView.sysctls}, which take one more process. */
  sysctls?: true;
}

/** What a namespace shows of what was asked for. */
export type Seen<W extends Wanted> = Pick<
  NamespaceView,
  "netns" | "inode" | "netnsNames" | (keyof W & keyof NamespaceView)
>;
