// The host and the sandboxes of a network reach each other by a second ipvlan link on the parent, in
// the host. Pure functions.
//
// The kernel carries nothing between a parent and the ipvlan links on it, but what one of these links
// sends to another (`ipvlan_queue_xmit` in `drivers/net/ipvlan/ipvlan_core.c`). The host's link has
// addresses outside of every subnet, so it takes none of the pool, and the host keeps its routes.
import { type Addresses, endpointAddresses, type Family, familyOf } from "../../ipam/address.ts";
import type { NeighSpec } from "../../iproute2/neigh.ts";
import { networkParent } from "./names.ts";
import type { HostStep } from "./option_steps.ts";
import { ADVERTISED } from "./routing_config.ts";
import { routePrefix } from "./routes.ts";
import type { EndpointRoute, Network, SettledNetwork } from "./types.ts";

/** The host's addresses on its link: a link-local one, and a unique local one ("ipvlan" in ASCII). */
export const HOST_ADDRESS: Readonly<Record<Family, string>> = {
  4: "169.254.77.1",
  6: "fd69:7076:6c61:6e00::1",
};

/** The name of the host's link on a parent. Names differ at their ends: `eth0.20`, `eth0.30`. */
export function hostLink(parent: string): string {
  return `h-${parent.slice(-13)}`;
}

export function whyNoHostAccess({ parent, internal, flag }: SettledNetwork): string | undefined {
  if (internal) return "the network is internal, so nothing else reaches its sandboxes";
  if (networkParent({ parent }).kind === "sandbox") {
    return "its parents are links of the sandboxes, and the host has none on them";
  }
  // `ipvlan_xmit_mode_l2` and `ipvlan_xmit_mode_l3` in `ipvlan_core.c` give a link nothing of another
  // one: `private` drops it, and `vepa` sends it out.
  if (flag === "bridge") return undefined;
  return `with the flag ${flag} the kernel carries nothing between the links of a parent; ` +
    "use the flag bridge";
}

/** The families of a network. One with foreign addresses may have both. */
export function familiesOf(
  { subnets, foreignAddresses }: Pick<Network, "subnets" | "foreignAddresses">,
): Family[] {
  const has = (family: Family) => subnets.some(({ subnet }) => familyOf(subnet) === family);
  return ([4, 6] as const).filter((family) => foreignAddresses || has(family));
}

/** The host's link on the parent, and its addresses. Networks of one parent share it. */
export function hostAccessSteps(network: Network): HostStep[] {
  const { hostAccess, parent, mode, flag } = network;
  if (!hostAccess) return [];
  const dev = hostLink(parent);
  return [
    { kind: "link.add", link: { type: "ipvlan", name: dev, link: parent, mode, flag } },
    ...familiesOf(network).map((family): HostStep => ({
      kind: "addr.add",
      addr: {
        dev,
        address: routePrefix(HOST_ADDRESS[family]),
        // The host does not choose it as the source of other packets.
        ...family === 4 ? { scope: "link" } : { nodad: true },
        noprefixroute: true,
      },
    })),
  ];
}

/**
 * The host's routes to an endpoint, of the protocol `kernel`, which routing daemons do not announce.
 * They are better than those of the option `advertise`, which lead nowhere.
 */
export function endpointAccessSteps(
  { hostAccess, parent, mode }: Pick<Network, "hostAccess" | "parent" | "mode">,
  endpoint: Addresses,
): HostStep[] {
  if (!hostAccess) return [];
  const dev = hostLink(parent);
  return endpointAddresses(endpoint).map((address): HostStep => {
    const src = HOST_ADDRESS[familyOf(address)];
    const route = { dst: routePrefix(address), dev, src, protocol: 2, metric: ADVERTISED - 1 };
    return { kind: "route.add", route, ...mode === "l2" && { neighbour: { dst: address, dev } } };
  });
}

export function routesToHost(
  { hostAccess }: Pick<Network, "hostAccess">,
  endpoint: Addresses,
): EndpointRoute[] {
  if (!hostAccess) return [];
  return familiesAt(endpoint).map((family) => ({ dst: routePrefix(HOST_ADDRESS[family]) }));
}

/** The neighbours that spare an endpoint in L2 mode from asking for the host: the LAN would hear it. */
export function hostNeighbours(
  { hostAccess, mode }: Pick<Network, "hostAccess" | "mode">,
  endpoint: Addresses & { ifname: string },
  mac: string | undefined,
): NeighSpec[] {
  if (!hostAccess || mode !== "l2" || mac === undefined) return [];
  return familiesAt(endpoint)
    .map((family) => ({ dst: HOST_ADDRESS[family], dev: endpoint.ifname, address: mac }));
}

function familiesAt(endpoint: Addresses): Family[] {
  return [...new Set(endpointAddresses(endpoint).map(familyOf))];
}

export function hostNames(
  network: Network | undefined,
): { address: string; names: readonly string[] }[] {
  if (!network?.hostAccess) return [];
  return familiesOf(network)
    .map((family) => ({ address: HOST_ADDRESS[family], names: ["host.internal"] }));
}
