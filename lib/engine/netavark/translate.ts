/**
 * Translates the requests of netavark into the driver's types, and the results into netavark's answers:
 * pure functions (https://github.com/containers/netavark/blob/main/plugin-API.md).
 *
 * Podman keeps the networks and chooses the addresses. It does not say when it removes a network, so
 * the driver has a network only while a container is on it.
 *
 * @module
 */
import { parseDriverOptions } from "../../driver/model/options.ts";
import type { EndpointRoute, EngineNetworkSpec, MadeEndpoint } from "../../driver/model/types.ts";
import { invalidOption, type IpvlanError, throwProblems } from "../../base/errors.ts";
import { familyOf, formatAddress } from "../../ipam/address.ts";
import { defaultGateway, parsePrefix } from "../../ipam/prefix.ts";
import { netnsPath } from "../../iproute2/words.ts";
import type { AttachmentSpec } from "../attachment.ts";
import { anything, flag, object, text } from "../../base/reader.ts";
import { list, optional, readJson, record } from "../json.ts";

/** The answer to `info`. The version of the interface has been 1.0.0 from the start. */
export interface Info {
  /** The version of the plugin. */
  version: string;
  /** The version of netavark's interface for plugins. */
  api_version: string;
}

/** The answer to `info` of this version of the plugin. */
export function infoOf(version: string): Info {
  return { version, api_version: "1.0.0" };
}

const podmanNetwork = object({
  id: text,
  name: text,
  network_interface: optional(text),
  internal: optional(flag),
  ipv6_enabled: optional(flag),
  options: record(text),
  ipam_options: record(text),
  network_dns_servers: list(text),
  subnets: list(object({ subnet: text, gateway: optional(text) })),
  routes: list(object({ destination: text, gateway: text, metric: optional(anything) })),
});

/** A network as Podman keeps it. */
type PodmanNetwork = ReturnType<typeof podmanNetwork>;

const setup = object({
  container_id: text,
  network: podmanNetwork,
  network_options: object({
    interface_name: text,
    static_ips: list(text),
    static_mac: optional(text),
    aliases: list(text),
  }),
});

const teardown = object({ container_id: text, network_options: object({ interface_name: text }) });

/** A request to create a network. */
export interface CreateRequest {
  /** The new network. */
  spec: EngineNetworkSpec;
  /** The request as received. */
  config: Readonly<Record<string, unknown>>;
}

/** Reads the request of `create`. @throws {IpvlanError} Podman cannot have such a network. */
export function readCreate(text: string): CreateRequest {
  const config = readJson(podmanNetwork, text);
  const { spec, problems } = readNetwork(config);
  throwProblems([...problems, ...createProblems(config)]);
  return { spec, config: JSON.parse(text) };
}

/**
 * The answer to `create`: the request with the parent as its `network_interface`. Podman keeps it.
 *
 * Podman gives an internal network no gateway, and would give its first address to a container. The
 * driver reserves that address in every subnet, so the answer excludes it from the lease range.
 */
export function createAnswer({ spec, config }: CreateRequest): Record<string, unknown> {
  const answer: Record<string, unknown> = { ...config };
  if (spec.parent !== undefined) answer.network_interface = spec.parent;
  if (!spec.internal) return answer;
  const subnets = config.subnets as { subnet: string; gateway?: string; lease_range?: unknown }[];
  answer.subnets = subnets.map((subnet) => {
    const reserved = defaultGateway(parsePrefix(subnet.subnet).prefix);
    if (subnet.gateway || subnet.lease_range || !reserved) return subnet;
    const next = { family: reserved.family, bits: reserved.bits + 1n };
    return { ...subnet, lease_range: { start_ip: formatAddress(next) } };
  });
  return answer;
}

/** Finds the problems of a new network that arise because Podman gives the addresses. */
function createProblems(config: PodmanNetwork): IpvlanError[] {
  const problems: IpvlanError[] = [];
  const subnets = config.subnets.map(({ subnet }) => subnet);
  const ipam = config.ipam_options.driver ?? "host-local";
  if (ipam !== "host-local") {
    const rule = "Podman has to give the addresses: write host-local, or leave it out";
    problems.push(invalidOption("IPAM driver", ipam, rule));
  } else if (subnets.length === 0) {
    const rule = "Podman gives a container an address only of a subnet: give one with --subnet";
    problems.push(invalidOption("subnet", "", rule));
  }
  for (const family of [4, 6]) {
    const second = subnets.filter((subnet) => familyOf(subnet) === family)[1];
    if (second === undefined) continue;
    const rule =
      "Podman would give each container an address of every subnet, and a link here has " +
      "one of each family: make another network for it, which may have the same parent";
    problems.push(invalidOption("subnet", second, rule));
  }
  return problems;
}

