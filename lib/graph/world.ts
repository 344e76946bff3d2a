import { networkParent } from "../driver/model/names.ts";
import { isOurs } from "../driver/network/parent.ts";
import type { Network, Sandbox } from "../driver/model/types.ts";
import { formatPrefix, parsePrefix } from "../ipam/mod.ts";
import { globalAddrs } from "../iproute2/addr.ts";
import type { Route } from "../iproute2/route_types.ts";
import { isIpvlanOn, type Link } from "../iproute2/link_types.ts";
import type { Seen, View, Wanted } from "../iproute2/view.ts";
import { netnsOf } from "../iproute2/words.ts";

/** The parts of each namespace to read for a picture. */
export const WANTED = { links: true, addrs: true, routes: "main" } as const satisfies Wanted;

/** The view that a picture is drawn from. */
export type GraphView = View<Seen<typeof WANTED>>;

type GraphNamespace = Seen<typeof WANTED>;

/** The host's ipvlan world, as the kernel has it. */
export interface World {
  /** The lowest links that carry networks, each with the sub-interfaces on it. */
  links: WorldLink[];
  /** The networks on record whose parent is no link of the host. */
  absent: { network: string; parent: string }[];
  /** Namespaces that could not be looked into, and why. */
  closed: { netns: string; reason: string }[];
}

/** A link of the host: a parent, or one that a parent is a sub-interface of. */
export interface WorldLink {
  /** Its name. */
  name: string;
  /** Its kind: `device`, `VLAN 20`, `dummy`, `bridge`, … */
  kind: string;
  /** Whether it is up and has a carrier: `up`, `no carrier`, `down`. */
  state: "up" | "no carrier" | "down";
  /** The largest packet, in bytes. */
  mtu: number;
  /** Its addresses with their prefix lengths, without those that every link has. */
  addresses: string[];
  /** The routes by it, as {@linkcode WorldEndpoint.routes}. */
  routes: string[];
  /** The networks on it. */
  networks: WorldNetwork[];
  /** The sub-interfaces on it. */
  subInterfaces: WorldLink[];
}

/** A network on a parent. */
export interface WorldNetwork {
  /** Its name; `undefined` for the ipvlan links on the parent that are not this driver's. */
  name?: string;
  /** The mode in the kernel; for a network without endpoints, the mode on record. */
  mode: string;
  /** The flag, likewise. */
  flag: string;
  /** The subnets on record; without a record, those of the endpoints' addresses. */
  subnets: string[];
  /** The routes that most of its endpoints have. */
  routes: string[];
  /** Its endpoints, by sandbox. */
  endpoints: WorldEndpoint[];
}

/** An ipvlan link. */
export interface WorldEndpoint {
  /** The namespace that it is in; `undefined` for the host's own. */
  sandbox?: string;
  /** Its name there. */
  ifname: string;
  /** Whether it is up. */
  up: boolean;
  /** Its addresses with their prefix lengths, without those that every link has. */
  addresses: string[];
  /** The routes by it that the kernel did not add by itself: `default via 192.168.1.1`. */
  routes: string[];
}

/**
 * Builds the world from a view. The records only add names.
 *
 * @param sandboxes The sandboxes on record. Those of engines have namespaces under other names.
 */
export function buildWorld(
  view: GraphView,
  networks: readonly Network[],
  sandboxes: readonly Pick<Sandbox, "name" | "path">[] = [],
): World {
  const { host, others, closed } = withSandboxNames(view, sandboxes);
  const linkAt = new Map(host.links.map((link) => [link.index, link]));
  const ipvlans = [host, ...others].flatMap((namespace) =>
    namespace.links.flatMap((link): SeenIpvlan[] => {
      const parent = linkAt.get(link.linkIndex ?? 0);
      // A parent in a sandbox is not drawn.
      if (!parent || !isIpvlanOn(parent, link, namespace.netns)) return [];
      return [{ link, parent: parent.name, namespace }];
    })
  );
  const parents = new Set([
    ...ipvlans.map(({ parent }) => parent),
    ...networks.map(({ parent }) => parent),
  ]);
  const carries = ({ name }: Link): boolean =>
    parents.has(name) || host.links.some((link) => isSubInterface(link, name) && carries(link));
  const toLink = (link: Link): WorldLink => ({
    name: plain(link.name),
    kind: kindOf(link),
    state: !link.up ? "down" : link.flags.includes("LOWER_UP") ? "up" : "no carrier",
    mtu: link.mtu,
    addresses: globalAddresses(link, host),
    routes: routesOf(link, host),
    networks: networksOf(
      ipvlans.filter(({ parent }) => parent === link.name),
      networks.filter(({ parent }) => parent === link.name),
    ),
    subInterfaces: host.links.filter((other) => isSubInterface(other, link.name) && carries(other))
      .map(toLink),
  });
  const lowest = host.links.filter((link) =>
    carries(link) && !host.links.some(({ name }) => isSubInterface(link, name))
  );
  const here = new Set(host.links.map(({ name }) => name));
  return {
    links: lowest.map(toLink),
    absent: networks.filter(({ parent }) => !here.has(parent))
      .map(({ name, parent }) => ({ network: name, parent })),
    closed: closed.map(({ netns, reason }) => ({ netns: plain(netns), reason: plain(reason) })),
  };
}

