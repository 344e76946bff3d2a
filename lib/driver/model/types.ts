import type { EtcdAccess } from "../../claims/types.ts";
import type { IpvlanError } from "../../base/errors.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import type { Link } from "../../iproute2/link.ts";
import type { Route } from "../../iproute2/route.ts";
import type { IpvlanFlag, IpvlanMode } from "../../iproute2/kinds/ipvlan.ts";

/** An engine that networks and sandboxes can belong to. */
export type EngineName = "docker" | "cni" | "netavark";

/** The engine that a network or a sandbox belongs to, and which removes it. */
export interface Owner {
  /** The engine. */
  engine: EngineName;
  /** The engine's own id of the network or the sandbox. */
  id: string;
}

/** Where the addresses of a network come from, if several hosts share them. */
export interface NetworkIpam {
  /** A pool in etcd. */
  driver: "etcd";
  /** How this host reaches it. */
  access: EtcdAccess;
}

/** The options of a network. An option without a value and without a default is left out. */
export interface NetworkOptions {
  /**
   * The link that the sandboxes share: one that exists, or `link.vlan` (`link.vlan.vlan` for two
   * tags), which is made and removed with its last network.
   *
   * @default {undefined} A dummy link of the driver's own: the network is isolated.
   */
  parent?: string;
  /**
   * The ipvlan mode.
   *
   * @default {"l2"}
   */
  mode: IpvlanMode;
  /**
   * The ipvlan flag.
   *
   * @default {"bridge"}
   */
  flag: IpvlanFlag;
  /**
   * The largest packet on the network's links, in bytes.
   *
   * @default {undefined} The parent's.
   */
  mtu?: number;
  /**
   * The length of the transmit queue of each link, in packets, for a queueing discipline on it.
   *
   * @default {undefined} The kernel's, 1000.
   */
  txqlen?: number;
  /**
   * Whether the network is cut off from everything else. A parent that is given is not used then.
   *
   * @default {false}
   */
  internal: boolean;
  /**
   * Whether the network has IPv4. Without it, it has no default pool, and needs an IPv6 subnet.
   *
   * @default {true}
   */
  ipv4: boolean;
  /**
   * Which routes of an L3 network the host has, for a routing daemon to announce: one to each subnet
   * (`subnet`), or one to each address of an endpoint (`address`).
   *
   * @default {undefined} None.
   */
  advertise?: "subnet" | "address";
}

/** A network to create. */
export interface NetworkSpec extends Partial<NetworkOptions> {
  /**
   * The network's name: letters, digits, and `_` `.` `-` after the first, up to 63. That of an
   * engine's network begins with the engine's name and a colon, and may be longer: `cni:lan`.
   */
  name: string;
  /**
   * The subnets, of either family. A text is a subnet with every default. An automatic address
   * comes from the first subnet of its family that has a free one.
   *
   * @default {[]} A default pool, for IPv4. A network with only IPv6 subnets gets one too.
   */
  subnets?: readonly (string | SubnetSpec)[];
  /**
   * Whether the network has IPv6. An IPv6 subnet turns it on by itself, so this only makes it an
   * error to give none, or with `false` to give one.
   *
   * @default {undefined} As the subnets say.
   */
  ipv6?: boolean;
  /**
   * Labels, kept and shown.
   *
   * @default {{}}
   */
  labels?: Record<string, string>;
  /**
   * The engine that it belongs to.
   *
   * @default {undefined} None: it is `ipvlan`'s own.
   */
  owner?: Owner;
  /**
   * Whether the network is removed with its last endpoint.
   *
   * @default {undefined}
   */
  transient?: true;
  /**
   * Whether an engine gives the addresses. Then the network has no subnets, and each connection
   * brings its addresses with their prefix lengths.
   *
   * @default {undefined}
   */
  foreignAddresses?: true;
  /**
   * Where its addresses come from, if other hosts give them too. Then a network of this name is the
   * same on all hosts: what is left out is as the first host has said it.
   *
   * @default {undefined} This host alone gives them.
   */
  ipam?: NetworkIpam;
}

