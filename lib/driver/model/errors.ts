import { IpvlanError } from "../../base/errors.ts";
import { shellLine } from "../../base/printable.ts";
import { didYouMean } from "../../base/suggest.ts";

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");

/** A name as Docker's errors have it: without quotes, if it is one that a network can have. */
const plain = (name: string) => /^[A-Za-z0-9][\w.-]*$/.test(name) ? name : JSON.stringify(name);

/** A hint for a name that does not exist. */
const hint = (name: string, known: readonly string[]) =>
  didYouMean(name, known) || ": see which there are, or create it first";

/** A name breaks the rules for names. */
export class InvalidNameError extends IpvlanError {
  /** What it is the name of: `network`, `sandbox`, `alias`. */
  readonly what: string;
  /** The name. */
  readonly value: string;

  /** Makes the error from what has the name, the name, and the rule. */
  constructor(what: string, value: string, rule: string) {
    const shown = value.length > 255 ? `${value.slice(0, 60)}…` : value;
    super(`The ${what} name ${JSON.stringify(shown)} is not valid: ${rule}`);
    this.what = what;
    this.value = value;
  }
}

/** An option has a value that is not allowed, or the option does not exist. */
export class InvalidOptionError extends IpvlanError {
  /** The option. */
  readonly option: string;
  /** The value. */
  readonly value: string;

  /** Makes the error from the option, the value, and the rule. */
  constructor(option: string, value: string, rule: string) {
    super(`The ${option} ${JSON.stringify(value)} is not valid: ${rule}`);
    this.option = option;
    this.value = value;
  }
}

/** A network is to have IPv6, but no IPv6 subnet was given. */
export class MissingSubnetError extends IpvlanError {
  /** The network. */
  readonly network: string;

  /** Makes the error from the network's name. */
  constructor(network: string) {
    super(
      `The network "${network}" is to have IPv6, but has no IPv6 subnet: give one, as there is ` +
        "no default pool for IPv6",
    );
    this.network = network;
  }
}

/** A network with this name exists already. */
export class NetworkExistsError extends IpvlanError {
  /** The network. */
  readonly network: string;

  /** Makes the error from the network's name. */
  constructor(network: string) {
    // In Docker's words, for scripts that look for them; so are the errors below without a capital.
    super(`network with name ${plain(network)} already exists: choose another, or remove it first`);
    this.network = network;
  }
}

/** There is no network with this name. */
export class NetworkNotFoundError extends IpvlanError {
  /** The network. */
  readonly network: string;

  /** Makes the error from the name, and the names of all networks. */
  constructor(network: string, known: readonly string[]) {
    super(`network ${plain(network)} not found${hint(network, known)}`);
    this.network = network;
  }
}

/** The beginning of an id fits several networks. */
export class AmbiguousIdError extends IpvlanError {
  /** What was given as the beginning of an id. */
  readonly id: string;
  /** The names of the networks that it fits. */
  readonly networks: readonly string[];

  /** Makes the error from what was given, and the names of the networks. */
  constructor(id: string, networks: readonly string[]) {
    super(
      `The id "${id}" fits several networks (${quoted(networks)}): give more digits, or a name`,
    );
    this.id = id;
    this.networks = networks;
  }
}

/** A network cannot be removed, as sandboxes are connected to it. */
export class NetworkInUseError extends IpvlanError {
  /** The network. */
  readonly network: string;
  /** The sandboxes. */
  readonly sandboxes: readonly string[];

  /** Makes the error from the network and the sandboxes connected to it. */
  constructor(network: string, sandboxes: readonly string[]) {
    const names = sandboxes.map((name) => `name:"${name}"`).join(", ");
    super(
      `network ${plain(network)} has active endpoints (${names}): disconnect these sandboxes first`,
    );
    this.network = network;
    this.sandboxes = sandboxes;
  }
}

/** A sandbox, or a network namespace that is not the driver's, has this name already. */
export class SandboxExistsError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;

  /** Makes the error from the name, and whether it is that of a namespace that is no sandbox. */
  constructor(sandbox: string, foreign: boolean) {
    super(
      foreign
        ? `A network namespace "${sandbox}" exists already and is not a sandbox of this driver: ` +
          "choose another name"
        : `The sandbox name "${sandbox}" is already in use: choose another, or remove it first`,
    );
    this.sandbox = sandbox;
  }
}

/** There is no process with this id, or its network namespace cannot be used. */
export class ProcessNotFoundError extends IpvlanError {
  /** The process id. */
  readonly pid: number;

