/**
 * Which addresses Docker's containers have, and by which names they are found, from the answers of
 * Docker's API. All of it is pure.
 *
 * @module
 */
import { prefixOf } from "../../claims/access.ts";
import type { AddressPoolDetails, ClaimUser } from "../../driver/mod.ts";
import { attempt, IpvlanError } from "../../base/errors.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import { list, optional, readMessage, record } from "../json.ts";
import { flag, object, text } from "../../base/reader.ts";
import { readAccess, type SharedPlace } from "./ipam.ts";
import { PLUGIN } from "./names.ts";

/** The label with the name of the service that a container of a swarm belongs to. */
const SERVICE = "com.docker.swarm.service.name";

const containers = list(object({ Id: text }));

const container = object({
  Id: text,
  Name: text,
  Config: optional(object({ Labels: record(text) })),
  NetworkSettings: object({
    Networks: record(object({
      NetworkID: text,
      EndpointID: optional(text),
      IPAddress: optional(text),
      GlobalIPv6Address: optional(text),
      Aliases: list(text),
    })),
  }),
});

const network = object({
  Id: text,
  Name: text,
  Scope: optional(text),
  ConfigOnly: optional(flag),
  IPAM: object({
    Driver: optional(text),
    Options: record(text),
    Config: list(object({ Subnet: optional(text), AuxiliaryAddresses: record(text) })),
  }),
  Containers: record(object({ IPv4Address: optional(text), IPv6Address: optional(text) })),
});

const networks = list(network);

const event = object({
  Type: text,
  Action: text,
  Actor: object({ ID: text, Attributes: record(text) }),
});

/** What a container has on one network. */
export interface ContainerEndpoint {
  /** The endpoint's id. It has none while the container does not run. */
  id?: string;
  /** The network's id. */
  networkId: string;
  /** Its addresses, without a prefix length. It has none while the container does not run. */
  addresses: string[];
  /** The names by which others find it there, its own first. */
  names: string[];
}

/** A container. */
export interface Container {
  /** Its name. */
  name: string;
  /** What it has on its networks. */
  endpoints: ContainerEndpoint[];
}

/** A network of Docker's. */
export interface DockerNetwork {
  /** Its id. */
  id: string;
  /** Its name. */
  name: string;
  /** Whether Docker keeps it through a restart. One of a swarm is made anew, and requests its pools again. */
  isKept: boolean;
  /** Whether Docker's own IPAM driver gives its addresses, or none does. */
  isForeign: boolean;
  /** Whether this plugin gives its addresses, by the name that it has if nobody gives it another one. */
  isOurs: boolean;
  /** The prefix in etcd under which hosts share its addresses, as far as Docker shows it. */
  prefix: string | undefined;
  /** Its subnets, as pools have them. Docker does not show in which etcd a pool is. */
  subnets: string[];
  /** The addresses that Docker has claimed for nobody, by their names. */
  auxiliary: Record<string, string>;
  /** The addresses of the endpoints that Docker has there. A list of networks tells of none. */
  addresses: string[];
}

/** The ids of the containers of `GET /containers/json`. */
export function readContainerIds(body: unknown): string[] {
  return readMessage(containers, body).map(({ Id }) => Id);
}

