import { IpvlanError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { isOwn } from "./types.ts";

/** What to do about a host that may run. */
const BY_FORCE = "remove its sandboxes there; use --force only if it is switched off for good";

const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(", ");

/** An option of the access to etcd is wrong, or a file that it names cannot be used. */
export class EtcdOptionError extends IpvlanError {
  /** The option: `endpoints`, `ca`, `password-file`, … */
  readonly option: string;

  /** Makes the error from the option, its value, and what to do. */
  constructor(option: string, value: string, rule: string) {
    super(`The etcd option ${option} ${JSON.stringify(value)} is not valid: ${rule}`);
    this.option = option;
  }
}

/** No endpoint of etcd answers. What runs goes on running. */
export class EtcdUnreachableError extends IpvlanError {
  /** The endpoints, each with what was wrong. */
  readonly reasons: Readonly<Record<string, string>>;

  /** Makes the error from what was wrong with each endpoint. */
  constructor(reasons: Readonly<Record<string, string>>) {
    const texts = Object.entries(reasons).map(([endpoint, reason]) => `${endpoint}: ${reason}`);
    super(`etcd is out of reach (${texts.join("; ")}): start it, or check the endpoints`);
    this.reasons = reasons;
  }
}

/** etcd answers, but refuses the request: a wrong password, a missing right, a full disk. */
export class EtcdRefusedError extends IpvlanError {
  /** The endpoint. */
  readonly endpoint: string;
  /** What etcd said. */
  readonly reason: string;

  /** Makes the error from the endpoint and what etcd said. */
  constructor(endpoint: string, reason: string) {
    const advice = /space exceeded/.test(reason)
      ? "compact and defragment it, and disarm its alarm"
      : "check the user and its rights";
    super(`etcd at ${endpoint} refuses the request (${reason}): ${advice}`);
    this.endpoint = endpoint;
    this.reason = reason;
  }
}

/** The value of a key in etcd is not what this program writes. */
export class DamagedKeyError extends IpvlanError {
  /** The key. */
  readonly key: string;

  /** Makes the error from the key. */
  constructor(key: string) {
    super(`The key ${JSON.stringify(key)} in etcd is damaged: put back a backup, or delete it`);
    this.key = key;
  }
}

/** Another process of this host asks etcd and has had no answer yet. */
export class HostBusyError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("Another command of this host asks etcd and has no answer yet: try again");
  }
}

/** There is no shared pool with this id on record. */
export class SharedPoolNotFoundError extends IpvlanError {
  /** The id. */
  readonly pool: string;

  /** Makes the error from the id. */
  constructor(pool: string) {
    super(`There is no shared pool ${JSON.stringify(pool)} on this host: join it first`);
    this.pool = pool;
  }
}

/** Two hosts reserve different addresses of a shared pool. */
export class SharedPoolDiffersError extends IpvlanError {
  /** The subnet. */
  readonly subnet: string;
  /** What differs, a sentence each. */
  readonly differences: readonly string[];

  /** Makes the error from the subnet and what differs. */
  constructor(subnet: string, differences: readonly string[]) {
    super(
      `The shared pool ${subnet} differs from the one in etcd (${differences.join("; ")}): ` +
        "use the same addresses on all hosts",
    );
    this.subnet = subnet;
    this.differences = differences;
  }
}

/** A shared pool overlaps another one with the same prefix. */
export class SharedPoolsOverlapError extends IpvlanError {
  /** The subnet. */
  readonly subnet: string;
  /** The subnet in etcd. */
  readonly other: string;

  /** Makes the error from the two subnets. */
  constructor(subnet: string, other: string) {
    super(
      `The shared pool ${subnet} overlaps the pool ${other} in etcd: ` +
        "use that one, or another etcd prefix",
    );
    this.subnet = subnet;
    this.other = other;
  }
}

/** A shared pool is not left, as addresses of it are in use on this host. */
export class SharedPoolInUseError extends IpvlanError {
  /** The subnet. */
  readonly subnet: string;
  /** The addresses. */
  readonly addresses: readonly string[];

  /** Makes the error from the subnet and the addresses in use. */
  constructor(subnet: string, addresses: readonly string[]) {
    super(
      `The shared pool ${subnet} has addresses in use (${
        addresses.join(", ")
      }): release them first`,
    );
    this.subnet = subnet;
    this.addresses = addresses;
  }
}

/** No address of a shared pool, or of the range in it, is left for this host. */
export class SharedPoolExhaustedError extends IpvlanError {
  /** The subnet or the range. */
  readonly range: string;
  /** The names of the hosts that keep addresses without using them. */
  readonly keepers: readonly string[];

  /** Makes the error from the subnet or range, and the hosts that keep unused addresses. */
  constructor(range: string, keepers: readonly string[]) {
    const advice = keepers.length === 0
      ? "remove a sandbox, or use a larger subnet"
      : `${quoted(keepers)} keep unused ones and do not answer: run ipvlan agent there`;
    super(`No address is left in the shared pool ${range}: ${advice}`);
    this.range = range;
    this.keepers = keepers;
  }
}

