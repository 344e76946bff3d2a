// Translates netavark's requests and answers: pure functions
// (https://github.com/containers/netavark/blob/main/plugin-API.md).
// Podman chooses the addresses, and does not say when it removes a network.
import { parseDriverOptions } from "../../driver/model/options.ts";
import { gatewayBeside } from "../../driver/model/routes.ts";
import type { EngineNetworkSpec, MadeEndpoint, StaticRoute } from "../../driver/model/types.ts";
import { invalidOption, type IpvlanError, throwProblems } from "../../base/errors.ts";
import {
  type Addresses,
  addressFields,
  bareAddresses,
  endpointAddresses,
  familyOf,
  formatAddress,
} from "../../ipam/address.ts";
import { defaultGateway, parsePrefix } from "../../ipam/prefix.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import { netnsPath } from "../../iproute2/words.ts";
import type { AttachmentSpec } from "../attachment.ts";
import { anything, flag, object, text } from "../../base/reader.ts";
import { list, optional, readJson, record } from "../json.ts";

/** The answer to `info`. The version of netavark's interface has been 1.0.0 from the start. */
export function infoOf(version: string): { version: string; api_version: string } {
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

const teardown = object({
  container_id: text,
  network: object({ name: text }),
  network_options: object({ interface_name: text }),
});

interface CreateRequest {
  spec: EngineNetworkSpec;
  config: Readonly<Record<string, unknown>>;
}

/** Reads the request of `create`. @throws {IpvlanError} Podman cannot have such a network. */
export function readCreate(text: string): CreateRequest {
  const config = readJson(podmanNetwork, text);
  const { spec, problems } = readPodmanNetwork(config);
  throwProblems([...problems, ...createProblems(config)]);
  return { spec, config: JSON.parse(text) };
}

/**
 * The answer to `create`, which Podman keeps: the request with the parent as its `network_interface`.
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
  const ipam = config.ipam_options.driver ?? "host-local";
  if (ipam !== "host-local") {
    const rule = "Podman has to give the addresses: write host-local, or leave it out";
    return [invalidOption("IPAM driver", ipam, rule)];
  }
  if (config.subnets.length > 0) return [];
  const rule = "Podman gives a container an address only of a subnet: give one with --subnet";
  return [invalidOption("subnet", "", rule)];
}

export interface SetupRequest {
  network: EngineNetworkSpec;
  attachment: AttachmentSpec & { path: string; connection: { ifname: string } };
  /** The name servers that Podman writes into the container's `resolv.conf`. */
  nameServers: string[];
}

/** Reads the request of `setup`. @throws {IpvlanError} The driver cannot carry it out. */
export function readSetup(text: string, path: string): SetupRequest {
  netnsPath(path);
  const { container_id: id, network, network_options: options } = readJson(setup, text);
  const { spec, routes, problems } = readPodmanNetwork(network);
  throwProblems(problems);
  const connection = {
    ifname: options.interface_name,
    ...addressFields(options.static_ips),
    macAddress: options.static_mac,
    aliases: options.aliases,
    moreRoutes: routes,
  };
  return {
    network: spec,
    attachment: { name: ownName(id), owner: { engine: "netavark", id }, path, connection },
    nameServers: network.network_dns_servers,
  };
}

/** Whether an endpoint is on the network of a request, with the addresses that it asks for. */
export function isAskedFor(
  { network, ...addresses }: Addresses & Pick<MadeEndpoint, "network">,
  { network: { name }, attachment: { connection } }: SetupRequest,
): boolean {
  // Those of an endpoint have a prefix length.
  return network === name &&
    bareAddresses(addresses).join() === endpointAddresses(connection).join();
}

/** Reads the names in the request of `teardown`. Errors in the rest do not prevent a removal. */
export function readTeardown(text: string): Record<"sandbox" | "network" | "ifname", string> {
  const { container_id: id, network, network_options: options } = readJson(teardown, text);
  return { sandbox: ownName(id), network: ownName(network.name), ifname: options.interface_name };
}

function ownName(name: string): string {
  return `netavark:${name}`;
}

/** The answer to `setup`, with the new link by its name. `podman inspect` shows it. */
export interface StatusBlock {
  dns_server_ips: string[];
  dns_search_domains: string[];
  interfaces: Record<
    string,
    { mac_address: string; subnets: { ipnet: string; gateway?: string }[] }
  >;
}

export function setupAnswer(
  endpoint: MadeEndpoint,
  nameServers: readonly string[],
): StatusBlock {
  const { ifname, mac = "" } = endpoint;
  const subnets = endpointAddresses(endpoint).map((ipnet) => {
    const gateway = gatewayBeside(ipnet, endpoint);
    return { ipnet, ...gateway && { gateway } };
  });
  return {
    dns_server_ips: [...nameServers],
    dns_search_domains: [],
    interfaces: { [ifname]: { mac_address: mac, subnets } },
  };
}

function readPodmanNetwork(
  config: PodmanNetwork,
): { spec: EngineNetworkSpec; routes: StaticRoute[]; problems: IpvlanError[] } {
  const { no_default_route: local = "false", ...given } = config.options;
  const words = Object.entries(given).map((pair) => pair.join("="));
  const { options, problems } = parseDriverOptions(words);
  const hasNone = ["1", "true"].includes(local);
  if (!hasNone && !["0", "false"].includes(local)) {
    const rule = "write true or false";
    problems.push(invalidOption("driver option", `no_default_route=${local}`, rule));
  }
  const { network_interface: link } = config;
  const subnets = config.subnets.map((subnet) =>
    hasNone ? { ...subnet, gateway: NO_GATEWAY } : subnet
  );
  const parent = options.parent ?? link;
  if (link !== undefined && link !== parent) {
    const rule = `the interface is ${JSON.stringify(link)}: give the same, or only one of them`;
    problems.push(invalidOption("parent", String(parent), rule));
  }
  const rule = "a route here has no metric: leave it out";
  const routes = config.routes.map(({ destination: dst, gateway: via, metric }) => {
    if (metric !== undefined) problems.push(invalidOption("route", dst, rule));
    // Podman wants a next hop, for which a link in an L3 mode does not ask.
    return (options.mode ?? "l2") === "l2" ? { dst, via } : { dst };
  });
  const spec: EngineNetworkSpec = {
    ...options,
    name: ownName(config.name),
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
