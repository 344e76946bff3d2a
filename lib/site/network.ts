import { DHCP_TIMEOUT } from "../driver/model/dhcp.ts";
import { DHCP, ETCD } from "../driver/model/ipam_options.ts";
import {
  NETWORK_OPTIONS,
  OPTION_NAMES,
  type OptionName,
  settleOptions,
} from "../driver/model/options.ts";
import { parseRoutes } from "../driver/model/routes.ts";
import type { NetworkIpam, NetworkOptions, NetworkSpec } from "../driver/model/types.ts";
import type { IpvlanError } from "../base/errors.ts";
import type { SubnetSpec } from "../ipam/mod.ts";
import { type LooseWords, nestSubnets } from "../ipam/nest.ts";
import { keyOf, type Path, type Report } from "./shape.ts";

/** The fields next to `subnets` whose values belong to subnets, by the fields of a subnet. */
const BESIDE: Readonly<Record<string, keyof LooseWords>> = {
  gateway: "gateways",
  ipRange: "ipRanges",
  auxAddresses: "auxAddresses",
} satisfies Record<Exclude<keyof SubnetSpec, "subnet">, keyof LooseWords>;

/** The mapping of a network. Each single value has been checked. */
export interface NetworkValues extends Partial<NetworkOptions>, Partial<LooseWords> {
  subnets?: (string | SubnetSpec)[];
  ipv6?: boolean;
  labels?: Record<string, string>;
  driver?: string;
  driverOpts?: Partial<Omit<NetworkOptions, "routes">> & { routes?: string };
  ipam?: Partial<NetworkIpam["access"]> & { driver?: string; config?: SubnetSpec[] };
}

/** A network of a site file. All paths start at the network's own mapping. */
export interface SiteNetwork {
  spec: NetworkSpec;
  /** Problems of gateways, ranges and addresses outside of all subnets. `field` is the path. */
  misplaced: IpvlanError[];
  /** Finds the path of a field of the spec in the file; empty if the file does not have it. */
  pathOf(field: Path): Path;
}

export function toSiteNetwork(name: string, values: NetworkValues, report: Report): SiteNetwork {
  const { gateways = [], ipRanges = [], auxAddresses = {}, ...others } = values;
  const { subnets = [], ipam: pool = {}, driverOpts = {}, labels = {}, driver: _, ...more } =
    others;
  const { driver, config = [], ...access } = pool;
  if (driver !== ETCD) {
    for (const field of Object.keys(access)) {
      report(["ipam", keyOf(field)], "It is for the driver etcd: name that, or leave it out");
    }
  }
  for (const option of OPTION_NAMES) {
    if (!(option in values && option in driverOpts)) continue;
    report(pathUnderDriver(option), `It says the same as "${keyOf(option)}": give one of them`);
  }
  const places = [
    ...subnets.map((subnet, index) => ({ path: ["subnets", index], subnet })),
    ...config.map((subnet, index) => ({ path: ["ipam", "config", index], subnet })),
  ].map(({ path, subnet }) =>
    typeof subnet === "string"
      ? { path, spec: { subnet }, isText: true }
      : { path, spec: subnet, isText: false }
  );
  const nested = nestSubnets(places.map(({ spec }) => spec), { gateways, ipRanges, auxAddresses });
  for (const problem of nested.problems) {
    const [field, ...steps] = problem.field;
    problem.field = [keyOf(String(field)), ...steps];
  }
  return {
    spec: {
      name,
      // Add all defaults: with a shared pool, the file must describe the same network on every host.
      ...driver === ETCD && {
        ...settleOptions({}).options,
        ipam: { driver, access: { endpoints: [], ...access } },
      },
      ...driver === DHCP && { dhcp: DHCP_TIMEOUT },
      ...driverOpts as Partial<NetworkOptions>,
      ...driverOpts.routes !== undefined && { routes: parseRoutes(driverOpts.routes) },
      ...more,
      subnets: nested.subnets,
      labels,
    },
    misplaced: nested.problems,
    pathOf: ([field, ...steps]) => {
      if (field === "subnets") return subnetPath(places, nested.subnets, values, steps);
      const name = String(field);
      if (name in values) return [keyOf(name)];
      return name in driverOpts ? pathUnderDriver(name as OptionName) : [];
    },
  };
}

function pathUnderDriver(option: OptionName): Path {
  return ["driver_opts", NETWORK_OPTIONS[option].driverOption!];
}

/** The path of a field of a subnet: in the subnet's mapping, or in a list next to `subnets`. */
function subnetPath(
  places: readonly { path: Path; spec: SubnetSpec; isText: boolean }[],
  subnets: readonly SubnetSpec[],
  values: NetworkValues,
  [index, field, name]: Path,
): Path {
  const { path, spec, isText } = places[index as number]!;
  if (field === undefined || (field === "subnet" && isText)) return path;
  const isWithin = name === undefined
    ? Object.hasOwn(spec, field)
    : Object.hasOwn(spec.auxAddresses ?? {}, name);
  if (isWithin) return [...path, keyOf(String(field)), ...name === undefined ? [] : [name]];
  const beside = BESIDE[field]!;
  const text = subnets[index as number]![field as "gateway" | "ipRange"]!;
  return [keyOf(beside), name ?? (values[beside] as readonly string[]).indexOf(text)];
}
