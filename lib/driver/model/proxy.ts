// The host answers on the LAN for the sandboxes of an L3 network in the LAN's own subnet. Pure functions.
//
// In L3S mode the kernel gives the LAN's questions for a sandbox to the host, in L3 mode only those of
// IPv6: a link there has the ARP requests, and answers none (`ipvlan_handle_mode_l3` in
// `drivers/net/ipvlan/ipvlan_core.c`). The host answers for another one if it forwards, and in IPv4
// only if its route to that one is by another link (`arp_process` in `net/ipv4/arp.c`, `ndisc_recv_ns`
// in `net/ipv6/ndisc.c`).
import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import { type Addresses, endpointAddresses, familyOf } from "../../ipam/address.ts";
import { linkSetting } from "../../iproute2/sysctl.ts";
import type { HostFacts } from "./facts.ts";
import { familiesOf } from "./host_access.ts";
import { networkParent, parentProblems } from "./names.ts";
import type { HostSetting, HostStep } from "./option_steps.ts";
import { ADVERTISED } from "./routing_config.ts";
import { routePrefix } from "./routes.ts";
import type { Network, SettledNetwork } from "./types.ts";

/** The settings of a parent that networks need to be on. */
export const PARENT_SETTINGS = ["ipv4/forwarding", "ipv6/forwarding", "ipv6/proxy_ndp"] as const;

type ParentSetting = typeof PARENT_SETTINGS[number];

export function whyNoProxy(
  { mode, parent, ipv4, foreignAddresses, advertise }: SettledNetwork,
  isolated: boolean,
): string | undefined {
  if (isolated) return "the network is isolated, so no machine asks; give it a parent";
  if (networkParent({ parent }).kind === "sandbox") {
    return "its parents are links of the sandboxes, and the host answers for none on them";
  }
  if (mode === "l2") {
    return "the mode is l2, where the sandboxes answer for themselves; leave it out";
  }
  if (advertise) return "the LAN finds the sandboxes without a router; leave out advertise";
  if (mode === "l3s" || !ipv4 && !foreignAddresses) return undefined;
  return "the mode is l3, where the kernel gives the LAN's ARP requests to a sandbox, which does not " +
    "answer them; choose l3s, or a network without IPv4";
}

/** Finds the settings that a network needs; none for a parent that cannot be. */
function proxySettings(network: Network): ParentSetting[] {
  if (!network.proxy || parentProblems(network.parent).length > 0) return [];
  const families = familiesOf(network).map((family) => `ipv${family}/`);
  return PARENT_SETTINGS.filter((each) => families.some((family) => each.startsWith(family)));
}

/** Finds those that the driver changes for a network, or has changed for others on the parent. */
export function changedSettings(
  network: Network,
  others: readonly Network[],
  { settings }: HostFacts,
): ParentSetting[] {
  const { parent } = network;
  const had = others.flatMap((each) => each.parent === parent ? each.changed ?? [] : []);
  return proxySettings(network)
    .filter((each) => had.includes(each) || !settings?.has(linkSetting(parent, `${each}=1`)));
}

/**
 * Refuses a network if the host would begin to forward IPv6 for it, and so lose the default routes that
 * routers advertise: those by all links (`rt6_purge_dflt_routers` in `net/ipv6/route.c`).
 */
export function routerProblems(
  network: Network,
  { settings, routed = [] }: Pick<HostFacts, "settings" | "routed">,
): IpvlanError[] {
  if (!proxySettings(network).includes("ipv6/forwarding")) return [];
  const forwards = settings?.has(linkSetting(network.parent, "ipv6/forwarding=1"));
  // With 0, another program reads the advertisements; with 2, the kernel also where it forwards.
  const lost = routed.filter((link) => settings?.has(linkSetting(link, "ipv6/accept_ra=1")));
  if (forwards || lost.length === 0) return [];
  const lines = lost.map((link) => linkSetting(link, "ipv6/accept_ra=2"));
  const rule = `a router has given the host its default route by ${lost.join(", ")}, which ` +
    `the kernel drops where it begins to forward: first run "sysctl -w ${lines.join(" ")}"`;
  return [invalidOption("proxy", "true", rule).at("proxy")];
}

/** The settings of the parent. Networks of one parent share them. */
export function networkProxySteps(network: Network): HostStep[] {
  const { parent: dev, changed = [] } = network;
  return proxySettings(network).map((each): HostSetting => ({
    kind: "setting.add",
    dev,
    setting: `${each}=1`,
    ...changed.includes(each) && { before: `${each}=0` },
  }));
}

/**
 * The entries for the addresses of an endpoint, and the host's IPv4 route by another link than the
 * parent. With host access there is one that leads to the sandbox; this one leads nowhere.
 */
export function endpointProxySteps(
  { proxy, hostAccess, parent: dev }: Pick<Network, "proxy" | "hostAccess" | "parent">,
  endpoint: Addresses,
): HostStep[] {
  if (!proxy) return [];
  return endpointAddresses(endpoint).flatMap((address): HostStep[] => {
    const entry = { kind: "proxy.add", dst: address, dev } as const;
    if (hostAccess || familyOf(address) === 6) return [entry];
    // Of the protocol `kernel`, which routing daemons do not announce.
    const route = { dst: routePrefix(address), dev: "lo", protocol: 2, metric: ADVERTISED - 1 };
    return [{ kind: "route.add", route }, entry];
  });
}
