import { IpvlanError } from "../errors.ts";
import { netnsName } from "../iproute2/words.ts";

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

/**
 * Writes one value to several kernel settings of a network namespace. `/proc/sys/net` shows the
 * settings of the process's own namespace, so it runs a process in that namespace.
 *
 * @param keys Paths under `/proc/sys`: `net/ipv4/ip_forward`.
 * @throws {SysctlError} if the namespace or a setting does not exist, or the kernel refuses the value.
 */
export async function setSysctls(netns: string, keys: string[], value: string): Promise<void> {
  // tee(1) and not sysctl(8), which small systems lack.
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", netnsName(netns), "tee", ...keys.map((key) => `/proc/sys/${key}`)],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A write fails only if the program has ended. Its error output then says why.
  await writer.write(new TextEncoder().encode(`${value}\n`)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stderr } = await child.output();
  if (!success) {
    throw new SysctlError(netns, keys, value, new TextDecoder().decode(stderr).trim());
  }
}
