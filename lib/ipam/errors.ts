import { IpvlanError } from "../base/errors.ts";
import { printableLine } from "../base/printable.ts";

/** The purpose of an address or a prefix in a request. */
export type AddressRole = "address" | "gateway" | "ip-range" | "auxiliary address";

/**
 * Why no endpoint can have an address of a prefix: it is the IPv4 network or broadcast address
 * (RFC 1122, section 3.2.1.3), or the IPv6 subnet-router anycast address (RFC 4291, section 2.6.1).
 */
export type UnusableReason = "network" | "broadcast" | "anycast";

const UNUSABLE: Record<UnusableReason, string> = {
  network: "the network address",
  broadcast: "the broadcast address",
  anycast: "the subnet-router anycast address",
};

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A text is not an IPv4 or IPv6 address in its usual notation. */
export class InvalidAddressError extends IpvlanError {
  /** The text as it was given. */
  readonly value: string;
  /** What is wrong with it. */
  readonly reason: string;

  /** Makes the error from the text and what is wrong with it. */
  constructor(value: string, reason: string) {
    super(`Invalid address ${JSON.stringify(value)}: ${reason}`);
    this.value = value;
    this.reason = reason;
  }
}

/** A text is not an IPv4 or IPv6 prefix in CIDR notation. */
export class InvalidPrefixError extends IpvlanError {
  /** The text as it was given. */
  readonly value: string;
  /** What is wrong with it. */
  readonly reason: string;

  /** Makes the error from the text and what is wrong with it. */
  constructor(value: string, reason: string) {
    super(`Invalid prefix ${JSON.stringify(value)}: ${reason}`);
    this.value = value;
    this.reason = reason;
  }
}

/** Two subnets of one network have addresses in common. */
export class SubnetsOverlapError extends IpvlanError {
  /** The first subnet. */
  readonly subnet: string;
  /** The subnet that overlaps the first. */
  readonly other: string;

  /** Makes the error from the two subnets, in their order. */
  constructor(subnet: string, other: string) {
    super(`Subnet ${other} overlaps subnet ${subnet} of the same network: leave one of them out`);
    this.subnet = subnet;
    this.other = other;
  }
}

/** An address or an ip-range lies in none of the subnets. */
export class OutsideSubnetError extends IpvlanError {
  /** The purpose of the address or prefix. */
  readonly role: AddressRole;
  /** The address or prefix. */
  readonly value: string;
  /** The network's subnets. */
  readonly subnets: readonly string[];

  /** Makes the error from the role, the address or prefix, and the network's subnets. */
  constructor(role: AddressRole, value: string, subnets: readonly string[]) {
    const where = subnets.length === 0
      ? "in no subnet, as there is none: give the subnet too"
      : subnets.length === 1
      ? `outside subnet ${subnets[0]}: give one inside it`
      : `outside every subnet (${subnets.join(", ")}): give one inside a subnet`;
    super(`${sentence(role)} ${value} is ${where}`);
    this.role = role;
    this.value = value;
    this.subnets = subnets;
  }
}

/** More than one gateway, or more than one ip-range, lies in the same subnet. */
export class DuplicateInSubnetError extends IpvlanError {
  /** Makes the error from the subnet, what there is more than one of, and all of these. */
  constructor(subnet: string, what: "gateway" | "ip-range", values: readonly string[]) {
    super(`Subnet ${subnet} has more than one ${what} (${values.join(", ")}): give only one`);
  }
}

/** A requested address has a fixed meaning in its subnet, so that no endpoint can have it. */
export class UnusableAddressError extends IpvlanError {
  /** The purpose of the address. */
  readonly role: AddressRole;
  /** The address. */
  readonly address: string;
  /** The subnet. */
  readonly subnet: string;
  /** The meaning of the address. */
  readonly reason: UnusableReason;

  /** Makes the error from the role, the address, its subnet and the meaning of the address. */
  constructor(role: AddressRole, address: string, subnet: string, reason: UnusableReason) {
    super(
      `${sentence(role)} ${address} is ${UNUSABLE[reason]} of subnet ${subnet}: give another one`,
    );
    this.role = role;
    this.address = address;
    this.subnet = subnet;
    this.reason = reason;
  }
}

/** A requested address is already a subnet's gateway or auxiliary address. */
export class ReservedAddressError extends IpvlanError {
  /** The purpose of the address. */
  readonly role: AddressRole;
  /** The address. */
  readonly address: string;
  /** The subnet. */
  readonly subnet: string;
  /** The owner of the address: `gateway`, or `auxiliary address NAME`. */
  readonly owner: string;

  /** Makes the error from the role, the address, its subnet and its owner. */
  constructor(role: AddressRole, address: string, subnet: string, owner: string) {
    super(
      `${sentence(role)} ${address} is already the ${printableLine(owner)} of subnet ${subnet}: ` +
        "give another one",
    );
    this.role = role;
    this.address = address;
    this.subnet = subnet;
    this.owner = owner;
  }
}

/** A requested address is already taken. */
export class AddressInUseError extends IpvlanError {
  /** The address. */
  readonly address: string;
  /** The subnet. */
  readonly subnet: string;

  /** Makes the error from the address and its subnet. */
  constructor(address: string, subnet: string) {
    super(
      `Address ${address} of subnet ${subnet} is in use: give another one, or release it first`,
    );
    this.address = address;
    this.subnet = subnet;
  }
}

/** An address to release is not taken. */
export class AddressNotInUseError extends IpvlanError {
  /** The address. */
  readonly address: string;
  /** The subnet. */
  readonly subnet: string;

  /** Makes the error from the address and its subnet. */
  constructor(address: string, subnet: string) {
    super(`Address ${address} of subnet ${subnet} is not in use: release only what was taken`);
    this.address = address;
    this.subnet = subnet;
  }
}

/** No subnet of a family has a free address left, nor its ip-range if it has one. */
export class PoolExhaustedError extends IpvlanError {
  /** The first subnet. */
  readonly subnet: string;
  /** Its ip-range, if it has one. Automatic addresses come only from the ip-range. */
  readonly range?: string;

  /**
   * Makes the error from the first subnet, its ip-range, and the number of others of the family.
   */
  constructor(subnet: string, range?: string, others = 0) {
    const first = range === undefined
      ? `Subnet ${subnet}`
      : `Ip-range ${range} of subnet ${subnet}`;
    const what = others === 0
      ? `${first} has`
      : `${first} and ${others} ${others === 1 ? "other" : "others"} of its family have`;
    super(`${what} no free address: release one, or ask for an address elsewhere`);
    this.subnet = subnet;
    if (range !== undefined) this.range = range;
  }
}

/** A network has no subnet of the family of a requested address. */
export class NoSubnetError extends IpvlanError {
  /** The family: 4 or 6. */
  readonly family: 4 | 6;

  /** Makes the error from the family. */
  constructor(family: 4 | 6) {
    super(`The network has no IPv${family} subnet: make it with one`);
    this.family = family;
  }
}

/** Every default pool overlaps a network or a route in use. */
export class PoolsExhaustedError extends IpvlanError {
  /** The default pools, in the order tried. */
  readonly pools: readonly string[];

  /** Makes the error from the default pools. */
  constructor(pools: readonly string[]) {
    super(
      `All ${pools.length} default pools (${pools.at(0)} to ${pools.at(-1)}) overlap networks or ` +
        "routes in use: give a subnet, or remove a network",
    );
    this.pools = pools;
  }
}
