import type { EndpointRecord } from "../driver/store.ts";
import type { Network } from "../driver/types.ts";
import type { IpvlanError } from "../errors.ts";
import type { MODULES } from "../iproute2/kernel.ts";
import type { LinkSpec } from "../iproute2/link.ts";
import type { Seen, View, Wanted } from "../iproute2/view.ts";

/** What is judged of what the namespaces show. */
export const WANTED = { links: true, addrs: true } as const satisfies Wanted;

/** The view that is judged. */
export type DoctorView = View<Seen<typeof WANTED>>;

/** Everything that is found out before anything is judged. */
export interface DoctorFacts {
  /** The kernel's release, as `uname -r` prints it. */
  release: string;
  /** What `ip -V` printed; `undefined` where there is no such program. */
  ip?: string;
  /** Why `ip` could not be worked with, though it is there. */
  ipProblem?: IpvlanError;
  /** Why each kind of link cannot be made; `undefined` as a whole where it could not be tried. */
  links?: Record<keyof typeof MODULES, IpvlanError | undefined>;
  /** The modules that this kernel has on disk, whether it has loaded them or not. */
  modulesOnDisk: string[];
  /** What the machine's firmware says it is. */
  machine: MachineFacts;
  /** Whether there is an `/etc/hosts`, over which `ip netns exec` mounts a sandbox's own. */
  hostsFile: boolean;
  /** What becomes of IPv6 in a new namespace. */
  ipv6: "on" | "off in new namespaces" | "not in the kernel";
  /** What is on record. */
  state: StateFacts;
  /** What the kernel shows; `undefined` where `ip` could not be worked with. */
  view?: DoctorView;
  /** The parents to examine. */
  parents: ParentFacts[];
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
  /** The networks, whole ones only. */
  networks: Network[];
  /** The endpoints, whole ones only. */
  endpoints: EndpointRecord[];
  /** The sandboxes, whole ones only, by name. */
  sandboxes: string[];
  /** The links that the driver made. */
  made: LinkSpec[];
  /** What is half made or half removed: `network "web"`. */
  halfDone: string[];
}

/** What is known of one parent, besides what the namespaces show of it. */
export interface ParentFacts {
  /** Its name. */
  name: string;
  /** Why the kernel takes no ipvlan link on it, where that was tried. */
  problem?: IpvlanError;
  /** Those of the parent and the links below it that are wireless. */
  wireless: string[];
  /** The addresses that the driver has given on it in L2 mode, and those it would give next. */
  addresses: AskedAddress[];
}

/** An address of a network, and who on the segment has it. */
export interface AskedAddress {
  /** The address. */
  address: string;
  /** The network's name. */
  network: string;
  /** The sandbox that has it; `undefined` for one that would be given next. */
  sandbox?: string;
  /** The MAC address that answered for it, `none`, or `unknown` where it could not be asked. */
  answer: { mac: string } | "none" | "unknown";
}
