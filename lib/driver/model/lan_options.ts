// The options that say what a network takes from its LAN and asks there: `ipv6`, `dad`, `probe`. Pure
// functions.
import { familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";
import type { LinkSetting } from "../../iproute2/sysctl.ts";
import { wayOut } from "./routes.ts";
import type { Network, SettledNetwork } from "./types.ts";

export function whyNoIpv6Mode(
  { ipv6Mode, mode, subnets, foreignAddresses }: SettledNetwork,
  isolated: boolean,
): string | undefined {
  const hasIPv6 = subnets.some(({ subnet }) => familyOf(subnet) === 6);
  if (ipv6Mode === "off") {
    return hasIPv6 ? "an IPv6 subnet is given: leave one of the two out" : undefined;
  }
  if (ipv6Mode === "static") {
    return hasIPv6 || foreignAddresses ? undefined : "no IPv6 subnet is given: give one";
  }
  if (isolated) return "the network is isolated, so no router reaches it; give it a parent";
  if (mode === "l2") return undefined;
  return `the mode is ${mode}, where the kernel gives no router's advertisement to a link; choose l2`;
}

/** The settings that decide what IPv6 a link has before it comes up. */
export function ipv6Settings(
  { ipv6Mode }: Pick<Network, "ipv6Mode">,
  ip6: string | undefined,
): LinkSetting[] {
  // The namespace may have IPv6 off by default, or forward: then 1 would not accept advertisements.
  if (ipv6Mode === "slaac") return ["ipv6/disable_ipv6=0", "ipv6/accept_ra=2"];
  if (ip6 === undefined) return ["ipv6/disable_ipv6=1"];
  return ipv6Mode === "static" ? ["ipv6/accept_ra=0"] : [];
}

/**
 * The last half of an endpoint's addresses by SLAAC (RFC 4862). All links of a parent have one MAC, and
 * what the kernel makes of it depends on the order of the links. This half comes from the endpoint's
 * id, which no other endpoint has, and which stays the same when its link is made again.
 */
export function interfaceToken({ id }: { id: string }): string {
  // With a digit before the 48 bits of the id, it is never an IPv4-mapped address.
  return formatAddress({ family: 6, bits: BigInt(`0x1${id.padStart(12, "0")}`) });
}

export function endAlike(one: string, other: string): boolean {
  const half = (text: string) => BigInt.asUintN(64, parseAddress(text).bits);
  return half(one) === half(other);
}

export function whyNoDad(network: SettledNetwork, isolated: boolean): string | undefined {
  const { dad, subnets, foreignAddresses } = network;
  if (dad === "off") return undefined;
  const hasIPv6 = foreignAddresses || subnets.some(({ subnet }) => familyOf(subnet) === 6);
  return whyNobody(network, isolated) ??
    (dad === "optimistic" && !hasIPv6 ? "it is for IPv6, and no IPv6 subnet is given" : undefined);
}

export function whyNoProbe(network: SettledNetwork, isolated: boolean): string | undefined {
  const hasGateway = !network.foreignAddresses && wayOut({ ...network, isolated }) === "gateway";
  return whyNobody(network, isolated) ??
    (hasGateway ? undefined : "the network knows no gateway of its subnets");
}

function whyNobody({ mode }: SettledNetwork, isolated: boolean): string | undefined {
  if (isolated) return "the network is isolated, so no other machine is there; give it a parent";
  if (mode === "l2") return undefined;
  return `the mode is ${mode}, where a link neither asks nor answers by ARP or its like for IPv6; ` +
    "choose l2";
}