/** A subnet of a network, with every default settled. */
export interface NetworkSubnet {
  /** The subnet, in its canonical form: `192.168.1.0/24`. */
  subnet: string;
  /**
   * Its gateway, which no endpoint gets. If no route leads to it, as in the L3 modes or without a
   * parent, it is only here if it was asked for. The first usable address is reserved all the same.
   * A subnet that is too small has none.
   */
  gateway?: string;
  /** The range that automatic addresses come from, if it is not the whole subnet. */
  ipRange?: string;
  /** Addresses that no endpoint gets, by the name of the machine that has them. */
  auxAddresses: Record<string, string>;
}

/**
 * A network with every default that does not depend on the machine. As a {@linkcode NetworkSpec},
 * it asks for the same network.
 */
export interface SettledNetwork extends NetworkOptions {
  /** The name. */
  name: string;
  /** The subnets, in the order given. */
  subnets: NetworkSubnet[];
  /** The labels. */
  labels: Record<string, string>;
  /** The engine that it belongs to; `undefined` if it is `ipvlan`'s own. */
  owner?: Owner;
  /** Whether it is removed with its last endpoint. */
  transient?: true;
  /** Whether an engine gives the addresses, so that it has no subnets. */
  foreignAddresses?: true;
  /** Where its addresses come from, if other hosts give them too. */
  ipam?: NetworkIpam;
}

/** A network on record. If no IPv4 subnet was asked for, its last subnet is a default pool. */
export interface Network extends SettledNetwork {
  /** 64 hexadecimal digits, unique for good. */
  id: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /**
   * The parent link; of an isolated network, the dummy link that the driver made for it. On a network
   * of an engine, `(in the sandbox)` says that each endpoint has its own, which is a link of its
   * sandbox.
   */
  parent: string;
  /** Whether the parent is a dummy link that the driver made. */
  isolated: boolean;
}

/** What a sandbox has besides its networks. */
export interface SandboxSettings {
  /**
   * The host name of the commands in it, which get a UTS namespace of their own.
   *
   * @default {undefined} The machine's.
   */
  hostname?: string;
  /**
   * Names that only the commands in it find, with their addresses.
   *
   * @default {undefined}
   */
  hosts?: { name: string; address: string }[];
  /**
   * The name servers, the domains to search, and the options of the resolver (resolv.conf(5)). What
   * is left out is as in the machine's `/etc/resolv.conf`.
   *
   * @default {undefined} The machine's file.
   */
  dns?: { servers?: string[]; search?: string[]; options?: string[] };
  /**
   * Values of the kernel's settings of its network namespace: `{ "net.ipv4.ip_forward": "1" }`.
   *
   * @default {undefined}
   */
  sysctls?: Record<string, string>;
}

/**
 * A sandbox: a network namespace that networks are connected to (what Docker calls a container).
 */
export interface Sandbox extends SandboxSettings {
  /** 64 hexadecimal digits, unique for good. The name, if an earlier version has made the sandbox. */
  id: string;
  /**
   * Its name, which is also the name of its network namespace. That of an engine's sandbox begins
   * with the engine's name and a colon, and its namespace has no name: `cni:3e458d0718ee`.
   */
  name: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /** The labels. */
  labels: Record<string, string>;
  /**
   * Where its namespace comes from: the driver made it (`made`), the driver gave a name to the
   * namespace of a process with `ip netns attach` (`attached`), it had this name already (`found`),
   * or it is an engine's (`borrowed`). After a restart, the driver makes only namespaces of its own
   * again. A namespace that it found keeps its name when the sandbox is removed.
   */
  namespace: "made" | "attached" | "found" | "borrowed";
  /** The engine that it belongs to; `undefined` if it is `ipvlan`'s own. */
  owner?: Owner;
  /**
   * The file of its namespace, if that is borrowed: `/proc/806/ns/net`. There is none yet while the
   * engine has not said which one it is.
   */
  path?: string;
  /**
   * The identity of that namespace, as the path may lead to another one later. There is none if the
   * engine has told the path before it made the namespace.
   */
  namespaceId?: string;
}