  /** Makes the error from the process id and the reason that `ip` gave. */
  constructor(pid: number, reason: string) {
    super(`The network namespace of process ${pid} cannot be used: ${reason}`);
    this.pid = pid;
  }
}

/** A sandbox is not removed, as processes are in it. */
export class SandboxInUseError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The processes' ids. */
  readonly pids: readonly number[];

  /** Makes the error from the sandbox's name and the processes' ids. */
  constructor(sandbox: string, pids: readonly number[]) {
    super(
      `The sandbox "${sandbox}" has processes in it (${pids.join(", ")}): end them first, or ` +
        "remove it by force",
    );
    this.sandbox = sandbox;
    this.pids = pids;
  }
}

/** A sandbox has no network namespace any more. */
export class SandboxGoneError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;

  /** Makes the error from the sandbox's name. */
  constructor(sandbox: string) {
    super(
      `The network namespace of sandbox "${sandbox}" is gone: run ipvlan restore, or remove the ` +
        "sandbox",
    );
    this.sandbox = sandbox;
  }
}

/** There is no sandbox with this name. */
export class SandboxNotFoundError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;

  /** Makes the error from the name, and the names of all sandboxes. */
  constructor(sandbox: string, known: readonly string[]) {
    const docker = `No such container: ${plain(sandbox)}`;
    super(`There is no sandbox ${JSON.stringify(sandbox)} (${docker})${hint(sandbox, known)}`);
    this.sandbox = sandbox;
  }
}

/** The hosts file of a sandbox cannot be written or removed. */
export class HostsFileError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** Why not, with the file. */
  readonly reason: string;

  /** Makes the error from the sandbox's name, and the reason that the system gave. */
  constructor(sandbox: string, reason: string, options?: ErrorOptions) {
    super(`The hosts file of sandbox "${sandbox}" cannot be changed: ${reason}`, options);
    this.sandbox = sandbox;
    this.reason = reason;
  }
}

/** The `resolv.conf` of a sandbox cannot be written or removed. */
export class ResolvConfError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;

  /** Makes the error from the sandbox's name, and the reason that the system gave. */
  constructor(sandbox: string, reason: string, options?: ErrorOptions) {
    super(`The resolv.conf of sandbox "${sandbox}" cannot be changed: ${reason}`, options);
    this.sandbox = sandbox;
  }
}

/** A name of a sandbox on a network is a name of another sandbox there. */
export class NameInUseError extends IpvlanError {
  /** The name. */
  readonly value: string;
  /** The other sandbox. */
  readonly sandbox: string;
  /** The network. */
  readonly network: string;

  /** Makes the error from what the name is here and there, the other sandbox, and the network. */
  constructor(
    what: "alias" | "sandbox name",
    value: string,
    other: "the name" | "an alias",
    sandbox: string,
    network: string,
  ) {
    super(
      `The ${what} ${JSON.stringify(value)} is ${other} of the sandbox "${sandbox}" on network ` +
        `"${network}": choose another one, as only one of them would be found by it`,
    );
    this.value = value;
    this.sandbox = sandbox;
    this.network = network;
  }
}

/** A sandbox is connected to a network already. */
export class AlreadyConnectedError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The network. */
  readonly network: string;

  /** Makes the error from the sandbox and the network. */
  constructor(sandbox: string, network: string) {
    super(`endpoint with name ${plain(sandbox)} already exists in network ${plain(network)}`);
    this.sandbox = sandbox;
    this.network = network;
  }
}

/** A sandbox is not connected to a network. */
export class NotConnectedError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The network. */
  readonly network: string;

  /** Makes the error from the sandbox and the network. */
  constructor(sandbox: string, network: string) {
    super(`The sandbox "${sandbox}" is not connected to network "${network}"`);
    this.sandbox = sandbox;
    this.network = network;
  }
}

/** A network's route would overlap a route that a sandbox has by another network. */
export class RouteOverlapError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The network. */
  readonly network: string;
  /** The other network, which the sandbox is connected to. */
  readonly other: string;

  /**
   * Makes the error from the sandbox and both networks, each with its route:
   * `192.168.1.0/24 dev eth0`.
   */
  constructor(
    sandbox: string,
    network: { name: string; route: string },
    other: { name: string; route: string },
  ) {
    super(
      `The sandbox "${sandbox}" cannot be connected to network "${network.name}": the route ` +
        `${network.route} would overlap ${other.route} of network "${other.name}", and packets ` +
        "would take the wrong one: disconnect it from that network, or use another subnet",
    );
    this.sandbox = sandbox;
    this.network = network.name;
    this.other = other.name;
  }
}

