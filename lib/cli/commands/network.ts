import type { Arguments, Command, Context, Options } from "../command.ts";
import { invalidOption, type IpvlanError, throwProblems, unlessError } from "../../base/errors.ts";
import {
  CHANGING,
  DRIVER_OPTIONS,
  NETWORK_OPTIONS,
  OPTION_NAMES,
  parseDriverOptions,
} from "../../driver/model/options.ts";
import { forEachName, requireOwn, usageError } from "../errors.ts";
import { inspectedNetwork, networkColumns, networkFields } from "../docker/shape.ts";
import { readNetworkFilter, readPruneFilter } from "../docker/filter.ts";
import { FORMAT_OPTIONS, printList, readFormat, readTemplate } from "../docker/list.ts";
import type { Driver, Network, NetworkSpec } from "../../driver/mod.ts";
import { type Struct, toJson } from "../../template/mod.ts";
import { COMMON } from "../options.ts";
import { addressesIn } from "./address.ts";
import { isOwned } from "../../driver/model/names.ts";
import { agrees } from "../ask.ts";
import {
  ENDPOINT_OPTIONS,
  readEndpoint,
  readPairs,
  readRoutes,
  ROUTE_OPTION,
} from "../option_values.ts";
import { DHCP_TIMEOUT } from "../../driver/model/dhcp.ts";
import {
  DHCP,
  ETCD,
  IPAM_DRIVERS,
  IPAM_DRIVERS_HELP,
  IPAM_NAMES,
  type IpamSurroundings,
  readIpamOptions,
} from "../../driver/model/ipam_options.ts";
import { nestSubnets } from "../../ipam/nest.ts";

const SWITCHES = OPTION_NAMES.filter((name) => NETWORK_OPTIONS[name].driverOption === undefined);

/** The command's options for a network, as `docker network create` has them. */
const CREATE_OPTIONS: Options = {
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
  "--ipam-driver DRIVER": IPAM_DRIVERS_HELP,
  "--ipam-opt NAME=VALUE...": `an option of the IPAM driver etcd: ${IPAM_NAMES.join(", ")}`,
};

const DRIVER_KEYS: Readonly<Record<string, string>> = Object.fromEntries(
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
  const routes = [...readRoutes(args), ...given.options.routes ?? []];
  const spec: NetworkSpec = {
    ...args.value("ipam-driver") === DHCP && { dhcp: DHCP_TIMEOUT },
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
  } else if (!Object.hasOwn(IPAM_DRIVERS, driver)) {
    const rule = `choose one of ${Object.keys(IPAM_DRIVERS).join(", ")}`;
    problems.push(invalidOption("ipam-driver", driver, rule));
  } else if (words.length > 0) {
    // Do not repeat the values: they may be secrets.
    const names = words.map((word) => word.split("=")[0]).join(",");
    const rule = "it is for --ipam-driver etcd: give that too, or leave it out";
    problems.push(invalidOption("ipam-opt", names, rule));
  }
}

export const create: Command = {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 \\
    -o parent=eth0.20 ipvlan20
ipvlan network create --ipam-driver etcd --ipam-opt endpoints=https://10.0.0.1:2379 \\
    --subnet=192.168.20.0/24 -o parent=eth0.20 shared20`,
  options: CREATE_OPTIONS,
  keys: DRIVER_KEYS,
  changes: true,
  async run(args, { open, print, warn, dryRun }) {
    const { spec, problems } = readNetworkSpec(args.positionals[0]!, args, {
      folder: Deno.cwd(),
      environment: Deno.env.toObject(),
    });
    await using driver = await open();
    // Report problems with the options and problems that the driver finds together.
    if (problems.length > 0) throwProblems([...problems, ...await driver.problemsOf([spec])]);
    const { value, notices } = await driver.createNetwork(spec);
    notices.forEach(warn);
    if (value.isolated && !value.internal) {
      warn(
        `The network "${value.name}" has no parent, so it is isolated, on the dummy link ` +
          `${value.parent}: give it one with -o parent=LINK, or --internal if that is meant`,
      );
    }
    if (!dryRun) print(value.id);
  },
};

const NAMES = CHANGING.map((name) => NETWORK_OPTIONS[name].driverOption!);

export const update: Command = {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan network update -o mtu=1400 -o host_access=true ipvlan20
ipvlan network update -o mtu= ipvlan20`,
  options: { "-o, --opt NAME=VALUE...": `a new value, or NAME= for none: ${NAMES.join(", ")}` },
  keys: Object.fromEntries(NAMES.map((name) => [name, DRIVER_KEYS[name]!])),
  changes: true,
  async run(args, { command, open, print, warn, dryRun }) {
    const [name = ""] = args.positionals;
    const words = args.values("opt");
    if (words.length === 0) throw usageError(command, ["Missing option: -o NAME=VALUE"]);
    const { options, problems } = parseDriverOptions(words, true);
    throwProblems(problems);
    await using driver = await open();
    requireOwn(driver, { networks: [name] });
    const { value, notices } = await driver.updateNetwork(name, options);
    notices.forEach(warn);
    if (!dryRun) print(value.name);
  },
};

