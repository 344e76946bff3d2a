/**
 * Compares the settings of a network on the hosts that share it with those of a command. Pure
 * functions.
 *
 * @module
 */
import type { SharedSettings } from "../../../claims/types.ts";
import { type Decision, IpvlanError } from "../../../base/errors.ts";
import { prefixOf } from "../../../claims/access.ts";
import { formatAddress, formatPrefix, parseSubnets, type Subnet } from "../../../ipam/mod.ts";
import { defaultGateway } from "../../../ipam/prefix.ts";
import { NETWORK_OPTIONS, OPTION_NAMES } from "../../model/options.ts";
import { isSharedSettings } from "../../store/records.ts";
import type { EngineNetworkSpec, NetworkSubnet, SettledNetwork } from "../../model/types.ts";

/** The options that are the same on all hosts. Each host has its own parent. */
const SHARED_OPTIONS = OPTION_NAMES.filter((name) => name !== "parent");

/** Picks the settings of a network that are the same on all hosts. */
export function settingsFor(network: SettledNetwork): SharedSettings {
  const options = SHARED_OPTIONS.filter((name) => network[name] !== undefined)
    .map((name) => [name, network[name]]);
  return { ...Object.fromEntries(options), subnets: network.subnets };
}

/** Takes over the settings of a network on other hosts. Those given here must not differ. */
export function takeOver(
  spec: EngineNetworkSpec,
  settings: SharedSettings,
): Decision<{ spec: EngineNetworkSpec }> {
  if (!isSharedSettings(settings)) {
    const prefix = spec.ipam ? prefixOf(spec.ipam.access) : "";
    const key = `${prefix}/networks/${spec.name}`;
    return { ok: false, problems: [new IpvlanError("damaged-key", { key })] };
  }
  const specs = spec.subnets ?? [];
  const parsed = parseSubnets(specs);
  if (!parsed.ok) return { ok: false, problems: parsed.problems.map((each) => each.at("subnets")) };
  const differences = [
    ...SHARED_OPTIONS.flatMap((name) => {
      const [said, there] = [spec[name], settings[name] ?? NETWORK_OPTIONS[name].default];
      if (said === undefined || said === there) return [];
      const text = there ?? NETWORK_OPTIONS[name].none;
      return [`the ${NETWORK_OPTIONS[name].label} is ${said} here and ${text} there`];
    }),
    ...parsed.subnets.flatMap((subnet, index) => {
      const spec = specs[index]!;
      const saysGateway = typeof spec !== "string" && spec.gateway !== undefined;
      return subnetDifferences(subnet, saysGateway, settings.subnets);
    }),
  ];
  if (differences.length > 0) {
    const fields = { network: spec.name, differences };
    return { ok: false, problems: [new IpvlanError("shared-network-differs", fields)] };
  }
  const options = SHARED_OPTIONS.map((name) => [name, settings[name]])
    .filter(([, value]) => value !== undefined);
  return {
    ok: true,
    spec: { ...spec, ...Object.fromEntries(options), subnets: settings.subnets },
  };
}

/** The differences between a given subnet and that on other hosts. */
function subnetDifferences(
  { prefix, gateway, range, reserved }: Subnet,
  saysGateway: boolean,
  there: readonly NetworkSubnet[],
): string[] {
  const subnet = formatPrefix(prefix);
  const found = there.find((other) => other.subnet === subnet);
  if (!found) {
    const known = there.map(({ subnet }) => subnet).join(", ") || "none";
    return [`the subnet is ${subnet} here and ${known} there`];
  }
  const usual = defaultGateway(prefix);
  const different = (what: string, said: string | undefined, there: string | undefined) =>
    said === undefined || said === there
      ? []
      : [`the ${what} of ${subnet} is ${said} here and ${there ?? "none"} there`];
  return [
    ...different(
      "gateway",
      saysGateway && gateway ? formatAddress(gateway) : undefined,
      found.gateway ?? (usual && formatAddress(usual)),
    ),
    ...different("range", range && formatPrefix(range), found.ipRange),
    ...reserved.entries().flatMap(([name, address]) =>
      different(`auxiliary address ${name}`, formatAddress(address), found.auxAddresses[name])
    ),
  ];
}
