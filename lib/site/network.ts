import { ETCD, IPAM_FIELDS } from "../driver/model/ipam_options.ts";
import {
  NETWORK_OPTIONS,
  OPTION_NAMES,
  type OptionName,
  settleOptions,
} from "../driver/model/options.ts";
import type { NetworkIpam, NetworkSpec } from "../driver/model/types.ts";
import type { IpvlanError } from "../base/errors.ts";
import type { SubnetSpec } from "../ipam/mod.ts";
import { nestSubnets } from "../ipam/nest.ts";
import { defined, keyOf, list, record, type Values } from "./values.ts";
import type { Report } from "./reader.ts";
import type { Path } from "./shape.ts";

/** The keys next to `subnets` whose values belong to subnets, by the fields of a subnet. */
const NETWORK_KEYS: Record<string, string> = {
  gateway: "gateways",
  ipRange: "ip_ranges",
  auxAddresses: "aux_addresses",
} satisfies Record<Exclude<keyof SubnetSpec, "subnet">, string>;

/** A network of a site file. All paths start at the network's own mapping. */
export interface SiteNetwork {
  spec: NetworkSpec;
  /** Problems of gateways, ranges and addresses outside of all subnets. `field` is the path. */
  misplaced: IpvlanError[];
  /** Finds the path of a field of the spec in the file; empty if the file does not have it. */
  pathOf(field: Path): Path;
}

/** Reads a network. Each single value has been checked. */
export function readNetwork(name: string, values: Values, report: Report): SiteNetwork {
  const places = subnetPlaces(values);
  const { subnets, problems } = nestSubnets(places.map(({ spec }) => spec), {
    gateways: list(values, "gateways"),
    ipRanges: list(values, "ip_ranges"),
    auxAddresses: record(values, "aux_addresses"),
  });
  for (const problem of problems) {
    const [field, ...steps] = problem.field;
    problem.field = [keyOf(String(field)), ...steps];
  }
  const ipam = readIpam(values, report);
  const spec: NetworkSpec = defined({
    name,
    // Add all defaults: with a shared pool, the file must describe the same network on every host.
    ...ipam && settleOptions({}).options,
    ...defined(readOptions(values, report)),
    ipam,
    subnets,
    ipv6: values.get("ipv6") as boolean | undefined,
    labels: record(values, "labels"),
  });
  return {
    spec,
    misplaced: problems,
    pathOf: ([field, ...steps]) => {
      if (field === "subnets") return subnetPath(values, places, subnets, steps);
      const name = String(field);
      return optionPaths(values, name)[0] ?? (values.has(name) ? [name] : []);
    },
  };
}

/** Reads the address pool; `undefined` if this host alone assigns the addresses. */
function readIpam(values: Values, report: Report): NetworkIpam | undefined {
  const ipam = values.get("ipam") as Values ?? new Map();
  const given = IPAM_FIELDS.filter((field) => ipam.has(keyOf(field)));
  if (ipam.get("driver") !== ETCD) {
    for (const field of given) {
      report(["ipam", keyOf(field)], "It is for the driver etcd: name that, or leave it out");
    }
    return undefined;
  }
  const texts = given.map((field) => [field, ipam.get(keyOf(field))]);
  return {
    driver: ETCD,
    access: { ...Object.fromEntries(texts), endpoints: list(ipam, "endpoints") },
  };
}

/** Reads the options. Reports an option that is given under two names. */
function readOptions(values: Values, report: Report): Record<string, unknown> {
  return Object.fromEntries(OPTION_NAMES.map((name) => {
    const [path, twice] = optionPaths(values, name);
    if (twice) report(twice, `It says the same as "${name}": give one of them`);
    return [name, path && valueAt(values, path)];
  }));
}

/** The paths of an option that are given: by its own name, and by Docker's under `driver_opts`. */
function optionPaths(values: Values, name: string): Path[] {
  const driverOption = NETWORK_OPTIONS[name as OptionName]?.driverOption ?? "";
  return [[name], ["driver_opts", driverOption]].filter((path) =>
    valueAt(values, path) !== undefined
  );
}

function valueAt(values: Values, path: Path): unknown {
  const [key, ...rest] = path;
  const value = values.get(String(key));
  return rest.length === 0 || value === undefined ? value : valueAt(value as Values, rest);
}

interface SubnetPlace {
  path: Path;
  spec: SubnetSpec;
  /** Whether the file has only a prefix instead of a mapping. */
  isText: boolean;
}

/** Reads the subnets under `subnets`, then those under `ipam`, as in compose.yaml. */
function subnetPlaces(values: Values): SubnetPlace[] {
  const ipam = values.get("ipam") as Values ?? new Map();
  const lists: [path: Path, items: unknown][] = [
    [["subnets"], values.get("subnets")],
    [["ipam", "config"], ipam.get("config")],
  ];
  return lists.flatMap(([within, items]) =>
    (items as (string | Values | undefined)[] ?? []).flatMap((item, index): SubnetPlace[] => {
      const path = [...within, index];
      if (item === undefined) return [];
      if (typeof item === "string") return [{ path, spec: { subnet: item }, isText: true }];
      const subnet = item.get("subnet") as string | undefined;
      if (subnet === undefined) return [];
      const spec = defined({
        subnet,
        gateway: item.get("gateway") as string | undefined,
        ipRange: item.get("ip_range") as string | undefined,
        auxAddresses: item.has("aux_addresses") ? record(item, "aux_addresses") : undefined,
      });
      return [{ path, spec, isText: false }];
    })
  );
}

/** The path of a field of a subnet: in the subnet's mapping, or in a list next to `subnets`. */
function subnetPath(
  values: Values,
  places: readonly SubnetPlace[],
  subnets: readonly SubnetSpec[],
  [index, field, name]: Path,
): Path {
  const place = places[index as number]!;
  if (field === undefined || (field === "subnet" && place.isText)) return place.path;
  const key = keyOf(String(field));
  if (name !== undefined) {
    const isWithin = Object.hasOwn(place.spec.auxAddresses ?? {}, name);
    return isWithin ? [...place.path, key, name] : [NETWORK_KEYS[field]!, name];
  }
  if (Object.hasOwn(place.spec, field)) return [...place.path, key];
  const text = subnets[index as number]![field as "gateway" | "ipRange"]!;
  return [NETWORK_KEYS[field]!, list(values, NETWORK_KEYS[field]!).indexOf(text)];
}
