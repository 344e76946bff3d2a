import { IpvlanError, type IpvlanErrorOf, isIpvlanError } from "../base/errors.ts";
import type { IpErrno } from "../base/error_codes.ts";

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

/** Makes the error for a line that `ip` refused, from the line as one types it and its error text. */
export function ipCommandError(command: string, said: string): IpvlanErrorOf<"ip-command"> {
  const reason = said.replace(/\.$/, "") || "No reason was given";
  const errno = ERRNO.find(([pattern]) => pattern.test(reason))?.[1] ?? "unknown";
  return new IpvlanError("ip-command", { command, reason, errno });
}

/** Whether the name of a session's namespace is that of a plain file, such as `umount` leaves. */
export function isNoNamespace(error: unknown): boolean {
  return isIpvlanError(error, "ip-command") && error.errno === "EINVAL" &&
    error.reason.startsWith("setting the network namespace");
}
