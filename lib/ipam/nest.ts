import { attempt, IpvlanError } from "../base/errors.ts";
import type { AddressRole } from "../base/error_codes.ts";
import { parseAddress } from "./address.ts";
import { contains, formatPrefix, outsideSubnet, parsePrefix } from "./prefix.ts";
import { NO_GATEWAY, type SubnetSpec } from "./subnet.ts";

/** Words that belong to subnets but stand beside them, as in `docker network create`. */
export interface LooseWords {
  /** Every `--gateway`, in any order. `none` is for the subnets without another one. */
  readonly gateways: readonly string[];
  /** Every `--ip-range`, in any order. */
  readonly ipRanges: readonly string[];
  /** Every `--aux-address`, by its name. */
  readonly auxAddresses: Readonly<Record<string, string>>;
}

/**
 * Puts each gateway, ip-range and auxiliary address into the subnet that contains it. The problems are
 * words that belong to no subnet: a `field` starts with a field of {@linkcode LooseWords}.
 * `parseSubnets` checks the subnets themselves.
 */
export function nestSubnets(
  specs: readonly SubnetSpec[],
  loose: LooseWords,
): { subnets: SubnetSpec[]; problems: IpvlanError[] } {
  const problems: IpvlanError[] = [];
  const homes = specs.map(({ subnet, gateway, ipRange, auxAddresses }) => {
    const parsed = attempt(() => parsePrefix(subnet).prefix);
    return {
      subnet,
      prefix: parsed.ok ? parsed.value : undefined,
      gateways: gateway === undefined ? [] : [gateway],
      ipRanges: ipRange === undefined ? [] : [ipRange],
      auxAddresses: Object.entries(auxAddresses ?? {}),
    };
  });
  const readable = homes.flatMap(({ prefix }) => prefix ?? []);
  const find = (field: string, place: string | number, role: AddressRole, text: string) => {
    const found = attempt(() => {
      const inner = role === "ip-range" ? parsePrefix(text).prefix : parseAddress(text);
      const home = homes.find(({ prefix }) => prefix && contains(prefix, inner));
      // If no subnet can be read, this problem only follows from that one.
      if (home || homes.length > 0 && readable.length === 0) return home;
      throw outsideSubnet(role, inner, readable);
    });
    if (found.ok) return found.value;
    problems.push(...found.problems.map((problem) => problem.at(field, place)));
  };
  for (const [index, text] of loose.gateways.entries()) {
    if (text !== NO_GATEWAY) find("gateways", index, "gateway", text)?.gateways.push(text);
  }
  const none = loose.gateways.indexOf(NO_GATEWAY);
  if (none >= 0) {
    const bare = homes.filter(({ gateways }) => gateways.length === 0);
    // If each subnet has a gateway, it contradicts the first one.
    for (const { gateways } of bare.length > 0 ? bare : homes.slice(0, 1)) {
      gateways.push(NO_GATEWAY);
    }
    if (homes.length === 0) {
      const fields = { role: "gateway", value: NO_GATEWAY, subnets: [] } as const;
      problems.push(new IpvlanError("outside-subnet", fields).at("gateways", none));
    }
  }
  for (const [index, text] of loose.ipRanges.entries()) {
    find("ipRanges", index, "ip-range", text)?.ipRanges.push(text);
  }
  for (const [name, text] of Object.entries(loose.auxAddresses)) {
    find("auxAddresses", name, "auxiliary address", text)?.auxAddresses.push([name, text]);
  }
  for (const { prefix, gateways, ipRanges } of homes) {
    const once = [["gateways", "gateway", gateways], ["ipRanges", "ip-range", ipRanges]] as const;
    for (const [field, what, values] of once) {
      if (!prefix || values.length < 2) continue;
      const subnet = formatPrefix(prefix);
      problems.push(new IpvlanError("duplicate-in-subnet", { subnet, what, values }).at(field));
    }
  }
  return {
    subnets: homes.map(({ subnet, gateways: [gateway], ipRanges: [ipRange], auxAddresses }) => ({
      subnet,
      ...(gateway !== undefined && { gateway }),
      ...(ipRange !== undefined && { ipRange }),
      ...(auxAddresses.length > 0 && { auxAddresses: Object.fromEntries(auxAddresses) }),
    })),
    problems,
  };
}
