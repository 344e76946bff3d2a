// The codes of errors, each with its fields. They stay as they are between versions; the sentences
// of `error_sentences.ts` may get better.

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

/** The fields of each error, by its code. */
export interface ErrorTable {
  // Any call

  /** Several things are wrong with one request: `problems` has each of them. */
  "problems": { sentences: readonly string[] };
  /** The caller's signal interrupted the call. */
  "interrupted": object;
  /** A name breaks the rules for names. `what` has the name: `network`, `sandbox`, `alias`. */
  "invalid-name": { what: string; value: string; rule: string };
  /** An option has a value that is not allowed, or the option does not exist. */
  "invalid-option": { option: string; value: string; rule: string };
  /** A field of a request does not exist, or its value is of the wrong kind. */
  "invalid-field": { place: string; value: string; wanted: string };
  /** The state folder, or a file in it, cannot be used. */
  "store-unusable": { folder: string; reason: string };
  /**
   * Another call is making or removing something, or a crash left it half made or half removed and
   * it could not be removed since. `what` names it: `sandbox "c1"`.
   */
  "half-done": { what: string };
  /** A call has failed because of its `cause`, and some of its changes could not be undone. */
  "not-undone": { failure: string; obstacle: string };

  // Networks

  /** A network is to have IPv6, but no IPv6 subnet was given. */
  "missing-subnet": { network: string };
  /** A network with this name exists already. */
  "network-exists": { network: string };
  /** There is no network with this name. `known` are the names of all networks. */
  "network-not-found": { network: string; known: readonly string[] };
  /** The beginning of an id fits several networks. */
  "ambiguous-id": { id: string; networks: readonly string[] };
  /** A network cannot be removed, as sandboxes are connected to it. */
  "network-in-use": { network: string; sandboxes: readonly string[] };
  /** Nothing passes over the parent of a network, as it is missing, down or without carrier. */
  "network-cut-off": {
    network: string;
    parent: string;
    state: "missing" | "down" | "without carrier";
  };
  /** The gateway of a network did not answer before an endpoint was to be used (`-o probe=gateway`). */
  "gateway-silent": { gateway: string; network: string; parent: string };
  /** A sandbox has no address on a network whose addresses a DHCP server gives. */
  "no-lease": { sandbox: string; network: string; reason: string };
  /** A subnet overlaps a subnet of another network on the same parent. */
  "subnet-in-use": { subnet: string; other: string; network: string; parent: string };
  /** An engine's network exists already, and some of its settings differ: `mode`, `subnets`, … */
  "network-differs": { network: string; settings: readonly string[] };
  /** A network or a sandbox belongs to an engine, and only the engine may change it. */
  "owned-by-engine": {
    what: "network" | "sandbox";
    subject: string;
    engine: string;
    removal: string;
  };

  // Parents

  /** A parent does not exist. `base` is the link that is missing below a parent `LINK.VLAN`. */
  "parent-not-found": { parent: string; base?: string };
  /** A link cannot be the parent of ipvlan links. */
  "invalid-parent": { parent: string; reason: string };
  /** A sub-interface cannot be set up on a link that is down (`vlan_dev_open` of the kernel). */
  "parent-down": { parent: string };
  /** A parent has another mode or flag already, and can have only one of each. */
  "parent-conflict": { parent: string; current: string; users: readonly string[]; asked: string };
  /** In L3 mode, a subnet overlaps an address of the parent. */
  "parent-subnet": { subnet: string; parent: string; address: string; mode: string };

  // Sandboxes and endpoints

  /** The name of a sandbox is in use. With `foreign`, a namespace that is no sandbox has it. */
  "sandbox-exists": { sandbox: string; foreign: boolean };
  /** There is no sandbox with this name. `known` are the names of all sandboxes. */
  "sandbox-not-found": { sandbox: string; known: readonly string[] };
  /** A sandbox has no network namespace any more. */
  "sandbox-gone": { sandbox: string };
  /** A sandbox is not removed, as processes are in it. */
  "sandbox-in-use": { sandbox: string; pids: readonly number[] };
  /** There is no process with this id, or its network namespace cannot be used. */
  "process-not-found": { pid: number; reason: string };
  /** The hosts file of a sandbox cannot be written or removed. */
  "hosts-file": { sandbox: string; reason: string };
  /** The `resolv.conf` of a sandbox cannot be written or removed. */
  "resolv-conf": { sandbox: string; reason: string };
  /** A name of a sandbox on a network is a name of another sandbox there. */
  "name-in-use": {
    what: "alias" | "sandbox name";
    value: string;
    other: "the name" | "an alias";
    sandbox: string;
    network: string;
  };
  /** A sandbox is connected to a network already. */
  "already-connected": { sandbox: string; network: string };
  /** A sandbox is not connected to a network. */
  "not-connected": { sandbox: string; network: string };
  /** A network's route would overlap a route that a sandbox has by another network. */
  "route-overlap": {
    sandbox: string;
    network: string;
    route: string;
    other: string;
    otherRoute: string;
  };
  /** A sandbox has a route to a destination already, by a link that another program has made. */
  "route-exists": { sandbox: string; destination: string };
  /** A sandbox has a link with this name already. */
  "link-exists": { sandbox: string; link: string };
  /**
   * An endpoint's link could not be removed, or may still be there. The endpoint stays on record, so
   * that nobody else gets its addresses.
   */
  "link-left": { sandbox: string; network: string; reason: string };
  /**
   * A sandbox does not have the link that is to be the parent of its endpoint. Without `parent`,
   * none was named and the sandbox has no default route.
   */
  "sandbox-parent": { sandbox: string; parent: string | undefined };
  /** An ipvlan link cannot have a MAC address of its own. */
  "mac-address": { macAddress: string };

