// Translates Docker's calls of a network driver into the driver's types, and the results into
// Docker's answers: pure functions. The calls are in moby's `daemon/libnetwork/docs/remote.md`.
import { NETWORK_OPTIONS, OPTION_NAMES, parseDriverOptions } from "../../driver/model/options.ts";
import type {
  BorrowSpec,
  Endpoint,
  EndpointRoute,
  EngineNetworkSpec,
  Owner,
} from "../../driver/model/types.ts";
import { invalidOption, type IpvlanError, throwProblems } from "../../base/errors.ts";
import { type Family, familyOf } from "../../ipam/address.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import { isNetnsPath } from "../../iproute2/words.ts";
import { list, optional, readMessage, record } from "../json.ts";
import { anything, flag, object, text, textLike } from "../../base/reader.ts";

const DOCKERS_OWN = "com.docker.";

/** The option with which Docker passes on the options of `network create -o`. */
const GENERIC = "com.docker.network.generic";

/** The option with which Docker passes on `network create --internal`. */
const INTERNAL = "com.docker.network.internal";

const id = textLike("an id of letters and digits, 12 at least", /^[A-Za-z0-9]{12,}$/);
const netnsPath = textLike("the absolute path of a network namespace", { test: isNetnsPath });

const ipamData = list(object({ Pool: text, Gateway: optional(text), AuxAddresses: record(text) }));

const createNetwork = object({
  NetworkID: id,
  IPv4Data: ipamData,
  IPv6Data: ipamData,
  Options: optional(object({ [GENERIC]: record(text), [INTERNAL]: optional(flag) })),
});

const createEndpoint = object({
  NetworkID: id,
  EndpointID: id,
  Interface: optional(object({
    Address: optional(text),
    AddressIPv6: optional(text),
    MacAddress: optional(text),
  })),
  Options: record(anything),
});

const join = object({ NetworkID: id, EndpointID: id, SandboxKey: netnsPath });

/** The driver's name for a network or an endpoint of Docker, and the owner. */
export interface Named {
  /** The name: `docker:` and the first 12 digits of a network's id, or an endpoint's whole id. */
  name: string;
  owner: Owner;
}

/** Names a network of Docker. Docker itself shows these 12 digits of the id. */
function networkNamed(id: string): Named {
  return { name: `docker:${id.slice(0, 12)}`, owner: { engine: "docker", id } };
}

/** Names an endpoint of Docker, which is a sandbox of the driver. */
export function endpointNamed(id: string): Named {
  return { name: `docker:${id}`, owner: { engine: "docker", id } };
}

/** Reads the body of CreateNetwork, and the problems of its options. The driver finds all others. */
export function readCreateNetwork(
  body: unknown,
): { spec: EngineNetworkSpec; problems: IpvlanError[] } {
  const { NetworkID, IPv4Data, IPv6Data, Options } = readMessage(createNetwork, body);
  // Docker's --gateway takes only an address.
  const { gateway, ...given } = Options?.[GENERIC] ?? {};
  const words = Object.entries(given).map((pair) => pair.join("="));
  const { options, problems } = parseDriverOptions(words);
  for (const name of OPTION_NAMES) {
    const { label, docker } = NETWORK_OPTIONS[name];
    const value = options[name];
    const rule = value === undefined ? undefined : docker?.(value as never);
    if (rule !== undefined) problems.push(invalidOption(label, String(value), rule));
  }
  if (gateway !== undefined && gateway !== NO_GATEWAY) {
    const rule = "write gateway=none, or give an address with --gateway";
    problems.push(invalidOption("driver option", `gateway=${gateway}`, rule));
  }
  const spec: EngineNetworkSpec = {
    ...options,
    ...networkNamed(NetworkID),
    internal: Options?.[INTERNAL] ?? false,
    ipv4: IPv4Data.length > 0,
    subnets: [...IPv4Data, ...IPv6Data].map(toSubnet)
      .map((subnet) => gateway === undefined ? subnet : { ...subnet, gateway }),
  };
  return { spec, problems };
}

