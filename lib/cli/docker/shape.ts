// Networks and sandboxes in Docker's JSON shape and order (29), for scripts written for Docker.
// `inspect` leaves out fields that a network namespace does not have (an image, a command); `ps` has
// them with empty values, as templates ask for all columns. `Interface` and `Owner` are ours.
import { nodeModule } from "../../base/node.ts";
import { engineOf, isOwned } from "../../driver/model/names.ts";
import { ipamDriver, ipamEntries } from "../../driver/model/ipam_options.ts";
import { toDriverOptions } from "../../driver/model/options.ts";
import type {
  Endpoint,
  Network,
  NetworkDetails,
  NetworkSubnet,
  Owner,
  SeenSandbox,
} from "../../driver/model/types.ts";
import { endpointAddresses, type Family, familyOf } from "../../ipam/address.ts";
import type { PoolUsage } from "../../ipam/mod.ts";
import { NO_GATEWAY } from "../../ipam/subnet.ts";
import type { Struct, Value } from "../../template/mod.ts";
import type { Fields } from "./list.ts";
import { ownerText } from "../../engine/owners.ts";

/** A network as `docker network inspect` shows it. @param usage Of its subnets, in their order. */
export function inspectedNetwork(network: NetworkDetails, usage: readonly PoolUsage[]): Struct {
  const { name, id, created, internal, endpoints, labels, reservations = [] } = network;
  const reserved = reservations.map((each) => ({ Name: each.name, Address: each.address }));
  return {
    Name: name,
    Id: id,
    // Docker has `.ID` in templates, and `Id` in JSON.
    ID: () => id,
    Created: created,
    Scope: "local",
    Driver: "ipvlan",
    EnableIPv4: hasFamily(network, 4),
    EnableIPv6: hasFamily(network, 6),
    IPAM: {
      Driver: ipamDriver(network),
      Options: new Map(network.ipam ? ipamEntries(network.ipam.access) : []),
      Config: network.subnets.map(ipamConfig),
    },
    Internal: internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Options: toMap(toDriverOptions(network)),
    Labels: toMap(labels),
    Containers: new Map(
      endpoints.map((endpoint) => [endpoint.sandbox, connected(endpoint, network)]),
    ),
    Status: { IPAM: { Subnets: subnetStatus(network, usage) } },
    Reservations: unlessEmpty(reserved, reserved.length === 0),
    Owner: shownOwner(network),
  };
}

/** A sandbox as `docker inspect` shows a container. A network may have been removed meanwhile. */
export function inspectedSandbox(
  { name, created, labels, namespace, endpoints, state, owner, path = "" }: SeenSandbox,
  networkOf: (name: string) => Network | undefined,
  pids: readonly number[],
  exitStatus = 0,
): Struct {
  const running = state !== "down";
  return {
    Id: name,
    ID: () => name,
    Created: created,
    State: {
      Status: stateWord(running),
      Running: running,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      // The first process, by which `nsenter` finds the namespace.
      Pid: pids.length === 0 ? 0 : Math.min(...pids),
      ExitCode: exitStatus,
      // What the kernel lacks of the endpoints.
      Error: endpoints.filter(({ state }) => running && state !== "up")
        .map(({ network, ifname, state }) => `${ifname} on ${network} is ${state}`).join(", "),
    },
    // An engine writes its hosts files itself.
    HostsPath: isOwned(name) ? "" : `/etc/netns/${name}/hosts`,
    // With a slash, as in Docker: scripts remove it.
    Name: `/${name}`,
    HostConfig: { NetworkMode: endpoints[0]?.network ?? "none" },
    Config: { Labels: toMap(labels) },
    NetworkSettings: {
      SandboxID: name,
      SandboxKey: isOwned(name) ? path : `/run/netns/${name}`,
      Ports: new Map(),
      Networks: new Map(endpoints.flatMap((endpoint) => {
        const network = networkOf(endpoint.network);
        return network ? [[network.name, endpointSettings(endpoint, network)]] : [];
      })),
    },
    Namespace: namespace,
    Owner: shownOwner({ owner }),
  };
}

