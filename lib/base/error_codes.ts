// The codes of errors, each with its fields and its sentence. Codes and fields stay as they are
// between versions; the sentences may get better.
import { printableLine, shellLine } from "./printable.ts";
import { didYouMean } from "./suggest.ts";

/** The purpose of an address or a prefix in a request. */
export type AddressRole = "address" | "gateway" | "ip-range" | "auxiliary address";

/**
 * Why no endpoint can have an address of a prefix: it is the IPv4 network or broadcast address
 * (RFC 1122, section 3.2.1.3), or the IPv6 subnet-router anycast address (RFC 4291, section 2.6.1).
 */
export type UnusableReason = "network" | "broadcast" | "anycast";

/** The errno of a line that `ip` refused; `"unknown"` for an error text that we do not know. */
export type IpErrno =
  | "EADDRINUSE"
  | "EADDRNOTAVAIL"
  | "EBUSY"
  | "EEXIST"
  | "EINVAL"
  | "ENETUNREACH"
  | "ENODEV"
  | "ENOENT"
  | "EOPNOTSUPP"
  | "EPERM"
  | "ESRCH"
  | "unknown";

/** The oldest iproute2 that everything here works with. */
export const OLDEST_IPROUTE2 = "5.0";

/** The oldest kernel with a usable ipvlan, by Docker's guide to its ipvlan driver. */
export const OLDEST_KERNEL = "4.2";

const UNUSABLE: Readonly<Record<UnusableReason, string>> = {
  network: "the network address",
  broadcast: "the broadcast address",
  anycast: "the subnet-router anycast address",
};

/** The Debian package of each program; those that are not here are in iproute2. */
const PACKAGES: Readonly<Record<string, string>> = {
  cat: "coreutils",
  grep: "grep",
  ldd: "libc-bin",
  mkdir: "coreutils",
  nsenter: "util-linux",
  ping: "iputils-ping",
  sh: "dash",
  stat: "coreutils",
  udhcpc: "busybox, which has this DHCP client,",
  timeout: "coreutils",
  xargs: "findutils",
};

const BY_FORCE = "remove its sandboxes there; use --force only if it is switched off for good";

const ALIVE = {
  agent: "is alive: end ipvlan agent there first, and remove only a host that is gone for good",
  heard: `holds addresses and was heard from within 10 minutes: wait, or ${BY_FORCE}`,
  "no agent": `holds addresses and never ran an agent, so it may run: ${BY_FORCE}`,
};

const json = (value: unknown) => JSON.stringify(value);
const quotedNames = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Writes a name as Docker's errors do: without quotes, if a network can have that name. */
const plain = (name: string) => /^[A-Za-z0-9][\w.-]*$/.test(name) ? name : json(name);

const hint = (
  name: string,
  known: readonly string[],
  otherwise = ": see which there are, or create it first",
) => didYouMean(name, known) || otherwise;

/**
 * Each error by its code: makes its sentence of its fields. A sentence says what is wrong, with which
 * value, and what to do. Some begin without a capital: they are in Docker's words, for scripts that
 * look for them.
 */
