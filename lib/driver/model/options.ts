import { invalidOption, type IpvlanError, problemOf } from "../../base/errors.ts";
import { exactly, fits, list, optional, type Reader, text } from "../../base/reader.ts";
import { didYouMean } from "../../base/suggest.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES } from "../../iproute2/kinds/ipvlan.ts";
import { elsewhereProblems, endpointAdverts, networkAdverts, whyNoAdverts } from "./advertise.ts";
import { dhcpProblems } from "./dhcp.ts";
import { endpointAccessSteps, hostAccessSteps, whyNoHostAccess } from "./host_access.ts";
import { whyNoDad, whyNoIpv6Mode, whyNoProbe } from "./lan_options.ts";
import { parentProblems } from "./names.ts";
import { endpointProxySteps, networkProxySteps, whyNoProxy } from "./proxy.ts";
import type { NetworkIndex } from "./network_index.ts";
import type { OptionStep, OwnStep } from "./option_steps.ts";
import { parseRoutes, routeProblems, routesText, usualRoute } from "./routes.ts";
import type { Addresses } from "../../ipam/address.ts";
import type { Endpoint, Network, NetworkOptions, SettledNetwork, StaticRoute } from "./types.ts";

export type OptionValue =
  /** The name of a link that can be a parent. */
  | { kind: "link" }
  /** On or off, or one of some words. */
  | { kind: "switch"; or?: readonly string[] }
  | { kind: "choice"; of: readonly string[] }
  | { kind: "number"; what: string; range: readonly [least: number, greatest: number] }
  /** A list of routes; written as one text, with commas between them. */
  | { kind: "routes" };

/** One option: its names, its values, its checks and its steps in the kernel. */
export interface NetworkOption<T> {
  /** Its name in messages. */
  label: string;
  /** A description of half a line, for the command's help and for editors of site files. */
  help: string;
  value: OptionValue;
  /** The value where none is given. */
  default: T;
  /** The text to show if there is neither a value nor a default. */
  none?: string;
  /**
   * Its name after `-o` of the command, and under `driver_opts` in compose.yaml: the name in Docker's
   * driver. An option without one is a switch of the command, such as `--internal`.
   */
  driverOption?: string;
  /** Docker's second name for it, if there is one. */
  alias?: string;
  /** Whether it can change while the network is there. */
  changes?: true;
  /** Its key in a configuration of CNI; left out, CNI does not take it. */
  cni?: string;
  /** Finds why a network of Docker's cannot have a value: Docker itself sets its links up. */
  docker?(value: T): string | undefined;
  /** Finds why a network cannot have it, because of its other options. */
  whyNot?(network: SettledNetwork, isolated: boolean): string | undefined;
  /** The same, where there may be several reasons, or the fault is in a part of its value. */
  problems?(network: SettledNetwork, isolated: boolean): IpvlanError[];
  conflicts?(network: SettledNetwork, others: NetworkIndex): IpvlanError[];
  ofNetwork?(network: Network): OptionStep[];
  ofEndpoint?(network: Network, endpoint: OptionEndpoint): OptionStep[];
}

/** The part of an endpoint that options look at. Its addresses have no prefix length. */
export type OptionEndpoint = Addresses & Pick<Endpoint, "sandbox" | "ifname">;

/**
 * The options of a network. From this table follow the options of `network create`, of site files
 * (with their JSON Schema and export) and of engines; the record, and its comparison with a site file;
 * the steps in the kernel, which `ps` and `restore` compare and `restore` repairs.
 *
 * To add an option, add its field to {@linkcode NetworkOptions} and its entry here. The compiler names
 * a missing entry, and the tests fail for an option that gets lost, has no effect, or is not repaired.
 */
