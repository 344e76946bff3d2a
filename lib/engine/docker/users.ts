// Reads Docker's containers and networks from the answers of its API: pure functions.
import { prefixOf } from "../../claims/access.ts";
import type { AddressPoolDetails, ClaimUser } from "../../driver/mod.ts";
import { attempt } from "../../base/errors.ts";
import { addressIn } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import { list, optional, readMessage, record } from "../json.ts";
import { object, text } from "../../base/reader.ts";
import { listedContainers, type Network, readNetwork, readNetworks } from "./api.ts";
import { readAccess, type SharedPlace } from "./ipam.ts";
import { PLUGIN_NAME } from "../plugins.ts";

/** The label with the name of a swarm container's service. */
const SERVICE = "com.docker.swarm.service.name";

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

const event = object({ Type: text, Actor: object({ ID: text, Attributes: record(text) }) });

/** A container, and its endpoints. While it runs, these have ids and addresses. */
export interface Container {
  name: string;
  endpoints: {
    id?: string;
    networkId: string;
    addresses: string[];
    /** Its names on the network, its own first. */
    names: string[];
  }[];
}

export type DockerNetwork = ReturnType<typeof toNetwork>;

export function readContainerIds(body: unknown): string[] {
  return readMessage(list(object({ Id: text })), body).map(({ Id }) => Id);
}

export function readContainer(body: unknown): Container {
  const { Id, Name, Config, NetworkSettings: { Networks } } = readMessage(container, body);
  const name = Name.replace(/^\//, "");
  const service = Config?.Labels[SERVICE];
  const endpoints = Object.entries(Networks).map(([networkName, found]) => {
    // In Docker 20.10, the short id is one of the aliases.
    const aliases = found.Aliases.filter((alias) => alias !== Id.slice(0, 12));
    const names = filled(name, ...aliases, service, `${name}.${networkName}`);
    return {
      id: found.EndpointID,
      networkId: found.NetworkID,
      addresses: filled(found.IPAddress, found.GlobalIPv6Address),
      names: [...new Set(names)],
    };
  });
  return { name, endpoints };
}

/** Lists the addresses that containers ask for, from `GET /containers/json`. */
export function readAskedAddresses(body: unknown): string[] {
  return readMessage(listedContainers, body)
    .flatMap(({ NetworkSettings: { Networks } }) => Object.values(Networks))
    .flatMap(({ IPAMConfig }) => filled(IPAMConfig?.IPv4Address, IPAMConfig?.IPv6Address))
    .map((address) => canonical(address, addressIn));
}

/** Leaves out missing and empty texts. */
function filled(...texts: readonly (string | undefined)[]): string[] {
  return texts.flatMap((text) => text || []);
}

/** Reads the network from `GET /networks/ID`. @param place Completes its IPAM options. */
export function readDockerNetwork(body: unknown, place: SharedPlace): DockerNetwork {
  return toNetwork(readMessage(readNetwork, body), place);
}

/** Reads the networks from `GET /networks`. @param place Completes their IPAM options. */
export function readDockerNetworks(body: unknown, place: SharedPlace): DockerNetwork[] {
  return readMessage(readNetworks, body).map((each) => toNetwork(each, place));
}

function toNetwork(
  { Id, Name, Scope, ConfigOnly, IPAM, Containers }: Network,
  place: SharedPlace,
) {
  return {
    id: Id,
    name: Name,
    // Whether Docker keeps it through a restart. It makes one of a swarm anew, with new pool requests. A
    // template for networks of a swarm (`ConfigOnly`) has no addresses itself.
    isKept: Scope !== "swarm" && !ConfigOnly,
    // Whether Docker's own IPAM driver, or none, gives its addresses.
    isForeign: IPAM.Driver === "default" || IPAM.Driver === "null",
    // Whether this plugin does; only true if it has its default name. A managed plugin has a tag, too.
    isOurs: IPAM.Driver.split(":")[0] === PLUGIN_NAME,
    // The prefix in etcd under which hosts share its addresses, if Docker shows it.
    prefix: sharedPrefix(IPAM, place),
    // In the form of the pools. Docker does not show the etcd of a pool.
    subnets: IPAM.Config.flatMap(({ Subnet }) => Subnet || [])
      .map((subnet) => canonical(subnet, (text) => formatPrefix(parsePrefix(text).prefix))),
    // The auxiliary addresses that Docker has claimed, by their names.
    auxiliary: Object.fromEntries(
      IPAM.Config.flatMap(({ AuxiliaryAddresses }) => Object.entries(AuxiliaryAddresses)),
    ),
    // The addresses of its endpoints in Docker. They are not in a list of networks.
    addresses: Object.values(Containers)
      .flatMap(({ IPv4Address, IPv6Address }) => filled(IPv4Address, IPv6Address)),
  };
}

function sharedPrefix(
  { Driver, Options }: Network["IPAM"],
  { environment, etcd }: SharedPlace,
): string | undefined {
  if (Driver === "default" || Driver === "null") return undefined;
  // The options may be those of another IPAM driver.
  const access = attempt(() => readAccess(Options, { environment }) ?? etcd);
  return access.ok && access.value ? prefixOf(access.value) : undefined;
}

/** Writes a subnet or an address in the form of the pools and the claims, if it is one. */
function canonical(text: string, write: (text: string) => string): string {
  const written = attempt(() => write(text));
  return written.ok ? written.value : text;
}

/** Lists the addresses that Docker uses, in the form of the claims. */
export function usedAddresses(
  containers: readonly Container[],
  networks: readonly DockerNetwork[],
): Set<string> {
  return new Set([
    ...containers.flatMap(({ endpoints }) => endpoints).flatMap(({ addresses }) => addresses),
    ...networks.flatMap(({ auxiliary, addresses }) => [...Object.values(auxiliary), ...addresses]),
  ].map((address) => canonical(address, addressIn)));
}

/** Whether Docker has a network for each request of a pool. If not, it is making one. */
export function hasItsNetworks(
  pool: AddressPoolDetails,
  pools: readonly AddressPoolDetails[],
  networks: readonly DockerNetwork[],
): boolean {
  const same = pools.filter(({ subnet }) => subnet === pool.subnet);
  const requests = same.reduce((sum, each) => sum + each.requests, 0);
  // A swarm manager also shows networks that its own node does not have.
  const isHere = ({ isOurs, isKept, addresses }: DockerNetwork) =>
    isOurs && (isKept || addresses.length > 0);
  return networks.filter((each) => isHere(each) && each.subnets.includes(pool.subnet)).length >=
    requests;
}

/** Reads the id of the container from an event of `GET /events`, if it is about one. */
export function containerOf(body: unknown): string | undefined {
  const { Type, Actor: { ID, Attributes } } = readMessage(event, body);
  return Type === "container" ? ID : Attributes.container;
}

export function claimUsers(
  { name, endpoints }: Container,
  networks: ReadonlyMap<string, DockerNetwork>,
): ClaimUser[] {
  return endpoints.flatMap(({ networkId, addresses, names }) => {
    const network = networks.get(networkId);
    const prefix = network?.prefix;
    if (!network || prefix === undefined) return [];
    return addresses.map((address) => ({ prefix, address, name, network: network.name, names }));
  });
}

/** Lists the shared auxiliary addresses of a network, with its name for errors about them. */
export function auxiliaryUsers({ name, prefix, auxiliary }: DockerNetwork): ClaimUser[] {
  if (prefix === undefined) return [];
  return Object.entries(auxiliary).map(([label, address]) => ({
    prefix,
    address,
    name: `${name}, auxiliary address ${label}`,
    network: name,
    names: [],
  }));
}
