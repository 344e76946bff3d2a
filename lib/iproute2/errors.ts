import { IpvlanError } from "../base/errors.ts";

/**
 * The errno of each error text of the kernel that a caller acts on. The text is from `strerror`(3),
 * or it is an extended acknowledgement if `ip` prints only that.
 */
const ERRNO: [RegExp, IpErrno][] = [
  // ipvlan's own text for an address that another link on the parent has (`ipvlan_main.c`). Since
  // Linux 6.3 the same text without its end means that the link itself has the address.
  [/Address already in use|already assigned to an ipvlan device/, "EADDRINUSE"],
  [/File exists|already exists|address already assigned/i, "EEXIST"],
  [/Operation not permitted|Permission denied/, "EPERM"],
  [/Unknown device type|Operation not supported/, "EOPNOTSUPP"],
  [/Device or resource busy/, "EBUSY"],
  [/No such file or directory|table does not exist/, "ENOENT"],
  [/No such device|Cannot find device|does not exist/, "ENODEV"],
  [/No such process/, "ESRCH"],
  [/Cannot assign requested address|address not found/i, "EADDRNOTAVAIL"],
  [/Network is unreachable|Nexthop has invalid gateway/, "ENETUNREACH"],
  [/Invalid argument/, "EINVAL"],
];

/** The errno of an {@linkcode IpCommandError}; `"unknown"` for an error text that we do not know. */
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

/** One line that `ip` (or `bridge`) refused. */
export class IpCommandError extends IpvlanError {
  /** The command as one would type it: `ip -n red link set eth0 up`. */
  readonly command: string;
  /** The error text of the program or the kernel, one line: `RTNETLINK answers: File exists`. */
  readonly reason: string;
  /** The errno that the reason stands for. */
  readonly errno: IpErrno;

  /** Makes the error from the command and what was said. */
  constructor(command: string, said: string) {
    const reason = said.replace(/\.$/, "") || "No reason was given";
    super(`${reason} (${command})`);
    this.command = command;
    this.reason = reason;
    this.errno = ERRNO.find(([pattern]) => pattern.test(reason))?.[1] ?? "unknown";
  }
}

/** The oldest iproute2 that everything here works with. */
export const OLDEST_IPROUTE2 = "5.0";

/** The program that ran the lines has ended. Nobody knows which of the lines took effect. */
export class SessionClosedError extends IpvlanError {
  /** The session, as its command line: `ip -n red -batch -`. */
  readonly session: string;
  /** Why it ended. */
  readonly reason: string;

  /** Makes the error from the session's command line and why it ended. */
  constructor(session: string, reason: string) {
    const isTooOld = /^Option "-\w+" is unknown/.test(reason);
    const hint = isTooOld ? `: install iproute2 ${OLDEST_IPROUTE2} or later` : "";
    super(`The session "${session}" has ended: ${reason}${hint}`);
    this.session = session;
    this.reason = reason;
  }
}

/** A session was asked for in a network namespace that does not exist. */
export class NamespaceNotFoundError extends IpvlanError {
  /** The namespace's name, as in `/run/netns`. */
  readonly netns: string;

  /** Makes the error from the namespace's name. */
  constructor(netns: string) {
    super(`There is no network namespace "${netns}": see "ip netns list"`);
    this.netns = netns;
  }
}

/**
 * Whether a session failed because its namespace's name is that of a file that is no namespace, such
 * as `umount` leaves in `/run/netns`.
 */
export function isNoNamespace(error: unknown): boolean {
  return error instanceof IpCommandError && error.errno === "EINVAL" &&
    error.reason.startsWith("setting the network namespace");
}

/** The Debian package of each program; those that are not here are in iproute2. */
const PACKAGES: Record<string, string> = {
  cat: "coreutils",
  grep: "grep",
  ldd: "libc-bin",
  mkdir: "coreutils",
  nsenter: "util-linux",
  ping: "iputils-ping",
  sh: "dash",
  stat: "coreutils",
  timeout: "coreutils",
  xargs: "findutils",
};

/** A program that is needed, such as `ip` or `ping`, is not on the `PATH`. */
export class ProgramNotFoundError extends IpvlanError {
  /** The program's name: `ip`. */
  readonly program: string;

  /** Makes the error from the program's name. */
  constructor(program: string) {
    const from = PACKAGES[program] ?? "iproute2";
    super(`The program "${program}" was not found: install ${from} and see that it is on PATH`);
    this.program = program;
  }
}

/** A value cannot be a word of an `ip` line. */
export class InvalidWordError extends IpvlanError {
  /** What the value is for: `link name`. */
  readonly what: string;
  /** The value that was given. */
  readonly value: string;

  /** Makes the error from what the value is for, the value, and the rule that it breaks. */
  constructor(what: string, value: string, rule: string) {
    super(`The ${what} ${JSON.stringify(value)} is not valid: ${rule}`);
    this.what = what;
    this.value = value;
  }
}

/** The kernel settings of a network namespace could not be written. */
export class SysctlError extends IpvlanError {
  /** The network namespace. */
  readonly netns: string;
  /** The settings: paths under `/proc/sys`. */
  readonly keys: string[];

  /** Makes the error from the namespace, the settings, the value, and the reason. */
  constructor(netns: string, keys: string[], value: string, reason: string) {
    super(`Cannot set ${keys.join(", ")} to ${value} in "${netns}": ${reason}`);
    this.netns = netns;
    this.keys = keys;
  }
}