export const NETWORK_OPTIONS: {
  readonly [Name in keyof NetworkOptions]-?: NetworkOption<NetworkOptions[Name]>;
} = {
  parent: {
    label: "parent",
    help: "the link that the sandboxes share, such as eth0 or eth0.20; left out, an isolated one",
    value: { kind: "link" },
    default: undefined,
    none: "none",
    driverOption: "parent",
    cni: "master",
  },
  mode: {
    label: "ipvlan mode",
    help: "the ipvlan mode; left out, l2",
    value: { kind: "choice", of: IPVLAN_MODES },
    default: "l2",
    driverOption: "ipvlan_mode",
    cni: "mode",
    ofEndpoint: ({ mode }, { ifname: link }) => [{ kind: "ipvlan.set", link, set: { mode } }],
  },
  flag: {
    label: "ipvlan flag",
    help: "the ipvlan flag; left out, bridge",
    value: { kind: "choice", of: IPVLAN_FLAGS },
    default: "bridge",
    driverOption: "ipvlan_flag",
    cni: "flag",
    ofEndpoint: ({ flag }, { ifname: link }) => [{ kind: "ipvlan.set", link, set: { flag } }],
  },
  mtu: {
    label: "MTU",
    help: "the largest packet, in bytes; left out, the parent's",
    // The least MTU of IPv4 is 68 (RFC 791). `settle` checks the least of IPv6 if there is IPv6.
    value: { kind: "number", what: "a number of bytes", range: [68, 65535] },
    default: undefined,
    none: "the parent's",
    driverOption: "mtu",
    changes: true,
    alias: "com.docker.network.driver.mtu",
    cni: "mtu",
    // A link cannot use more than the parent's MTU, so a dummy gets it.
    ofNetwork: ({ mtu, isolated, parent: link }) =>
      isolated ? [{ kind: "link.set", link, set: { mtu } }] : [],
    ofEndpoint: ({ mtu }, { ifname: link }) => [{ kind: "link.set", link, set: { mtu } }],
  },
  txqlen: {
    label: "queue length",
    help: "the length of each link's transmit queue, in packets; left out, the kernel's",
    value: { kind: "number", what: "a number of packets", range: [1, 0x7fff_ffff] },
    default: undefined,
    none: "the kernel's",
    driverOption: "txqlen",
    changes: true,
    cni: "txqlen",
    ofEndpoint: ({ txqlen }, { ifname: link }) => [{ kind: "link.set", link, set: { txqlen } }],
  },
  internal: {
    label: "internal",
    help: "cut off from everything else",
    value: { kind: "switch" },
    default: false,
  },
  ipv4: {
    label: "IPv4",
    help: "whether the network has IPv4; left out, true",
    value: { kind: "switch" },
    default: true,
  },
  // Its settings are made before the link comes up, and no steps: see `endpointSteps`.
  ipv6Mode: {
    label: "IPv6 addresses",
    help:
      "IPv6: off, only the subnets' addresses (static), or those that a router advertises (slaac)",
    value: { kind: "choice", of: ["off", "static", "slaac"] },
    default: undefined,
    none: "those of the subnets",
    driverOption: "ipv6",
    cni: "ipv6",
    docker: () =>
      "Docker itself decides on the IPv6 of its containers; give them " +
      "--sysctl net.ipv6.conf.eth0.accept_ra=0 for none of a router's addresses",
    whyNot: whyNoIpv6Mode,
  },
  // What is asked is in `lib/driver/endpoint/ask.ts`.
  dad: {
    label: "duplicate address detection",
    help:
      "whether the LAN is asked who has an address: off, on, or optimistic (IPv6); left out, off",
    value: { kind: "choice", of: ["off", "optimistic", "on"] },
    default: undefined,
    none: "off",
    driverOption: "dad",
    changes: true,
    cni: "dad",
    docker: (value) =>
      value === "optimistic"
        ? "Docker itself adds IPv6 addresses, without it; choose on"
        : undefined,
    whyNot: whyNoDad,
  },
  probe: {
    label: "probe",
    help: "what must answer before a sandbox is used: gateway; left out, nothing",
    value: { kind: "choice", of: ["gateway"] },
    default: undefined,
    none: "nothing",
    driverOption: "probe",
    changes: true,
    cni: "probe",
    whyNot: whyNoProbe,
  },
  // The clients are in `lib/driver/sandbox/dhcp.ts`.
  dhcp: {
    label: "DHCP",
    help: "have a DHCP server of the LAN give the addresses, and wait so many seconds for one",
    value: { kind: "number", what: "a number of seconds", range: [1, 600] },
    default: undefined,
    none: "off",
    driverOption: "dhcp",
    docker: () => "Docker chooses addresses before there is a namespace that a client could run in",
    problems: dhcpProblems,
  },
  advertise: {
    label: "advertise",
    help: "the routes to announce by a routing daemon: to the subnets, or to each address",
    value: { kind: "choice", of: ["subnet", "address"] },
    default: undefined,
    none: "none",
    driverOption: "advertise",
    changes: true,
    cni: "advertise",
    whyNot: whyNoAdverts,
    conflicts: elsewhereProblems,
    ofNetwork: networkAdverts,
    ofEndpoint: endpointAdverts,
  },
  hostAccess: {
    label: "host access",
    help: "whether the host and the sandboxes reach each other; left out, false",
    value: { kind: "switch" },
    default: undefined,
    none: "false",
    driverOption: "host_access",
    changes: true,
    cni: "hostAccess",
    whyNot: whyNoHostAccess,
    ofNetwork: hostAccessSteps,
    ofEndpoint: endpointAccessSteps,
  },
  proxy: {
    label: "proxy",
    help: "whether the host answers on the LAN for the sandboxes of an L3 network; left out, false",
    value: { kind: "switch" },
    default: undefined,
    none: "false",
    driverOption: "proxy",
    cni: "proxy",
    whyNot: whyNoProxy,
    ofNetwork: networkProxySteps,
    ofEndpoint: endpointProxySteps,
  },
  // They are among the routes of an endpoint's link, and no steps: see `linkRoutes`.
  routes: {
    label: "routes",
    help: "the routes of sandboxes besides the default one, as DESTINATION=NEXTHOP,…",
    value: { kind: "routes" },
    default: undefined,
    none: "none",
    driverOption: "routes",
    changes: true,
    problems: (network, isolated) =>
      routeProblems(network.routes, network, isolated).map((problem) => problem.at("routes")),
  },
  // They are rules and routes beside those of an endpoint's link: see `routingOf`.
  policyRoutes: {
    label: "policy routes",
    help: "whether sandboxes answer by the link that was asked; auto, those with several networks",
    value: { kind: "switch", or: ["auto"] },
    default: undefined,
    none: "false",
    driverOption: "policy_routes",
    changes: true,
    cni: "policyRoutes",
    docker: (value) =>
      value
        ? "Docker itself sets the addresses of a container, and no rules for them: leave it out"
        : undefined,
  },
};

