import type { EtcdAccess } from "../../claims/types.ts";
import type { IpvlanError } from "../../base/errors.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import type { Link } from "../../iproute2/link_types.ts";
import type { Route, RouteSpec } from "../../iproute2/route_types.ts";
import type { IpvlanFlag, IpvlanMode } from "../../iproute2/kinds/ipvlan.ts";

/** An engine that networks and sandboxes can belong to. */
export type EngineName = "docker" | "cni" | "netavark";

/** The engine that a network or a sandbox belongs to, and that removes it. */
export interface Owner {
  /** The engine. */
  engine: EngineName;
  /** The engine's own id of the network or the sandbox. */
  id: string;
}

/** The source of a network's addresses, if several hosts share them. */
export interface NetworkIpam {
  /** A pool in etcd. */
  driver: "etcd";
  /** This host's access to etcd. */
  access: EtcdAccess;
}

/** The options of a network. An option without a value and without a default is left out. */
export interface NetworkOptions {
  /**
   * The link that the sandboxes share: one that exists, or `link.vlan` (`link.vlan.vlan` for two
   * tags), which the driver makes, and removes with its last network. Left out, a dummy link of the
   * driver's own: the network is isolated.
   */
  parent?: string;
  /** The ipvlan mode; left out, `l2`. */
  mode: IpvlanMode;
  /** The ipvlan flag; left out, `bridge`. */
  flag: IpvlanFlag;
  /** The largest packet on the network's links, in bytes; left out, the parent's. */
  mtu?: number;
  /** The length of each link's transmit queue, in packets; left out, the kernel's, 1000. */
  txqlen?: number;
  /** Whether the network is cut off from everything else. Then a given parent is not used. */
  internal: boolean;
  /** Whether the network has IPv4; left out, true. If not, it needs an IPv6 subnet. */
  ipv4: boolean;
  /**
   * The IPv6 of the network's links: none at all (`off`), the addresses of its subnets and nothing that
   * a router advertises (`static`), or of each prefix that a router advertises an address that stays the
   * same (`slaac`). Left out, a link has IPv6 if it has an address of an IPv6 subnet, and then takes
   * what a router advertises as well.
   */
  ipv6Mode?: "off" | "static" | "slaac";
  /**
   * Whether another machine of the LAN is looked for that has the address of a new endpoint: not at all
   * (`off`, as if left out); before the address is used (`on`); or, for IPv6 addresses, while it is used
   * already (`optimistic`, RFC 4429).
   */
  dad?: "off" | "optimistic" | "on";
  /** What must answer before an endpoint is used: the gateways of its subnets, or nothing. */
  probe?: "gateway";
  /**
   * How long to wait for an IPv4 address of the LAN's DHCP server (RFC 2131), in seconds. Left out, the
   * network gives the addresses itself.
   */
  dhcp?: number;
  /**
   * The routes of an L3 network that the host has for a routing daemon to announce: one to each
   * subnet (`subnet`), or one to each address of an endpoint (`address`).
   */
  advertise?: "subnet" | "address";
  /**
   * Whether the host and the sandboxes reach each other, the host by the name `host.internal`; left
   * out, not.
   */
  hostAccess?: boolean;
  /**
   * Whether the host answers on the LAN for the sandboxes of an L3 network, which may then have the
   * LAN's own subnet; left out, not.
   */
  proxy?: boolean;
  /**
   * The routes of each sandbox besides its default routes. In L2 mode, each has a next hop, which no
   * endpoint gets as its address.
   */
  routes?: readonly StaticRoute[];
  /**
   * Whether a sandbox answers from each of its addresses by the link that has it, by rules and a table
   * of its own for each endpoint. With `auto`, only sandboxes with several networks have them. Left
   * out, the best default route of the sandbox counts for all its addresses.
   */
  policyRoutes?: true | "auto";
}

/** A network to create. */
export interface NetworkSpec extends Partial<NetworkOptions> {
  /** The network's name: up to 63 letters and digits, after the first also `_` `.` `-`. */
  name: string;
  /**
   * The subnets, of either family. A text is a subnet with all defaults. An automatic address comes
   * from the first subnet of its family with a free one. Without an IPv4 subnet, a default pool is one.
   */
  subnets?: readonly (string | SubnetSpec)[];
  /**
   * Whether the network has IPv6. An IPv6 subnet alone turns it on. So `true` only makes it an error
   * to give no such subnet, and `false` to give one.
   */
  ipv6?: boolean;
  /** Labels, kept and shown. */
  labels?: Record<string, string>;
  /**
   * The source of its addresses, if other hosts share them. Then a network of this name is the same
   * on all hosts: what is left out here is as on the first host.
   */
  ipam?: NetworkIpam;
}

