// Decides how a network of Docker's own driver `ipvlan` becomes one of this plugin: pure functions.
//
// Docker changes no network's driver, and gives a subnet to one network alone. So the containers
// are stopped and disconnected, the network is removed and created again under its name, and the
// containers are connected and started. The way back is the same with the other driver.
import type { EngineNetworkSpec, Network as KitNetwork } from "../../driver/mod.ts";
import { IpvlanError } from "../../base/errors.ts";
import { shellWord } from "../../base/printable.ts";
import { anything, flag, object, text, whole } from "../../base/reader.ts";
import { familyOf } from "../../ipam/address.ts";
import { list, optional, record } from "../json.ts";
import { type Network, readNetwork } from "./api.ts";
import { PLUGIN_NAME } from "../plugins.ts";
import { readCreateNetwork } from "./translate.ts";

export const DOCKERS = "ipvlan";

const endpoint = object({
  IPAMConfig: record(anything),
  Links: list(text),
  Aliases: list(text),
  DriverOpts: record(text),
  GwPriority: optional(whole),
  NetworkID: optional(text),
  IPAddress: optional(text),
  GlobalIPv6Address: optional(text),
});

export const readContainer = object({
  Id: text,
  Name: text,
  State: object({ Status: text, Running: flag, StartedAt: text }),
  HostConfig: object({ NetworkMode: text, AutoRemove: flag }),
  NetworkSettings: object({ Networks: record(endpoint) }),
});

/** Reads a network and its containers as they were, in the order of their starts. */
export const readMigration = object({ network: readNetwork, containers: list(readContainer) });

type Endpoint = ReturnType<typeof endpoint>;
type Container = ReturnType<typeof readContainer>;
export type Migration = ReturnType<typeof readMigration>;

export function notMigrated(network: string, reason: string): IpvlanError {
  return new IpvlanError("docker-migrate", { network, reason });
}

/** Decides the migration of a network, by its name or by the first digits of its id. */
export function decideMigration(
  asked: string,
  networks: readonly Network[],
  containers: readonly Container[],
  ours: readonly Pick<KitNetwork, "name" | "parent">[],
): { migration: Migration; spec: EngineNetworkSpec; problems: IpvlanError[] } {
  const named = networks.filter(({ Name }) => Name === asked);
  const [found, other] = named.length > 0
    ? named
    : networks.filter(({ Id }) => asked !== "" && Id.startsWith(asked));
  if (!found) {
    const known = networks.filter(({ Driver }) => Driver === DOCKERS).map(({ Name }) => Name);
    throw new IpvlanError("network-not-found", { network: asked, known });
  }
  const { Name } = found;
  const isAmbiguous = other || networks.some((each) => each !== found && each.Name === Name);
  const kind = isAmbiguous ? "several networks have this name or id" : wrongKind(found);
  if (kind) throw notMigrated(Name, kind);
  const { spec, problems } = ourSpec(found);
  const since = ({ State }: Container) => Date.parse(State.StartedAt);
  const members = containers.filter((each) => isMember(found, each))
    .sort((a, b) => since(a) - since(b)).map(settled);
  const { parent = "" } = spec;
  // Docker removes the sub-interface that it has made, even if other networks use it.
  const isSharer = (each: { parent: string }) =>
    parent.includes(".") && `${each.parent}.`.startsWith(`${parent}.`);
  const sharers = ours.filter(isSharer).map(({ name }) => name).join(", ");
  const reasons = [
    ...sharers
      ? [`${sharers} may lose the parent ${parent} with it: remove that network first`]
      : [],
    ...members.flatMap((each) => wrongWith(found, each, containers)),
  ];
  problems.unshift(...reasons.map((reason) => notMigrated(Name, reason)));
  return { migration: { network: found, containers: members }, spec, problems };
}

function wrongKind({ Driver, Scope, ConfigOnly, ConfigFrom }: Network): string | undefined {
  if (ConfigOnly) return "it is only a template of other networks (--config-only)";
  if (Driver.split(":")[0] === PLUGIN_NAME) return `its driver is ${Driver} already`;
  if (Driver !== DOCKERS) return `its driver is ${Driver}, and not ${DOCKERS}`;
  if (Scope === "swarm") return "it belongs to a swarm, which makes it on each node";
  if (ConfigFrom?.Network) return `its template is ${ConfigFrom.Network} (--config-from)`;
}

