import type { SubnetSpec } from "../ipam/mod.ts";
import type { IpvlanFlag, IpvlanMode } from "../iproute2/kinds/ipvlan.ts";

/** A network to create. The fields are the options of `docker network create -d ipvlan`. */
export interface NetworkSpec {
  /** The network's name: letters, digits, and `_` `.` `-` after the first, up to 63. */
  name: string;
  /**
   * The link that the containers share: one that exists, or `link.vlan` (`link.vlan.vlan` for two
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
  mode?: IpvlanMode;
  /**
   * The ipvlan flag.
   *
   * @default {"bridge"}
   */
  flag?: IpvlanFlag;
  /**
   * The subnets, of either family; a text stands for a subnet with every default. An automatic
   * address comes from the first subnet of its family.
   *
   * @default {[]} One of the default pools, for IPv4. It is added also where only IPv6 is given.
   */
  subnets?: readonly (string | SubnetSpec)[];
  /**
   * Whether the network is cut off from everything else. A parent that is given is not used then.
   *
   * @default {false}
   */
  internal?: boolean;
  /**
   * Whether the network must have an IPv6 subnet. One that is given turns IPv6 on by itself, so
   * this only makes its absence an error.
   *
   * @default {false}
   */
  ipv6?: boolean;
  /**
   * The largest packet on the network's links, in bytes.
   *
   * @default {undefined} The parent's.
   */
  mtu?: number;
  /**
   * Labels, kept and shown.
   *
   * @default {{}}
   */
  labels?: Record<string, string>;
}

/** A subnet of a network, as it was settled when the network was created. */
export interface NetworkSubnet {
  /** The subnet, in its canonical form: `192.168.1.0/24`. */
  subnet: string;
  /** Its gateway, reserved in every mode; `undefined` where the subnet is too small to have one. */
  gateway?: string;
  /** The range that automatic addresses come from, where it is not the whole subnet. */
  ipRange?: string;
  /** Addresses that are never given away, by the name of who has them. */
  auxAddresses: Record<string, string>;
}

/** A network: what was asked for, with every default settled. */
export interface Network {
  /** 64 hexadecimal digits, unique for good. */
  id: string;
  /** The name. */
  name: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /** The parent link. */
  parent: string;
  /** Whether the parent is a dummy link of the driver's own. */
  isolated: boolean;
  /** Whether it was created with `internal`. */
  internal: boolean;
  /** The ipvlan mode. */
  mode: IpvlanMode;
  /** The ipvlan flag. */
  flag: IpvlanFlag;
  /** The largest packet, where one was asked for. */
  mtu?: number;
  /** The subnets, in the order given; the default pool last. */
  subnets: NetworkSubnet[];
  /** The labels. */
  labels: Record<string, string>;
}

/** A sandbox: a network namespace that networks are connected to (what Docker calls a container). */
export interface Sandbox {
  /** Its name, which is also the name of its network namespace. */
  name: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /** The labels. */
  labels: Record<string, string>;
  /**
   * Where its namespace comes from: the driver made it, it is a process's and has been given a name
   * (`ip netns attach`), or it had this name before. Only one that the driver made is made again
   * after a restart, and one that had its name before keeps it.
   */
  namespace: "made" | "attached" | "found";
}

/** How a sandbox is connected to a network. */
export interface ConnectOptions {
  /**
   * The IPv4 address.
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
   * Addresses that the next free one passes over, as they are meant for others.
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
   * A MAC address. It is always refused: an ipvlan link has its parent's.
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
  /** Other names that the sandbox is found by on this network. */
  aliases: string[];
}

/** A network with what is connected to it. */
export interface NetworkDetails extends Network {
  /** Its endpoints, by sandbox name. */
  endpoints: Endpoint[];
}

/** A sandbox with what it is connected to. */
export interface SandboxDetails extends Sandbox {
  /** Its endpoints; the first one's default route is taken. */
  endpoints: Endpoint[];
}

/** What a call did, and what the caller should know of it. */
export interface Outcome<T> {
  /** What was made. */
  value: T;
  /** Sentences for the user: a prefix whose host bits were masked, a parent that is down, … */
  notices: string[];
}

/** What `restore` did. */
export interface RestoreReport {
  /** The networks that are complete. */
  networks: string[];
  /** The sandboxes that are complete. */
  sandboxes: string[];
  /** What could not be brought back, and why. It stays on record for the next time. */
  missing: { kind: "network" | "sandbox"; name: string; reason: string }[];
  /** What a crash had left half done, and was undone. */
  undone: string[];
}
