import { invalidOption } from "../base/errors.ts";
import { isGranted } from "../base/permissions.ts";
import { type OpenedLibc, openLibc } from "./libc.ts";

/** The environment variable that chooses how the kernel is asked: `ip` or `netlink`. */
const VARIABLE = "IPVLAN_TRANSPORT";

/**
 * Chooses how this process talks to the kernel: by netlink, or with the program `ip` if this process
 * cannot use netlink or the environment asks for `ip`.
 *
 * @throws {"invalid-option"} The environment asks for something else, or for netlink in vain.
 */
export function chooseTransport(): OpenedLibc & { isAskedFor?: true } {
  const isReadable = isGranted({ name: "env", variable: VARIABLE });
  const asked = isReadable && Deno.env.get(VARIABLE) || undefined;
  if (asked !== undefined && !["ip", "netlink"].includes(asked)) {
    throw invalidOption(VARIABLE, asked, "choose ip or netlink");
  }
  if (asked === "ip") return { reason: `${VARIABLE} asks for it`, isAskedFor: true };
  const opened = openLibc();
  if (!opened.libc && asked === "netlink") throw invalidOption(VARIABLE, asked, opened.reason!);
  return opened;
}
