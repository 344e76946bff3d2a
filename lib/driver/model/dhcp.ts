import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import type { SettledNetwork } from "./types.ts";

/** How long to wait for a DHCP server where nothing says how long, in seconds. */
export const DHCP_TIMEOUT = 10;

/** Checks the option `dhcp`: a DHCP server of the LAN gives the IPv4 addresses (RFC 2131). */
export function dhcpProblems(network: SettledNetwork, isolated: boolean): IpvlanError[] {
  const { dhcp, mode, ipv4, ipv6Mode, dad = "off", hostAccess, policyRoutes, ipam, owner } =
    network;
  if (dhcp === undefined) return [];
  const early = Object.entries({
    dad: dad !== "off",
    host_access: hostAccess,
    policy_routes: policyRoutes,
  });
  const rules = [
    ...owner ? ["an engine gives its sandboxes their addresses itself"] : [],
    ...ipam ? [`${ipam.driver} gives the addresses: leave one of the two out`] : [],
    ...isolated ? ["the network is isolated, so no DHCP server reaches it; give it a parent"] : [],
    ...mode === "l2" ? [] : [`the mode is ${mode}, where no broadcast reaches a link; choose l2`],
    ...ipv4 ? [] : ["it gives IPv4 addresses, and the network has none"],
    ...ipv6Mode === "static"
      ? ["it gives no IPv6 addresses; choose ipv6=slaac, or leave that out"]
      : [],
    ...early.filter(([, isGiven]) => isGiven).map(([option]) =>
      `the option ${option} needs the addresses before there is a lease: leave it out`
    ),
  ];
  return rules.map((rule) => invalidOption("DHCP", String(dhcp), rule).at("dhcp"));
}
