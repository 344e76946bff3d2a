import type { SubnetSpec } from "../ipam/mod.ts";
import type { NetworkOptions } from "./options.ts";

/** A network to create. */
export interface NetworkSpec extends Partial<NetworkOptions> {
  /** The network's name: letters, digits, and `_` `.` `-` after the first, up to 63. */
  name: string;
  /**
   * The subnets, of either family; a text stands for a subnet with every default. An automatic
   * address comes from the first subnet of its family.
   *
   * @default {[]} One of the default pools, for IPv4. It is added also where only IPv6 is given.
   */
  subnets?: readonly (string | SubnetSpec)[];
  /**
   * Whether the network must have an IPv6 subnet. One that is given turns IPv6 on by itself, so
   * this only makes its absence an error.
   *
   * @default {false}
   */
  ipv6?: boolean;
  /**
   * Labels, kept and shown.
   *
   * @default {{}}
   */
  labels?: Record<string, string>;
}

/** A subnet of a network, with every default settled. */
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

/**
 * What was asked for, with every default settled that no machine has to be asked for. It is a
 * {@linkcode NetworkSpec} of the same network.
 */
export interface SettledNetwork extends NetworkOptions {
  /** The name. */
  name: string;
  /** The subnets, in the order given. */
  subnets: NetworkSubnet[];
  /** The labels. */
  labels: Record<string, string>;
}

/** A network on record. Where it was given no IPv4 subnet, a default pool is the last of its subnets. */
export interface Network extends SettledNetwork {
  /** 64 hexadecimal digits, unique for good. */
  id: string;
  /** When it was created, in ISO 8601. */
  created: string;
  /** The parent link, also where that is a dummy of the driver's own. */
  parent: string;
  /** Whether the parent is a dummy link of the driver's own. */
  isolated: boolean;
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