/** An address of a shared pool is in use. */
export class SharedAddressHeldError extends IpvlanError {
  /** The address. */
  readonly address: string;
  /** The sandbox. */
  readonly sandbox: string;
  /** The name of the host; `undefined` for this one. */
  readonly host: string | undefined;

  /** Makes the error from the address, the sandbox, and the host; without one, it is this host. */
  constructor(address: string, sandbox: string, host?: string) {
    const place = host === undefined ? "this host" : `the host ${JSON.stringify(host)}`;
    super(
      isOwn({ sandbox })
        ? `The address ${address} is held by ${place} itself, or by its etcd: give another one`
        : `The address ${address} is held by ${JSON.stringify(sandbox)} on ${place}: ` +
          "give another one, or remove it there",
    );
    this.address = address;
    this.sandbox = sandbox;
    this.host = host;
  }
}

/** Another host keeps an address without using it, and does not answer. */
export class SharedAddressKeptError extends IpvlanError {
  /** The address. */
  readonly address: string;
  /** The name of the host. */
  readonly host: string;

  /** Makes the error from the address and the name of the host. */
  constructor(address: string, host: string) {
    super(
      `The address ${address} is kept by the host ${
        JSON.stringify(host)
      }, which does not answer: ` +
        "run ipvlan agent there, or use another address",
    );
    this.address = address;
    this.host = host;
  }
}

/** A network's settings differ from those that its other hosts have. */
export class SharedNetworkDiffersError extends IpvlanError {
  /** The network. */
  readonly network: string;
  /** What differs, a text for each setting: `mode: "l3", but "l2" in etcd`. */
  readonly differences: readonly string[];

  /** Makes the error from the network's name and what differs. */
  constructor(network: string, differences: readonly string[]) {
    super(
      `The network ${JSON.stringify(network)} differs from that of other hosts ` +
        `(${differences.join("; ")}): leave these settings out, or use another name`,
    );
    this.network = network;
    this.differences = differences;
  }
}

/** Another host removed this one. Nothing is given away until it has registered anew. */
export class HostRemovedError extends IpvlanError {
  /** The prefix. */
  readonly prefix: string;

  /** Makes the error from the prefix. */
  constructor(prefix: string) {
    super(
      `This host is not in etcd under ${prefix} any more: another host removed it, or etcd lost ` +
        "its data; run ipvlan restore, which registers it anew",
    );
    this.prefix = prefix;
  }
}

/** etcd is older than what this host has on record. Nothing is given away until both agree. */
export class EtcdOlderError extends IpvlanError {
  /** The prefix. */
  readonly prefix: string;

  /** Makes the error from the prefix. */
  constructor(prefix: string) {
    super(
      `etcd has an older state under ${prefix} than this host, as an older backup of etcd was put ` +
        "back: run ipvlan restore on every host",
    );
    this.prefix = prefix;
  }
}

/** Another host uses the id of this one, or this host's record is older than etcd. */
export class HostReplacedError extends IpvlanError {
  /** The prefix. */
  readonly prefix: string;
  /** The id of the host. */
  readonly id: string;
  /** The name that is in etcd. */
  readonly host: string;

  /** Makes the error from the prefix, the host's id, and the name that is in etcd. */
  constructor(prefix: string, id: string, name: string) {
    super(
      `The host ${
        JSON.stringify(name)
      } has gone on under ${prefix} with the id ${id} of this one, ` +
        "as the machine or its state folder is a copy or a backup: after a backup, run ipvlan " +
        "restore; of two copies, remove the networks of this one; if the other one is gone for " +
        `good, run ipvlan host rm ${id}, and then ipvlan restore`,
    );
    this.prefix = prefix;
    this.id = id;
    this.host = name;
  }
}

/** A host is not removed, as it runs, or as it holds addresses and may run. */
export class HostAliveError extends IpvlanError {
  /** The name of the host. */
  readonly host: string;

  /**
   * Makes the error from the name of the host, and why it may run: its agent does, it was heard of, or it
   * never had an agent whose silence would say something.
   */
  constructor(host: string, reason: "agent" | "heard" | "no agent") {
    const why = {
      agent: "is alive: end ipvlan agent there first, and remove only a host that is gone for good",
      heard: `holds addresses and was heard of within 10 minutes: wait, or ${BY_FORCE}`,
      "no agent": `holds addresses and never ran an agent, so it may run: ${BY_FORCE}`,
    };
    super(`The host ${JSON.stringify(host)} ${why[reason]}`);
    this.host = host;
  }
}

/** There is no such host, or several have the name. */
export class HostNotFoundError extends IpvlanError {
  /** The id or name. */
  readonly host: string;

  /** Makes the error from the id or name, and the ids of those that have it, or of all by name. */
  constructor(host: string, known: readonly string[], ambiguous: readonly string[] = []) {
    super(
      ambiguous.length > 0
        ? `Several hosts are named ${JSON.stringify(host)}: give an id (${ambiguous.join(", ")})`
        : `There is no host ${JSON.stringify(host)} in etcd${
          didYouMean(host, known) || ": see ipvlan host ls"
        }`,
    );
    this.host = host;
  }
}

/** A host cannot remove itself. */
export class OwnHostError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("A host does not remove itself: remove its networks, or run this on another host");
  }
}