/**
 * A network that may be an engine's. Then its name begins with the engine's name and a colon, and may
 * be longer: `cni:lan`.
 */
export interface EngineNetworkSpec
  extends NetworkSpec, Pick<SettledNetwork, "owner" | "transient" | "foreignAddresses"> {}

/** A subnet of a network, with all defaults filled in. */
export interface NetworkSubnet {
  /** The subnet, in its canonical form: `192.168.1.0/24`. */
  subnet: string;
  /**
   * Its gateway, which no endpoint gets. If no route leads to it, as in the L3 modes or without a
   * parent, it is here only if the caller gave it; the first usable address is reserved anyway. A
   * subnet that is too small has none. With `none`, the sandboxes have no default route of its family.
   */
  gateway?: string;
  /** The range that automatic addresses come from, if it is not the whole subnet. */
  ipRange?: string;
  /** Addresses that no endpoint gets, by the name of the machine that has them. */
  auxAddresses: Record<string, string>;
}

/** A network with all defaults but those of the machine. As a specification, it means the same. */
export interface SettledNetwork extends NetworkOptions {
  /** The name. */
  name: string;
  /** The subnets, in the order given. */
  subnets: NetworkSubnet[];
  /** The labels. */
  labels: Record<string, string>;
  /** The engine that the network belongs to. Left out, it is `ipvlan`'s own. */
  owner?: Owner;
  /** Whether the network is removed with its last endpoint or reservation. */
  transient?: true;
  /**
   * Whether an engine gives the addresses. Then the network has no subnets, and each connection
   * brings its addresses with their prefix lengths.
   */
  foreignAddresses?: true;
  /** The source of its addresses, if other hosts share them. */
  ipam?: NetworkIpam;
}

/** An address that a network keeps for one name, whose sandbox need not exist. */
export interface ReservedAddress {
  /** The name of the sandbox; for an engine, one of its own: `default/db-0`. */
  name: string;
  /** The address, without a prefix length. */
  address: string;
  /** When it ends, in ISO 8601; without an end, until it is released. Only etcd has ends. */
  until?: string;
}

/** A network on record. If the caller gave no IPv4 subnet, its last subnet is a default pool. */
export interface Network extends SettledNetwork {
  /** 64 hexadecimal digits, unique for good. */
  id: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /**
   * The parent link; of an isolated network, the dummy link that the driver made for it. On an
   * engine's network, `(in the sandbox)` means that each endpoint has its own parent: a link of its
   * sandbox.
   */
  parent: string;
  /** Whether the parent is a dummy link that the driver made. */
  isolated: boolean;
  /** The settings of the parent that are 0 without the driver's networks. */
  changed?: readonly ("ipv4/forwarding" | "ipv6/forwarding" | "ipv6/proxy_ndp")[];
  /** The reserved addresses, in the order reserved; `undefined` for none. */
  reservations?: readonly ReservedAddress[];
}

/** The settings of a sandbox besides its networks. */
export interface SandboxSettings {
  /** The host name of its commands, in a UTS namespace of their own; left out, the machine's. */
  hostname?: string;
  /** Names that only commands in the sandbox can look up, with their addresses. */
  hosts?: { name: string; address: string }[];
  /**
   * The name servers, the domains to search, and the options of the resolver (resolv.conf(5)). A part
   * that is left out is as in the machine's `/etc/resolv.conf`.
   */
  dns?: { servers?: string[]; search?: string[]; options?: string[] };
  /** The sysctls of its network namespace: `{ "net.ipv4.ip_forward": "1" }`. */
  sysctls?: Record<string, string>;
}