/**
 * The link of an endpoint could not be removed, or it is not known to be gone. The endpoint stays on
 * record, so that nobody else gets its addresses.
 */
export class LinkLeftError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The network. */
  readonly network: string;
  /** What is left, and what to do about it. */
  readonly reason: string;

  /** Makes the error from the sandbox, the network, what is left, and what to do about it. */
  constructor(sandbox: string, network: string, reason: string) {
    super(
      `The link of sandbox "${sandbox}" on network "${network}" could not be removed: ${reason}`,
    );
    this.sandbox = sandbox;
    this.network = network;
    this.reason = reason;
  }
}

/** A sandbox has a link with this name already. */
export class LinkExistsError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The link. */
  readonly link: string;

  /** Makes the error from the sandbox and the link's name. */
  constructor(sandbox: string, link: string) {
    super(`The sandbox "${sandbox}" has a link "${link}" already: choose another name`);
    this.sandbox = sandbox;
    this.link = link;
  }
}

/** A parent does not exist, and its name does not say how to make it. */
export class ParentNotFoundError extends IpvlanError {
  /** The parent. */
  readonly parent: string;

  /** Makes the error from the parent's name and, if it is `link.vlan`, the link that is missing. */
  constructor(parent: string, base?: string) {
    super(
      base === undefined
        ? `There is no link "${parent}" to be the parent: make it first, or name it LINK.VLAN ` +
          "(such as eth0.20) to have it made"
        : `There is no link "${base}" to make the sub-interface "${parent}" on: make it first`,
    );
    this.parent = parent;
  }
}

/** A sandbox has a route to a destination already, by a link that another program has made. */
export class RouteExistsError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The destination. */
  readonly destination: string;

  /** Makes the error from the sandbox and the destination. */
  constructor(sandbox: string, destination: string) {
    super(`The sandbox "${sandbox}" has a route to ${destination} already: leave one of them out`);
    this.sandbox = sandbox;
    this.destination = destination;
  }
}

/** A sandbox does not have the link that is to be the parent of its endpoint. */
export class SandboxParentError extends IpvlanError {
  /** The sandbox. */
  readonly sandbox: string;
  /** The parent; `undefined` if none was named and the sandbox has no default route. */
  readonly parent: string | undefined;

  /** Makes the error from the sandbox and the parent's name. */
  constructor(sandbox: string, parent: string | undefined) {
    super(
      parent === undefined
        ? `The sandbox "${sandbox}" has no default route to take the parent from: name the parent`
        : `The sandbox "${sandbox}" has no link "${parent}" to be the parent: another program has ` +
          "to make it there first",
    );
    this.sandbox = sandbox;
    this.parent = parent;
  }
}

/** A link cannot be the parent of ipvlan links. */
export class InvalidParentError extends IpvlanError {
  /** The parent. */
  readonly parent: string;
  /** Why not. */
  readonly reason: string;

  /** Makes the error from the link and the reason. */
  constructor(parent: string, reason: string) {
    super(`The link "${parent}" cannot be a parent: ${reason}`);
    this.parent = parent;
    this.reason = reason;
  }
}

/**
 * A sub-interface cannot be set up on a link that is down (`vlan_dev_open` in
 * `net/8021q/vlan_dev.c`).
 */
export class ParentDownError extends InvalidParentError {
  /** Makes the error from the name of the link that is down. */
  constructor(link: string) {
    super(
      link,
      shellLine`it is down, and no sub-interface on it can be set up: "ip link set ${link} up"`,
    );
  }
}

/** Nothing passes over the parent of a network. */
export class NetworkCutOffError extends IpvlanError {
  /** The network. */
  readonly network: string;
  /** Its parent. */
  readonly parent: string;
  /** What is wrong with the parent. */
  readonly state: "down" | "missing";

  /** Makes the error from the network, its parent, and the parent's state. */
  constructor(network: string, parent: string, state: "down" | "missing") {
    super(`The parent "${parent}" of the network "${network}" is ${state}, so nothing passes`);
    this.network = network;
    this.parent = parent;
    this.state = state;
  }
}

/** A parent has another mode or flag already. It can have only one of each. */
export class ParentConflictError extends IpvlanError {
  /** The parent. */
  readonly parent: string;
  /** Its mode and flag: `mode l2, flag bridge`. */
  readonly current: string;

