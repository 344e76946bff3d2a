import type { Addr } from "../../iproute2/addr.ts";
import type { Link } from "../../iproute2/link_types.ts";
import type { Route } from "../../iproute2/route_types.ts";
import type { Rule } from "../../iproute2/rule.ts";
import type { AddressPool } from "./types.ts";

export interface SeenNamespace {
  links: readonly Link[];
  addrs: readonly Addr[];
  /** The routes of its main tables, or of all. */
  routes: readonly Route[];
  /** Its rules; `undefined` if only the main tables were asked for. */
  rules?: readonly Rule[];
}

/** The facts about the host that a decision on a network needs. */
export interface HostFacts extends Omit<SeenNamespace, "rules"> {
  /** The kernel's release, as `uname -r` prints it. */
  release: string;
  pools?: readonly AddressPool[];
  hasOptimisticDad?: boolean;
  /** The settings of links that the option `proxy` asks about and that are on. */
  settings?: ReadonlySet<string>;
  /** The links by which a router has given the host a route. */
  routed?: readonly string[];
  /** The sandbox's namespace; `undefined` if the call did not look into it. */
  inside?: SeenNamespace;
}