/** A sandbox: a network namespace that networks are connected to (in Docker, a container). */
export interface Sandbox extends SandboxSettings {
  /** 64 hexadecimal digits, unique for good; the name, if an earlier version made the sandbox. */
  id: string;
  /**
   * Its name, which is also the name of its network namespace. The name of an engine's sandbox begins
   * with the engine's name and a colon, and its namespace has no name: `cni:3e458d0718ee`.
   */
  name: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /** The labels. */
  labels: Record<string, string>;
  /**
   * The origin of its namespace: the driver made it (`made`), the driver named the namespace of a
   * process with `ip netns attach` (`attached`), it had this name already (`found`), or it is an
   * engine's (`borrowed`). After a restart, the driver makes only `made` namespaces again. A `found`
   * namespace keeps its name when the sandbox is removed.
   */
  namespace: "made" | "attached" | "found" | "borrowed";
  /** The engine that it belongs to; `undefined` if it is `ipvlan`'s own. */
  owner?: Owner;
  /** The file of a borrowed namespace: `/proc/806/ns/net`; missing until the engine names it. */
  path?: string;
  /**
   * The identity of that namespace, as the path may lead to another one later. It is missing if the
   * engine gave the path before it made the namespace.
   */
  namespaceId?: string;
}

/** A route besides the default routes. */
export interface StaticRoute {
  /** The destination: `10.0.0.0/8`, `0.0.0.0/0`, `::/0`. */
  dst: string;
  /** The next hop. Left out, the destination is on the link. */
  via?: string;
}

/** A route of an endpoint's link. */
export interface EndpointRoute extends StaticRoute {
  /** The metric; left out, the best one, or one that fits beside the sandbox's other networks. */
  metric?: number;
  /** The number of the table; left out, the main table. */
  table?: number;
  /** The scope; left out, that of a next hop or of the link. */
  scope?: RouteSpec["scope"];
  /** The largest packet to the destination, in bytes. */
  mtu?: number;
  /** The largest segment that TCP announces, in bytes. */
  advmss?: number;
}

/** What an endpoint has besides what follows from its network; `undefined` if it has none of it. */
export interface EndpointExtras {
  /** Routes of the link besides those of the network. One of these to the same destination wins. */
  moreRoutes?: readonly StaticRoute[];
  /**
   * Link-local addresses that its link gets besides those of the network: of 169.254.0.0/16, or of
   * fe80::/10 if the network has IPv6.
   */
  linkLocalAddresses?: readonly string[];
  /**
   * Its priority for the default route, from -1000 to 1000. The default route of a sandbox is that of
   * its network with the highest priority; of equal ones, that of the first connected. Left out, 0.
   */
  gatewayPriority?: number;
}

/** The options of a connection to a network. */
export interface ConnectOptions extends EndpointExtras {
  /**
   * The IPv4 address; left out, the next free one. If the network has foreign addresses, it has a
   * prefix length.
   */
  ip?: string;
  /** The IPv6 address; left out, the next free one, if the network has IPv6. */
  ip6?: string;
  /** More addresses. The first one of their family is in `ip` or `ip6`. */
  moreAddresses?: readonly string[];
  /** Addresses that are not chosen as the next free one, as other sandboxes will ask for them. */
  except?: readonly string[];
  /** Other names that the sandbox is found by on this network. */
  aliases?: string[];
  /** A MAC address. It is always refused: an ipvlan link has the MAC address of its parent. */
  macAddress?: string;
  /** The link's name in the sandbox; left out, the first free of `eth0`, `eth1`, … */
  ifname?: string;
  /**
   * The routes of the link, in the order in which they are made; an empty list for none. Left out, the
   * default routes of the network.
   */
  routes?: readonly EndpointRoute[];
  /**
   * Whether the driver only makes the link in the host's namespace, and an engine moves it into the
   * sandbox, names it there, and gives it its addresses and routes.
   */
  handOver?: true;
  /**
   * The name for which the network reserves the addresses, also beyond the endpoint; left out, what it
   * reserves for the name of the sandbox counts, and nothing more is reserved.
   */
  reserveAs?: string;
  /**
   * The link of the sandbox to use as parent, on an engine's network with parents in its sandboxes.
   * Left out, the link of the sandbox's default route.
   */
  parent?: string;
}

/** A connection to make: a network, and the options. */
export interface Connection extends ConnectOptions {
  /** The network's name. */
  network: string;
}

/** A sandbox to create. */
export interface SandboxSpec extends SandboxSettings {
  /** The sandbox's name, under the rules for a network's name. Digits alone are refused. */
  name: string;
  /** The networks to connect it to, in this order. The first one has the default route. */
  connections?: readonly Connection[];
  /** Labels, kept and shown. */
  labels?: Record<string, string>;
}

/** A sandbox to make from an existing namespace. */
export interface AdoptSpec extends SandboxSpec {
  /**
   * The id of a process in the namespace. The driver gives the namespace the sandbox's name. Left out,
   * the namespace already has this name.
   */
  pid?: number;
}