/** The container of `GET /containers/ID/json`. */
export function readContainer(body: unknown): Container {
  const { Id, Name, Config, NetworkSettings: { Networks } } = readMessage(container, body);
  const name = Name.replace(/^\//, "");
  const service = Config?.Labels[SERVICE];
  const endpoints = Object.entries(Networks).map(([networkName, found]): ContainerEndpoint => {
    // Docker 20.10 has the short id among them.
    const aliases = found.Aliases.filter((alias) => alias !== Id.slice(0, 12));
    const names = [name, ...aliases, ...service ? [service] : [], `${name}.${networkName}`];
    return {
      id: found.EndpointID,
      networkId: found.NetworkID,
      addresses: [found.IPAddress, found.GlobalIPv6Address].filter((each) => each) as string[],
      names: [...new Set(names)],
    };
  });
  return { name, endpoints };
}

/** The network of `GET /networks/ID`. @param place Says what its IPAM options leave out. */
export function readNetwork(body: unknown, place: SharedPlace): DockerNetwork {
  return toNetwork(readMessage(network, body), place);
}

/** The networks of `GET /networks`. @param place Says what their IPAM options leave out. */
export function readNetworks(body: unknown, place: SharedPlace): DockerNetwork[] {
  return readMessage(networks, body).map((each) => toNetwork(each, place));
}

function toNetwork(
  { Id, Name, Scope, ConfigOnly, IPAM, Containers }: ReturnType<typeof network>,
  place: SharedPlace,
): DockerNetwork {
  return {
    id: Id,
    name: Name,
    // A description for networks of a swarm has no addresses itself.
    isKept: Scope !== "swarm" && !ConfigOnly,
    isForeign: IPAM.Driver === "default" || IPAM.Driver === "null",
    // A managed plugin has a tag, too.
    isOurs: IPAM.Driver?.split(":")[0] === PLUGIN,
    prefix: sharedPrefix(IPAM, place),
    subnets: IPAM.Config.flatMap(({ Subnet }) => Subnet ? [canonicalSubnet(Subnet)] : []),
    auxiliary: Object.fromEntries(
      IPAM.Config.flatMap(({ AuxiliaryAddresses }) => Object.entries(AuxiliaryAddresses)),
    ),
    addresses: Object.values(Containers)
      .flatMap(({ IPv4Address, IPv6Address }) => [IPv4Address, IPv6Address])
      .filter((each) => each) as string[],
  };
}

function sharedPrefix(
  { Driver, Options }: ReturnType<typeof network>["IPAM"],
  { environment, etcd }: SharedPlace,
): string | undefined {
  if (Driver === "default" || Driver === "null") return undefined;
  try {
    const access = readAccess(Options, { environment }) ?? etcd;
    return access && prefixOf(access);
  } catch (error) {
    // They are options of another IPAM driver.
    if (error instanceof IpvlanError) return undefined;
    throw error;
  }
}

/** A subnet as pools have it. */
function canonicalSubnet(text: string): string {
  const subnet = attempt(() => formatPrefix(parsePrefix(text).prefix));
  return subnet.ok ? subnet.value : text;
}

/**
 * Whether as many networks of Docker's have addresses of a pool's subnet as have requested it. If
 * not, Docker is making one, for which it may have claimed auxiliary addresses.
 */
export function hasItsNetworks(
  pool: AddressPoolDetails,
  pools: readonly AddressPoolDetails[],
  networks: readonly DockerNetwork[],
): boolean {
  const same = pools.filter(({ subnet }) => subnet === pool.subnet);
  const requests = same.reduce((sum, each) => sum + each.requests, 0);
  // A manager shows a network of a swarm also while its own node does not have it.
  const isHere = ({ isOurs, isKept, addresses }: DockerNetwork) =>
    isOurs && (isKept || addresses.length > 0);
  return networks.filter((each) => isHere(each) && each.subnets.includes(pool.subnet)).length >=
    requests;
}

/** What an event of `GET /events` is about: a container or a network, by id. */
export function readEvent(body: unknown): { container?: string; network?: string } {
  const { Type, Actor: { ID, Attributes } } = readMessage(event, body);
  if (Type === "container") return { container: ID };
  return { network: ID, container: Attributes.container };
}

/** Who uses the addresses that hosts share. */
export function claimUsers(
  { name, endpoints }: Container,
  networkOf: (id: string) => DockerNetwork | undefined,
): ClaimUser[] {
  return endpoints.flatMap(({ networkId, addresses, names }) => {
    const network = networkOf(networkId);
    const prefix = network?.prefix;
    if (!network || prefix === undefined) return [];
    return addresses.map((address) => ({ prefix, address, name, network: network.name, names }));
  });
}

/** The auxiliary addresses of a network that hosts share. An error about one names the network. */
export function auxiliaryUsers({ name, prefix, auxiliary }: DockerNetwork): ClaimUser[] {
  if (prefix === undefined) return [];
  return Object.entries(auxiliary).map(([label, address]) => ({
    ...{ prefix, address, network: name, names: [] },
    name: `${name}, auxiliary address ${label}`,
  }));
}