  // Addresses

  /** A text is not an IPv4 or IPv6 address in its usual notation. */
  "invalid-address": { value: string; reason: string };
  /** A text is not an IPv4 or IPv6 prefix in CIDR notation. */
  "invalid-prefix": { value: string; reason: string };
  /** Two subnets of one network have addresses in common. */
  "subnets-overlap": { subnet: string; other: string };
  /** An address or an ip-range lies in none of the subnets. */
  "outside-subnet": { role: AddressRole; value: string; subnets: readonly string[] };
  /** More than one gateway, or more than one ip-range, lies in the same subnet. */
  "duplicate-in-subnet": {
    subnet: string;
    what: "gateway" | "ip-range";
    values: readonly string[];
  };
  /** A requested address has a fixed meaning in its subnet, so that no endpoint can have it. */
  "unusable-address": {
    role: AddressRole;
    address: string;
    subnet: string;
    reason: UnusableReason;
  };
  /** A requested address is a subnet's `gateway`, or its `auxiliary address NAME`, already. */
  "reserved-address": { role: AddressRole; address: string; subnet: string; owner: string };
  /** A requested address is already taken. */
  "address-in-use": { address: string; subnet: string };
  /** An address to release is not taken. */
  "address-not-in-use": { address: string; subnet: string };
  /**
   * Another link has an address, and no second one on the same parent can have it; or the address
   * is given away elsewhere. `holder` has it: `the link "eth0" in the namespace "web"`.
   */
  "address-held": { address: string; holder: string };
  /**
   * No subnet of a family, or no ip-range of one, has a free address left. `subnet` is the first of
   * them, `others` the number of those after it.
   */
  "pool-exhausted": { subnet: string; range: string | undefined; others: number };
  /** A network has no subnet of the family of a requested address. */
  "no-subnet": { family: 4 | 6 };
  /** Every default pool overlaps a network or a route in use. */
  "pools-exhausted": { pools: readonly string[] };
  /** An address pool is to have IPv6, but no subnet was given. */
  "missing-pool-subnet": object;
  /** There is no address pool with this id. */
  "pool-not-found": { pool: string };

  // Several hosts, with etcd

  /** Another agent runs on the same state folder. */
  "agent-runs": object;
  /** An option of the access to etcd is wrong, or a file that it names cannot be used. */
  "etcd-option": { option: string; value: string; rule: string };
  /** No endpoint of etcd answers; `reasons` has the error of each. Running sandboxes are not affected. */
  "etcd-unreachable": { reasons: Readonly<Record<string, string>> };
  /** etcd answers, but refuses the request: a wrong password, a missing right, a full disk. */
  "etcd-refused": { endpoint: string; reason: string };
  /** etcd is older than the record of this host. No address is given away until both agree. */
  "etcd-older": { prefix: string };
  /** The value of a key in etcd is not what this program writes. */
  "damaged-key": { key: string };
  /** Another process of this host is waiting for an answer of etcd. */
  "host-busy": object;
  /** Another host removed this one. No address is given away until it has registered anew. */
  "host-removed": { prefix: string };
  /** Another host, `host` in etcd, uses this one's id; or this host's record is older than etcd. */
  "host-replaced": { prefix: string; id: string; host: string };
  /**
   * A host is not removed, as it may still run: its agent runs, it was heard from a short time ago, or
   * it never ran an agent, so that its silence proves nothing.
   */
  "host-alive": { host: string; reason: "agent" | "heard" | "no agent" };
  /** There is no host with this id or name, or several have the name, with the ids `ambiguous`. */
  "host-not-found": { host: string; known: readonly string[]; ambiguous?: readonly string[] };
  /** A host cannot remove itself. */
  "own-host": object;
  /** There is no shared pool with this id on record. */
  "shared-pool-not-found": { pool: string };
  /** Two hosts reserve different addresses of a shared pool. */
  "shared-pool-differs": { subnet: string; differences: readonly string[] };
  /** A shared pool overlaps another one with the same prefix. */
  "shared-pools-overlap": { subnet: string; other: string };
  /** This host cannot leave a shared pool, as addresses of it are in use here. */
  "shared-pool-in-use": { subnet: string; addresses: readonly string[] };
  /**
   * No address of a shared pool, or of the range in it, is left for this host. `keepers` are the
   * hosts that keep addresses without using them.
   */
  "shared-pool-exhausted": { range: string; keepers: readonly string[] };
  /**
   * An address of a shared pool is in use by a sandbox on a host, or on this one without `host`;
   * without `sandbox`, by the host itself.
   */
  "shared-address-held": { address: string; sandbox: string | undefined; host: string | undefined };
  /** Another host keeps an address without using it, and does not answer. */
  "shared-address-kept": { address: string; host: string };
  /** A network's settings differ from those of its other hosts: `mode: "l3", but "l2" in etcd`. */
  "shared-network-differs": { network: string; differences: readonly string[] };

