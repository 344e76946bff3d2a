/**
 * The statements of the guide that can be checked: each id with its text, in the guide's order. If
 * the guide is wrong, the text says what is true on a real kernel.
 */
const GUIDE = {
  "GEN-1": "A kernel that is too old or has no ipvlan is a clear error, with what to do about it",
  "GEN-2": "Any link can be the parent, whatever its name or kind, except lo",
  "GEN-3": "A parent named link.vlan is created on the fly",
  "GEN-4": "With no parent a dummy link is made: its containers reach each other, nothing else",
  "GEN-5": "Networks of different modes work side by side without disturbing each other",

  "L2-1": "The container is on eth0's own segment: it, gateway and LAN host reach each other",
  "L2-2": "Container and host do not reach each other over the parent",
  "L2-3": "The mode defaults to l2",
  "L2-4": "The gateway defaults to the first usable address, and is the default route",
  "L2-5": "A network with defaults equals a network with every option given",
  "L2-6": "Two containers reach each other by container name",
  "L2-7": "Containers of two hosts on one segment reach each other and the gateway, both ways",
  "L2-8": "Every container has the parent's MAC: the switch learns one MAC for the port",

  "ISO-1": "No parent and --internal are the same: a dummy parent, and no default route in L2",
  "ISO-2": "A container reaches the containers of its own isolated network and nothing else",
  "ISO-3": "With no --subnet the first free default pool is used: 172.18.0.0/16",
  "ISO-4": "A command can be run in a running container",
  "ISO-5": "Removing the network removes its dummy",

  "VLAN-1": "-o parent=eth0.20 makes the sub-interface, as `ip link add … type vlan id 20` would",
  "VLAN-2": "Frames leave eth0 tagged with that VLAN id, and only that one",
  "VLAN-3": "Containers in one VLAN reach each other; VLAN 20 and 30 do not, without a router",
  "VLAN-4": "With a router that has both VLANs on its trunk, VLAN 20 and 30 reach each other",
  "VLAN-5": "The container's routes are the documented ones, with the gateway as default",
  "VLAN-6": "Removing the network deletes the sub-interface that was made for it, never eth0",
  "VLAN-7": "A link with another name, or one that existed before, is never deleted or changed",
  "VLAN-8": "The host's default namespace does not reach the containers",
  "VLAN-9": "Two subnets on one parent reach each other only through a router with both gateways",
  "VLAN-10": "The NetOps mappings, VLAN 10, 20 and 30, work at once on one trunk",
  "VLAN-11": "Networks persist: after a restart they come back, with the same addresses",

  "L3-1": "L3 is never the default: -o ipvlan_mode=l3 chooses it",
  "L3-2": "Containers of different subnets on one network reach each other",
  "L3-3": "Containers of different networks that share a parent reach each other",
  "L3-4": "The default route is the device, without a next hop",
  "L3-5": "A --gateway makes no route; its address stays reserved",
  "L3-6": "Broadcast and multicast do not pass; the link is NOARP",
  "L3-7": "A subnet that overlaps an address of the parent is refused",
  "L3-8": "A remote host and the containers reach each other once it has a route via the host",
  "L3-9": "With no parent a dummy is made, as in L2",

  "V6-1": "With only an IPv6 subnet: addresses from ::1 up, and an IPv4 one from a default pool",
  "V6-2": "The IPv6 default route is the gateway; two containers reach each other over IPv6",
  "V6-3": "The driver's addresses are usable at once, never tentative or dadfailed",
  "V6-4": "If a router advertises a prefix, the containers' own addresses do not collide",
  "V6-5": "Two IPv4 subnets and an IPv6 one: addresses and routes of both families as documented",
  "V6-6": "--ip and --ip6 give that address, and others reach it",
  "V6-7": "In L2 the subnets of one parent do not reach each other without a router",
  "V6-8": "L3 dual stack: four containers reach each other in both families across subnets",
  "V6-9": "In L3 dual stack, the default route is the device in both families",
  "V6-10": "An address given with --ip6 is free again as soon as its container is gone",

  "MAN-1": "A sub-interface made by hand is used as a parent: containers reach each other",
  "MAN-2": "A sub-interface made by hand can have any name (foo)",
  "MAN-3":
    "A hand-made link is neither deleted with the network nor made by restore, which reports it",
  "MAN-4": "A missing parent is a clear error, and one that is down is reported",
} as const;

