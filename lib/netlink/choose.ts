import { invalidOption } from "../base/errors.ts";
import { isGranted } from "../base/permissions.ts";
import { type Libc, openLibc } from "./libc.ts";

/** The environment variable that chooses how the kernel is asked: `ip` or `netlink`. */
const VARIABLE = "IPVLAN_TRANSPORT";

/** How this process talks to the kernel: by netlink, or with the program `ip` for a reason. */
export type Transport = { libc: Libc } | { reason: string; fix?: string; isAskedFor?: true };

/**
 * Chooses netlink, unless this process cannot use it or the environment asks for `ip`.
 *
 * @throws {"invalid-option"} The environment asks for something else, or for netlink in vain.
 */
export function chooseTransport(): Transport {
  const asked = readVariable();
  if (asked !== undefined && !["ip", "netlink"].includes(asked)) {
    throw invalidOption(VARIABLE, asked, "choose ip or netlink");
  }
  if (asked === "ip") return { reason: `${VARIABLE} asks for it`, isAskedFor: true };
  const libc = openLibc();
  if (!("reason" in libc)) return { libc };
  if (asked === "netlink") throw invalidOption(VARIABLE, asked, libc.reason);
  return libc;
}

/** The C library, if netlink was chosen. Fails as {@linkcode chooseTransport} does. */
export function chosenNetlink(): Libc | undefined {
  const transport = chooseTransport();
  return "libc" in transport ? transport.libc : undefined;
}

function readVariable(): string | undefined {
  const isReadable = isGranted({ name: "env", variable: VARIABLE });
  return isReadable && Deno.env.get(VARIABLE) || undefined;
}