export const ls: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan network ls --filter name=ipvlan\n" +
    "ipvlan network ls --format 'table {{.Name}}\\t{{.Subnets}}'",
  options: {
    "-q, --quiet": "print only the ids",
    "--no-trunc": "print the ids in full",
    "-f, --filter KEY=VALUE...":
      "list only those with this name (a part is enough), id, driver, label, or dangling=true",
    ...FORMAT_OPTIONS,
  },
  async run(args, { open, print }) {
    const format = readFormat(args);
    const isListed = readNetworkFilter(args.values("filter"));
    await using driver = await open();
    const networks = driver.listNetworks().filter((network) => isListed(network, driver));
    const id = (network: Network) => args.on("no-trunc") ? network.id : network.id.slice(0, 12);
    const listing = {
      key: id,
      fields: networkFields(id),
      headers: { ID: "NETWORK ID" },
      columns: networkColumns(networks, id),
    };
    printList(networks, format, listing, print);
  },
};

// Also what "inspect" and "network inspect" share: the option "--format", and its output.

export const INSPECT_OPTIONS: Options = {
  "-f, --format FORMAT": "json: all in one line; or a Go template, as in Docker: '{{.Name}}'",
};

export type Find = (driver: Driver, name: string) => Promise<Struct>;

/** Shows the named items in the requested format. Resolves to the exit status. */
export async function showInFull(
  args: Arguments,
  context: Context,
  find: Find,
): Promise<number> {
  const format = args.value("format") ?? "";
  const template = format === "" || format === "json"
    ? undefined
    : readTemplate(format, "choose json");
  await using driver = await context.open();
  const names = args.positionals;
  const results = await Promise.allSettled(names.map((name) => find(driver, name)));
  const resultByName = new Map(names.map((name, index) => [name, results[index]!]));
  const found: Struct[] = [];
  const printed: string[] = [];
  const status = await forEachName(names, context, (name) => {
    const result = resultByName.get(name)!;
    if (result.status === "rejected") throw result.reason;
    if (template) printed.push(template.print(result.value));
    else found.push(result.value);
  });
  if (!template) context.print(toJson(found, format === "json" ? "" : "    "));
  else if (printed.length > 0) context.print(printed.join("\n"));
  return status;
}

// deno-lint-ignore require-await
export async function findNetwork(driver: Driver, name: string): Promise<Struct> {
  return inspectedNetwork(driver.inspectNetwork(name), driver.addressUsage(name));
}

export const inspect: Command = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  example: "ipvlan network inspect ipvlan20\n" +
    "ipvlan network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}' ipvlan20",
  options: { ...INSPECT_OPTIONS, "-v, --verbose": COMMON["--verbose"] },
  run: (args, context) => showInFull(args, context, findNetwork),
};

export const rm: Command = {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  example: "ipvlan network rm ipvlan20 ipvlan30",
  options: { "-f, --force": "a network that does not exist is no error" },
  changes: true,
  async run(args, context) {
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { networks: [name] });
      await unlessError(args.on("force") ? ["network-not-found"] : [], async () => {
        const { ipam, reservations } = driver.inspectNetwork(name);
        // In etcd, they stay for other hosts.
        const gone = ipam ? "" : addressesIn(reservations);
        await driver.removeNetwork(name);
        if (gone !== "") context.warn(`What it reserved is free again: ${gone}`);
        if (!context.dryRun) context.print(name);
      });
    });
  },
};

export const prune: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan network prune --force",
  options: {
    "-f, --force": "do not ask first",
    "--filter KEY=VALUE...":
      "remove only those with this label, without it (label!=), or made until=TIME",
  },
  changes: true,
  async run(args, context) {
    const { open, print, warn, dryRun } = context;
    const matches = readPruneFilter(args.values("filter"), Date.now());
    const question = "Remove all networks that no sandbox is connected to?";
    if (!await agrees(args, context, "force", question)) return 0;
    await using driver = await open();
    const { removed, failed } = await driver.pruneNetworks((network) =>
      !isOwned(network.name) && matches(network)
    );
    if (!dryRun && removed.length > 0) print(["Deleted Networks:", ...removed].join("\n"));
    for (const { name, error } of failed) {
      warn(`The network "${name}" could not be removed: ${error.message}`);
    }
    return failed.length > 0 ? 1 : 0;
  },
};

export const connect: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network connect --ip 192.168.20.10 --alias web ipvlan20 nginx",
  options: {
    ...ENDPOINT_OPTIONS,
    "--gw-priority NUMBER":
      "the sandbox's network with the highest number has the default route; by default 0",
  },
  changes: true,
  async run(args, { open, warn }) {
    const [network = "", sandbox = ""] = args.positionals;
    const problems: IpvlanError[] = [];
    const options = readEndpoint(args, problems);
    throwProblems(problems);
    await using driver = await open();
    requireOwn(driver, { networks: [network], sandboxes: [sandbox] });
    const { notices } = await driver.connect(network, sandbox, options);
    notices.forEach(warn);
  },
};

export const disconnect: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network disconnect ipvlan20 nginx",
  options: { "-f, --force": "no effect: no sandbox has to be forced" },
  changes: true,
  async run(args, { open }) {
    const [network = "", sandbox = ""] = args.positionals;
    await using driver = await open();
    requireOwn(driver, { networks: [network], sandboxes: [sandbox] });
    await driver.disconnect(network, sandbox);
  },
};
