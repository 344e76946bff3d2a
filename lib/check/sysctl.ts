import { IpvlanError } from "../errors.ts";
import { netnsName } from "../iproute2/words.ts";

/** A kernel setting of a network namespace could not be written. */
export class SysctlError extends IpvlanError {
  /** The network namespace. */
  readonly netns: string;
  /** The settings: paths under `/proc/sys`. */
  readonly keys: string[];

  /** Makes the error from the namespace, the settings, the value, and what was said. */
  constructor(netns: string, keys: string[], value: string, said: string) {
    super(`Cannot set ${keys.join(", ")} to ${value} in "${netns}": ${said}`);
    this.netns = netns;
    this.keys = keys;
  }
}

/**
 * Writes one value to kernel settings of a network namespace. `/proc/sys/net` shows each process
 * those of its own namespace, so one has to be in there to write them.
 *
 * @param keys Paths under `/proc/sys`: `net/ipv4/ip_forward`.
 * @throws {SysctlError} There is no such namespace or setting, or the kernel refused.
 */
export async function setSysctls(netns: string, keys: string[], value: string): Promise<void> {
  // Not sysctl(8), which a small system lacks; tee is part of the coreutils.
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", netnsName(netns), "tee", ...keys.map((key) => `/proc/sys/${key}`)],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A write fails only if the program has ended, and then it says why.
  await writer.write(new TextEncoder().encode(`${value}\n`)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stderr } = await child.output();
  if (!success) {
    throw new SysctlError(netns, keys, value, new TextDecoder().decode(stderr).trim());
  }
}