/**
 * A sandbox to make from an engine's namespace. Its name is `ENGINE:ID`, the namespace gets no name,
 * and the driver writes no files for it.
 */
export interface BorrowSpec extends SandboxSpec {
  owner: Owner;
  /** The file of the namespace: `/run/netns/cni-1`; left out, all links are handed over. */
  path?: string;
}

/** An endpoint: a sandbox's link on a network. */
export interface Endpoint extends EndpointExtras {
  /** The network's name. */
  network: string;
  /** The sandbox's name. */
  sandbox: string;
  /** The link's name in the sandbox. */
  ifname: string;
  /** The IPv4 address with its prefix length: `192.168.1.2/24`. */
  ip?: string;
  /** The IPv6 address with its prefix length. */
  ip6?: string;
  /** Its other addresses with their prefix lengths, of either family; `undefined` for none. */
  moreAddresses?: readonly string[];
  /** Whether a DHCP server gives its IPv4 address; `undefined` if not. */
  leased?: true;
  /** The next hop of the network's IPv4 default route; `undefined` if that names none. */
  gateway?: string;
  /** The same for IPv6. */
  gateway6?: string;
  /**
   * Whether the IPv4 default route of the sandbox is that of this endpoint, which is the best of all
   * its endpoints; `undefined` if not, or if an engine makes the routes.
   */
  defaultRoute?: true;
  /** The same for IPv6. */
  defaultRoute6?: true;
  /**
   * Its routes, without those that the kernel makes to the subnets of its addresses. Default routes
   * lead to `0.0.0.0/0` and `::/0`; in a sandbox with several endpoints, the best one counts.
   */
  routes: EndpointRoute[];
  /** All names that the sandbox is found by on this network. */
  names: string[];
  /** Those of them that the caller gave. */
  aliases: string[];
  /** Its parent: that of the network, or a link of the sandbox. */
  parent: string;
}

/** An endpoint with its link. */
export interface MadeEndpoint extends Endpoint {
  /** The MAC address of its link, the same as the parent's; `undefined` if there is none. */
  mac?: string;
  /** The MTU of its link; `undefined` if it is not known. */
  mtu?: number;
}

/**
 * The state of an endpoint in the kernel: `up` if it is as on record; `changed` if something differs,
 * such as an address that was deleted by hand; `missing` if it has no link.
 */
export type EndpointState = "up" | "changed" | "missing";

/** The state of a sandbox in the kernel: `down` if it has no namespace. */
export type SandboxState = "up" | "incomplete" | "down";

/** A sandbox with its endpoints, and their state in the kernel. */
export interface SeenSandbox extends SandboxDetails {
  /** Its state in the kernel: `incomplete` if not all its endpoints are `up`. */
  state: SandboxState;
  /** Its endpoints. */
  endpoints: (MadeEndpoint & {
    /** Its state in the kernel. */
    state: EndpointState;
    /** A sentence for each difference from the record. Empty if it is `up`. */
    changes: string[];
  })[];
  /** The contents of its namespace; `undefined` if that is gone. */
  seen?: {
    links: readonly Link[];
    /** The routes of the main tables. */
    routes: readonly Route[];
  };
}

/** A network with its endpoints. */
export interface NetworkDetails extends Network {
  /** Its endpoints, by sandbox name. */
  endpoints: Endpoint[];
}

/** A sandbox with its endpoints. */
export interface SandboxDetails extends Sandbox {
  /** Its endpoints. That of highest priority has the default route; of equal ones, the first. */
  endpoints: Endpoint[];
}

/** A sandbox that a call has just made. */
export interface MadeSandbox extends SandboxDetails {
  /** Its endpoints. */
  endpoints: MadeEndpoint[];
}

export interface PoolRequest {
  owner: Owner;
  /**
   * The subnet. Host bits that are set are masked. Left out, a default pool that no network, address
   * pool or route of the host uses. IPv6 has none.
   */
  subnet?: string;
  /** The part of the subnet that automatic addresses come from; left out, all of it. */
  ipRange?: string;
  /** The gateway, which is claimed with the pool. */
  gateway?: string;
  /** Whether a request without a subnet is for IPv6. */
  ipv6?: boolean;
  /** The source of its addresses, if other hosts share them. */
  ipam?: NetworkIpam;
}

/** A request that names the subnet. */
export type SubnetPoolRequest = PoolRequest & { subnet: string };

