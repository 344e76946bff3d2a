// Networks that several hosts share: their settings in etcd and their pools, against those here.
import type { SharedSettings } from "../../../claims/types.ts";
import { accept, type Decision, IpvlanError } from "../../../base/errors.ts";
import { prefixOf } from "../../../claims/access.ts";
import type { SharedPools } from "../../../claims/shared_pools.ts";
import { poolId } from "../../../claims/pool_key.ts";
import type { Addr } from "../../../iproute2/addr.ts";
import type { Parts } from "../parts.ts";
import { isShared, leavePools, type SharedNetwork, tell } from "./pools.ts";
import { formatAddress, formatPrefix, parseSubnets, type Subnet } from "../../../ipam/mod.ts";
import { defaultGateway } from "../../../ipam/prefix.ts";
import { NETWORK_OPTIONS, OPTION_NAMES, optionText } from "../../model/options.ts";
import { reservingSubnets } from "../../model/subnets.ts";
import { isSharedSettings } from "../../store/records.ts";
import type {
  EngineNetworkSpec,
  Network,
  NetworkSubnet,
  SettledNetwork,
} from "../../model/types.ts";

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
      if (said === undefined) return [];
      const [here, text] = [optionText(name, spec), optionText(name, { [name]: there })];
      if (here === text) return [];
      return [`the ${NETWORK_OPTIONS[name].label} is ${here} here and ${text} there`];
    }),
    ...parsed.subnets.flatMap((subnet, index) => {
      const spec = specs[index]!;
      const given = typeof spec === "string" ? undefined : spec.gateway;
      return subnetDifferences(subnet, given, settings.subnets);
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
  given: string | undefined,
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
      given !== undefined && gateway ? formatAddress(gateway) : given,
      found.gateway ?? (usual && formatAddress(usual)),
    ),
    ...different("range", range && formatPrefix(range), found.ipRange),
    ...reserved.entries().flatMap(([name, address]) =>
      different(`auxiliary address ${name}`, formatAddress(address), found.auxAddresses[name])
    ),
  ];
}

/** The addresses of a subnet that no endpoint gets, with their purpose. */
export function reservedOf(subnet: NetworkSubnet): Record<string, string> {
  const { subnets: [own] } = accept(parseSubnets([subnet]));
  const { gateway, reserved } = own!;
  const purposes = reserved.entries()
    .map(([name, address]) => [formatAddress(address), `auxiliary address ${name}`]);
  return {
    ...Object.fromEntries(purposes),
    ...gateway && { [formatAddress(gateway)]: "gateway" },
  };
}

/** Joins the pools of a network, and claims this host's addresses in them. */
export async function joinPools(
  pools: SharedPools,
  network: SharedNetwork,
  addrs: readonly Addr[],
): Promise<void> {
  for (const subnet of reservingSubnets(network)) {
    const { id } = await pools.join(network.ipam.access, subnet.subnet, reservedOf(subnet));
    await pools.claimOwn(id, addrs);
  }
}

/**
 * Writes the settings of a shared network to etcd, and joins its pools. Write the record first:
 * then a crash leaves nothing in etcd without a record. @throws {"shared-network-differs"}
 */
export async function shareNetwork(
  parts: Parts<"namespaces" | "openShared">,
  network: Network,
): Promise<string[]> {
  if (!isShared(network)) return [];
  const pools = await parts.openShared();
  if (!pools) return [];
  await pools.defineNetwork(network.ipam.access, network.name, settingsFor(network));
  await joinPools(pools, network, await parts.namespaces.host().addr.show());
  return await tell(pools);
}

/** Removes this host from a shared network in etcd, and leaves the pools that nothing else uses. */
export async function unshareNetwork(
  parts: Parts<"store" | "openShared">,
  network: Network,
): Promise<void> {
  if (!isShared(network)) return;
  const pools = await parts.openShared();
  if (!pools) return;
  const { id, name, ipam: { access }, subnets } = network;
  // If etcd is unreachable, this fails, and the network keeps its pools.
  await pools.forgetNetwork(access, name);
  await leavePools(parts, pools, subnets.map(({ subnet }) => poolId(access, subnet)), id);
}