function toSubnet(
  { Pool, Gateway, AuxAddresses }: ReturnType<typeof ipamData>[number],
): SubnetSpec {
  const auxAddresses = Object.fromEntries(
    Object.entries(AuxAddresses).map(([name, address]) => [name, address.split("/")[0]!]),
  );
  return { subnet: Pool, gateway: bare(Gateway), auxAddresses };
}

/** Removes the prefix length of an address such as `192.168.1.1/24`; `undefined` for "". */
function bare(address: string | undefined): string | undefined {
  return address ? address.split("/")[0] : undefined;
}

export function readNetwork(body: unknown): Named {
  return networkNamed(readMessage(object({ NetworkID: id }), body).NetworkID);
}

/** Reads the body of CreateEndpoint: a sandbox with one connection, whose link Docker takes. */
export function readCreateEndpoint(body: unknown): BorrowSpec {
  const { NetworkID, EndpointID, Interface, Options } = readMessage(createEndpoint, body);
  // Those that a user gave with `driver-opt`.
  const names = Object.keys(Options).filter((name) => !name.startsWith(DOCKERS_OWN));
  const rule = "an endpoint has no options";
  throwProblems(names.map((name) => invalidOption("driver option", name, rule)));
  return {
    ...endpointNamed(EndpointID),
    connections: [{
      network: networkNamed(NetworkID).name,
      ip: bare(Interface?.Address),
      ip6: bare(Interface?.AddressIPv6),
      macAddress: Interface?.MacAddress || undefined,
      handOver: true,
    }],
  };
}

/** The answer to CreateEndpoint: the addresses that the driver has chosen, and not Docker. */
export function createEndpointAnswer(
  { connections: [asked] = [] }: BorrowSpec,
  { ip, ip6 }: Pick<Endpoint, "ip" | "ip6">,
): { Interface: { Address?: string; AddressIPv6?: string } } {
  const Address = asked?.ip === undefined ? ip : undefined;
  const AddressIPv6 = asked?.ip6 === undefined ? ip6 : undefined;
  return { Interface: { Address, AddressIPv6 } };
}

/** Reads the body of a call about an endpoint: DeleteEndpoint, Leave, EndpointOperInfo. */
export function readEndpoint(body: unknown): Named {
  return endpointNamed(readMessage(object({ NetworkID: id, EndpointID: id }), body).EndpointID);
}

export function readJoin(body: unknown): Named & { path: string } {
  const { EndpointID, SandboxKey } = readMessage(join, body);
  return { ...endpointNamed(EndpointID), path: SandboxKey };
}

/**
 * Answers Join. Docker itself chooses among several gateways, but it adds every other route. Such a
 * route fails with "file exists" beside any other to the same destination. So if one of two such routes
 * is no default route by a gateway, the second network leaves its route out. A container of Docker has only
 * one default route per family, so each network answers as if it were the only one.
 * @param present The routes that the container has, or will have, from its other networks.
 */
export function joinAnswer(
  { ifname, routes }: Pick<Endpoint, "ifname" | "routes">,
  present: readonly EndpointRoute[],
): unknown {
  const given = routes.filter((one) =>
    !present.some(({ dst, via }) =>
      dst === one.dst && (!isDefault(dst) || via === undefined || one.via === undefined)
    )
  );
  const gateway = (family: Family) =>
    given.find(({ dst, via }) => familyOf(dst) === family && isDefault(dst) && via !== undefined)
      ?.via;
  return {
    // The link that Docker moves into the container, and the prefix of its name there.
    InterfaceName: { SrcName: ifname, DstPrefix: "eth" },
    Gateway: gateway(4),
    GatewayIPv6: gateway(6),
    // Each is of `types.NEXTHOP` or `types.CONNECTED` of libnetwork.
    StaticRoutes: given.flatMap(({ dst: Destination, via: NextHop }) =>
      NextHop === undefined
        ? [{ Destination, RouteType: 1 }]
        : isDefault(Destination)
        ? []
        : [{ Destination, RouteType: 0, NextHop }]
    ),
    // Keeps Docker from adding a bridge network to a container without an IPv4 gateway.
    DisableGatewayService: gateway(4) === undefined,
  };
}

function isDefault(destination: string): boolean {
  return destination.endsWith("/0");
}
