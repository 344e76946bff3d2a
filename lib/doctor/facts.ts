import type { SharedHost } from "../claims/types.ts";
import type { HeldAddress } from "../driver/addresses/held_addresses.ts";
import type { EndpointRecord } from "../driver/store/records.ts";
import type { EngineName, Network } from "../driver/model/types.ts";
import type { IpvlanError } from "../base/errors.ts";
import type { KernelFacts } from "../iproute2/kernel.ts";
import type { LinkSpec } from "../iproute2/link_types.ts";
import type { Chain } from "../why/ruleset.ts";
import type { WhyView } from "../why/mod.ts";

/** All that doctor judges. What needs a working `ip` is left out where there is none. */
export interface DoctorFacts {
  /** The kernel's release, as `uname -r` prints it. */
  release: string;
  /** The output of `ip -V`; `undefined` if `ip` is not installed. */
  ip?: string;
  /** The error if `ip` is installed but does not work. */
  ipProblem?: IpvlanError;
  /** Whether netlink is used, or the reason why `ip` runs all lines, and what to do about it. */
  transport: { reason?: string; fix?: string };
  /** The reasons why kinds of links cannot be made. `undefined` if it was not tried. */
  links?: KernelFacts["problems"];
  modulesOnDisk: string[];
  machine: MachineFacts;
  /** The rules of the host's firewall, if there is a network. */
  firewall: Chain[];
  /** Whether `/etc/hosts` exists: `ip netns exec` mounts a sandbox's hosts file over it. */
  hostsFile: boolean;
  plugins: { engine: EngineName; what: string; fix?: string }[];
  ipv6: "on" | "off in new namespaces" | "not in the kernel";
  state: StateFacts;
  view?: WhyView;
  /** The addresses of ipvlan links in all namespaces that can be found. */
  held: HeldAddress[];
  /** The routing daemons in this namespace, `zebra` or `bird`, if a network advertises routes. */
  routingDaemons: string[];
  shared: SharedFacts[];
  parents: ParentFacts[];
}

/** The state of the pools that hosts share under one prefix of etcd. */
export interface SharedFacts {
  prefix: string;
  /** The reason if etcd does not answer; `undefined` if it does. */
  problem?: string;
  /** The reason if this host is refused: it was removed, or another one has its id. */
  refused?: string;
  /** The number of this host's changes that etcd lacks. */
  untold: number;
  /** The addresses of sandboxes here that another host has in etcd, by its name. */
  lost: { address: string; sandbox: string; host: string }[];
  /** The hosts with the number of addresses in use on each; empty if etcd does not answer. */
  hosts: (Omit<SharedHost, "claims" | "kept"> & { addresses: number })[];
  /** The id of this host; `undefined` before it has one. */
  ownId: string | undefined;
}

/** `sys_vendor`, `product_name` and `chassis_asset_tag` of `/sys/class/dmi/id`; empty if missing. */
export type MachineFacts = Record<"vendor" | "product" | "assetTag", string>;

/** The state folder and its records, which are those that are ready. */
export interface StateFacts {
  folder: string;
  problem?: string;
  networks: Network[];
  endpoints: EndpointRecord[];
  /** The names of `ipvlan`'s own. */
  sandboxes: string[];
  owned: OwnedSandbox[];
  made: LinkSpec[];
  /** The things being made or removed: `network "web"`. */
  halfDone: string[];
}

export interface OwnedSandbox {
  name: string;
  /** The file of its namespace, if the engine has named it. */
  path?: string;
}

/** What the view does not say of a parent. */
export interface ParentFacts {
  name: string;
  /** The error if the kernel refuses an ipvlan link on it. `undefined` also if not tried. */
  problem?: IpvlanError;
  wireless: string[];
  /** The addresses of endpoints in L2 mode on it, and those of the next endpoint. */
  addresses: AskedAddress[];
}

/** An address of a network, and the machine on the segment that answers for it. */
export interface AskedAddress {
  address: string;
  network: string;
  /** The sandbox that has it. `undefined` for the address of the next endpoint. */
  sandbox?: string;
  /** The MAC address that answered; `none`; or `unknown` if no program could ask. */
  answer: { mac: string } | "none" | "unknown";
}
