// The options that say what a network takes from its LAN and asks there: `ipv6`, `dad`, `probe`. Pure
// functions.
import { invalidOption, type IpvlanError } from "../../base/errors.ts";
import { familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";
import type { LinkSetting } from "../../iproute2/sysctl.ts";
import { wayOut } from "./routes.ts";
import type { Network, SettledNetwork } from "./types.ts";

/** Checks the option together with the mode, the parent and the subnets. */
export function ipv6Problems(
  { ipv6Mode, mode, subnets, foreignAddresses }: SettledNetwork,
  isolated: boolean,
): IpvlanError[] {
  if (ipv6Mode === undefined) return [];
  const wrong = (rule: string) => [invalidOption("IPv6 addresses", ipv6Mode, rule).at("ipv6Mode")];
  const hasIPv6 = subnets.some(({ subnet }) => familyOf(subnet) === 6);
  if (ipv6Mode === "off") {
    return hasIPv6 ? wrong("an IPv6 subnet is given: leave one of the two out") : [];
  }
  if (ipv6Mode === "static") {
    return hasIPv6 || foreignAddresses ? [] : wrong("no IPv6 subnet is given: give one");
  }
  if (isolated) return wrong("the network is isolated, so no router reaches it; give it a parent");
  return mode === "l2" ? [] : wrong(
    `the mode is ${mode}, where the kernel gives no router's advertisement to a link; choose l2`,
  );
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

/** Whether the last halves of two addresses are equal. */
export function endAlike(one: string, other: string): boolean {
  const half = (text: string) => BigInt.asUintN(64, parseAddress(text).bits);
  return half(one) === half(other);
}

/** Checks the option `dad` together with the mode, the parent and the subnets. */
export function dadProblems(network: SettledNetwork, isolated: boolean): IpvlanError[] {
  const { dad, subnets, foreignAddresses } = network;
  if (dad === undefined || dad === "off") return [];
  const hasIPv6 = foreignAddresses || subnets.some(({ subnet }) => familyOf(subnet) === 6);
  const rule = whyNobody(network, isolated) ??
    (dad === "optimistic" && !hasIPv6 ? "it is for IPv6, and no IPv6 subnet is given" : undefined);
  return rule === undefined
    ? []
    : [invalidOption("duplicate address detection", dad, rule).at("dad")];
}

/** Checks the option `probe` together with the mode, the parent and the subnets. */
export function probeProblems(network: SettledNetwork, isolated: boolean): IpvlanError[] {
  const { probe, internal, mode, foreignAddresses } = network;
  if (probe === undefined) return [];
  const rule = whyNobody(network, isolated) ??
    (foreignAddresses || wayOut({ mode, internal, isolated }) !== "gateway"
      ? "the network knows no gateway of its subnets"
      : undefined);
  return rule === undefined ? [] : [invalidOption("probe", probe, rule).at("probe")];
}

/** Finds why a network cannot ask its LAN. */
function whyNobody({ mode }: SettledNetwork, isolated: boolean): string | undefined {
  if (isolated) return "the network is isolated, so no other machine is there; give it a parent";
  if (mode === "l2") return undefined;
  return `the mode is ${mode}, where a link neither asks nor answers by ARP or its like for IPv6; ` +
    "choose l2";
}