  /** Makes the error from the parent, its mode and flag, what uses it, and what was asked for. */
  constructor(parent: string, current: string, users: readonly string[], asked: string) {
    super(
      `The parent "${parent}" is used with ${current} by ${quoted(users)}, and mode and flag ` +
        `belong to the parent: ask for those instead of ${asked}, or take another parent`,
    );
    this.parent = parent;
    this.current = current;
  }
}

/** A subnet overlaps a subnet of another network on the same parent. */
export class SubnetInUseError extends IpvlanError {
  /** The subnet. */
  readonly subnet: string;
  /** The other network. */
  readonly network: string;

  /** Makes the error from the subnet, the other subnet, the other network, and the parent. */
  constructor(subnet: string, other: string, network: string, parent: string) {
    super(
      `Pool overlaps with other one on this address space: ${subnet}, and ${other} of network ` +
        `"${network}" on the same parent "${parent}"; choose another subnet or parent, or remove ` +
        "that network",
    );
    this.subnet = subnet;
    this.network = network;
  }
}

/** In L3 mode, a subnet overlaps an address of the parent. */
export class ParentSubnetError extends IpvlanError {
  /** The subnet. */
  readonly subnet: string;
  /** The parent. */
  readonly parent: string;

  /** Makes the error from the subnet, the parent and its address, and the mode. */
  constructor(subnet: string, parent: string, address: string, mode: string) {
    super(
      `The subnet ${subnet} overlaps ${address} of the parent "${parent}", which cannot be in ` +
        `${mode} mode, as the parent routes between them: choose another subnet`,
    );
    this.subnet = subnet;
    this.parent = parent;
  }
}

/** An address pool is to have IPv6, but no subnet was given. */
export class MissingPoolSubnetError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("The address pool is to have IPv6: give a subnet, as there is no default pool for IPv6");
  }
}

/** An address pool that does not exist. */
export class PoolNotFoundError extends IpvlanError {
  /** The pool's id. */
  readonly pool: string;

  /** Makes the error from the pool's id. */
  constructor(pool: string) {
    super(`There is no address pool ${JSON.stringify(pool)}: ask for one first`);
    this.pool = pool;
  }
}

/**
 * Another link has an address: no second one on the same parent can have it. Or it is given away
 * elsewhere.
 */
export class AddressHeldError extends IpvlanError {
  /** The address, without a prefix length. */
  readonly address: string;
  /** Who has it: `the link "eth0" in the namespace "web"`, `the sandbox "c1"`. */
  readonly holder: string;

  /** Makes the error from the address and who has it. */
  constructor(address: string, holder: string) {
    super(
      `The address ${address} is held by ${holder}: give another one, or take it away from there`,
    );
    this.address = address;
    this.holder = holder;
  }
}

/** An ipvlan link cannot have a MAC address of its own. */
export class MacAddressError extends IpvlanError {
  /** The MAC address. */
  readonly macAddress: string;

  /** Makes the error from the MAC address. */
  constructor(macAddress: string) {
    super(
      `The MAC address ${
        JSON.stringify(macAddress)
      } cannot be used: every ipvlan link has the MAC ` +
        "address of its parent",
    );
    this.macAddress = macAddress;
  }
}

/**
 * Another call is making or removing something, or a crash left it half made or half removed and it
 * could not be removed since.
 */
export class HalfDoneError extends IpvlanError {
  /** What is half made or half removed: `sandbox "c1"`. */
  readonly what: string;

  /** Makes the error from what is half made or half removed. */
  constructor(what: string) {
    super(
      `The ${what} is being made or removed: wait, or run ipvlan restore if a command was killed`,
    );
    this.what = what;
  }
}

/** A call has failed, and some of its changes could not be undone. */
export class NotUndoneError extends IpvlanError {
  /** Makes the error from why the call failed, and why its changes could not be undone. */
  constructor(cause: unknown, obstacle: unknown) {
    const words = (error: unknown) => error instanceof Error ? error.message : String(error);
    super(
      `${words(cause)}; some changes could not be undone (${words(obstacle)}): run ipvlan restore`,
      { cause },
    );
  }
}

/** Another agent runs on the same state folder. */
export class AgentRunsError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("An agent runs on this state folder already: end that one first");
  }
}

/** The store cannot be used. */
export class StoreError extends IpvlanError {
  /** The state folder. */
  readonly folder: string;

  /** Makes the error from the state folder and what is wrong with it. */
  constructor(folder: string, reason: string, options?: ErrorOptions) {
    super(`The state folder "${folder}" cannot be used: ${reason}`, options);
    this.folder = folder;
  }
}
