import type { HeldAddress } from "../driver/addresses/holders.ts";
import type { EndpointRecord } from "../driver/store/records.ts";
import type { EngineName, Network } from "../driver/model/types.ts";
import type { IpvlanError } from "../base/errors.ts";
import type { KernelFacts } from "../iproute2/kernel.ts";
import type { LinkSpec } from "../iproute2/link.ts";
import type { Seen, View, Wanted } from "../iproute2/view_types.ts";

/** What doctor looks at in each namespace. */
export const WANTED = { links: true, addrs: true } as const satisfies Wanted;

/** The view that doctor judges. */
export type DoctorView = View<Seen<{ links: true; addrs: true }>>;

/** All facts that doctor judges. */
export interface DoctorFacts {
  /** The kernel's release, as `uname -r` prints it. */
  release: string;
  /** What `ip -V` printed; `undefined` where there is no such program. */
  ip?: string;
  /** Why `ip` does not work here, though it is installed. */
  ipProblem?: IpvlanError;
  /** Why each kind of link cannot be made. `undefined` if it was not tried. */
  links?: KernelFacts["problems"];
  /** The modules that this kernel has on disk, whether it has loaded them or not. */
  modulesOnDisk: string[];
  /** What the machine's firmware says it is. */
  machine: MachineFacts;
  /** Whether there is an `/etc/hosts`, over which `ip netns exec` mounts a sandbox's own. */
  hostsFile: boolean;
  /** Which way the calls of the CNI plugin take; `undefined` if it is not installed. */
  cni?: { what: string; fix?: string };
  /** Whether a new namespace has IPv6. */
  ipv6: "on" | "off in new namespaces" | "not in the kernel";
  /** What is on record. */
  state: StateFacts;
  /** What the kernel shows, also in the namespaces of engines. `undefined` if `ip` does not work here. */
  view?: DoctorView;
  /** The addresses of ipvlan links in all namespaces that can be found. */
  held: HeldAddress[];
  /**
   * The routing daemons in this network namespace: `zebra`, `bird`. They are only looked for if a
   * network advertises routes.
   */
  routingDaemons: string[];
  /** What this host shares with others, by the prefixes of etcd. */
  shared: SharedFacts[];
  /** The parents to examine. */
  parents: ParentFacts[];
}

/** What this host shares with others under one prefix of etcd. */
export interface SharedFacts {
  /** What the keys begin with: `/ipvlan`. */
  prefix: string;
  /** Why etcd does not answer; `undefined` if it does. */
  problem?: string;
  /** Why etcd refuses this host: it was removed, or another one has its id. */
  refused?: string;
  /** How many changes of this host etcd has not been told. */
  untold: number;
  /** The addresses of sandboxes here that another host has in etcd, by its name. */
  lost: { address: string; sandbox: string; host: string }[];
  /** The hosts; empty if etcd does not answer. */
  hosts: SeenHost[];
  /** The id of this host; `undefined` before it has one. */
  ownId: string | undefined;
}

/** A host that shares addresses with this one. */
export interface SeenHost {
  /** Its id. */
  id: string;
  /** Its name. */
  name: string;
  /** Whether its agent runs. */
  isAlive: boolean;
  /** The names of hosts that were refused, as they are copies of it. */
  copies: readonly string[];
  /** How many addresses are in use on it. */
  addresses: number;
}

/** What the machine's firmware says it is (`/sys/class/dmi/id`); empty where it says nothing. */
export interface MachineFacts {
  /** `sys_vendor`. */
  vendor: string;
  /** `product_name`. */
  product: string;
  /** `chassis_asset_tag`. */
  assetTag: string;
}

/** The state folder and what is on record in it. */
export interface StateFacts {
  /** The folder. */
  folder: string;
  /** Why it cannot be used. */
  problem?: string;
  /** The networks that are ready. */
  networks: Network[];
  /** The endpoints that are ready. */
  endpoints: EndpointRecord[];
  /** The names of `ipvlan`'s own sandboxes that are ready. */
  sandboxes: string[];
  /** The sandboxes of engines that are ready. */
  owned: OwnedSandbox[];
  /** The links that the driver made. */
  made: LinkSpec[];
  /** The records that are being made or removed: `network "web"`. */
  halfDone: string[];
}

/** A sandbox that belongs to an engine. */
export interface OwnedSandbox {
  /** Its name. */
  name: string;
  /** The engine. */
  engine: EngineName;
  /** The file of its namespace, if the engine has said which one it is. */
  path?: string;
}

/** What is known of one parent, besides the view. */
export interface ParentFacts {
  /** Its name. */
  name: string;
  /** Why the kernel refuses an ipvlan link on it. `undefined` if it does not, or if it was not tried. */
  problem?: IpvlanError;
  /** The wireless links among the parent and the links below it. */
  wireless: string[];
  /** The addresses on it in L2 mode that endpoints have, and those that the next endpoint would get. */
  addresses: AskedAddress[];
}

/** An address of a network, and which machine on the segment answers for it. */
export interface AskedAddress {
  /** The address. */
  address: string;
  /** The network's name. */
  network: string;
  /** The sandbox that has it. `undefined` for the address of the next endpoint. */
  sandbox?: string;
  /** The MAC address that answered; `none`; or `unknown` if no program could ask. */
  answer: { mac: string } | "none" | "unknown";
}
