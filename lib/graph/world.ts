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
export const WANTED = {
  links: true,
  addrs: true,
  routes: "main",
  neighs: true,
} as const satisfies Wanted;

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
  /** The way of a packet to highlight. */
  path?: WorldPath;
}

/** The way of a packet and of its answer, as `ipvlan why` finds it. */
export interface WorldPath {
  /** Whether the answer comes back. */
  verdict: "yes" | "no" | "leaves" | "unknown";
  /** What happens on the way, in order. If the verdict is `no` or `unknown`, it ends with the last. */
  steps: { code: string; netns?: string; link?: string }[];
  /** The same in words, line by line; the first is the verdict. */
  text: string[];
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
  /** What its frames go out to; left out, nowhere, as it is a dummy. */
  wire?: WorldWire;
}

/** What a link sends its frames to: an Ethernet segment. */
export interface WorldWire {
  /** The tags of its frames, the outer one first: `VLAN 20`. */
  tags: string[];
  /** The machines on it that are known here, gateways and routers first. */
  machines: WorldMachine[];
}

/** A machine on a wire. */
export interface WorldMachine {
  /** `gateway` if a default route or `--gateway` names it, `router` if another route does. */
  role: "gateway" | "router" | "machine";
  /** Its addresses. */
  addresses: string[];
  /** Its MAC address; left out, no neighbour table has it. */
  mac?: string;
  /** Its namespace, if it is one of this host. */
  netns?: string;
  /** Its link there. */
  ifname?: string;
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
 * @param path The way of a packet in this view.
 */
export function buildWorld(
  view: GraphView,
  networks: readonly Network[],
  sandboxes: readonly Pick<Sandbox, "name" | "path">[] = [],
  path?: WorldPath,
): World {
  const rename = renamer(sandboxes);
  const [host, others, closed] = [view.host, view.others.map(rename), view.closed.map(rename)];
  const steps = path?.steps.map(rename) ?? [];
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
  const holders = Map.groupBy(
    others.flatMap(({ netns, links, addrs }) =>
      addrs.map(({ address, dev }): Holder => {
        const isOnPath = steps.some((step) => step.netns === netns && step.link === dev);
        const mac = links.find(({ name }) => name === dev)?.address;
        return { address, netns: netns!, ifname: dev, mac, isOnPath };
      })
    ),
    ({ address }) => address,
  );
  const toLink = (link: Link, tagsBelow: string[] = []): WorldLink => {
    const seen = ipvlans.filter(({ parent }) => parent === link.name);
    const records = networks.filter(({ parent }) => parent === link.name);
    const tags = [...tagsBelow, ...link.info.type === "vlan" ? [kindOf(link)] : []];
    return {
      name: plain(link.name),
      kind: kindOf(link),
      state: !link.up ? "down" : link.flags.includes("LOWER_UP") ? "up" : "no carrier",
      mtu: link.mtu,
      addresses: globalAddresses(link, host),
      routes: routesOf(link, host),
      networks: networksOf(seen, records),
      subInterfaces: host.links
        .filter((other) => isSubInterface(other, link.name) && carries(other))
        .map((other) => toLink(other, tags)),
      ...link.info.type !== "dummy" && {
        wire: {
          tags,
          machines: machinesOf([{ link, namespace: host }, ...seen], records, holders),
        },
      },
    };
  };
  const lowest = host.links.filter((link) =>
    carries(link) && !host.links.some(({ name }) => isSubInterface(link, name))
  );
  const here = new Set(host.links.map(({ name }) => name));
  return {
    links: lowest.map((link) => toLink(link)),
    absent: networks.filter(({ parent }) => !here.has(parent))
      .map(({ name, parent }) => ({ network: name, parent })),
    closed: closed.map(({ netns, reason }) => ({ netns, reason: plain(reason) })),
    ...path && { path: { ...path, steps, text: path.text.map(plain) } },
  };
}

/** What gives the namespaces of engines' sandboxes the sandboxes' names. */
function renamer(sandboxes: readonly Pick<Sandbox, "name" | "path">[]) {
  const nameByNetns = new Map(
    sandboxes.flatMap(({ name, path }) => path === undefined ? [] : [[netnsOf(path), name]]),
  );
  return <T extends { netns?: string }>(thing: T): T =>
    thing.netns === undefined
      ? thing
      : { ...thing, netns: plain(nameByNetns.get(thing.netns) ?? thing.netns) };
}

function isSubInterface(link: Link, below: string): boolean {
  return link.info.type === "vlan" && link.link === below;
}

/** A name or a text without what moves a terminal's cursor, or is no character of XML. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

function kindOf({ info }: Link): string {
  if (info.type === "vlan") return `VLAN ${info.id}`;
  return info.type === "other" ? info.kind : info.type;
}

function globalAddresses(link: Link, { addrs }: GraphNamespace): string[] {
  return globalAddrs(link.name, addrs)
    .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
}

function routesOf(link: Link, namespace: GraphNamespace): string[] {
  return hopsOf(link, namespace).map(({ route: { family, dst }, via }) => {
    const to = family === 6 && dst === "default" ? "::/0" : dst;
    return via === undefined ? `${to} on the link` : `${to} via ${via}`;
  });
}

/** The routes of the main table by a link that the kernel did not add by itself, with their next hops. */
function hopsOf(link: Link, { routes }: GraphNamespace): { route: Route; via?: string }[] {
  return routes
    .filter(({ protocol, type, table }) =>
      protocol !== "kernel" && type === "unicast" && table === "main"
    )
    .flatMap((route) =>
      (route.nexthops.length > 0 ? route.nexthops : [route])
        .filter(({ dev }) => dev === link.name)
        .map(({ via }) => ({ route, via }))
    );
}

/** An address of a namespace of this host, the link that has it, and whether the path is by that. */
interface Holder extends Required<Pick<WorldMachine, "netns" | "ifname">> {
  address: string;
  mac: string | undefined;
  isOnPath: boolean;
}

/** The machines that the links on one wire know: a parent, and the ipvlan links on it. */
function machinesOf(
  links: readonly Omit<SeenIpvlan, "parent">[],
  networks: readonly Network[],
  holders: ReadonlyMap<string, readonly Holder[]>,
): WorldMachine[] {
  const hops = links.flatMap(({ link, namespace }) => hopsOf(link, namespace));
  const isDefault = ({ route }: typeof hops[number]) => route.dst === "default";
  const gateways = [
    ...hops.filter(isDefault).map(({ via }) => via),
    ...networks.filter(({ mode, internal }) => mode === "l2" && !internal)
      .flatMap(({ subnets }) => subnets.map(({ gateway }) => gateway)),
  ];
  const routers = hops.map(({ via }) => via);
  // The links of a parent have its MAC address.
  const [parent] = links;
  const macs = new Map(links.flatMap(({ link, namespace }) =>
    namespace.neighs
      .filter(({ dev, address, state }) => dev === link.name && address && state !== "FAILED")
      .map(({ dst, address }) => [dst, address!])
  ));
  const own = new Set(
    links.flatMap(({ namespace }) => namespace.addrs.map(({ address }) => address)),
  );
  const addresses = [...new Set([...gateways, ...routers, ...macs.keys()])]
    .filter((address) => address !== undefined)
    .filter((address) => !own.has(address) && (macs.get(address) ?? "") !== parent!.link.address);
  return [...Map.groupBy(addresses, (address) => macs.get(address) ?? address).values()]
    .map((addresses): WorldMachine => {
      const has = (list: readonly (string | undefined)[]) =>
        addresses.some((address) => list.includes(address));
      const mac = macs.get(addresses[0]!);
      const [holder, ...more] = addresses.flatMap((address) => holders.get(address) ?? [])
        .filter((each) => mac === undefined ? each.isOnPath : each.mac === mac);
      return {
        role: has(gateways) ? "gateway" : has(routers) ? "router" : "machine",
        addresses,
        ...mac !== undefined && { mac },
        // Two namespaces may have one address, on wires that have nothing to do with each other.
        ...holder && more.every(({ netns }) => netns === holder.netns) &&
          { netns: holder.netns, ifname: holder.ifname },
      };
    });
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
    ...(namespace.netns !== undefined && { sandbox: namespace.netns }),
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

/** The words of a machine: its name and role, its addresses, and its MAC address. */
export function machineLines({ role, netns, addresses, mac }: WorldMachine): string[] {
  return [netns === undefined ? role : `${netns} (${role})`, ...addresses, mac ?? "MAC not known"];
}

/** Leaves out all things above a number, but none to keep. */
export function fold<T>(
  things: readonly T[],
  isKept: (thing: T) => boolean,
  most = 4,
): { shown: T[]; more: number } {
  const usual = things.filter((thing) => !isKept(thing));
  const kept = things.length - usual.length;
  const hidden = new Set(things.length > most + 1 ? usual.slice(Math.max(0, most - kept)) : []);
  return { shown: things.filter((thing) => !hidden.has(thing)), more: hidden.size };
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

/** Some links, and all that stand on them. */
export function linksOf(links: readonly WorldLink[]): WorldLink[] {
  return links.flatMap((link) => [link, ...linksOf(link.subInterfaces)]);
}

export function countOf({ links }: World): { networks: number; sandboxes: number } {
  const networks = linksOf(links).flatMap((link) => link.networks);
  const sandboxes = networks.flatMap(({ endpoints }) => endpoints.map(({ sandbox }) => sandbox));
  return {
    networks: networks.filter(({ name }) => name !== undefined).length,
    sandboxes: new Set(sandboxes.filter((name) => name !== undefined)).size,
  };
}