/** A route of an endpoint's link. */
export interface EndpointRoute {
  /** The destination: `10.0.0.0/8`, `0.0.0.0/0`, `::/0`. */
  dst: string;
  /**
   * The next hop.
   *
   * @default {undefined} None: the destination is on the link.
   */
  via?: string;
}

/** How a sandbox is connected to a network. */
export interface ConnectOptions {
  /**
   * The IPv4 address; with its prefix length if the network has foreign addresses.
   *
   * @default {undefined} The next free one.
   */
  ip?: string;
  /**
   * The IPv6 address.
   *
   * @default {undefined} The next free one, if the network has IPv6.
   */
  ip6?: string;
  /**
   * Addresses that are never chosen as the next free one, as other sandboxes will ask for them.
   *
   * @default {[]}
   */
  except?: readonly string[];
  /**
   * Other names that the sandbox is found by on this network.
   *
   * @default {[]}
   */
  aliases?: string[];
  /**
   * A MAC address. It is always refused: an ipvlan link has the MAC address of its parent.
   *
   * @default {undefined}
   */
  macAddress?: string;
  /**
   * The link's name in the sandbox.
   *
   * @default {undefined} The first free of `eth0`, `eth1`, …
   */
  ifname?: string;
  /**
   * The routes of the link, in the order in which they are made; an empty list for none.
   *
   * @default {undefined} The default routes of the network.
   */
  routes?: readonly EndpointRoute[];
  /**
   * Routes of the link besides the default routes of the network.
   *
   * @default {[]}
   */
  moreRoutes?: readonly EndpointRoute[];
  /**
   * Link-local addresses that its link gets besides those of the network: of 169.254.0.0/16, or of
   * fe80::/10 if the network has IPv6.
   *
   * @default {[]}
   */
  linkLocalAddresses?: readonly string[];
  /**
   * Its priority for the default route, from -1000 to 1000. Of the sandbox's networks, the one with
   * the highest priority has the default route; of equal ones, the one that was connected first.
   *
   * @default {0}
   */
  gatewayPriority?: number;
  /**
   * Whether an engine moves the link into the sandbox, names it there, and gives it its addresses and
   * routes. The driver makes it in the host's namespace.
   *
   * @default {undefined}
   */
  handOver?: true;
  /**
   * The parent, on an engine's network whose parents are links of its sandboxes: a link of the sandbox.
   *
   * @default {undefined} The link of the sandbox's default route.
   */
  parent?: string;
}

/** A connection to make: to which network, and how. */
export interface Connection extends ConnectOptions {
  /** The network's name. */
  network: string;
}

/** A sandbox to create. */
export interface SandboxSpec extends SandboxSettings {
  /** The sandbox's name, under the rules for a network's name. Digits alone are refused. */
  name: string;
  /**
   * The networks to connect it to, in this order. The first one has the default route.
   *
   * @default {[]}
   */
  connections?: readonly Connection[];
  /**
   * Labels, kept and shown.
   *
   * @default {{}}
   */
  labels?: Record<string, string>;
}

/** A sandbox to make of a namespace that exists. */
export interface AdoptSpec extends SandboxSpec {
  /**
   * The id of a process in the namespace. The namespace gets the sandbox's name.
   *
   * @default {undefined} The namespace has this name already, or has a path.
   */
  pid?: number;
  /**
   * The engine that the namespace belongs to. Its name stays the engine's business: the sandbox's name
   * is `ENGINE:ID`, and no file is written for it.
   *
   * @default {undefined}
   */
  owner?: Owner;
  /**
   * The file of an engine's namespace: `/proc/806/ns/net`, `/run/netns/cni-1`. It may be left out where
   * all links are handed over.
   *
   * @default {undefined}
   */
  path?: string;
}

