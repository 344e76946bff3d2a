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
  /**
   * The Ethernet segment that its frames go out to, with their tags, the inner one first, and the
   * machines on it that are known here, gateways and routers first. Left out for a dummy.
   */
  wire?: { tags: string[]; machines: WorldMachine[] };
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
  const names = new Map(sandboxes.map(({ name, path = "" }) => [path && netnsOf(path), name]));
  const rename = <T extends { netns?: string }>(thing: T): T =>
    thing.netns === undefined
      ? thing
      : { ...thing, netns: plain(names.get(thing.netns) ?? thing.netns) };
  const [host, others, closed] = [view.host, view.others.map(rename), view.closed.map(rename)];
  const steps = path?.steps.map(rename) ?? [];
  const ports = [host, ...others].flatMap((namespace) =>
    namespace.links.map((link): Port => ({ link, namespace }))
  );
  const linkAt = new Map(host.links.map((link) => [link.index, link]));
  const ipvlans = Map.groupBy(ports, ({ link, namespace }) => {
    const parent = linkAt.get(link.linkIndex ?? 0);
    // A parent in a sandbox is not drawn.
    return parent && isIpvlanOn(parent, link, namespace.netns) ? parent.name : undefined;
  });
  const parents = new Set([...ipvlans.keys(), ...networks.map(({ parent }) => parent)]);
  const carries = ({ name }: Link): boolean =>
    parents.has(name) || host.links.some((link) => isSubInterface(link, name) && carries(link));
  // Machines on wires that have nothing to do with each other may have one address.
  const holderOf = ({ addresses, mac }: WorldMachine) => {
    const holder = ports.find(({ link: { name, address }, namespace: { netns, addrs } }) =>
      netns !== undefined &&
      addrs.some((each) => each.dev === name && addresses.includes(each.address)) &&
      (mac === undefined
        ? steps.some((step) => step.netns === netns && step.link === name)
        : address === mac)
    );
    return holder && { netns: holder.namespace.netns, ifname: holder.link.name };
  };
  const toLink = (link: Link, tagsBelow?: string[]): WorldLink => {
    const port = { link, namespace: host };
    const seen = ipvlans.get(link.name) ?? [];
    const records = networks.filter(({ parent }) => parent === link.name);
    // Without tags, also of what stands on it, a frame goes nowhere.
    const tags = link.info.type === "dummy"
      ? undefined
      : tagsBelow && [...link.info.type === "vlan" ? [kindOf(link)] : [], ...tagsBelow];
    const machines = machinesOf(port, seen, records)
      .map((machine) => ({ ...machine, ...holderOf(machine) }));
    return {
      name: plain(link.name),
      kind: kindOf(link),
      state: !link.up ? "down" : link.flags.includes("LOWER_UP") ? "up" : "no carrier",
      mtu: link.mtu,
      addresses: addressesOf(port),
      routes: routesOf(port),
      networks: networksOf(seen, records),
      subInterfaces: host.links
        .filter((other) => isSubInterface(other, link.name) && carries(other))
        .map((other) => toLink(other, tags)),
      ...tags && { wire: { tags, machines } },
    };
  };
  const lowest = host.links.filter((link) =>
    carries(link) && !host.links.some(({ name }) => isSubInterface(link, name))
  );
  const here = new Set(host.links.map(({ name }) => name));
  return {
    links: lowest.map((link) => toLink(link, [])),
    absent: networks.filter(({ parent }) => !here.has(parent))
      .map(({ name, parent }) => ({ network: name, parent })),
    closed: closed.map(({ netns, reason }) => ({ netns, reason: plain(reason) })),
    ...path && { path: { ...path, steps, text: path.text.map(plain) } },
  };
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

interface Port {
  link: Link;
  namespace: GraphNamespace;
}

function addressesOf({ link, namespace }: Port): string[] {
  return globalAddrs(link.name, namespace.addrs)
    .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
}

function routesOf(port: Port): string[] {
  return hopsOf(port).map(({ route: { family, dst }, via }) => {
    const to = family === 6 && dst === "default" ? "::/0" : dst;
    return via === undefined ? `${to} on the link` : `${to} via ${via}`;
  });
}

/** The routes of the main table by a link that the kernel did not add by itself, with their next hops. */
function hopsOf({ link, namespace }: Port): { route: Route; via?: string }[] {
  return namespace.routes
    .filter(({ protocol, type, table }) =>
      protocol !== "kernel" && type === "unicast" && table === "main"
    )
    .flatMap((route) =>
      (route.nexthops.length > 0 ? route.nexthops : [route])
        .filter(({ dev }) => dev === link.name)
        .map(({ via }) => ({ route, via }))
    );
}

/** The machines that a parent and the ipvlan links on it know. */
function machinesOf(
  parent: Port,
  seen: readonly Port[],
  networks: readonly Network[],
): WorldMachine[] {
  const ports = [parent, ...seen];
  const hops = ports.flatMap(hopsOf);
  const gateways = [
    ...hops.filter(({ route }) => route.dst === "default").map(({ via }) => via),
    ...networks.filter(({ mode, internal }) => mode === "l2" && !internal)
      .flatMap(({ subnets }) => subnets.map(({ gateway }) => gateway)),
  ];
  const routers = hops.map(({ via }) => via);
  const macs = new Map(ports.flatMap(({ link, namespace }) =>
    namespace.neighs
      .filter(({ dev, address, state }) => dev === link.name && address && state !== "FAILED")
      .map(({ dst, address }) => [dst, address!])
  ));
  const own = new Set(
    ports.flatMap(({ namespace }) => namespace.addrs.map((each) => each.address)),
  );
  const addresses = [...new Set([...gateways, ...routers, ...macs.keys()])]
    .filter((address) => address !== undefined)
    // The links of a parent have its MAC address.
    .filter((address) => !own.has(address) && (macs.get(address) ?? "") !== parent.link.address);
  return [...Map.groupBy(addresses, (address) => macs.get(address) ?? address).values()]
    .map((addresses): WorldMachine => {
      const isOne = (list: readonly (string | undefined)[]) =>
        addresses.some((address) => list.includes(address));
      const mac = macs.get(addresses[0]!);
      return {
        role: isOne(gateways) ? "gateway" : isOne(routers) ? "router" : "machine",
        addresses,
        ...mac !== undefined && { mac },
      };
    });
}

function networksOf(seen: readonly Port[], networks: readonly Network[]): WorldNetwork[] {
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

function toEndpoint(port: Port): WorldEndpoint {
  const { link, namespace } = port;
  return {
    ...(namespace.netns !== undefined && { sandbox: namespace.netns }),
    ifname: plain(link.name),
    up: link.up,
    addresses: addressesOf(port),
    routes: routesOf(port),
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