export const ERRORS = {
  // Any call

  /** Several things are wrong with one request: `problems` has each of them. */
  "problems": (its: { sentences: readonly string[] }): string => its.sentences.join("\n"),
  /** The caller's signal interrupted the call. */
  "interrupted": (): string => "It was interrupted",
  /** A name breaks the rules for names. `what` has the name: `network`, `sandbox`, `alias`. */
  "invalid-name": (its: { what: string; value: string; rule: string }): string => {
    const shown = its.value.length > 255 ? `${its.value.slice(0, 60)}…` : its.value;
    return `The ${its.what} name ${json(shown)} is not valid: ${its.rule}`;
  },
  /** An option has a value that is not allowed, or the option does not exist. */
  "invalid-option": (its: { option: string; value: string; rule: string }): string =>
    `The ${its.option} ${json(its.value)} is not valid: ${its.rule}`,
  /** A field of a request does not exist, or its value is of the wrong kind. */
  "invalid-field": (its: { place: string; value: string; wanted: string }): string =>
    (its.place === "" ? "The request" : `The field ${its.place}`) +
    ` is ${its.value}, and should be ${its.wanted}`,
  /** The state folder, or a file in it, cannot be used. */
  "store-unusable": (its: { folder: string; reason: string }): string =>
    `The state folder "${its.folder}" cannot be used: ${its.reason}`,
  /**
   * Another call is making or removing something, or a crash left it half made or half removed and
   * it could not be removed since. `what` names it: `sandbox "c1"`.
   */
  "half-done": (its: { what: string }): string =>
    `The ${its.what} is being made or removed: wait, or run ipvlan restore if a command was ` +
    "killed",
  /** A call has failed because of its `cause`, and some of its changes could not be undone. */
  "not-undone": (its: { failure: string; obstacle: string }): string =>
    `${its.failure}; some changes could not be undone (${its.obstacle}): run ipvlan restore`,

  // Networks

  /** A network is to have IPv6, but no IPv6 subnet was given. */
  "missing-subnet": (its: { network: string }): string =>
    `The network "${its.network}" is to have IPv6, but has no IPv6 subnet: give one, as there is ` +
    "no default pool for IPv6",
  /** A network with this name exists already. */
  "network-exists": (its: { network: string }): string =>
    `network with name ${plain(its.network)} already exists: choose another, or remove it first`,
  /** There is no network with this name. `known` are the names of all networks. */
  "network-not-found": (its: { network: string; known: readonly string[] }): string =>
    `network ${plain(its.network)} not found${hint(its.network, its.known)}`,
  /** The beginning of an id fits several networks. */
  "ambiguous-id": (its: { id: string; networks: readonly string[] }): string =>
    `The id "${its.id}" fits several networks (${quotedNames(its.networks)}): give more digits, ` +
    "or a name",
  /** A network cannot be removed, as sandboxes are connected to it. */
  "network-in-use": (its: { network: string; sandboxes: readonly string[] }): string => {
    const names = its.sandboxes.map((name) => `name:"${name}"`).join(", ");
    return `network ${plain(its.network)} has active endpoints (${names}): disconnect these ` +
      "sandboxes first";
  },
  /** Nothing passes over the parent of a network, as it is missing, down or without carrier. */
  "network-cut-off": (
    its: { network: string; parent: string; state: "missing" | "down" | "without carrier" },
  ): string =>
    `The parent "${its.parent}" of the network "${its.network}" is ${its.state}, so nothing ` +
    "passes",
  /** The gateway of a network did not answer before an endpoint was to be used (`-o probe=gateway`). */
  "gateway-silent": (its: { gateway: string; network: string; parent: string }): string =>
    `The gateway ${its.gateway} of network "${its.network}" does not answer on "${its.parent}": ` +
    "check it, the cable and the VLAN",
  /** A sandbox has no address on a network whose addresses a DHCP server gives. */
  "no-lease": (its: { sandbox: string; network: string; reason: string }): string =>
    `The sandbox "${its.sandbox}" got no address by DHCP on network "${its.network}": ` +
    `${its.reason}`,
  /** A subnet overlaps a subnet of another network on the same parent. */
  "subnet-in-use": (
    its: { subnet: string; other: string; network: string; parent: string },
  ): string =>
    `Pool overlaps with other one on this address space: ${its.subnet}, and ${its.other} of ` +
    `network "${its.network}" on the same parent "${its.parent}"; choose another subnet or ` +
    "parent, or remove that network",
  /** An engine's network exists already, and some of its settings differ: `mode`, `subnets`, … */
  "network-differs": (its: { network: string; settings: readonly string[] }): string =>
    `The network "${its.network}" exists already with another ${its.settings.join(", ")}: remove ` +
    "all that is connected to it or reserved on it, or choose another name",
  /** A network or a sandbox belongs to an engine, and only the engine may change it. */
  "owned-by-engine": (
    its: { what: "network" | "sandbox"; subject: string; engine: string; removal: string },
  ): string =>
    `The ${its.what} "${its.subject}" belongs to ${its.engine}, which alone changes it; to ` +
    `remove it: ${its.removal}`,

  // Parents

  /** A parent does not exist. `base` is the link that is missing below a parent `LINK.VLAN`. */
  "parent-not-found": (its: { parent: string; base?: string }): string =>
    its.base === undefined
      ? `There is no link "${its.parent}" to be the parent: make it first, or name it LINK.VLAN ` +
        "(such as eth0.20) to have it made"
      : `There is no link "${its.base}" to make the sub-interface "${its.parent}" on: make it ` +
        "first",
  /** A link cannot be the parent of ipvlan links. */
  "invalid-parent": (its: { parent: string; reason: string }): string =>
    `The link "${its.parent}" cannot be a parent: ${its.reason}`,
  /** A sub-interface cannot be set up on a link that is down (`vlan_dev_open` of the kernel). */
  "parent-down": (its: { parent: string }): string =>
    `The link "${its.parent}" cannot be a parent: it is down, and no sub-interface on it can be ` +
    "set " +
    shellLine`up: "ip link set ${its.parent} up"`,
  /** A parent has another mode or flag already, and can have only one of each. */
  "parent-conflict": (
    its: { parent: string; current: string; users: readonly string[]; asked: string },
  ): string =>
    `The parent "${its.parent}" is used with ${its.current} by ${quotedNames(its.users)}, and ` +
    `mode and flag belong to the parent: ask for those instead of ${its.asked}, or take another ` +
    "parent",
  /** In L3 mode, a subnet overlaps an address of the parent. */
  "parent-subnet": (
    its: { subnet: string; parent: string; address: string; mode: string },
  ): string =>
    `The subnet ${its.subnet} overlaps ${its.address} of the parent "${its.parent}", which ` +
    `cannot be in ${its.mode} mode, as the parent routes between them: choose another subnet, or ` +
    "have the host answer for the sandboxes with proxy=true",

  // Sandboxes and endpoints

  /** The name of a sandbox is in use. With `foreign`, a namespace that is no sandbox has it. */
  "sandbox-exists": (its: { sandbox: string; foreign: boolean }): string =>
    its.foreign
      ? `A network namespace "${its.sandbox}" exists already and is not a sandbox of this ` +
        "driver: choose another name"
      : `The sandbox name "${its.sandbox}" is already in use: choose another, or remove it first`,
  /** There is no sandbox with this name. `known` are the names of all sandboxes. */
  "sandbox-not-found": (its: { sandbox: string; known: readonly string[] }): string =>
    `There is no sandbox ${json(its.sandbox)} (No such container: ${plain(its.sandbox)})` +
    hint(its.sandbox, its.known),
  /** A sandbox has no network namespace any more. */
  "sandbox-gone": (its: { sandbox: string }): string =>
    `The network namespace of sandbox "${its.sandbox}" is gone: run ipvlan restore, or remove ` +
    "the sandbox",
  /** A sandbox is not removed, as processes are in it. */
  "sandbox-in-use": (its: { sandbox: string; pids: readonly number[] }): string =>
    `The sandbox "${its.sandbox}" has processes in it (${its.pids.join(", ")}): end them first, ` +
    "or remove it by force",
  /** There is no process with this id, or its network namespace cannot be used. */
  "process-not-found": (its: { pid: number; reason: string }): string =>
    `The network namespace of process ${its.pid} cannot be used: ${its.reason}`,
  /** The hosts file of a sandbox cannot be written or removed. */
  "hosts-file": (its: { sandbox: string; reason: string }): string =>
    `The hosts file of sandbox "${its.sandbox}" cannot be changed: ${its.reason}`,
  /** The `resolv.conf` of a sandbox cannot be written or removed. */
  "resolv-conf": (its: { sandbox: string; reason: string }): string =>
    `The resolv.conf of sandbox "${its.sandbox}" cannot be changed: ${its.reason}`,
  /** A name of a sandbox on a network is a name of another sandbox there. */
  "name-in-use": (
    its: {
      what: "alias" | "sandbox name";
      value: string;
      other: "the name" | "an alias";
      sandbox: string;
      network: string;
    },
  ): string =>
    `The ${its.what} ${json(its.value)} is ${its.other} of the sandbox "${its.sandbox}" on ` +
    `network "${its.network}": choose another one, as only one of them would be found by it`,
  /** A sandbox is connected to a network already. */
  "already-connected": (its: { sandbox: string; network: string }): string =>
    `endpoint with name ${plain(its.sandbox)} already exists in network ${plain(its.network)}`,
  /** A sandbox is not connected to a network. */
  "not-connected": (its: { sandbox: string; network: string }): string =>
    `The sandbox "${its.sandbox}" is not connected to network "${its.network}"`,
  /** A network's route would overlap a route that a sandbox has by another network. */
  "route-overlap": (
    its: { sandbox: string; network: string; route: string; other: string; otherRoute: string },
  ): string =>
    `The sandbox "${its.sandbox}" cannot be connected to network "${its.network}": the route ` +
    `${its.route} would overlap ${its.otherRoute} of network "${its.other}", and packets would ` +
    "take the wrong one: disconnect it from that network, or use another subnet",
  /** A sandbox has a route to a destination already, by a link that another program has made. */
  "route-exists": (its: { sandbox: string; destination: string }): string =>
    `The sandbox "${its.sandbox}" has a route to ${its.destination} already: leave one of them ` +
    "out",
  /** A sandbox has a link with this name already. */
  "link-exists": (its: { sandbox: string; link: string }): string =>
    `The sandbox "${its.sandbox}" has a link "${its.link}" already: choose another name`,
  /**
   * An endpoint's link could not be removed, or may still be there. The endpoint stays on record, so
   * that nobody else gets its addresses.
   */
  "link-left": (its: { sandbox: string; network: string; reason: string }): string =>
    `The link of sandbox "${its.sandbox}" on network "${its.network}" could not be removed: ` +
    `${its.reason}`,
  /**
   * A sandbox does not have the link that is to be the parent of its endpoint. Without `parent`,
   * none was named and the sandbox has no default route.
   */
  "sandbox-parent": (its: { sandbox: string; parent: string | undefined }): string =>
    its.parent === undefined
      ? `The sandbox "${its.sandbox}" has no default route to take the parent from: name the ` +
        "parent"
      : `The sandbox "${its.sandbox}" has no link "${its.parent}" to be the parent: another ` +
        "program has to make it there first",
  /** An ipvlan link cannot have a MAC address of its own. */
  "mac-address": (its: { macAddress: string }): string =>
    `The MAC address ${json(its.macAddress)} cannot be used: every ipvlan link has the MAC ` +
    "address of its parent",

  // Addresses

  /** A text is not an IPv4 or IPv6 address in its usual notation. */
  "invalid-address": (its: { value: string; reason: string }): string =>
    `Invalid address ${json(its.value)}: ${its.reason}`,
  /** A text is not an IPv4 or IPv6 prefix in CIDR notation. */
  "invalid-prefix": (its: { value: string; reason: string }): string =>
    `Invalid prefix ${json(its.value)}: ${its.reason}`,
  /** Two subnets of one network have addresses in common. */
  "subnets-overlap": (its: { subnet: string; other: string }): string =>
    `Subnet ${its.other} overlaps subnet ${its.subnet} of the same network: leave one of them out`,
  /** An address or an ip-range lies in none of the subnets. */
  "outside-subnet": (
    its: { role: AddressRole; value: string; subnets: readonly string[] },
  ): string => {
    const where = its.subnets.length === 0
      ? "in no subnet, as there is none: give the subnet too"
      : its.subnets.length === 1
      ? `outside subnet ${its.subnets[0]}: give one inside it`
      : `outside every subnet (${its.subnets.join(", ")}): give one inside a subnet`;
    return `${capital(its.role)} ${its.value} is ${where}`;
  },
  /** More than one gateway, or more than one ip-range, lies in the same subnet. */
  "duplicate-in-subnet": (
    its: { subnet: string; what: "gateway" | "ip-range"; values: readonly string[] },
  ): string =>
    `Subnet ${its.subnet} has more than one ${its.what} (${its.values.join(", ")}): give only one`,
  /** A requested address has a fixed meaning in its subnet, so that no endpoint can have it. */
  "unusable-address": (
    its: { role: AddressRole; address: string; subnet: string; reason: UnusableReason },
  ): string =>
    `${capital(its.role)} ${its.address} is ${UNUSABLE[its.reason]} of subnet ${its.subnet}: ` +
    "give another one",
  /** A requested address is a subnet's `gateway`, or its `auxiliary address NAME`, already. */
  "reserved-address": (
    its: { role: AddressRole; address: string; subnet: string; owner: string },
  ): string =>
    `${capital(its.role)} ${its.address} is already the ${printableLine(its.owner)} of subnet ` +
    `${its.subnet}: give another one`,
  /** A requested address is already taken. */
  "address-in-use": (its: { address: string; subnet: string }): string =>
    `Address ${its.address} of subnet ${its.subnet} is in use: give another one, or release it ` +
    "first",
  /** An address to release is not taken. */
  "address-not-in-use": (its: { address: string; subnet: string }): string =>
    `Address ${its.address} of subnet ${its.subnet} is not in use: release only what was taken`,
  /**
   * Another link has an address, and no second one on the same parent can have it; or the address
   * is given away elsewhere. `holder` has it: `the link "eth0" in the namespace "web"`.
   */
  "address-held": (its: { address: string; holder: string }): string =>
    `The address ${its.address} is held by ${its.holder}: give another one, or take it away from ` +
    "there",
  /**
   * No subnet of a family, or no ip-range of one, has a free address left. `subnet` is the first of
   * them, `others` the number of those after it.
   */
  "pool-exhausted": (
    its: { subnet: string; range: string | undefined; others: number },
  ): string => {
    const first = its.range === undefined
      ? `Subnet ${its.subnet}`
      : `Ip-range ${its.range} of subnet ${its.subnet}`;
    const what = its.others === 0
      ? `${first} has`
      : `${first} and ${its.others} ${its.others === 1 ? "other" : "others"} of its family have`;
    return `${what} no free address: release one, or ask for an address elsewhere`;
  },
  /** A network has no subnet of the family of a requested address. */
  "no-subnet": (its: { family: 4 | 6 }): string =>
    `The network has no IPv${its.family} subnet: make it with one`,
  /** Every default pool overlaps a network or a route in use. */
  "pools-exhausted": (its: { pools: readonly string[] }): string =>
    `All ${its.pools.length} default pools (${its.pools.at(0)} to ${its.pools.at(-1)}) overlap ` +
    "networks or routes in use: give a subnet, or remove a network",
  /** An address pool is to have IPv6, but no subnet was given. */
  "missing-pool-subnet": (): string =>
    "The address pool is to have IPv6: give a subnet, as there is no default pool for IPv6",
  /** There is no address pool with this id. */
  "pool-not-found": (its: { pool: string }): string =>
    `There is no address pool ${json(its.pool)}: ask for one first`,

  // Several hosts, with etcd

  /** Another agent runs on the same state folder. */
  "agent-runs": (): string => "An agent runs on this state folder already: end that one first",
  /** An option of the access to etcd is wrong, or a file that it names cannot be used. */
  "etcd-option": (its: { option: string; value: string; rule: string }): string =>
    `The etcd option ${its.option} ${json(its.value)} is not valid: ${its.rule}`,
  /** No endpoint of etcd answers; `reasons` has the error of each. Running sandboxes are not affected. */
  "etcd-unreachable": (its: { reasons: Readonly<Record<string, string>> }): string => {
    const texts = Object.entries(its.reasons).map(([endpoint, reason]) => `${endpoint}: ${reason}`);
    return `etcd is out of reach (${texts.join("; ")}): start it, or check the endpoints`;
  },
  /** etcd answers, but refuses the request: a wrong password, a missing right, a full disk. */
  "etcd-refused": (its: { endpoint: string; reason: string }): string => {
    const advice = /space exceeded/.test(its.reason)
      ? "compact and defragment it, and disarm its alarm"
      : "check the user and its rights";
    return `etcd at ${its.endpoint} refuses the request (${its.reason}): ${advice}`;
  },
  /** etcd is older than the record of this host. No address is given away until both agree. */
  "etcd-older": (its: { prefix: string }): string =>
    `etcd has an older state under ${its.prefix} than this host, as an older backup of etcd was ` +
    "put back: run ipvlan restore on every host",
  /** The value of a key in etcd is not what this program writes. */
  "damaged-key": (its: { key: string }): string =>
    `The key ${json(its.key)} in etcd is damaged: put back a backup, or delete it`,
  /** Another process of this host is waiting for an answer of etcd. */
  "host-busy": (): string => "Another command of this host is waiting for etcd: try again",
  /** Another host removed this one. No address is given away until it has registered anew. */
  "host-removed": (its: { prefix: string }): string =>
    `This host is not in etcd under ${its.prefix} any more: another host removed it, or etcd ` +
    "lost its data; run ipvlan restore, which registers it anew",
  /** Another host, `host` in etcd, uses this one's id; or this host's record is older than etcd. */
  "host-replaced": (its: { prefix: string; id: string; host: string }): string =>
    `The host ${json(its.host)} has gone on under ${its.prefix} with the id ${its.id} of this ` +
    "one, as the machine or its state folder is a copy or a backup: after a backup, run ipvlan " +
    "restore; of two copies, remove the networks of this one; if the other one is gone for good, " +
    `run ipvlan host rm ${its.id}, and then ipvlan restore`,
  /**
   * A host is not removed, as it may still run: its agent runs, it was heard from a short time ago, or
   * it never ran an agent, so that its silence proves nothing.
   */
  "host-alive": (its: { host: string; reason: "agent" | "heard" | "no agent" }): string =>
    `The host ${json(its.host)} ${ALIVE[its.reason]}`,
  /** There is no host with this id or name, or several have the name, with the ids `ambiguous`. */
  "host-not-found": (
    its: { host: string; known: readonly string[]; ambiguous?: readonly string[] },
  ): string =>
    its.ambiguous?.length
      ? `Several hosts are named ${json(its.host)}: give an id (${its.ambiguous.join(", ")})`
      : `There is no host ${json(its.host)} in etcd` +
        hint(its.host, its.known, ": see ipvlan host ls"),
  /** A host cannot remove itself. */
  "own-host": (): string =>
    "A host does not remove itself: remove its networks, or run this on another host",
  /** There is no shared pool with this id on record. */
  "shared-pool-not-found": (its: { pool: string }): string =>
    `There is no shared pool ${json(its.pool)} on this host: join it first`,
  /** Two hosts reserve different addresses of a shared pool. */
  "shared-pool-differs": (its: { subnet: string; differences: readonly string[] }): string =>
    `The shared pool ${its.subnet} differs from the one in etcd (${its.differences.join("; ")}): ` +
    "use the same addresses on all hosts",
  /** A shared pool overlaps another one with the same prefix. */
  "shared-pools-overlap": (its: { subnet: string; other: string }): string =>
    `The shared pool ${its.subnet} overlaps the pool ${its.other} in etcd: use that one, or ` +
    "another etcd prefix",
  /** This host cannot leave a shared pool, as addresses of it are in use here. */
  "shared-pool-in-use": (its: { subnet: string; addresses: readonly string[] }): string =>
    `The shared pool ${its.subnet} has addresses in use (${its.addresses.join(", ")}): release ` +
    "them first",
  /**
   * No address of a shared pool, or of the range in it, is left for this host. `keepers` are the
   * hosts that keep addresses without using them.
   */
  "shared-pool-exhausted": (its: { range: string; keepers: readonly string[] }): string => {
    const advice = its.keepers.length === 0
      ? "remove a sandbox, or use a larger subnet"
      : its.keepers.map(json).join(", ") +
        " keep unused ones and do not answer: run ipvlan agent there";
    return `No address is left in the shared pool ${its.range}: ${advice}`;
  },
  /**
   * An address of a shared pool is in use by a sandbox on a host, or on this one without `host`;
   * without `sandbox`, by the host itself.
   */
  "shared-address-held": (
    its: { address: string; sandbox: string | undefined; host: string | undefined },
  ): string => {
    const place = its.host === undefined ? "this host" : `the host ${json(its.host)}`;
    return its.sandbox === undefined
      ? `The address ${its.address} is held by ${place} itself, or by its etcd: give another one`
      : `The address ${its.address} is held by ${json(its.sandbox)} on ${place}: give another ` +
        "one, or remove it there";
  },
  /** Another host keeps an address without using it, and does not answer. */
  "shared-address-kept": (its: { address: string; host: string }): string =>
    `The address ${its.address} is kept by the host ${json(its.host)}, which does not answer: ` +
    "run ipvlan agent there, or use another address",
  /** A network's settings differ from those of its other hosts: `mode: "l3", but "l2" in etcd`. */
  "shared-network-differs": (its: { network: string; differences: readonly string[] }): string =>
    `The network ${json(its.network)} differs from that of other hosts ` +
    `(${its.differences.join("; ")}): leave these settings out, or use another name`,

  // The machine

  /** `ip` or `bridge` refused one line. `errno` is the error code that its text, the `reason`, means. */
  "ip-command": (its: { command: string; reason: string; errno: IpErrno }): string =>
    `${its.reason} (${its.command})`,
  /** The program that ran the lines has ended. Nobody knows which of the lines took effect. */
  "session-closed": (its: { session: string; reason: string }): string => {
    const isTooOld = /^Option "-\w+" is unknown/.test(its.reason);
    const advice = isTooOld ? `: install iproute2 ${OLDEST_IPROUTE2} or later` : "";
    return `The session "${its.session}" has ended: ${its.reason}${advice}`;
  },
  /** There is no network namespace with this name, as in `/run/netns`. */
  "namespace-not-found": (its: { netns: string }): string =>
    `There is no network namespace "${its.netns}": see "ip netns list"`,
  /** A program that is needed, such as `ip` or `ping`, is not on the `PATH`. */
  "program-not-found": (its: { program: string }): string =>
    `The program "${its.program}" was not found: install ${PACKAGES[its.program] ?? "iproute2"} ` +
    "and see that it is on PATH",
  /** A value cannot be a word of an `ip` line. `what` is its purpose: `link name`. */
  "invalid-word": (its: { what: string; value: string; rule: string }): string =>
    `The ${its.what} ${json(its.value)} is not valid: ${its.rule}`,
  /** The kernel settings of a network namespace, paths under `/proc/sys`, could not be written. */
  "sysctl": (
    its: { netns: string; keys: readonly string[]; value: string; reason: string },
  ): string => `Cannot set ${its.keys.join(", ")} to ${its.value} in "${its.netns}": ${its.reason}`,
  /** The kernel is too old for ipvlan. `release` is what `uname -r` prints. */
  "kernel-too-old": (its: { release: string }): string =>
    `The kernel is ${its.release}, and ipvlan needs ${OLDEST_KERNEL} or later: use a newer kernel`,
  /** The kernel cannot make a kind of link, because a module is missing. */
  "missing-module": (its: { module: string }): string =>
    `The kernel has no module "${its.module}": load it ("modprobe ${its.module}"), or install a ` +
    "kernel that has it",
  /** The caller may not change network links. */
  "missing-rights": (its: { reason: string }): string =>
    `Links and namespaces cannot be made without rights (${its.reason}): run as root ("sudo")`,
  /** A file cannot be written. */
  "unwritable-file": (its: { path: string; reason: string }): string =>
    `The file "${its.path}" cannot be changed: ${its.reason}`,
  /** A folder for the program, or for the files that it needs, cannot be made. */
  "unwritable-folder": (its: { path: string; reason: string }): string =>
    `The folder ${json(its.path)} cannot be made: ${its.reason}`,
  /** A Unix socket cannot be made. */
  "socket": (its: { path: string; reason: string }): string =>
    `The socket "${its.path}" cannot be made: ${its.reason}`,

  // Site files

  /** A site file, or a line and key of it, is wrong. */
  "site-file": (
    its: { file: string; line: number | undefined; key: string; reason: string },
  ): string => {
    const where = its.line === undefined ? its.file : `${its.file}:${its.line}`;
    // Names and keys come from outside; the message has to be one line all the same.
    return printableLine([where, its.key, its.reason].filter((part) => part !== "").join(": "));
  },
  /** A site needs a name or a network (`subject`) that something else has. */
  "site-conflict": (its: { site: string; subject: string; reason: string }): string => its.reason,
  /** No network and no sandbox has this name. `known` are the names on record. */
  "unknown-name": (its: { subject: string; known: readonly string[] }): string =>
    `There is no network or sandbox ${json(its.subject)}` +
    hint(its.subject, its.known, ": see which there are"),
  /**
   * Changes would remove something, interrupt connectivity, or touch what belongs to another file,
   * and the caller has not allowed that.
   */
  "consent": (its: { changes: readonly string[] }): string =>
    [
      "These changes remove something, interrupt connectivity, or touch what belongs to another " +
      "file: say --yes to make them",
      ...its.changes,
    ].join("\n"),
  /** Some checks of a site failed. */
  "checks-failed": (
    its: {
      findings: readonly {
        readonly sentence: string;
        readonly evidence: readonly { readonly command: string; readonly output: string }[];
      }[];
    },
  ): string => its.findings.map(({ sentence }) => `This does not hold: ${sentence}`).join("\n"),
  /** Some sandboxes could not be restored. */
  "restore-failed": (
    its: { sandboxes: readonly { readonly name: string; readonly reason: string }[] },
  ): string =>
    its.sandboxes.map(({ name, reason }) =>
      `The sandbox "${name}" could not be brought back: ${reason}`
    ).join("\n"),
  /** A call failed for its `cause`, and rolling back its changes failed too. */
  "not-rolled-back": (its: { failure: string; obstacle: string }): string =>
    `${its.failure}\nWhat was done so far could not be undone (${its.obstacle}): apply the file ` +
    "again once that is mended",

  // Engines

  /** An engine's request cannot be read at a `place`, such as `"network.subnets[0]"`. */
  "invalid-request": (its: { place: string; reason: string }): string =>
    `The engine's request cannot be read: ${its.place} ${its.reason}`,
  /** The body of Docker's request is missing (moby#39331). */
  "missing-request": (): string =>
    "The body is missing, as Docker leaves it out when it repeats a call that a killed plugin " +
    "did not answer: try again",
  /** Docker's API did not answer a call. */
  "docker-api": (its: { path: string; reason: string }): string =>
    `Docker's API did not answer ${its.path}: ${its.reason}`,
  /** A network of Docker's own driver is not moved to the plugin. */
  "docker-migrate": (its: { network: string; reason: string }): string =>
    `The network ${json(its.network)} is not migrated: ${its.reason}`,
  /** A call of the CNI plugin failed. `status` is the error code of the CNI specification. */
  "cni": (its: { status: number; reason: string }): string => its.reason,

  // The command

  /** The command line is wrong. Nothing was done. */
  "usage": (its: { command: string; reasons: readonly string[]; status: number }): string =>
    [...its.reasons, `See "${its.command} --help"`].join("\n"),
  /** A command to run in a sandbox cannot be run: with status 127 it does not exist, else 126. */
  "command-unusable": (its: { command: string; status: number; reason: string }): string =>
    `The command ${json(its.command)} cannot be run: ${its.reason}`,
  /** A sandbox is not running: no process is in it. */
  "not-running": (its: { sandbox: string }): string =>
    `The sandbox "${its.sandbox}" is not running: no process is in it`,
  /** The output of the command cannot be written. */
  "unwritable-output": (its: { reason: string }): string =>
    `The output cannot be written: ${its.reason}`,
  /** The system has no terminal left for a command. */
  "no-terminal": (): string => "The command gets no terminal: the system has none left",
  /** The user did not agree to the changes. */
  "declined": (): string => "Nothing was changed",
  /**
   * A template is wrong, or does not fit its data. The message, in one line, names the line from 1,
   * the byte column from 0, and the part of the template.
   */
  "template": (its: { line: number; column: number; reason: string }): string =>
    `template parsing error: template: :${its.line}:${its.column}: ` +
    its.reason.replaceAll(/\s+/g, " "),
} as const;

/** The fields of each error, by its code. */
export type ErrorTable = {
  [Code in keyof typeof ERRORS]: typeof ERRORS[Code] extends (its: infer Fields) => string ? Fields
    : never;
};