export function stepsOf(network: Network, endpoint?: OptionEndpoint): OwnStep[] {
  return Object.values(NETWORK_OPTIONS).flatMap(({ label, ofNetwork, ofEndpoint }) => {
    const steps = endpoint ? ofEndpoint?.(network, endpoint) : ofNetwork?.(network);
    return (steps ?? []).map((step) => ({ ...step, label }));
  });
}

export type OptionName = keyof NetworkOptions;

/** The names of the options, in the order of the table. */
export const OPTION_NAMES: readonly OptionName[] = Object.keys(NETWORK_OPTIONS) as OptionName[];

/** Fills in the defaults of options, and checks the given ones. */
export function settleOptions(
  given: Partial<NetworkOptions>,
): { options: NetworkOptions; problems: IpvlanError[] } {
  const values = OPTION_NAMES.map((name) => {
    const { default: usual } = NETWORK_OPTIONS[name];
    // A switch that is off is as if left out, unless it is on by default.
    const value = given[name] === false && usual === undefined ? undefined : given[name];
    return [name, value ?? usual];
  });
  const problems: IpvlanError[] = OPTION_NAMES.flatMap((name) => {
    const value = given[name];
    if (value === undefined) return [];
    return optionProblems(name, value).map((problem) => problem.at(name));
  });
  // The compiler cannot see that the table has every name.
  const options = Object.fromEntries(
    values.filter(([, value]) => value !== undefined),
  ) as unknown as NetworkOptions;
  if (options.routes?.length === 0) delete options.routes;
  if (options.routes && !problems.some(({ field }) => field[0] === "routes")) {
    options.routes = options.routes.map(usualRoute);
  }
  return { options, problems };
}