/** Gives a container the addresses that it has now as its own, in the form of a request to connect it. */
function settled(container: Container): Container {
  const { Id, NetworkSettings: { Networks } } = container;
  const settledOnes = Object.entries(Networks).map(([name, endpoint]) => {
    const { IPAddress, GlobalIPv6Address, NetworkID: _, ...config } = endpoint;
    const { IPv4Address, IPv6Address } = config.IPAMConfig;
    const now = {
      IPv4Address: IPAddress || IPv4Address,
      IPv6Address: GlobalIPv6Address || IPv6Address,
    };
    // Docker 20.10 lists the short id, too.
    const Aliases = config.Aliases.filter((alias) => alias !== Id.slice(0, 12));
    return [name, { ...config, Aliases, IPAMConfig: { ...config.IPAMConfig, ...now } }];
  });
  return { ...container, NetworkSettings: { Networks: Object.fromEntries(settledOnes) } };
}

/** Whether a container is on a network. Docker shows no network's id before the first start. */
function isMember({ Id, Name }: Network, { NetworkSettings: { Networks } }: Container): boolean {
  return Object.entries(Networks).some(([name, { NetworkID }]) =>
    NetworkID ? NetworkID === Id : name === Name || name === Id
  );
}

/** Why a container would not come back on a network that has been made again. */
function wrongWith(network: Network, container: Container, all: readonly Container[]): string[] {
  const { State, HostConfig: { NetworkMode, AutoRemove } } = container;
  const endpoint = container.NetworkSettings.Networks[network.Name];
  const isById = !endpoint ||
    NetworkMode !== network.Name && NetworkMode !== "" && network.Id.startsWith(NetworkMode);
  const { Running } = State;
  const foreign = Object.keys(endpoint?.DriverOpts ?? {})
    .filter((name) => !name.startsWith("com.docker."));
  const guests = all.filter(({ State, HostConfig }) =>
    Running && State.Running && HostConfig.NetworkMode === `container:${container.Id}`
  );
  const reasons: [isSo: boolean, reason: string][] = [
    [isById, `has the network by its id, which changes: make it again with --net=${network.Name}`],
    [Running && AutoRemove, "is removed when it stops (--rm): stop it first"],
    [Running && State.Status !== "running", `is ${State.Status}: let it run, or stop it`],
    [foreign.length > 0, `has driver options: ${foreign.join(", ")}`],
    [guests.length > 0, `has ${guests.map(nameOf).join(", ")} in its namespace: stop those first`],
  ];
  return reasons.filter(([isSo]) => isSo)
    .map(([, reason]) => `the container ${nameOf(container)} ${reason}`);
}