/** An address pool that an engine requests without a network of the driver; in canonical form. */
export interface AddressPool extends Omit<SubnetPoolRequest, "gateway" | "ipv6"> {
  /** `OWNER/SUBNET`, with `/RANGE` if it has one: `docker:local/192.168.1.0/24`. */
  id: string;
  /** The number of requests for it that are not released. */
  requests: number;
  /** The addresses that containers of its engine ask for, so that none is chosen for another one. */
  kept?: readonly string[];
}

export interface Claim {
  /** The address, without a prefix length. */
  address: string;
  /** The holder that the engine named; empty if it named none; `gateway` for the gateway. */
  holder: string;
}

export interface ClaimRequest {
  /**
   * The holder of the address: `gateway` for a gateway. The same holder gets the same address again.
   * Left out, each claim is for another address.
   */
  holder?: string;
  /** The address; left out, the holder's address in the pool, or the next free one. */
  address?: string;
}

/** The user of an address that an engine has claimed in a pool that hosts share. */
export interface ClaimUser {
  /** The prefix of the pool's keys in etcd. */
  prefix: string;
  /** The address, without a prefix length. */
  address: string;
  /** The engine's name for the user. */
  name: string;
  /** The name of the network. Sandboxes on networks of this name find the user. */
  network: string;
  /** The names by which they find the user, without those that cannot stand in a hosts file. */
  names: readonly string[];
}

export interface AddressPoolDetails extends AddressPool {
  /** Its claims, in no order. */
  claims: Claim[];
}

/** A route of the driver in the host's main table: see the option `advertise` of a network. */
export interface AdvertisedRoute {
  /**
   * Its purpose: to announce a subnet, or an address of an endpoint. A `cover` is not announced: it
   * keeps packets for unused addresses of a subnet from going back to the router.
   */
  kind: "subnet" | "address" | "cover";
  /** The destination, with its length: `10.1.0.0/24`, `10.1.0.5/32`. */
  dst: string;
  /** The network; `undefined` if the route is on no record. */
  network?: string;
  /** The sandbox that has the address. */
  sandbox?: string;
  /**
   * `up` if the kernel has it; `missing` if not, until `restore` makes it; `unknown` if it has the
   * driver's marks and is on no record, such as one of another state folder.
   */
  state: "up" | "missing" | "unknown";
}

/** The result of a call, with notices for the user. */
export interface Outcome<T> {
  /** The network, sandbox or endpoint that the call made. */
  value: T;
  /** Sentences for the user: a prefix whose host bits were masked, a parent that is down, … */
  notices: string[];
}

/** A network or sandbox, and its new labels. */
export interface Labelling {
  /** What it is. */
  kind: "network" | "sandbox";
  /** Its name. */
  name: string;
  /** All its labels. */
  labels: Record<string, string>;
}

/** The result of `pruneNetworks`. */
export interface PruneReport {
  /** The names of the networks that were removed. */
  removed: string[];
  /** The networks that could not be removed, and why. They stay as they were. */
  failed: { name: string; error: IpvlanError }[];
}

/** The result of `restore`. */
export interface RestoreReport {
  /** The networks that are there. */
  networks: string[];
  /** The sandboxes that are there, with all their endpoints. */
  sandboxes: string[];
  /**
   * The networks and sandboxes that could not be restored, and why. They stay on record for the next
   * `restore`. If the only reason is that another host now has the address, `holder` names that host:
   * `the host "rack3"`.
   */
  missing: { kind: "network" | "sandbox"; name: string; reason: string; holder?: string }[];
  /** A sentence for each thing that a crash left half made or half removed. They are removed now. */
  undone: string[];
  /** Sentences for the user about pools that hosts share; `undefined` for none. */
  notices?: string[];
}

/** Says in sentences what a call of `restore` has undone, noticed and missed. */
export function restoreSentences({ undone, notices = [], missing }: RestoreReport): string[] {
  const failed = missing.map(({ kind, name, reason }) =>
    `The ${kind} "${name}" could not be restored: ${reason}`
  );
  return [...undone, ...notices, ...failed];
}

/** Picks the optional properties of an endpoint, without the unset ones. */
export function extrasOf(
  { linkLocalAddresses, gatewayPriority, moreRoutes }: EndpointExtras,
): EndpointExtras {
  return {
    ...linkLocalAddresses && { linkLocalAddresses },
    ...gatewayPriority !== undefined && { gatewayPriority },
    ...moreRoutes && { moreRoutes },
  };
}