/** The fields of a network as `docker network ls` lists it, with its mode, parent and subnets. */
export function networkFields(id: (network: Network) => string): Fields<Network> {
  return {
    ID: id,
    Name: ({ name }) => name,
    Driver: () => "ipvlan",
    Scope: () => "local",
    IPv4: (network) => String(hasFamily(network, 4)),
    IPv6: (network) => String(hasFamily(network, 6)),
    Internal: ({ internal }) => String(internal),
    Labels: labelText,
    Label: labelOf,
    CreatedAt: ({ created }) => created,
    Mode: ({ mode }) => mode,
    Parent: ({ parent }) => parent,
    Subnets: ({ subnets }) => subnets.map(({ subnet }) => subnet).join(","),
    IPAM: ipamDriver,
    Owner: ({ name }) => engineOf(name) ?? "",
  };
}

/** The fields of a sandbox in `docker ps`, with our own in lower case. @param now In ms. */
export function sandboxFields(now: number): Fields<SeenSandbox> {
  return {
    ID: ({ name }) => name,
    Names: ({ name }) => name,
    Image: () => "<no image>",
    Command: () => '""',
    CreatedAt: ({ created }) => created,
    RunningFor: ({ created }) => `${duration(now - Date.parse(created))} ago`,
    Ports: () => "",
    State: ({ state }) => stateWord(state !== "down"),
    Status: ({ state }) => state.charAt(0).toUpperCase() + state.slice(1),
    Size: () => "0B",
    Labels: labelText,
    Label: labelOf,
    Mounts: () => "",
    LocalVolumes: () => "0",
    Networks: ({ endpoints }) => endpoints.map(({ network }) => network).join(","),
    name: ({ name }) => name,
    created: ({ created }) => created,
    labels: ({ labels }) => toMap(labels),
    namespace: ({ namespace }) => namespace,
    // They are plain data, though an interface is no record for the compiler.
    endpoints: ({ endpoints }) => endpoints as readonly object[] as readonly Struct[],
    status: ({ state }) => state,
    owner: ({ name }) => engineOf(name) ?? "",
  };
}

/** The engine that owns something. JSON leaves it out for `ipvlan`'s own. */
function shownOwner({ owner }: { owner?: Owner }): Value | (() => Value) {
  const { engine = "", id = "" } = owner ?? {};
  return unlessEmpty({ Engine: engine, Id: id }, owner === undefined);
}

function stateWord(running: boolean): string {
  return running ? "running" : "exited";
}

function hasFamily({ subnets }: Network, family: Family): boolean {
  return subnets.some(({ subnet }) => familyOf(subnet) === family);
}

function toMap(record: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(record));
}

type Labelled = Pick<Network, "labels">;

