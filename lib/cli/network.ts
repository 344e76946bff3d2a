import {
  ETCD,
  IPAM_NAMES,
  type IpamSurroundings,
  readIpamOptions,
} from "../driver/model/ipam_options.ts";
import {
  DRIVER_OPTIONS,
  NETWORK_OPTIONS,
  OPTION_NAMES,
  parseDriverOptions,
} from "../driver/model/options.ts";
import type { NetworkSpec } from "../driver/model/types.ts";
import { invalidOption, type IpvlanError } from "../base/errors.ts";
import { nestSubnets } from "../ipam/nest.ts";
import type { Arguments, Options } from "./command.ts";
import { readPairs, readRoutes, ROUTE_OPTION } from "./option_values.ts";

const SWITCHES = OPTION_NAMES.filter((name) => NETWORK_OPTIONS[name].driverOption === undefined);

/** The command's options for a network, as `docker network create` has them. */
export const CREATE_OPTIONS: Options = {
  "-d, --driver DRIVER": "the driver: ipvlan",
  "--subnet PREFIX...": "a subnet, of either family",
  "--gateway ADDRESS...": "the gateway of a subnet, or none for those without another one",
  "--ip-range PREFIX...": "the part of a subnet for automatic addresses",
  "--aux-address NAME=ADDRESS...": "an address to reserve",
  ...ROUTE_OPTION,
  ...Object.fromEntries(SWITCHES.map((name) => [`--${name}`, NETWORK_OPTIONS[name].help])),
  "--ipv6": "require that the network has IPv6",
  "--label NAME=VALUE...": "a label",
  "-o, --opt NAME=VALUE...": `an option of the driver: ${DRIVER_OPTIONS.join(", ")}`,
  "--attachable": "no effect: every sandbox can be connected to every network",
  "--scope SCOPE": "local: a network is one machine's",
  "--ipam-driver DRIVER": "default: this host gives the addresses; etcd: a pool that hosts share",
  "--ipam-opt NAME=VALUE...": `an option of the IPAM driver etcd: ${IPAM_NAMES.join(", ")}`,
};

export const DRIVER_KEYS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(NETWORK_OPTIONS).flatMap(({ driverOption: name, value }) => {
    const kind = value.kind === "choice" ? value.of.join("|") : value.kind.toUpperCase();
    return name === undefined ? [] : [[name, kind]];
  }),
);

/** The options that have only one value, which is the default. */
const ONE_VALUE = [
  ["driver", "ipvlan", "only ipvlan is here"],
  ["scope", "local", "a network is one machine's, so write local or leave it out"],
] as const;

/** Reads a network from those options, and reports all problems. */
export function readNetworkSpec(
  name: string,
  args: Arguments,
  surroundings: IpamSurroundings = { folder: "/", environment: {} },
): { spec: NetworkSpec; problems: IpvlanError[] } {
  const problems: IpvlanError[] = ONE_VALUE.flatMap(([option, only, rule]) => {
    const value = args.value(option) ?? only;
    return value === only ? [] : [invalidOption(option, value, rule)];
  });
  const given = parseDriverOptions(args.values("opt"));
  problems.push(...given.problems);
  const auxAddresses = readPairs("auxiliary address", args.values("aux-address"), true, problems);
  const labels = readPairs("label", args.values("label"), false, problems);
  const nested = nestSubnets(args.values("subnet").map((subnet) => ({ subnet })), {
    gateways: args.values("gateway"),
    ipRanges: args.values("ip-range"),
    auxAddresses,
  });
  problems.push(...nested.problems);
  const ipam = readIpam(args, surroundings, problems);
  const routes = [...readRoutes(args) ?? [], ...given.options.routes ?? []];
  const spec: NetworkSpec = {
    ...given.options,
    ...routes.length > 0 && { routes },
    // A flag with the value false is not the same as no flag.
    ...Object.fromEntries(
      [...SWITCHES, "ipv6"].filter((name) => args.on(name, true) === args.on(name))
        .map((name) => [name, args.on(name)]),
    ),
    name,
    subnets: nested.subnets,
    labels,
    ...(ipam && { ipam }),
  };
  return { spec, problems };
}

function readIpam(
  args: Arguments,
  surroundings: IpamSurroundings,
  problems: IpvlanError[],
): NetworkSpec["ipam"] {
  const driver = args.value("ipam-driver") ?? "default";
  const words = args.values("ipam-opt");
  if (driver === ETCD) {
    const read = readIpamOptions(words, surroundings);
    if (read.ok) return { driver: ETCD, access: read.access };
    problems.push(...read.problems);
  } else if (driver !== "default") {
    const rule = "write default, by which this host alone gives the addresses, or etcd";
    problems.push(invalidOption("ipam-driver", driver, rule));
  } else if (words.length > 0) {
    // Do not repeat the values: they may be secrets.
    const names = words.map((word) => word.split("=")[0]).join(",");
    const rule = "it is for --ipam-driver etcd: give that too, or leave it out";
    problems.push(invalidOption("ipam-opt", names, rule));
  }
}