/** Renames the namespaces of engines' sandboxes in a view to the sandboxes' names. */
function withSandboxNames(
  view: GraphView,
  sandboxes: readonly Pick<Sandbox, "name" | "path">[],
): GraphView {
  const nameByNetns = new Map(
    sandboxes.flatMap(({ name, path }) => path === undefined ? [] : [[netnsOf(path), name]]),
  );
  const rename = <T extends { netns?: string }>(namespace: T): T => {
    const name = nameByNetns.get(namespace.netns ?? "");
    return name === undefined ? namespace : { ...namespace, netns: name };
  };
  return { host: view.host, others: view.others.map(rename), closed: view.closed.map(rename) };
}

function isSubInterface(link: Link, below: string): boolean {
  return link.info.type === "vlan" && link.link === below;
}

/** A name or a text without control characters, which could move a terminal's cursor. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

function kindOf({ info }: Link): string {
  if (info.type === "vlan") return `VLAN ${info.id}`;
  return info.type === "other" ? info.kind : info.type;
}

function globalAddresses(link: Link, { addrs }: GraphNamespace): string[] {
  return globalAddrs(link.name, addrs)
    .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
}

function routesOf(link: Link, { routes }: GraphNamespace): string[] {
  return routes.filter(({ protocol, type }) => protocol !== "kernel" && type === "unicast")
    .flatMap((route) =>
      (route.nexthops.length > 0 ? route.nexthops : [route])
        .filter(({ dev }) => dev === link.name)
        .map(({ via }) => routeText(route, via))
    );
}

function routeText({ family, dst }: Route, via: string | undefined): string {
  const to = family === 6 && dst === "default" ? "::/0" : dst;
  return via === undefined ? `${to} on the link` : `${to} via ${via}`;
}

/** An ipvlan link, its parent's name, and the namespace that it is in. */
interface SeenIpvlan {
  link: Link;
  parent: string;
  namespace: GraphNamespace;
}

function networksOf(seen: readonly SeenIpvlan[], networks: readonly Network[]): WorldNetwork[] {
  const byNetwork = Map.groupBy(seen, ({ link }) => networkName(link));
  const names = new Set([...networks.map(({ name }) => name), ...byNetwork.keys()]);
  return [...names].map((name) => {
    const members = byNetwork.get(name) ?? [];
    const record = networks.find((network) => network.name === name);
    const endpoints = members.map(toEndpoint).sort(bySandbox);
    // Mode and flag belong to the parent, so all links on it show the same.
    const info = members[0]?.link.info;
    const { mode, flag } = info?.type === "ipvlan" ? info : record!;
    return {
      ...(name !== undefined && { name: plain(name) }),
      mode,
      flag,
      subnets: record?.subnets.map(({ subnet }) => subnet) ?? prefixesOf(endpoints),
      routes: mostCommon(endpoints.map(({ routes }) => routes)),
      endpoints,
    };
  });
}

/** The name of the network that a link is on, from the alias that the driver gives it. */
function networkName(link: Link): string | undefined {
  return isOurs(link) ? /^ipvlan-kit (\S+)/.exec(link.alias ?? "")?.[1] : undefined;
}

function toEndpoint({ link, namespace }: SeenIpvlan): WorldEndpoint {
  return {
    ...(namespace.netns !== undefined && { sandbox: plain(namespace.netns) }),
    ifname: plain(link.name),
    up: link.up,
    addresses: globalAddresses(link, namespace),
    routes: routesOf(link, namespace),
  };
}

/** c2 before c10, and the host's own namespace first. */
function bySandbox(a: WorldEndpoint, b: WorldEndpoint): number {
  const key = ({ sandbox = "", ifname }: WorldEndpoint) => `${sandbox} ${ifname}`;
  return key(a).localeCompare(key(b), "en", { numeric: true });
}

function prefixesOf(endpoints: readonly WorldEndpoint[]): string[] {
  const addresses = endpoints.flatMap((endpoint) => endpoint.addresses);
  return [...new Set(addresses.map((address) => formatPrefix(parsePrefix(address).prefix)))];
}

function mostCommon(lists: readonly string[][]): string[] {
  const groups = [...Map.groupBy(lists, (list) => list.join("\n")).values()];
  return groups.sort((a, b) => b.length - a.length)[0]?.[0] ?? [];
}

/** Whether an endpoint's routes are those of its network. */
export function sameRoutes(network: WorldNetwork, endpoint: WorldEndpoint): boolean {
  return network.routes.join("\n") === endpoint.routes.join("\n");
}

export function networkTitle({ name }: WorldNetwork): string {
  return name ?? "not of this driver";
}

/** The title of an endpoint's namespace in a picture. */
export function sandboxTitle({ sandbox }: WorldEndpoint): string {
  return sandbox ?? "this host";
}

/** Sentences about what could not be drawn. */
export function notesOf({ absent, closed }: World): string[] {
  return [
    ...absent.map(({ network, parent }) =>
      networkParent({ parent }).kind === "sandbox"
        ? `The network ${network} is not drawn, as its parents are links of its sandboxes`
        : `The network ${network} is on record, but its parent ${parent} is not there`
    ),
    ...closed.map(({ netns, reason }) => `The namespace ${netns} cannot be seen: ${reason}`),
  ];
}

export function countOf({ links }: World): { networks: number; sandboxes: number } {
  const all = (link: WorldLink): WorldLink[] => [link, ...link.subInterfaces.flatMap(all)];
  const networks = links.flatMap(all).flatMap((link) => link.networks);
  const sandboxes = networks.flatMap(({ endpoints }) => endpoints.map(({ sandbox }) => sandbox));
  return {
    networks: networks.filter(({ name }) => name !== undefined).length,
    sandboxes: new Set(sandboxes.filter((name) => name !== undefined)).size,
  };
}