function labelText({ labels }: Labelled): string {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`).sort().join(",");
}

/** Docker's method `{{.Label "NAME"}}`. */
function labelOf({ labels }: Labelled): (name: string) => string {
  return (name) => Object.hasOwn(labels, name) ? labels[name]! : "";
}

/** A field that is left out of JSON if it is empty, as in Docker. Templates can still use it. */
function unlessEmpty(value: Value, isEmpty: boolean): Value | (() => Value) {
  return isEmpty ? () => value : value;
}

function ipamConfig({ subnet, ipRange = "", auxAddresses, ...more }: NetworkSubnet): Struct {
  const reserved = toMap(auxAddresses);
  const { gateway = NO_GATEWAY } = more;
  return {
    Subnet: subnet,
    IPRange: unlessEmpty(ipRange, ipRange === ""),
    Gateway: unlessEmpty(gateway === NO_GATEWAY ? "" : gateway, gateway === NO_GATEWAY),
    AuxiliaryAddresses: unlessEmpty(reserved, reserved.size === 0),
  };
}

/** A sandbox in its network's list. Docker shows no MAC address of an ipvlan link. */
function connected(endpoint: Endpoint, network: Network): Struct {
  const { sandbox, ifname, ip = "", ip6 = "" } = endpoint;
  return {
    Name: sandbox,
    EndpointID: endpointId(endpoint, network),
    MacAddress: "",
    IPv4Address: ip,
    IPv6Address: ip6,
    Interface: ifname,
  };
}

/** An id of Docker's form, derived from the network and the sandbox. */
function endpointId({ sandbox }: Endpoint, { id }: Network): string {
  return nodeModule("node:crypto").createHash("sha256").update(`${id} ${sandbox}`).digest("hex");
}

function endpointSettings(endpoint: Endpoint, network: Network): Struct {
  const { ifname, ip = "", ip6 = "", gateway = "", gateway6 = "" } = endpoint;
  const { defaultRoute = false, defaultRoute6 = false } = endpoint;
  const { names, aliases, linkLocalAddresses, gatewayPriority = 0 } = endpoint;
  const [address = "", length = "0"] = ip.split("/");
  const [address6 = "", length6 = "0"] = ip6.split("/");
  return {
    IPAMConfig: linkLocalAddresses ? { LinkLocalIPs: linkLocalAddresses } : null,
    Aliases: aliases,
    NetworkID: network.id,
    EndpointID: endpointId(endpoint, network),
    Gateway: gateway,
    IPAddress: address,
    MacAddress: "",
    GwPriority: gatewayPriority,
    IPPrefixLen: Number(length),
    IPv6Gateway: gateway6,
    GlobalIPv6Address: address6,
    GlobalIPv6PrefixLen: Number(length6),
    DNSNames: names,
    Interface: ifname,
    DefaultRoute: defaultRoute,
    IPv6DefaultRoute: defaultRoute6,
  };
}

/** The greatest number of addresses that Docker shows. */
const MAX_COUNT = (1n << 64n) - 1n;

function subnetStatus(
  { subnets }: NetworkDetails,
  usage: readonly PoolUsage[],
): Map<string, Struct> {
  const shown = (count: bigint) => count > MAX_COUNT ? MAX_COUNT : count;
  return new Map(usage.map(({ used, free }, index) => [
    subnets[index]!.subnet,
    { IPsInUse: shown(used), DynamicIPsAvailable: shown(free) },
  ]));
}

/** A duration in words, as in Docker: `About an hour`, `3 weeks`. */
export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.round(seconds / 3600);
  const days = Math.floor(hours / 24);
  if (seconds < 1) return "Less than a second";
  if (seconds < 60) return seconds === 1 ? "1 second" : `${seconds} seconds`;
  if (minutes < 60) return minutes === 1 ? "About a minute" : `${minutes} minutes`;
  if (hours < 48) return hours === 1 ? "About an hour" : `${hours} hours`;
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  return days < 730 ? `${Math.floor(days / 30)} months` : `${Math.floor(days / 365)} years`;
}

export function networkColumns(
  networks: readonly Network[],
  id: (network: Network) => string,
): Fields<Network> {
  const fields = networkFields(id);
  const hasIpam = networks.some(({ ipam, dhcp }) => ipam ?? dhcp);
  const names = ["Name", "Driver", "Mode", "Parent", "Subnets", ...hasIpam ? ["IPAM"] : []];
  return {
    "NETWORK ID": id,
    ...Object.fromEntries(names.map((name) => [name.toUpperCase(), fields[name]!])),
    ...ownerColumn(networks),
  };
}

/** The columns of `ps`. @param containers Names of Docker containers, by endpoint id. */
export function sandboxColumns(
  sandboxes: readonly SeenSandbox[],
  name: (sandbox: SeenSandbox) => string,
  containers: ReadonlyMap<string, string>,
): Fields<SeenSandbox> {
  return {
    NAME: name,
    CREATED: ({ created }) => created.slice(0, 19).replace("T", " "),
    STATUS: ({ state }) => state,
    NETWORKS: ({ endpoints }) =>
      endpoints.map((endpoint) => {
        const { network, state } = endpoint;
        const fault = state === "up" ? [] : [`(${state})`];
        return [network, ...endpointAddresses(endpoint), ...fault].join(" ");
      }).join(", "),
    ...ownerColumn(sandboxes, containers),
  };
}

function ownerColumn(
  rows: readonly { owner?: Owner }[],
  containers?: ReadonlyMap<string, string>,
): Record<string, (row: { owner?: Owner }) => string> {
  if (!rows.some(({ owner }) => owner)) return {};
  return { OWNER: ({ owner }) => owner ? ownerText(owner, containers?.get(owner.id)) : "" };
}