/** A request to connect a container to a network. */
export interface SetupRequest {
  /** The network. */
  network: EngineNetworkSpec;
  /** The sandbox and its connection. */
  attachment: AttachmentSpec & {
    path: string;
    connection: { ifname: string };
  };
  /** The name servers that Podman writes into the container's `resolv.conf`. */
  nameServers: string[];
}

/** Reads the request of `setup`. @throws {IpvlanError} The driver cannot carry it out. */
export function readSetup(text: string, path: string): SetupRequest {
  netnsPath(path);
  const { container_id: id, network, network_options: options } = readJson(setup, text);
  const { spec, routes, problems } = readNetwork(network);
  const { ip, ip6, problems: wrong } = readAddresses(options.static_ips);
  throwProblems([...problems, ...wrong]);
  const connection = {
    ifname: options.interface_name,
    ip,
    ip6,
    macAddress: options.static_mac,
    aliases: options.aliases,
    moreRoutes: routes,
  };
  return {
    network: spec,
    attachment: { name: sandboxName(id), owner: { engine: "netavark", id }, path, connection },
    nameServers: network.network_dns_servers,
  };
}

/** A request to disconnect a container from a network, which the link's name identifies. */
export interface TeardownRequest {
  /** The sandbox's name. */
  sandbox: string;
  /** The name of its link. */
  ifname: string;
}

/** Reads the names in the request of `teardown`. Errors in the rest do not prevent a removal. */
export function readTeardown(text: string): TeardownRequest {
  const { container_id: id, network_options: options } = readJson(teardown, text);
  return { sandbox: sandboxName(id), ifname: options.interface_name };
}

/** The name of a container's sandbox. */
function sandboxName(id: string): string {
  return `netavark:${id}`;
}

/** The answer to `setup`, which `podman inspect` shows. */
export interface StatusBlock {
  /** The name servers for the container. */
  dns_server_ips: string[];
  /** The search domains. */
  dns_search_domains: string[];
  /** The new link, by its name. */
  interfaces: Record<string, {
    mac_address: string;
    subnets: { ipnet: string; gateway?: string }[];
  }>;
}

/** The answer to `setup`. */
export function setupAnswer(
  { ifname, mac = "", ip, gateway, ip6, gateway6 }: MadeEndpoint,
  nameServers: readonly string[],
): StatusBlock {
  const subnets = [
    ...ip === undefined ? [] : [{ ipnet: ip, ...gateway && { gateway } }],
    ...ip6 === undefined ? [] : [{ ipnet: ip6, ...gateway6 && { gateway: gateway6 } }],
  ];
  return {
    dns_server_ips: [...nameServers],
    dns_search_domains: [],
    interfaces: { [ifname]: { mac_address: mac, subnets } },
  };
}

/** Reads a network as Podman keeps it, with the problems of its options and routes. */
function readNetwork(
  config: PodmanNetwork,
): { spec: EngineNetworkSpec; routes: EndpointRoute[]; problems: IpvlanError[] } {
  const words = Object.entries(config.options).map((pair) => pair.join("="));
  const { options, problems } = parseDriverOptions(words);
  const { network_interface: link, subnets } = config;
  const parent = options.parent ?? link;
  if (link !== undefined && link !== parent) {
    const rule = `the interface is ${JSON.stringify(link)}: give the same, or only one of them`;
    problems.push(invalidOption("parent", String(parent), rule));
  }
  const routes = config.routes.map(({ destination: dst, gateway: via, metric }) => {
    if (metric !== undefined) {
      const rule = "a route here has no metric: leave it out";
      problems.push(invalidOption("route", dst, rule));
    }
    return { dst, via };
  });
  const spec: EngineNetworkSpec = {
    ...options,
    name: `netavark:${config.name}`,
    owner: { engine: "netavark", id: config.id },
    parent,
    transient: true,
    internal: config.internal ?? false,
    subnets,
    // No default pool: Podman would not know its addresses.
    ipv4: subnets.some(({ subnet }) => familyOf(subnet) === 4),
    // Podman itself turns IPv6 on if there is an IPv6 subnet.
    ipv6: config.ipv6_enabled || undefined,
  };
  return { spec, routes, problems };
}

/** Sorts the addresses that Podman has chosen by family. */
function readAddresses(
  addresses: readonly string[],
): { ip?: string; ip6?: string; problems: IpvlanError[] } {
  const [ip, secondIp] = addresses.filter((address) => familyOf(address) === 4);
  const [ip6, secondIp6] = addresses.filter((address) => familyOf(address) === 6);
  const problems = [secondIp, secondIp6].filter((address) => address !== undefined)
    .map((address) =>
      invalidOption("address", address, "a link here has one address of each family")
    );
  return { ip, ip6, problems };
}