/** The statements about real engines, in a lab that brings them along. */
const ENGINES = {
  "ENG-1": "Docker: the guide's lines with -d ipvlan-kit, and its statements about containers",
  "ENG-2": "Docker and the plugin killed and restarted in any order: nothing lost, doubled or left",
  "ENG-3": "Two Docker hosts on one segment: containers of both reach each other and the router",
  "ENG-4": "Docker, CNI and ipvlan share a parent and a subnet: no address twice, nothing left",
  "ENG-5": "A conf of CNI's own ipvlan plugin with another type: the same links, addresses, routes",
  "ENG-6": "CNI's GC and CHECK do what the specification says",
  "ENG-7": "Podman with netavark: networks, static addresses, aliases, teardown",
  "ENG-8": "50 containers at once: 50 addresses, and after their removal nothing is left",
  "ENG-9": "CNI: a pod that comes again has the addresses of its name, and nobody else gets them",
} as const;

/** The statements about several hosts: shared pools, announced routes, names. */
const HOSTS = {
  "HOSTS-1":
    "Two hosts, one L2 subnet, one pool in etcd: 200 sandboxes, 200 addresses, all by name",
  "HOSTS-2": "One etcd member cut off, the leader killed: making goes on; two gone: a clear error",
  "HOSTS-3": "A host killed while it makes 50 sandboxes and started again: claims equal records",
  "HOSTS-4":
    "Two L3 hosts and a router with BGP: all reach each other with no static route anywhere",
  "HOSTS-5":
    "One L3 subnet over two hosts by /32: a sandbox moves with its address within a second",
  "HOSTS-6": "The same for IPv6: routes by BGP, and a sandbox that moves with its /128",
  "HOSTS-7":
    "Docker Swarm of two nodes, 20 replicas: with the shared pool no address is there twice",
  "HOSTS-8": "Two virtual machines with kernels of their own: HOSTS-1 and HOSTS-4 over a real wire",
} as const;

/** The statements about what users ask for beyond the guide. */
const BEYOND = {
  "ASK-1": "With host access, host and sandboxes reach each other, and the LAN hears nothing of it",
  "ASK-2": "So on a sub-interface and in the L3 modes; the flags private and vepa refuse it",
  "ASK-3":
    "An L3 network in the LAN's own subnet is reached with no route set, and where the kernel cannot it is refused",
  "ASK-4": "IPv6 as one says: none, only the subnets', or SLAAC with addresses that stay the same",
  "ASK-5": "Duplicate address detection as one says: a holder on the LAN is found and named",
  "ASK-6":
    "Sandboxes of one parent have leases of a DHCP server, renew, keep and give back each of them",
  "ASK-7":
    "A sandbox has no gateway, static routes, or the default route of its best network, as one says",
  "ASK-8":
    "Links follow the parent's MTU, or keep their own; a larger one is refused; a change is mended",
  "ASK-9":
    "The host's firewall sees L3S, and L2 and L3 not or by half; doctor warns of rules that do nothing",
  "ASK-10":
    "What a parent had is there again when it comes back, by the agent and by restore; until then ps says why",
  "ASK-11": "Networks on one subnet of one parent, with ranges apart, are one segment",
  "ASK-12": "ipvlan works where a switch port lets one MAC address through, and macvlan does not",
  "ASK-13": "A sandbox with several uplinks answers each request by the one that it came in by",
  "ASK-14":
    "Several addresses of a family on an endpoint, and every field of a CNI route, as CNI's own plugin",
  "ASK-15": "An address is kept for a sandbox that does not run, and nobody else gets it",
  "ASK-16":
    "The gateway is asked first; an option changes while sandboxes run, and they miss nothing",
} as const;

/** All statements: the guide's, those about engines, several hosts, and what users ask for. */
export const STATEMENTS = { ...GUIDE, ...ENGINES, ...HOSTS, ...BEYOND } as const;

/** The id of a statement. */
export type StatementId = keyof typeof STATEMENTS;

/** The ids of the guide's statements, in the guide's order. */
export const STATEMENT_IDS: readonly StatementId[] = Object.keys(GUIDE) as StatementId[];

/** Statements that are checked together. */
export interface Suite {
  /** Their ids, in their order. */
  ids: readonly StatementId[];
  /** The command that runs all their scenarios. */
  command: string;
}

/** The statements by the command that checks them. */
export const SUITES = {
  guide: { ids: STATEMENT_IDS, command: "deno task lab" },
  engines: { ids: Object.keys(ENGINES) as StatementId[], command: "deno task lab engines" },
  hosts: { ids: Object.keys(HOSTS) as StatementId[], command: "deno task lab hosts" },
  beyond: { ids: Object.keys(BEYOND) as StatementId[], command: "deno task lab beyond" },
} as const satisfies Record<string, Suite>;
