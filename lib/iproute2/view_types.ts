import type { Addr } from "./addr_types.ts";
import type { Link } from "./link_types.ts";
import type { Neigh } from "./neigh.ts";
import type { Route } from "./route_types.ts";
import type { Rule } from "./rule.ts";

/**
 * The view: this machine's network namespaces as the kernel shows them. It is plain data, so it can be
 * written as JSON and read again.
 *
 * It is not a snapshot. It reads one namespace after another, and in each the links, then the
 * addresses, then the routes. A change in between can appear in one part and not in another.
 *
 * @typeParam N The parts read of each namespace: {@linkcode Seen}.
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

/** The contents of one network namespace. */
export interface NamespaceView {
  /** Its name under `/run/netns`; `undefined` for the caller's own. */
  netns?: string;
  /**
   * The number of its file (inode(7), lsns(8)). Two names with one number are the same namespace.
   * `undefined` without the right to see the file.
   */
  inode?: number;
  /**
   * The names of other namespaces by the ids in {@linkcode Link.linkNetnsid}, which are
   * valid only in this namespace (`ip netns list-id` in ip-netns(8)). Namespaces without a name are
   * left out. `undefined` if they were not needed to find {@linkcode SeenLink.below}.
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
   * The settings of forwarding, source checks, ARP and IPv6, by their paths under `/proc/sys`:
   * `{ "net/ipv4/conf/eth0/rp_filter": 2 }`. Those that the kernel lacks are left out. See the
   * kernel's `Documentation/networking/ip-sysctl.rst`.
   */
  sysctls: Record<string, number>;
}

/** A link of a view. */
export interface SeenLink extends Link {
  /**
   * The link below it, if that is in the view; for a veth, its other end. It means the same as
   * {@linkcode Link.linkIndex} and {@linkcode Link.linkNetnsid}, which are valid only in the link's own
   * namespace. {@linkcode lookAround} finds it; see {@linkcode resolveBelow}.
   */
  below?: LinkRef;
}

/** Identifies a link of a view by its index and its namespace. */
export interface LinkRef {
  /** The namespace's name; `undefined` for the host. */
  netns?: string;
  /** The link's index there. */
  index: number;
}

/**
 * The parts to read of {@linkcode NamespaceView}, and of which tables the routes. The others are not
 * read. Rules and settings take one more process each.
 */
export type Wanted =
  & { [Part in "links" | "addrs" | "neighs" | "rules" | "sysctls"]?: true }
  & { routes?: "main" | "all" };

/** The parts of a namespace that were asked for. */
export type Seen<W extends Wanted> = Pick<
  NamespaceView,
  "netns" | "inode" | "netnsNames" | (keyof W & keyof NamespaceView)
>;