  // The machine

  /** `ip` or `bridge` refused one line. `errno` is the error code that its text, the `reason`, means. */
  "ip-command": { command: string; reason: string; errno: IpErrno };
  /** The program that ran the lines has ended. Nobody knows which of the lines took effect. */
  "session-closed": { session: string; reason: string };
  /** There is no network namespace with this name, as in `/run/netns`. */
  "namespace-not-found": { netns: string };
  /** A program that is needed, such as `ip` or `ping`, is not on the `PATH`. */
  "program-not-found": { program: string };
  /** A value cannot be a word of an `ip` line. `what` is its purpose: `link name`. */
  "invalid-word": { what: string; value: string; rule: string };
  /** The kernel settings of a network namespace, paths under `/proc/sys`, could not be written. */
  "sysctl": { netns: string; keys: readonly string[]; value: string; reason: string };
  /** The kernel is too old for ipvlan. `release` is what `uname -r` prints. */
  "kernel-too-old": { release: string };
  /** The kernel cannot make a kind of link, because a module is missing. */
  "missing-module": { module: string };
  /** The caller may not change network links. */
  "missing-rights": { reason: string };
  /** A file cannot be written. */
  "unwritable-file": { path: string; reason: string };
  /** A folder for the program, or for the files that it needs, cannot be made. */
  "unwritable-folder": { path: string; reason: string };
  /** A Unix socket cannot be made. */
  "socket": { path: string; reason: string };

  // Site files

  /** A site file, or a line and key of it, is wrong. */
  "site-file": { file: string; line: number | undefined; key: string; reason: string };
  /** A site needs a name or a network (`subject`) that something else has. */
  "site-conflict": { site: string; subject: string; reason: string };
  /** No network and no sandbox has this name. `known` are the names on record. */
  "unknown-name": { subject: string; known: readonly string[] };
  /**
   * Changes would remove something, interrupt connectivity, or touch what belongs to another file,
   * and the caller has not allowed that.
   */
  "consent": { changes: readonly string[] };
  /** Some checks of a site failed. */
  "checks-failed": {
    findings: readonly {
      readonly sentence: string;
      readonly evidence: readonly { readonly command: string; readonly output: string }[];
    }[];
  };
  /** Some sandboxes could not be restored. */
  "restore-failed": { sandboxes: readonly { readonly name: string; readonly reason: string }[] };
  /** A call failed for its `cause`, and rolling back its changes failed too. */
  "not-rolled-back": { failure: string; obstacle: string };

  // Engines

  /** An engine's request cannot be read at a `place`, such as `"network.subnets[0]"`. */
  "invalid-request": { place: string; reason: string };
  /** The body of Docker's request is missing (moby#39331). */
  "missing-request": object;
  /** Docker's API did not answer a call. */
  "docker-api": { path: string; reason: string };
  /** A network of Docker's own driver is not moved to the plugin. */
  "docker-migrate": { network: string; reason: string };
  /** A call of the CNI plugin failed. `status` is the error code of the CNI specification. */
  "cni": { status: number; reason: string };

  // The command

  /** The command line is wrong. Nothing was done. */
  "usage": { command: string; reasons: readonly string[]; status: number };
  /** A command to run in a sandbox cannot be run: with status 127 it does not exist, else 126. */
  "command-unusable": { command: string; status: number; reason: string };
  /** A sandbox is not running: no process is in it. */
  "not-running": { sandbox: string };
  /** The output of the command cannot be written. */
  "unwritable-output": { reason: string };
  /** The system has no terminal left for a command. */
  "no-terminal": object;
  /** The user did not agree to the changes. */
  "declined": object;
  /**
   * A template is wrong, or does not fit its data. The message is Docker's, in one line: it names
   * the line from 1, the byte column from 0, and the part of the template.
   */
  "template": { line: number; column: number; reason: string };
}