export function optionProblems(name: OptionName, value: unknown): readonly IpvlanError[] {
  const { label, value: accepted } = NETWORK_OPTIONS[name];
  const invalid = (rule: string) => [invalidOption(label, String(value), rule)];
  switch (accepted.kind) {
    case "link":
      return parentProblems(String(value));
    case "switch":
      if (typeof value === "boolean" || accepted.or?.includes(String(value))) return [];
      return invalid(
        `give ${["true", "false", ...accepted.or ?? []].join(", ").replace(/, (?!.*,)/, " or ")}`,
      );
    case "choice":
      if (accepted.of.includes(String(value))) return [];
      return invalid(`choose one of ${accepted.of.join(", ")}`);
    case "number": {
      const [least, greatest] = accepted.range;
      const isWhole = typeof value === "number" && Number.isInteger(value);
      if (isWhole && value >= least && value <= greatest) return [];
      return invalid(`give a whole number from ${least} to ${greatest}`);
    }
    case "routes":
      if (!fits(ROUTES, value)) return invalid("give a list of routes");
      return value.flatMap((route) => problemOf(() => usualRoute(route)) ?? []);
  }
}

/** Checks an option that a network has together with the others. */
export function problemsBeside(
  name: OptionName,
  network: SettledNetwork,
  isolated: boolean,
): IpvlanError[] {
  const { [name]: value } = network;
  if (value === undefined) return [];
  const { label, whyNot, problems } = NETWORK_OPTIONS[name];
  const rule = whyNot?.(network, isolated);
  return [
    ...rule === undefined ? [] : [invalidOption(label, String(value), rule).at(name)],
    ...problems?.(network, isolated) ?? [],
  ];
}

const ROUTES: Reader<StaticRoute[]> = list(exactly({ dst: text, via: optional(text) }));

/** Shows the value of an option: `l3`, `none`. */
export function optionText(name: OptionName, { [name]: value }: Partial<NetworkOptions>): string {
  return valueText(value ?? NETWORK_OPTIONS[name].none);
}

function valueText(value: NetworkOptions[OptionName]): string {
  return typeof value === "object" ? routesText(value) : String(value);
}

/** The options that can change while a network is there. */
export const CHANGING: readonly OptionName[] = OPTION_NAMES.filter((name) =>
  NETWORK_OPTIONS[name].changes
);

/**
 * Reads options written as `NAME=VALUE`, under the names of Docker's ipvlan driver. The problems are
 * words that cannot be read. `settle` checks the values.
 *
 * @param resets Whether `NAME=` stands for the default, which is `undefined` then.
 */
export function parseDriverOptions(
  words: readonly string[],
  resets = false,
): { options: Partial<NetworkOptions>; problems: IpvlanError[] } {
  const options: Record<string, unknown> = {};
  const problems: IpvlanError[] = [];
  for (const word of words) {
    const [, name, text] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || !text && !resets) {
      problems.push(invalidOption("driver option", word, "write NAME=VALUE"));
      continue;
    }
    const option = OPTION_NAMES.find((each) => {
      const { driverOption, alias } = NETWORK_OPTIONS[each];
      return name === driverOption || name === alias;
    });
    if (option === undefined) {
      const rule = `choose one of ${DRIVER_OPTIONS.join(", ")}${didYouMean(name, DRIVER_OPTIONS)}`;
      problems.push(invalidOption("driver option", word, rule));
      continue;
    }
    const { label, value } = NETWORK_OPTIONS[option];
    if (option in options) {
      problems.push(invalidOption("driver option", word, `the ${label} is given already`));
      continue;
    }
    options[option] = text ? parsedAs(value.kind, text) : undefined;
  }
  return { options, problems };
}

/** Reads the text of a value. One that is of another kind stays as it is, and is refused later. */
function parsedAs(kind: OptionValue["kind"], text: string): unknown {
  if (kind === "routes") return parseRoutes(text);
  if (kind === "number" && /^\d+$/.test(text)) return Number(text);
  if (kind === "switch" && /^(true|false)$/.test(text)) return text === "true";
  return text;
}

/** The names that `-o` takes. */
export const DRIVER_OPTIONS: readonly string[] = OPTION_NAMES.flatMap((name) =>
  NETWORK_OPTIONS[name].driverOption ?? []
);

export function toDriverOptions(network: NetworkOptions): Record<string, string> {
  const entries = OPTION_NAMES.flatMap((name) => {
    const { driverOption } = NETWORK_OPTIONS[name];
    const value = network[name];
    return driverOption === undefined || value === undefined
      ? []
      : [[driverOption, valueText(value)]];
  });
  return Object.fromEntries(entries);
}