/** An endpoint: a sandbox's link on a network. */
export interface Endpoint {
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
  /** The next hop of the network's default route of IPv4; `undefined` if that names none. */
  gateway?: string;
  /** The same of IPv6. */
  gateway6?: string;
  /**
   * Its routes, besides those that the kernel makes to the subnets of its addresses. The default ones
   * are those to `0.0.0.0/0` and `::/0`; in a sandbox with several endpoints, the best one counts.
   */
  routes: EndpointRoute[];
  /** All names that the sandbox is found by on this network. */
  names: string[];
  /** Those of them that were asked for. */
  aliases: string[];
  /** The link-local addresses that it was given; `undefined` if there are none. */
  linkLocalAddresses?: readonly string[];
  /** Its priority for the default route; `undefined` if it is 0. */
  gatewayPriority?: number;
  /** Its parent: that of the network, or a link of the sandbox. */
  parent: string;
}

/** An endpoint with its link. */
export interface MadeEndpoint extends Endpoint {
  /** The MAC address of its link, which is that of the parent; `undefined` if there is none. */
  mac?: string;
  /** The MTU of its link; `undefined` if it is not known. */
  mtu?: number;
}

/**
 * What the kernel has of an endpoint: `up` if all that is on record is there; `changed` if something
 * differs, such as an address that was deleted by hand; `missing` if it has no link.
 */
export type EndpointState = "up" | "changed" | "missing";

/** What the kernel has of a sandbox: `down` if it has no namespace. */
export type SandboxState = "up" | "incomplete" | "down";