const nameOf = ({ Name }: Container) => Name.replace(/^\//, "");

/** Reads a network as a request to this plugin, and the problems of its options. */
function ourSpec({ Id, Internal, IPAM, Options }: Network) {
  const data = IPAM.Config.flatMap(({ Subnet, Gateway, AuxiliaryAddresses }) =>
    Subnet ? [{ Pool: Subnet, Gateway, AuxAddresses: AuxiliaryAddresses }] : []
  );
  return readCreateNetwork({
    NetworkID: Id,
    IPv4Data: data.filter(({ Pool }) => familyOf(Pool) === 4),
    IPv6Data: data.filter(({ Pool }) => familyOf(Pool) === 6),
    Options: { "com.docker.network.generic": Options, "com.docker.network.internal": Internal },
  });
}

/** A step: the line of Docker's command, and the same as calls of its API, which may run at once. */
export interface Step {
  line: string;
  calls: { method?: string; path: string; body?: unknown }[];
  isStart?: boolean;
}

/**
 * Lists the steps from what Docker has now to the network with a driver, wherever the last steps ended.
 * @param wasKilled Whether a stop may still be under way: Docker shows the container as running then, and
 * only another stop waits for its end.
 */
export function stepsTo(
  driver: string,
  { network, containers: members }: Migration,
  networks: readonly Network[],
  containers: readonly Container[],
  wasKilled = false,
): Step[] {
  const { Name } = network;
  const present = networks.find((each) => each.Name === Name);
  const isReplaced = present?.Driver !== driver;
  const all = members.flatMap((before) => {
    const now = containers.find(({ Id }) => Id === before.Id);
    if (!now) return [];
    const { State: { Running: runs }, NetworkSettings: { Networks: { [Name]: endpoint } } } = now;
    const stop = runs && (wasKilled || isReplaced || !endpoint);
    const start = before.State.Running && (!runs || stop);
    // Docker may give another address to one that is started without an address of its own.
    const isLoose = start && endpoint &&
      !hasAddresses(endpoint, before.NetworkSettings.Networks[Name]!);
    const connect = isReplaced || !endpoint || isLoose;
    return [{ before, stop, disconnect: connect && endpoint, connect, start }];
  });
  const which = (verb: "stop" | "disconnect" | "connect" | "start") =>
    all.filter((each) => each[verb]).map(({ before }) => before);
  const path = `/networks/${encodeURIComponent(Name)}`;
  const onNetwork = (verb: string, container: Container, options = {}, body = {}): Step => ({
    line: line(`network ${verb}`, options, Name, nameOf(container)),
    calls: [{ path: `${path}/${verb}`, body: { Container: container.Id, ...body } }],
  });
  const onContainers = (verb: string, these: Container[]): Step => ({
    line: line(verb, {}, ...these.map(nameOf)),
    calls: these.map(({ Id }) => ({ path: `/containers/${Id}/${verb}` })),
  });
  const toStop = which("stop");
  return [
    ...toStop.length > 0 ? [onContainers("stop", toStop)] : [],
    ...which("disconnect").map((each) => onNetwork("disconnect", each)),
    ...isReplaced && present
      ? [{ line: line("network rm", {}, Name), calls: [{ method: "DELETE", path }] }]
      : [],
    ...isReplaced ? [creation(driver, network)] : [],
    ...which("connect").map((each) => {
      const EndpointConfig = each.NetworkSettings.Networks[Name]!;
      return onNetwork("connect", each, connectOptions(EndpointConfig), { EndpointConfig });
    }),
    ...which("start").map((each) => ({ ...onContainers("start", [each]), isStart: true })),
  ];
}

/** Whether an endpoint has the addresses of another one as its own. */
const hasAddresses = ({ IPAMConfig: own }: Endpoint, { IPAMConfig: other }: Endpoint) =>
  ["IPv4Address", "IPv6Address"].every((key) => (own[key] || "") === (other[key] || ""));

const connectOptions = ({ IPAMConfig, Links, Aliases, DriverOpts, GwPriority }: Endpoint) => ({
  ip: IPAMConfig.IPv4Address,
  ip6: IPAMConfig.IPv6Address,
  "link-local-ip": IPAMConfig.LinkLocalIPs,
  link: Links,
  alias: Aliases,
  "driver-opt": pairs(DriverOpts),
  "gw-priority": GwPriority,
});

function creation(driver: string, network: Network): Step {
  const { Name, EnableIPv4, EnableIPv6, Internal, Attachable, IPAM, Options, Labels } = network;
  const options = {
    driver,
    ipv4: EnableIPv4 === false && "false",
    ipv6: EnableIPv6,
    internal: Internal,
    attachable: Attachable,
    "ipam-driver": IPAM.Driver !== "default" && IPAM.Driver,
    "ipam-opt": pairs(IPAM.Options),
    subnet: IPAM.Config.map(({ Subnet }) => Subnet),
    "ip-range": IPAM.Config.map(({ IPRange }) => IPRange),
    gateway: IPAM.Config.map(({ Gateway }) => Gateway),
    "aux-address": IPAM.Config.flatMap((each) => pairs(each.AuxiliaryAddresses)),
    opt: pairs(Options),
    label: pairs(Labels),
  };
  const body = { Name, Driver: driver, CheckDuplicate: true, EnableIPv4, EnableIPv6, Internal };
  return {
    line: line("network create", options, Name),
    calls: [{ path: "/networks/create", body: { ...body, Attachable, IPAM, Options, Labels } }],
  };
}

const pairs = (values: Record<string, string>) =>
  Object.entries(values).map((pair) => pair.join("="));

/** Writes a line of Docker's command. Options without a value are left out. */
function line(command: string, options: Record<string, unknown>, ...words: string[]): string {
  const given = Object.entries(options).flatMap(([name, values]) =>
    [values].flat().filter((value) => value)
      .map((value) => `--${name}${value === true ? "" : `=${value}`}`)
  );
  return [`docker ${command}`, ...[...given, ...words].map(shellWord)].join(" ");
}
