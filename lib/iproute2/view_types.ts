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
  /** Its links. */
  links: Link[];
  /** Its addresses of both families. */
  addrs: Addr[];
  /** Its routes of both families: those of the main tables, or of all. */
  routes: Route[];
  /** Its routing rules of both families. */
  rules: Rule[];
  /** Its neighbours of both families, and then those that it answers for as their proxy. */
  neighs: Neigh[];
  /**
   * Its settings of forwarding, source checks, ARP and IPv6, by their paths under `/proc/sys`:
   * `{ "net/ipv4/conf/eth0/rp_filter": 2 }`. Those that the kernel lacks are left out.
   */
  sysctls: Record<string, number>;
}

/** The parts of a {@linkcode NamespaceView} to read; the routes of the main tables, or of all. */
export type Wanted =
  & { [Part in "links" | "addrs" | "rules" | "neighs" | "sysctls"]?: true }
  & { routes?: "main" | "all" };

/** The parts of a namespace that were asked for. */
export type Seen<W extends Wanted> = Pick<
  NamespaceView,
  "netns" | (keyof W & keyof NamespaceView)
>;