/** A sandbox with its endpoints, and what the kernel has of them. */
export interface SeenSandbox extends SandboxDetails {
  /** What the kernel has of it: `incomplete` if not all its endpoints are `up`. */
  state: SandboxState;
  /** Its endpoints. */
  endpoints: (MadeEndpoint & {
    /** What the kernel has of it. */
    state: EndpointState;
    /** What is not as it should be: a sentence for each. Empty if it is `up`. */
    changes: string[];
  })[];
  /** What its namespace shows; `undefined` if that is gone. */
  seen?: {
    /** The links. */
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
  /**
   * Its endpoints. Its default route is that of the one with the highest priority; of equal ones,
   * that of the first.
   */
  endpoints: Endpoint[];
}

/** A sandbox that a call has just made. */
export interface MadeSandbox extends SandboxDetails {
  /** Its endpoints. */
  endpoints: MadeEndpoint[];
}

/** An address pool to request. */
export interface PoolRequest {
  /** The engine that requests it. */
  owner: Owner;
  /**
   * The subnet. Host bits that are set are masked.
   *
   * @default {undefined} A default pool that no network, address pool or route of the host uses. There
   * is none for IPv6.
   */
  subnet?: string;
  /**
   * The part of the subnet that automatic addresses come from.
   *
   * @default {undefined} The whole subnet.
   */
  ipRange?: string;
  /**
   * The gateway, which is claimed with the pool.
   *
   * @default {undefined} None.
   */
  gateway?: string;
  /**
   * Whether a request without a subnet is for IPv6.
   *
   * @default {false}
   */
  ipv6?: boolean;
  /**
   * Where its addresses come from, if other hosts give them too.
   *
   * @default {undefined} This host alone gives them.
   */
  ipam?: NetworkIpam;
}

/** An address pool to request, with its subnet. */
export interface SubnetPoolRequest extends PoolRequest {
  /** The subnet. Host bits that are set are masked. */
  subnet: string;
}

/** An address pool that an engine asks for by itself, without a network of the driver's. */
export interface AddressPool {
  /** `OWNER/SUBNET`, with `/RANGE` if it has one: `docker:local/192.168.1.0/24`. */
  id: string;
  /** The subnet, in its canonical form. */
  subnet: string;
  /** The part of the subnet that automatic addresses come from, if it is not the whole subnet. */
  ipRange?: string;
  /** The engine that asked for it. */
  owner: Owner;
  /** Where its addresses come from, if other hosts give them too. */
  ipam?: NetworkIpam;
  /** How many requests for it have not been released. */
  requests: number;
}

/** An address of a pool, and who has it. */
export interface Claim {
  /** The address, without a prefix length. */
  address: string;
  /** Who has it, as the engine said; empty if it did not say. That of the gateway is `gateway`. */
  holder: string;
}

/** An address to claim. */
export interface ClaimRequest {
  /**
   * Who is to have the address. The same holder gets the same address again. That of a gateway is
   * `gateway`.
   *
   * @default {undefined} The engine does not say. Then each claim is for another address.
   */
  holder?: string;
  /**
   * The address.
   *
   * @default {undefined} The one that the holder has in the pool, or the next free one.
   */
  address?: string;
}

/** Who uses an address that an engine has claimed in a pool that hosts share. */
export interface ClaimUser {
  /** What the keys of the pool begin with in etcd. */
  prefix: string;
  /** The address, without a prefix length. */
  address: string;
  /** What the engine calls its user. */
  name: string;
  /** The name of the network. Sandboxes on the networks of this name find the user. */
  network: string;
  /** The names by which they find it. Those that could not stand in a hosts file are left out. */
  names: readonly string[];
}

/** An address pool with its claims. */
export interface AddressPoolDetails extends AddressPool {
  /** Its claims, in no order. */
  claims: Claim[];
}

/** A route of the driver in the host's main table: see the option `advertise` of a network. */
export interface AdvertisedRoute {
  /**
   * What it is for: to announce a subnet, or an address of an endpoint. A `cover` is not announced: it
   * keeps packets for unused addresses of a subnet from going back to the router.
   */
  kind: "subnet" | "address" | "cover";
  /** The destination, with its length: `10.1.0.0/24`, `10.1.0.5/32`. */
  dst: string;
  /** The network; `undefined` if no record says. */
  network?: string;
  /** The sandbox that has the address. */
  sandbox?: string;
  /**
   * `up` if the kernel has it, `missing` if not: `restore` makes it. A route with the driver's marks
   * that is on no record is `unknown`, such as one of another state folder.
   */
  state: "up" | "missing" | "unknown";
}

/** What a call did, and what the caller should know of it. */
export interface Outcome<T> {
  /** What was made. */
  value: T;
  /** Sentences for the user: a prefix whose host bits were masked, a parent that is down, … */
  notices: string[];
}

/** What `pruneNetworks` did. */
export interface PruneReport {
  /** The names of the networks that were removed. */
  removed: string[];
  /** The networks that could not be removed, and why. They are there as before. */
  failed: { name: string; error: IpvlanError }[];
}

/** What `restore` did. */
export interface RestoreReport {
  /** The networks that are there. */
  networks: string[];
  /** The sandboxes that are there, with all their endpoints. */
  sandboxes: string[];
  /**
   * What could not be brought back, and why. It stays on record, for the next `restore`. If nothing is
   * wrong but that another host has its address by now, `holder` says which: `the host "rack3"`.
   */
  missing: { kind: "network" | "sandbox"; name: string; reason: string; holder?: string }[];
  /** What a crash had left half made or half removed, and was removed. */
  undone: string[];
  /** What the user should know of pools that hosts share; `undefined` for nothing. */
  notices?: string[];
}

/** What only some endpoints have. What one has not is left out. */
export function extrasOf(
  { linkLocalAddresses, gatewayPriority }: Pick<Endpoint, "linkLocalAddresses" | "gatewayPriority">,
): Pick<Endpoint, "linkLocalAddresses" | "gatewayPriority"> {
  return {
    ...linkLocalAddresses && { linkLocalAddresses },
    ...gatewayPriority !== undefined && { gatewayPriority },
  };
}
