/**
 * Reads the facts about the host that a call needs.
 *
 * @module
 */
import { look, lookAtLinks } from "../../iproute2/view.ts";
import { parentNames } from "../model/names.ts";
import type { HostFacts } from "../model/facts.ts";
import { wantsPool } from "./decide.ts";
import type { Parts } from "../addresses/parts.ts";
import type { SettledNetwork } from "../model/types.ts";

/** Reads only the facts that a network may need: its parent, and the links below that. */
export async function factsFor(
  { namespaces, store }: Parts<"store" | "namespaces">,
  network: SettledNetwork,
): Promise<HostFacts> {
  const ip = namespaces.host();
  return {
    release: Deno.osRelease(),
    ...await lookAtLinks(ip, parentNames(network)),
    routes: wantsPool(network) ? await ip.route.show(4) : [],
    pools: wantsPool(network) ? store.pools() : [],
  };
}

/** Reads all facts about the host. */
export async function hostFacts(parts: Parts<"store" | "namespaces">): Promise<HostFacts> {
  const { namespaces, store } = parts;
  const [facts, routes] = await Promise.all([
    linkFacts(parts),
    // Only the choice of an IPv4 subnet depends on the routes.
    namespaces.hostLook().route.show(4),
  ]);
  return { ...facts, routes, pools: store.pools() };
}

/** Reads the links and addresses of the host. */
export async function linkFacts({ namespaces }: Parts<"namespaces">): Promise<HostFacts> {
  const host = { netns: namespaces.hostName, ip: namespaces.hostLook(), run: namespaces.run };
  const seen = await look(host, { links: true, addrs: true });
  return { release: Deno.osRelease(), ...seen, routes: [] };
}
